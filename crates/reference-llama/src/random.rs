//! Models of any shape with random weights in any mix of formats: times and memory do not depend
//! on what the weights say.

use std::io::{Error, Write};
use std::path::Path;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use edgeplan_files::{InputError, stream_atomic};
use edgeplan_model::Shape;
use edgeplan_model::gguf::draft::{Draft, Tensor as Place, Value};
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::FormatMix;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use crate::weights::ggml_type;

/// Elements that are quantized at once by one thread.
const PIECE: u64 = 1 << 20;
/// Pieces in memory at once.
const PIECES: usize = 16;

/// A file to be made.
#[derive(Debug, Clone)]
pub struct Random {
    /// Its name, for people.
    pub name: String,
    /// Its numbers.
    pub shape: Shape,
    /// How its matrices are stored.
    pub recipe: FormatMix,
    /// Seed of the weights.
    pub seed: u64,
}

impl Random {
    /// Writes the file, whole or not at all; `progress` is called with bytes written. Weights are
    /// uniform with variance 1 / inputs, so that states neither vanish nor explode; the same on
    /// every machine.
    ///
    /// # Errors
    /// A shape that is no llama's, a format that does not fit the length of a row, a folder that
    /// cannot be written.
    ///
    /// # Complexity
    /// O(parameters) time, and memory of a few million of them.
    pub fn write(&self, path: &Path, mut progress: impl FnMut(u64)) -> Result<(), InputError> {
        let draft = self.draft()?;
        stream_atomic(path, |out| {
            let mut seed = self.seed;
            draft.write(out, |place, out| {
                seed = seed.wrapping_add(1 << 32);
                data(place, seed, out, &mut progress)
            })
        })
    }

    /// Bytes of all tensors.
    ///
    /// # Errors
    /// As [`Random::write`].
    pub fn bytes(&self) -> Result<u64, InputError> {
        Ok(self.draft()?.tensors.iter().map(Place::bytes).sum())
    }

    fn draft(&self) -> Result<Draft, InputError> {
        let mut draft = Draft::stored(&self.name, &self.shape, &self.recipe)?;
        let name = format!("{} with random weights", self.name);
        draft.set("general.name", Value::Text(name));
        // Room for any prompt: weights that mean nothing were made for no length.
        let context = format!("{}.context_length", self.shape.architecture());
        draft.set(&context, Value::U32(131_072));
        self.words(&mut draft);
        Ok(draft)
    }

    /// Words that mean nothing, without which llama.cpp loads no model.
    fn words(&self, draft: &mut Draft) {
        let count = i32::try_from(self.shape.vocab).unwrap_or(i32::MAX);
        let words = (0..count).map(|index| format!("t{index}")).collect();
        draft.set("tokenizer.ggml.model", Value::Text("gpt2".into()));
        draft.set("tokenizer.ggml.pre", Value::Text("gpt-2".into()));
        draft.set("tokenizer.ggml.tokens", Value::Texts(words));
        draft.set("tokenizer.ggml.token_type", Value::Numbers(vec![1; count as usize]));
        draft.set("tokenizer.ggml.merges", Value::Texts(Vec::new()));
        draft.set("tokenizer.ggml.bos_token_id", Value::U32(0));
        draft.set("tokenizer.ggml.eos_token_id", Value::U32(0));
    }
}

/// Writes the data of one tensor, a few pieces at a time.
fn data(
    place: &Place,
    seed: u64,
    out: &mut dyn Write,
    progress: &mut impl FnMut(u64),
) -> std::io::Result<()> {
    let format = Format::from_ggml_id(place.kind).unwrap_or(Format::F32);
    let (row_len, others) = (place.dimensions[0], &place.dimensions[1..]);
    if others.is_empty() {
        // A normalization that does nothing.
        for _ in 0..row_len {
            out.write_all(&1f32.to_le_bytes())?;
        }
        return Ok(());
    }
    // Of all experts, where there are several.
    let rows: u64 = others.iter().product();
    let kind = ggml_type(format).map_err(Error::other)?;
    let each = (PIECE / row_len).max(1);
    let pieces: Vec<(u64, u64)> = (0..rows)
        .step_by(each as usize)
        .zip(1..)
        .map(|(first, index)| (seed.wrapping_add(index), each.min(rows - first)))
        .collect();
    for some in pieces.chunks(PIECES) {
        let made: Vec<_> = some
            .par_iter()
            .map(|&(seed, rows)| piece(seed, rows as usize, row_len as usize, kind))
            .collect();
        for bytes in made {
            let bytes = bytes.map_err(Error::other)?;
            out.write_all(&bytes)?;
            progress(bytes.len() as u64);
        }
    }
    Ok(())
}

/// Random rows in that type.
fn piece(seed: u64, rows: usize, row_len: usize, kind: GgmlDType) -> candle_core::Result<Vec<u8>> {
    let mut rng = Pcg64::seed_from_u64(seed);
    // A uniform number from -a to a has the variance a^2 / 3.
    let scale = (3.0 / row_len as f32).sqrt();
    let weights: Vec<f32> =
        (0..rows * row_len).map(|_| scale * (2.0 * rng.random::<f32>() - 1.0)).collect();
    let weights = Tensor::from_vec(weights, (rows, row_len), &Device::Cpu)?;
    Ok(QTensor::quantize(&weights, kind)?.data()?.into_owned())
}
