//! The settings: models, and machines that are this one with some of its instructions.

use std::collections::BTreeMap;

use edgeplan_files::quantity::{Bandwidth, Memory, Time};
use edgeplan_files::{InputError, parse_toml};
use edgeplan_machines::cluster::{Cluster, ClusterDevice, ClusterFile, Host, Internal, Link};
use edgeplan_machines::device::Backend;
use edgeplan_pricing::workload::Workload;
use serde::Deserialize;

use crate::splits::Split;

/// What the source is called.
pub(crate) const SOURCE: &str = "source";

/// Settings, as they are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Suite {
    /// How every machine is measured, before and after a setting is run.
    pub(crate) bench: Bench,
    pub(crate) model: BTreeMap<String, Model>,
    pub(crate) setting: Vec<Setting>,
}

/// How `llama-bench` is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bench {
    pub(crate) prompt: u32,
    pub(crate) generate: u32,
    pub(crate) repeats: u32,
}

/// A model, and the requests for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// A file; one of floats is quantized as the plan says.
    pub(crate) file: String,
    pub(crate) prompt: u32,
    pub(crate) generate: u32,
    /// Tokens are drawn below it.
    pub(crate) vocab: u32,
    /// Files that machines are measured with: in all formats that plans may choose.
    pub(crate) bench: Vec<String>,
    /// Tokens that the cache is allocated for; of one request if not said.
    #[serde(default)]
    pub(crate) context: Option<u32>,
    /// Other keys of a `workload.toml`.
    #[serde(default)]
    pub(crate) workload: String,
}

/// A cluster on one machine, and the model that runs there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) model: String,
    /// Whether machines or links differ: there a plan should pay.
    pub(crate) heterogeneous: bool,
    /// Whether workers are accelerators of the source: the parts of a block may then lie apart.
    #[serde(default)]
    pub(crate) accelerators: bool,
    pub(crate) source: Machine,
    pub(crate) worker: BTreeMap<String, Worker>,
}

/// What a processor's programs are built for. The same core is so much slower with fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) enum Instructions {
    /// All that this machine has.
    #[serde(rename = "native")]
    Native,
    /// No AVX2, FMA nor F16C, as of 2011.
    #[serde(rename = "avx")]
    Avx,
    /// No AVX, as of 2008.
    #[serde(rename = "sse4.2")]
    Sse42,
}

impl Instructions {
    /// As settings write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Avx => "avx",
            Self::Sse42 => "sse4.2",
        }
    }
}

/// One core of this machine.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    pub(crate) instructions: Instructions,
    pub(crate) memory: Memory,
}

/// One core of this machine, behind a link: a relay of that bandwidth and latency, or what
/// processes of one machine have between them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Worker {
    pub(crate) instructions: Instructions,
    pub(crate) memory: Memory,
    pub(crate) link: Option<Shape>,
}

/// How a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shape {
    pub(crate) bandwidth: Bandwidth,
    pub(crate) latency: Time,
}

/// A machine whose speeds differ from others': its instructions, and whether weights are repacked,
/// which llama.cpp does on the source and its RPC servers do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    pub(crate) instructions: Instructions,
    pub(crate) source: bool,
}

impl Class {
    /// The name of its files.
    pub(crate) fn name(self) -> String {
        let what = if self.source { "source" } else { "worker" };
        format!("{what}-{}", self.instructions.name())
    }
}

impl Shape {
    /// About what processes of one machine have between them, which is measured.
    const NEAR: Self = Self { bandwidth: Bandwidth(16_000_000_000), latency: Time(30_000) };
}

