#!/bin/sh
# Loads the model as planned: load.sh MODEL, as `lms ls` names it.
set -eu
: "${1:?a model of lms ls}"
exec "${LMS:-lms}" load \
  "$1" \
  --gpu off \
  --context-length 8192 \
  --identifier planned
