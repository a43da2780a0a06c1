#!/bin/sh
# Stores each tensor as planned: quantize.sh FLOAT.gguf [OUT.gguf]
set -eu
: "${1:?a GGUF file in f32, f16 or bf16}"
exec "${LLAMA_QUANTIZE:-llama-quantize}" \
  --token-embedding-type f16 \
  --output-tensor-type q6_K \
  --tensor-type '^blk\.(0|1|2|3|4|5)\.(attn_q|attn_k|attn_qkv|attn_output|attn_q_a|attn_q_b|attn_kv_a_mqa|attn_kv_b|attn_k_b|attn_v_b|attn_gate|ffn_gate|ffn_up|ffn_gate_exps|ffn_up_exps|ffn_down_exps|ffn_gate_up_exps|ffn_gate_shexp|ffn_up_shexp|ffn_down_shexp|ssm_in|ssm_out|ssm_x|ssm_dt|ssm_ba|ssm_alpha|ssm_beta|shortconv.in_proj|shortconv.out_proj)\.weight$=q4_K' \
  --tensor-type '^blk\.(0|2|4)\.(attn_v)\.weight$=q8_0' \
  --tensor-type '^blk\.(1|3|5)\.(attn_v|ffn_down)\.weight$=q4_K' \
  --tensor-type '^blk\.(0|2|4)\.(ffn_down)\.weight$=q6_K' \
  "$1" "${2:-model.gguf}" Q8_0
