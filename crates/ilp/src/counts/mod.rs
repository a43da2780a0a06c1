//! One model on hosts of several devices, by counts: how many layers of a class lie on a device in
//! an option, and how often the chain goes from one device to another. Blocks of a model are nearly
//! all alike, and a program of layers has as many solutions of equal cost as there are orders of
//! them; a program of counts has one.
//!
//! # Variables
//! - `n[c,d,o]`: layers of class `c` on device `d` in option `o`; `n[c,d]` their sum.
//! - `y[c,e,d,f]`: times that a layer of class `c` on `d` is followed by one of class `e` on `f`.
//! - `s[d]`, `t[d]`: the chain starts, and ends, on `d`.
//! - `u[d]`: `d` holds a layer. `v[h]`: the chain enters host `h`.
//! - `k[d,i]`: `d` stores shared tensor `i`.
//! - `w[c,d]`: `d` holds a layer of class `c`.
//! - `b[c]`: what class `c` loses, where its layers lose different amounts.
//!
//! # Rows
//! Each is satisfied by every plan.
//! 1. `sum_{d,o} n[c,d,o]` is the size of the class.
//! 2. Flow: what follows the layers on a device, and what they follow, are as many as they.
//! 3. Each host is entered once at most, and its devices are used only if it is entered. Sets of
//!    hosts, sets of a host's devices, and sets of a class on a device each, that hold something
//!    are entered from outside of them. The last are added where a solution breaks them.
//! 4. Memory: bytes on `d` are at most `M[d] u[d]`; `n[c,d] <= size[c] w[c,d]`.
//! 5. Compute budgets, latency.
//! 6. Quality: the losses' sum is allowed. What a class loses is a convex function of how many of
//!    its layers are in each option, a transport problem; tangents of it are added where a solution
//!    is below it.
//!
//! The program is a relaxation: counts do not say which layer lies where. [`arrange`] looks for a
//! plan with the counts of a solution; mostly there is one, and its cost is the program's.

mod arrange;
mod classes;
mod cuts;
mod layout;
mod program;
mod solver;
mod trail;
mod transport;

pub use solver::Counts;
