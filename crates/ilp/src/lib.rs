//! Exact integer programs: one formulation file per problem, solved by any engine.
//!
//! [`Formulation`] is what a problem must say once; [`Ilp`] then solves it with HiGHS or CBC, and
//! the rounding crate works on its relaxation. An engine's vector is decoded and priced by the
//! problem's own `evaluate()`, its bound is rounded so that float noise can never claim too much.

mod batching;
mod counts;
mod deployment;
mod dilemma;
mod formulation;
mod scale;
mod scheduling;
mod solver;

pub use batching::BatchLayout;
pub use counts::Counts;
pub use deployment::{Layout, NamedChoice, NamedProgram};
pub use dilemma::{Dilemma, Published, published_sum};
pub use formulation::{Formulated, Formulation, TooLarge};
pub use scale::safe_bound;
pub use scheduling::Requests;
pub use solver::{FORMULATION, Ilp, NONZEROS_MAX};
