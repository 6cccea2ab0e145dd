#!/bin/bash
# Training on a Slurm cluster, on one machine or several, queued again until it is done.
#
#     sbatch examples/slurm_train.sh RECIPE NAME:DIR RUN [further options of `pylon-zoo train`]
#     sbatch --nodes 2 --ntasks-per-node 8 --gpus-per-node 8 examples/slurm_train.sh nih_cxr14_pylon_resnet50_256 nih-cxr14:DIR run
#
# Slurm starts one process per GPU, and Accelerate takes their places from the variables set below, as it does under
# `accelerate launch`. DIR and RUN must be where all machines see them. Five minutes before the job's time is up it is queued
# again; --resume goes on from the last save (every epoch, or `--set loop.save_every=N` steps) with the same numbers.
#SBATCH --job-name=pylon-zoo
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@300
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "Give a recipe, the data and the run's folder: sbatch $0 RECIPE NAME:DIR RUN" >&2
    exit 2
fi
recipe=$1 data=$2 run=$3
shift 3

MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000)) # two jobs on one machine do not meet
export MASTER_ADDR MASTER_PORT WORLD_SIZE=$SLURM_NTASKS LOCAL_WORLD_SIZE=$((SLURM_NTASKS / SLURM_JOB_NUM_NODES))

queue_again() {
    echo "The time is nearly up: queued again."
    scontrol requeue "$SLURM_JOB_ID"
}
trap queue_again USR1

# shellcheck disable=SC2016  # the variables are each process's own
srun bash -c 'RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID exec "$@"' process \
    python -m pylon_zoo train "$recipe" --data "$data" --out "$run" --resume --workers "${SLURM_CPUS_PER_TASK:-1}" "$@" &
wait $! # in the background, so that the signal is heard at once
