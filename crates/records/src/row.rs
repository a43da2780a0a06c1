//! Rows: a trial, and a point of its anytime curve.

use std::collections::BTreeMap;

use edgeplan_problem::deployment::{Objective, Placement};
use edgeplan_problem::{Cost, Verdict, gap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::columns::Columns;
use crate::parameter::Parameter;

/// Which kind of problem a trial is about.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
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

/// A trial: one solver on one instance, under limits, on one machine. None is what was not found,
/// or what that kind of problem does not have. Its columns in `records.csv` have the same names;
/// the verdict takes five of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Columns", into = "Columns")]
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
    /// The solver's seed.
    pub seed: u64,
    /// What is true of the answer by itself. [`crate::summary::reconciled`] confronts it with the
    /// answers of other solvers.
    pub verdict: Verdict,
    /// Seconds that the solver took; of the whole process where it failed.
    pub elapsed_s: f64,
    /// Seconds to the first incumbent.
    pub first_plan_s: Option<f64>,
    /// Cost of the first incumbent.
    pub first_plan_cost: Option<Cost>,
    /// Counted work by its unit: nodes, pivots, labels.
    pub work: BTreeMap<String, u64>,
    /// Peak resident memory of the process.
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
    /// The machine's name.
    pub machine: String,
    /// The kind of problem.
    pub problem: Kind,
    /// What the instance was drawn with, by name: the family, its memory in percent, and so on.
    pub parameters: BTreeMap<String, Parameter>,
    /// Seconds of processor time, of the process and those that it started.
    pub cpu_s: Option<f64>,
    /// Seconds of processor time that each of its processes was given.
    pub cpu_limit_s: Option<f64>,
    /// Threads that engines were given.
    pub threads: Option<u32>,
    /// Cores that the trial was pinned to; none where the system chose.
    pub cores: Vec<usize>,
    /// Load average over the last minute when the trial ended.
    pub load: Option<f64>,
    /// Version of the integer programs that engines were given.
    pub formulation: Option<u32>,
    /// Cores that other programs kept busy during the trial, in the mean; none where it is not
    /// known: in short trials, beside other trials, on other systems than Linux.
    pub foreign: Option<f64>,
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
    /// The solver's seed.
    pub seed: u64,
    /// Seconds since the solver started.
    pub at_s: f64,
    /// Incumbent or dual bound.
    pub kind: PointKind,
    /// The incumbent's cost, or the dual bound.
    pub value: Cost,
}

/// A point of the anytime curve, by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Seconds since the solver started.
    pub at_s: f64,
    /// Incumbent or dual bound.
    pub kind: PointKind,
    /// The incumbent's cost, or the dual bound.
    pub value: Cost,
}

/// What improved at a point of the anytime curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PointKind {
    /// The best plan so far.
    Incumbent,
    /// The dual bound.
    Bound,
}

/// What identifies a trial among those of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrialKey<'a> {
    /// The suite's name.
    pub suite: &'a str,
    /// The instance's name in it.
    pub instance: &'a str,
    /// The solver's name.
    pub solver: &'a str,
    /// The solver's seed.
    pub seed: u64,
}

impl CurveRow {
    /// The trial that the point belongs to.
    pub fn key(&self) -> TrialKey<'_> {
        let Self { suite, instance, solver, seed, .. } = self;
        TrialKey { suite, instance, solver, seed: *seed }
    }
}

