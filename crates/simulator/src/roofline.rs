//! Service times from rates: what a measurement of stages and links gives.

use edgeplan_problem::Nanos;

use crate::times::{Pass, ServiceTimes};

/// Rates of a stage. A pass takes the longer of a fixed time (reading the weights, starting
/// kernels) and its tokens' time, and on top the time to read the KV caches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageRate {
    /// Time of a pass of few tokens.
    pub pass: Nanos,
    /// Picoseconds of computing per token.
    pub token_ps: u64,
    /// Picoseconds of reading per token in the caches.
    pub context_ps: u64,
}

/// Rates of a message: a fixed time and a time per token, or per answer on the way back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkRate {
    /// Time of an empty message.
    pub message: Nanos,
    /// Picoseconds per token.
    pub token_ps: u64,
}

/// A cost model of one model's line: a roofline per stage (S. Williams, A. Waterman, D. Patterson,
/// "Roofline", CACM 52(4), 2009), a latency and a rate per link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roofline {
    /// By stage.
    pub stages: Vec<StageRate>,
    /// By hop: one more than there are stages.
    pub hops: Vec<LinkRate>,
}

impl ServiceTimes for Roofline {
    fn compute(&self, _model: usize, stage: usize, pass: &Pass) -> Nanos {
        let rate = &self.stages[stage];
        let computing = nanos(rate.token_ps, pass.tokens());
        rate.pass.max(computing) + nanos(rate.context_ps, pass.context_tokens)
    }

    fn transfer(&self, _model: usize, hop: usize, pass: &Pass) -> Nanos {
        let rate = &self.hops[hop];
        let last = hop + 1 == self.hops.len();
        let moved = if last { pass.sequences() } else { pass.tokens() };
        rate.message + nanos(rate.token_ps, moved)
    }
}

fn nanos(picos: u64, count: u64) -> Nanos {
    Nanos(picos.saturating_mul(count).div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_takes_the_longer_of_reading_and_computing() {
        let stages = vec![StageRate { pass: Nanos(100), token_ps: 30_000, context_ps: 500 }];
        let hops = vec![LinkRate { message: Nanos(7), token_ps: 2_000 }; 2];
        let times = Roofline { stages, hops };
        let decode =
            |decoding, context_tokens| Pass { decoding, context_tokens, ..Pass::default() };
        assert_eq!(times.compute(0, 0, &decode(1, 0)), Nanos(100));
        assert_eq!(times.compute(0, 0, &decode(4, 10)), Nanos(125));
        let prompt = Pass { prompt_tokens: 50, joining: 2, ..Pass::default() };
        assert_eq!(times.compute(0, 0, &prompt), Nanos(1_500));
        assert_eq!(times.transfer(0, 0, &prompt), Nanos(107));
        assert_eq!(times.transfer(0, 1, &prompt), Nanos(11));
    }
}
