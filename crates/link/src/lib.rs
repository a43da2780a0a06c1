//! Round-trip time and bandwidth between two machines over TCP.
//!
//! A server answers, a client measures. The client greets, the server greets back and says whether
//! it is free; then come requests of nine bytes: echo, take so many bytes, give so many bytes.
//! Times are the client's, so that no two clocks are compared: a direction's bandwidth is its bytes
//! over the time until the last of them is known to have arrived, less a round trip.

mod client;
mod patience;
mod pool;
mod protocol;
mod server;
mod session;

pub use client::{Direction, Link, LinkError, measure, measure_over};
pub use protocol::{BYTES_MOST, VERSION};
pub use server::{Event, Server};
pub use session::{Limits, Refusal, Traffic, converse};

/// Default address of a server: only this machine can reach it.
pub const ADDRESS: &str = "127.0.0.1:7433";
