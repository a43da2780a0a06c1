//! Machines that are known, because they are made up: what a fit must find again.

mod degenerate;
mod engine;
mod engine_machine;
mod machine;
mod recovered;
