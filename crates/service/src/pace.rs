//! How fast passes go round a line when several lanes share its servers.

use edgeplan_problem::Nanos;
use edgeplan_simulator::{Layout, Pass, ServiceTimes, Step};

/// A model's line and its lanes.
#[derive(Debug, Clone, Copy)]
pub struct Pace<'a> {
    /// Devices, links and lines.
    pub layout: &'a Layout,
    /// How long everything takes.
    pub times: &'a dyn ServiceTimes,
    /// Which line.
    pub model: usize,
    /// Batches that go round at once.
    pub lanes: u64,
}

impl Pace<'_> {
    /// Server and time of each step of a pass.
    fn steps(&self, pass: &Pass) -> impl Iterator<Item = (usize, Nanos)> {
        let steps = self.layout.lines[self.model].steps.iter();
        steps.map(move |step| match *step {
            Step::Compute { server, stage } => {
                (server, self.times.compute(self.model, stage, pass))
            }
            Step::Transfer { server, hop } => (server, self.times.transfer(self.model, hop, pass)),
        })
    }

    /// Time of a pass that is alone.
    pub fn line(&self, pass: &Pass) -> Nanos {
        self.steps(pass).map(|(_, time)| time).sum()
    }

    /// Time that a pass keeps its busiest server.
    pub fn busiest(&self, pass: &Pass) -> Nanos {
        let mut busy = vec![Nanos::ZERO; self.layout.servers.len()];
        self.steps(pass).for_each(|(server, time)| busy[server] += time);
        busy.into_iter().max().unwrap_or_default()
    }

    /// Time of a pass among such passes on all lanes: its own, or until its turn at the busiest
    /// server comes again.
    pub fn round(&self, pass: &Pass) -> Nanos {
        self.line(pass).max(self.busiest(pass) * self.lanes)
    }

    /// A pass in which so many requests generate a token.
    pub fn decoding(&self, requests: u32) -> Nanos {
        self.round(&Pass { decoding: requests, number: 1, ..Pass::default() })
    }

    /// A pass that reads prompts of so many tokens in all.
    pub fn reading(&self, requests: u32, tokens: u64) -> Nanos {
        let pass = Pass { prompt_tokens: tokens, joining: requests, ..Pass::default() };
        self.round(&pass)
    }
}
