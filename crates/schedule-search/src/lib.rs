//! Schedules: a Lagrangian bound, and plans that its prices guide.
//!
//! Both capacities of every server get a price; each request alone then picks what is worth most
//! after prices, which bounds what all can get together (Fisher, Management Science 27, 1981). A
//! bundle method finds the prices. Requests are then served in the order of their regret at these
//! prices, and small groups of them are taken out and served again as well as possible (Shaw's
//! large neighbourhood search, CP 1998).

mod market;
mod prices;
mod regret;
mod solver;
mod work;

pub use solver::ScheduleSearch;
