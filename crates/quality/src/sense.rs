//! Sensitivity: what each format does to each tensor, everything else as it was.
//!
//! Layers are taken in order. What enters one is kept, so that a student runs through the layers
//! from its own on only, and the original's predictions are kept, too. Relative weight difference
//! is DILEMMA's constraint (arXiv:2503.01704), variance after LLM-PQ's indicator
//! (arXiv:2403.01136): the error of the outputs, inputs weighted by their second moments.

use std::collections::BTreeMap;
use std::sync::Mutex;

use candle_core::{Result, Tensor};
use edgeplan_files::InputError;
use edgeplan_model::sensitivity::measured::{Line, MeasuredSensitivity, Mix, Routing, Row};
use edgeplan_model::{ModelSpec, TensorClass};
use edgeplan_problem::format::Format;
use edgeplan_reference_llama::{Expert, LlamaError, Observer};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use crate::decoder::Decoder;
use crate::measure::Reference;
use crate::quantize::stored;

/// Elements that are compared at once.
const PIECE: usize = 1 << 20;

/// One tensor in one format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    layer: usize,
    tensor: String,
    format: Format,
    /// Whether the model is run with it; else only weights are compared.
    runs: bool,
}

/// What is to be measured: every tensor that a plan may choose a format for, in every format that
/// fits its rows. The model runs with those in `probes` only.
pub fn trials(model: &ModelSpec, formats: &[Format], probes: &[Format]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (layer, spec) in model.layers.iter().enumerate() {
        for tensor in spec.tensors.iter().filter(|tensor| tensor.quantizable) {
            let fitting = formats.iter().filter(|format| tensor.bytes(**format).is_some());
            trials.extend(fitting.map(|&format| Trial {
                layer,
                tensor: tensor.name.clone(),
                format,
                runs: probes.contains(&format),
            }));
        }
    }
    trials
}

impl Trial {
    /// Whether a file already has it.
    pub fn is_in(&self, sensed: &MeasuredSensitivity) -> bool {
        let row = sensed.row(&self.tensor, self.format);
        row.is_some_and(|row| !self.runs || row.kl_nats.is_some())
    }

    /// Measures it.
    fn run(&self, reference: &Reference<'_>, states: &[Tensor], inputs: &Inputs) -> Result<Row> {
        let original = reference.original.weight(&self.tensor)?;
        let student = stored(original, self.format)?;
        let WeightErrors { norm, difference, variance } =
            inputs.errors(&self.tensor, original, &student)?;
        let distance = match difference > 0.0 {
            true if self.runs => {
                let student = reference.original.with([(self.tensor.clone(), student)]);
                Some(reference.distance(&student, self.layer, states)?)
            }
            true => None,
            false => Some(crate::Distance { kl: 0.0, loss: reference.loss }),
        };
        Ok(Row {
            tensor: self.tensor.clone(),
            format: self.format,
            norm: Some(norm),
            weight_difference: Some(difference),
            variance: Some(variance),
            kl_nats: distance.map(|distance| distance.kl),
            loss_change_nats: distance.map(|distance| distance.loss - reference.loss),
        })
    }
}

/// Measures trials, several at a time; `done` is called with each row, and with how often the
/// experts of each block on the way are used.
///
/// # Errors
/// Those of candle, and the first of `done`.
pub fn sense(
    reference: &Reference<'_>,
    trials: &[Trial],
    done: &mut (dyn FnMut(Line) -> std::result::Result<(), InputError> + Send),
) -> std::result::Result<(), LlamaError> {
    let original = reference.original;
    let mut states = reference.tokens();
    let last = trials.iter().map(|trial| trial.layer).max().unwrap_or_default();
    let done = Mutex::new(done);
    for layer in 0..=last {
        let mut inputs = Inputs::default();
        let mut next = Vec::new();
        for state in &states {
            next.push(match layer + 1 < original.layers() {
                true => original.run(layer, layer + 1, state, &mut inputs)?,
                false => original.head(state, &mut inputs).map(|_| state.clone())?,
            });
            if layer == 0 {
                inputs.count(state, original.weight("token_embd.weight")?.dim(0)?)?;
            }
        }
        if !inputs.routed.is_empty() {
            let routed = std::mem::take(&mut inputs.routed);
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            (*done)(Line::Routing(Routing { block: layer as u64 - 1, routed }))?;
        }
        let here: Vec<&Trial> = trials.iter().filter(|trial| trial.layer == layer).collect();
        for trials in here.chunks(at_once(reference, &here)?) {
            trials.par_iter().try_for_each(|trial| {
                let row = trial.run(reference, &states, &inputs)?;
                // A thread that panicked while it wrote ends the program anyway.
                let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                Ok::<(), LlamaError>((*done)(Line::Row(row))?)
            })?;
        }
        states = next;
    }
    Ok(())
}

