//! Machines that are known, because they are made up: what a fit must find again.

mod degenerate;
mod machine;
mod recovered;
