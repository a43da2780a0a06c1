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
use edgeplan_model::{LayerSpec, ModelSpec, Part, TensorClass};
use edgeplan_problem::format::Format;

/// What part of the specified bandwidth and compute a device reaches where classes are not asked:
/// the rounded medians over the catalog's published speeds (0.747 and 0.362 in November 2026).
pub(super) const DECODE_EFFICIENCY: f64 = 0.75;
pub(super) const PREFILL_EFFICIENCY: f64 = 0.36;

/// An estimate of what starting a layer's kernels takes, per pass, where nothing was measured.
const LAYER_OVERHEAD: Nanos = Nanos(20_000);

/// Tokens of a published prompt.
const PROMPT: f64 = 512.0;

/// Elements of recurrent state per hidden one from which a layer scans it token by token (Mamba,
/// gated delta net): a short convolution keeps two or three.
const SCANNED: u64 = 16;

/// How fast a device reads and computes, by format.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    bandwidth: BTreeMap<Format, f64>,
    compute: BTreeMap<Format, f64>,
    bandwidth_estimate: f64,
    compute_estimate: f64,
    starting: Starting,
    class: Class,
}

/// Seconds that starting the kernels of one layer takes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Starting {
    /// The same in every pass, and once per prompt: recorded instances were priced so.
    Flat(Nanos),
    /// In a pass of one token, and in one of a prompt.
    Fitted { decode: f64, prefill: f64 },
}

