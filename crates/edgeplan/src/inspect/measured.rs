//! Devices that were measured: the times, and how well they predict the rest.

use std::fmt::{Display, Formatter};

use edgeplan_cost_model::profile::{Machine, Work};
use edgeplan_cost_model::{Accuracy, COVERAGE, Errors, Missing, Naive, Prediction};
use edgeplan_files::InputError;
use edgeplan_machines::device::Measured;
use edgeplan_model::ModelSpec;
use edgeplan_pricing::compute;
use edgeplan_pricing::workload::Workload;
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos};
use edgeplan_report::table::Table;
use serde::Serialize;

use super::SEVEN_B;

/// Rows and columns of the matrix whose speed is shown.
const SIDE: u64 = 4096;
/// Tokens of a prompt, and generated ones.
const TOKENS: u32 = 128;

/// What was measured of a device. Field names are stable keys. See the [module](super) for an
/// example.
#[derive(Debug, Serialize)]
pub struct MeasuredFacts {
    /// Its file.
    name: String,
    usable_bytes: Bytes,
    machine: Machine,
    /// Whether every time was measured.
    complete: bool,
    notes: Vec<String>,
    bandwidth_bytes_per_s: Option<f64>,
    /// Share of times that intervals enclose.
    coverage: f64,
    held_out: HeldOut,
    held_out_products: HeldOut,
    formats: Vec<FormatRow>,
    /// Time of an empty operation.
    #[serde(skip)]
    dispatch: Option<Nanos>,
}

impl MeasuredFacts {
    pub(super) fn new(machine: &Measured) -> Result<Self, InputError> {
        let seven = edgeplan_model::load(SEVEN_B)?;
        let formats = machine.model.formats();
        let formats = formats.map(|format| FormatRow::new(machine, &seven, format));
        let naive = Naive::new(&machine.profile);
        let dispatch = machine.model.time(&Work::Dispatch {});
        Ok(Self {
            name: machine.file.clone(),
            usable_bytes: machine.usable(),
            machine: machine.profile.machine.clone(),
            complete: machine.profile.complete,
            notes: machine.profile.notes.clone(),
            bandwidth_bytes_per_s: naive.map(|naive| 1e9 * naive.bandwidth),
            coverage: COVERAGE,
            held_out: machine.model.accuracy_of_all().into(),
            held_out_products: machine.model.accuracy_of_products().into(),
            formats: formats.collect::<Result<_, _>>()?,
            dispatch: dispatch.ok().map(|time| time.median),
        })
    }

    /// The machine, line by line.
    fn facts(&self) -> String {
        let about = &self.machine;
        let mut table = Table::new(["what", "measured"]);
        let mut row = |what: &str, value: String| table.row([what.to_owned(), value]);
        row("processor", about.processor.clone());
        if let Some(accelerator) = &about.accelerator {
            row("accelerator", accelerator.clone());
        }
        row("features", about.features.join(" "));
        row("threads", format!("{} on {} cores", about.threads, about.cores));
        let (all, free) = (about.memory_bytes, about.free_bytes);
        row("memory", format!("{all}, of which {free} were free"));
        let bandwidth = self.bandwidth_bytes_per_s;
        let bandwidth = bandwidth.map(|rate| format!("{:.1} GB/s (triad)", rate / 1e9));
        row("bandwidth", bandwidth.unwrap_or("not measured".into()));
        row("dispatch", self.dispatch.map_or("not measured".into(), |time| time.to_string()));
        row("engine", format!("{}, {}", about.engine, about.system));
        let partial = if self.complete { "" } else { ", incomplete" };
        row("date", format!("{}, revision {}{partial}", about.date, about.revision));
        format!("{}: {} usable\n\n{table}", self.name, self.usable_bytes)
    }

    fn speeds(&self) -> String {
        let columns = ["format", "reads>", "computes>", "in memory>", "7B decode>", "7B prefill>"];
        let table = Table::new(columns).with_rows(self.formats.iter().map(|row| {
            let star = if row.extrapolated { " *" } else { "" };
            [
                row.format.name().to_owned(),
                format!("{:.1} GB/s{star}", row.bandwidth_bytes_per_s / 1e9),
                format!("{:.0} Gflop/s{star}", row.compute_flop_per_s / 1e9),
                format!("{:.2} x", row.resident),
                row.decode_7b_tokens_per_s.text(),
                row.prefill_7b_tokens_per_s.text(),
            ]
        }));
        let batch = self.formats.iter().map(|row| row.batch).max().unwrap_or(1);
        format!("A matrix of {SIDE} x {SIDE}: reads at 1 row, computes at up to {batch}.\n{table}")
    }

    fn errors(&self) -> String {
        let columns =
            ["format", "1 row>", "rule of thumb>", "more rows>", "rule of thumb>", "times>"];
        let median = |errors: Option<Quantiles>| percent(errors.map(|errors| errors.median));
        let rows =
            self.formats.iter().map(|FormatRow { format, one_row, several_rows, .. }| {
                [
                    format.name().to_owned(),
                    median(one_row.ours),
                    median(one_row.naive),
                    median(several_rows.ours),
                    median(several_rows.naive),
                    (one_row.times + several_rows.times).to_string(),
                ]
            });
        let table = Table::new(columns).with_rows(rows);
        let ninth = |errors: Option<Quantiles>| percent(errors.map(|errors| errors.ninth_decile));
        let line = |what: &str, held: &HeldOut| {
            format!(
                "{} {what}: median {}, nine in ten below {}; by the rule of thumb {} and {}.",
                held.times,
                median(held.ours),
                ninth(held.ours),
                median(held.naive),
                ninth(held.naive),
            )
        };
        format!(
            "Median error on times that the fit had not seen; the rule of thumb is bytes over\n\
             bandwidth, or operations over the best rate of any format.\n{table}\n{}\n{}",
            line("products", &self.held_out_products),
            line("times, attention, norms and activations included", &self.held_out),
        )
    }
}

