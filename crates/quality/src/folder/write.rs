//! A folder as a GGUF file.

use std::collections::BTreeMap;
use std::io::Error;
use std::path::Path;

use candle_core::{Device, Tensor};
use edgeplan_files::{InputError, stream_atomic};
use edgeplan_model::TensorSpec;
use edgeplan_model::gguf::draft::{Draft, Tensor as Place, Value};
use edgeplan_problem::format::Format;
use edgeplan_reference_llama::LlamaError;

use super::{Folder, vocabulary};
use crate::apply::Formats;
use crate::quantize::quantize;

const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";
const FACTORS: &str = "rope_freqs.weight";

impl Folder {
    /// Writes the model as a GGUF file, whole or not at all: tensors in these formats, or in f32
    /// where they have none, and new values (`trained`, by name) where there are any. `progress`
    /// hears of bytes written.
    ///
    /// # Errors
    /// An OPT; a vocabulary that is not of byte pairs; those of reading and writing.
    ///
    /// # Complexity
    /// O(elements) time; memory of the largest tensor in f32, a few times.
    pub fn write(
        &mut self,
        formats: &Formats,
        trained: &BTreeMap<String, Tensor>,
        out: &Path,
        mut progress: impl FnMut(u64),
    ) -> Result<(), LlamaError> {
        let (tensors, draft) = self.draft(formats)?;
        let mut failed = None;
        let written = stream_atomic(out, |file| {
            draft.write(file, |place, file| {
                let bytes = match tensors.iter().find(|(tensor, _)| tensor.name == place.name) {
                    Some((tensor, theirs)) => {
                        let values = trained.get(&place.name).cloned();
                        values.map_or_else(|| self.widened(tensor, theirs), Ok)
                    }
                    None => self.factors(),
                };
                let bytes = bytes.and_then(|values| {
                    let values = values.flatten_all()?.to_vec1::<f32>()?;
                    let format = Format::from_ggml_id(place.kind).unwrap_or(Format::F32);
                    Ok(quantize(&values, place.dimensions[0] as usize, format)?)
                });
                let bytes = bytes.map_err(|problem| {
                    let text = problem.to_string();
                    failed = Some(problem);
                    Error::other(text)
                })?;
                progress(bytes.len() as u64);
                file.write_all(&bytes)
            })
        });
        match failed {
            Some(problem) => Err(problem),
            None => Ok(written?),
        }
    }

    /// What divides the angles of pairs, as a tensor.
    fn factors(&self) -> Result<Tensor, LlamaError> {
        let factors = self.config.factors(self.shape.head_dim as usize).unwrap_or_default();
        Ok(Tensor::new(factors, &Device::Cpu)?)
    }

    /// The header, and each tensor in it with what the files call it.
    ///
    /// # Errors
    /// As [`Folder::write`], but for those of reading and writing tensors.
    pub(crate) fn draft(
        &self,
        formats: &Formats,
    ) -> Result<(Vec<(TensorSpec, String)>, Draft), InputError> {
        if self.config.is_opt() {
            let problem = "`opt` is measured and planned, but no engine reads one from GGUF, so \
                           none is written; llama, mistral and qwen2 are allowed";
            return Err(InputError::key(&self.file, "model_type", problem));
        }
        let shape = &self.shape;
        let mut draft = Draft::llama(&self.spec.name, shape, self.config.context());
        let epsilon = Value::F32(self.config.epsilon());
        draft.set("llama.attention.layer_norm_rms_epsilon", epsilon);
        draft.set("llama.rope.freq_base", Value::F32(self.config.base() as f32));
        if let Some(window) = shape.window {
            let window = u32::try_from(window).unwrap_or(u32::MAX);
            draft.set("llama.attention.sliding_window", Value::U32(window));
        }
        let folder = Path::new(&self.file).parent().unwrap_or(Path::new("."));
        vocabulary::add(&mut draft, folder, shape.vocab as usize)?;
        let mut tensors: Vec<(TensorSpec, String)> =
            self.tensors().into_iter().zip(self.theirs()?).collect();
        let own_head = self.spec.tied
            && formats.contains_key(HEAD)
            && formats.get(HEAD) != formats.get(EMBEDDING);
        let embedding = tensors.iter().find(|(tensor, _)| tensor.name == EMBEDDING).cloned();
        if let Some((tensor, theirs)) = embedding.filter(|_| own_head) {
            tensors.push((TensorSpec { name: HEAD.into(), ..tensor }, theirs));
        }
        for (tensor, _) in &tensors {
            let name = &tensor.name;
            let format = formats.get(name).copied().unwrap_or(Format::F32);
            let mut dimensions = vec![tensor.row_len];
            if tensor.rows > 1 || tensor.quantizable {
                dimensions.push(tensor.rows);
            }
            draft.tensors.push(Place { name: name.clone(), dimensions, kind: format.ggml_id() });
        }
        if let Some(factors) = self.config.factors(shape.head_dim as usize) {
            let (dimensions, kind) = (vec![factors.len() as u64], Format::F32.ggml_id());
            draft.tensors.push(Place { name: FACTORS.into(), dimensions, kind });
        }
        if formats.values().any(|format| format.block_elements() > 1) {
            draft.set("general.quantization_version", Value::U32(2));
        }
        Ok((tensors, draft))
    }
}