/// The passes of a batch in which kernels are started.
#[derive(Debug, Clone, Copy)]
pub struct Starts {
    /// Prompts: one, or none where they are in the cache.
    pub prompts: u64,
    /// Chunks that they are cut into.
    pub chunks: u64,
    /// Generated tokens.
    pub generated: u64,
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
        let (mut decode, mut prefill) = (Vec::new(), Vec::new());
        for speed in &device.speed {
            let model = edgeplan_model::load(&format!("catalog:{}", speed.model))?;
            let Size { bytes, parameters, head, starts } = size(&model, speed.format);
            let format = speed.format;
            let published = |per_s, work| Published { format, per_s, work, starts };
            decode.extend(speed.decode.map(|tokens| published(tokens, bytes)));
            prefill.extend(speed.prefill.map(|tokens| match class.prefill.overhead_us {
                Some(_) => published(tokens / PROMPT, prompt_operations(parameters, head)),
                None => published(tokens, 2.0 * parameters),
            }));
        }
        let timed = |rate: fn(&super::Rate) -> Option<f64>, unit: f64| {
            let rates = device.rate.iter();
            rates.filter_map(move |each| Some((each.format, unit * rate(each)?))).collect()
        };
        let reading = Side {
            specified: device.bandwidth_gb_s * 1e9,
            phase: &class.decode,
            overhead_us: device.layer_overhead_us,
            timed: timed(|rate| rate.bandwidth_gb_s, 1e9),
            least: 1.0,
        };
        let computing = Side {
            specified: device.tflops * 1e12,
            phase: &class.prefill,
            overhead_us: device.layer_overhead_us,
            timed: timed(|rate| rate.tflops, 1e12),
            least: 0.0,
        };
        let (reading, computing) = (reading.derived(&decode), computing.derived(&prefill));
        let flat = device
            .layer_overhead_us
            .map_or(LAYER_OVERHEAD, |time| Nanos((1e3 * time).round() as u64));
        let starting = match (reading.overhead, computing.overhead) {
            (Some(decode), Some(prefill)) => Starting::Fitted { decode, prefill },
            _ => Starting::Flat(flat),
        };
        Ok(Self {
            bandwidth: reading.rates,
            compute: computing.rates,
            bandwidth_estimate: reading.estimate,
            compute_estimate: computing.estimate,
            starting,
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

    /// What starting a layer's kernels takes in all these passes.
    pub fn starting(&self, model: &ModelSpec, layer: &LayerSpec, passes: Starts) -> Nanos {
        match self.starting {
            Starting::Flat(time) => time * (passes.prompts + passes.generated),
            Starting::Fitted { decode, prefill } => {
                let each = passes.chunks as f64 * prefill + passes.generated as f64 * decode;
                Nanos((1e9 * each * starts(model, layer)).round() as u64)
            }
        }
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
    /// generated ones at batch 1 without a context, and those of a prompt of 512.
    pub fn tokens_per_s(&self, model: &ModelSpec, format: Format) -> (f64, f64) {
        let Size { bytes, parameters, head, starts } = size(model, format);
        let reading = self.bandwidth.get(&format).unwrap_or(&self.bandwidth_estimate);
        let computing = self.compute.get(&format).unwrap_or(&self.compute_estimate);
        match self.starting {
            Starting::Flat(_) => (reading / bytes, computing / (2.0 * parameters)),
            Starting::Fitted { decode, prefill } => {
                let operations = prompt_operations(parameters, head);
                let token = bytes / reading + starts * decode;
                (1.0 / token, PROMPT / (operations / computing + starts * prefill))
            }
        }
    }
}

/// A published speed: what it says of the rate.
struct Published {
    format: Format,
    /// Tokens or prompts per second.
    per_s: f64,
    /// Bytes that it reads, or operations that it computes.
    work: f64,
    /// Layers whose kernels it starts.
    starts: f64,
}

/// Reading weights or computing with them, on one device.
struct Side<'a> {
    /// Per second, as specified.
    specified: f64,
    phase: &'a Phase,
    /// Of a layer, where the device's file says it.
    overhead_us: Option<f64>,
    /// Rates that were timed directly.
    timed: BTreeMap<Format, f64>,
    /// No work is done faster than as specified, times this.
    least: f64,
}

/// What follows for one side.
struct Derived {
    rates: BTreeMap<Format, f64>,
    estimate: f64,
    /// Seconds of starting a layer's kernels, where the class has them.
    overhead: Option<f64>,
}

impl Side<'_> {
    /// Rates from published speeds. Where the class knows what starting kernels takes, a device is
    /// slower or quicker than its class as a whole: its mean factor holds for formats of which
    /// nothing is published, and for the overhead.
    fn derived(self, published: &[Published]) -> Derived {
        let usual = self.specified * self.phase.efficiency;
        let Some(overhead) = self.phase.overhead_us.map(|time| 1e-6 * time) else {
            let of = |speed: &Published| (speed.format, speed.work * speed.per_s);
            let rates = published.iter().map(of).chain(self.timed).collect();
            let estimate = mean(&rates).unwrap_or(usual);
            return Derived { rates, estimate, overhead: None };
        };
        let said = self.overhead_us.map(|time| 1e-6 * time);
        let expected =
            |speed: &Published| speed.work / usual + speed.starts * said.unwrap_or(overhead);
        let logs = published.iter().map(|speed| -(speed.per_s * expected(speed)).ln());
        let factor = (logs.sum::<f64>() / published.len().max(1) as f64).exp();
        let overhead = said.unwrap_or(factor * overhead);
        let rate = |speed: &Published| {
            let seconds = 1.0 / speed.per_s;
            let least = (speed.work * self.least / self.specified).max(seconds / 5.0);
            speed.work / (seconds - speed.starts * overhead).max(least)
        };
        let mut rates: BTreeMap<Format, f64> =
            published.iter().map(|speed| (speed.format, rate(speed))).collect();
        let estimate = match mean(&self.timed) {
            Some(timed) => timed,
            None if self.least > 0.0 => (usual / factor).min(self.specified / self.least),
            None => usual / factor,
        };
        rates.extend(self.timed);
        Derived { rates, estimate, overhead: Some(overhead) }
    }
}

fn mean(rates: &BTreeMap<Format, f64>) -> Option<f64> {
    (!rates.is_empty()).then(|| rates.values().sum::<f64>() / rates.len() as f64)
}

/// Layers whose kernels take as long to start as those of this one: a scan of recurrent state takes
/// as many again, looking up an embedding none.
fn starts(model: &ModelSpec, layer: &LayerSpec) -> f64 {
    match layer.part {
        Part::Embedding => 0.0,
        _ if layer.cache.state > SCANNED * model.hidden => 2.0,
        _ => 1.0,
    }
}

/// Operations of a published prompt: only its last position needs logits.
fn prompt_operations(parameters: f64, head: f64) -> f64 {
    2.0 * (PROMPT * (parameters - head) + head)
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

/// What one token needs of a model.
struct Size {
    /// Bytes that it reads: all but the embedding table.
    bytes: f64,
    /// Parameters that it multiplies.
    parameters: f64,
    /// Those of them that make logits.
    head: f64,
    /// Layers whose kernels it starts.
    starts: f64,
}

fn size(model: &ModelSpec, format: Format) -> Size {
    let mut size = Size { bytes: 0.0, parameters: 0.0, head: 0.0, starts: 0.0 };
    for layer in &model.layers {
        size.starts += starts(model, layer);
        for tensor in layer.tensors.iter().filter(|one| one.class != TensorClass::TokenEmbd) {
            size.bytes += tensor.bytes(format).unwrap_or_default().as_f64();
            size.parameters += tensor.elements() as f64;
            if layer.part == Part::Head {
                size.head += tensor.elements() as f64;
            }
        }
    }
    size
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
