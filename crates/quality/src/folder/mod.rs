//! A model as Hugging Face's transformers store it: a folder of `config.json` and safetensors.
//! Llamas and their kin, and OPTs (Zhang et al. 2022, arXiv:2205.01068).

mod config;
mod names;
mod shards;
mod vocabulary;
mod write;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use edgeplan_files::{InputError, read_text};
use edgeplan_model::{ModelSpec, Shape, TensorSpec};
use edgeplan_reference_llama::LlamaError;

use self::config::Config;
use self::names::Names;
use self::shards::Shards;
use crate::decoder::Decoder;

pub(crate) use self::vocabulary::tokenizer;

/// A folder whose files are there.
#[derive(Debug)]
pub struct Folder {
    /// Its `config.json`, for errors.
    file: String,
    config: Config,
    shape: Shape,
    spec: ModelSpec,
    shards: Shards,
}

impl Folder {
    /// Opens a folder; nothing but headers is read.
    ///
    /// # Errors
    /// A family that cannot be run, files that are missing, cut off, or none of their kind.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let (file, shown) = (path.join("config.json"), path.display().to_string());
        let config = Config::parse(&file.display().to_string(), &read_text(&file)?)?;
        let (shape, spec) = (edgeplan_model::shape(&shown)?, edgeplan_model::load(&shown)?);
        let file = file.display().to_string();
        if !shape.heads.is_multiple_of(shape.kv_heads) {
            let problem = format!("{}; a divisor of {} is allowed", shape.kv_heads, shape.heads);
            return Err(InputError::key(file, "num_key_value_heads", problem));
        }
        if !config.is_opt() && !shape.head_dim.is_multiple_of(2) {
            let problem = format!("{}; an even number is allowed", shape.head_dim);
            return Err(InputError::key(file, "head_dim", problem));
        }
        Ok(Self { file, config, shape, spec, shards: Shards::open(path)? })
    }

    /// The whole model in f32, with room for that many positions.
    ///
    /// # Errors
    /// A missing or superfluous tensor, one of another shape or of numbers that are none, too few
    /// learned positions.
    pub fn decoder(&mut self, room: usize) -> Result<Decoder, LlamaError> {
        if let Some(most) = Config::positions(&self.shape).filter(|&most| room > most) {
            let problem = format!("{most}; windows of {room} tokens do not fit");
            let key = "max_position_embeddings";
            return Err(InputError::key(&self.file, key, problem).into());
        }
        let theirs = self.theirs()?;
        let mut weights = BTreeMap::new();
        for (tensor, name) in self.tensors().into_iter().zip(&theirs) {
            weights.insert(tensor.name.clone(), self.widened(&tensor, name)?);
        }
        if self.spec.tied {
            weights.insert("output.weight".into(), weights["token_embd.weight"].clone());
        }
        let architecture = self.config.architecture(&self.shape, room)?;
        Ok(Decoder { architecture, weights, tied: self.spec.tied, trains: false })
    }

    /// All tensors, a tied one once.
    fn tensors(&self) -> Vec<TensorSpec> {
        let tensors = self.spec.layers.iter().flat_map(|layer| &layer.tensors);
        tensors.filter(|t| !(self.spec.tied && t.name == "output.weight")).cloned().collect()
    }

    /// What the files call each of [`Folder::tensors`].
    fn theirs(&self) -> Result<Vec<String>, InputError> {
        let names = self.config.names();
        let bare: BTreeMap<&str, &str> =
            self.shards.names().map(|name| (Names::bare(name), name)).collect();
        let mut left = bare.clone();
        let mut found = Vec::new();
        for tensor in self.tensors() {
            let name = names.theirs(&tensor.name);
            match left.remove(Names::bare(&name)) {
                Some(stored) => found.push(stored.to_owned()),
                None => return Err(self.shards.error(&name, "is missing")),
            }
        }
        // A head that is the embedding again, and tables that follow from the config.
        let known = |name: &str| {
            self.spec.tied && name == "lm_head.weight" || name.ends_with("rotary_emb.inv_freq")
        };
        match left.into_iter().find(|(bare, _)| !known(bare)) {
            Some((_, name)) => {
                let problem = format!(
                    "is no tensor of a model of type `{}`; its result would be wrong without it",
                    if self.config.is_opt() { "opt" } else { "llama" }
                );
                Err(self.shards.error(name, problem))
            }
            None => Ok(found),
        }
    }

    fn widened(&mut self, tensor: &TensorSpec, theirs: &str) -> Result<Tensor, LlamaError> {
        let (rows, row_len) = (tensor.rows as usize, tensor.row_len as usize);
        let vector = tensor.rows == 1 && !tensor.quantizable;
        let shape = if vector { vec![row_len] } else { vec![rows, row_len] };
        let plain = self.shards.widened(theirs, &shape)?;
        if self.config.is_opt() {
            return Ok(plain);
        }
        let stem = tensor.name.rsplit('.').nth(1).unwrap_or_default();
        let heads = match stem {
            "attn_q" => self.shape.heads,
            "attn_k" => self.shape.kv_heads,
            _ => return Ok(plain),
        };
        Ok(neighbours(&plain, heads as usize, self.shape.head_dim as usize)?)
    }
}

/// Rows of heads in the order of GGUF, where the two elements that turn together are neighbours:
/// Hugging Face has them half a head apart.
fn neighbours(tensor: &Tensor, heads: usize, head_dim: usize) -> candle_core::Result<Tensor> {
    let row_len = tensor.elem_count() / (heads * head_dim);
    let halves = tensor.reshape((heads, 2, head_dim / 2, row_len))?;
    halves.transpose(1, 2)?.contiguous()?.reshape(tensor.shape())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn halves_become_neighbours() {
        // Two heads of four elements.
        let bias = Tensor::new(&[0f32, 1., 2., 3., 10., 11., 12., 13.], &Device::Cpu).unwrap();
        let found = neighbours(&bias, 2, 4).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(found, [0., 2., 1., 3., 10., 12., 11., 13.]);
    }
}
