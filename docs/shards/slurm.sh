#!/bin/bash
# A job array with one shard a task:
#
#   mkdir -p parts
#   job=$(sbatch --parsable slurm.sh)
#   sbatch --dependency=afterok:"$job" --wrap 'fractal merge parts/*.part -o picture.png'
#
# Tasks that failed are repeated with `sbatch --array=3,7 slurm.sh`: the number of shards stays, so it is a constant here and not
# taken from Slurm. At its time limit a task gets SIGTERM and stops with what it has; requeued, it goes on.
#SBATCH --job-name=fractal
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --mem=2G
#SBATCH --time=01:00:00
#SBATCH --requeue
set -eu

scene=${SCENE:-jewel}
shards=8

# `exec`, so that signals reach the program and not the shell.
exec fractal render "$scene" --shard "$SLURM_ARRAY_TASK_ID/$shards" --workers "${SLURM_CPUS_PER_TASK:-1}" \
    --progress never --resume -o "parts/$SLURM_ARRAY_TASK_ID.part"
