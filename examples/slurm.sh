#!/bin/sh
# A run in parts, one per member of a Slurm array; each has a database of its own:
#   sbatch examples/slurm.sh --suite imagenet18 --data imagenet=/path/to/ILSVRC2012_val
#   harness merge part-*.db
# A member that did not end goes on where it was: sbatch --array=3 examples/slurm.sh ...
#SBATCH --job-name=harness
#SBATCH --array=1-8
#SBATCH --gpus-per-task=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --output=part-%a.log

parts=${PARTS:-8}  # as many as the array has; SLURM_ARRAY_TASK_COUNT is 1 for a member alone
part=$SLURM_ARRAY_TASK_ID
exec harness run --shard "$part/$parts" --db "part-$part.db" --progress plain "$@"
