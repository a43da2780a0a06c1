//! Machines that an engine's own programs measured: the terms, and how well they predict the rest.

use std::fmt::{Display, Formatter};

use edgeplan_cost_model::COVERAGE;
use edgeplan_cost_model::engine::{
    AttentionWork, EngineKernel, EngineProduct, HeldOut as Held, Way,
};
use edgeplan_cost_model::profile::Machine;
use edgeplan_machines::device::EngineMeasured;
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos};
use edgeplan_report::table::{Table, or_dash};
use serde::Serialize;

use super::measured::{HeldOut, percent};

/// Elements of the weights whose speed is shown: those of a layer of 7 billion parameters.
const ELEMENTS: u64 = 200 << 20;
/// Rows of a pass of a prompt.
const ROWS: u64 = 128;

/// What an engine's programs measured of a device. Field names are stable keys.
///
/// See the [module](super) for an example.
#[derive(Debug, Serialize)]
pub struct EngineFacts {
    /// Its file.
    name: String,
    usable_bytes: Bytes,
    machine: Machine,
    backend: String,
    /// Whether every cell was measured.
    complete: bool,
    notes: Vec<String>,
    /// Cells: whole passes, and kernels.
    passes: usize,
    kernels: usize,
    /// How many times as long a usual pass took as the quickest one.
    level: f64,
    /// What a pass takes once, in nanoseconds; a token behind a server; a pass in another process.
    graph_ns: Nanos,
    served_ns: Option<Nanos>,
    remote_ns: Option<Nanos>,
    /// Bytes a second from one tensor to another.
    copy_bytes_per_s: Option<f64>,
    /// Share of times that intervals enclose.
    coverage: f64,
    /// Errors on passes of models that the fit had not seen: of one row, of several.
    held_out: [HeldOut; 2],
    /// The middle of signed errors: above 0 where passes take longer than predicted.
    bias: Option<f64>,
    formats: Vec<FormatRow>,
    caches: Vec<CacheRow>,
    #[serde(skip)]
    worst: Vec<Held>,
}

/// One format of weights.
#[derive(Debug, Serialize)]
struct FormatRow {
    format: Format,
    /// Bytes a second at one row, as loaded and as stored.
    bandwidth_bytes_per_s: [f64; 2],
    /// Operations a second at 128 rows, as loaded and as stored.
    compute_flop_per_s: [f64; 2],
    /// Whether only a kernel was timed.
    by_kernel: bool,
}

/// One format of the KV cache.
#[derive(Debug, Serialize)]
struct CacheRow {
    cache: Format,
    /// Time of a layer of 32 heads of 128 over 4096 positions, 8 of them of keys.
    step_ns: Nanos,
    /// The same with 128 new positions.
    prompt_ns: Nanos,
}

impl EngineFacts {
    pub(super) fn new(machine: &EngineMeasured) -> Self {
        let (profile, model) = (&machine.profile, &machine.model);
        let [remote, served] = model.measured_beside();
        let mut worst: Vec<Held> = model.held_out().to_vec();
        worst.sort_by(|a, b| b.error.abs().total_cmp(&a.error.abs()));
        worst.truncate(5);
        let copies = profile.kernels.iter().filter_map(|one| match one.kernel {
            EngineKernel::Copy { from, to, elements } => {
                let bytes = from.bytes(1, elements)? + to.bytes(1, elements)?;
                Some(1e9 * bytes.as_f64() / one.time.min_ns.as_f64())
            }
            _ => None,
        });
        Self {
            name: machine.file.clone(),
            usable_bytes: machine.usable(),
            machine: profile.machine.clone(),
            backend: profile.backend.clone(),
            complete: profile.complete,
            notes: profile.notes.clone(),
            passes: profile.passes.len(),
            kernels: profile.kernels.len(),
            level: model.level(),
            graph_ns: model.graph().median,
            served_ns: served.then(|| model.served(32_000).median),
            remote_ns: remote.then(|| model.remote_pass().median),
            copy_bytes_per_s: copies.reduce(f64::max),
            coverage: COVERAGE,
            held_out: model.accuracy().map(Into::into),
            bias: model.bias(),
            formats: model.formats().map(|format| FormatRow::new(machine, format)).collect(),
            caches: CacheRow::all(machine),
            worst,
        }
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
        row("threads", format!("{} on {} cores", about.threads, about.cores));
        let (all, free) = (about.memory_bytes, about.free_bytes);
        row("memory", format!("{all}, of which {free} were free"));
        row("engine", format!("{}, {}, {}", about.engine, self.backend, about.system));
        row("cells", format!("{} passes, {} kernels", self.passes, self.kernels));
        row("a usual pass", format!("{:.2} times the quickest", self.level));
        row("a graph", self.graph_ns.to_string());
        let some = |time: Option<Nanos>| time.map_or("not measured".into(), |t| t.to_string());
        row("a token behind a server", some(self.served_ns));
        row("a pass in another process", some(self.remote_ns));
        let copy = self.copy_bytes_per_s.map(|rate| format!("{:.1} GB/s", rate / 1e9));
        row("a copy in memory", copy.unwrap_or("not measured".into()));
        let partial = if self.complete { "" } else { ", incomplete" };
        row("date", format!("{}, revision {}{partial}", about.date, about.revision));
        format!("{}: {} usable\n\n{table}", self.name, self.usable_bytes)
    }

