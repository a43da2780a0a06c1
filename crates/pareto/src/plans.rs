//! Plans to the least memory: one device with room for everything, and a bound on what is lost.

use std::time::Duration;

use anyhow::{Context as _, Result};
use edgeplan::{ask, believed};
use edgeplan_files::deployment::PlanFile;
use edgeplan_files::quantity::{Fraction, Memory};
use edgeplan_machines::cluster::{Cluster, ClusterDevice};
use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::Sensitivity;
use edgeplan_pricing::deployment;
use edgeplan_pricing::engine::EngineTraits;
use edgeplan_pricing::workload::{Goal, Granularity, Quality, Workload};
use edgeplan_problem::Limits;
use edgeplan_problem::format::Format;
use edgeplan_quality::apply::{self, Formats, from_plan};

use edgeplan_solvers::find;

const NAME: &str = "device";
/// Any device does: only its memory matters, and there is enough of it.
const PROFILE: &str = "catalog:ryzen-7950x-64";
/// Mixes per layer that a plan chooses among.
const RECIPES: usize = 256;
const TIME: Duration = Duration::from_secs(20);

/// What a bound is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Measured divergence.
    Divergence,
    /// DILEMMA's.
    WeightDifference,
    /// After LLM-PQ's.
    Variance,
    /// Divergence, with one format for a whole layer, as DILEMMA has it.
    ByLayer,
    /// DILEMMA's, with one format for a whole layer: its own constraint and variables.
    Dilemma,
    /// Divergence, by the lower convex hull of size and loss alone.
    Greedy,
}

impl Measure {
    pub(crate) const ALL: [Self; 6] = [
        Self::Divergence,
        Self::WeightDifference,
        Self::Variance,
        Self::ByLayer,
        Self::Dilemma,
        Self::Greedy,
    ];

    pub(crate) fn series(self) -> &'static str {
        match self {
            Self::Divergence => "bound on divergence",
            Self::WeightDifference => "on weight difference",
            Self::Variance => "on variance",
            Self::ByLayer => "one format per layer",
            Self::Dilemma => "DILEMMA's constraint",
            Self::Greedy => "greedy",
        }
    }

    fn bound(self, budget: f64) -> Quality {
        match self {
            Self::Divergence | Self::ByLayer | Self::Greedy => Quality::MaxKl(budget),
            Self::WeightDifference | Self::Dilemma => {
                Quality::MaxWeightDifference(Fraction(budget))
            }
            Self::Variance => Quality::MaxVariance(budget),
        }
    }
}

/// Plans a model to the least memory, or to the least loss within it.
#[derive(Debug)]
pub(crate) struct Planner {
    spec: ModelSpec,
    /// Formats to choose from.
    formats: Vec<Format>,
}

impl Planner {
    /// Of the formats that candle computes.
    pub(crate) fn new(spec: ModelSpec) -> Self {
        Self::among(spec, Format::COMPUTED.into())
    }

    /// Of these formats.
    pub(crate) fn among(spec: ModelSpec, formats: Vec<Format>) -> Self {
        Self { spec, formats }
    }

    /// The formats that were measured of every tensor, finest first.
    pub(crate) fn uniform_formats(&self) -> Vec<Format> {
        let tensors = || self.spec.layers.iter().flat_map(|layer| &layer.tensors);
        let everywhere = |format: &Format| {
            tensors().filter(|tensor| tensor.quantizable).all(|tensor| !tensor.lacks(*format))
        };
        Format::COMPUTED.into_iter().rev().filter(everywhere).collect()
    }

    /// The smallest plan within a bound.
    pub(crate) fn plan(&self, measure: Measure, budget: f64) -> Result<Option<Formats>> {
        let workload = Workload {
            prompt: 1,
            generate: 0,
            context: Some(1),
            engine: EngineTraits::REFERENCE,
            objective: Goal::Memory,
            quality: Some(measure.bound(budget)),
            formats: self.formats.clone(),
            granularity: match measure {
                Measure::ByLayer | Measure::Dilemma => Granularity::Layer,
                _ => Granularity::TensorClass,
            },
            recipes_max: RECIPES,
            ..Workload::default()
        };
        let host = ClusterDevice { memory: Some(Memory(1 << 42)), ..ClusterDevice::new(PROFILE) };
        let cluster = Cluster::single(NAME, NAME, host);
        let instance = deployment(std::slice::from_ref(&self.spec), &cluster, &workload)?;
        let name = if measure == Measure::Greedy { "quantize-then-place" } else { "chain-search" };
        let entry = find(name).with_context(|| format!("{name} is registered"))?;
        let limits = Limits { time: Some(TIME), gap: 1e-4, ..Limits::default() };
        let outcome = believed(name, ask(&instance, entry, limits))?;
        let Some(plan) = outcome.plan else { return Ok(None) };
        let file = PlanFile::new(&instance, &plan);
        Ok(Some(from_plan("plan", &file.models[0], &self.spec)?))
    }

    /// The least divergence of all plans of at most that many bytes, as found by halving.
    pub(crate) fn within(&self, bytes: u64) -> Result<Option<Formats>> {
        let (mut low, mut high) = (1e-7f64, 100.0f64);
        let mut best = None;
        for _ in 0..18 {
            let middle = (low * high).sqrt();
            match self.plan(Measure::Divergence, middle)? {
                Some(formats) if apply::bytes(&self.spec, &formats) <= bytes => {
                    best = Some(formats);
                    high = middle;
                }
                _ => low = middle,
            }
        }
        Ok(best)
    }

    /// Bounds from what the finest lossy uniform format loses to what the coarsest does, in equal
    /// ratios.
    pub(crate) fn budgets(
        &self,
        measure: Measure,
        uniform: &[Format],
        count: usize,
    ) -> Result<Vec<f64>> {
        let sensitivity = Sensitivity::new(&self.spec, &measure.bound(1.0));
        let tensors = || self.spec.layers.iter().flat_map(|layer| &layer.tensors);
        let losses = uniform.iter().map(|&format| {
            tensors()
                .map(|t| sensitivity.loss(t, format).unwrap_or_default().as_f64() / 1e9)
                .sum::<f64>()
        });
        let losses: Vec<f64> = losses.filter(|loss| *loss > 0.0).collect();
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let most = losses.iter().copied().fold(0.0, f64::max);
        if losses.is_empty() {
            return Ok(Vec::new());
        }
        let step = |number: usize| number as f64 / (count.max(2) - 1) as f64;
        Ok((0..count).map(|number| least * (most / least).powf(step(number))).collect())
    }
}
