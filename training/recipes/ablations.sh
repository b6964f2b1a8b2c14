#!/bin/sh
# The paper's tables at our scale: every arm with the same scenes, steps and network, one after another.
#   training/recipes/ablations.sh                                       a GPU: about a minute an arm
#   training/recipes/ablations.sh --samples 60000 --arms grid,bins,text less of it; results already there are kept
# On a CPU the defaults are a tiny network and a few steps: enough to see that every arm runs.
# Prints the tables and writes results.json and tables.md to runs/ablation, or where --out says.
set -eu
cd "$(dirname "$0")/../.."
exec "${PYTHON:-python}" -m training.ablation "$@"
