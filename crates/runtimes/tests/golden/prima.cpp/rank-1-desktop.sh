#!/bin/sh
# Rank 1 of 3: rank-1-desktop.sh MODEL.gguf
set -eu
: "${1:?the GGUF file}"
exec "${LLAMA_CLI:-./llama-cli}" \
  -m "$1" \
  --world 3 \
  --rank 1 \
  --master laptop \
  --next jetson \
  --prefetch \
  -ngl 2
