//! Efficiencies of classes, from public speeds.

use std::collections::BTreeMap;

use edgeplan_cost_model::median;
use edgeplan_files::InputError;
use edgeplan_machines::device::{
    Band, Class, Classes, Device, Phase, Rates, Stage, catalog, from_catalog, holder,
};
use edgeplan_model::ModelSpec;

use super::alone::{Parts, parts};
use super::rows::PublicSpeed;

/// A class has an efficiency of its own with so many machines.
pub(super) const MACHINES_MIN: usize = 2;

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

/// Efficiencies by class from these samples, without bands; a class has its own with so many
/// machines.
pub(super) fn efficiencies(samples: &[&Sample<'_>], least: usize) -> Result<Classes, InputError> {
    let neutral = Classes { class: vec![class("", [1.0; 4])] };
    let mut needed: Vec<(&Sample<'_>, f64)> = Vec::new();
    for sample in samples.iter().filter(|sample| !sample.experts) {
        let parts = sample.parts(&sample.row.bare()?, &neutral)?;
        needed.push((sample, parts.dense / left(sample.seconds(), parts.fixed)));
    }
    let dense = |name: &str, stage| {
        reached(&needed, name, stage, least).expect("some dense model was timed on some device")
    };
    let names = names();
    let of = |name: &String| {
        class(name, [dense(name, Stage::Decode), dense(name, Stage::Prefill), 1.0, 1.0])
    };
    let mut classes = Classes { class: names.iter().map(of).collect() };
    let mut needed: Vec<(&Sample<'_>, f64)> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.experts) {
        let known = sample.row.otherwise_known(sample.stage)?;
        let device = known.map_or_else(|| sample.row.bare(), Ok)?;
        let parts = sample.parts(&device, &classes)?;
        let rest = left(sample.seconds(), parts.fixed + parts.dense);
        needed.push((sample, parts.experts / rest));
    }
    for class in &mut classes.class {
        let experts = |stage| reached(&needed, &class.name, stage, least).unwrap_or(1.0);
        let (decode, prefill) = (experts(Stage::Decode), experts(Stage::Prefill));
        class.experts_decode.efficiency = decode;
        class.experts_prefill.efficiency = prefill;
    }
    Ok(classes)
}

/// What is left of a time without a part of it, a fifth at least: where overheads alone are
/// predicted to take longer, nothing can be said of rates.
fn left(seconds: f64, without: f64) -> f64 {
    (seconds - without).max(seconds / 5.0)
}

/// The median over machines of what their speeds need, in the class or the nearest one that holds
/// it and has enough of them; rounded to what can be told apart.
fn reached(needed: &[(&Sample<'_>, f64)], name: &str, stage: Stage, least: usize) -> Option<f64> {
    let mut machines: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (sample, value) in needed {
        if sample.stage == stage && is_within(&sample.class, name) {
            machines.entry(sample.row.machine()).or_default().push(*value);
        }
    }
    match holder(name) {
        Some(wider) if machines.len() < least => reached(needed, wider, stage, least),
        _ => {
            let medians: Vec<f64> = machines.into_values().filter_map(median).collect();
            median(medians).map(|value| (1000.0 * value).round() / 1000.0)
        }
    }
}

/// A class with these efficiencies, of whose errors nothing is known.
fn class(name: &str, [decode, prefill, experts_decode, experts_prefill]: [f64; 4]) -> Class {
    let band = || Band { low: 1.0, high: 1.0, rows: 0, devices: 0, of: String::new() };
    let phase = |efficiency| Phase { efficiency, derived: band(), known: band() };
    Class {
        name: name.to_owned(),
        decode: phase(decode),
        prefill: phase(prefill),
        experts_decode: phase(experts_decode),
        experts_prefill: phase(experts_prefill),
    }
}
