//! What the rows say: errors, ranking, speedup; and the page that says so.

use std::fmt::Write as _;

use statrs::statistics::{Data, OrderStatistics as _, Statistics as _};

use crate::rows::Row;
use crate::trial::median;

/// How well predictions and plans did. A cut that two ways of splitting chose counts once.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Summary {
    /// Of predicted over measured, less one.
    token_error: Errors,
    prompt_error: Errors,
    memory_error: Errors,
    /// Pairs of cuts of a setting.
    pairs: Pairs,
    /// Those of them whose measured times do not overlap.
    apart: Pairs,
    /// By setting: name, whether machines differ, how much longer a token takes where llama.cpp
    /// decides.
    speedups: Vec<(String, bool, f64)>,
    /// By setting: how much longer a token of the best other cut takes than one of the plan.
    over_best: Vec<f64>,
}

/// Relative errors of some predictions.
#[derive(Debug, Default, PartialEq)]
struct Errors {
    /// Median, ninth decile and largest of the absolute ones.
    median: f64,
    ninth_decile: f64,
    most: f64,
    /// Mean of them with their signs; below 0 where predictions are too low.
    signed: f64,
}

impl Errors {
    /// All 0 of none.
    fn of(errors: Vec<f64>) -> Self {
        if errors.is_empty() {
            return Self::default();
        }
        let signed = errors.iter().mean();
        let mut sizes = Data::new(errors.into_iter().map(f64::abs).collect::<Vec<_>>());
        Self {
            median: sizes.median(),
            ninth_decile: sizes.percentile(90),
            most: sizes.percentile(100),
            signed,
        }
    }

    fn text(&self) -> String {
        let percent = |part: f64| 100.0 * part;
        format!(
            "{:.1} % (median), {:.1} % (ninth decile), {:.1} % (most); {:+.1} % in the mean",
            percent(self.median),
            percent(self.ninth_decile),
            percent(self.most),
            percent(self.signed)
        )
    }
}

/// How many pairs of cuts there are, and how many were predicted in the order measured.
#[derive(Debug, Default, PartialEq)]
struct Pairs {
    all: usize,
    agreeing: usize,
}

impl Pairs {
    fn add(&mut self, agree: bool) {
        self.all += 1;
        self.agreeing += usize::from(agree);
    }
}

impl Summary {
    pub(crate) fn of(rows: &[Row]) -> Self {
        let mut measured: Vec<&Row> = Vec::new();
        for row in rows.iter().filter(|row| row.measured()) {
            let same = |cut: &&Row| (&cut.setting, &cut.layers) == (&row.setting, &row.layers);
            if !measured.iter().any(same) {
                measured.push(row);
            }
        }
        let error = |of: fn(&Row) -> (f64, f64)| {
            let known = measured.iter().map(|row| of(row)).filter(|(_, known)| *known > 0.0);
            Errors::of(known.map(|(predicted, known)| predicted / known - 1.0).collect())
        };
        let mut summary = Self {
            token_error: error(|row| (row.token_ms_predicted, row.token_ms)),
            prompt_error: error(|row| (row.prompt_ms_predicted, row.prompt_ms)),
            memory_error: error(|row| (row.workers_mib_predicted, row.workers_mib)),
            ..Self::default()
        };
        for (index, one) in measured.iter().enumerate() {
            for two in measured[index + 1..].iter().filter(|two| two.setting == one.setting) {
                let apart = one.token_ms_most < two.token_ms_least
                    || two.token_ms_most < one.token_ms_least;
                let faster = one.token_ms < two.token_ms;
                let agree = faster == (one.token_ms_predicted < two.token_ms_predicted);
                summary.pairs.add(agree);
                if apart {
                    summary.apart.add(agree);
                }
            }
        }
        for one in rows.iter().filter(|row| row.measured()) {
            if one.split != "plan" {
                continue;
            }
            let of_setting = rows.iter().filter(|row| row.measured() && row.setting == one.setting);
            let others = of_setting.filter(|row| row.split != "plan");
            let automatic = others.clone().find(|row| ["default", "fit"].contains(&&*row.split));
            summary.speedups.extend(automatic.map(|automatic| {
                (one.setting.clone(), one.heterogeneous, automatic.token_ms / one.token_ms)
            }));
            let best = others.map(|row| row.token_ms).min_by(f64::total_cmp);
            summary.over_best.extend(best.map(|best| best / one.token_ms));
        }
        summary
    }

