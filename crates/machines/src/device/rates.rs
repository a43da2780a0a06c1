//! Effective rates by format, derived from published speeds.
//!
//! Decoding one token reads every weight once: bandwidth = tokens per second * bytes of the model.
//! Prefill computes two operations per weight and token: rate = tokens per second * 2 * parameters.
//! Rates that were timed directly are used unchanged.
//! A format without either has no rate unless the caller asks for an estimate: the
//! specified bandwidth or compute times the efficiency that other formats reach on this device, or
//! that its class reaches where nothing is published of it.

use std::collections::BTreeMap;

use edgeplan_problem::{Bytes, Nanos};

use super::class::{Band, Class, Classes, Phase, classes};
use super::{Device, Stage};
use edgeplan_files::InputError;
use edgeplan_model::{ModelSpec, TensorClass};
use edgeplan_problem::format::Format;

/// What part of the specified bandwidth and compute a device reaches where classes are not asked:
/// the rounded medians over the catalog's published speeds (0.747 and 0.362 in November 2026).
pub(super) const DECODE_EFFICIENCY: f64 = 0.75;
pub(super) const PREFILL_EFFICIENCY: f64 = 0.36;

/// An estimate of what starting a layer's kernels takes, per pass, where nothing was measured.
const LAYER_OVERHEAD: Nanos = Nanos(20_000);

/// How fast a device reads and computes, by format.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    bandwidth: BTreeMap<Format, f64>,
    compute: BTreeMap<Format, f64>,
    bandwidth_estimate: f64,
    compute_estimate: f64,
    layer_overhead: Nanos,
    class: Class,
}

/// What a device does in one pass with the weights of one tensor.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// The format of the weights.
    pub format: Format,
    /// Bytes of them that are read.
    pub bytes: Bytes,
    /// Operations on them.
    pub operations: u64,
    /// Whether they are those of experts.
    pub experts: bool,
}

/// No rate of a device in a format was published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no published speed for {0}; `estimate = true` in the workload derives one")]
pub struct MissingRate(pub Format);

impl Rates {
    /// Derives the rates of a device.
    ///
    /// # Errors
    /// When a speed names a model that the catalog lacks.
    pub fn new(device: &Device) -> Result<Self, InputError> {
        Self::with(device, classes())
    }

    /// The same by other classes than those of this build.
    ///
    /// # Errors
    /// As [`Rates::new`].
    pub fn with(device: &Device, classes: &Classes) -> Result<Self, InputError> {
        let class = classes.of(device.class()).clone();
        let (mut bandwidth, mut compute) = (BTreeMap::new(), BTreeMap::new());
        for speed in &device.speed {
            let model = edgeplan_model::load(&format!("catalog:{}", speed.model))?;
            let (bytes, parameters) = size(&model, speed.format);
            if let Some(tokens) = speed.decode {
                bandwidth.insert(speed.format, tokens * bytes);
            }
            if let Some(tokens) = speed.prefill {
                compute.insert(speed.format, tokens * 2.0 * parameters);
            }
        }
        for rate in &device.rate {
            bandwidth.extend(rate.bandwidth_gb_s.map(|amount| (rate.format, 1e9 * amount)));
            compute.extend(rate.tflops.map(|amount| (rate.format, 1e12 * amount)));
        }
        let estimate = |rates: &BTreeMap<Format, f64>, specified: f64, usual: f64| {
            let mean = rates.values().sum::<f64>() / rates.len() as f64;
            if rates.is_empty() { specified * usual } else { mean }
        };
        Ok(Self {
            bandwidth_estimate: estimate(
                &bandwidth,
                device.bandwidth_gb_s * 1e9,
                class.decode.efficiency,
            ),
            compute_estimate: estimate(&compute, device.tflops * 1e12, class.prefill.efficiency),
            layer_overhead: device
                .layer_overhead_us
                .map_or(LAYER_OVERHEAD, |time| Nanos((1e3 * time).round() as u64)),
            bandwidth,
            compute,
            class,
        })
    }

    /// Bytes of weights read per second.
    ///
    /// # Errors
    /// When nothing is published and `estimate` is not allowed.
    pub fn bandwidth(&self, format: Format, estimate: bool) -> Result<f64, MissingRate> {
        rate(&self.bandwidth, self.bandwidth_estimate, format, estimate)
    }

