//! EdgeShard's pipelines of micro-batches.
//!
//! *EdgeShard-Bubbles* waits until all micro-batches have their token before the next pass begins;
//! in *EdgeShard-No-bubbles* a micro-batch goes on as soon as its own last token is back
//! (M. Zhang et al., "EdgeShard", arXiv 2405.14371, section IV, pipeline execution optimization).
//!
//! On a line whose servers all differ, with s the sum and b the largest of its step times, m
//! micro-batches of equal passes take p (s + (m - 1) b) for p passes with bubbles and
//! max(p s + (m - 1) b, s + (m p - 1) b) without.

use edgeplan_problem::Nanos;

use crate::layout::{Layout, Line, Step};
use crate::network::{Keep, Network, Span, Task};
use crate::times::{Pass, ServiceTimes};

/// When a micro-batch may begin its next pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// When all have come back.
    Bubbles,
    /// When it has come back itself.
    NoBubbles,
}

/// What goes through the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MicroBatches {
    /// Micro-batches on their way at once.
    pub count: u32,
    /// Requests in each.
    pub sequences: u32,
    /// Prompt tokens of each request, read in a first pass; 0 if there is none.
    pub prompt: u32,
    /// Tokens that each request generates, one pass each.
    pub generate: u32,
    /// When passes begin.
    pub release: Release,
}

impl MicroBatches {
    fn passes(&self) -> u64 {
        u64::from(self.prompt > 0) + u64::from(self.generate)
    }

    fn pass(&self, number: u64) -> Pass {
        let sequences = u64::from(self.sequences);
        if number == 0 && self.prompt > 0 {
            let prompt_tokens = sequences * u64::from(self.prompt);
            return Pass { prompt_tokens, joining: self.sequences, ..Pass::default() };
        }
        let generated = number - u64::from(self.prompt > 0);
        let context_tokens = sequences * (u64::from(self.prompt) + generated);
        Pass { decoding: self.sequences, context_tokens, number, ..Pass::default() }
    }
}

/// How that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// When the last token of each micro-batch was back.
    pub ends: Vec<Nanos>,
    /// Busy time, by server of the layout.
    pub busy: Vec<Nanos>,
    /// The bars that were to be kept.
    pub spans: Vec<Span>,
}

impl Run {
    /// When everything was over.
    pub fn makespan(&self) -> Nanos {
        self.ends.iter().copied().max().unwrap_or_default()
    }
}

/// Sends micro-batches round the line of one model, all from time zero.
///
/// # Panics
/// When the layout has no such model.
///
/// # Complexity
/// O(micro-batches * passes * steps), each with a logarithm of the servers.
pub fn pipeline(
    layout: &Layout,
    model: usize,
    times: &dyn ServiceTimes,
    batches: &MicroBatches,
    keep: Keep,
) -> Run {
    let network = Network::new(layout.servers.len(), keep);
    let line = &layout.lines[model];
    let count = batches.count as usize;
    let places = vec![Place::default(); count];
    let mut state = State { line, model, times, batches, network, places };
    let mut ends = vec![Nanos::ZERO; count];
    let mut back = 0;
    if batches.passes() > 0 {
        (0..count).for_each(|batch| state.begin(batch));
    }
    while let Some(batch) = state.network.next_job() {
        let place = &mut state.places[batch];
        place.step += 1;
        if place.step < line.steps.len() {
            state.begin(batch);
            continue;
        }
        *place = Place { step: 0, pass: place.pass + 1 };
        ends[batch] = state.network.now();
        let over = place.pass == batches.passes();
        match batches.release {
            Release::NoBubbles if !over => state.begin(batch),
            Release::NoBubbles => {}
            Release::Bubbles => {
                back += 1;
                if back == count && !over {
                    (0..count).for_each(|batch| state.begin(batch));
                }
                back %= count;
            }
        }
    }
    let (busy, spans) = state.network.finish();
    Run { ends, busy, spans }
}

/// Where a micro-batch is.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    pass: u64,
    step: usize,
}

struct State<'a> {
    line: &'a Line,
    model: usize,
    times: &'a dyn ServiceTimes,
    batches: &'a MicroBatches,
    network: Network,
    places: Vec<Place>,
}

impl State<'_> {
    /// Begins the next step of a micro-batch.
    fn begin(&mut self, batch: usize) {
        let Place { pass, step } = self.places[batch];
        let pass = self.batches.pass(pass);
        let (server, time) = match self.line.steps[step] {
            Step::Compute { server, stage } => {
                (server, self.times.compute(self.model, stage, &pass))
            }
            Step::Transfer { server, hop } => (server, self.times.transfer(self.model, hop, &pass)),
        };
        let task = Task { job: batch as u32, prompt: pass.joining > 0, time };
        self.network.submit(server, task);
    }
}
