//! edgeplan as a library: load a question once, price it once, then ask.
//!
//! [`Sources`] names models, machines, a workload and an engine, or an instance file. [`Session`]
//! holds what was loaded, priced; it plans, compares, explains, exports, certifies and checks.
//! Whatever it answers has been priced again by [`Problem::evaluate`] before it is returned.
//!
//! ```
//! use edgeplan::{Session, Sources, Task};
//!
//! let sources = Sources { models: vec!["catalog:tinyllama-1.1b".into()], ..Sources::default() };
//! let session: Session = sources.load()?;
//! let planned = session.plan(&Task::default(), &mut edgeplan::Quiet);
//! let plan = planned.outcome.plan.as_ref().expect("the example has a plan");
//! let evaluation = edgeplan::Problem::evaluate(session.deployment(), plan);
//! println!("{} in {}", planned.outcome.verdict.word(), evaluation.account.models[0].latency);
//! # Ok::<(), edgeplan::Error>(())
//! ```

mod answer;
pub mod batch;
mod cache;
mod certificate;
mod changed;
mod check;
mod choice;
mod compare;
mod confidence;
mod diagnosis;
pub mod epochs;
mod error;
mod explain;
mod export;
pub mod fit;
mod init;
pub mod inspect;
mod links;
mod named;
mod opinion;
mod own;
mod plan;
mod plan_files;
mod profile;
mod program;
mod rederived;
mod replan;
mod robust;
mod runs;
pub mod schedule;
mod session;
mod simulate;
mod solved;
mod sought;
mod sources;
mod summary;
mod verify;
mod what_if;

pub use answer::{Phase, Progress, Quiet, Task, answer, believed};
pub use cache::{CacheChoice, OtherCache, Worth};
pub use certificate::{CertificateFile, certify};
pub use check::Checked;
pub use choice::Unsure;
pub use compare::{Ranking, ask, ranked};
pub use diagnosis::Diagnosis;
pub use edgeplan_pricing::{MeasuredPasses, Runs};
pub use error::Error;
pub use explain::Explained;
pub use export::{Export, Exported};
pub use init::{Ask, Initial, Network, NetworkMachine, init, init_asking};
pub use links::{link_keys, link_lines, links};
pub use named::solver_named;
pub use own::OwnAnswer;
pub use plan::{Baseline, Planned};
pub use plan_files::PlanFiles;
pub use profile::profile_text;
pub use program::write_program;
pub use rederived::Rederived;
pub use replan::{Candidate, Event, Horizon, Kind, Move, Moving, Replan, Replanned};
pub use robust::Robust;
pub use runs::InRuns;
pub use session::{Inputs, Requests, Session, View};
pub use simulate::{PolicyRun, Simulated, Simulation};
pub use solved::{Compared, Solved};
pub use sought::{Aim, Sought};
pub use sources::{Changes, Document, Sources};
pub use summary::Summary;
pub use verify::{Expectation, Predicted, Verified, expectation, verify};
pub use what_if::{Alternative, Served, Tried, WhatIf};

pub use edgeplan_files::InputError;
pub use edgeplan_ilp::{NamedChoice, NamedProgram};
pub use edgeplan_mip::ModelFormat;
pub use edgeplan_problem::deployment::{Deployment, Plan};
pub use edgeplan_problem::{Limits, Outcome, Problem, Verdict};
pub use edgeplan_report::answer::headline;
pub use edgeplan_runtimes::Runtime;
pub use edgeplan_solvers::{Entry, Opinion};
