//! A decoder in f32, over batches, through which gradients flow: what quality is measured and
//! distilled with. The engine runs files as they are; here weights are what a format makes of them,
//! widened to f32, so that divergence is that of the weights alone.

use std::collections::BTreeMap;

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};
use candle_nn::ops;
use edgeplan_reference_llama::Observer;

use crate::architecture::{Architecture, Norm};
use crate::experts::ROUTER;

/// Weights in memory, by their names in a GGUF file. Copies share what they have in common.
#[derive(Debug, Clone)]
pub struct Decoder {
    pub(crate) architecture: Architecture,
    pub(crate) weights: BTreeMap<String, Tensor>,
    /// Whether the head's weight is the embedding's.
    pub(crate) tied: bool,
    /// Whether gradients are wanted: candle's fused operations have none.
    pub(crate) trains: bool,
}

const HEAD: &str = "output";

/// Rows of a table of learned positions before that of the first position: an OPT's leftover of
/// padding (Zhang et al. 2022; `OPTLearnedPositionalEmbedding` of Hugging Face's transformers).
pub(crate) const POSITIONS_BEFORE: usize = 2;

impl Decoder {
    /// The same decoder with other weights under these names.
    #[must_use]
    pub fn with(&self, weights: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        let mut decoder = self.clone();
        decoder.weights.extend(weights);
        decoder
    }

    /// Bytes of logits that are worth keeping beside it: half of what it takes, and 256 MiB.
    pub fn kept_max(&self) -> usize {
        2 * self.elements() + (256 << 20)
    }

    /// The same, as it is, without a way back for gradients.
    pub(crate) fn without_gradients(&self) -> Self {
        let mut decoder = self.clone();
        decoder.weights.values_mut().for_each(|weight| *weight = weight.detach());
        decoder.trains = false;
        decoder
    }

