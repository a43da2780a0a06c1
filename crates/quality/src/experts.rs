//! Routed experts (Shazeer et al. 2017, arXiv:1701.06538; Jiang et al. 2024, arXiv:2401.04088).

use candle_core::{D, Device, Result, Tensor};
use candle_nn::ops;
use edgeplan_reference_llama::{Expert, Observer};

use crate::decoder::Decoder;

/// What the name of a router's matrix ends with.
pub(crate) const ROUTER: &str = "ffn_gate_inp.weight";

impl Decoder {
    /// The likeliest experts of each token, each by its share of their probability:
    /// `[batch, positions, hidden]` in and out.
    pub(crate) fn experts(
        &self,
        index: usize,
        input: &Tensor,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        let name = |stem: &str| format!("blk.{index}.{stem}");
        let logits = self.project(&name("ffn_gate_inp"), input, observer)?.flatten(0, 1)?;
        let probabilities = self.softmax(&logits)?;
        let count = probabilities.dim(1)?;
        let flat = input.flatten(0, 1)?;
        let chosen = choose(&probabilities, self.architecture.experts_used)?;
        let shares = shares(&probabilities, &chosen)?;
        let mut sum = flat.zeros_like()?;
        for expert in 0..count {
            let tokens: Vec<u32> = (chosen.iter().enumerate())
                .filter(|(_, chosen)| chosen.contains(&expert))
                .map(|(token, _)| token as u32)
                .collect();
            if tokens.is_empty() {
                continue;
            }
            let tokens = Tensor::new(tokens, &Device::Cpu)?;
            let expert = Expert { index: expert, count };
            let routed = flat.index_select(&tokens, 0)?;
            let mut times = |stem: &str, input: &Tensor| {
                let name = name(&format!("{stem}.weight"));
                observer.routes(&name, expert, input);
                self.times_expert(&name, expert, input)
            };
            let gate = self.architecture.gate.apply(&times("ffn_gate_exps", &routed)?)?;
            let inner = (gate * times("ffn_up_exps", &routed)?)?;
            let output = times("ffn_down_exps", &inner)?;
            let share = shares.narrow(1, expert.index, 1)?.contiguous()?;
            let share = share.index_select(&tokens, 0)?;
            sum = sum.index_add(&tokens, &output.broadcast_mul(&share)?, 0)?;
        }
        sum.reshape(input.shape())
    }

    /// y = W x, W the rows of one expert.
    fn times_expert(&self, name: &str, expert: Expert, input: &Tensor) -> Result<Tensor> {
        let all = self.weight(name)?;
        let rows = all.dim(0)? / expert.count;
        self.times(&all.narrow(0, expert.index * rows, rows)?, input)
    }

    /// Over the last dimension.
    pub(crate) fn softmax(&self, logits: &Tensor) -> Result<Tensor> {
        match self.trains {
            true => ops::softmax(logits, D::Minus1),
            false => ops::softmax_last_dim(logits),
        }
    }
}

/// The likeliest experts of each token, by probabilities `[tokens, experts]`; of two alike the
/// first.
pub(crate) fn choose(probabilities: &Tensor, used: usize) -> Result<Vec<Vec<usize>>> {
    let rows: Vec<Vec<f32>> = probabilities.detach().to_vec2()?;
    let choose = |row: Vec<f32>| {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        order.truncate(used);
        order
    };
    Ok(rows.into_iter().map(choose).collect())
}

/// What each expert's output is multiplied by, `[tokens, experts]`: its share of the probability of
/// those that were chosen, 0 for the others.
fn shares(probabilities: &Tensor, chosen: &[Vec<usize>]) -> Result<Tensor> {
    let (tokens, count) = probabilities.dims2()?;
    let mut mask = vec![0f32; tokens * count];
    for (token, chosen) in chosen.iter().enumerate() {
        chosen.iter().for_each(|&expert| mask[token * count + expert] = 1.0);
    }
    let kept = (probabilities * Tensor::from_vec(mask, (tokens, count), &Device::Cpu)?)?;
    kept.broadcast_div(&kept.sum_keepdim(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_share_by_their_probability() {
        let probabilities = Tensor::new(&[[0.1f32, 0.6, 0.3], [0.4, 0.2, 0.4]], &Device::Cpu);
        let probabilities = probabilities.unwrap();
        let chosen = choose(&probabilities, 2).unwrap();
        assert_eq!(chosen, [vec![1, 2], vec![0, 2]]);
        let found: Vec<Vec<f32>> = shares(&probabilities, &chosen).unwrap().to_vec2().unwrap();
        let expected = [[0.0, 2.0 / 3.0, 1.0 / 3.0], [0.5, 0.0, 0.5]];
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
