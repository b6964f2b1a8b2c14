#!/bin/sh
# The nano, its segmenter, its tables: one command, resumable; OUT/state.json says what is done, OUT/parcel has it packed.
#   training/recipes/nano.sh runs/first --minutes 14                              a GPU, bf16, compiled, a worker a core
#   training/recipes/nano.sh runs/first --minutes 14 --call-minutes 9.5           where a call may take ten minutes: call
#                                                                                 again until it exits 0 (3: not yet)
#   training/recipes/nano.sh runs/second --minutes 14 --sft "--frozen-blocks 10"  another attempt: more samples a second
#   training/recipes/nano.sh runs/third --minutes 20 --sft "--box-weight 3"       another: boxes count more, longer
#   training/recipes/nano.sh /tmp/smoke --smoke                                   everything tiny, on a CPU
set -eu
cd "$(dirname "$0")/../.."
exec "${PYTHON:-python}" -m training.recipes.nano "$@"
