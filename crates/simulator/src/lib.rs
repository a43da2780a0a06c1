//! What happens when requests meet a planned deployment, event by event.
//!
//! A [`Layout`] is a deployment under a plan: devices and directed links that serve one message or
//! one computation at a time, first come first served, and for each model the line of these that
//! a pass goes through. A *pass* brings every request in it one token further: the first one reads
//! the prompt, each later one the token that the last one returned to the source. [`ServiceTimes`]
//! says how long each step of a pass takes; [`Shares`] splits the times that `evaluate()` charges,
//! so that a request that is alone takes exactly as long as `evaluate()` says.
//!
//! [`operate`] runs a trace of [`Request`]s under a batching [`Policy`], [`pipeline`] EdgeShard's
//! micro-batches with and without bubbles, [`summarize`] computes its figures. Times are whole
//! nanoseconds; the same input gives the same events on every machine.

mod lane;
mod layout;
mod memory;
mod network;
mod operation;
mod pipeline;
mod policy;
mod request;
mod roofline;
mod shares;
mod summary;
mod times;
pub mod trace;

pub use layout::{Hop, Layout, Line, Refused, Server, Step};
pub use memory::Memory;
pub use network::{Keep, Span};
pub use operation::{Outcome, Record, Refusal, Setup, operate, operate_until};
pub use pipeline::{MicroBatches, Release, Run, pipeline};
pub use policy::{Continuous, Epochs, Policy, StaticBatch, Turn, View};
pub use request::{Request, Size};
pub use roofline::{LinkRate, Roofline, StageRate};
pub use shares::Shares;
pub use summary::{Quantiles, Summary, summarize};
pub use times::{Pass, ServiceTimes};
