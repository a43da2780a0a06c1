//! Who serves each request of a decision frame, and with which variant of its service.
//!
//! ```
//! use edgeplan::schedule::{example, schedule};
//! use edgeplan::{Limits, Problem};
//!
//! let frame = example();
//! let scheduled = schedule(&frame, &edgeplan_solvers::SCHEDULING[0], Limits::default());
//! let plan = scheduled.outcome.plan.as_ref().expect("every frame has a schedule");
//! println!("{} users are satisfied", frame.evaluate(plan).account.satisfied);
//! println!("{}", scheduled.text());
//! ```

use std::path::Path;

use edgeplan_files::{InputError, read_text};
use edgeplan_problem::scheduling::{Plan, Scheduling};
use edgeplan_problem::{Evaluation, Limits, Outcome, Problem as _};
use edgeplan_report::schedule::{
    CheckedSchedule, RankedSchedule, ScheduleAnswer, ScheduleBill, checked, headline, ranking, svg,
    tables,
};
use edgeplan_report::table::Table;
use edgeplan_scheduling::{ScheduleFile, parse_schedule};
use edgeplan_solvers::{Entry, SCHEDULING};
use serde::Serialize;

use crate::solved::{Compared, Shown, Solved};

const EXAMPLE: &str = include_str!("../../../bench-data/schedules/campus.toml");

/// The embedded example: three edge servers and a cloud.
///
/// See the [module](self) for an example.
///
/// # Panics
/// Never: a test reads it.
pub fn example() -> Scheduling {
    parse_schedule("example", EXAMPLE, true).expect("a test reads it")
}

/// A frame's schedule, and how good it is. See the [module](self) for an example.
pub type Scheduled<'a> = Solved<'a, Scheduling>;

/// Schedules a frame with that solver, and prices the schedule again. See the [module](self) for an
/// example.
pub fn schedule<'a>(
    instance: &'a Scheduling,
    entry: &Entry<Scheduling>,
    limits: Limits<'_>,
) -> Scheduled<'a> {
    Solved::new(instance, entry, limits)
}

/// Asks every solver of schedules, one after another, and ranks them; `asking` hears of each
/// before.
///
/// ```
/// use edgeplan::schedule::{compare, example};
/// let frame = example();
/// let limits = edgeplan::Limits { time: Some(std::time::Duration::ZERO), ..Default::default() };
/// println!("{}", compare(&frame, limits, &mut |solver| println!("{solver} ...")).text());
/// ```
pub fn compare<'a>(
    instance: &'a Scheduling,
    limits: Limits<'_>,
    asking: &mut dyn FnMut(&'static str),
) -> Compared<'a, Scheduling> {
    Compared::new(instance, SCHEDULING, limits, asking)
}

impl Shown for Scheduling {
    fn answer(&self, solver: &str, outcome: &Outcome<Plan>) -> impl Serialize {
        ScheduleAnswer::new(self, solver, outcome)
    }

    fn among_others(&self, solver: &str, outcome: &Outcome<Plan>) -> impl Serialize {
        RankedSchedule::new(self, solver, outcome)
    }

    fn bill(&self, plan: &Plan) -> impl Serialize {
        ScheduleBill::new(self, &self.evaluate(plan).account)
    }

    fn headline(&self, solver: &str, outcome: &Outcome<Plan>) -> String {
        headline(self, solver, outcome)
    }

    fn tables(&self, plan: &Plan) -> String {
        tables(self, &self.evaluate(plan).account)
    }

    fn ranking(&self, outcomes: &[(&str, Outcome<Plan>)]) -> Table {
        ranking(self, outcomes)
    }

    fn title(&self) -> &str {
        &self.name
    }
}

impl Solved<'_, Scheduling> {
    /// The schedule as a picture (SVG); none where there is none.
    ///
    /// See the [module](self) for an example.
    pub fn picture(&self) -> Option<String> {
        let account = self.instance.evaluate(self.outcome.plan.as_ref()?).account;
        let line = headline(self.instance, self.solver, &self.outcome);
        let line = line.strip_prefix(&format!("{}: ", self.instance.name)).unwrap_or(&line);
        Some(svg(self.instance, &account, line))
    }

    /// The schedule as a file; none where there is none.
    ///
    /// See the [module](self) for an example.
    pub fn file(&self) -> Option<ScheduleFile> {
        Some(ScheduleFile::new(self.instance, self.outcome.plan.as_ref()?))
    }
}

/// A schedule file held against a frame.
///
/// ```
/// use edgeplan::schedule::{check, example, schedule};
/// let frame = example();
/// let scheduled = schedule(&frame, &edgeplan_solvers::SCHEDULING[0], Default::default());
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("schedule.json");
/// std::fs::write(&path, edgeplan_files::to_json(&scheduled.file())).unwrap();
/// assert!(check(&frame, &path)?.evaluation.is_feasible());
/// # Ok::<(), edgeplan::InputError>(())
/// ```
#[derive(Debug)]
pub struct Checked<'a> {
    /// The frame.
    pub instance: &'a Scheduling,
    /// Cost, bill, and what the schedule violates.
    pub evaluation: Evaluation<Scheduling>,
}

/// Reads a schedule file and evaluates it. See [`Checked`] for an example.
///
/// # Errors
/// A file that cannot be read, or a schedule of another frame.
pub fn check<'a>(instance: &'a Scheduling, path: &Path) -> Result<Checked<'a>, InputError> {
    let file = path.display().to_string();
    let plan = ScheduleFile::parse(&file, &read_text(path)?)?.resolve(&file, instance)?;
    Ok(Checked { instance, evaluation: instance.evaluate(&plan) })
}

impl Checked<'_> {
    /// What was found for programs, under stable keys.
    ///
    /// See [`Checked`] for an example.
    pub fn keys(&self) -> impl Serialize {
        CheckedSchedule::new(self.instance, &self.evaluation)
    }

    /// What was found for people.
    ///
    /// See [`Checked`] for an example.
    pub fn text(&self) -> String {
        checked(self.instance, &self.evaluation)
    }
}
