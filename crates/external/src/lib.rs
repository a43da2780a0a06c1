//! Solvers that are programs of their own, in any language: an instance file in, a plan file out.
//!
//! An [`External`] is a command with placeholders. It is started in a process group of its own with
//! the paths of an instance file, of the plan file that it shall write, and of a claim file that it
//! may write; it is told the limits, and killed [`External::GRACE`] past its time. What it writes
//! is taken as any solver's word: the plan is priced by `evaluate()`, the bound is judged.
//!
//! Nothing of it stays behind, whatever ends the process that started it.

mod claim;
mod command;
mod files;
mod guard;
mod process;
mod solver;

pub use claim::Claim;
pub use command::External;
