#!/bin/sh
# Stores each tensor as planned: quantize.sh FLOAT.gguf [OUT.gguf]
set -eu
: "${1:?a GGUF file in f32, f16 or bf16}"
exec "${LLAMA_QUANTIZE:-llama-quantize}" \
  --token-embedding-type f16 \
  --output-tensor-type q6_K \
  --tensor-type '^blk\.(0|1|2|3|4|5)\.(attn_q|attn_k|attn_qkv|attn_output|ffn_gate|ffn_up)\.weight$=q4_K' \
  --tensor-type '^blk\.(0|2|4)\.(attn_v)\.weight$=q8_0' \
  --tensor-type '^blk\.(1|3|5)\.(attn_v|ffn_down)\.weight$=q4_K' \
  --tensor-type '^blk\.(0|2|4)\.(ffn_down)\.weight$=q6_K' \
  "$1" "${2:-model.gguf}" Q8_0
