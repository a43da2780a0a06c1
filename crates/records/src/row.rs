//! Rows: a trial, and a point of its anytime curve.

use std::fmt;

use edgeplan_problem::deployment::{Objective, Placement};
use edgeplan_problem::{Cost, Unsupported, Verdict};
use serde::{Deserialize, Serialize};

/// Which kind of question a trial asks.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Which device runs each layer; costs are nanoseconds or bytes, as the objective says.
    #[default]
    Deployment,
    /// Which server serves each request; costs are billionths of a user who misses everything.
    Scheduling,
    /// Who is in the next batch; costs are the weights of requests that are not.
    Batching,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Deployment, Self::Scheduling, Self::Batching];

    /// Its name in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Scheduling => "scheduling",
            Self::Batching => "batching",
        }
    }
}

/// A trial: a solver on an instance, under limits, on a machine. Empty cells are what was not
/// found, or what that kind of question does not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The suite's name.
    pub suite: String,
    /// The instance's name in it.
    pub instance: String,
    /// Digest of the instance.
    pub fingerprint: String,
    /// Layers of all models.
    pub layers: Option<usize>,
    /// Devices.
    pub devices: Option<usize>,
    /// Options of the layer that has most.
    pub options_max: Option<usize>,
    /// Where layers may lie.
    pub placement: Option<Placement>,
    /// What is minimised.
    pub objective: Option<Objective>,
    /// The solver's name in the registry.
    pub solver: String,
    /// Its seed.
    pub seed: u64,
    /// What is true of the answer by itself; see [`crate::summary::reconciled`] for the rest.
    pub verdict: Word,
    /// Why, where the verdict needs words.
    pub reason: String,
    /// Cost of the plan.
    pub cost: Option<Cost>,
    /// No plan costs less.
    pub lower_bound: Option<Cost>,
    /// Relative gap between the two.
    pub gap: Option<f64>,
    /// Seconds that the solver took; of the whole process where it failed.
    pub elapsed_s: f64,
    /// Seconds to the first feasible plan.
    pub first_plan_s: Option<f64>,
    /// What that plan cost.
    pub first_plan_cost: Option<Cost>,
    /// Counted work, `nodes=3;pivots=14`.
    pub work: String,
    /// The most memory that the process ever had resident.
    pub peak_memory_bytes: Option<u64>,
    /// The limit that ended the run, if one did.
    pub stopped: String,
    /// Seconds that the solver was given.
    pub time_limit_s: f64,
    /// Relative gap that counted as proven.
    pub gap_limit: f64,
    /// Address space that the process was given.
    pub memory_limit_bytes: u64,
    /// Revision of the build.
    pub revision: String,
    /// The machine, as a word.
    pub machine: String,
    /// The kind of question; the first records were of deployments only, and do not say so.
    #[serde(default)]
    pub problem: Kind,
    /// What the instance was drawn with, `family=random;tight=143`.
    #[serde(default)]
    pub parameters: String,
    /// Seconds of processor time, of the process and those that it started.
    #[serde(default)]
    pub cpu_s: Option<f64>,
    /// Seconds of processor time that each of its processes was given.
    #[serde(default)]
    pub cpu_limit_s: Option<f64>,
    /// Threads that engines were given.
    #[serde(default)]
    pub threads: Option<u32>,
    /// Cores that the trial was kept on, `0;1`; empty where the system chose.
    #[serde(default)]
    pub cores: String,
    /// Processes that were running or waiting to run when the trial ended, averaged over a minute.
    #[serde(default)]
    pub load: Option<f64>,
    /// Version of the integer programs that engines were given.
    #[serde(default)]
    pub formulation: Option<u32>,
}

/// A point of a trial's anytime curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveRow {
    /// The suite's name.
    pub suite: String,
    /// The instance's name in it.
    pub instance: String,
    /// The solver's name.
    pub solver: String,
    /// Its seed.
    pub seed: u64,
    /// Seconds since the solver started.
    pub at_s: f64,
    /// Plan or bound.
    pub kind: PointKind,
    /// The cost or the lower bound.
    pub value: Cost,
}

/// A point of the anytime curve, by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Seconds since the solver started.
    pub at_s: f64,
    /// Plan or bound.
    pub kind: PointKind,
    /// The cost or the lower bound.
    pub value: Cost,
}

/// What got better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PointKind {
    /// The best plan.
    Incumbent,
    /// The lower bound.
    Bound,
}

/// The words of [`Verdict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "Verdict says what they mean")]
pub enum Word {
    Optimal,
    Feasible,
    Infeasible,
    Unknown,
    Wrong,
    Unsupported,
    Failed,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Optimal => "optimal",
            Self::Feasible => "feasible",
            Self::Infeasible => "infeasible",
            Self::Unknown => "unknown",
            Self::Wrong => "wrong",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
        })
    }
}

/// What tells trials apart in a folder: suite, instance, solver, seed.
pub type Key<'a> = (&'a str, &'a str, &'a str, u64);

impl CurveRow {
    /// What tells its trial from the others of its folder.
    pub fn key(&self) -> Key<'_> {
        (&self.suite, &self.instance, &self.solver, self.seed)
    }
}

