#!/bin/sh
# Serves jetson to the source. With several accelerators, name one: RPC_DEVICE=CUDA0
# On a processor: RPC_THREADS=8. To one network only: RPC_HOST=ADDRESS. Older versions
# call the program rpc-server: RPC_SERVER=rpc-server
set -eu
exec "${RPC_SERVER:-ggml-rpc-server}" \
  --host "${RPC_HOST:-0.0.0.0}" \
  --port 50052 \
  ${RPC_THREADS:+--threads "$RPC_THREADS"} \
  ${RPC_DEVICE:+--device "$RPC_DEVICE"} \
  --cache