    /// The layer that a weight belongs to.
    pub(crate) fn layer_of(&self, name: &str) -> usize {
        let block = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next());
        match block.and_then(|block| block.parse::<usize>().ok()) {
            Some(block) => 1 + block,
            None if name.starts_with("output") || name.starts_with("project_out") => {
                self.layers() - 1
            }
            None => 0,
        }
    }

    /// Layers as a plan counts them: embedding, blocks, head.
    pub fn layers(&self) -> usize {
        self.architecture.blocks + 2
    }

    /// Elements of all weights, a tied one once.
    pub(crate) fn elements(&self) -> usize {
        let own = |name: &str| !(self.tied && name == "output.weight");
        let weights = self.weights.iter().filter(|(name, _)| own(name));
        weights.map(|(_, weight)| weight.elem_count()).sum()
    }

    /// A weight by its name. The head has one of its own, which shares the memory of the
    /// embedding's where they are tied.
    ///
    /// # Errors
    /// When there is none.
    pub fn weight(&self, name: &str) -> Result<&Tensor> {
        let found = self.weights.get(name);
        found.ok_or_else(|| candle_core::Error::Msg(format!("{name} is missing")))
    }

    /// Logits `[batch, positions, vocab]` of tokens `[batch, positions]`.
    ///
    /// # Errors
    /// Those of candle.
    pub fn logits(&self, tokens: &Tensor) -> Result<Tensor> {
        self.observed(tokens, &mut ())
    }

    /// The same, told to an observer.
    pub(crate) fn observed(&self, tokens: &Tensor, observer: &mut dyn Observer) -> Result<Tensor> {
        let hidden = self.run(0, self.layers() - 1, tokens, observer)?;
        self.head(&hidden, observer)
    }

    /// What leaves the layers `first..end`, none of them the head, given what enters them: token
    /// ids before layer 0, else hidden states `[batch, positions, hidden]`.
    ///
    /// # Errors
    /// Those of candle.
    pub fn run(
        &self,
        first: usize,
        end: usize,
        input: &Tensor,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        let mut hidden = input.clone();
        for layer in first..end {
            observer.enters(layer, &hidden);
            hidden = match layer {
                0 => self.embed(&hidden, observer)?,
                _ => self.block(layer - 1, &hidden, observer)?,
            };
            observer.leaves(layer, &hidden);
        }
        Ok(hidden)
    }

    fn embed(&self, tokens: &Tensor, observer: &mut dyn Observer) -> Result<Tensor> {
        let (batch, positions) = tokens.dims2()?;
        let table = self.weight("token_embd.weight")?;
        let rows = table.index_select(&tokens.flatten_all()?, 0)?;
        let rows = rows.reshape((batch, positions, table.dim(1)?))?;
        let rows = match self.architecture.embedding_scale {
            1.0 => rows,
            scale => (rows * scale)?,
        };
        let hidden = self.project_if("project_in", rows, observer)?;
        match self.weights.get("position_embd.weight") {
            Some(table) => {
                hidden.broadcast_add(&table.narrow(0, POSITIONS_BEFORE, positions)?.contiguous()?)
            }
            None => Ok(hidden),
        }
    }

    /// Logits of hidden states.
    ///
    /// # Errors
    /// Those of candle.
    pub fn head(&self, hidden: &Tensor, observer: &mut dyn Observer) -> Result<Tensor> {
        let normed = match self.weights.contains_key("output_norm.weight") {
            true => self.norm("output_norm", hidden)?,
            false => hidden.clone(),
        };
        let narrow = self.project_if("project_out", normed, observer)?;
        self.project(HEAD, &narrow, observer)
    }

    /// One block: attention, then the feed-forward part, each beside a residual stream. What they
    /// add is normalized where the block has a norm for it.
    fn block(&self, index: usize, input: &Tensor, observer: &mut dyn Observer) -> Result<Tensor> {
        let first = self.architecture.norm_first;
        let norms = ["attn_norm", "ffn_norm"].map(|stem| format!("blk.{index}.{stem}"));
        let normed = |norm: &str, hidden: &Tensor, now: bool| match now {
            true => self.norm(norm, hidden),
            false => Ok(hidden.clone()),
        };
        let attended = self.attention(index, &normed(&norms[0], input, first)?, observer)?;
        let attended = self.norm_if(&format!("blk.{index}.post_attention_norm"), attended)?;
        let middle = normed(&norms[0], &(input + attended)?, !first)?;
        let fed = self.feed_forward(index, &normed(&norms[1], &middle, first)?, observer)?;
        let fed = self.norm_if(&format!("blk.{index}.post_ffw_norm"), fed)?;
        normed(&norms[1], &(middle + fed)?, !first)
    }

    fn attention(
        &self,
        index: usize,
        input: &Tensor,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        let name = |stem: &str| format!("blk.{index}.{stem}");
        let query = self.project(&name("attn_q"), input, observer)?;
        let key = self.project(&name("attn_k"), input, observer)?;
        let value = self.project(&name("attn_v"), input, observer)?;
        let attended = self.attend(index, [&query, &key, &value])?;
        self.project(&name("attn_output"), &attended, observer)
    }

    /// With a gate, W_down (silu(W_gate x) * W_up x) (Shazeer 2020, equation 6), or another
    /// function of the gate; else W_down max(0, W_up x) (Vaswani et al. 2017, equation 2). Experts
    /// where there is a router.
    fn feed_forward(
        &self,
        index: usize,
        input: &Tensor,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        let name = |stem: &str| format!("blk.{index}.{stem}");
        if self.weights.contains_key(&name(ROUTER)) {
            return self.experts(index, input, observer);
        }
        let inner = match self.weights.contains_key(&name("ffn_gate.weight")) {
            true => {
                let gate = self.project(&name("ffn_gate"), input, observer)?;
                let gate = self.architecture.gate.apply(&gate)?;
                (gate * self.project(&name("ffn_up"), input, observer)?)?
            }
            false => self.project(&name("ffn_up"), input, observer)?.relu()?,
        };
        self.project(&name("ffn_down"), &inner, observer)
    }

    /// The same where there is no such matrix.
    fn project_if(&self, stem: &str, input: Tensor, observer: &mut dyn Observer) -> Result<Tensor> {
        match self.weights.contains_key(&format!("{stem}.weight")) {
            true => self.project(stem, &input, observer),
            false => Ok(input),
        }
    }

    /// y = W x + b, over the last dimension.
    pub(crate) fn project(
        &self,
        stem: &str,
        input: &Tensor,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        let name = format!("{stem}.weight");
        let weight = self.weight(&name)?;
        let (batch, positions, width) = input.dims3()?;
        let flat = input.reshape((batch * positions, width))?;
        observer.multiplies(&name, &flat);
        let product = self.times(weight, &flat)?.reshape((batch, positions, weight.dim(0)?))?;
        match self.weights.get(&format!("{stem}.bias")) {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }

    /// y = W x, over rows of the input.
    pub(crate) fn times(&self, weight: &Tensor, input: &Tensor) -> Result<Tensor> {
        match self.trains && !weight.track_op() {
            true => input.apply_op1(Fixed(weight.clone())),
            false => input.matmul(&weight.t()?),
        }
    }

    /// The same where there is no such norm.
    fn norm_if(&self, stem: &str, input: Tensor) -> Result<Tensor> {
        match self.weights.contains_key(&format!("{stem}.weight")) {
            true => self.norm(stem, &input),
            false => Ok(input),
        }
    }

    pub(crate) fn norm(&self, stem: &str, input: &Tensor) -> Result<Tensor> {
        let weight = self.weight(&format!("{stem}.weight"))?;
        let &Architecture { norm, epsilon, .. } = &self.architecture;
        if norm == Norm::Rms {
            return match self.trains {
                true => ops::rms_norm_slow(input, weight, epsilon),
                false => ops::rms_norm(&input.contiguous()?, weight, epsilon),
            };
        }
        let bias = self.weight(&format!("{stem}.bias"))?;
        match self.trains {
            true => ops::layer_norm_slow(input, weight, bias, epsilon),
            false => ops::layer_norm(&input.contiguous()?, weight, bias, epsilon),
        }
    }
}

