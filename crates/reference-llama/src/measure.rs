//! What a model really takes on this machine: time by layer and by token, and memory.

use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::{D, Device};
use edgeplan_measure::machine::resident_bytes;
use edgeplan_measure::sample::{Sample, quick};
use edgeplan_pricing::{MeasuredPasses, PhaseTimes, Runs};
use edgeplan_problem::{Bytes, Nanos};

use crate::error::LlamaError;
use crate::model::Model;
use crate::observe::Stopwatch;
use crate::session::{Positions, Session};
use crate::worker::on_worker;

/// Tokens that are generated before anything counts: kernels pack weights when they first run.
const WARM_UP: usize = 2;

/// Loads a model and runs it; `progress` is called for every pass. The answer is the model's own:
/// always its likeliest token.
///
/// # Errors
/// Those of loading and running.
///
/// # Panics
/// Without a prompt or repeats.
pub fn measure(
    path: &Path,
    device: &Device,
    runs: Runs,
    progress: &mut (dyn FnMut() + Send),
) -> Result<MeasuredPasses, LlamaError> {
    assert!(runs.prompt > 0 && runs.repeats > 0, "{runs:?}");
    on_worker(|| measure_here(path, device, runs, progress))
}

fn measure_here(
    path: &Path,
    device: &Device,
    runs: Runs,
    progress: &mut dyn FnMut(),
) -> Result<MeasuredPasses, LlamaError> {
    let before = resident_bytes();
    let model = Model::load(path, device)?;
    let mut session = model.session(runs.prompt + runs.generate.max(WARM_UP))?;
    let vocab = model.vocab() as u32;
    // Spread over the vocabulary, so that no rows of the embedding are favoured.
    let prompt: Vec<u32> =
        (0..runs.prompt as u32).map(|n| n.wrapping_mul(2_654_435_761) % vocab).collect();
    repeat(&mut session, &prompt, WARM_UP, &mut || {})?;
    let (mut prompts, mut tokens) = (Vec::new(), Vec::new());
    for _ in 0..runs.repeats {
        let (first, others) = repeat(&mut session, &prompt, runs.generate, progress)?;
        prompts.push(first);
        tokens.extend(others);
    }
    let resident = before.zip(resident_bytes()).map(|(a, b)| Bytes(b.saturating_sub(a)));
    let layers = (0..model.layers()).map(|layer| {
        let at = |pass: &Pass| pass.layers[layer];
        let prompt = sample(&prompts, at).unwrap_or(NEVER).median;
        PhaseTimes { prompt, token: sample(&tokens, at).map(|sample| sample.median) }
    });
    let whole = |pass: &Pass| pass.whole;
    let prompt = sample(&prompts, whole).unwrap_or(NEVER);
    let passes = PhaseTimes { prompt, token: sample(&tokens, whole) };
    let quickest = |passes: &[Pass]| {
        let times = |layer| passes.iter().map(|pass| pass.layers[layer]).collect::<Vec<_>>();
        (0..model.layers()).map(|layer| quick(&times(layer))).sum::<Option<Nanos>>()
    };
    let prompt = quickest(&prompts).unwrap_or(NEVER.median);
    let quick = PhaseTimes { prompt, token: quickest(&tokens) };
    Ok(MeasuredPasses { layers: layers.collect(), passes, quick, resident })
}

/// Unreachable: there is one repeat or more.
const NEVER: Sample = Sample { median: Nanos::ZERO, mad: Nanos::ZERO, repeats: 0 };

fn sample(passes: &[Pass], time: impl Fn(&Pass) -> Nanos) -> Option<Sample> {
    Sample::of(&passes.iter().map(time).collect::<Vec<_>>())
}

/// The time of one pass.
struct Pass {
    whole: Nanos,
    layers: Vec<Nanos>,
}

/// A prompt, then tokens.
fn repeat(
    session: &mut Session<'_>,
    prompt: &[u32],
    generate: usize,
    progress: &mut dyn FnMut(),
) -> Result<(Pass, Vec<Pass>), LlamaError> {
    session.clear();
    let mut timed = |tokens: &[u32]| -> Result<_, LlamaError> {
        let mut watch = Stopwatch::default();
        let begin = Instant::now();
        let logits = session.run(tokens, Positions::Last, &mut watch)?;
        logits.device().synchronize()?;
        let whole = begin.elapsed();
        progress();
        let nanos = |time: Duration| Nanos(time.as_nanos() as u64);
        let layers = watch.times.into_iter().map(nanos).collect();
        let pass = Pass { whole: nanos(whole), layers };
        // Choosing a token is the sampler's work, not the model's.
        Ok((pass, logits.argmax(D::Minus1)?.to_vec1::<u32>()?[0]))
    };
    let (first, mut next) = timed(prompt)?;
    let mut others = Vec::new();
    for _ in 0..generate {
        let (pass, chosen) = timed(&[next])?;
        others.push(pass);
        next = chosen;
    }
    Ok((first, others))
}
