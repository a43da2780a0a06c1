//! `edgeplan` as a user calls it: profiles, plans, exports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::suite::SOURCE;

/// The command `edgeplan`.
#[derive(Debug, Clone)]
pub(crate) struct Planner {
    pub(crate) binary: PathBuf,
}

/// A question for it.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) model: PathBuf,
    pub(crate) cluster: PathBuf,
    pub(crate) workload: PathBuf,
}

/// What it predicts of an export.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Prediction {
    pub(crate) latency_ns: u64,
    pub(crate) first_token_ns: u64,
    pub(crate) devices: BTreeMap<String, Bill>,
}

/// Bytes on one device.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Bill {
    pub(crate) weights_bytes: u64,
    pub(crate) kv_bytes: u64,
    pub(crate) activations_bytes: u64,
}

/// A question without a plan is an answer, another failure is none.
enum Answer {
    Found(String),
    Nothing(String),
}

impl Planner {
    fn run(&self, arguments: &[&str]) -> Result<Answer> {
        let output = Command::new(&self.binary).args(arguments).output();
        let output = output.with_context(|| self.binary.display().to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.code() {
            Some(0) => Ok(Answer::Found(text(&output.stdout))),
            Some(1) => Ok(Answer::Nothing(text(&output.stdout))),
            _ => bail!("edgeplan {}: {}", arguments.join(" "), text(&output.stderr).trim()),
        }
    }

    /// A device file from what `llama-bench` printed.
    pub(crate) fn import(&self, benches: &[PathBuf], out: &Path) -> Result<()> {
        let benches: Vec<String> = benches.iter().map(|path| path.display().to_string()).collect();
        let out = out.display().to_string();
        let mut all = vec!["import", "llama-bench", "--memory", "2 GiB", "--out", &out];
        all.extend(benches.iter().map(String::as_str));
        self.run(&all).map(drop)
    }

    /// The `[[link]]` between the source and a worker whose `edgeplan profile --serve` is there.
    pub(crate) fn link(&self, address: &str, worker: &str) -> Result<String> {
        let between = format!("{SOURCE},{worker}");
        match self.run(&["profile", "--link", address, "--between", &between])? {
            Answer::Found(text) => Ok(text),
            Answer::Nothing(text) => bail!("edgeplan profile --link: {text}"),
        }
    }

    /// Writes a plan for llama.cpp; without one, the reason.
    pub(crate) fn plan(
        &self,
        question: &Question,
        solver: &str,
        out: &Path,
    ) -> Result<Result<(), String>> {
        let (words, out) = (question.words(), out.display().to_string());
        let mut all = vec!["plan", "--for", "llama.cpp", "--solver", solver, "--out", &out];
        all.extend(words.iter().map(String::as_str));
        Ok(match self.run(&all)? {
            Answer::Found(_) => Ok(()),
            Answer::Nothing(reason) => Err(reason.lines().take(2).collect::<Vec<_>>().join(" ")),
        })
    }

    /// Writes the files that run a plan, with the addresses of devices, and says what it predicts.
    pub(crate) fn export(
        &self,
        question: &Question,
        plan: &Path,
        out: &Path,
        at: &[(String, String)],
    ) -> Result<Prediction> {
        let (words, out) = (question.words(), out.display().to_string());
        let plan = plan.display().to_string();
        let at: Vec<String> = at.iter().map(|(name, place)| format!("{name}={place}")).collect();
        let mut all = vec!["export", "--to", "llama.cpp", "--json", "--plan", &plan, "--out", &out];
        all.extend(words.iter().map(String::as_str));
        all.extend(at.iter().flat_map(|place| ["--at", place.as_str()]));
        match self.run(&all)? {
            Answer::Found(text) => serde_json::from_str(&text).context("what edgeplan export says"),
            Answer::Nothing(text) => bail!("edgeplan export: {text}"),
        }
    }
}

impl Question {
    fn words(&self) -> Vec<String> {
        let named = [
            ("--model", &self.model),
            ("--cluster", &self.cluster),
            ("--workload", &self.workload),
        ];
        named.iter().flat_map(|(name, path)| [(*name).into(), path.display().to_string()]).collect()
    }
}

impl Prediction {
    /// Of each generated token after the first.
    pub(crate) fn token_ms(&self, generate: u32) -> f64 {
        self.latency_ns.saturating_sub(self.first_token_ns) as f64 / 1e6 / f64::from(generate)
    }
}
