#!/bin/sh
# Creates the instance on 2 nodes: deploy.sh mlx-community/MODEL-8bit
set -eu
: "${1:?a 8bit model of mlx-community}"
API=${EXO_API:-http://127.0.0.1:52415}
HERE=$(dirname "$0")
PREVIEW=$(curl --fail --silent --show-error --get \
  --data-urlencode "model_id=$1" "$API/instance/previews")
INSTANCE=$(printf '%s' "$PREVIEW" | jq --slurpfile plan "$HERE/shards.json" \
  --from-file "$HERE/shards.jq")
exec curl --fail --silent --show-error --request POST \
  --header 'Content-Type: application/json' \
  --data "$INSTANCE" \
  "$API/instance"