/// Trials whose students and hidden states fit into half of what the model takes and 128 MiB.
fn at_once(reference: &Reference<'_>, trials: &[&Trial]) -> Result<usize> {
    let original = reference.original;
    let sizes = trials.iter().map(|trial| Ok(original.weight(&trial.tensor)?.elem_count()));
    let largest = sizes.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or(1);
    let room = 2 * original.elements() + (128 << 20);
    // A copy on its way through a format, and what came of it.
    Ok((room / (8 * largest + reference.working_bytes()?)).max(1))
}

/// What enters matrices.
#[derive(Debug, Default)]
struct Inputs {
    /// Sums of squares by element, for each tensor; one list behind the other for experts.
    squares: BTreeMap<String, Vec<f64>>,
    /// Tokens of each expert.
    routed: Vec<u64>,
    /// How often each row of the embedding is looked up.
    rows: Vec<f64>,
}

impl Observer for Inputs {
    fn multiplies(&mut self, tensor: &str, input: &Tensor) {
        self.add(tensor, Expert { index: 0, count: 1 }, input);
    }

    fn routes(&mut self, tensor: &str, expert: Expert, input: &Tensor) {
        if tensor.ends_with(GATES) {
            self.routed.resize(expert.count, 0);
            self.routed[expert.index] += input.dims()[0] as u64;
        }
        self.add(tensor, expert, input);
    }
}

/// What the name of the first matrices of experts ends with.
const GATES: &str = "ffn_gate_exps.weight";

/// What a format does to the weights of a tensor.
struct WeightErrors {
    /// Of the original weights.
    norm: f64,
    /// Norm of the difference, over that of the weights.
    difference: f64,
    /// Variance of the error of the outputs, over that of the outputs.
    variance: f64,
}

impl Inputs {
    fn add(&mut self, tensor: &str, expert: Expert, input: &Tensor) {
        // What fails here fails in the product, too.
        let sums = input.sqr().and_then(|squares| squares.sum(0)).and_then(|sums| sums.to_vec1());
        let Ok(sums) = sums as Result<Vec<f32>> else { return };
        let squares = self.squares.entry(tensor.into()).or_default();
        squares.resize(expert.count * sums.len(), 0.0);
        let own = &mut squares[expert.index * sums.len()..];
        own.iter_mut().zip(sums).for_each(|(all, some)| *all += f64::from(some));
    }

    fn count(&mut self, tokens: &Tensor, vocab: usize) -> Result<()> {
        self.rows.resize(vocab, 0.0);
        let tokens: Vec<u32> = tokens.flatten_all()?.to_vec1()?;
        tokens.into_iter().for_each(|token| self.rows[token as usize] += 1.0);
        Ok(())
    }

    /// What a format does to the weights of a tensor.
    fn errors(&self, name: &str, original: &Tensor, student: &Tensor) -> Result<WeightErrors> {
        let (rows, row_len) = original.dims2()?;
        let weigh = |first: usize, tensor: Tensor, sums: &mut (f64, f64)| -> Result<()> {
            let values = tensor.sqr()?.flatten_all()?.to_vec1::<f32>()?;
            for (row, values) in values.chunks(row_len).enumerate() {
                let plain: f64 = values.iter().map(|&value| f64::from(value)).sum();
                sums.0 += plain;
                sums.1 += match self.squares.get(name) {
                    Some(inputs) => {
                        let experts = (inputs.len() / row_len).max(1);
                        let expert = (first + row) / rows.div_ceil(experts);
                        let inputs = &inputs[expert * row_len..];
                        values.iter().zip(inputs).map(|(&value, x)| f64::from(value) * x).sum()
                    }
                    None => plain * self.rows.get(first + row).copied().unwrap_or(1.0),
                };
            }
            Ok(())
        };
        let (mut weights, mut errors) = ((0.0, 0.0), (0.0, 0.0));
        // Some rows at a time: an embedding can be most of a model.
        let each = (PIECE / row_len).max(1);
        for first in (0..rows).step_by(each) {
            let some = |tensor: &Tensor| tensor.narrow(0, first, each.min(rows - first));
            let (original, student) = (some(original)?, some(student)?);
            weigh(first, (&original - student)?, &mut errors)?;
            weigh(first, original, &mut weights)?;
        }
        let over = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        Ok(WeightErrors {
            norm: weights.0.sqrt(),
            difference: over(errors.0, weights.0).sqrt(),
            variance: over(errors.1, weights.1),
        })
    }
}

