//! Whether an instance makes sense, once, at the door.

use std::collections::HashSet;

use super::{Batching, MILLION, Node, Request};

/// Why an instance makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// Sums stay below this, so that no evaluation can saturate and pass for feasible.
const SUM_MAX: u128 = 1 << 62;

/// Tokens of one prompt or answer.
const TOKENS_MAX: u32 = 10_000_000;

impl Batching {
    /// Checks sizes, names and magnitudes; everything else relies on it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place and what is allowed.
    pub fn checked(self) -> Result<Self, Invalid> {
        let invalid = |text: String| Err(Invalid(text));
        if self.nodes.is_empty() || self.nodes.len() > usize::from(u16::MAX) {
            return invalid(format!("{} nodes; 1 to 65535 are allowed", self.nodes.len()));
        }
        if self.requests.len() > 1_000_000 {
            let requests = self.requests.len();
            return invalid(format!("{requests} requests; at most 1000000 are allowed"));
        }
        let phases = [
            ("uplink", self.epoch.uplink),
            ("compute", self.epoch.compute),
            ("downlink", self.epoch.downlink),
        ];
        for (phase, time) in phases {
            if u128::from(time.0) > SUM_MAX / 8 {
                return invalid(format!("epoch.{phase}: {} ns are too long", time.0));
            }
        }
        unique("node", self.nodes.iter().map(|node| node.name.as_str()))?;
        unique("request", self.requests.iter().map(|request| request.name.as_str()))?;
        for node in &self.nodes {
            self.check_node(node)
                .map_err(|Invalid(text)| Invalid(format!("node {}: {text}", node.name)))?;
        }
        for request in &self.requests {
            self.check_request(request)
                .map_err(|Invalid(text)| Invalid(format!("request {}: {text}", request.name)))?;
        }
        for node in &self.nodes {
            self.check_magnitudes(node)
                .map_err(|Invalid(text)| Invalid(format!("node {}: {text}", node.name)))?;
        }
        Ok(self)
    }

    fn check_node(&self, node: &Node) -> Result<(), Invalid> {
        let invalid = |text: String| Err(Invalid(text));
        if node.flops == 0 || node.devices == 0 {
            return invalid("at least one device and one operation per second are needed".into());
        }
        if !node.work.per_pair.is_multiple_of(2) {
            let pair = node.work.per_pair;
            return invalid(format!("{pair} operations per pair; an even number is allowed"));
        }
        if node.formats.is_empty() || node.formats.len() > usize::from(u16::MAX) {
            return invalid(format!("{} formats; 1 to 65535 are allowed", node.formats.len()));
        }
        unique("format", node.formats.iter().map(|format| format.name.as_str()))?;
        match node.formats.iter().find(|format| format.time_ppm == 0) {
            Some(format) => invalid(format!("format {} takes no time", format.name)),
            None => Ok(()),
        }
    }

    fn check_request(&self, request: &Request) -> Result<(), Invalid> {
        let invalid = |text: String| Err(Invalid(text));
        for (what, tokens) in [("prompt", request.prompt), ("output", request.output)] {
            if !(1..=TOKENS_MAX).contains(&tokens) {
                return invalid(format!("{what} {tokens}; 1 to {TOKENS_MAX} tokens are allowed"));
            }
        }
        if request.channels.len() != self.nodes.len() {
            let (channels, nodes) = (request.channels.len(), self.nodes.len());
            return invalid(format!(
                "{channels} channels; one for each of {nodes} nodes is needed"
            ));
        }
        if u64::from(request.accuracy_ppm) > MILLION {
            let accuracy = request.accuracy_ppm;
            return invalid(format!("accuracy {accuracy} ppm; 0 to {MILLION} are allowed"));
        }
        for time in [request.deadline, request.waited] {
            if u128::from(time.0) > SUM_MAX / 8 {
                return invalid(format!("{} ns are too long", time.0));
            }
        }
        let silent = |channel: &super::Channel| channel.uplink == 0 || channel.downlink == 0;
        match request.channels.iter().flatten().any(silent) {
            true => invalid("a channel of 0 bit/s; leave it out where there is none".into()),
            false => Ok(()),
        }
    }

    /// No batch's sums reach the limit, whichever requests are in it.
    fn check_magnitudes(&self, node: &Node) -> Result<(), Invalid> {
        let tokens = |count: fn(&Request) -> u32| self.requests.iter().map(count).max();
        let (Some(prompt), Some(output)) = (tokens(|r| r.prompt), tokens(|r| r.output)) else {
            return Ok(());
        };
        let (s, n) = (u128::from(prompt), u128::from(output));
        let (token, pair) = (u128::from(node.work.per_token), u128::from(node.work.per_pair));
        let work = (token + pair * (s + n)).saturating_mul(s + n);
        let count = self.requests.len() as u128;
        if work.saturating_mul(count) >= SUM_MAX {
            return Err(Invalid("so many operations of a batch cannot be counted".into()));
        }
        for format in &node.formats {
            let kv = u128::from(format.kv_per_token.0) * (s + n) * count;
            if kv + u128::from(format.weights.0) >= SUM_MAX {
                return Err(Invalid(format!("format {}: too many bytes", format.name)));
            }
            if self.time_of(node, work * count, format.time_ppm) >= SUM_MAX {
                return Err(Invalid(format!("format {}: a batch never ends", format.name)));
            }
        }
        Ok(())
    }

    fn time_of(&self, node: &Node, work: u128, time_ppm: u32) -> u128 {
        work * u128::from(time_ppm) * 1_000 / u128::from(node.flops)
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Invalid> {
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() {
            return Err(Invalid(format!("a {what} has no name")));
        }
        if !seen.insert(name) {
            return Err(Invalid(format!("two {what}s are called {name}")));
        }
    }
    Ok(())
}