    /// One line for a terminal.
    pub(crate) fn line(&self) -> String {
        let (pairs, apart) = (&self.pairs, &self.apart);
        format!(
            "median error per token {:.1} %, of the prompt {:.1} %; {} of {} pairs in order, {} of \
             {} whose times do not overlap; speedup over llama.cpp's own cut {}",
            100.0 * self.token_error.median,
            100.0 * self.prompt_error.median,
            pairs.agreeing,
            pairs.all,
            apart.agreeing,
            apart.all,
            self.speedup(true)
        )
    }

    /// Least and median speedup where machines differ, or where they do not.
    fn speedup(&self, heterogeneous: bool) -> String {
        let those = self.speedups.iter().filter(|(_, differ, _)| *differ == heterogeneous);
        median_and_least(those.map(|(_, _, speedup)| *speedup).collect())
    }
}

fn median_and_least(values: Vec<f64>) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    match median(values) {
        Ok(median) => format!("{median:.2} (median), {least:.2} (least)"),
        Err(_) => "unknown".into(),
    }
}

/// What is on one machine, for people.
const MACHINES: &str = "Several machines on one: each is a core with some of its instructions \
    (all, AVX without AVX2, SSE 4.2), each link a relay of that bandwidth and latency \
    ([`llama-cpp.toml`](../../bench-data/validation/llama-cpp.toml)). Every cut was exported, \
    started by the exported scripts, and asked for tokens; `default` is llama.cpp told of its \
    servers and nothing else.";
const ACCELERATORS: &str = "A processor and its accelerators on one machine: each is a core with \
    some of its instructions (all, AVX without AVX2, SSE 4.2), an accelerator an RPC server, met \
    directly if near, else behind a relay of that bandwidth and latency \
    ([`llama-cpp-experts.toml`](../../bench-data/validation/llama-cpp-experts.toml)). Models have \
    experts and random weights. Every cut was exported, started by the exported scripts, and asked \
    for tokens; `fit` is llama.cpp's own `--fit`, told how much memory each accelerator has, and \
    nothing else; its prediction is that of the policy `llama-fit`. What a server leaves to RAM is \
    read a tensor at a time, and graphs are sent again \
    ([`engine`](../engine/README.md)).";

