//! Service times from what `evaluate()` charges for one request of the workload.
//!
//! A request has a first pass, which reads the prompt, and one pass per generated token. Its time
//! on a device is known as a whole, and, where the same plan was also priced for the prompt alone,
//! as the first pass and the others. A pass of more or fewer tokens follows the roofline: it takes
//! the longer of reading the weights (a pass of one token, the mean of the generating ones) and of
//! its tokens' share of the first pass. A message takes a fixed time and a time per token, so that
//! the prompt's and the one-token message come out as priced.
//!
//! Left out: that the KV cache, read on average half-full in the priced times, grows.

use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::{Deployment, Plan};

use crate::layout::{Layout, Refused};
use crate::request::Size;
use crate::times::{Pass, ServiceTimes};

/// The deployment's own times, split over passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    lines: Vec<LineShares>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LineShares {
    stages: Vec<Share>,
    hops: Vec<Share>,
}

/// A time of one request: the first pass and all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    /// Nanoseconds of the first pass, with all of the prompt.
    first: u64,
    /// Tokens, or answers, that move in the first pass.
    units: u64,
    /// Nanoseconds of a later pass, rounded down.
    later: u64,
    /// Nanoseconds that this leaves over all later passes.
    remainder: u64,
    /// Later passes.
    passes: u64,
}

impl Shares {
    /// Splits the times of a layout whose deployment was priced for requests of `size`: every pass
    /// of a request computes for the same time, hidden states and tokens move in proportion to
    /// their number, and each pass returns one answer.
    pub fn even(layout: &Layout, size: Size) -> Self {
        let (passes, context) = (size.passes(), size.context());
        let lines = layout.lines.iter().map(|line| {
            let last = line.hops.len() - 1;
            let hop = |(index, time): (usize, Nanos)| match index == last {
                true => Share::new(time.0, time.0 / passes, 1, size),
                false => {
                    let first = proportion(time.0, u64::from(size.prompt), context.max(1));
                    Share::new(time.0, first, u64::from(size.prompt), size)
                }
            };
            let stage =
                |time: &Nanos| Share::new(time.0, time.0 / passes, u64::from(size.prompt), size);
            LineShares {
                stages: line.compute.iter().map(stage).collect(),
                hops: line.hops.iter().map(|hop| hop.time).enumerate().map(hop).collect(),
            }
        });
        Self { lines: lines.collect() }
    }

    /// Splits them where `prompt` is the same deployment priced for the prompt alone.
    ///
    /// # Errors
    /// When the plan is not feasible for both.
    pub fn priced(
        layout: &Layout,
        size: Size,
        prompt: &Deployment,
        plan: &Plan,
    ) -> Result<Self, Refused> {
        let alone = Layout::new(prompt, plan)?;
        let units = u64::from(size.prompt);
        let lines = layout.lines.iter().zip(&alone.lines).map(|(line, first)| {
            let last = line.hops.len() - 1;
            let stages = line.compute.iter().zip(&first.compute);
            let hops = line.hops.iter().zip(&first.hops).enumerate();
            LineShares {
                stages: stages
                    .map(|(all, first)| Share::new(all.0, first.0, units, size))
                    .collect(),
                hops: hops
                    .map(|(index, (all, first))| {
                        let units = if index == last { 1 } else { units };
                        Share::new(all.time.0, first.time.0, units, size)
                    })
                    .collect(),
            }
        });
        Ok(Self { lines: lines.collect() })
    }
}

impl ServiceTimes for Shares {
    fn compute(&self, model: usize, stage: usize, pass: &Pass) -> Nanos {
        Nanos(self.lines[model].stages[stage].roofline(pass))
    }

    fn transfer(&self, model: usize, hop: usize, pass: &Pass) -> Nanos {
        let line = &self.lines[model];
        let share = &line.hops[hop];
        let last = hop + 1 == line.hops.len();
        Nanos(share.message(pass, if last { pass.sequences() } else { pass.tokens() }))
    }
}