impl Record {
    /// What identifies the trial.
    pub fn key(&self) -> TrialKey<'_> {
        let Self { suite, instance, solver, seed, .. } = self;
        TrialKey { suite, instance, solver, seed: *seed }
    }

    /// Cost of the plan, if there is one that may be ranked.
    pub fn cost(&self) -> Option<Cost> {
        self.verdict.cost()
    }

    /// The dual bound: no plan costs less. None where none may be believed.
    pub fn lower_bound(&self) -> Option<Cost> {
        self.verdict.lower_bound()
    }

    /// Relative gap between cost and dual bound.
    pub fn gap(&self) -> Option<f64> {
        Some(gap(self.cost()?, self.lower_bound()?))
    }

    /// [`Record::gap`]; 0 where it is proven that there is no plan, and 1 where the plan or the
    /// bound is missing.
    pub fn gap_or_whole(&self) -> f64 {
        match self.verdict {
            Verdict::Infeasible => 0.0,
            _ => self.gap().unwrap_or(1.0),
        }
    }

    /// [`Verdict::reason`]; empty where there is none.
    pub fn reason(&self) -> String {
        self.verdict.reason().unwrap_or_default()
    }

    /// Whether the solver gave an answer that nothing contradicts.
    pub fn counts(&self) -> bool {
        !matches!(self.verdict, Verdict::Wrong(_) | Verdict::Failed(_))
    }

    /// Whether it ended in a proof, of optimality or that there is no plan.
    pub fn is_proven(&self) -> bool {
        matches!(self.verdict, Verdict::Optimal { .. } | Verdict::Infeasible)
    }

    /// Seconds to the proof; a trial without one counts as its time limit.
    pub fn proof_s(&self) -> f64 {
        if self.is_proven() { self.elapsed_s.min(self.time_limit_s) } else { self.time_limit_s }
    }

    /// A property of the instance by its name: of a column (`layers`, `placement`), or of what it
    /// was drawn with (`tight`, `requests`).
    pub fn parameter(&self, name: &str) -> Option<Parameter> {
        match name {
            "suite" => Some(self.suite.as_str().into()),
            "problem" => Some(self.problem.word().into()),
            "layers" => self.layers.map(Parameter::from),
            "devices" => self.devices.map(Parameter::from),
            "options" => self.options_max.map(Parameter::from),
            "placement" => self.placement.map(|placement| Parameter::Word(lowercase(&placement))),
            "objective" => self.objective.map(|objective| Parameter::Word(lowercase(&objective))),
            _ => self.parameters.get(name).cloned(),
        }
    }

    /// A figure of the trial by its name: `seconds` and `cpu` (s), `gap` (a share), `memory`
    /// (bytes), or counted work such as `nodes` and `labels`.
    pub fn figure(&self, name: &str) -> Option<f64> {
        match name {
            "seconds" => Some(self.elapsed_s),
            "cpu" => self.cpu_s,
            "gap" => self.gap(),
            "memory" => self.peak_memory_bytes.map(|bytes| bytes as f64),
            _ => self.work.get(name).map(|&count| count as f64),
        }
    }
}

/// The name of a variant of one word, as files write it.
fn lowercase(variant: &impl std::fmt::Debug) -> String {
    format!("{variant:?}").to_lowercase()
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
            verdict: Verdict::Unknown { lower_bound: None },
            elapsed_s: 10.0,
            first_plan_s: None,
            first_plan_cost: None,
            work: BTreeMap::from([("labels".into(), 3), ("nodes".into(), 1)]),
            peak_memory_bytes: Some(1 << 20),
            stopped: "time limit".into(),
            time_limit_s: 10.0,
            gap_limit: 1e-4,
            memory_limit_bytes: 1 << 30,
            revision: "r".into(),
            machine: "m".into(),
            problem: Kind::Deployment,
            parameters: BTreeMap::from([
                ("family".into(), "random".into()),
                ("tight".into(), "143".into()),
            ]),
            cpu_s: Some(9.5),
            cpu_limit_s: Some(20.0),
            threads: Some(1),
            cores: vec![0],
            load: Some(1.25),
            formulation: Some(2),
            foreign: Some(0.125),
        }
    }

    /// A row that ended with that verdict after so many seconds. Its instance is itself wherever it
    /// has that name, and its first incumbent came half-way.
    pub(crate) fn answer(instance: &str, solver: &str, verdict: Verdict, elapsed_s: f64) -> Record {
        let first_plan_s = verdict.cost().map(|_| elapsed_s / 2.0);
        let fingerprint = instance.to_owned();
        Record { verdict, elapsed_s, first_plan_s, fingerprint, ..row(instance, solver) }
    }

    pub(crate) fn optimal(cost: u64) -> Verdict {
        Verdict::Optimal { cost: Cost(cost), lower_bound: Cost(cost) }
    }

    pub(crate) fn feasible(cost: u64, lower_bound: Option<u64>) -> Verdict {
        Verdict::Feasible { cost: Cost(cost), lower_bound: lower_bound.map(Cost) }
    }

    /// A proof after so many seconds.
    pub(crate) fn proof(instance: &str, solver: &str, elapsed_s: f64) -> Record {
        answer(instance, solver, optimal(100), elapsed_s)
    }

    #[test]
    fn parameters_and_figures_have_names() {
        let row = row("i", "a");
        let parameter = |name| row.parameter(name).map(|value| value.to_string());
        assert_eq!(row.parameter("tight"), Some(Parameter::Number(143)));
        assert_eq!(row.parameter("devices"), Some(Parameter::Number(2)));
        assert_eq!(parameter("placement").as_deref(), Some("contiguous"));
        assert_eq!((parameter("family").as_deref(), parameter("tigh")), (Some("random"), None));
        assert_eq!((row.figure("labels"), row.figure("cpu")), (Some(3.0), Some(9.5)));
        assert_eq!((row.figure("gap"), row.figure("cuts")), (None, None));
    }
}
