//! How far a model is from its original on a text.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use crate::decoder::Decoder;

/// Positions whose logits are in memory at once, where these are not kept.
const ROWS: usize = 128;

/// Distance from an original, in nats per token.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Distance {
    /// Kullback-Leibler divergence of what it expects next from what the original expects.
    pub kl: f64,
    /// Loss: cross entropy of what comes next.
    pub loss: f64,
}

/// A few windows of a text.
#[derive(Debug, Clone)]
pub struct Windows {
    /// `[windows, context]`
    pub tokens: Tensor,
    /// How many tokens count as what is to be expected, by window: the last so many. All have a
    /// divergence.
    pub scored: Vec<usize>,
}

/// An original on a text, to hold others against.
#[derive(Debug)]
pub struct Reference<'a> {
    /// The original.
    pub original: &'a Decoder,
    /// Its loss.
    pub loss: f64,
    pieces: Vec<Piece>,
}

/// A few windows.
#[derive(Debug)]
struct Piece {
    windows: Windows,
    /// What enters the original's head, `[windows, context, hidden]`.
    last: Tensor,
    /// What leaves it, `[positions, vocab]`, where memory allows.
    logits: Option<Tensor>,
}

impl<'a> Reference<'a> {
    /// Runs the original over pieces of a text. Its logits are kept if
    /// they take no more than `kept_max` bytes; else they are computed again whenever they are
    /// needed. `progress` is called for every piece.
    ///
    /// # Errors
    /// Those of candle.
    pub fn new(
        original: &'a Decoder,
        pieces: Vec<Windows>,
        kept_max: usize,
        progress: &mut dyn FnMut(),
    ) -> Result<Self> {
        let vocab = original.weight("output.weight")?.dim(0)?;
        let tokens: usize = pieces.iter().map(|windows| windows.tokens.elem_count()).sum();
        let keeps = tokens * vocab * 4 <= kept_max;
        let mut reference = Self { original, loss: 0.0, pieces: Vec::new() };
        for windows in pieces {
            let last = original.run(0, original.layers() - 1, &windows.tokens, &mut ())?;
            let logits = keeps.then(|| original.head(&last, &mut ())?.flatten(0, 1)).transpose()?;
            reference.pieces.push(Piece { windows, last, logits });
            progress();
        }
        let lasts: Vec<Tensor> = reference.pieces.iter().map(|piece| piece.last.clone()).collect();
        reference.loss = reference.distance(original, original.layers() - 1, &lasts)?.loss;
        Ok(reference)
    }

    /// Bytes that hidden states and logits take while one student runs, roughly.
    pub(crate) fn working_bytes(&self) -> Result<usize> {
        let Some(piece) = self.pieces.first() else { return Ok(1) };
        let vocab = self.original.weight("output.weight")?.dim(0)?;
        // About a dozen at a time in a block, and three in the head.
        Ok(4 * (12 * piece.last.elem_count() + 3 * ROWS * vocab))
    }

    /// Token ids by piece, `[windows, context]`: what enters layer 0.
    pub fn tokens(&self) -> Vec<Tensor> {
        self.pieces.iter().map(|piece| piece.windows.tokens.clone()).collect()
    }

    /// How far a student is that differs from the original in layer `first` or later; `states` is
    /// what enters that layer, by piece.
    ///
    /// # Errors
    /// Those of candle.
    pub fn distance(&self, student: &Decoder, first: usize, states: &[Tensor]) -> Result<Distance> {
        let (mut sum, mut count, mut targets) = (Distance::default(), 0, 0);
        let head = student.layers() - 1;
        for (piece, state) in self.pieces.iter().zip(states) {
            let last = match first < head {
                true => student.run(first, head, state, &mut ())?,
                false => state.clone(),
            };
            let found = self.compare(student, piece, &last)?;
            sum = Distance { kl: sum.kl + found.kl, loss: sum.loss + found.loss };
            count += piece.windows.tokens.elem_count();
            targets += piece.windows.scored.iter().sum::<usize>();
        }
        Ok(Distance { kl: sum.kl / count as f64, loss: sum.loss / targets.max(1) as f64 })
    }

    /// Sums over the positions of a piece.
    fn compare(&self, student: &Decoder, piece: &Piece, last: &Tensor) -> Result<Distance> {
        let (windows, context, _) = last.dims3()?;
        let tokens: Vec<u32> = piece.windows.tokens.flatten_all()?.to_vec1()?;
        let mut sum = Distance::default();
        for first in (0..windows * context).step_by(ROWS) {
            let rows = ROWS.min(windows * context - first);
            let logits = |decoder: &Decoder, last: &Tensor| {
                let some = last.flatten(0, 1)?.narrow(0, first, rows)?.unsqueeze(0)?;
                decoder.head(&some, &mut ())?.flatten(0, 1)
            };
            let ours = logits(student, last)?;
            let theirs = match &piece.logits {
                Some(kept) => kept.narrow(0, first, rows)?,
                None if std::ptr::eq(student, self.original) => ours.clone(),
                None => logits(self.original, &piece.last)?,
            };
            let vocab = ours.dim(1)?;
            let (ours, theirs) = (values(&ours)?, values(&theirs)?);
            let found = (ours.par_chunks(vocab).zip(theirs.par_chunks(vocab)).enumerate())
                .map(|(row, (ours, theirs))| {
                    let at = first + row;
                    // The last position of a window has no next token.
                    let left = context - 1 - at % context;
                    let counts = left > 0 && left <= piece.windows.scored[at / context];
                    let next = counts.then(|| tokens[at + 1] as usize);
                    distance(theirs, ours, next)
                })
                .collect::<Vec<Distance>>();
            // In order, so that the sum is the same every time.
            for Distance { kl, loss } in found {
                sum = Distance { kl: sum.kl + kl, loss: sum.loss + loss };
            }
        }
        Ok(sum)
    }
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// Divergence of one prediction from another, both as logits, and its loss where it is known what
/// came next.
fn distance(original: &[f32], student: &[f32], next: Option<usize>) -> Distance {
    let (p, q) = (log_sum_exp(original), log_sum_exp(student));
    let kl: f64 = (original.iter().zip(student))
        .map(|(&a, &b)| {
            let log_p = f64::from(a) - p;
            f64::from((log_p as f32).exp()) * (log_p - (f64::from(b) - q))
        })
        .sum();
    // Rounding can make it a little less than nothing.
    Distance { kl: kl.max(0.0), loss: next.map_or(0.0, |next| q - f64::from(student[next])) }
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from((logit - most).exp())).sum();
    f64::from(most) + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergence_is_that_of_the_definition() {
        let (p, q) = ([0.5f32, 0.25, 0.25], [0.25f32, 0.5, 0.25]);
        // Logits are known up to a constant.
        let logits = |p: [f32; 3], shift: f32| p.map(|p| p.ln() + shift);
        let found = distance(&logits(p, 3.0), &logits(q, -40.0), Some(1));
        assert!((found.kl - 0.25 * 2f64.ln()).abs() < 1e-6, "{found:?}");
        assert!((found.loss - 2f64.ln()).abs() < 1e-5, "{found:?}");
        assert!(distance(&logits(p, 1.0), &logits(p, 1.0), None).kl < 1e-9);
    }
}
