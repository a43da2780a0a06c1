//! One conversation: a cache of keys and values, and the passes that fill it.

use candle_core::Tensor;

use crate::attention::Cache;
use crate::block::Place;
use crate::error::LlamaError;
use crate::model::Model;
use crate::observe::Observer;
use crate::rope::Table;

/// A longer prompt goes through the layers in chunks of that many positions, as plans price it.
pub const CHUNK: usize = edgeplan_pricing::CHUNK as usize;

/// Of which positions of a pass logits are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// The last: enough to go on.
    Last,
    /// All: what a teacher says of every token.
    All,
}

/// A conversation with a model.
#[derive(Debug)]
pub struct Session<'a> {
    model: &'a Model,
    caches: Vec<Cache>,
    table: Table,
    room: usize,
    position: usize,
}

impl<'a> Session<'a> {
    pub(crate) fn new(model: &'a Model, room: usize) -> Result<Self, LlamaError> {
        let (llama, device) = (&model.llama, &model.device);
        // More than memory can address would overflow before it is refused.
        let most = llama.window.unwrap_or(1 << 24);
        if !(1..=most).contains(&room) {
            return Err(LlamaError::NoRoom { positions: room, room: most });
        }
        let cache = || Cache::new(llama.kv_heads, room, llama.head_dim, device);
        let caches = (0..llama.blocks).map(|_| cache()).collect::<Result<_, _>>()?;
        let table = llama.rotation.table(model.factors.as_deref(), room, device)?;
        Ok(Self { model, caches, table, room, position: 0 })
    }

    /// Positions so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.position = 0;
    }

    /// Reads tokens; the logits of what comes next, `[vocab]`.
    ///
    /// # Errors
    /// No tokens, one that the model does not know, or no room for them.
    pub fn prefill(&mut self, tokens: &[u32]) -> Result<Tensor, LlamaError> {
        Ok(self.run(tokens, Positions::Last, &mut ())?.squeeze(0)?)
    }

    /// Reads one token; the logits of what comes next, `[vocab]`.
    ///
    /// # Errors
    /// As [`Session::prefill`].
    pub fn decode(&mut self, token: u32) -> Result<Tensor, LlamaError> {
        self.prefill(&[token])
    }

    /// Reads tokens before an observer; logits in f32, `[positions, vocab]`. After an error nothing
    /// was read.
    ///
    /// # Errors
    /// As [`Session::prefill`].
    pub fn run(
        &mut self,
        tokens: &[u32],
        wanted: Positions,
        observer: &mut dyn Observer,
    ) -> Result<Tensor, LlamaError> {
        let positions = self.position + tokens.len();
        if positions > self.room {
            return Err(LlamaError::NoRoom { positions, room: self.room });
        }
        self.model.tokens(tokens)?;
        let mut logits = Vec::new();
        let mut first = self.position;
        for (index, piece) in tokens.chunks(CHUNK).enumerate() {
            let hidden = self.piece(piece, first, observer)?;
            first += piece.len();
            let last = tokens.len() <= (index + 1) * CHUNK;
            match wanted {
                Positions::All => logits.push(self.head(&hidden, observer)?),
                Positions::Last if last => {
                    logits.push(self.head(&hidden.narrow(0, piece.len() - 1, 1)?, observer)?);
                }
                Positions::Last => {}
            }
        }
        if logits.is_empty() {
            return Err(LlamaError::NoTokens);
        }
        self.position = first;
        Ok(Tensor::cat(&logits, 0)?)
    }

    /// A few tokens through embedding and blocks.
    fn piece(
        &mut self,
        tokens: &[u32],
        first: usize,
        observer: &mut dyn Observer,
    ) -> Result<Tensor, LlamaError> {
        let tokens = self.model.tokens(tokens)?;
        observer.enters(0, &tokens);
        let mut hidden = self.model.embedding.look_up(&tokens)?;
        observer.leaves(0, &hidden);
        let place = Place { llama: &self.model.llama, table: &self.table, first };
        for (index, (block, cache)) in self.model.blocks.iter().zip(&mut self.caches).enumerate() {
            observer.enters(1 + index, &hidden);
            hidden = block.apply(&hidden, &place, cache, observer)?;
            observer.leaves(1 + index, &hidden);
        }
        Ok(hidden)
    }

    fn head(&self, hidden: &Tensor, observer: &mut dyn Observer) -> Result<Tensor, LlamaError> {
        let layer = self.model.layers() - 1;
        observer.enters(layer, hidden);
        let logits = self.model.head.apply(&self.model.norm.apply(hidden)?, observer)?;
        observer.leaves(layer, &logits);
        Ok(logits)
    }
}