    fn speeds(&self) -> String {
        let columns = ["format", "reads>", "as stored>", "computes>", "as stored>"];
        let table = Table::new(columns).with_rows(self.formats.iter().map(|row| {
            let star = if row.by_kernel { " *" } else { "" };
            let [read, stored] = row.bandwidth_bytes_per_s.map(|rate| rate / 1e9);
            let [computed, slower] = row.compute_flop_per_s.map(|rate| rate / 1e9);
            [
                format!("{}{star}", row.format),
                format!("{read:.1} GB/s"),
                format!("{stored:.1} GB/s"),
                format!("{computed:.0} Gflop/s"),
                format!("{slower:.0} Gflop/s"),
            ]
        }));
        let caches = Table::new(["cache", "one token>", "128 tokens>"]);
        let caches = caches.with_rows(self.caches.iter().map(|row| {
            [row.cache.to_string(), row.step_ns.to_string(), row.prompt_ns.to_string()]
        }));
        format!(
            "Products in whole passes: reads at 1 row, computes at {ROWS}; * by a kernel alone.\n\
             {table}\n\nAttention of a layer of 32 heads of 128, 8 of keys, over 4096 positions.\n\
             {caches}"
        )
    }

    fn errors(&self) -> String {
        let columns = ["passes", "cells>", "median>", "nine in ten below>"];
        let names = ["of one row", "of several rows"];
        let table =
            Table::new(columns).with_rows(names.iter().zip(&self.held_out).map(|(name, held)| {
                let ours = held.ours();
                [
                    (*name).to_owned(),
                    held.times().to_string(),
                    percent(ours.map(|errors| errors[0])),
                    percent(ours.map(|errors| errors[1])),
                ]
            }));
        let columns = ["worst", "rows>", "depth>", "way", "predicted>", "measured>", "error>"];
        let worst = Table::new(columns).with_rows(self.worst.iter().map(|held| {
            let way = if held.pass.way == Way::Plain { "as loaded" } else { "as stored" };
            let time = |nanos: f64| Nanos(nanos as u64).to_string();
            [
                held.pass.model.clone(),
                held.pass.rows.to_string(),
                held.pass.depth.to_string(),
                way.to_owned(),
                time(held.predicted),
                time(held.nanos),
                format!("{:+.0} %", 100.0 * held.error.exp_m1()),
            ]
        }));
        let bias = or_dash(self.bias.map(|bias| format!("{:+.1} %", 100.0 * bias)));
        format!(
            "Errors on passes of models that the fit had not seen.\n{table}\n\
             Signed, in the middle: {bias} (above 0: passes take longer).\n\n{worst}"
        )
    }
}

impl Display for EngineFacts {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let mut parts = vec![self.facts(), self.speeds(), self.errors()];
        parts.extend(self.notes.iter().cloned());
        f.write_str(&parts.join("\n\n"))
    }
}

impl FormatRow {
    fn new(machine: &EngineMeasured, format: Format) -> Self {
        let nanos = |rows: u64, as_stored: bool| {
            let product =
                EngineProduct { format, elements: ELEMENTS, rows, experts: None, as_stored };
            machine.model.product(product).map_or(f64::INFINITY, |time| time.median.as_f64())
        };
        let bytes = format.bytes(1, ELEMENTS).unwrap_or_default().as_f64();
        let operations = 2.0 * (ELEMENTS * ROWS) as f64;
        Self {
            format,
            bandwidth_bytes_per_s: [false, true].map(|stored| 1e9 * bytes / nanos(1, stored)),
            compute_flop_per_s: [false, true].map(|stored| 1e9 * operations / nanos(ROWS, stored)),
            by_kernel: machine.model.by_kernel(format),
        }
    }
}

impl CacheRow {
    fn all(machine: &EngineMeasured) -> Vec<Self> {
        let time = |cache: Format, rows: u64| {
            let (heads, kv_heads, head_dim, context) = (32, 8, 128, 4096);
            machine.model.attention(AttentionWork {
                heads,
                kv_heads,
                head_dim,
                context,
                rows,
                cache,
            })
        };
        let known = [Format::F16, Format::Q8_0, Format::Q4_0].into_iter();
        known
            .filter(|&cache| !time(cache, 1).estimated)
            .map(|cache| Self {
                cache,
                step_ns: time(cache, 1).median,
                prompt_ns: time(cache, ROWS).median,
            })
            .collect()
    }
}
