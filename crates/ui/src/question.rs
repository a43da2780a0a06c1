//! What the page asks, and the session that answers it.

use std::str::FromStr as _;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use edgeplan::{
    Changes, Document, Error, InputError, Limits, Quiet, Runtime, Session, Sources, Task,
};
use edgeplan_files::{TextFile, parse_json};
use edgeplan_machines::cluster::Cluster;
use edgeplan_model::sensitivity::Quality;
use edgeplan_pricing::workload::Goal;
use edgeplan_problem::Bytes;
use serde::Deserialize;

use crate::uploads::Uploads;

/// A question as the page holds it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Question {
    /// `catalog:NAME`, a path on this machine, or a file that was dropped on the page.
    pub(crate) model: String,
    /// The keys of a `cluster.toml`.
    cluster: serde_json::Value,
    /// The part of each device's memory that may be used, in percent.
    #[serde(default)]
    memory: Option<u32>,
    #[serde(default)]
    prompt: Option<u32>,
    #[serde(default)]
    generate: Option<u32>,
    #[serde(default)]
    context: Option<u32>,
    #[serde(default)]
    quality: Option<String>,
    #[serde(default)]
    objective: Option<String>,
    #[serde(default)]
    decode_min: Option<f64>,
    #[serde(default)]
    engine: Option<String>,
    /// Seconds per solver.
    #[serde(default)]
    time: Option<f64>,
}

/// What errors call the cluster of the page.
pub(crate) const CLUSTER: &str = "cluster";
/// What errors call everything else of the page.
const PAGE: &str = "question";
/// Seconds per solver where nothing is said, and at most.
const TIME: f64 = 5.0;
const TIME_MAX: f64 = 60.0;

impl Question {
    /// Reads a question.
    pub(crate) fn parse(text: &str) -> Result<Self, InputError> {
        parse_json::<Self>(PAGE, text)?.checked()
    }

    /// The question, if its numbers are allowed.
    pub(crate) fn checked(self) -> Result<Self, InputError> {
        let time = self.time.unwrap_or(TIME);
        if !(0.0..=TIME_MAX).contains(&time) {
            let problem = format!("{time}; seconds from 0 to {TIME_MAX} are allowed");
            return Err(InputError::key(PAGE, "time", problem));
        }
        if let Some(percent) = self.memory.filter(|percent| !(1..=100).contains(percent)) {
            let problem = format!("{percent}; 1 to 100 percent are allowed");
            return Err(InputError::key(PAGE, "memory", problem));
        }
        Ok(self)
    }

    /// The question, loaded, priced and resolved.
    pub(crate) fn session(&self, uploads: &Uploads, task: &Task<'_>) -> Result<Session, Error> {
        let key = |key: &'static str| move |problem| InputError::key(PAGE, key, problem);
        let quality = self.quality.as_deref().map(Quality::from_str).transpose();
        let objective = self.objective.as_deref().map(Goal::from_str).transpose();
        let engine = self.engine.as_deref().map(Runtime::find).transpose();
        let sources = Sources {
            models: vec![uploads.path(&self.model)?],
            cluster: Some(self.document()?),
            changes: Changes {
                prompt: self.prompt,
                generate: self.generate,
                context: self.context,
                objective: objective.map_err(key("objective"))?,
                quality: quality.map_err(key("quality"))?,
                decode_min: self.decode_min,
                ..Changes::default()
            },
            engine: engine.map_err(key("engine"))?,
            ..Sources::default()
        };
        sources.load()?.resolved(task, &mut Quiet)
    }

    /// The cluster as a file's text, with the memory that may be used.
    pub(crate) fn document(&self) -> Result<Document, InputError> {
        let document = Document::of_json(CLUSTER, &self.cluster.to_string())?;
        let Some(percent) = self.memory.filter(|percent| *percent < 100) else {
            return Ok(document);
        };
        let TextFile { name, text } = document.read()?;
        let mut cluster = Cluster::parse(&name, &text)?;
        for device in 0..cluster.devices.len() {
            let usable = cluster.devices[device].1.usable(cluster.profile(device)?);
            let less = u128::from(usable.0) * u128::from(100 - percent) / 100;
            // A part of what was 64 bits.
            let less = Bytes(u64::try_from(less).unwrap_or(usable.0));
            cluster = cluster.replaced(cluster.with_less(device, None, less)?)?;
        }
        let text = cluster.file().text("");
        Ok(Document::Text(TextFile { name, text }))
    }

    /// Limits of solvers; setting `stop` ends them.
    pub(crate) fn task<'a>(&self, stop: &'a AtomicBool) -> Task<'a> {
        let time = Duration::from_secs_f64(self.time.unwrap_or(TIME));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let limits = Limits {
            time: Some(time),
            interrupt: Some(stop),
            threads: u32::try_from(cores).unwrap_or(1),
            ..Task::default().limits
        };
        Task { limits, ..Task::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(rest: &str) -> Question {
        let cluster = r#"{"source":"a","device":{"a":{"profile":"catalog:rtx-3090-24"}}}"#;
        let text = format!(r#"{{"model":"catalog:llama-3.1-8b","cluster":{cluster}{rest}}}"#);
        Question::parse(&text).unwrap()
    }

    fn memory(rest: &str) -> Bytes {
        let stop = AtomicBool::new(false);
        let question = question(rest);
        let uploads = Uploads::new().unwrap();
        let session = question.session(&uploads, &question.task(&stop)).unwrap();
        session.deployment().devices[0].memory
    }

    #[test]
    fn memory_is_a_part_of_what_is_usable() {
        let (whole, half) = (memory(""), memory(r#","memory":50"#));
        assert!(half.0.abs_diff(whole.0 / 2) < 2, "{whole} {half}");
    }

    #[test]
    fn wrong_keys_are_refused_by_name() {
        let stop = AtomicBool::new(false);
        let uploads = Uploads::new().unwrap();
        for (rest, expected) in [
            (r#","quality":"q99""#, "question: quality: "),
            (r#","objective":"fun""#, "question: objective: "),
            (r#","engine":"lama.cpp""#, "question: engine: "),
        ] {
            let question = question(rest);
            let error = question.session(&uploads, &question.task(&stop)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        for rest in [r#","memory":0"#, r#","time":-1"#, r#","tim":1"#] {
            let text = format!(r#"{{"model":"m","cluster":{{}}{rest}}}"#);
            assert!(Question::parse(&text).is_err(), "{rest}");
        }
    }
}
