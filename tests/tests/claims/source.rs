//! What a record says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use edgeplan_problem::Cost;
use edgeplan_records::folder::Folder;
use edgeplan_records::parameter::Parameter;
use edgeplan_records::ranking::rank;
use edgeplan_records::row::{CurveRow, PointKind, Record};
use edgeplan_records::summary::{reconciled, summarize};
use edgeplan_tests::{edgeplan, text};
use serde::Deserialize;
use serde_json::Value;

use super::{made, root};

/// Where a number comes from: `trials`, `csv`, `command` or `made`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Source {
    /// Records of `./x bench`, by their name in this file.
    trials: Option<String>,
    /// A CSV file.
    csv: Option<String>,
    /// What `edgeplan` says with these arguments and `--json`.
    command: Option<Vec<String>>,
    /// A figure of `made.rs`.
    made: Option<String>,
    /// trials: of this suite and solver, on instances of at most so many devices and layers.
    suite: Option<String>,
    solver: Option<String>,
    devices_max: Option<usize>,
    layers_max: Option<usize>,
    /// trials: proven within so many seconds; what chain-search had by then.
    within_s: Option<f64>,
    /// The solver that it is compared with; chain-search by default.
    #[serde(default)]
    against: Option<String>,
    /// trials and csv: the rows with these cells or parameters.
    rows: BTreeMap<String, String>,
    /// csv: the column.
    column: Option<String>,
    /// command: where the value is, as a JSON pointer.
    at: Option<String>,
    /// trials: a figure; csv: `mean`, `median`, `least`, `most`, `sum` or `count`.
    figure: Option<String>,
    /// In units of that, such as 0.01 for percent.
    unit: Option<f64>,
    /// Divided by this number, too.
    over: Option<Box<Source>>,
    /// Less this number, before it is divided by the unit.
    less: Option<f64>,
}

type Folders = BTreeMap<String, Vec<String>>;

impl Source {
    /// The number, in the unit that is printed.
    pub(super) fn value(&self, folders: &Folders) -> Result<f64, String> {
        let value = match (&self.trials, &self.csv, &self.command, &self.made) {
            (Some(name), None, None, None) => self.of_trials(folders, name)?,
            (None, Some(file), None, None) => self.of_cells(file)?,
            (None, None, Some(words), None) => {
                let mut asked = Command::new(edgeplan());
                let out = asked.args(words).arg("--json").current_dir(root()).output();
                let out = out.map_err(|error| error.to_string())?;
                let found: Value = serde_json::from_slice(&out.stdout)
                    .map_err(|error| format!("{words:?}: {error}: {}", text(&out.stderr)))?;
                let pointer = self.at.as_deref().ok_or("at is missing")?;
                let found = found.pointer(pointer).and_then(Value::as_f64);
                found.ok_or_else(|| format!("{words:?}: nothing at {pointer}"))?
            }
            (None, None, None, Some(name)) => made::figure(name)?,
            _ => return Err("one of trials, csv, command and made".into()),
        };
        let over = self.over.as_ref().map_or(Ok(1.0), |over| over.value(folders))?;
        let value = (value / over - self.less.unwrap_or(0.0)) / self.unit.unwrap_or(1.0);
        if value.is_finite() { Ok(value) } else { Err(format!("{self:?}: {value}")) }
    }

    fn figure(&self) -> Result<&str, String> {
        self.figure.as_deref().ok_or_else(|| "figure is missing".into())
    }

    fn of_trials(&self, folders: &Folders, name: &str) -> Result<f64, String> {
        let folders = folders.get(name).ok_or_else(|| format!("no trials are called {name}"))?;
        let folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
        let all = Folder::read_all(&folders).map_err(|error| error.to_string())?;
        let at_most = |value: Option<usize>, most: Option<usize>| {
            most.is_none_or(|most| value.is_some_and(|value| value <= most))
        };
        let mut kept = reconciled(all);
        kept.retain(|row| {
            self.suite.as_ref().is_none_or(|suite| row.suite == *suite)
                && at_most(row.devices, self.devices_max)
                && at_most(row.layers, self.layers_max)
                && self.rows.iter().all(|(name, value)| {
                    row.parameter(name) == Some(Parameter::from(value.as_str()))
                })
        });
        if kept.is_empty() {
            return Err(format!("no row is of {self:?}"));
        }
        let solver = self.solver.as_deref().ok_or("solver is missing")?;
        match self.figure()? {
            "better-plan" | "better-bound" => {
                let curve = Folder::read_all_curves(&folders).map_err(|error| error.to_string())?;
                Ok(self.better(&kept, &curve, solver)? as f64)
            }
            _ => self.of_rows(&kept, solver),
        }
    }

