//! Files from outside: GGUF models, and what every parser does with nonsense.

mod edits;
mod fuzz;
mod gguf;
mod gguf_refused;
mod hosts;
mod machine;
mod measured;
mod samples;
mod writer;
