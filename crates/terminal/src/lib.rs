//! What commands print and how they end; progress, colours, Ctrl-C.

pub mod models;
mod paint;
pub mod person;
pub mod reply;
pub mod started;
pub mod watch;