    /// On how many instances the solver ends with a better plan, or bound, than the other one had
    /// after `within_s`, by more than the gap that counts as proven.
    fn better(&self, rows: &[Record], curve: &[CurveRow], solver: &str) -> Result<usize, String> {
        let until = self.within_s.ok_or("within_s is missing")?;
        let plans = self.figure()? == "better-plan";
        let against = self.against.as_deref().unwrap_or("chain-search");
        let kind = if plans { PointKind::Incumbent } else { PointKind::Bound };
        let value = |row: &Record| if plans { row.cost() } else { row.lower_bound() };
        let mut better = 0;
        for other in rows.iter().filter(|row| row.solver == solver && row.counts()) {
            let ours =
                rows.iter().find(|row| row.solver == against && row.instance == other.instance);
            let ours = ours.ok_or_else(|| format!("{}: no {against}", other.instance))?;
            let points = curve.iter().filter(|point| {
                point.key() == ours.key() && point.kind == kind && point.at_s <= until
            });
            let ended = Some(ours).filter(|ours| ours.elapsed_s <= until).and_then(value);
            let all = points.map(|point| point.value).chain(ended).map(Cost::as_f64);
            let Some(theirs) = value(other).map(Cost::as_f64) else { continue };
            better += usize::from(match plans {
                true => theirs < all.fold(f64::INFINITY, f64::min) * (1.0 - ours.gap_limit),
                false => theirs > all.fold(0.0, f64::max) * (1.0 + ours.gap_limit),
            });
        }
        Ok(better)
    }

    /// A figure of a solver on these rows.
    fn of_rows(&self, rows: &[Record], solver: &str) -> Result<f64, String> {
        let missing = || format!("{solver} has no {:?}", self.figure);
        let own: Vec<&Record> = rows.iter().filter(|row| row.solver == solver).collect();
        if own.is_empty() {
            return Err(format!("no row is of {solver}"));
        }
        let suites = summarize(rows);
        let [suite] = &suites[..] else { return Err("rows of several suites".into()) };
        let sum = suite.solvers.iter().find(|s| s.solver == solver).ok_or_else(missing)?;
        let in_time = |row: &&&Record| self.within_s.is_none_or(|most| row.elapsed_s <= most);
        let proven = own.iter().filter(|row| row.is_proven()).filter(in_time);
        let ranks = || rank(rows, &[]).into_iter().find(|rank| rank.solver == solver);
        Ok(match self.figure()? {
            "instances" => suite.instances as f64,
            "proven" => proven.count() as f64,
            "failed" => sum.failed as f64,
            "plans" => sum.plans as f64,
            "limit-s" => own[0].time_limit_s,
            "proof-s" => sum.proof_s,
            "proof-median-s" => median(own.iter().map(|row| row.proof_s()).collect()),
            "gap-most" => own.iter().map(|row| row.gap().unwrap_or(1.0)).fold(0.0, f64::max),
            "time-over-fastest" => ranks().ok_or_else(missing)?.time_ratio,
            "cost-over-best" => ranks().and_then(|rank| rank.cost_ratio).ok_or_else(missing)?,
            other => return Err(format!("trials have no figure {other}")),
        })
    }

    fn of_cells(&self, file: &str) -> Result<f64, String> {
        let path = root().join(file);
        let wrong = |error: csv::Error| format!("{file}: {error}");
        let mut reader =
            csv::ReaderBuilder::new().comment(Some(b'#')).from_path(path).map_err(wrong)?;
        let mut cells = Vec::new();
        let column = self.column.as_deref().ok_or("column is missing")?;
        for row in reader.deserialize() {
            let row: BTreeMap<String, String> = row.map_err(wrong)?;
            if self.rows.iter().all(|(key, value)| row.get(key) == Some(value)) {
                let cell = row.get(column).ok_or_else(|| format!("{file}: no column {column}"))?;
                cells.push(cell.parse::<f64>().map_err(|e| format!("{file}: {column}: {e}"))?);
            }
        }
        if cells.is_empty() {
            return Err(format!("{file}: no row has {:?}", self.rows));
        }
        Ok(match self.figure()? {
            "mean" => cells.iter().sum::<f64>() / cells.len() as f64,
            "median" => median(cells),
            "least" => cells.into_iter().fold(f64::INFINITY, f64::min),
            "most" => cells.into_iter().fold(f64::NEG_INFINITY, f64::max),
            "sum" => cells.iter().sum(),
            "count" => cells.len() as f64,
            other => return Err(format!("cells have no figure {other}")),
        })
    }
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
    (values[low] + values[high]) / 2.0
}
