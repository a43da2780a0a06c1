//! A folder of records: `records.csv`, `curve.csv`, `machine.txt`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use edgeplan_files::{InputError, read_text, write_atomic};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::lock::Lock;
use crate::row::{CurveRow, Point, Record, TrialKey};

/// A folder that this process alone adds to. Rows are added, never changed.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    records: Vec<Record>,
    _lock: Lock,
}

const RECORDS: &str = "records.csv";
const CURVE: &str = "curve.csv";
const MACHINE: &str = "machine.txt";

impl Folder {
    /// Opens a folder to add to, and makes it if there is none. What was cut off half-way, when a
    /// process was killed while it wrote, is removed: half a row, and the curve of a trial that
    /// has no record.
    ///
    /// # Errors
    /// When another process adds to it, it cannot be written, what is there cannot be read, or has
    /// an older layout.
    pub fn create(path: &Path) -> Result<Self, InputError> {
        std::fs::create_dir_all(path).map_err(|error| at(path, &error))?;
        let lock = Lock::hold(path)?;
        for name in [RECORDS, CURVE] {
            let file = path.join(name);
            if file.exists() {
                drop_half_a_line(&file).map_err(|error| at(&file, &error))?;
            }
        }
        let file = path.join(RECORDS);
        let records = if file.exists() { read_records(&file)? } else { Vec::new() };
        if let Some(first) = records.first() {
            check_layout(&file, first)?;
        }
        drop_orphans(&path.join(CURVE), &records)?;
        Ok(Self { path: path.into(), records, _lock: lock })
    }

    /// Reads the records of a folder. A trial that is there twice in the same words counts once.
    ///
    /// # Errors
    /// When there are none, or they make no sense, or two rows of a trial contradict each other;
    /// the lines are named.
    pub fn read(path: &Path) -> Result<Vec<Record>, InputError> {
        read_records(&path.join(RECORDS))
    }

    /// Reads the records of several folders; where two have the same trial, the later one's holds.
    ///
    /// # Errors
    /// As for [`Folder::read`].
    pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Record>, InputError> {
        let mut all: Vec<Record> = Vec::new();
        for path in paths {
            let newer = Self::read(path)?;
            let keys: BTreeSet<TrialKey<'_>> = newer.iter().map(Record::key).collect();
            all.retain(|record| !keys.contains(&record.key()));
            all.extend(newer);
        }
        Ok(all)
    }

    /// Reads the anytime curves of a folder.
    ///
    /// # Errors
    /// When there are none, or they make no sense.
    pub fn read_curve(path: &Path) -> Result<Vec<CurveRow>, InputError> {
        read_curve(&path.join(CURVE))
    }

    /// Reads the anytime curves of several folders, those of [`Folder::read_all`]'s trials; a
    /// folder may have none.
    ///
    /// # Errors
    /// As for [`Folder::read_curve`].
    pub fn read_all_curves(paths: &[PathBuf]) -> Result<Vec<CurveRow>, InputError> {
        let mut all: Vec<CurveRow> = Vec::new();
        for path in paths {
            let newer = Self::read(path)?;
            let keys: BTreeSet<TrialKey<'_>> = newer.iter().map(Record::key).collect();
            all.retain(|row| !keys.contains(&row.key()));
            if path.join(CURVE).exists() {
                all.extend(Self::read_curve(path)?);
            }
        }
        Ok(all)
    }

    /// What is there.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The file of the records, for messages.
    pub fn file(&self) -> String {
        self.path.join(RECORDS).display().to_string()
    }

