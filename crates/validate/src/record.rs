//! The record: profiles of machines, a row for each cut of each setting, the page about them.

use std::time::{Duration, Instant};

use anyhow::Result;
use edgeplan_instances::file::write_atomic;
use edgeplan_measure::machine::{Machine, date};

use crate::case::Case;
use crate::child::{Child, Setup};
use crate::cpu::Cpu;
use crate::planner::Planner;
use crate::rows::{self, Row};
use crate::splits::Split;
use crate::suite::{Bench, Class, Suite};
use crate::summary;
use crate::trial::Places;

/// How long one machine may be measured.
const BENCH_LONGEST: Duration = Duration::from_secs(240);

/// What is recorded, and with what.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) places: Places,
    pub(crate) planner: Planner,
    /// The command that the record names.
    pub(crate) command: String,
    /// Nothing more is started after that long.
    pub(crate) time: Duration,
    pub(crate) start: Instant,
}

impl Record {
    /// Runs what is not in the record yet, and writes down what all of it says.
    pub(crate) fn all(&self, suite: &Suite) -> Result<()> {
        let path = self.places.out.join("rows.csv");
        let mut rows = rows::read(&path)?;
        for setting in &suite.setting {
            let done = |split: &Split| {
                rows.iter().any(|row| row.setting == setting.name && row.split == split.name())
            };
            let missing: Vec<Split> = Split::ALL.into_iter().filter(|split| !done(split)).collect();
            if missing.is_empty() {
                continue;
            }
            for class in setting.classes() {
                self.profile(&suite.bench, class)?;
            }
            let model = &suite.model[&setting.model];
            let case = Case::new(&self.planner, &self.places, setting, model)?;
            for split in missing {
                if self.start.elapsed() > self.time {
                    println!("the time is up; the same command goes on from here");
                    return self.finish(&rows);
                }
                let row = case.row(split, &rows)?;
                let (predicted, known) = (row.token_ms_predicted, row.token_ms);
                println!(
                    "{}, {}: {}{} per token {predicted:.1} ms predicted, {known:.1} measured; \
                     prompt {:.0}, {:.0}; {:.0} s",
                    row.setting,
                    row.split,
                    row.layers,
                    row.reason,
                    row.prompt_ms_predicted,
                    row.prompt_ms,
                    self.start.elapsed().as_secs_f64()
                );
                rows.push(row);
                rows::write(&path, &rows)?;
            }
        }
        self.finish(&rows)
    }

    fn finish(&self, rows: &[Row]) -> Result<()> {
        let (out, command) = (&self.places.out, &self.command);
        write_atomic(&out.join("README.md"), &summary::page(rows, command, &date()))?;
        let machine = format!("command: {command}\n{}", Machine::here().description());
        write_atomic(&out.join("machine.txt"), &machine)?;
        println!("{}", summary::Summary::of(rows).line());
        Ok(())
    }

    /// Measures a kind of machine with `llama-bench`, unless that was done.
    fn profile(&self, bench: &Bench, class: Class) -> Result<()> {
        let out = self.places.out.join(format!("{}.toml", class.name()));
        if out.exists() {
            return Ok(());
        }
        let core = usize::from(!class.source && std::thread::available_parallelism()?.get() > 1);
        let cpu = Cpu::part(&class.name(), core, class.percent)?;
        cpu.limit(true)?;
        let program = self.places.programs.join("llama-bench").display().to_string();
        let mut words = vec![program];
        for file in &bench.files {
            words.extend(["--model".into(), self.places.models.join(file).display().to_string()]);
        }
        let numbers = [
            ("--n-prompt", bench.prompt),
            ("--n-gen", bench.generate),
            ("--repetitions", bench.repeats),
            ("--threads", 1),
            ("--repack", u32::from(class.source)),
            ("--flash-attn", 1),
        ];
        words.extend(numbers.iter().flat_map(|(name, value)| [(*name).into(), value.to_string()]));
        words.extend(["--output".into(), "json".into()]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let json = self.places.work.join(format!("{}.json", class.name()));
        let shell = ["sh", "-c", "out=$1; shift; exec \"$@\" >\"$out\"", "sh"];
        let json_word = json.display().to_string();
        let all: Vec<&str> = shell.into_iter().chain([json_word.as_str()]).chain(words).collect();
        let log = self.places.work.join(format!("{}.log", class.name()));
        let setup = Setup { log: &log, variables: &[] };
        println!("measuring {} with llama-bench", class.name());
        Child::start("llama-bench", &all, &cpu, setup)?.finish(BENCH_LONGEST)?;
        self.planner.import(&json, &out)
    }
}
