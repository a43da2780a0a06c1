//! What a model really takes on this machine: time by layer and by token, and memory.

use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::{D, Device};
use edgeplan_problem::{Bytes, Nanos};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use crate::error::EngineError;
use crate::model::Model;
use crate::observe::Stopwatch;
use crate::session::{Positions, Session};

/// Tokens that are generated before anything counts: kernels pack weights when they first run.
const WARM_UP: usize = 2;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runs {
    /// Tokens of the prompt, 1 or more.
    pub prompt: usize,
    /// Tokens generated one by one after it.
    pub generate: usize,
    /// How often, 1 or more; not counting a warm-up.
    pub repeats: usize,
}

impl Runs {
    /// Passes in all.
    pub fn passes(&self) -> usize {
        self.repeats * (1 + self.generate)
    }
}

/// Medians over the repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// By layer as a plan counts them: embedding, blocks, head.
    pub layers: Vec<Times<Nanos>>,
    /// Of whole passes.
    pub passes: Times<Spread>,
    /// What this process grew by when the model was loaded and had run.
    pub resident: Bytes,
}

/// Of a prompt, and of one token after it; none if none was generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times<T> {
    /// Of the whole prompt.
    pub prompt: T,
    /// On average over the generated tokens.
    pub token: Option<T>,
}

/// A median and how far the others are from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// The one in the middle.
    pub median: Nanos,
    /// Median of the distances from it.
    pub deviation: Nanos,
}

impl Spread {
    /// Of one time or more.
    fn of(times: &[Nanos]) -> Self {
        let median = median(times.to_vec());
        let away = times.iter().map(|time| Nanos(time.0.abs_diff(median.0)));
        Self { median, deviation: median_of(away) }
    }
}

fn median_of(times: impl Iterator<Item = Nanos>) -> Nanos {
    median(times.collect())
}

fn median(mut times: Vec<Nanos>) -> Nanos {
    times.sort();
    let (low, high) = (times[(times.len() - 1) / 2], times[times.len() / 2]);
    Nanos(low.0.midpoint(high.0))
}

/// Loads a model and runs it; `progress` hears of every pass. The answer is the model's own: always
/// its likeliest token.
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
    progress: &mut dyn FnMut(),
) -> Result<Measured, EngineError> {
    assert!(runs.prompt > 0 && runs.repeats > 0, "{runs:?}");
    let before = resident();
    let model = Model::load(path, device)?;
    let mut session = model.session(runs.prompt + runs.generate.max(WARM_UP))?;
    let vocab = model.vocab() as u32;
    // Spread over the vocabulary, so that no rows of the embedding are favoured.
    let prompt: Vec<u32> =
        (0..runs.prompt as u32).map(|n| n.wrapping_mul(2_654_435_761) % vocab).collect();
    repeat(&mut session, &prompt, WARM_UP, &mut || {})?;
    let mut repeats = Vec::new();
    for _ in 0..runs.repeats {
        repeats.push(repeat(&mut session, &prompt, runs.generate, progress)?);
    }
    let grown = resident().saturating_sub(before);
    let layer = |layer: usize| {
        let prompt = median_of(repeats.iter().map(|repeat| repeat.prompt.layers[layer]));
        let tokens: Vec<Nanos> = repeats
            .iter()
            .filter_map(|repeat| Some(repeat.token.as_ref()?.layers[layer]))
            .collect();
        Times { prompt, token: (!tokens.is_empty()).then(|| median(tokens)) }
    };
    let prompts: Vec<Nanos> = repeats.iter().map(|repeat| repeat.prompt.whole).collect();
    let tokens: Vec<Nanos> =
        repeats.iter().filter_map(|repeat| Some(repeat.token.as_ref()?.whole)).collect();
    let token = (!tokens.is_empty()).then(|| Spread::of(&tokens));
    Ok(Measured {
        layers: (0..model.layers()).map(layer).collect(),
        passes: Times { prompt: Spread::of(&prompts), token },
        resident: grown,
    })
}

/// The time of one pass, or the mean of several.
struct Pass {
    whole: Nanos,
    layers: Vec<Nanos>,
}

impl Pass {
    /// The mean over that many passes.
    fn mean(whole: Duration, layers: Stopwatch, passes: u32) -> Self {
        let nanos = |time: Duration| Nanos((time / passes).as_nanos() as u64);
        Self { whole: nanos(whole), layers: layers.times.into_iter().map(nanos).collect() }
    }
}

/// A prompt, then tokens.
fn repeat(
    session: &mut Session<'_>,
    prompt: &[u32],
    generate: usize,
    progress: &mut dyn FnMut(),
) -> Result<Times<Pass>, EngineError> {
    session.clear();
    let mut timed = |tokens: &[u32], watch: &mut Stopwatch| -> Result<_, EngineError> {
        let begin = Instant::now();
        let logits = session.run(tokens, Positions::Last, watch)?;
        logits.device().synchronize()?;
        let time = begin.elapsed();
        progress();
        // Choosing a token is the sampler's work, not the model's.
        Ok((time, logits.argmax(D::Minus1)?.to_vec1::<u32>()?[0]))
    };
    let mut watch = Stopwatch::default();
    let (time, mut next) = timed(prompt, &mut watch)?;
    let prompt = Pass::mean(time, watch, 1);
    let (mut watch, mut whole) = (Stopwatch::default(), Duration::ZERO);
    for _ in 0..generate {
        let (time, chosen) = timed(&[next], &mut watch)?;
        (whole, next) = (whole + time, chosen);
    }
    let token = (generate > 0).then(|| Pass::mean(whole, watch, generate as u32));
    Ok(Times { prompt, token })
}

/// Bytes of memory that this process has in use; zero where the system does not say.
fn resident() -> Bytes {
    let Ok(own) = sysinfo::get_current_pid() else { return Bytes::ZERO };
    let mut system = System::new();
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, memory);
    system.process(own).map_or(Bytes::ZERO, |process| Bytes(process.memory()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let nanos = |times: &[u64]| times.iter().map(|&time| Nanos(time)).collect::<Vec<_>>();
        assert_eq!(median(nanos(&[3, 1, 2])), Nanos(2));
        assert_eq!(median(nanos(&[1, 9, 2, 4])), Nanos(3));
        let spread = Spread::of(&nanos(&[10, 1000, 11, 9, 10]));
        assert_eq!(spread, Spread { median: Nanos(10), deviation: Nanos(1) });
    }

    #[test]
    fn a_process_has_memory() {
        let before = resident();
        let much = std::hint::black_box(vec![1u8; 64 << 20]);
        let after = resident();
        assert!(before > Bytes::ZERO && after.0 - before.0 > 60 << 20, "{before} {after}");
        drop(much);
    }
}
