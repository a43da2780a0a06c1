#!/bin/sh
# Serves the model: serve.sh FOLDER/MODEL.gguf
set -eu
: "${1:?the GGUF file}"
exec "${MISTRALRS:-mistralrs}" serve \
  -p 1234 \
  -m "$(dirname "$1")" \
  --format gguf \
  -f "$(basename "$1")" \
  --topology "$(dirname "$0")/topology.yml"
