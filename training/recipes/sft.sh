#!/usr/bin/env bash
# Stage 1, supervised fine-tuning: table 12's mixture, section 4.1 and appendix C.1 of the paper.
# BASE, DATA, IMAGES, OUT, GPUS, NODES, RENDEZVOUS and SHARDING come from the environment; further options from the
# command line. `--dry-run` prints shapes, what trains, memory, steps and time, and needs neither weights nor a GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

base="${BASE:-Qwen/Qwen2.5-VL-7B-Instruct}" gpus="${GPUS:-8}" out="${OUT:-runs/sft}"
# 2 sequences x 8 accumulated = 16 a device, the appendix's; section 4.1's 16 in all is `--accumulate 1` on 8 GPUs.
options=(--mixture "${MIXTURE:-training/recipes/mixtures/sft.yaml}" --data "${DATA:-data}" --images "${IMAGES:-data/images}"
  --view 840 --lattice 32 --rounds 1 --batch 2 --accumulate 8 --rate 1e-6 --lora-rank 64 --epochs 1)

for argument in "$@"; do
  if [ "$argument" = --dry-run ]; then
    [ -d "$base" ] || base="Qwen2.5-VL-${SIZE:-7B}"
    exec "${PYTHON:-python}" -m training.sft_base --base "$base" "${options[@]}" --gpus "$gpus" "$@"
  fi
done
exec torchrun --nnodes "${NODES:-1}" --nproc-per-node "$gpus" --rdzv-backend c10d \
  --rdzv-endpoint "${RENDEZVOUS:-localhost:0}" -m training.sft_base --base "$base" --out "$out" "${options[@]}" \
  --sharding "${SHARDING:-training/recipes/zero2.json}" "$@"
