#!/bin/sh
# Serves the model: serve.sh MODEL, a name on Hugging Face or a folder
set -eu
: "${1:?a float model}"
exec "${MISTRALRS:-mistralrs}" serve \
  -p 1234 \
  -m "$1" \
  --dtype f16 \
  --topology "$(dirname "$0")/topology.yml"