impl Share {
    /// Without later passes, one that comes nevertheless is like the first.
    fn new(all: u64, first: u64, units: u64, size: Size) -> Self {
        let (units, passes) = (units.max(1), u64::from(size.generate));
        if passes == 0 {
            return Self { first: all, units, later: all, remainder: 0, passes: 1 };
        }
        let first = first.min(all);
        let rest = all - first;
        Self { first, units, later: rest / passes, remainder: rest % passes, passes }
    }

    /// Time of the `number`-th pass; over `passes` of them in a row no nanosecond is lost.
    fn later(&self, number: u64) -> u64 {
        if self.remainder == 0 {
            return self.later;
        }
        let turn = number % self.passes;
        let before = turn * self.remainder / self.passes;
        let extra = (turn + 1) * self.remainder / self.passes - before;
        self.later + extra
    }

    fn roofline(&self, pass: &Pass) -> u64 {
        let reading = match pass.decoding {
            0 => self.first.min(self.later),
            _ => self.later(pass.number),
        };
        // A share is never above a pass of one token, which alone would then take longer.
        let token = (self.first / self.units).min(self.later);
        let prompts = match pass.prompt_tokens {
            0 => 0,
            tokens => proportion(self.first, tokens, self.units),
        };
        reading.max(prompts.saturating_add(token.saturating_mul(u64::from(pass.decoding))))
    }

    fn message(&self, pass: &Pass, moved: u64) -> u64 {
        if pass.joining == 0 && moved == 1 {
            return self.later(pass.number);
        }
        if self.units == 1 {
            let joining = if pass.sequences() == moved { u64::from(pass.joining) } else { moved };
            let decoding = moved - joining;
            let first = self.first.saturating_mul(joining);
            return first.saturating_add(self.later.saturating_mul(decoding));
        }
        match self.first.checked_sub(self.later) {
            Some(more) => {
                let more = proportion(more, moved.saturating_sub(1), self.units - 1);
                self.later.saturating_add(more)
            }
            None => proportion(self.first, moved, self.units),
        }
    }
}

/// `amount * part / whole`, rounded down.
fn proportion(amount: u64, part: u64, whole: u64) -> u64 {
    match amount.checked_mul(part) {
        Some(product) => product / whole,
        None => {
            let exact = u128::from(amount) * u128::from(part) / u128::from(whole);
            u64::try_from(exact).unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Pass =
        Pass { prompt_tokens: 10, joining: 1, decoding: 0, context_tokens: 0, number: 0 };

    fn later(number: u64, decoding: u32) -> Pass {
        Pass { decoding, number, ..Pass::default() }
    }

    #[test]
    fn a_whole_request_takes_the_whole_time() {
        for all in [0, 1, 7, 99, 1_000_003] {
            for first in [0, 1, 5, 1_000] {
                for units in [1, 10] {
                    let size = Size { prompt: 10, generate: 7 };
                    let share = Share::new(all, first, units, size);
                    let compute = (1..=7).map(|k| share.roofline(&later(k, 1))).sum::<u64>();
                    let messages = (1..=7).map(|k| share.message(&later(k, 1), 1)).sum::<u64>();
                    let prompt = Share { units: 10, ..share }.roofline(&FIRST);
                    assert_eq!(prompt + compute, all);
                    assert_eq!(share.message(&FIRST, units) + messages, all, "{share:?}");
                }
            }
        }
    }

    #[test]
    fn batches_read_the_weights_once_until_they_compute_longer() {
        // 10 prompt tokens in 20 ns, 7 passes of 8 ns: a token computes for 2 ns.
        let share = Share::new(20 + 7 * 8, 20, 10, Size { prompt: 10, generate: 7 });
        assert_eq!([1, 2, 4, 5, 8].map(|n| share.roofline(&later(1, n))), [8, 8, 8, 10, 16]);
        // A short prompt still reads the weights; others compute beside a prompt.
        assert_eq!(share.roofline(&Pass { prompt_tokens: 1, ..FIRST }), 8);
        assert_eq!(share.roofline(&Pass { decoding: 3, ..FIRST }), 26);
        // Messages: 8 ns for one token, 20 ns for ten.
        assert_eq!(share.message(&later(1, 4), 4), 8 + 4);
    }
}
