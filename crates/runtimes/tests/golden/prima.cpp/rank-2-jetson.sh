#!/bin/sh
# Rank 2 of 3: rank-2-jetson.sh MODEL.gguf
set -eu
: "${1:?the GGUF file}"
exec "${LLAMA_CLI:-./llama-cli}" \
  -m "$1" \
  --world 3 \
  --rank 2 \
  --master laptop \
  --next laptop \
  --prefetch \
  -ngl 2