    /// Operations per second.
    ///
    /// # Errors
    /// When nothing is published and `estimate` is not allowed.
    pub fn compute(&self, format: Format, estimate: bool) -> Result<f64, MissingRate> {
        rate(&self.compute, self.compute_estimate, format, estimate)
    }

    /// What starting a layer's kernels takes, per pass.
    pub fn layer_overhead(&self) -> Nanos {
        self.layer_overhead
    }

    /// Time to multiply some rows with a tensor once: the longer of reading and computing.
    ///
    /// # Errors
    /// When nothing is published and `estimate` is not allowed.
    pub fn pass(&self, pass: Pass, estimate: bool) -> Result<Nanos, MissingRate> {
        let Pass { format, bytes, operations, experts } = pass;
        let slowed = |phase: &Phase| if experts { phase.efficiency } else { 1.0 };
        let (decode, prefill) = (&self.class.experts_decode, &self.class.experts_prefill);
        let reading = bytes.as_f64() / (self.bandwidth(format, estimate)? * slowed(decode));
        let computing = operations as f64 / (self.compute(format, estimate)? * slowed(prefill));
        Ok(Nanos((1e9 * reading.max(computing)).ceil() as u64))
    }

    /// How far speeds of a model may be off, by what is published of the device.
    pub fn band(&self, stage: Stage, experts: bool) -> &Band {
        let (phase, known) = match (stage, experts) {
            (Stage::Decode, false) => (&self.class.decode, !self.bandwidth.is_empty()),
            (Stage::Decode, true) => (&self.class.experts_decode, !self.bandwidth.is_empty()),
            (Stage::Prefill, false) => (&self.class.prefill, !self.compute.is_empty()),
            (Stage::Prefill, true) => (&self.class.experts_prefill, !self.compute.is_empty()),
        };
        if known { &phase.known } else { &phase.derived }
    }

    /// Tokens per second that the estimated or published rates come to on a model in one format:
    /// generated ones at batch 1 without a context, and those of a long prompt.
    pub fn tokens_per_s(&self, model: &ModelSpec, format: Format) -> (f64, f64) {
        let (bytes, parameters) = size(model, format);
        let reading = self.bandwidth.get(&format).unwrap_or(&self.bandwidth_estimate);
        let computing = self.compute.get(&format).unwrap_or(&self.compute_estimate);
        (reading / bytes, computing / (2.0 * parameters))
    }
}

fn rate(
    rates: &BTreeMap<Format, f64>,
    fallback: f64,
    format: Format,
    estimate: bool,
) -> Result<f64, MissingRate> {
    match rates.get(&format) {
        Some(&rate) => Ok(rate),
        None if estimate => Ok(fallback),
        None => Err(MissingRate(format)),
    }
}

/// Bytes that one token reads (all but the embedding table) and parameters that it multiplies.
fn size(model: &ModelSpec, format: Format) -> (f64, f64) {
    let tensors = model.layers.iter().flat_map(|layer| &layer.tensors);
    let read = tensors.filter(|tensor| tensor.class != TensorClass::TokenEmbd);
    let (mut bytes, mut parameters) = (0.0, 0.0);
    for tensor in read {
        bytes += tensor.bytes(format).unwrap_or_default().as_f64();
        parameters += tensor.elements() as f64;
    }
    (bytes, parameters)
}

#[cfg(test)]
mod tests {
    use super::super::from_catalog;
    use super::*;

    #[test]
    fn published_speeds_come_back() {
        let model = edgeplan_model::load("catalog:llama-2-7b").unwrap();
        let device = from_catalog("apple-m1").unwrap();
        let rates = Rates::new(&device).unwrap();
        let (decode, prefill) = rates.tokens_per_s(&model, Format::Q4_0);
        assert!((decode - 14.15).abs() < 1e-9 && (prefill - 117.96).abs() < 1e-9);
        // q6_K is estimated: at the mean bandwidth, so between the two that were published.
        let (decode, _) = rates.tokens_per_s(&model, Format::Q6K);
        assert!((7.91..14.15).contains(&decode), "{decode}");
    }
}
