#!/bin/sh
# Serves the model: serve.sh MODEL.gguf. Start the workers first.
set -eu
: "${1:?the quantized GGUF file}"
exec "${LLAMA_SERVER:-llama-server}" \
  --model "$1" \
  --rpc desktop:50052,jetson:50052 \
  --device RPC0,RPC1 \
  --gpu-layers 5 \
  --split-mode layer \
  --tensor-split 2,3 \
  --ctx-size 8192 \
  --ubatch-size 512 \
  --parallel 1 \
  --cache-type-k f32 \
  --cache-type-v f32 \
  --flash-attn on
