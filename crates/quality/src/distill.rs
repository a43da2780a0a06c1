//! Distillation (Hinton, Vinyals and Dean 2015, arXiv:1503.02531): the original teaches what its
//! quantized self has in floating point, norms, biases and the routers of experts, to make up for
//! what rounding did; if wanted also the weights before they are rounded, through which gradients
//! go straight (Bengio, Léonard and Courville 2013, arXiv:1308.3432).
//!
//! The loss is the divergence of predictions, plus the squared error of the hidden states of every
//! block relative to the teacher's (Romero et al. 2015, arXiv:1412.6550). The student with the
//! least divergence on held-out text is kept; the undistilled one is the first of them.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Result, Tensor, Var};
use candle_nn::ops::log_softmax;
use candle_nn::optim::{AdamW, Optimizer as _, ParamsAdamW};
use edgeplan_problem::format::Format;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use serde::Serialize;

use crate::decoder::Decoder;
use crate::experts::ROUTER;
use crate::measure::Reference;
use crate::quantize::stored;

/// Positions whose logits are in memory at once.
const ROWS: usize = 32;

const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";

/// How a student is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistillationSettings {
    /// Steps of the optimizer at most.
    pub steps: usize,
    /// Rate of learning at first; it falls to a tenth.
    pub rate: f64,
    /// Share of the hidden states in the loss.
    pub layers: f64,
    /// Whether matrices are trained, too.
    pub matrices: bool,
    /// Steps between two looks at the held-out text.
    pub every: usize,
    /// Looks without a better student after which it ends.
    pub patience: usize,
    /// Seed of the order of pieces.
    pub seed: u64,
}

/// The result of distillation.
#[derive(Debug)]
pub struct Distilled {
    /// New values by name; of matrices before they are rounded. Empty if nothing was better.
    pub values: BTreeMap<String, Tensor>,
    /// Divergence on held-out text before.
    pub before: f64,
    /// And after.
    pub after: f64,
    /// Steps until then.
    pub steps: usize,
}

impl Distilled {
    /// Share of the divergence that distillation took away.
    pub fn recovered(&self) -> f64 {
        if self.before > 0.0 { 1.0 - self.after / self.before } else { 0.0 }
    }
}

/// A distilled file. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct Distillation {
    /// The model.
    pub model: String,
    /// Bytes of all tensors: as many as before.
    pub bytes: u64,
    /// Divergence on held-out text before, in nats per token.
    pub kl_before_nats: f64,
    /// And after.
    pub kl_after_nats: f64,
    /// Share of the divergence that distillation took away.
    pub recovered: f64,
    /// Steps of the optimizer.
    pub steps: usize,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

