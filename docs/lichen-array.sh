#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A Slurm array job that compresses the pictures of a list; see docs/many-machines.md.
#   sbatch --array=0-15 lichen-array.sh LIST FROM TO
# LIST: names below the folder FROM, one a line; outputs lie below TO as their pictures do below FROM.
#SBATCH --job-name=lichen
#SBATCH --array=0-15
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=1G
#SBATCH --requeue
set -u
list=$1
export LICHEN_FROM="$2" LICHEN_TO="$3"

# Task number t of n, from 0, takes the lines t+1, t+1+n, t+1+2n, ...: every line belongs to one task.
n=${SLURM_ARRAY_TASK_COUNT:-1}
t=$(((${SLURM_ARRAY_TASK_ID:-0} - ${SLURM_ARRAY_TASK_MIN:-0}) / ${SLURM_ARRAY_TASK_STEP:-1}))

# As many files at a time as the task has processors, with one thread each. xargs ends with 0 when all went well, and
# with 123 when some failed, whose messages are in the task's log.
# shellcheck disable=SC2016 # the inner shell's variables
awk -v n="$n" -v t="$t" '(NR - 1) % n == t' "$list" | tr '\n' '\0' |
  xargs -0 -r -P "${SLURM_CPUS_PER_TASK:-1}" -n 1 sh -c '
    lichen-enc --quiet --skip-existing --threads 1 "$LICHEN_FROM/$1" -o "$LICHEN_TO/$(dirname "$1")/"' sh
