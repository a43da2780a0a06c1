//! Models: layers and tensors, from a GGUF file, a Hugging Face config, or the catalog.
