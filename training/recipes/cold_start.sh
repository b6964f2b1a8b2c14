#!/usr/bin/env bash
# Stage 2, cold start before reinforcement learning: the tokens beside chain-of-thought data (appendix C.1, table 12).
# BASE, DATA, IMAGES, OUT, GPUS, NODES, RENDEZVOUS and SHARDING come from the environment; further options from the
# command line. `--dry-run` prints shapes, what trains, memory, steps and time, and needs neither weights nor a GPU.
# It goes on from stage 1's merged model: `python -m training.export --base runs/sft runs/sft-merged`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export BASE="${BASE:-runs/sft-merged}" OUT="${OUT:-runs/cold-start}"
export MIXTURE="${MIXTURE:-training/recipes/mixtures/cold_start.yaml}"
exec training/recipes/sft.sh "$@"