impl Record {
    /// What tells it from the others of its folder.
    pub fn key(&self) -> Key<'_> {
        (&self.suite, &self.instance, &self.solver, self.seed)
    }

    /// Whether what the row claims may be believed.
    pub fn counts(&self) -> bool {
        !matches!(self.verdict, Word::Wrong | Word::Failed)
    }

    /// Whether it ended in a proof, of optimality or that there is no plan.
    pub fn is_proven(&self) -> bool {
        matches!(self.verdict, Word::Optimal | Word::Infeasible)
    }

    /// Seconds to the proof; a trial without one counts as its time limit.
    pub fn proof_s(&self) -> f64 {
        if self.is_proven() { self.elapsed_s.min(self.time_limit_s) } else { self.time_limit_s }
    }

    /// What the instance was drawn with under that name: a column that says it, or one of
    /// `parameters`.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let number = |column: Option<usize>| column.map(|value| value.to_string());
        match name {
            "suite" => Some(self.suite.clone()),
            "problem" => Some(self.problem.word().into()),
            "layers" => number(self.layers),
            "devices" => number(self.devices),
            "options" => number(self.options_max),
            "placement" => self.placement.map(|placement| word(&placement)),
            "objective" => self.objective.map(|objective| word(&objective)),
            _ => pair(&self.parameters, name).map(str::to_owned),
        }
    }

    /// A figure of the trial by its name: `seconds` and `cpu` (s), `gap` (a share), `memory`
    /// (bytes), or counted work such as `nodes` and `labels`.
    pub fn figure(&self, name: &str) -> Option<f64> {
        match name {
            "seconds" => Some(self.elapsed_s),
            "cpu" => self.cpu_s,
            "gap" => self.gap,
            "memory" => self.peak_memory_bytes.map(|bytes| bytes as f64),
            _ => pair(&self.work, name)?.parse().ok(),
        }
    }

    /// The verdict with its numbers.
    ///
    /// # Errors
    /// The column that is missing for that verdict.
    pub fn verdict(&self) -> Result<Verdict, &'static str> {
        let lower_bound = self.lower_bound;
        Ok(match self.verdict {
            Word::Optimal => Verdict::Optimal {
                cost: self.cost.ok_or("cost")?,
                lower_bound: lower_bound.ok_or("lower_bound")?,
            },
            Word::Feasible => Verdict::Feasible { cost: self.cost.ok_or("cost")?, lower_bound },
            Word::Infeasible => Verdict::Infeasible,
            Word::Unknown => Verdict::Unknown { lower_bound },
            // An answer that contradicts itself has no numbers to believe.
            Word::Wrong | Word::Failed => Verdict::Failed(self.reason.clone()),
            Word::Unsupported => Verdict::Unsupported(Unsupported(self.reason.clone())),
        })
    }
}

/// The value of `name` in `a=1;b=2`.
fn pair<'a>(pairs: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = pairs.split(';').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn word(value: &impl fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A trial that found nothing in 10 s.
    pub(crate) fn row(instance: &str, solver: &str) -> Record {
        Record {
            suite: "suite".into(),
            instance: instance.into(),
            fingerprint: "00".into(),
            layers: Some(3),
            devices: Some(2),
            options_max: Some(1),
            placement: Some(Placement::Contiguous),
            objective: Some(Objective::Latency),
            solver: solver.into(),
            seed: 0,
            verdict: Word::Unknown,
            reason: String::new(),
            cost: None,
            lower_bound: None,
            gap: None,
            elapsed_s: 10.0,
            first_plan_s: None,
            first_plan_cost: None,
            work: "labels=3;nodes=1".into(),
            peak_memory_bytes: Some(1 << 20),
            stopped: "time limit".into(),
            time_limit_s: 10.0,
            gap_limit: 1e-4,
            memory_limit_bytes: 1 << 30,
            revision: "r".into(),
            machine: "m".into(),
            problem: Kind::Deployment,
            parameters: "family=random;tight=143".into(),
            cpu_s: Some(9.5),
            cpu_limit_s: Some(20.0),
            threads: Some(1),
            cores: "0".into(),
            load: Some(1.25),
            formulation: Some(2),
        }
    }

    /// A row: instance, solver, verdict, cost, bound, seconds.
    pub(crate) fn answer(
        (instance, solver): (&str, &str),
        verdict: Word,
        cost: Option<u64>,
        bound: Option<u64>,
        elapsed_s: f64,
    ) -> Record {
        let (cost, lower_bound) = (cost.map(Cost), bound.map(Cost));
        let gap = cost.zip(lower_bound).map(|(cost, bound)| edgeplan_problem::gap(cost, bound));
        let first_plan_s = cost.map(|_| elapsed_s / 2.0);
        let fingerprint = instance.to_owned();
        let record = row(instance, solver);
        Record { verdict, cost, lower_bound, gap, elapsed_s, first_plan_s, fingerprint, ..record }
    }

    /// A proof after so many seconds.
    pub(crate) fn proof(instance: &str, solver: &str, elapsed_s: f64) -> Record {
        answer((instance, solver), Word::Optimal, Some(100), Some(100), elapsed_s)
    }

    #[test]
    fn parameters_and_figures_have_names() {
        let row = row("i", "a");
        let parameter = |name| row.parameter(name).unwrap_or_default();
        assert_eq!((parameter("tight"), parameter("devices")), ("143".into(), "2".into()));
        assert_eq!((parameter("placement"), parameter("tigh")), ("contiguous".into(), "".into()));
        assert_eq!((row.figure("labels"), row.figure("cpu")), (Some(3.0), Some(9.5)));
        assert_eq!(row.figure("gap"), None);
    }
}
