//! The columns of `records.csv`, and a row of them as a [`Record`].

use std::collections::BTreeMap;

use edgeplan_problem::deployment::{Objective, Placement};
use edgeplan_problem::{Contradiction, Cost, Unsupported, Verdict};
use serde::{Deserialize, Serialize};

use crate::cell;
use crate::parameter::Parameter;
use crate::row::{Kind, Record};

/// A row as it stands in the file. Columns that the first records lack have defaults; new ones are
/// added at the end.
#[derive(Serialize, Deserialize)]
pub(crate) struct Columns {
    suite: String,
    instance: String,
    fingerprint: String,
    layers: Option<usize>,
    devices: Option<usize>,
    options_max: Option<usize>,
    placement: Option<Placement>,
    objective: Option<Objective>,
    solver: String,
    seed: u64,
    verdict: String,
    /// Why, where the verdict needs words.
    reason: String,
    cost: Option<Cost>,
    lower_bound: Option<Cost>,
    /// Follows from cost and bound; for those who read the file otherwise.
    gap: Option<f64>,
    elapsed_s: f64,
    first_plan_s: Option<f64>,
    first_plan_cost: Option<Cost>,
    #[serde(with = "cell::map")]
    work: BTreeMap<String, u64>,
    peak_memory_bytes: Option<u64>,
    stopped: String,
    time_limit_s: f64,
    gap_limit: f64,
    memory_limit_bytes: u64,
    revision: String,
    machine: String,
    /// The first records are of deployments only, and do not say so.
    #[serde(default)]
    problem: Kind,
    #[serde(default, with = "cell::map")]
    parameters: BTreeMap<String, Parameter>,
    #[serde(default)]
    cpu_s: Option<f64>,
    #[serde(default)]
    cpu_limit_s: Option<f64>,
    #[serde(default)]
    threads: Option<u32>,
    #[serde(default, with = "cell::list")]
    cores: Vec<usize>,
    #[serde(default)]
    load: Option<f64>,
    #[serde(default)]
    formulation: Option<u32>,
    #[serde(default)]
    foreign: Option<f64>,
}

impl From<Record> for Columns {
    fn from(record: Record) -> Self {
        let (gap, reason) = (record.gap(), record.reason());
        Self {
            suite: record.suite,
            instance: record.instance,
            fingerprint: record.fingerprint,
            layers: record.layers,
            devices: record.devices,
            options_max: record.options_max,
            placement: record.placement,
            objective: record.objective,
            solver: record.solver,
            seed: record.seed,
            verdict: record.verdict.word().to_owned(),
            // One row, one line: half a row can then be told from a whole one.
            reason: reason.replace(['\n', '\r'], " "),
            cost: record.verdict.cost(),
            lower_bound: record.verdict.lower_bound(),
            gap,
            elapsed_s: record.elapsed_s,
            first_plan_s: record.first_plan_s,
            first_plan_cost: record.first_plan_cost,
            work: record.work,
            peak_memory_bytes: record.peak_memory_bytes,
            stopped: record.stopped,
            time_limit_s: record.time_limit_s,
            gap_limit: record.gap_limit,
            memory_limit_bytes: record.memory_limit_bytes,
            revision: record.revision,
            machine: record.machine,
            problem: record.problem,
            parameters: record.parameters,
            cpu_s: record.cpu_s,
            cpu_limit_s: record.cpu_limit_s,
            threads: record.threads,
            cores: record.cores,
            load: record.load,
            formulation: record.formulation,
            foreign: record.foreign,
        }
    }
}

impl TryFrom<Columns> for Record {
    type Error = String;

    fn try_from(columns: Columns) -> Result<Self, String> {
        Ok(Self {
            verdict: columns.verdict()?,
            suite: columns.suite,
            instance: columns.instance,
            fingerprint: columns.fingerprint,
            layers: columns.layers,
            devices: columns.devices,
            options_max: columns.options_max,
            placement: columns.placement,
            objective: columns.objective,
            solver: columns.solver,
            seed: columns.seed,
            elapsed_s: columns.elapsed_s,
            first_plan_s: columns.first_plan_s,
            first_plan_cost: columns.first_plan_cost,
            work: columns.work,
            peak_memory_bytes: columns.peak_memory_bytes,
            stopped: columns.stopped,
            time_limit_s: columns.time_limit_s,
            gap_limit: columns.gap_limit,
            memory_limit_bytes: columns.memory_limit_bytes,
            revision: columns.revision,
            machine: columns.machine,
            problem: columns.problem,
            parameters: columns.parameters,
            cpu_s: columns.cpu_s,
            cpu_limit_s: columns.cpu_limit_s,
            threads: columns.threads,
            cores: columns.cores,
            load: columns.load,
            formulation: columns.formulation,
            foreign: columns.foreign,
        })
    }
}

impl Columns {
    /// The verdict with its numbers and its reason.
    fn verdict(&self) -> Result<Verdict, String> {
        let Self { verdict: word, cost, lower_bound, .. } = self;
        let needed = |column: &str, value: Option<Cost>| {
            value.ok_or_else(|| format!("{column} is empty, which `{word}` does not allow"))
        };
        let (lower_bound, reason) = (*lower_bound, || self.reason.clone());
        Ok(match word.as_str() {
            "optimal" => Verdict::Optimal {
                cost: needed("cost", *cost)?,
                lower_bound: needed("lower_bound", lower_bound)?,
            },
            "feasible" => Verdict::Feasible { cost: needed("cost", *cost)?, lower_bound },
            "infeasible" => Verdict::Infeasible,
            "unknown" => Verdict::Unknown { lower_bound },
            "wrong" => Verdict::Wrong(Contradiction::Recorded(reason())),
            "unsupported" => Verdict::Unsupported(Unsupported(reason())),
            "failed" => Verdict::Failed(reason()),
            _ => {
                let known = "optimal, feasible, infeasible, unknown, wrong, unsupported and failed";
                return Err(format!("verdict: `{word}`; {known} are allowed"));
            }
        })
    }
}
