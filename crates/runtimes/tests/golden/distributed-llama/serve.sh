#!/bin/sh
# Serves the model: serve.sh MODEL.m TOKENIZER.t
set -eu
: "${1:?the model, as converted}" "${2:?its tokenizer}"
exec "${DLLAMA_API:-./dllama-api}" \
  --model "$1" --tokenizer "$2" \
  --buffer-float-type q80 \
  --max-seq-len 8192 \
  --port 9999 \
  --nthreads "${THREADS:-$(nproc)}"
