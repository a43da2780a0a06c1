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
mod certificate;
mod check;
mod compare;
mod diagnosis;
pub mod epochs;
mod error;
mod explain;
mod export;
pub mod fit;
mod links;
mod plan;
mod program;
mod rederived;
mod session;
mod simulate;
mod sought;
mod sources;
mod summary;
mod verify;
mod words;

pub use answer::{Phase, Progress, Quiet, Task, answer, believed};
pub use certificate::{CertificateFile, certify};
pub use check::Checked;
pub use compare::{Ranking, ask, ranked};
pub use diagnosis::Diagnosis;
pub use error::Error;
pub use explain::Explained;
pub use export::{Export, Exported};
pub use links::{link_lines, links};
pub use plan::{Baseline, Planned};
pub use program::write_program;
pub use rederived::Rederived;
pub use session::{Inputs, Requests, Session, View};
pub use simulate::Simulation;
pub use sought::{Aim, Sought};
pub use sources::{Changes, Sources};
pub use summary::Summary;
pub use verify::{Expectation, Predicted, expectation};
pub use words::{amount, headline, in_unit, reason};

pub use edgeplan_files::InputError;
pub use edgeplan_ilp::{NamedChoice, NamedProgram};
pub use edgeplan_mip::ModelFormat;
pub use edgeplan_problem::deployment::{Deployment, Plan};
pub use edgeplan_problem::{Limits, Outcome, Problem, Verdict};
pub use edgeplan_runtimes::Runtime;
pub use edgeplan_solvers::{Entry, Opinion};
