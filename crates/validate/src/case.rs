//! A setting: its question, and every cut of it exported, run, and held against its prediction.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use edgeplan_files::deployment::PlanFile;
use edgeplan_files::{read_text, to_json, write_atomic};
use edgeplan_measure::machine::Machine;
use edgeplan_pricing::CHUNK;
use edgeplan_problem::Bytes;

use crate::bench;
use crate::child::{Child, Setup};
use crate::class::{self, Benched, Machines};
use crate::planner::{self, Prediction, Question};
use crate::quantized;
use crate::rows::Row;
use crate::splits::{self, Split};
use crate::suite::{Bench, Class, Instructions, Model, SOURCE, Setting, Worker};
use crate::trial::{self, Command, Places, Served, Trial, median};

/// How long a file may be quantized.
const QUANTIZE_LONGEST: Duration = Duration::from_secs(120);

/// A cut that was run.
#[derive(Debug)]
struct Run {
    split: Split,
    /// Who holds what; `None` where there is no such cut.
    plan: Option<String>,
    /// The result, or why nothing was run.
    result: Result<Trial, String>,
}

/// A setting that is being run.
pub(crate) struct Case<'a> {
    places: &'a Places,
    setting: &'a Setting,
    model: &'a Model,
    question: Question,
    folder: PathBuf,
}

impl<'a> Case<'a> {
    /// Writes its cluster, beside which the profiles of its machines will be.
    pub(crate) fn new(places: &'a Places, setting: &'a Setting, model: &'a Model) -> Result<Self> {
        let word: String =
            setting.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let folder = places.work.join(&word);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let question = Question {
            model: places.models.join(&model.file),
            cluster: folder.join("cluster.toml"),
            workload: folder.join("workload.toml"),
        };
        write_atomic(&question.cluster, &setting.cluster(&trial::links(setting)?))?;
        write_atomic(&question.workload, &model.workload())?;
        Ok(Self { places, setting, model, question, folder })
    }

    /// Runs every cut, the machines being measured before and after it: others may use them, too.
    pub(crate) fn rows(&self, bench: &Bench, machines: &Machines) -> Result<Vec<Row>> {
        self.measure(bench, machines, &["before"])?;
        let mut runs: Vec<Run> = Vec::new();
        for &split in self.setting.splits() {
            println!("{}, {}", self.setting.name, split.name());
            let run = self.run(split, &runs)?;
            runs.push(run);
        }
        self.measure(bench, machines, &["before", "after"])?;
        // The same question, priced by all that was measured.
        let again = self.folder.join("again.json");
        self.solve("chain-search", &again)?.map_err(anyhow::Error::msg)?;
        let instance = read_plan(&again)?.instance;
        runs.into_iter().map(|run| self.row(run, instance.as_ref())).collect()
    }

    /// Measures every kind of machine at the last of these times, and makes profiles of all that
    /// was measured so far.
    fn measure(&self, bench: &Bench, machines: &Machines, times: &[&str]) -> Result<()> {
        let mut classes: Vec<Class> = self.setting.classes().collect();
        classes.sort_unstable();
        classes.dedup();
        for class in classes {
            let mut known = Vec::new();
            for (index, time) in times.iter().enumerate() {
                for file in &self.model.bench {
                    let printed = format!("{}-{time}-{file}.jsonl", class.name());
                    let printed = self.folder.join(printed);
                    let model = self.places.models.join(file);
                    if index + 1 == times.len() {
                        bench::measure(self.places, bench, &model, class, &printed)?;
                    }
                    known.push(Benched { model, printed });
                }
            }
            let profile = class::as_now(&machines[&class.instructions], class, &known)?;
            let file = self.folder.join(format!("{}.json", class.name()));
            write_atomic(&file, &to_json(&profile))?;
        }
        Ok(())
    }

    /// Runs a cut, or says why not; one that was run under another name is not run again.
    fn run(&self, split: Split, known: &[Run]) -> Result<Run> {
        let plan = match self.plan(split)? {
            Ok(plan) => plan,
            Err(reason) => return Ok(Run { split, plan: None, result: Err(reason) }),
        };
        let layers = splits::summary(&plan);
        let file = self.folder.join(format!("{}.json", split.name()));
        write_atomic(&file, &to_json(&plan))?;
        let export = self.folder.join(split.name());
        if let Err(error) = self.export(&file, &export) {
            return Ok(Run { split, plan: Some(layers), result: Err(last_words(&error)) });
        }
        let same = known.iter().find(|run| run.plan.as_ref() == Some(&layers));
        if let (Some(Ok(same)), false) = (same.map(|run| &run.result), split.is_automatic()) {
            return Ok(Run { split, plan: Some(layers), result: Ok(same.clone()) });
        }
        let model = self.file(&plan, &export)?;
        let told = match split {
            Split::Fit => self.fit()?,
            _ => Vec::new(),
        };
        let command = match split.is_automatic() {
            true => Command::Plain(&told),
            false => Command::Export(&export),
        };
        let served = Served { model: self.model, file: &model };
        let used: Vec<&str> = plan.models[0].layers.iter().map(|l| l.device.as_str()).collect();
        let trial = trial::run(self.places, self.setting, served, command, &used)?;
        Ok(Run { split, plan: Some(layers), result: Ok(trial) })
    }

