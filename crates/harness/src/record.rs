//! Records: one CSV row per trial, one per point of its anytime curve, in a folder that only grows.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use edgeplan_instances::file::{InputError, write_atomic};
use edgeplan_problem::deployment::{Objective, Placement};
use edgeplan_problem::{Cost, Verdict};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::trial::{Point, PointKind, Word};
use edgeplan_measure::machine::Machine;

/// A trial: a solver on an instance, under limits, on a machine. Costs are nanoseconds or bytes, as
/// the objective says; empty cells are what was not found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The suite's name.
    pub suite: String,
    /// The instance's name in it.
    pub instance: String,
    /// Digest of the instance.
    pub fingerprint: String,
    /// Layers of all models.
    pub layers: usize,
    /// Devices.
    pub devices: usize,
    /// Options of the layer that has most.
    pub options_max: usize,
    /// Where layers may lie.
    pub placement: Placement,
    /// What is minimised.
    pub objective: Objective,
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
    /// [`Machine::name`].
    pub machine: String,
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

/// What tells trials apart in a folder: suite, instance, solver, seed.
pub(crate) type Key<'a> = (&'a str, &'a str, &'a str, u64);

impl Record {
    pub(crate) fn key(&self) -> Key<'_> {
        (&self.suite, &self.instance, &self.solver, self.seed)
    }

    /// The verdict with its numbers.
    ///
    /// # Errors
    /// The column that is missing for that verdict.
    pub(crate) fn verdict(&self) -> Result<Verdict, &'static str> {
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
            Word::Unsupported => {
                Verdict::Unsupported(edgeplan_problem::Unsupported(self.reason.clone()))
            }
        })
    }
}

/// A folder of records: `records.csv`, `curve.csv`, `machine.txt`. Rows are added, never changed.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    records: Vec<Record>,
}

const RECORDS: &str = "records.csv";
const CURVE: &str = "curve.csv";
const MACHINE: &str = "machine.txt";

impl Folder {
    /// Opens a folder to add to, and makes it if there is none. A row that was cut off half-way,
    /// when a machine died while it was written, is removed.
    ///
    /// # Errors
    /// When it cannot be written, or what is there cannot be read.
    pub fn create(path: &Path) -> Result<Self, InputError> {
        std::fs::create_dir_all(path).map_err(|error| at(path, &error))?;
        for name in [RECORDS, CURVE] {
            let file = path.join(name);
            if file.exists() {
                drop_half_a_line(&file).map_err(|error| at(&file, &error))?;
            }
        }
        let records = path.join(RECORDS);
        let records = if records.exists() { read_records(&records)? } else { Vec::new() };
        Ok(Self { path: path.into(), records })
    }

    /// Reads the records of a folder.
    ///
    /// # Errors
    /// When there are none, or they make no sense; the row and column are named.
    pub fn read(path: &Path) -> Result<Vec<Record>, InputError> {
        read_records(&path.join(RECORDS))
    }

    /// Reads the anytime curves of a folder.
    ///
    /// # Errors
    /// When there are none, or they make no sense.
    pub fn read_curve(path: &Path) -> Result<Vec<CurveRow>, InputError> {
        read_rows(&path.join(CURVE))
    }

    /// What is there.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The file of the records, for messages.
    pub(crate) fn file(&self) -> String {
        self.path.join(RECORDS).display().to_string()
    }

    /// Adds a trial.
    pub(crate) fn add(&mut self, record: Record, points: &[Point]) -> Result<(), InputError> {
        let curve = points.iter().map(|point| CurveRow {
            suite: record.suite.clone(),
            instance: record.instance.clone(),
            solver: record.solver.clone(),
            seed: record.seed,
            at_s: point.at_s,
            kind: point.kind,
            value: point.value,
        });
        // The record first: interrupted in between, a curve is missing, but none is there twice.
        append(&self.path.join(RECORDS), std::iter::once(&record))?;
        append(&self.path.join(CURVE), curve)?;
        self.records.push(record);
        Ok(())
    }