/// A random mix of the formats that were measured: a format for each tensor. Some mixes are coarse
/// and some fine, because each has its own random shares of formats.
pub fn mix(sensed: &MeasuredSensitivity, number: u64) -> BTreeMap<String, Format> {
    let mut rng = Pcg64::seed_from_u64(number);
    let mut formats: Vec<Format> = sensed.rows().iter().map(|row| row.format).collect();
    formats.sort();
    formats.dedup();
    let shares: BTreeMap<Format, f64> =
        formats.iter().map(|&format| (format, rng.random::<f64>().powi(4))).collect();
    let mut tensors: BTreeMap<&str, Vec<Format>> = BTreeMap::new();
    for row in sensed.rows() {
        tensors.entry(&row.tensor).or_default().push(row.format);
    }
    let mut mix = BTreeMap::new();
    for (tensor, mut formats) in tensors {
        formats.sort();
        let sum: f64 = formats.iter().map(|format| shares[format]).sum();
        let mut left = rng.random::<f64>() * sum;
        let chosen = formats.iter().find(|format| {
            left -= shares[*format];
            left <= 0.0
        });
        mix.insert(tensor.to_owned(), *chosen.unwrap_or(&formats[0]));
    }
    mix
}

/// What the rows of a mix add up to, in nats; none if one of them is missing.
pub fn predicted(sensed: &MeasuredSensitivity, mix: &BTreeMap<String, Format>) -> Option<f64> {
    mix.iter().map(|(tensor, &format)| sensed.divergence(tensor, format)).sum()
}

/// Runs a model whose tensors are stored in these formats, a layer at a time over all of the text,
/// so that never more than a layer of it is in memory beside the original.
///
/// # Errors
/// Those of candle.
pub fn run_mix(
    reference: &Reference<'_>,
    formats: &BTreeMap<String, Format>,
) -> Result<crate::Distance> {
    let original = reference.original;
    let head = original.layers() - 1;
    let student = |layer: usize| -> Result<Decoder> {
        let here = formats.par_iter().filter(|(name, _)| original.layer_of(name) == layer);
        let stored =
            here.map(|(name, &format)| Ok((name.clone(), stored(original.weight(name)?, format)?)));
        Ok(original.with(stored.collect::<Result<Vec<_>>>()?))
    };
    let mut states = reference.tokens();
    for layer in 0..head {
        let student = student(layer)?;
        for state in &mut states {
            *state = student.run(layer, layer + 1, state, &mut ())?;
        }
    }
    reference.distance(&student(head)?, head, &states)
}

/// Measures one random mix.
///
/// # Errors
/// Those of candle.
pub fn sense_mix(
    reference: &Reference<'_>,
    sensed: &MeasuredSensitivity,
    number: u64,
) -> Result<Mix> {
    let distance = run_mix(reference, &mix(sensed, number))?;
    let (kl_nats, loss_change_nats) = (distance.kl, distance.loss - reference.loss);
    Ok(Mix { mix: number, bits: None, kl_nats, loss_change_nats })
}

/// Whether a plan can choose at all in a model, for errors.
///
/// # Errors
/// When it holds no matrix that may be quantized.
pub fn check(model: &ModelSpec, file: &str) -> std::result::Result<(), InputError> {
    let mut tensors = model.layers.iter().flat_map(|layer| &layer.tensors);
    if tensors.any(|tensor| tensor.quantizable) {
        return Ok(());
    }
    let classes = TensorClass::MATRICES.map(TensorClass::name).join(", ");
    let problem = format!(
        "is quantized already; a file of floats is needed (`edgeplan quantize --recipe f16` makes \
         one), with matrices among {classes}"
    );
    Err(InputError::file(file, problem))
}
