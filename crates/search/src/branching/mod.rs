//! Branch and bound: what the mixture of relaxed paths leaves undecided is decided, both ways
//! ([`decision`]), the part of the least bound first ([`tree`]).

mod decision;
mod tree;
