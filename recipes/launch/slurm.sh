#!/bin/bash
# sbatch recipes/launch/slurm.sh recipes/train/calm-70b.yaml out/calm-70b-adapter
#
# Fill in: account and partition, nodes and GPUs of a node, where the environment lies, how long it may take. Both
# arguments are optional; more are settings of the recipe (lr=1e-4 base=/models/...). Submit it from the repository's
# root, on a file system that all nodes share. The same line goes on after a kill, a time-out or a requeue.
#SBATCH --job-name=calm
#SBATCH --account=FILL_IN
#SBATCH --partition=FILL_IN
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --mem=0
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@180
set -euo pipefail

recipe=${1:-recipes/train/calm-70b.yaml}
out=${2:-out/calm-70b-adapter}
source "${CALM_VENV:-.venv}/bin/activate"
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 # or a restart meets the addresses of the dead
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)

srun --kill-on-bad-exit=1 torchrun --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node "$SLURM_GPUS_ON_NODE" \
  --max-restarts 3 --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$first:29400" \
  -m calm train "$recipe" --out "$out" "${@:3}"
