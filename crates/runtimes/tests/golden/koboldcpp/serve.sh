#!/bin/sh
# Serves the model: serve.sh MODEL.gguf
set -eu
: "${1:?the quantized GGUF file}"
exec "${KOBOLDCPP:-koboldcpp}" \
  --model "$1" \
  --usecpu \
  --gpulayers 0 \
  --contextsize 8192 \
  --batchsize 512 \
  --useswa \
  --noshift \
  --skiplauncher
