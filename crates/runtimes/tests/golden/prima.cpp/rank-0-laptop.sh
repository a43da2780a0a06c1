#!/bin/sh
# Rank 0 of 3: rank-0-laptop.sh MODEL.gguf
set -eu
: "${1:?the GGUF file}"
exec "${LLAMA_SERVER:-./llama-server}" \
  -m "$1" \
  -c 8192 \
  --host 127.0.0.1 \
  --port 8080 \
  --world 3 \
  --rank 0 \
  --master laptop \
  --next desktop \
  --prefetch \
  -lw 2,2,2 \
  -ngl 2
