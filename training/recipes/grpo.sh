#!/usr/bin/env bash
# Stage 3, self-improving reinforcement learning: proposals, then refinements, 200 steps each (section 4.1, appendix C).
# It goes on from stage 2's merged model: `python -m training.export --base runs/cold-start runs/cold-start-merged`.
# BASE, OUT, SEGMENTER and GPUS come from the environment; further options of training.grpo from the command line, such
# as `--shard` (one model over all GPUs) or `--rollouts http://HOST:PORT` (replies from vLLM's server).
# `--dry-run` prints shapes, what trains, memory, steps and time, and needs neither weights nor a GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

base="${BASE:-runs/cold-start-merged}"
for argument in "$@"; do
  if [ "$argument" = --dry-run ]; then
    [ -d "$base" ] || base="Qwen2.5-VL-${SIZE:-7B}"
    exec "${PYTHON:-python}" -m training.estimate "$base" --grpo
  fi
done
launch=()
[ "${GPUS:-1}" = 1 ] || launch=(-m torch.distributed.run --nproc-per-node "$GPUS")
exec "${PYTHON:-python}" "${launch[@]}" -m training.grpo --start "$base" --out "${OUT:-runs/grpo}" ${SEGMENTER:+--segmenter "$SEGMENTER"} \
  --proposing 200 --refining 200 --images 8 --questions 2 --accumulate 1 --group 8 --kl 1e-2 --rate 1e-6 --decay 0.01 "$@"
