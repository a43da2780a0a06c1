//! Distillation (Hinton, Vinyals and Dean 2015, arXiv:1503.02531): the original teaches what its
//! quantized self has in floating point, norms and biases, to make up for what rounding did; if
//! wanted also the weights before they are rounded, through which gradients go straight (Bengio,
//! Léonard and Courville 2013, arXiv:1308.3432).
//!
//! The loss is the divergence of predictions, plus the squared error of the hidden states of every
//! block relative to the teacher's (Romero et al. 2015, arXiv:1412.6550). The student with the
//! least divergence on held-out text is kept; the undistilled one is the first of them.

use std::collections::BTreeMap;

use candle_core::{D, Result, Tensor, Var};
use candle_nn::ops::{log_softmax, softmax};
use candle_nn::optim::{AdamW, Optimizer as _, ParamsAdamW};
use edgeplan_formats::Format;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

use crate::decoder::Decoder;
use crate::measure::Reference;
use crate::quantize::stored;

/// How a student is taught.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lessons {
    /// Steps of the optimizer at most.
    pub steps: usize,
    /// Rate of learning at first; it falls to a tenth.
    pub rate: f64,
    /// Share of the hidden states in the loss.
    pub layers: f64,
    /// Whether matrices are taught, too.
    pub matrices: bool,
    /// Steps between two looks at the held-out text.
    pub every: usize,
    /// Looks without a better student after which it ends.
    pub patience: usize,
    /// Seed of the order of pieces.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Taught {
    /// New values by name; of matrices before they are rounded. Empty if nothing was better.
    pub values: BTreeMap<String, Tensor>,
    /// Divergence on held-out text before.
    pub before: f64,
    /// And after.
    pub after: f64,
    /// Steps until then.
    pub steps: usize,
}

/// A student in the making.
struct Student<'a> {
    teacher: &'a Decoder,
    formats: &'a BTreeMap<String, Format>,
    /// With its matrices in their formats.
    decoder: Decoder,
    vars: BTreeMap<String, Var>,
}

/// Teaches a student whose matrices are stored in these formats, on pieces `[windows, context]` of
/// a text; `held_out` is the teacher on another one. `progress` hears of every look: steps and
/// divergence.
///
/// # Errors
/// Those of candle.
///
/// # Panics
/// Without pieces.
pub fn distill(
    held_out: &Reference<'_>,
    formats: &BTreeMap<String, Format>,
    pieces: &[Tensor],
    lessons: &Lessons,
    progress: &mut dyn FnMut(usize, f64),
) -> Result<Taught> {
    let student = Student::new(held_out.original, formats, lessons.matrices)?;
    let parameters = ParamsAdamW { weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(student.vars.values().cloned().collect(), parameters)?;
    let mut rng = Pcg64::seed_from_u64(lessons.seed);
    let before = student.divergence(held_out)?;
    let values = BTreeMap::new();
    let mut best = Taught { values, before, after: before, steps: 0 };
    progress(0, before);
    let mut worse = 0;
    for step in 1..=lessons.steps {
        let done = step as f64 / lessons.steps as f64;
        adam.set_learning_rate(lessons.rate * (1.0 - 0.9 * done));
        let piece = &pieces[rng.random_range(0..pieces.len())];
        adam.backward_step(&student.loss(piece, lessons.layers)?)?;
        if step % lessons.every != 0 && step != lessons.steps {
            continue;
        }
        let divergence = student.divergence(held_out)?;
        progress(step, divergence);
        worse += 1;
        if divergence < best.after {
            worse = 0;
            best = Taught { values: student.values()?, before, after: divergence, steps: step };
        }
        if worse >= lessons.patience {
            break;
        }
    }
    Ok(best)
}

impl<'a> Student<'a> {
    fn new(
        teacher: &'a Decoder,
        formats: &'a BTreeMap<String, Format>,
        matrices: bool,
    ) -> Result<Self> {
        let mut decoder = teacher.clone();
        let mut vars = BTreeMap::new();
        for (name, weight) in &teacher.weights {
            let format = formats.get(name);
            // A tied matrix has two uses but may have one place in the file.
            let shared =
                teacher.tied && ["token_embd.weight", "output.weight"].contains(&&name[..]);
            if weight.rank() == 1 || matrices && format.is_some() && !shared {
                // A copy: a variable would change in place what the teacher has.
                vars.insert(name.clone(), Var::from_tensor(&weight.copy()?)?);
            }
            if let Some(&format) = format {
                decoder.weights.insert(name.clone(), stored(weight, format)?);
            }
        }
        decoder.trains = true;
        Ok(Self { teacher, formats, decoder, vars })
    }

    /// The student as it stands; matrices are rounded, but gradients go straight through.
    fn now(&self) -> Result<Decoder> {
        let mut decoder = self.decoder.clone();
        for (name, var) in &self.vars {
            let value = match self.formats.get(name) {
                None => var.as_tensor().clone(),
                Some(&format) => {
                    let plain = var.as_detached_tensor();
                    (var.as_tensor() + (stored(&plain, format)? - &plain)?)?
                }
            };
            decoder.weights.insert(name.clone(), value);
        }
        Ok(decoder)
    }

    /// Divergence of predictions, and the error of hidden states.
    fn loss(&self, tokens: &Tensor, layers: f64) -> Result<Tensor> {
        let student = self.now()?;
        let (mut ours, mut theirs) = (tokens.clone(), tokens.clone());
        let mut apart: Option<Tensor> = None;
        let head = student.layers() - 1;
        for layer in 0..head {
            ours = student.run(layer, layer + 1, &ours, &mut ())?;
            theirs = self.teacher.run(layer, layer + 1, &theirs, &mut ())?;
            let scale = theirs.sqr()?.mean_all()?.to_scalar::<f32>()?;
            let error = ((&ours - &theirs)?.sqr()?.mean_all()? / f64::from(scale.max(1e-12)))?;
            apart = Some(apart.map_or(Ok(error.clone()), |apart| apart + &error)?);
        }
        let ours = log_softmax(&student.head(&ours, &mut ())?, D::Minus1)?;
        let theirs = self.teacher.head(&theirs, &mut ())?;
        let expected = softmax(&theirs, D::Minus1)?;
        let known = log_softmax(&theirs, D::Minus1)?;
        let divergence = (expected * (known - ours)?)?.sum(D::Minus1)?.mean_all()?;
        match apart {
            Some(apart) => divergence + (apart * (layers / head as f64))?,
            None => Ok(divergence),
        }
    }

    fn divergence(&self, held_out: &Reference<'_>) -> Result<f64> {
        let mut decoder = self.now()?;
        // As it is, without a way back for gradients.
        decoder.weights.values_mut().for_each(|weight| *weight = weight.detach());
        decoder.trains = false;
        Ok(held_out.distance(&decoder, 0, &held_out.tokens())?.kl)
    }

    fn values(&self) -> Result<BTreeMap<String, Tensor>> {
        let values = self.vars.iter();
        values.map(|(name, var)| Ok((name.clone(), var.as_detached_tensor().copy()?))).collect()
    }
}
