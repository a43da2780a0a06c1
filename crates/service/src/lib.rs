//! From sites, models and a load to deployments, schedules, batches and service levels: the three
//! problems, one after the other.
//!
//! 1. [`requests`]: users, services, times and sites of requests.
//! 2. [`equipments`]: for every site, deployments of every set of services at every combination of
//!    quality floors, and in one uniform format, planned jointly (problem 1).
//! 3. [`choose`]: what each site hosts, so that the users of the expected load are satisfied most
//!    if a schedule assigns them (problem 2); with a bound over all hostings.
//! 4. [`strategies`]: a schedule frame by frame, batches at each site ([`Planned`] is problem 3),
//!    and the baseline policies.
//! 5. [`Strategy::run`]: every site in the simulator, event by event, and what users saw.
//!
//! The scheduler of requests counts with what a deployment takes when its batches are full
//! ([`Equipment::host`]); what users saw comes from the simulator alone.

mod dispatch;
mod equipment;
mod hosting;
mod load;
mod operation;
mod pace;
mod planned;
pub mod platform;
mod question;
mod replay;
mod study;

pub use dispatch::{Rule, Ticket, by_rule, scheduled};
pub use equipment::{Equipment, Grade, Hosted, Planner, equipments};
pub use hosting::{Chosen, Expected, Hosting, Worth, choose, singly, uniform};
pub use load::{Load, UserRequest, mean_size, requests};
pub use operation::{Router, Strategy, StrategyRun, denser, rate, strategies};
pub use pace::Pace;
pub use planned::Planned;
pub use question::{Meaning, Offered, Question, Standing};
pub use replay::{Batching, Levels, Replay, Served, SiteRun, replay};
pub use study::{AllLevels, LoadLevels, Step, Study, decision_frame};
