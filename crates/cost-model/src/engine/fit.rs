//! From times of passes to the terms that they are sums of.
//!
//! One term after the other, each from passes that differ in it alone or nearly: attention from the
//! same pass at another depth, what blocks and graphs take from models of one format with many and
//! few blocks, products from what is left. The shortest times are used, which other work on the
//! machine disturbs least; how much longer a usual one takes is one factor over all.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_problem::format::Format;

use super::curve::Curve;
use super::file::{BenchModel, EngineProfile, KernelTiming, Pass, Way};
use super::kernels;
use super::model::{Terms, attention};
use crate::conformal::median;
use crate::regression::fit as least_squares;

/// The least part of a pass that its products take: what is left after the other terms is never
/// less.
const PRODUCTS_LEAST: f64 = 0.1;

/// A pass, its model, and its shortest time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) model: &'a BenchModel,
    pub(super) pass: &'a Pass,
    pub(super) nanos: f64,
}

/// All passes of a profile.
#[derive(Debug)]
pub(super) struct Sampled<'a> {
    pub(super) samples: Vec<Sample<'a>>,
    /// The middle of median over shortest time.
    level: f64,
}

impl<'a> Sampled<'a> {
    /// Of a profile that was checked.
    pub(super) fn new(profile: &'a EngineProfile) -> Self {
        let models: BTreeMap<&str, &BenchModel> =
            profile.models.iter().map(|model| (model.name.as_str(), model)).collect();
        let sample = |(pass, nanos): (&'a Pass, f64)| {
            Some(Sample { model: models.get(pass.model.as_str())?, pass, nanos })
        };
        let times = profile.passes.iter().map(|one| (&one.pass, one.time.min_ns.as_f64()));
        let ratio = profile
            .passes
            .iter()
            .map(|one| one.time.median_ns.as_f64() / one.time.min_ns.as_f64().max(1.0));
        let level = median(ratio.collect()).unwrap_or(1.0).max(1.0);
        Self { samples: times.filter_map(sample).collect(), level }
    }

    /// The same without one model.
    pub(super) fn without(&self, name: &str) -> Self {
        let others = self.samples.iter().filter(|sample| sample.model.name != name);
        Self { samples: others.copied().collect(), level: self.level }
    }

    /// The terms; `None` where no pass of a model in one format is among them.
    pub(super) fn terms(&self, kernels: &[KernelTiming]) -> Option<Terms> {
        let fitted = || self.samples.iter().filter(|sample| !sample.model.given).copied();
        let mut terms = Terms { level: self.level, ..Terms::default() };
        attentions(&fitted().collect::<Vec<_>>(), &mut terms);
        let pure: Vec<(Format, Sample<'_>)> = fitted()
            .filter(|sample| matches!(sample.pass.way, Way::Plain | Way::AsStored))
            .filter(|sample| sample.pass.depth == 0)
            .filter_map(|sample| Some((sample.model.format()?, sample)))
            .collect();
        let base = base(&pure)?;
        overheads(&pure, base, &mut terms);
        products(&pure, &mut terms);
        // The base first: others follow it where they have no pass of their own.
        let known = terms.curve(base, false).cloned()?;
        for curve in terms.products.values_mut() {
            *curve = curve.completed(&known);
        }
        floats(&known, base, &mut terms);
        kernels::fill(kernels, &mut terms);
        experts(&fitted().collect::<Vec<_>>(), &mut terms);
        beside(&fitted().collect::<Vec<_>>(), &mut terms);
        Some(terms)
    }
}

impl BenchModel {
    /// The format of all matrices, if it is one, and none are those of experts.
    pub(super) fn format(&self) -> Option<Format> {
        let first = self.weights.first()?.format;
        let alike = self.weights.iter().all(|one| one.format == first && one.experts.is_none());
        alike.then_some(first)
    }

