//! Figures that one table of cells does not give, by their names in `reports/claims.toml`.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_records::folder::Folder;
use edgeplan_records::row::Record;
use serde_json::Value;

use super::source::median;
use super::{read, root};

type Row = BTreeMap<String, String>;

/// The figure of that name, as a share where it is one.
pub(super) fn figure(name: &str) -> Result<f64, String> {
    let words: Vec<&str> = name.split(' ').collect();
    let found = match words[..] {
        ["llamacpp", figure] => cuts("reports/llamacpp/rows.csv", "default", figure),
        ["experts", figure] => cuts("reports/experts/rows.csv", "fit", figure),
        ["calibration", run, figure] => calibration(run, figure),
        ["schedules", solver, figure] => schedules(solver, figure),
        ["batching", requests] => batching(requests),
        ["schedules-10000", solver, figure] => many_requests(solver, figure),
        _ => None,
    };
    found.ok_or_else(|| format!("made.rs knows no {name}"))
}

fn rows(file: &str) -> Vec<Row> {
    let text = read(file);
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.unwrap_or_else(|error| panic!("{file}: {error}"))).collect()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|error| panic!("{column} of {row:?}: {error}"))
}

fn least(values: Vec<f64>) -> f64 {
    values.into_iter().fold(f64::INFINITY, f64::min)
}

fn most(values: Vec<f64>) -> f64 {
    values.into_iter().fold(f64::NEG_INFINITY, f64::max)
}

/// Of plans and other cuts on llama.cpp, of which one is `automatic`, its own. A cut that two ways
/// of splitting chose counts once.
fn cuts(file: &str, automatic: &str, figure: &str) -> Option<f64> {
    let all = rows(file);
    let mut cuts: Vec<&Row> = Vec::new();
    for row in all.iter().filter(|row| row["requests"] != "0") {
        let same =
            |cut: &&Row| (&cut["setting"], &cut["layers"]) == (&row["setting"], &row["layers"]);
        if !cuts.iter().any(same) {
            cuts.push(row);
        }
    }
    let error = |row: &&Row| number(row, "token_ms_predicted") / number(row, "token_ms") - 1.0;
    let errors: Vec<f64> = cuts.iter().map(error).map(f64::abs).collect();
    let settings: BTreeSet<&String> = cuts.iter().map(|cut| &cut["setting"]).collect();
    // Pairs: whether their ranges are apart, and whether they are in the order predicted.
    let mut pairs: Vec<(bool, bool)> = Vec::new();
    for (index, one) in cuts.iter().enumerate() {
        for two in cuts[index + 1..].iter().filter(|two| two["setting"] == one["setting"]) {
            let below = |a: &Row, b: &Row| number(a, "token_ms_most") < number(b, "token_ms_least");
            let faster = |column: &str| number(one, column) < number(two, column);
            let agree = faster("token_ms") == faster("token_ms_predicted");
            pairs.push((below(one, two) || below(two, one), agree));
        }
    }
    let speedups = |heterogeneous: &str| -> Vec<f64> {
        let of = |setting: &&&String, split: &str| {
            let mut found = all.iter().filter(|row| row["setting"] == ***setting);
            found.find(|row| row["split"] == split && row["heterogeneous"] == heterogeneous)
        };
        let speedup = |setting: &&String| {
            let (default, plan) = (of(&setting, automatic)?, of(&setting, "plan")?);
            Some(number(default, "token_ms") / number(plan, "token_ms"))
        };
        settings.iter().filter_map(speedup).collect()
    };
    let count = |which: fn(&(bool, bool)) -> bool| pairs.iter().filter(|p| which(p)).count() as f64;
    Some(match figure {
        "cuts" => cuts.len() as f64,
        "settings" => settings.len() as f64,
        "error-median" => median(errors),
        "error-most" => most(errors),
        "too-fast" => cuts.iter().filter(|row| error(row) < 0.0).count() as f64,
        "pairs" => pairs.len() as f64,
        "pairs-in-order" => count(|(_, agree)| *agree),
        "pairs-apart" => count(|(apart, _)| *apart),
        "pairs-apart-in-order" => count(|(apart, agree)| *apart && *agree),
        "speedup-least" => least(speedups("true")),
        "speedup-median" => median(speedups("true")),
        "speedup-most" => most(speedups("true")),
        "speedup-of-twins" => least(speedups("false")),
        _ => return None,
    })
}

