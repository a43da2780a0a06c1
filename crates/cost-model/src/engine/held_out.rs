//! How well passes are predicted by fits that have not seen their models.

use std::collections::BTreeSet;

use edgeplan_problem::format::Format;

use super::file::{BenchModel, KernelTiming, Pass, Way};
use super::fit::{Sample, Sampled};
use super::model::Terms;

/// The part of a pass that everything but its products may take, where it counts as a model's.
const BESIDE_MOST: f64 = 0.5;

/// A pass of a model that the fit behind its prediction had not seen.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    /// What ran.
    pub pass: Pass,
    /// Its shortest time, in nanoseconds.
    pub nanos: f64,
    /// What was predicted of it.
    pub predicted: f64,
    /// Logarithm of true over predicted time.
    pub error: f64,
}

/// Every pass, each by a fit without its model; files that were named are in no fit. What a fit
/// without the model cannot tell is left out.
pub(super) fn of(sampled: &Sampled<'_>, kernels: &[KernelTiming], all: &Terms) -> Vec<HeldOut> {
    let names: BTreeSet<&str> =
        sampled.samples.iter().map(|sample| sample.model.name.as_str()).collect();
    let mut found = Vec::new();
    for name in names {
        let those = || sampled.samples.iter().filter(|sample| sample.model.name == name);
        let given = those().all(|sample| sample.model.given);
        let without = if given { None } else { sampled.without(name).terms(kernels) };
        let Some(terms) = without.as_ref().or(given.then_some(all)) else { continue };
        // A term of queries and one of keys: two other models tell them apart.
        let deep = sampled.samples.iter().filter(|sample| {
            sample.model.name != name && sample.pass.depth > 0 && !sample.model.given
        });
        let deep: BTreeSet<&str> = deep.map(|sample| sample.model.name.as_str()).collect();
        let told = those().filter(|sample| sample.pass.depth == 0 || deep.len() > 1);
        found.extend(told.filter_map(|sample| one(sample, terms)));
    }
    found
}

fn one(sample: &Sample<'_>, terms: &Terms) -> Option<HeldOut> {
    let Sample { model, pass, nanos } = *sample;
    // A format that only this model has would be told by a kernel: another question.
    let by_kernel = model.weights.iter().any(|weights| terms.by_kernel.contains(&weights.format));
    let whole = matches!(pass.way, Way::Plain | Way::AsStored);
    let known = |key: (Format, bool)| terms.attention.contains_key(&key);
    let attends = pass.depth == 0 || known((pass.cache, pass.rows > 1));
    let experts =
        model.weights.iter().all(|weights| weights.experts.is_none()) || terms.experts[0].is_some();
    if by_kernel || !whole || !attends || !experts {
        return None;
    }
    let predicted = terms.pass(model, pass)?;
    let beside = terms.pass(&BenchModel { weights: Vec::new(), ..model.clone() }, pass)?;
    // What hardly has weights tells what blocks take, and resembles no model that is served.
    if pass.depth == 0 && beside > BESIDE_MOST * predicted {
        return None;
    }
    let error = (nanos / predicted).ln();
    Some(HeldOut { pass: pass.clone(), nanos, predicted, error })
}
