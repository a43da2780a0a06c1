//! A measured machine for people.

use edgeplan_cost_model::profile::{Profile, Resident, Timing, Work};
use edgeplan_problem::format::Format;
use edgeplan_report::table::{Table, or_dash};

/// The machine, its memory, every format on one matrix, the notes.
///
/// ```no_run
/// let file = std::fs::read_to_string("laptop.json")?;
/// let profile = edgeplan_files::parse_json("laptop.json", &file)?;
/// println!("{}", edgeplan::profile_text(&profile));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn profile_text(profile: &Profile) -> String {
    let machine = &profile.machine;
    let on = machine.accelerator.as_ref().unwrap_or(&machine.processor);
    let whole = if profile.complete { "complete" } else { "incomplete" };
    let mut text = format!(
        "{on}, threads {}, {}: {} times, {whole}\n",
        machine.threads,
        machine.engine,
        profile.timings.len(),
    );
    for timing in &profile.timings {
        match timing.work {
            Work::Triad { threads, .. } => {
                text += &format!("memory, threads {threads}: {} GB/s\n", gigabytes(timing));
            }
            Work::Dispatch {} => text += &format!("an empty operation: {}\n", timing.median_ns),
            _ => {}
        }
    }
    if let Some(rows) = formats(profile) {
        text += &rows;
    }
    for note in &profile.notes {
        text += &format!("note: {note}\n");
    }
    text
}

/// A row for each format: the first matrix of the grid times one row of activations and times 128.
fn formats(profile: &Profile) -> Option<String> {
    let first = |timing: &Timing| match timing.work {
        Work::Matmul { rows, row_len, .. } => Some((rows, row_len)),
        _ => None,
    };
    let (rows, row_len) = profile.timings.iter().find_map(first)?;
    let columns =
        ["format", "1 row>", "GB/s>", "GFLOP/s>", "128 rows>", "GB/s>", "GFLOP/s>", "in memory>"];
    let mut lines = Table::new(columns);
    for format in Format::COMPUTED {
        let at = |batch: u64| {
            let work = Work::Matmul { format, rows, row_len, batch };
            let timing = profile.timings.iter().find(|timing| timing.work == work);
            timing.map_or(["-".into(), "-".into(), "-".into()], |timing| {
                [timing.median_ns.to_string(), gigabytes(timing), gigaflops(timing)]
            })
        };
        let share = |resident: &Resident| -> Option<f64> {
            Some(resident.resident_bytes.as_f64() / resident.file_bytes()?.as_f64())
        };
        let of = profile.resident.iter().filter(|resident| resident.format == format);
        let most = of.filter_map(share).reduce(f64::max);
        let resident = or_dash(most.map(|share| format!("{share:.2} x")));
        let cells = [vec![format.to_string()], at(1).into(), at(128).into(), vec![resident]];
        lines.row(cells.concat());
    }
    Some(format!("weights of {rows} x {row_len}, GB/s of the file's bytes:\n{lines}\n"))
}

/// Bytes a nanosecond are gigabytes a second.
fn gigabytes(timing: &Timing) -> String {
    rate(timing.work.bytes().as_f64(), timing)
}

fn gigaflops(timing: &Timing) -> String {
    rate(timing.work.flops() as f64, timing)
}

fn rate(amount: f64, timing: &Timing) -> String {
    let rate = amount / timing.median_ns.as_f64().max(1.0);
    if rate < 10.0 { format!("{rate:.2}") } else { format!("{rate:.1}") }
}