    /// Adds a trial.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, record: Record, points: &[Point]) -> Result<(), InputError> {
        let curve = points.iter().map(|point| CurveRow {
            suite: record.suite.clone(),
            instance: record.instance.clone(),
            solver: record.solver.clone(),
            seed: record.seed,
            at_s: point.at_s,
            kind: point.kind,
            value: point.value,
        });
        // The record last: killed in between, the trial is run again and its curve dropped.
        append(&self.path.join(CURVE), curve)?;
        append(&self.path.join(RECORDS), std::iter::once(&record))?;
        self.records.push(record);
        Ok(())
    }

    /// Writes down the command and the machine (one `key: value` a line), unless that was done.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, command: &str, machine: &str) -> Result<(), InputError> {
        let file = self.path.join(MACHINE);
        if file.exists() {
            return Ok(());
        }
        write_atomic(&file, &format!("command: {command}\n{machine}"))
    }
}

/// Writes a new folder with what several hold, such as the shards of a suite. A trial that two of
/// them hold is written once. Returns how many trials that are.
///
/// # Errors
/// A folder that is there already; trials that two folders tell differently; other limits; what
/// cannot be read or written.
pub fn merge(from: &[PathBuf], into: &Path) -> Result<usize, InputError> {
    if into.join(RECORDS).exists() {
        return Err(at(into, &"has records already; a new folder is needed"));
    }
    let mut merged: Vec<Record> = Vec::new();
    let (mut curve, mut machines) = (Vec::new(), Vec::new());
    for path in from {
        let known: BTreeMap<TrialKey<'_>, &Record> =
            merged.iter().map(|record| (record.key(), record)).collect();
        let mut new = Vec::new();
        for record in Folder::read(path)? {
            match known.get(&record.key()) {
                None => new.push(record),
                Some(known) if **known == record => {}
                Some(_) => {
                    let what = described(&record);
                    return Err(at(path, &format!("tells {what} otherwise than a folder before")));
                }
            }
        }
        if let Some(first) = merged.first().or(new.first()) {
            new.iter().try_for_each(|record| check_limits(path, first, record))?;
        }
        if path.join(CURVE).exists() {
            let keys: BTreeSet<TrialKey<'_>> = new.iter().map(Record::key).collect();
            let rows = Folder::read_curve(path)?;
            curve.extend(rows.into_iter().filter(|row| keys.contains(&row.key())));
        }
        machines.push(read_text(&path.join(MACHINE))?);
        merged.extend(new);
    }
    std::fs::create_dir_all(into).map_err(|error| at(into, &error))?;
    let _lock = Lock::hold(into)?;
    write_atomic(&into.join(MACHINE), &machines.join("\n"))?;
    write_atomic(&into.join(CURVE), &csv_text(curve.iter(), true)?)?;
    // Last, because a folder without records can be written again.
    write_atomic(&into.join(RECORDS), &csv_text(merged.iter(), true)?)?;
    Ok(merged.len())
}

/// A trial in words.
fn described(Record { instance, solver, seed, .. }: &Record) -> String {
    format!("{solver} on {instance} with seed {seed}")
}

fn check_limits(path: &Path, first: &Record, new: &Record) -> Result<(), InputError> {
    let limits = |r: &Record| {
        let time = (r.time_limit_s, r.cpu_limit_s, r.threads.unwrap_or(1));
        (time, r.gap_limit, r.memory_limit_bytes)
    };
    match limits(first) == limits(new) {
        true => Ok(()),
        false => Err(at(path, &"was measured under other limits than the folders before")),
    }
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> InputError {
    InputError::file(path.display().to_string(), error.to_string())
}

/// The rows of a file, each with its line.
fn read_rows<T: DeserializeOwned>(file: &Path) -> Result<Vec<(u64, T)>, InputError> {
    let mut reader = csv::Reader::from_path(file).map_err(|error| at(file, &error))?;
    let header = reader.headers().map_err(|error| at(file, &error))?.clone();
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| at(file, &error))?;
        let line = row.position().map_or(0, csv::Position::line);
        let decoded = row.deserialize(Some(&header));
        rows.push((line, decoded.map_err(|error| decode_error(file, line, &header, &error))?));
    }
    Ok(rows)
}

