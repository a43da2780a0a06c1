//! A loaded llama.

use std::path::Path;

use candle_core::{Device, Tensor};
use edgeplan_files::InputError;

use crate::block::{Block, Norm};
use crate::error::LlamaError;
use crate::llama::Llama;
use crate::matrix::{Matrix, Projection};
use crate::session::Session;
use crate::weights::Weights;

/// Weights in memory, ready to run.
#[derive(Debug)]
pub struct Model {
    pub(crate) llama: Llama,
    pub(crate) device: Device,
    pub(crate) embedding: Matrix,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: Norm,
    pub(crate) head: Projection,
    /// What the angles of positions are divided by, where the file says so.
    pub(crate) factors: Option<Vec<f32>>,
}

impl Model {
    /// Reads a GGUF file of the architecture `llama`.
    ///
    /// # Errors
    /// A file that is cut off or another model's, a missing or superfluous tensor, a wrong shape,
    /// a type that cannot be run: with file, key or tensor, and what is allowed.
    pub fn load(path: &Path, device: &Device) -> Result<Self, LlamaError> {
        let mut weights = Weights::open(path, device)?;
        let llama = Llama::read(&weights.header)?;
        let vocab = weights.rows("token_embd.weight")?;
        let embedding = weights.matrix("token_embd.weight", vocab, llama.hidden)?;
        let mut blocks = Vec::new();
        for index in 0..llama.blocks {
            blocks.push(block(&mut weights, &llama, index)?);
        }
        let norm = weights.norm("output_norm", llama.hidden, llama.epsilon)?;
        let head = match weights.has("output.weight") {
            true => weights.projection("output", vocab, llama.hidden)?,
            // Tied: one tensor in two places.
            false => {
                let name = "token_embd.weight".into();
                Projection { name, matrix: embedding.clone(), bias: None }
            }
        };
        let factors = factors(&mut weights, &llama)?;
        weights.finish()?;
        Ok(Self { llama, device: device.clone(), embedding, blocks, norm, head, factors })
    }

    /// Its numbers.
    pub fn llama(&self) -> &Llama {
        &self.llama
    }

    /// Tokens that it knows.
    pub fn vocab(&self) -> usize {
        self.embedding.rows()
    }

    /// Layers as a plan counts them: embedding, blocks, head.
    pub fn layers(&self) -> usize {
        self.blocks.len() + 2
    }

    /// An empty conversation with room for that many positions.
    ///
    /// # Errors
    /// No room at all, or more than the model's window: nothing is ever forgotten here.
    pub fn session(&self, room: usize) -> Result<Session<'_>, LlamaError> {
        Session::new(self, room)
    }

    /// The token ids, checked.
    pub(crate) fn tokens(&self, tokens: &[u32]) -> Result<Tensor, LlamaError> {
        let vocab = self.vocab();
        match tokens.iter().find(|&&token| token as usize >= vocab) {
            Some(&token) => Err(LlamaError::Token { token, vocab }),
            None => Ok(Tensor::new(tokens, &self.device)?),
        }
    }
}

fn block(weights: &mut Weights, llama: &Llama, index: usize) -> Result<Block, LlamaError> {
    let &Llama { hidden, ffn, epsilon, .. } = llama;
    let (heads, kv) = (llama.heads * llama.head_dim, llama.kv_heads * llama.head_dim);
    let name = |stem: &str| format!("blk.{index}.{stem}");
    Ok(Block {
        attention_norm: weights.norm(&name("attn_norm"), hidden, epsilon)?,
        query: weights.projection(&name("attn_q"), heads, hidden)?,
        key: weights.projection(&name("attn_k"), kv, hidden)?,
        value: weights.projection(&name("attn_v"), kv, hidden)?,
        output: weights.projection(&name("attn_output"), hidden, heads)?,
        ffn_norm: weights.norm(&name("ffn_norm"), hidden, epsilon)?,
        gate: weights.projection(&name("ffn_gate"), ffn, hidden)?,
        up: weights.projection(&name("ffn_up"), ffn, hidden)?,
        down: weights.projection(&name("ffn_down"), hidden, ffn)?,
    })
}

fn factors(weights: &mut Weights, llama: &Llama) -> Result<Option<Vec<f32>>, LlamaError> {
    const NAME: &str = "rope_freqs.weight";
    if !weights.has(NAME) {
        return Ok(None);
    }
    let factors = weights.vector(NAME, llama.rotation.dims / 2)?.to_vec1::<f32>()?;
    match factors.iter().find(|&&factor| !(factor.is_finite() && factor > 0.0)) {
        None => Ok(Some(factors)),
        Some(factor) => {
            let problem = format!("{factor:?}; numbers above 0 are allowed");
            Err(InputError::key(&weights.header.file, NAME, problem).into())
        }
    }
}
