//! Plans and runs as pictures: an SVG that shows where layers run, in which format, what fills the
//! memories and where a request's time goes; and an HTML page with the same picture and every
//! number.
//!
//! Nothing here solves anything: a [`picture::Picture`] is a question, a plan and what was proven
//! about it; everything drawn comes from `evaluate`. A [`gantt::Gantt`] shows what a simulation did
//! when; [`experiments`] makes tables and plots of records. The same picture gives the same bytes.

pub mod answer;
pub mod batch;
pub mod bench;
pub mod bill;
pub mod chart;
pub mod curves;
mod draw;
pub mod experiments;
pub mod gantt;
mod layers;
mod memory;
mod narrow;
pub mod page;
pub mod picture;
mod route;
mod scene;
pub mod schedule;
pub mod table;
pub mod text;
mod theme;
mod timeline;