    /// Elements that every row needs, and those that the last one alone does.
    fn elements(&self) -> [f64; 2] {
        let sum = |alone: bool| {
            let those = self.weights.iter().filter(|weights| weights.is_for_last_row() == alone);
            those.map(|weights| weights.elements as f64).sum()
        };
        [sum(false), sum(true)]
    }
}

/// The format of most models: what blocks take is learned from it.
fn base(pure: &[(Format, Sample<'_>)]) -> Option<Format> {
    let mut models: BTreeMap<Format, BTreeSet<&str>> = BTreeMap::new();
    for (format, sample) in pure.iter().filter(|(_, sample)| sample.pass.way == Way::Plain) {
        models.entry(*format).or_default().insert(&sample.model.name);
    }
    models.into_iter().max_by_key(|(_, names)| names.len()).map(|(format, _)| format)
}

/// What passes have more of than the same at another depth, and how much longer they take.
#[derive(Default)]
struct Differences {
    sizes: Vec<Vec<f64>>,
    times: Vec<f64>,
}

/// Attention by cache, from the same pass at another depth.
fn attentions(samples: &[Sample<'_>], terms: &mut Terms) {
    let mut found: BTreeMap<(Format, bool), Differences> = BTreeMap::new();
    let alike = |a: &Pass, b: &Pass| {
        (&a.model, a.rows, a.passes, a.way) == (&b.model, b.rows, b.passes, b.way)
    };
    for deep in samples.iter().filter(|sample| sample.pass.depth > 0) {
        let flat = samples
            .iter()
            .filter(|sample| sample.pass.depth == 0 && alike(sample.pass, deep.pass))
            .max_by_key(|sample| sample.pass.cache == deep.pass.cache);
        let Some(flat) = flat.filter(|flat| flat.nanos < deep.nanos) else { continue };
        let columns = |sample: &Sample<'_>| {
            let layers = sample.model.layers as f64;
            attention(sample.model, sample.pass).sizes().map(|size| layers * size)
        };
        let [all, less] = [columns(deep), columns(flat)];
        let more = found.entry((deep.pass.cache, deep.pass.rows > 1)).or_default();
        more.sizes.push(vec![all[0] - less[0], all[1] - less[1]]);
        more.times.push(deep.nanos - flat.nanos);
    }
    for (key, Differences { sizes, times }) in found {
        let fitted = least_squares(&sizes, &times);
        terms.attention.insert(key, [fitted[0], fitted[1]]);
    }
}

/// Attention of all blocks of a sample.
fn looked_back(sample: &Sample<'_>, terms: &Terms) -> f64 {
    let work = attention(sample.model, sample.pass);
    let Some([query, key]) = terms.attention.get(&(work.cache, work.rows > 1)) else { return 0.0 };
    let [of_queries, of_keys] = work.sizes();
    sample.model.layers as f64 * (query * of_queries + key * of_keys)
}

/// What graphs and blocks take, from models of the format `base` with many and few of them.
fn overheads(pure: &[(Format, Sample<'_>)], base: Format, terms: &mut Terms) {
    let those = || {
        let plain = |(format, sample): &&(Format, Sample<'_>)| {
            *format == base && sample.pass.way == Way::Plain
        };
        pure.iter().filter(plain).map(|(_, sample)| sample)
    };
    let passes: BTreeSet<u64> = those().map(|sample| sample.pass.rows).collect();
    let row = |sample: &Sample<'_>| {
        let [body, head] = sample.model.elements();
        let layers = sample.model.layers as f64;
        let of = |&rows: &u64| {
            let own = if rows == sample.pass.rows { body } else { 0.0 };
            if rows == 1 { own + head } else { own }
        };
        let mut row: Vec<f64> = passes.iter().map(of).collect();
        let states = layers * sample.model.hidden as f64 * sample.pass.rows as f64;
        row.extend([layers, states, 1.0]);
        row
    };
    let rows: Vec<Vec<f64>> = those().map(row).collect();
    let times: Vec<f64> = those()
        .map(|sample| sample.nanos - looked_back(sample, terms).min(0.5 * sample.nanos))
        .collect();
    let found = least_squares(&rows, &times);
    if let Some(&[block, state, graph]) = found.last_chunk::<3>() {
        terms.block = [block, state];
        terms.graph = graph;
    }
}

/// What is left is what products take.
fn products(pure: &[(Format, Sample<'_>)], terms: &mut Terms) {
    let mut each: BTreeMap<(Format, bool), BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    // Passes of one row first: heads of the others are timed by them.
    let mut ordered: Vec<&(Format, Sample<'_>)> = pure.iter().collect();
    ordered.sort_by_key(|(_, sample)| sample.pass.rows);
    for (format, sample) in ordered {
        let key = (*format, sample.pass.way == Way::AsStored);
        let [body, head] = sample.model.elements();
        let known = each.entry(key).or_default();
        let one = known.get(&1).and_then(|found| median(found.clone()));
        let blocks = terms.block(sample.model.hidden, sample.pass.rows);
        let beside = terms.graph + sample.model.layers as f64 * blocks + looked_back(sample, terms);
        let (elements, own) = match (sample.pass.rows, one) {
            (1, _) => (body + head, 0.0),
            (_, one) => (body, one.unwrap_or_default() * head),
        };
        let left = (sample.nanos - beside - own).max(PRODUCTS_LEAST * sample.nanos);
        known.entry(sample.pass.rows).or_default().push(left / elements.max(1.0));
    }
    for (key, by_rows) in each {
        let points = by_rows.into_iter().filter_map(|(rows, found)| Some((rows, median(found)?)));
        terms.products.extend(Curve::new(points.collect()).map(|curve| (key, curve)));
    }
}

/// Routers and other small matrices that keep f32: twice what f16 takes, or as many bytes of the
/// format `base`.
fn floats(known: &Curve, base: Format, terms: &mut Terms) {
    let half = terms.curve(Format::F16, false).map(|curve| curve.scaled(2.0));
    let bits = base.block_bytes() as f64 / base.block_elements() as f64;
    let found = half.unwrap_or_else(|| known.scaled(4.0 / bits));
    if terms.curve(Format::F32, false).is_none() {
        terms.products.insert((Format::F32, false), found);
    }
}

/// How many times as long products with experts take as others of the same rows.
fn experts(samples: &[Sample<'_>], terms: &mut Terms) {
    let found = [false, true].map(|several| {
        let of = |sample: &Sample<'_>| {
            let pass = sample.pass;
            let usual = pass.depth == 0 && matches!(pass.way, Way::Plain | Way::AsStored);
            let theirs = sample.model.weights.iter().any(|weights| weights.experts.is_some());
            if !usual || !theirs || (pass.rows > 1) != several {
                return None;
            }
            let all = terms.pass(sample.model, pass)?;
            let mut dense = sample.model.clone();
            dense.weights.retain(|weights| weights.experts.is_none());
            let rest = terms.pass(&dense, pass)?;
            Some((sample.nanos - rest).max(PRODUCTS_LEAST * sample.nanos) / (all - rest))
        };
        median(samples.iter().filter_map(of).collect())
    });
    terms.experts = found;
}

/// What another process and the engine's server add to a pass of one row.
fn beside(samples: &[Sample<'_>], terms: &mut Terms) {
    let more = |way: Way, as_if: Way, size: &dyn Fn(&BenchModel) -> f64| {
        let those = samples.iter().filter(|sample| sample.pass.way == way && sample.pass.rows == 1);
        let mut found = (Vec::new(), Vec::new());
        for sample in those {
            let alike = Pass { way: as_if, ..sample.pass.clone() };
            // The same pass without it, where that was timed; else as predicted.
            let timed = samples.iter().find(|other| *other.pass == alike).map(|one| one.nanos);
            let Some(without) = timed.or_else(|| terms.pass(sample.model, &alike)) else {
                continue;
            };
            found.0.push(vec![1.0, size(sample.model)]);
            found.1.push((sample.nanos - without).max(1.0));
        }
        let fitted = least_squares(&found.0, &found.1);
        fitted.first_chunk::<2>().copied()
    };
    let remote = more(Way::Remote, Way::AsStored, &|model| model.layers as f64);
    let served = more(Way::Served, Way::Plain, &BenchModel::vocab);
    (terms.remote, terms.served) = (remote, served);
}