/// What is wrong with a row.
fn decode_error(file: &Path, line: u64, header: &StringRecord, error: &csv::Error) -> InputError {
    let problem = match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => {
            let column = err.field().and_then(|field| header.get(field as usize));
            let column = column.map(|column| format!("{column}: ")).unwrap_or_default();
            format!("{column}{}", err.kind())
        }
        _ => error.to_string(),
    };
    InputError::key(file.display().to_string(), format!("line {line}"), problem)
}

fn read_curve(file: &Path) -> Result<Vec<CurveRow>, InputError> {
    Ok(read_rows(file)?.into_iter().map(|(_, row)| row).collect())
}

/// Trials with two rows that a message names.
const DOUBLED_MAX: usize = 5;

fn read_records(file: &Path) -> Result<Vec<Record>, InputError> {
    let rows: Vec<(u64, Record)> = read_rows(file)?;
    let mut first: BTreeMap<TrialKey<'_>, &(u64, Record)> = BTreeMap::new();
    let (mut doubled, mut contradicting) = (BTreeSet::new(), Vec::new());
    for row in &rows {
        let (line, record) = row;
        match first.entry(record.key()) {
            Entry::Vacant(place) => {
                place.insert(row);
            }
            Entry::Occupied(place) => {
                let (line_before, before) = *place.get();
                doubled.insert(*line);
                if before != record {
                    let what = described(record);
                    contradicting.push(format!("{what} in lines {line_before} and {line}"));
                }
            }
        }
    }
    if !contradicting.is_empty() {
        let more = contradicting.len().saturating_sub(DOUBLED_MAX);
        contradicting.truncate(DOUBLED_MAX);
        contradicting.extend((more > 0).then(|| format!("and {more} more")));
        let listed = contradicting.join("; ");
        let problem = format!(
            "two different rows of the same trial, as after two runs at once: {listed}. Keep one \
             line of each, or measure into another folder"
        );
        return Err(at(file, &problem));
    }
    let once = |(line, record)| (!doubled.contains(&line)).then_some(record);
    Ok(rows.into_iter().filter_map(once).collect())
}

/// Whether rows of today's layout can be appended.
fn check_layout(file: &Path, first: &Record) -> Result<(), InputError> {
    let (text, today) = (read_text(file)?, csv_text(std::iter::once(first), true)?);
    match text.lines().next() == today.lines().next() {
        true => Ok(()),
        false => {
            let problem = "has the columns of an older layout, which can be read but not added to: \
                           choose another folder";
            Err(InputError::key(file.display().to_string(), "header", problem))
        }
    }
}

/// Removes points of trials that have no record.
fn drop_orphans(file: &Path, records: &[Record]) -> Result<(), InputError> {
    if !file.exists() {
        return Ok(());
    }
    let keys: BTreeSet<TrialKey<'_>> = records.iter().map(Record::key).collect();
    let curve = read_curve(file)?;
    let known = |row: &&CurveRow| keys.contains(&row.key());
    let kept: Vec<&CurveRow> = curve.iter().filter(known).collect();
    if kept.len() == curve.len() {
        return Ok(());
    }
    write_atomic(file, &csv_text(kept.into_iter(), true)?)
}

/// Adds rows in one write; the first rows of a file bring its header.
fn append<T: Serialize>(path: &Path, rows: impl Iterator<Item = T>) -> Result<(), InputError> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|error| at(path, &error))?;
    let empty = file.metadata().map_err(|error| at(path, &error))?.len() == 0;
    let text = csv_text(rows, empty)?;
    // A trial may have taken an hour; its row is to outlast a power cut.
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
    written.map_err(|error| at(path, &error))
}

fn csv_text<T: Serialize>(
    rows: impl Iterator<Item = T>,
    header: bool,
) -> Result<String, InputError> {
    let mut writer = csv::WriterBuilder::new().has_headers(header).from_writer(Vec::new());
    let failed = |error: &dyn std::fmt::Display| InputError::file("CSV", error.to_string());
    for row in rows {
        writer.serialize(row).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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
mod tests;
