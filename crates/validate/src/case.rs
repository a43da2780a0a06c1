//! A setting: its question, and every cut of it exported, run, and held against its prediction.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use edgeplan_instances::file::{read_text, to_json, write_atomic};
use edgeplan_instances::instance::PlanFile;

use crate::child::{Child, Setup};
use crate::cpu::Cpu;
use crate::planner::{Planner, Prediction, Question};
use crate::quantized;
use crate::rows::Row;
use crate::splits::{self, Split};
use crate::suite::{Model, SOURCE, Setting};
use crate::trial::{self, Command, Places, Trial, median};

/// How long a file may be quantized.
const QUANTIZE_LONGEST: Duration = Duration::from_secs(120);

/// A setting that is being run.
pub(crate) struct Case<'a> {
    planner: &'a Planner,
    places: &'a Places,
    setting: &'a Setting,
    model: &'a Model,
    question: Question,
    folder: PathBuf,
}

impl<'a> Case<'a> {
    /// Writes its cluster beside the profiles of its machines.
    pub(crate) fn new(
        planner: &'a Planner,
        places: &'a Places,
        setting: &'a Setting,
        model: &'a Model,
    ) -> Result<Self> {
        let word: String =
            setting.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let folder = places.work.join(&word);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let question = Question {
            model: places.models.join(&model.file),
            cluster: places.out.join(format!("cluster-{word}.toml")),
            workload: folder.join("workload.toml"),
        };
        write_atomic(&question.cluster, &setting.cluster())?;
        write_atomic(&question.workload, &model.workload())?;
        Ok(Self { planner, places, setting, model, question, folder })
    }

    /// Runs a cut, or says why not; one that was run under another name is not run again.
    pub(crate) fn row(&self, split: Split, known: &[Row]) -> Result<Row> {
        let mut row = Row {
            setting: self.setting.name.clone(),
            heterogeneous: self.setting.heterogeneous,
            model: self.setting.model.clone(),
            split: split.name().into(),
            ..Row::default()
        };
        let plan = match self.plan(split)? {
            Ok(plan) => plan,
            Err(reason) => return Ok(Row { reason, ..row }),
        };
        row.layers = splits::summary(&plan);
        let file = self.folder.join(format!("{}.json", split.name()));
        write_atomic(&file, &to_json(&plan))?;
        let export = self.folder.join(split.name());
        let names = self.setting.worker.keys();
        let at: Vec<_> =
            names.enumerate().map(|(index, name)| (name.clone(), trial::address(index))).collect();
        let predicted = match self.planner.export(&self.question, &file, &export, &at) {
            Ok(predicted) => predicted,
            Err(error) => return Ok(Row { reason: last_words(&error), ..row }),
        };
        let same = known.iter().find(|other| {
            other.setting == row.setting && other.layers == row.layers && other.measured()
        });
        if let (Some(same), true) = (same, split != Split::Default) {
            return Ok(Row { split: row.split, ..same.clone() });
        }
        let model = self.file(&plan, &export)?;
        let command = match split {
            Split::Default => Command::Plain,
            _ => Command::Export(&export),
        };
        let used: Vec<&str> = plan.models[0].layers.iter().map(|l| l.device.as_str()).collect();
        let places = self.places;
        let trial = trial::run(places, self.setting, (self.model, &model), command, &used)?;
        self.fill(row, &predicted, &trial)
    }

    /// The cut as a plan file, or why there is none.
    fn plan(&self, split: Split) -> Result<Result<PlanFile, String>> {
        let read = |path: &Path| -> Result<PlanFile> {
            Ok(PlanFile::parse(&path.display().to_string(), &read_text(path)?)?)
        };
        let path = self.folder.join("planned.json");
        if !path.exists() {
            self.planner
                .plan(&self.question, "chain-search", &path)?
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("setting {}", self.setting.name))?;
        }
        let planned = read(&path)?;
        if split == Split::FastestFirst {
            let path = self.folder.join("fastest.json");
            let made = self.planner.plan(&self.question, split.name(), &path)?;
            return made.map_or_else(|reason| Ok(Err(reason)), |()| read(&path).map(Ok));
        }
        let workers: Vec<&str> = self.setting.worker.keys().map(String::as_str).collect();
        Ok(Ok(split.cut(&planned, &workers).unwrap_or(planned)))
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
        let program = self.places.programs.join("llama-quantize").display().to_string();
        let log = self.folder.join("quantize.log");
        let setup = Setup { log: &log, variables: &[("LLAMA_QUANTIZE", program)] };
        let quantize = Child::start("llama-quantize", &words, &Cpu::whole(), setup)?;
        quantize.finish(QUANTIZE_LONGEST)?;
        quantized::check(plan, &out)?;
        Ok(out)
    }

    fn fill(&self, row: Row, predicted: &Prediction, trial: &Trial) -> Result<Row> {
        let token = || trial.timings.iter().map(|timings| timings.predicted_per_token_ms);
        let workers = predicted.devices.iter().filter(|(name, _)| *name != SOURCE);
        let bytes: u64 = workers
            .map(|(_, bill)| bill.weights_bytes + bill.kv_bytes + bill.activations_bytes)
            .sum();
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

/// The reason at the end of an error, on one line.
fn last_words(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let reason = text.rsplit("error: ").next().unwrap_or(&text);
    reason.split_whitespace().collect::<Vec<_>>().join(" ")
}
