//! Efficiencies of classes, from public speeds.

use edgeplan_files::InputError;
use edgeplan_machines::device::{
    Band, Class, Classes, Device, Phase, Rates, Stage, catalog, from_catalog, holder,
};
use edgeplan_model::ModelSpec;

use super::alone::{Parts, parts};
use super::rows::PublicSpeed;
use super::tree::{Expected, Observation, TERMS, Tree};

/// The stages, in the order of tables.
pub(super) const STAGES: [Stage; 2] = [Stage::Decode, Stage::Prefill];

/// One stage of a public speed.
pub(super) struct Sample<'a> {
    pub(super) row: &'a PublicSpeed,
    pub(super) stage: Stage,
    pub(super) class: String,
    pub(super) model: ModelSpec,
    /// Whether the model has experts.
    pub(super) experts: bool,
    /// Tokens per second.
    pub(super) speed: f64,
}

impl Sample<'_> {
    /// Seconds of the prompt, or of one token.
    fn seconds(&self) -> f64 {
        let tokens = if self.stage == Stage::Prefill { self.row.request().prompt } else { 1 };
        tokens as f64 / self.speed
    }

    pub(super) fn parts(&self, device: &Device, classes: &Classes) -> Result<Parts, InputError> {
        let rates = Rates::with(device, classes)?;
        parts(&rates, &self.model, self.row.request(), self.stage)
    }

    fn observed(&self, terms: [f64; TERMS], known: f64) -> Observation<'_> {
        let (class, machine) = (&self.class, self.row.machine());
        Observation { class, machine, terms, known, seconds: self.seconds() }
    }

    /// Measured over predicted speed.
    pub(super) fn ratio(&self, device: &Device, classes: &Classes) -> Result<f64, InputError> {
        Ok(self.parts(device, classes)?.sum() / self.seconds())
    }
}

/// The stages of all rows.
pub(super) fn samples(rows: &[PublicSpeed]) -> Result<Vec<Sample<'_>>, InputError> {
    let mut samples = Vec::new();
    for row in rows {
        let class = from_catalog(&row.device)?.class().to_owned();
        for stage in STAGES {
            let Some(speed) = row.speed(stage) else { continue };
            let (model, class) = (row.model()?, class.clone());
            let experts = model.has_experts();
            samples.push(Sample { row, stage, class, model, experts, speed });
        }
    }
    Ok(samples)
}

/// Every class of the catalog, and those that hold it; that of all devices first.
pub(super) fn names() -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for device in catalog().values() {
        let mut name = Some(device.class());
        while let Some(one) = name {
            names.push(one.to_owned());
            name = holder(one);
        }
    }
    names.sort();
    names.dedup();
    names
}

/// Whether devices of the class `name` are among those of `of`.
pub(super) fn is_within(name: &str, of: &str) -> bool {
    let rest = name.strip_prefix(of);
    of.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is expected of generated tokens: most of the specified bandwidth, 55 us for the kernels of
/// a layer. Classes differ less in the part of the bandwidth that they reach than in overheads.
const DECODE: Expected = Expected { logarithms: [0.2, 4.0], stiffness: [2.5, 0.1] };
/// Of prompts: about as many operations as specified.
const PREFILL: Expected = Expected { logarithms: [0.0, 4.0], stiffness: [0.1, 0.1] };
/// Of experts: a little less than the rate of dense tensors. They have no overhead of their own.
const EXPERTS: Expected = Expected { logarithms: [0.2, 0.0], stiffness: [0.1, 0.1] };

/// What classes reach in one stage.
struct Reached {
    /// Times over those by the specification, and microseconds per layer.
    dense: Tree,
    /// Times of experts over those at the rate of dense tensors.
    experts: Tree,
}

/// Efficiencies by class from these samples, without bands.
pub(super) fn efficiencies(samples: &[&Sample<'_>]) -> Result<Classes, InputError> {
    let neutral = Classes { class: vec![class("", [[1.0, 1.0, 1.0]; 2])] };
    let mut timed = Vec::new();
    for sample in samples {
        timed.push((*sample, sample.parts(&sample.row.bare()?, &neutral)?));
    }
    let stages = STAGES.map(|stage| reached(&timed, stage));
    let of = |name: &String| {
        let each = stages.each_ref().map(|Reached { dense, experts }| {
            let ([time, overhead], [slower, _]) = (dense.of(name), experts.of(name));
            [1.0 / time, overhead, 1.0 / slower].map(|value| (1000.0 * value).round() / 1000.0)
        });
        class(name, each)
    };
    Ok(Classes { class: names().iter().map(of).collect() })
}

fn reached(timed: &[(&Sample<'_>, Parts)], stage: Stage) -> Reached {
    let of = |experts: bool| {
        let all = timed.iter().filter(move |(sample, _)| sample.stage == stage);
        all.filter(move |(sample, _)| sample.experts == experts)
    };
    let dense: Vec<Observation<'_>> = of(false)
        .map(|(sample, parts)| sample.observed([parts.dense, parts.starting], 0.0))
        .collect();
    let expected = if stage == Stage::Decode { DECODE } else { PREFILL };
    let dense = Tree::fit(&dense, expected);
    let experts: Vec<Observation<'_>> = of(true)
        .map(|(sample, parts)| {
            let [time, overhead] = dense.of(&sample.class);
            let known = time * parts.dense + overhead * parts.starting;
            sample.observed([time * parts.experts, 0.0], known)
        })
        .collect();
    let experts = Tree::fit(&experts, EXPERTS);
    Reached { dense, experts }
}

/// A class that reaches so much in either stage, of whose errors nothing is known: the part of the
/// specification, microseconds per layer, the rate of experts over that of dense tensors.
fn class(name: &str, [decode, prefill]: [[f64; 3]; 2]) -> Class {
    let band = || Band { low: 1.0, high: 1.0, rows: 0, devices: 0, of: String::new() };
    let phase =
        |efficiency, overhead_us| Phase { efficiency, overhead_us, derived: band(), known: band() };
    Class {
        name: name.to_owned(),
        decode: phase(decode[0], Some(decode[1])),
        prefill: phase(prefill[0], Some(prefill[1])),
        experts_decode: phase(decode[2], None),
        experts_prefill: phase(prefill[2], None),
    }
}
