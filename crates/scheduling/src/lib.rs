//! Schedules: their files, seeded families, places, and variants that come from deployments.
//!
//! `wire.rs` is the file of a question, `plan.rs` that of an answer; `topology.rs` says where
//! servers and users are, `frame.rs` draws the requests of a decision frame; `deployed.rs` turns a
//! planned deployment into a variant.

mod deployed;
mod frame;
mod message_time;
mod plan;
mod settings;
mod topology;
mod wire;

pub use deployed::{Offer, offer};
pub use frame::{Frame, frame};
pub use plan::ScheduleFile;
pub use settings::Settings;
pub use topology::{Point, Topology};
pub use wire::{fingerprint, frame_schema, parse_schedule, read_schedule, write_schedule};
