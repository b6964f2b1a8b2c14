#!/bin/sh
# Reinforcement learning on a supervised run: one command, resumable; OUT/state.json says what is done.
#   training/recipes/rl.sh runs/nano runs/rl_recipe                      both stages, scores, ablations, action space
#   training/recipes/rl.sh runs/nano runs/rl_recipe --call-minutes 9.5   where a call may take ten minutes: call again
#                                                                        until it exits 0 (3: not yet)
#   training/recipes/rl.sh runs/nano runs/second --grpo "--rate 2e-5"    another attempt
#   training/recipes/rl.sh START /tmp/smoke --smoke                      two steps of everything, on a CPU
set -eu
cd "$(dirname "$0")/../.."
exec "${PYTHON:-python}" -m training.recipes.rl "$@"
