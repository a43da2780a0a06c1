//! A small language model of bytes, trained from nothing: what tests and reports quantize.

use std::collections::BTreeMap;

use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::optim::{AdamW, Optimizer as _, ParamsAdamW};
use edgeplan_files::{InputError, read_text, stream_atomic};
use edgeplan_model::gguf::draft::{Draft, Tensor as Place, Value};
use edgeplan_model::{Experts, Shape, TensorClass, TensorSpec};
use edgeplan_problem::format::Format;
use edgeplan_reference_llama::{LlamaError, Observer};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

use crate::checkpoint::Checkpoint;
use crate::decoder::Decoder;
use crate::experts::{ROUTER, choose};
use crate::quantize::quantize;

/// Every so many steps the loss on held-out text is taken.
const EVERY: usize = 100;
const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";
/// Tokens of held-out text that it is taken of.
const HELD_OUT: usize = 16 * 1024;

/// Share of the balance of experts in the loss (Fedus, Zoph and Shazeer 2021, arXiv:2101.03961,
/// section 2.2).
const BALANCE: f64 = 0.01;

/// The shape of the teacher that measurements are made with: 2.5 million parameters, bytes as
/// tokens; every row is a whole number of blocks of every format.
pub fn shape() -> Shape {
    Shape {
        blocks: 4,
        hidden: 256,
        ffn: 512,
        heads: 4,
        kv_heads: 2,
        head_dim: 64,
        vocab: 256,
        ..Shape::default()
    }
}

/// The shape of the teacher with experts: 3.9 million parameters in Qwen3's kind of block. A token
/// uses two of a block's four experts, and with them as many weights as the other teacher's
/// feed-forward part has.
pub fn shape_with_experts() -> Shape {
    Shape {
        ffn: 0,
        kv_heads: 1,
        qk_norm: true,
        architecture: Some("qwen3moe".into()),
        experts: Some(Experts::in_every_block(4, 2, 256)),
        ..shape()
    }
}

/// How a teacher is made.
#[derive(Debug, Clone)]
pub struct Training {
    /// Its numbers; rows are whole blocks of every format if lengths are multiples of 256.
    pub shape: Shape,
    /// Steps of the optimizer, 1 or more.
    pub steps: usize,
    /// Windows of text in a step.
    pub batch: usize,
    /// Bytes of a window.
    pub context: usize,
    /// The highest rate of learning.
    pub rate: f64,
    /// Seed of weights and windows.
    pub seed: u64,
}

/// What was seen on the way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Mean loss of the steps since the last, in nats per byte.
    pub loss: f64,
    /// Loss on held-out text.
    pub held_out: f64,
}

impl Training {
    /// Trains on one text, watches another, and writes the model: matrices in f16, whole or not at
    /// all. `progress` is called for every step, now and then with the losses.
    ///
    /// # Errors
    /// Texts that cannot be read or are too short, a rate that leads to weights that are no
    /// numbers, a folder that cannot be written.
    pub fn run(
        &self,
        text: &Path,
        held_out: &Path,
        out: &Path,
        progress: &mut dyn FnMut(usize, Option<Progress>) -> bool,
    ) -> Result<(), LlamaError> {
        let (text, held_out) = (self.read(text)?, self.read(held_out)?);
        let (decoder, vars) = self.start()?;
        let parameters = ParamsAdamW { beta2: 0.95, weight_decay: 0.01, ..ParamsAdamW::default() };
        let mut adam = AdamW::new(vars.values().cloned().collect(), parameters)?;
        let mut rng = Pcg64::seed_from_u64(self.seed);
        let mut losses = Vec::new();
        for step in 1..=self.steps {
            adam.set_learning_rate(self.rate_at(step));
            let starts: Vec<usize> =
                (0..self.batch).map(|_| rng.random_range(0..text.len() - self.context)).collect();
            let loss = self.loss(&decoder, &text, &starts)?;
            adam.backward_step(&loss)?;
            losses.push(self.finite(step, f64::from(loss.to_scalar::<f32>()?))?);
            let mut seen = None;
            if step % EVERY == 0 || step == self.steps {
                let mean = losses.iter().sum::<f64>() / losses.len() as f64;
                losses.clear();
                let held_out = self.finite(step, self.held_out(&decoder, &held_out)?)?;
                seen = Some(Progress { step, loss: mean, held_out });
            }
            if !progress(step, seen) {
                break;
            }
        }
        Ok(self.write(&vars, out)?)
    }

    /// A loss that is a number: weights that are none stay so, and are no model.
    fn finite(&self, step: usize, loss: f64) -> Result<f64, LlamaError> {
        match loss.is_finite() {
            true => Ok(loss),
            false => Err(LlamaError::Diverged { step, rate: self.rate }),
        }
    }