impl Display for Distillation {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: divergence {:.5} nats per token on held-out text, {:.5} before: {:.1} % recovered \
             in {} steps, at no byte more",
            self.model,
            self.kl_after_nats,
            self.kl_before_nats,
            100.0 * self.recovered,
            self.steps
        )
    }
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
/// a text; `held_out` is the teacher on another one. `progress` is called for every step, with the
/// divergence where it was measured; training ends with the best student so far where it answers
/// false.
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
    settings: &DistillationSettings,
    progress: &mut dyn FnMut(usize, Option<f64>) -> bool,
) -> Result<Distilled> {
    let student = Student::new(held_out.original, formats, settings.matrices)?;
    let parameters = ParamsAdamW { weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(student.vars.values().cloned().collect(), parameters)?;
    let mut rng = Pcg64::seed_from_u64(settings.seed);
    let before = student.divergence(held_out)?;
    let values = BTreeMap::new();
    let mut best = Distilled { values, before, after: before, steps: 0 };
    let mut goes_on = progress(0, Some(before));
    let mut worse = 0;
    for step in 1..=settings.steps {
        if !goes_on {
            break;
        }
        let done = step as f64 / settings.steps as f64;
        adam.set_learning_rate(settings.rate * (1.0 - 0.9 * done));
        let piece = &pieces[rng.random_range(0..pieces.len())];
        adam.step(&student.gradients(piece, settings.layers)?)?;
        if step % settings.every != 0 && step != settings.steps {
            goes_on = progress(step, None);
            continue;
        }
        let divergence = student.divergence(held_out)?;
        goes_on = progress(step, Some(divergence));
        worse += 1;
        if divergence < best.after {
            worse = 0;
            best = Distilled { values: student.values()?, before, after: divergence, steps: step };
        }
        if worse >= settings.patience {
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
        // A tied matrix has two uses, and one place in the file if both have one format.
        let one = teacher.tied && formats.get(HEAD) == formats.get(EMBEDDING);
        for (name, weight) in &teacher.weights {
            let format = formats.get(name);
            let shared = teacher.tied && [EMBEDDING, HEAD].contains(&&name[..]);
            let floats = weight.rank() == 1 || name.ends_with(ROUTER);
            if floats || matrices && format.is_some() && !shared {
                // A copy: a variable would change in place what the teacher has.
                vars.insert(name.clone(), Var::from_tensor(&weight.copy()?)?);
            }
            if let Some(&format) = format.filter(|_| !(one && name == HEAD)) {
                decoder.weights.insert(name.clone(), stored(weight, format)?);
            }
        }
        if one {
            let embedding = decoder.weight(EMBEDDING)?.clone();
            decoder.weights.insert(HEAD.into(), embedding);
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

    /// Gradients of the loss on a piece. From the last layer to the first, each run again from what
    /// entered it, so that there is never more than the graph of one (Chen et al. 2016,
    /// arXiv:1604.06174).
    fn gradients(&self, tokens: &Tensor, share: f64) -> Result<GradStore> {
        let student = self.now()?;
        let plain = student.without_gradients();
        let head = student.layers() - 1;
        let (mut ours, mut theirs) = (vec![tokens.clone()], vec![tokens.clone()]);
        for layer in 0..head {
            ours.push(plain.run(layer, layer + 1, &ours[layer], &mut ())?);
            theirs.push(self.teacher.run(layer, layer + 1, &theirs[layer], &mut ())?);
        }
        let mut sums = BTreeMap::new();
        let mut above = self.of_predictions(&student, &ours[head], &theirs[head], &mut sums)?;
        for layer in (0..head).rev() {
            // Token ids have no gradient.
            let input = match layer {
                0 => tokens.clone(),
                _ => Var::from_tensor(&ours[layer])?.into_inner(),
            };
            let output = student.run(layer, layer + 1, &input, &mut ())?;
            let scale = theirs[layer + 1].sqr()?.mean_all()?.to_scalar::<f32>()?;
            let share = share / head as f64 / f64::from(scale.max(1e-12));
            let apart = ((&output - &theirs[layer + 1])?.sqr()?.mean_all()? * share)?;
            let found = ((&output * above)?.sum_all()? + apart)?.backward()?;
            self.add(&found, &mut sums)?;
            above = found.get(&input).cloned().unwrap_or(output);
        }
        let mut all = Tensor::zeros((), DType::F32, tokens.device())?.backward()?;
        for (name, sum) in sums {
            all.insert(&self.vars[&name], sum);
        }
        Ok(all)
    }

    /// Adds gradients of the divergence of predictions, made from the hidden states of both; that
    /// by the student's. Some rows at a time, because a vocabulary is large.
    fn of_predictions(
        &self,
        student: &Decoder,
        ours: &Tensor,
        theirs: &Tensor,
        sums: &mut BTreeMap<String, Tensor>,
    ) -> Result<Tensor> {
        let (ours, theirs, shape) = (ours.flatten(0, 1)?, theirs.flatten(0, 1)?, ours.shape());
        let count = ours.dim(0)?;
        let mut by_input = Vec::new();
        for first in (0..count).step_by(ROWS) {
            let some = |all: &Tensor| all.narrow(0, first, ROWS.min(count - first))?.unsqueeze(0);
            let input = Var::from_tensor(&some(&ours)?)?.into_inner();
            let found = log_softmax(&student.head(&input, &mut ())?, D::Minus1)?;
            let known = log_softmax(&self.teacher.head(&some(&theirs)?, &mut ())?, D::Minus1)?;
            let divergence = (known.exp()? * (known - found)?)?.sum_all()?;
            let found = (divergence / count as f64)?.backward()?;
            self.add(&found, sums)?;
            let gradient = found.get(&input).cloned();
            by_input.push(gradient.map_or_else(|| input.zeros_like(), Ok)?.squeeze(0)?);
        }
        Tensor::cat(&by_input, 0)?.reshape(shape)
    }

    /// Adds what was found for variables.
    fn add(&self, found: &GradStore, sums: &mut BTreeMap<String, Tensor>) -> Result<()> {
        for (name, var) in &self.vars {
            let Some(gradient) = found.get(var) else { continue };
            let sum = match sums.get(name) {
                Some(sum) => (sum + gradient)?,
                None => gradient.clone(),
            };
            sums.insert(name.clone(), sum);
        }
        Ok(())
    }

    fn divergence(&self, held_out: &Reference<'_>) -> Result<f64> {
        let decoder = self.now()?.without_gradients();
        Ok(held_out.distance(&decoder, 0, &held_out.tokens())?.kl)
    }

    fn values(&self) -> Result<BTreeMap<String, Tensor>> {
        let values = self.vars.iter();
        values.map(|(name, var)| Ok((name.clone(), var.as_detached_tensor().copy()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candle_core::Device;

    use super::*;
    use crate::checkpoint::Checkpoint;

    const TEACHER: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench-data/teacher/teacher.gguf");

    /// The loss of the module's first lines, with the graph of the whole model.
    fn loss(student: &Student<'_>, tokens: &Tensor, share: f64) -> Tensor {
        let decoder = student.now().unwrap();
        let head = decoder.layers() - 1;
        let (mut ours, mut theirs) = (tokens.clone(), tokens.clone());
        let mut sum = Tensor::zeros((), DType::F32, &Device::Cpu).unwrap();
        for layer in 0..head {
            ours = decoder.run(layer, layer + 1, &ours, &mut ()).unwrap();
            theirs = student.teacher.run(layer, layer + 1, &theirs, &mut ()).unwrap();
            let mean = |t: Tensor| t.sqr().unwrap().mean_all().unwrap();
            let apart = mean((&ours - &theirs).unwrap()).div(&mean(theirs.clone())).unwrap();
            sum = (sum + apart * (share / head as f64)).unwrap();
        }
        let logs = |decoder: &Decoder, last: &Tensor| {
            log_softmax(&decoder.head(last, &mut ()).unwrap(), D::Minus1).unwrap()
        };
        let (found, known) = (logs(&decoder, &ours), logs(student.teacher, &theirs));
        let each = (known.exp().unwrap() * (known - found).unwrap()).unwrap();
        (sum + each.sum(D::Minus1).unwrap().mean_all().unwrap()).unwrap()
    }

    #[test]
    fn gradients_by_layers_are_those_of_the_whole() {
        let teacher = Checkpoint::open(Path::new(TEACHER)).unwrap().decoder(128).unwrap();
        let matrices = teacher.weights.iter().filter(|(_, weight)| weight.rank() == 2);
        let formats = matrices.map(|(name, _)| (name.clone(), Format::Q2K)).collect();
        let student = Student::new(&teacher, &formats, true).unwrap();
        let bytes = b"And the evening and the morning were the first day.".repeat(4);
        let tokens: Vec<u32> = bytes[..200].iter().map(|&byte| byte.into()).collect();
        let tokens = Tensor::from_vec(tokens, (2, 100), &Device::Cpu).unwrap();
        // A large share, so that both parts count.
        let share = 3.0;
        let whole = loss(&student, &tokens, share).backward().unwrap();
        let found = student.gradients(&tokens, share).unwrap();
        for (name, var) in &student.vars {
            let flat = |store: &GradStore| {
                let gradient = store.get(var).unwrap().flatten_all().unwrap();
                gradient.to_vec1::<f32>().unwrap()
            };
            let (found, expected) = (flat(&found), flat(&whole));
            let norm = |values: &[f32]| values.iter().map(|x| x * x).sum::<f32>().sqrt();
            let off: Vec<f32> = found.iter().zip(&expected).map(|(a, b)| a - b).collect();
            assert!(norm(&off) < 1e-3 * norm(&expected), "{name}: {}", norm(&expected));
        }
    }
}
