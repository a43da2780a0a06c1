//! Quantization formats: bytes per block, exactly.