    /// Bytes of a text of one window and more.
    fn read(&self, path: &Path) -> Result<Vec<u8>, InputError> {
        let text = read_text(path)?.into_bytes();
        if text.len() <= self.context {
            let problem = format!("{} bytes; more than {} are needed", text.len(), self.context);
            return Err(InputError::file(path.display().to_string(), problem));
        }
        Ok(text)
    }

    /// Up a straight line, then down a cosine to a tenth (Loshchilov and Hutter 2017).
    fn rate_at(&self, step: usize) -> f64 {
        let warm = (self.steps / 20).max(1);
        if step < warm {
            return self.rate * step as f64 / warm as f64;
        }
        let done = (step - warm) as f64 / (self.steps - warm).max(1) as f64;
        self.rate * (0.1 + 0.45 * (1.0 + (std::f64::consts::PI * done).cos()))
    }

    /// Cross entropy of the bytes that follow those of these windows.
    fn loss(
        &self,
        decoder: &Decoder,
        text: &[u8],
        starts: &[usize],
    ) -> candle_core::Result<Tensor> {
        let window = |shift: usize| -> Vec<u32> {
            let bytes = starts.iter().flat_map(|s| &text[s + shift..s + shift + self.context]);
            bytes.map(|&byte| byte.into()).collect()
        };
        let shape = (starts.len(), self.context);
        let mut routers = Routers { decoder, unbalanced: Vec::new() };
        let tokens = Tensor::from_vec(window(0), shape, &Device::Cpu)?;
        let logits = decoder.observed(&tokens, &mut routers)?;
        let targets = Tensor::new(window(1), &Device::Cpu)?;
        let loss = candle_nn::loss::cross_entropy(&logits.flatten(0, 1)?, &targets)?;
        match decoder.trains {
            true => routers.unbalanced.into_iter().try_fold(loss, |sum, next| sum + next?),
            false => Ok(loss),
        }
    }

    fn held_out(&self, decoder: &Decoder, text: &[u8]) -> candle_core::Result<f64> {
        let decoder = Decoder { trains: false, ..decoder.clone() };
        let windows = (HELD_OUT / self.context).max(1);
        let gap = (text.len() - self.context - 1) / windows;
        let starts: Vec<usize> = (0..windows).map(|window| window * gap).collect();
        let mut sum = 0.0;
        for starts in starts.chunks(self.batch) {
            let loss = self.loss(&decoder, text, starts)?.to_scalar::<f32>()?;
            sum += f64::from(loss) * starts.len() as f64;
        }
        Ok(sum / windows as f64)
    }

    /// Random weights, and the same as variables.
    fn start(&self) -> Result<(Decoder, BTreeMap<String, Var>), LlamaError> {
        let mut rng = Pcg64::seed_from_u64(self.seed.wrapping_add(1));
        let mut vars = BTreeMap::new();
        for tensor in self.tensors() {
            let (rows, row_len) = (tensor.rows as usize, tensor.row_len as usize);
            let var = match tensor.class {
                TensorClass::Norm => Var::ones(row_len, DType::F32, &Device::Cpu)?,
                TensorClass::Bias => Var::zeros(row_len, DType::F32, &Device::Cpu)?,
                class => {
                    let scale = self.scale(class, row_len);
                    let weights: Vec<f32> = (0..rows * row_len)
                        .map(|_| scale * (2.0 * rng.random::<f32>() - 1.0))
                        .collect();
                    Var::from_vec(weights, (rows, row_len), &Device::Cpu)?
                }
            };
            vars.insert(tensor.name, var);
        }
        // The numbers of a decoder come from a file, so there is one for a moment.
        let folder = tempfile::tempdir()
            .map_err(|error| InputError::file("temporary folder", error.to_string()))?;
        let path = folder.path().join("start.gguf");
        self.write(&vars, &path)?;
        let mut decoder = Checkpoint::open(&path)?.decoder(self.context)?;
        for (name, var) in &vars {
            decoder.weights.insert(name.clone(), var.as_tensor().clone());
        }
        if self.shape.tied {
            decoder.weights.insert(HEAD.into(), vars[EMBEDDING].as_tensor().clone());
        }
        decoder.trains = true;
        Ok((decoder, vars))
    }

    /// Every tensor of the file.
    fn tensors(&self) -> Vec<TensorSpec> {
        let layers = self.shape.model("teacher").layers.into_iter();
        let tensors = layers.flat_map(|layer| layer.tensors);
        tensors.filter(|tensor| !(self.shape.tied && tensor.name == HEAD)).collect()
    }

