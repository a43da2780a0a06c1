#!/bin/sh
# Serves jetson to the source. With several accelerators, name one: RPC_DEVICE=CUDA0
set -eu
exec "${RPC_SERVER:-rpc-server}" \
  --host 0.0.0.0 \
  --port 50052 \
  ${RPC_DEVICE:+--device "$RPC_DEVICE"} \
  --cache