impl Suite {
    /// Parses and checks settings; `file` is only named in errors.
    ///
    /// # Errors
    /// Unknown keys with the nearest known one, unknown models and instruction sets, numbers out of
    /// range.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let suite: Self = parse_toml(file, text)?;
        let error = |key: String, problem: String| Err(InputError::key(file, key, problem));
        for (name, model) in &suite.model {
            let numbers =
                [("prompt", model.prompt), ("generate", model.generate), ("vocab", model.vocab)];
            for (key, value) in numbers {
                if !(2..=1 << 20).contains(&value) {
                    let problem = format!("{value}; 2 to {} are allowed", 1 << 20);
                    return error(format!("model.{name}.{key}"), problem);
                }
            }
            Workload::parse(&format!("{file}: model.{name}.workload"), &model.workload())?;
        }
        for (index, setting) in suite.setting.iter().enumerate() {
            let key = |word: &str| format!("setting[{index}].{word}");
            if !suite.model.contains_key(&setting.model) {
                let known: Vec<&str> = suite.model.keys().map(String::as_str).collect();
                let problem = format!("`{}`; models are {}", setting.model, known.join(", "));
                return error(key("model"), problem);
            }
            if setting.worker.is_empty() || setting.worker.contains_key(SOURCE) {
                let problem = format!("one or more are needed, none of them called `{SOURCE}`");
                return error(key("worker"), problem);
            }
            let mut links = setting.worker.values().map(|worker| worker.link);
            let first = links.next();
            if setting.accelerators && links.any(|link| Some(link) != first) {
                return error(
                    key("worker"),
                    "accelerators of one machine have the same link".into(),
                );
            }
            // Profiles of hosts would be read, and are not measured yet.
            let apart = Setting { accelerators: false, ..setting.clone() };
            let text = apart.cluster(&apart.links());
            Cluster::parse(&format!("{file}: setting {}", setting.name), &text)?;
        }
        Ok(suite)
    }
}

impl Model {
    /// The `workload.toml`.
    pub(crate) fn workload(&self) -> String {
        let (prompt, generate) = (self.prompt, self.generate);
        let context =
            self.context.map_or_else(String::new, |tokens| format!("context = {tokens}\n"));
        format!("prompt = {prompt}\ngenerate = {generate}\n{context}{}", self.workload)
    }

    /// Tokens of a context without an export.
    pub(crate) fn context(&self) -> u32 {
        self.context.unwrap_or(self.prompt + self.generate)
    }
}

impl Setting {
    /// The classes of its machines, with the machines' names.
    pub(crate) fn machines(&self) -> Vec<(&str, Class)> {
        let source = (SOURCE, Class { instructions: self.source.instructions, source: true });
        let workers = self.worker.iter().map(|(name, worker)| {
            (name.as_str(), Class { instructions: worker.instructions, source: false })
        });
        std::iter::once(source).chain(workers).collect()
    }

    /// The classes of its machines.
    pub(crate) fn classes(&self) -> impl Iterator<Item = Class> {
        self.machines().into_iter().map(|(_, class)| class)
    }