/// How far predictions of three models are below what was measured: of the `first` run, of the one
/// `later`, or of their `memory`; or how much `slower` the later run was.
fn calibration(run: &str, figure: &str) -> Option<f64> {
    let passes = &["first_token", "each_further_token"][..];
    let file = |folder: &str, model: &str| -> Value {
        let file = format!("bench-data/calibration/2026-11-21-epyc-2/{folder}{model}.json");
        serde_json::from_str(&read(&file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let (folder, keys) = match run {
        "first" | "slower" => ("", passes),
        "later" => ("later/", passes),
        "memory" => ("", &["memory"][..]),
        _ => return None,
    };
    let mut below = Vec::new();
    for model in ["SmolLM2-135M-Instruct.Q4_1", "135m-mixed", "1b-mixed"] {
        let (found, later) = (file(folder, model), file("later/", model));
        let nanos = |file: &Value, key: &str| file[key]["measured_ns"].as_f64().unwrap();
        below.extend(keys.iter().map(|key| match run {
            "slower" => nanos(&later, key) / nanos(&found, key) - 1.0,
            _ => -found[key]["off"].as_f64().unwrap(),
        }));
    }
    match figure {
        "least" => Some(least(below)),
        "most" => Some(most(below)),
        _ => None,
    }
}

/// Satisfaction on frames of 100 requests over the best bound of any solver.
fn schedules(solver: &str, figure: &str) -> Option<f64> {
    let all = rows("reports/record/2026-11-21-schedules/frames-100.csv");
    let mut bounds: BTreeMap<&String, f64> = BTreeMap::new();
    for row in all.iter().filter(|row| !row["most_satisfaction_ppb"].is_empty()) {
        let bound = number(row, "most_satisfaction_ppb");
        bounds.entry(&row["seed"]).and_modify(|least| *least = bound.min(*least)).or_insert(bound);
    }
    let own = all.iter().filter(|row| row["solver"] == solver);
    let shares: Vec<f64> =
        own.map(|row| number(row, "satisfaction_ppb") / bounds[&row["seed"]]).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let users = all.iter().filter(|row| row["solver"] == solver);
    let users: Vec<f64> =
        users.map(|row| number(row, "satisfied") / number(row, "requests")).collect();
    match figure {
        "mean" => Some(mean(&shares)),
        "users" => Some(mean(&users)),
        "least" => Some(least(shares)),
        _ => None,
    }
}

/// Satisfaction on frames of 10,000 requests over schedule-search's bound.
fn many_requests(solver: &str, figure: &str) -> Option<f64> {
    let all = rows("reports/record/2026-11-29-epyc-2-schedules-10000/frames-10000.csv");
    let of = |solver: &str| all.iter().filter(|row| row["solver"] == solver).collect::<Vec<_>>();
    let bounds = of("schedule-search");
    let share = |row: &&Row| {
        let bound = bounds.iter().find(|bound| bound["seed"] == row["seed"]).expect("its bound");
        number(row, "satisfaction_ppb") / number(bound, "most_satisfaction_ppb")
    };
    let shares: Vec<f64> = of(solver).iter().map(share).collect();
    match figure {
        "least" => Some(least(shares)),
        "most" => Some(most(shares)),
        _ => None,
    }
}

/// Geometric mean of DFTSP's seconds over batch-search's, on questions of the batching suite of so
/// many requests, or on `all`.
fn batching(requests: &str) -> Option<f64> {
    let folder = root().join("reports/record/2026-11-21-epyc-2-requests");
    let records = Folder::read(&folder).unwrap_or_else(|error| panic!("{error}"));
    let wanted = |row: &&Record| {
        row.suite == "batching"
            && (requests == "all" || row.parameter("requests") == Some(requests.into()))
    };
    let of = |solver: &'static str| {
        records.iter().filter(wanted).filter(move |row| row.solver == solver)
    };
    let mut ratios: Vec<f64> = Vec::new();
    for ours in of("batch-search") {
        let theirs = of("dftsp").find(|row| row.instance == ours.instance)?;
        ratios.push(theirs.elapsed_s / ours.elapsed_s);
    }
    let logs = ratios.iter().map(|ratio| ratio.ln()).sum::<f64>();
    (!ratios.is_empty()).then(|| (logs / ratios.len() as f64).exp())
}