/// A product with weights that are not trained: candle would make a gradient for them too, and keep
/// it.
struct Fixed(Tensor);

impl CustomOp1 for Fixed {
    fn name(&self) -> &'static str {
        "fixed weights"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((first, end)) = layout.contiguous_offsets() else {
            return Err(candle_core::Error::Msg("fixed weights: a gap in the input".into()));
        };
        let input = &storage.as_slice::<f32>()?[first..end];
        let input = Tensor::from_slice(input, layout.shape(), &Device::Cpu)?;
        let product = input.matmul(&self.0.t()?)?;
        let shape = product.shape().clone();
        Ok((CpuStorage::F32(product.flatten_all()?.to_vec1()?), shape))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        gradient.matmul(&self.0).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use candle_core::Var;
    use edgeplan_problem::format::Format;
    use edgeplan_reference_llama::{Model, Positions};

    use super::*;
    use crate::apply::{apply, from_mix};
    use crate::checkpoint::Checkpoint;

    const TEACHER: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench-data/teacher/teacher.gguf");

    fn text() -> Vec<u32> {
        b"And God said, Let there be light".iter().map(|&byte| byte.into()).collect()
    }

    fn flat(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn furthest(a: &Tensor, b: &Tensor) -> f32 {
        flat(a).iter().zip(flat(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn the_engine_says_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f32.gguf");
        let mut checkpoint = Checkpoint::open(Path::new(TEACHER)).unwrap();
        // In f32 neither rounds activations.
        let formats =
            from_mix(&edgeplan_model::load(TEACHER).unwrap(), &Format::F32.into()).unwrap();
        apply(&mut checkpoint, &formats, &BTreeMap::new(), &path, |_| {}).unwrap();
        let engine = Model::load(&path, &Device::Cpu).unwrap();
        let mut session = engine.session(64).unwrap();
        let expected = session.run(&text(), Positions::All, &mut ()).unwrap();
        let tokens = Tensor::new(text(), &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let twice = Tensor::cat(&[&tokens, &tokens], 0).unwrap();
        let mut decoder = checkpoint.decoder(64).unwrap();
        for trains in [false, true] {
            decoder.trains = trains;
            let logits = decoder.logits(&twice).unwrap();
            for window in 0..2 {
                let off = furthest(&logits.get(window).unwrap(), &expected);
                assert!(off < 1e-3, "{off}");
            }
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut decoder = Checkpoint::open(Path::new(TEACHER)).unwrap().decoder(64).unwrap();
        decoder.trains = true;
        let tokens = Tensor::new(text(), &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let loss = |decoder: &Decoder| {
            let logits = decoder.logits(&tokens).unwrap().flatten(0, 1).unwrap();
            let next = Tensor::new(text(), &Device::Cpu).unwrap();
            candle_nn::loss::cross_entropy(&logits, &next).unwrap()
        };
        let name = "blk.1.ffn_norm.weight";
        let var = Var::from_tensor(&decoder.weights[name].copy().unwrap()).unwrap();
        let plain = flat(&var);
        decoder.weights.insert(name.into(), var.as_tensor().clone());
        let gradients = loss(&decoder).backward().unwrap();
        let gradient = flat(gradients.get(&var).unwrap());
        for at in [0, 17, 255] {
            let moved = |by: f32| {
                let mut values = plain.clone();
                values[at] += by;
                let moved = Tensor::from_vec(values, plain.len(), &Device::Cpu).unwrap();
                let decoder = decoder.with([(name.to_owned(), moved)]);
                loss(&decoder).to_scalar::<f32>().unwrap()
            };
            let expected = (moved(0.05) - moved(-0.05)) / 0.1;
            let off = (gradient[at] - expected).abs();
            assert!(off < 2e-3 + 0.05 * expected.abs(), "{} {expected}", gradient[at]);
        }
    }
}