    /// Writes the files that run a plan, and says what is predicted.
    fn export(&self, plan: &Path, out: &Path) -> Result<Prediction> {
        let workers = self.setting.worker.iter().enumerate();
        let at: Vec<_> = workers
            .map(|(index, (name, worker))| {
                (self.setting.device(name), trial::address(worker, index))
            })
            .collect();
        self.question.export(plan, out, &at)
    }

    /// The cut as a plan file, or why there is none.
    fn plan(&self, split: Split) -> Result<Result<PlanFile, String>> {
        let path = self.folder.join("planned.json");
        if !path.exists() {
            self.solve("chain-search", &path)?
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("setting {}", self.setting.name))?;
        }
        let planned = read_plan(&path)?;
        if let (Some(solver), true) = (split.solver(), split != Split::Plan) {
            let path = self.folder.join(format!("{solver}.json"));
            let made = self.solve(solver, &path)?;
            return made.map_or_else(|reason| Ok(Err(reason)), |()| read_plan(&path).map(Ok));
        }
        let workers: Vec<&str> = self.setting.worker.keys().map(String::as_str).collect();
        Ok(Ok(split.cut(&planned, &workers).unwrap_or(planned)))
    }

    /// Options by which llama.cpp fits the model into the accelerators' memories: each reports all
    /// memory of this machine as free, so that what is not the accelerator's must stay free.
    fn fit(&self) -> Result<Vec<String>> {
        let (all, margin) = (Machine::here().memory_bytes, planner::margin()?);
        let kept = |worker: &Worker| {
            let own = Bytes(worker.memory.0).saturating_sub(margin);
            (all.saturating_sub(own.0) >> 20).to_string()
        };
        let kept: Vec<String> = self.setting.worker.values().map(kept).collect();
        let pairs = [("--fit", "on".to_owned()), ("--fit-target", kept.join(","))];
        let ubatch = ("--ubatch-size", CHUNK.to_string());
        Ok(pairs.into_iter().chain([ubatch]).flat_map(|(a, b)| [a.to_owned(), b]).collect())
    }

    fn solve(&self, solver: &str, out: &Path) -> Result<Result<(), String>> {
        self.question.plan(solver, out)
    }

    /// The model's file: one of floats is quantized by the exported script, and checked.
    fn file(&self, plan: &PlanFile, export: &Path) -> Result<PathBuf> {
        let script = export.join("quantize.sh");
        if !script.exists() || !quantized::chooses(plan) {
            return Ok(self.question.model.clone());
        }
        let out = self.folder.join("model.gguf");
        let words = [&script, &self.question.model, &out].map(|path| path.display().to_string());
        let words: Vec<&str> = std::iter::once("sh").chain(words.iter().map(|w| &**w)).collect();
        let program = self.places.program(Instructions::Native, "llama-quantize");
        let log = self.folder.join("quantize.log");
        let setup = Setup { log: &log, variables: &[("LLAMA_QUANTIZE", program)] };
        let quantize = Child::start("llama-quantize", &words, setup)?;
        quantize.finish(QUANTIZE_LONGEST)?;
        quantized::check(plan, &out)?;
        Ok(out)
    }

    /// What was measured, and what the profiles predict that were measured around it.
    fn row(&self, run: Run, instance: Option<&String>) -> Result<Row> {
        let row = Row {
            setting: self.setting.name.clone(),
            heterogeneous: self.setting.heterogeneous,
            model: self.setting.model.clone(),
            split: run.split.name().into(),
            layers: run.plan.unwrap_or_default(),
            ..Row::default()
        };
        let trial = match run.result {
            Ok(trial) => trial,
            Err(reason) => return Ok(Row { reason, ..row }),
        };
        let name = run.split.name();
        let mut plan = read_plan(&self.folder.join(format!("{name}.json")))?;
        plan.instance = instance.cloned();
        let file = self.folder.join(format!("{name}-again.json"));
        write_atomic(&file, &to_json(&plan))?;
        let predicted = self.export(&file, &self.folder.join(format!("{name}-predicted")))?;
        let token = || trial.timings.iter().map(|timings| timings.predicted_per_token_ms);
        let source = self.setting.device(SOURCE);
        let workers = predicted.devices.iter().filter(|(name, _)| **name != source);
        let bytes: u64 =
            workers.map(|(_, bill)| (bill.weights + bill.kv + bill.activations).0).sum();
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let Ok(requests) = u32::try_from(trial.timings.len()) else { bail!("too many requests") };
        Ok(Row {
            requests,
            prompt_ms_predicted: predicted.first_token_ns as f64 / 1e6,
            prompt_ms: median(trial.timings.iter().map(|timings| timings.prompt_ms))?,
            token_ms_predicted: predicted.token_ms(self.model.generate),
            token_ms: median(token())?,
            token_ms_least: token().fold(f64::INFINITY, f64::min),
            token_ms_most: token().fold(0.0, f64::max),
            workers_mib_predicted: mib(bytes),
            workers_mib: mib(trial.workers_bytes),
            wire_kib: trial.wire_bytes as f64 / 1024.0,
            ..row
        })
    }
}

fn read_plan(path: &Path) -> Result<PlanFile> {
    Ok(PlanFile::parse(&path.display().to_string(), &read_text(path)?)?)
}

/// The reason at the end of an error, on one line.
fn last_words(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let reason = text.rsplit("error: ").next().unwrap_or(&text);
    reason.split_whitespace().collect::<Vec<_>>().join(" ")
}