    /// The ways of cutting a model that are compared.
    pub(crate) fn splits(&self) -> &'static [Split] {
        match self.accelerators {
            true => &Split::ACCELERATORS,
            false => &Split::MACHINES,
        }
    }

    /// What a plan calls the source, and a worker.
    pub(crate) fn device(&self, machine: &str) -> String {
        if !self.accelerators {
            return machine.into();
        }
        match self.worker.keys().position(|worker| worker == machine) {
            Some(index) => format!("{SOURCE}/rpc{index}"),
            None => format!("{SOURCE}/cpu"),
        }
    }

    /// The name of the script that starts a worker, in an export of a plan that uses it.
    pub(crate) fn script(&self, worker: &str) -> String {
        format!("worker-{}.sh", self.device(worker).replace('/', "_"))
    }

    /// The `cluster.toml` with these links, by worker; profiles of classes lie beside it.
    pub(crate) fn cluster(&self, links: &[Link]) -> String {
        let device = |(name, class): (&str, Class)| {
            let memory = self.worker.get(name).map_or(self.source.memory, |worker| worker.memory);
            let profile = ClusterDevice::new(format!("{}.json", class.name()));
            (name.to_owned(), ClusterDevice { memory: Some(memory), ..profile })
        };
        let mut file = ClusterFile { source: SOURCE.into(), ..ClusterFile::default() };
        if !self.accelerators {
            file.device = self.machines().into_iter().map(device).collect();
            file.link = links.to_vec();
            return file.text("");
        }
        let mut host = Host::default();
        for (name, class) in self.machines() {
            let backend = Some(if class.source { Backend::Cpu } else { Backend::Rpc });
            host.device.push(ClusterDevice { backend, ..device((name, class)).1 });
        }
        // Of links that are alike, the slowest measured one.
        let slowest = links.iter().map(|link| (link.bandwidth, link.latency));
        let slowest = slowest.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        if let Some((bandwidth, latency)) = slowest {
            host.internal = Internal { bandwidth, latency };
        }
        file.host.insert(SOURCE.into(), host);
        file.text("")
    }

    /// Links as they are meant.
    fn links(&self) -> Vec<Link> {
        let link = |(name, worker): (&String, &Worker)| {
            let Shape { bandwidth, latency } = worker.link.unwrap_or(Shape::NEAR);
            let between = [SOURCE.into(), name.clone()];
            Link { between, bandwidth, latency, one_way: false }
        };
        self.worker.iter().map(link).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = include_str!("../../../bench-data/validation/llama-cpp.toml");

    #[test]
    fn the_recorded_settings_make_sense() {
        let suite = Suite::parse("llama-cpp.toml", OWN).unwrap();
        assert!(suite.setting.len() >= 6);
        assert!(suite.setting.iter().filter(|setting| setting.heterogeneous).count() >= 4);
    }

    const EXPERTS: &str = include_str!("../../../bench-data/validation/llama-cpp-experts.toml");

    #[test]
    fn workers_may_be_accelerators_of_the_source() {
        let suite = Suite::parse("llama-cpp-experts.toml", EXPERTS).unwrap();
        assert!(suite.setting.len() >= 6 && suite.model.len() >= 2);
        let setting = suite.setting.iter().find(|setting| setting.worker.len() == 2).unwrap();
        assert_eq!([SOURCE, "b"].map(|name| setting.device(name)), ["source/cpu", "source/rpc1"]);
        assert_eq!(setting.script("a"), "worker-source_rpc0.sh");
        let mut links = setting.links();
        links[1].latency = Time(7_000_000);
        let text = setting.cluster(&links);
        let file: ClusterFile = parse_toml("cluster.toml", &text).unwrap();
        let host = &file.host[SOURCE];
        let backends: Vec<_> = host.device.iter().map(|device| device.backend.unwrap()).collect();
        assert_eq!(backends, [Backend::Cpu, Backend::Rpc, Backend::Rpc]);
        // The slower of two links that are meant to be alike.
        assert_eq!(host.internal.latency, Time(7_000_000));
        let uneven = EXPERTS.replacen("latency = \"0.3 ms\"", "latency = \"3 ms\"", 1);
        let error = Suite::parse("s.toml", &uneven).unwrap_err();
        assert!(error.to_string().contains("have the same link"), "{error}");
    }

    #[test]
    fn wrong_settings_are_refused_by_key() {
        let cases = [
            ("= \"native\"", "= \"avx9\"", "`avx9`"),
            ("instructions = ", "instruction = ", "did you mean `instructions`?"),
            ("model = \"1b\"", "model = \"2b\"", "setting[0].model: `2b`; models are"),
            ("prompt = 48\ngenerate = 16", "prompt = 0\ngenerate = 16", "prompt: 0;"),
        ];
        for (from, to, expected) in cases {
            assert!(OWN.contains(from), "{from}");
            let error = Suite::parse("s.toml", &OWN.replacen(from, to, 1)).unwrap_err();
            assert!(error.to_string().contains(expected), "{to}: {error}");
        }
    }
}
