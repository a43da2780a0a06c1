//! The command `edgeplan`.
fn main() {}
