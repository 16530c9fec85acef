#!/bin/bash
# GNU parallel: shards on this machine, or with --sshlogin on several that share this folder. The log of jobs lets a second call
# repeat only what failed.
set -eu
scene=${SCENE:-jewel}
shards=${SHARDS:-8}
mkdir -p parts
seq "$shards" | parallel --joblog parts/log --resume-failed --retries 3 --jobs "${JOBS:-2}" \
    fractal render "$scene" --shard "{}/$shards" --workers 1 --progress never --resume -o "parts/{}.part"
fractal merge parts/*.part -o picture.png