    /// How far weights are from 0 at first. A uniform number from -a to a has the variance a^2 / 3;
    /// what is added to the residual stream starts small (Radford et al. 2019).
    fn scale(&self, class: TensorClass, row_len: usize) -> f32 {
        let scale = (3.0 / row_len as f32).sqrt();
        match class {
            TensorClass::AttnOutput | TensorClass::FfnDown | TensorClass::FfnDownExps => {
                scale / (2.0 * self.shape.blocks as f32).sqrt()
            }
            _ => scale,
        }
    }

    fn write(&self, vars: &BTreeMap<String, Var>, out: &Path) -> Result<(), InputError> {
        let mut draft = Draft::of("teacher of bytes", &self.shape, self.context as u64);
        draft.set("general.license", Value::Text("cc0-1.0".into()));
        vocabulary(&mut draft);
        for tensor in self.tensors() {
            // A router is small, and engines keep it in f32.
            let format = match tensor.class {
                TensorClass::Norm | TensorClass::Bias | TensorClass::Router => Format::F32,
                _ => Format::F16,
            };
            let dimensions = self.shape.dimensions(&tensor);
            draft.tensors.push(Place { name: tensor.name, dimensions, kind: format.ggml_id() });
        }
        stream_atomic(out, |file| {
            draft.write(file, |place, file| {
                let weights = vars[&place.name].flatten_all().and_then(|v| v.to_vec1::<f32>());
                let weights = weights.map_err(std::io::Error::other)?;
                let format = Format::from_ggml_id(place.kind).unwrap_or(Format::F32);
                let bytes = quantize(&weights, place.dimensions[0] as usize, format);
                file.write_all(&bytes.map_err(std::io::Error::other)?)
            })
        })
    }
}

/// Adds up how unevenly each block uses its experts.
struct Routers<'a> {
    decoder: &'a Decoder,
    unbalanced: Vec<candle_core::Result<Tensor>>,
}

impl Observer for Routers<'_> {
    fn multiplies(&mut self, tensor: &str, input: &Tensor) {
        if tensor.ends_with(ROUTER) && self.decoder.trains {
            self.unbalanced.push(self.unbalanced(tensor, input));
        }
    }
}

impl Routers<'_> {
    /// The mean over experts of their share of tokens times their mean probability, 1 where all are
    /// alike, times [`BALANCE`].
    fn unbalanced(&self, tensor: &str, input: &Tensor) -> candle_core::Result<Tensor> {
        let logits = self.decoder.times(self.decoder.weight(tensor)?, input)?;
        let probabilities = self.decoder.softmax(&logits)?;
        let (tokens, count) = probabilities.dims2()?;
        let used = self.decoder.architecture.experts_used;
        let mut shares = vec![0f32; count];
        for expert in choose(&probabilities, used)?.into_iter().flatten() {
            shares[expert] += 1.0 / (tokens * used) as f32;
        }
        let shares = Tensor::new(shares, &Device::Cpu)?;
        (probabilities.mean(0)? * shares)?.sum_all()? * (BALANCE * count as f64)
    }
}

/// The 256 bytes, as byte pairs without merges.
fn vocabulary(draft: &mut Draft) {
    draft.set("tokenizer.ggml.model", Value::Text("gpt2".into()));
    draft.set("tokenizer.ggml.pre", Value::Text("gpt-2".into()));
    let tokens = (0..=u8::MAX).map(|byte| character(byte).to_string()).collect();
    draft.set("tokenizer.ggml.tokens", Value::Texts(tokens));
    // Byte 0 is no text: it stands for beginning and end.
    let kinds = (0..256).map(|byte| if byte == 0 { 3 } else { 1 }).collect();
    draft.set("tokenizer.ggml.token_type", Value::Numbers(kinds));
    draft.set("tokenizer.ggml.merges", Value::Texts(Vec::new()));
    draft.set("tokenizer.ggml.bos_token_id", Value::U32(0));
    draft.set("tokenizer.ggml.eos_token_id", Value::U32(0));
}

/// The character that stands for a byte in vocabularies of byte pairs: printable bytes for
/// themselves, the others counted from 256 on (Radford et al. 2019).
fn character(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return byte.into();
    }
    let before = (0..byte).filter(|&other| !printable(other)).count() as u32;
    char::from_u32(256 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_characters_of_gpt2() {
        let cases = [(b'A', 'A'), (b' ', '\u{120}'), (b'\n', '\u{10a}'), (0, '\u{100}')];
        for (byte, expected) in cases.into_iter().chain([(0xad, '\u{143}'), (0xff, '\u{ff}')]) {
            assert_eq!(character(byte), expected, "{byte}");
        }
    }
}
