//! The best recipe of a size, proven: a chain of one tensor a layer on one device, whose memory is
//! the size, and whose time is the divergence, a nanosecond for a billionth of a nat.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use edgeplan::{ask, believed};
use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective, Placement,
};
use edgeplan_problem::{Bytes, Limits, Loss, Nanos, Problem as _};
use edgeplan_solvers::find;

use super::suite::{Recipe, Suite};

/// A relative gap at which a recipe counts as proven.
const GAP: f64 = 1e-4;
const TIME: Duration = Duration::from_secs(20);
const NANO: f64 = 1e9;
const SOLVER: &str = "chain-search";

/// The best recipe of the size of another.
pub(super) struct Rearranged {
    /// In nats.
    pub(super) divergence: f64,
    /// No recipe of that size has less, in nats.
    pub(super) bound: f64,
    /// Bytes of all tensors.
    pub(super) bytes: u64,
    /// Bytes of the smallest recipe that diverges no more than the other.
    pub(super) smallest: u64,
}

pub(super) fn rearranged(
    suite: &Suite,
    recipe: &Recipe,
    kinds: &BTreeSet<String>,
) -> Result<Rearranged> {
    let (bytes, divergence) = suite.priced(recipe)?;
    let fixed = recipe.kinds.iter().filter(|(tensor, _)| !suite.is_chosen(tensor));
    let fixed: u64 = fixed.filter_map(|(tensor, kind)| suite.bytes(tensor, kind)).sum();
    let layers: Vec<Layer> = (recipe.kinds.keys())
        .filter(|tensor| suite.is_chosen(tensor))
        .map(|tensor| layer(suite, tensor, kinds))
        .collect();
    let question = |objective, memory: u64, loss_max| {
        let name = recipe.name.clone();
        Deployment {
            name,
            objective,
            placement: Placement::Contiguous,
            source: DeviceId(0),
            hosts: Vec::new(),
            devices: vec![Device {
                name: "file".into(),
                host: None,
                memory: Bytes(memory),
                overhead: Bytes::ZERO,
                compute_max: None,
                traffic_max: None,
            }],
            models: vec![model(layers.clone(), loss_max)],
            latency_max: None,
            bottleneck_max: None,
        }
    };
    let answer = |question: &Deployment| {
        let entry = find(SOLVER).with_context(|| format!("{SOLVER} is registered"))?;
        let limits = Limits { time: Some(TIME), gap: GAP, ..Limits::default() };
        anyhow::Ok(believed(SOLVER, ask(question, entry, limits))?)
    };
    let least = question(Objective::Latency, bytes - fixed, None);
    let outcome = answer(&least)?;
    let bound = outcome.lower_bound().context("a bound is known")?;
    let plan = outcome.plan.context("a recipe fits into its own size")?;
    let found = least.evaluate(&plan);
    // Rounding to billionths adds up to one for each tensor.
    let allowed = Loss((divergence * NANO).round() as u64 + layers.len() as u64);
    let smallest = question(Objective::Memory, 2 * bytes, Some(allowed));
    let outcome = answer(&smallest)?;
    let smallest = outcome.cost().context("a recipe is within its own divergence")?;
    let used: u64 = found.account.devices.iter().map(|device| device.weights.0).sum();
    Ok(Rearranged {
        divergence: found.cost.as_f64() / NANO,
        bound: bound.as_f64() / NANO,
        bytes: fixed + used,
        smallest: fixed + smallest.0,
    })
}

/// The types that a tensor may have, smallest first, but for those that lose no less than a smaller
/// one.
fn layer(suite: &Suite, tensor: &str, kinds: &BTreeSet<String>) -> Layer {
    let mut ways: Vec<(u64, u64, &String)> = kinds
        .iter()
        .filter_map(|kind| {
            let loss = suite.divergence(tensor, kind)?;
            Some((suite.bytes(tensor, kind)?, (loss * NANO).round() as u64, kind))
        })
        .collect();
    ways.sort();
    let mut least = u64::MAX;
    ways.retain(|&(_, loss, _)| {
        let better = loss < least;
        least = least.min(loss);
        better
    });
    let options = ways.into_iter().map(|(bytes, loss, kind)| LayerOption {
        recipe: kind.as_str().into(),
        bytes: Bytes(bytes),
        shared: None,
        loss: Loss(loss),
        compute: vec![Some(Nanos(loss))],
    });
    Layer {
        role: tensor.to_owned().into(),
        options: options.collect(),
        kv: Bytes::ZERO,
        pin: None,
        output: 0,
        joined: false,
    }
}

fn model(layers: Vec<Layer>, loss_max: Option<Loss>) -> Model {
    Model {
        name: "model".into(),
        weight: 1,
        layers,
        loss_max,
        activation: Bytes::ZERO,
        shared: Vec::new(),
        messages: vec![Message { bytes: Bytes::ZERO, time: vec![Some(Nanos::ZERO)] }],
        enter: 0,
        leave: 0,
    }
}