/// The page of a record.
pub(crate) fn page(rows: &[Row], command: &str, date: &str) -> String {
    let summary = Summary::of(rows);
    let accelerators = rows.iter().any(|row| row.split == "fit");
    let (what, own) =
        if accelerators { (ACCELERATORS, "`--fit`") } else { (MACHINES, "the default") };
    let mut text = String::from("# Plans on llama.cpp, predicted and measured\n\n");
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{what} Predictions are those of `edgeplan export`, on a profile of each core by `edgeplan \
         profile --engine llama.cpp`, as much slower or quicker as `llama-bench` says of the model \
         there before and after its cuts were run, and on links as `edgeplan profile --link` \
         measured them. Recorded {date} by\n\n```sh\n{command}\n```\n\n\
         | | |\n| --- | --: |\n\
         | error of the time per generated token | {} |\n\
         | error of the time of the prompt | {} |\n\
         | error of the workers' memory | {} |\n\
         | pairs of cuts that were predicted in the order measured | {} of {} |\n\
         | of them those whose measured times do not overlap | {} of {} |\n\
         | a token of {own} over one of the plan, where machines or links differ | {} |\n",
        summary.token_error.text(),
        summary.prompt_error.text(),
        summary.memory_error.text(),
        summary.pairs.agreeing,
        summary.pairs.all,
        summary.apart.agreeing,
        summary.apart.all,
        summary.speedup(true),
    );
    let _ = match accelerators {
        true => writeln!(
            text,
            "| a token of the best other cut over one of the plan | {} |\n",
            median_and_least(summary.over_best)
        ),
        false => writeln!(text, "| the same where they do not | {} |\n", summary.speedup(false)),
    };
    text.push_str(
        "A cut that two ways of splitting chose counts once. Below 1, llama.cpp's own split is \
         faster than the plan. Times are medians of requests in milliseconds; \
         [`rows.csv`](rows.csv) has their range, memory, and what went through the links.\n\n\
         What would change this: GPUs and their backends, machines that do not share a memory bus, \
         real networks in place of relays, several requests at once, and a later llama.cpp.\n\n\
         | setting | cut | layers | per token, predicted | measured | error | prompt, predicted | \
         measured | error |\n\
         | --- | --- | --- | --: | --: | --: | --: | --: | --: |\n",
    );
    for row in rows {
        let (setting, split) = (&row.setting, &row.split);
        if !row.measured() {
            let _ = writeln!(text, "| {setting} | {split} | {} | | | | | | |", row.reason);
            continue;
        }
        let error =
            |predicted: f64, known: f64| format!("{:+.0} %", 100.0 * (predicted / known - 1.0));
        let _ = writeln!(
            text,
            "| {setting} | {split} | {} | {:.1} | {:.1} | {} | {:.0} | {:.0} | {} |",
            row.layers,
            row.token_ms_predicted,
            row.token_ms,
            error(row.token_ms_predicted, row.token_ms),
            row.prompt_ms_predicted,
            row.prompt_ms,
            error(row.prompt_ms_predicted, row.prompt_ms)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(split: &str, layers: &str, predicted: f64, measured: f64) -> Row {
        Row {
            setting: "s".into(),
            heterogeneous: true,
            split: split.into(),
            layers: layers.into(),
            requests: 3,
            token_ms_predicted: predicted,
            token_ms: measured,
            token_ms_least: measured - 1.0,
            token_ms_most: measured + 1.0,
            prompt_ms_predicted: 110.0,
            prompt_ms: 100.0,
            ..Row::default()
        }
    }

    #[test]
    fn errors_order_and_speedup() {
        let unknown = Row { requests: 0, reason: "too large".into(), ..row("even", "", 0.0, 0.0) };
        let rows = [
            row("plan", "a 1", 11.0, 10.0),
            row("default", "b 1", 30.0, 20.0),
            row("fastest-first", "a 1", 11.0, 30.0),
            row("even", "c 1", 5.0, 20.5),
            unknown,
        ];
        let summary = Summary::of(&rows);
        // 10 %, 50 % and 75.6 %: plan and first are the same cut.
        assert!((summary.token_error.median - 0.5).abs() < 1e-9, "{summary:?}");
        assert!((summary.token_error.most - 0.756).abs() < 0.001, "{summary:?}");
        let signed = (0.1 + 0.5 - 0.756) / 3.0;
        assert!((summary.token_error.signed - signed).abs() < 0.001, "{summary:?}");
        assert!((summary.prompt_error.median - 0.1).abs() < 1e-9);
        // plan-default, and plan-even and default-even in the wrong order, of which the last
        // overlap.
        assert_eq!(summary.pairs, Pairs { all: 3, agreeing: 1 });
        assert_eq!(summary.apart, Pairs { all: 2, agreeing: 1 });
        assert_eq!(summary.speedups, [("s".to_owned(), true, 2.0)]);
        let page = page(&rows, "./x validate-llamacpp FOLDER", "2026-11-21");
        assert!(page.contains("| s | plan | a 1 | 11.0 | 10.0 | +10 % | 110 | 100 | +10 % |"));
        assert!(page.contains("| s | even | too large |"), "{page}");
    }

    #[test]
    fn the_recorded_page_is_of_the_recorded_rows() {
        let records = [
            ("llamacpp", "./x validate-llamacpp reports/llamacpp", "2026-12-01"),
            (
                "experts",
                "./x validate-experts reports/experts --profiles reports/llamacpp",
                "2026-12-01",
            ),
        ];
        let reports = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports");
        for (folder, command, date) in records {
            let folder = reports.join(folder);
            let rows = crate::rows::read(&folder.join("rows.csv")).unwrap();
            assert!(rows.len() >= 30, "{command}");
            let made = page(&rows, command, date);
            assert_eq!(std::fs::read_to_string(folder.join("README.md")).unwrap(), made);
        }
    }
}