impl Display for MeasuredFacts {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let seven = SEVEN_B.trim_start_matches("catalog:");
        let mut parts = vec![self.facts(), self.speeds(), self.errors()];
        parts.push(format!(
            "7B is {seven} at batch 1, whether it fits or not: a prompt of {TOKENS} tokens, then \
             {TOKENS} generated.\nIntervals enclose {} % of times of work that resembles what was \
             measured; * marks work that does not.",
            100.0 * COVERAGE
        ));
        parts.extend(self.notes.iter().cloned());
        f.write_str(&parts.join("\n\n"))
    }
}

/// One format on this machine.
#[derive(Debug, Serialize)]
struct FormatRow {
    format: Format,
    /// Bytes of weights per second with one row of activations.
    bandwidth_bytes_per_s: f64,
    /// Operations per second at the largest batch that was measured.
    compute_flop_per_s: f64,
    /// That batch.
    batch: u64,
    /// Memory of weights relative to their size in a file.
    resident: f64,
    /// Errors of one row, ours and the rule of thumb's.
    one_row: HeldOut,
    several_rows: HeldOut,
    decode_7b_tokens_per_s: Speed,
    prefill_7b_tokens_per_s: Speed,
    /// Whether the matrix is of another size than any that was measured.
    #[serde(skip)]
    extrapolated: bool,
}

/// Errors on times that the fit had not seen.
#[derive(Debug, Serialize)]
pub(super) struct HeldOut {
    times: usize,
    ours: Option<Quantiles>,
    naive: Option<Quantiles>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Quantiles {
    median: f64,
    ninth_decile: f64,
}

impl HeldOut {
    pub(super) fn times(&self) -> usize {
        self.times
    }

    /// The middle one, and what nine in ten are below.
    pub(super) fn ours(&self) -> Option<[f64; 2]> {
        self.ours.map(|errors| [errors.median, errors.ninth_decile])
    }
}

impl From<Errors> for Quantiles {
    fn from(Errors { median, ninth_decile }: Errors) -> Self {
        Self { median, ninth_decile }
    }
}

impl From<Accuracy> for HeldOut {
    fn from(accuracy: Accuracy) -> Self {
        let Accuracy { points, ours, naive } = accuracy;
        Self { times: points, ours: ours.map(Into::into), naive: naive.map(Into::into) }
    }
}

/// Tokens per second and their interval.
#[derive(Debug, Serialize)]
struct Speed {
    median: f64,
    /// None where the interval is unknown.
    low: Option<f64>,
    high: Option<f64>,
    extrapolated: bool,
    estimated: bool,
}

impl Speed {
    fn new(tokens: u32, time: Prediction) -> Self {
        let rate = |time: Nanos| 1e9 * f64::from(tokens) / time.as_f64().max(1.0);
        let known = time.high < Nanos::MAX;
        Self {
            median: rate(time.median),
            low: known.then(|| rate(time.high)),
            high: known.then(|| rate(time.low)),
            extrapolated: time.extrapolated,
            estimated: time.estimated,
        }
    }

    fn text(&self) -> String {
        let span = self.low.zip(self.high);
        let span = span.map_or("unknown".into(), |(low, high)| format!("{low:.1}-{high:.1}"));
        let star = if self.extrapolated || self.estimated { " *" } else { "" };
        format!("{:.1} tok/s ({span}){star}", self.median)
    }
}

impl FormatRow {
    fn new(machine: &Measured, seven: &ModelSpec, format: Format) -> Result<Self, InputError> {
        let model = &machine.model;
        let batch = model.batch_max(format).unwrap_or(1);
        let time = |batch| model.time(&Work::Matmul { format, rows: SIDE, row_len: SIDE, batch });
        let missing = |what: Missing| InputError::file(&machine.file, what.to_string());
        let (one, most) = (time(1).map_err(missing)?, time(batch).map_err(missing)?);
        let bytes = format.bytes(SIDE, SIDE).unwrap_or_default();
        let operations = 2.0 * (SIDE * SIDE * batch) as f64;
        let [one_row, several_rows] = model.accuracy(format).unwrap_or_default();
        let asked = Workload { prompt: TOKENS, generate: 0, ..Workload::default() };
        let prefill = compute(machine, seven, &asked, format)?;
        let decode = Workload { prompt: 1, generate: TOKENS - 1, ..asked };
        let decode = compute(machine, seven, &decode, format)?;
        let resident = model.resident(format, SIDE, SIDE, batch);
        Ok(Self {
            format,
            bandwidth_bytes_per_s: 1e9 * bytes.as_f64() / one.median.as_f64(),
            compute_flop_per_s: 1e9 * operations / most.median.as_f64(),
            batch,
            resident: resident.as_f64() / bytes.as_f64(),
            one_row: one_row.into(),
            several_rows: several_rows.into(),
            decode_7b_tokens_per_s: Speed::new(TOKENS, decode),
            prefill_7b_tokens_per_s: Speed::new(TOKENS, prefill),
            extrapolated: one.extrapolated || most.extrapolated,
        })
    }
}

pub(super) fn percent(error: Option<f64>) -> String {
    match error {
        Some(error) if error > 9.0 => format!("{:.0} x", 1.0 + error),
        Some(error) => format!("{:.1} %", 100.0 * error),
        None => "unknown".into(),
    }
}
