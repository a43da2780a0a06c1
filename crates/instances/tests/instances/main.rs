//! Files from outside: GGUF models, and what every parser does with nonsense.

mod fuzz;
mod gguf;
mod gguf_refused;
mod writer;