    /// Writes down the machine and the command, unless that was done already.
    pub(crate) fn note(&self, machine: &Machine, command: &str) -> Result<(), InputError> {
        let file = self.path.join(MACHINE);
        if file.exists() {
            return Ok(());
        }
        write_atomic(&file, &format!("command: {command}\n{}", machine.description()))
    }
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> InputError {
    InputError::file(path.display().to_string(), error.to_string())
}

fn read_rows<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>, InputError> {
    let mut reader = csv::Reader::from_path(file).map_err(|error| at(file, &error))?;
    reader.deserialize().collect::<Result<_, _>>().map_err(|error| at(file, &error))
}

fn read_records(file: &Path) -> Result<Vec<Record>, InputError> {
    let records: Vec<Record> = read_rows(file)?;
    let mut keys = BTreeSet::new();
    for (index, record) in records.iter().enumerate() {
        let wrong = |problem: String| {
            InputError::key(file.display().to_string(), format!("row {}", index + 1), problem)
        };
        if let Err(column) = record.verdict() {
            let problem = format!("{column} is empty, which `{}` does not allow", record.verdict);
            return Err(wrong(problem));
        }
        if !keys.insert(record.key()) {
            let Record { instance, solver, .. } = record;
            return Err(wrong(format!("{solver} on {instance} is there twice")));
        }
    }
    Ok(records)
}

/// Adds rows in one write; the first rows of a file bring its header.
fn append<T: Serialize>(path: &Path, rows: impl Iterator<Item = T>) -> Result<(), InputError> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|error| at(path, &error))?;
    let empty = file.metadata().map_err(|error| at(path, &error))?.len() == 0;
    let mut writer = csv::WriterBuilder::new().has_headers(empty).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|error| at(path, &error))?;
    }
    let bytes = writer.into_inner().map_err(|error| at(path, &error))?;
    file.write_all(&bytes).map_err(|error| at(path, &error))
}

fn drop_half_a_line(path: &Path) -> std::io::Result<()> {
    let mut file: File = OpenOptions::new().read(true).write(true).open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    if whole < bytes.len() {
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
    }
    Ok(())
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
            layers: 3,
            devices: 2,
            options_max: 1,
            placement: Placement::Contiguous,
            objective: Objective::Latency,
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
        }
    }

    const POINT: Point = Point { at_s: 0.25, kind: PointKind::Bound, value: Cost(7) };

    #[test]
    fn rows_survive_half_written_ones() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("new/folder");
        let strange = Record { reason: "two\nlines, \"quoted\"".into(), ..row("i", "a") };
        let mut folder = Folder::create(&path).unwrap();
        folder.add(strange.clone(), &[POINT, POINT]).unwrap();
        folder.add(row("i", "b"), &[]).unwrap();
        assert_eq!(Folder::read(&path).unwrap(), [strange.clone(), row("i", "b")]);
        for name in [RECORDS, CURVE] {
            let mut file = OpenOptions::new().append(true).open(path.join(name)).unwrap();
            file.write_all(b"suite,j,a,0").unwrap();
        }
        let mut folder = Folder::create(&path).unwrap();
        assert_eq!(folder.records(), [strange, row("i", "b")]);
        folder.add(row("j", "a"), &[POINT]).unwrap();
        assert_eq!(Folder::read(&path).unwrap().len(), 3);
        let curve = Folder::read_curve(&path).unwrap();
        assert_eq!(curve.len(), 3);
        assert_eq!((curve[2].instance.as_str(), curve[2].value), ("j", Cost(7)));
    }

    #[test]
    fn records_that_make_no_sense_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let refused = |rows: &[Record], expected: &str| {
            std::fs::write(place.path().join(RECORDS), "").unwrap();
            append(&place.path().join(RECORDS), rows.iter()).unwrap();
            let error = Folder::read(place.path()).unwrap_err().to_string();
            assert!(error.contains(RECORDS) && error.contains(expected), "{error}");
        };
        refused(&[row("i", "a"), row("i", "a")], "row 2: a on i is there twice");
        let unpriced = Record { verdict: Word::Feasible, ..row("i", "a") };
        refused(&[unpriced], "row 1: cost is empty, which `feasible` does not allow");
        let text = std::fs::read_to_string(place.path().join(RECORDS)).unwrap();
        let text = text.replace("feasible", "fesible");
        std::fs::write(place.path().join(RECORDS), text).unwrap();
        let error = Folder::read(place.path()).unwrap_err().to_string();
        assert!(error.contains("unknown variant `fesible`"), "{error}");
        let error = Folder::read(&place.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("No such file"), "{error}");
    }
}
