//! What makes the problem linear: once a node's format and the padded prompt are fixed, a batch
//! takes four sums.

use std::ops::{Add, AddAssign, Sub, SubAssign};

use super::{BAND, Batching, FormatId, MILLION, NodeId, RequestId};
use crate::Nanos;

/// A way to run a batch. Padding to more than the longest prompt is allowed and never better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode {
    /// Where.
    pub node: NodeId,
    /// In which format.
    pub format: FormatId,
    /// Tokens that every prompt is padded to (`s'`).
    pub padded: u32,
}

/// What a request takes, or what there is for a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resources {
    /// Of the uplink band, in billionths (`rho^U`).
    pub uplink: u64,
    /// Of the downlink band, in billionths (`rho^D`).
    pub downlink: u64,
    /// KV cache in bytes.
    pub memory: u64,
    /// Operations.
    pub work: u64,
}

impl Resources {
    /// The four sums, in the order of the fields.
    pub fn to_array(self) -> [u64; 4] {
        [self.uplink, self.downlink, self.memory, self.work]
    }

    /// Whether there is enough of everything.
    pub fn fits(self, available: Self) -> bool {
        self.to_array().iter().zip(available.to_array()).all(|(needed, has)| *needed <= has)
    }
}

impl Add for Resources {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            uplink: self.uplink.saturating_add(other.uplink),
            downlink: self.downlink.saturating_add(other.downlink),
            memory: self.memory.saturating_add(other.memory),
            work: self.work.saturating_add(other.work),
        }
    }
}

impl AddAssign for Resources {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Resources {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        debug_assert!(other.fits(self), "{self:?} - {other:?}");
        Self {
            uplink: self.uplink.saturating_sub(other.uplink),
            downlink: self.downlink.saturating_sub(other.downlink),
            memory: self.memory.saturating_sub(other.memory),
            work: self.work.saturating_sub(other.work),
        }
    }
}

impl SubAssign for Resources {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Batching {
    /// Whether the node in this format can serve the request at all: in reach, accurate enough,
    /// not too late.
    pub fn admits(&self, node: NodeId, format: FormatId, request: RequestId) -> bool {
        let asked = self.request(request);
        let accuracy = self.node(node).format(format).accuracy_ppm;
        asked.channels[node.index()].is_some()
            && asked.accuracy_ppm <= accuracy
            && self.slack(request).is_some()
    }

    /// The ways to run a batch on a node: its formats, each with every length of a prompt that it
    /// could serve.
    pub fn modes(&self, node: NodeId) -> Vec<Mode> {
        let mut modes = Vec::new();
        for format in self.node(node).format_ids() {
            let admitted = self.request_ids().filter(|&id| self.admits(node, format, id));
            let mut lengths: Vec<u32> = admitted.map(|id| self.request(id).prompt).collect();
            lengths.sort_unstable();
            lengths.dedup();
            modes.extend(lengths.into_iter().map(|padded| Mode { node, format, padded }));
        }
        modes
    }

    /// What a request takes in that mode; `None` if it cannot be served so.
    pub fn demand(&self, mode: Mode, request: RequestId) -> Option<Resources> {
        let admitted = self.admits(mode.node, mode.format, request);
        if !admitted || self.request(request).prompt > mode.padded {
            return None;
        }
        let Mode { node, format, padded } = mode;
        let (uplink, downlink) = self.shares(node, request)?;
        let output = self.request(request).output;
        let kv = self.node(node).format(format).kv_per_token;
        Some(Resources {
            uplink,
            downlink,
            memory: kv.0 * (u64::from(padded) + u64::from(output)),
            work: self.node(node).work.of(padded, output),
        })
    }

    /// What there is for a batch whose tightest member has that slack; `None` if the weights do
    /// not fit.
    pub fn capacity(&self, mode: Mode, slack: Nanos) -> Option<Resources> {
        let (node, time) = (self.node(mode.node), slack.min(self.epoch.compute));
        let memory = node.memory.0.checked_sub(node.format(mode.format).weights.0)?;
        let work = self.work_within(mode.node, mode.format, time);
        Some(Resources { uplink: BAND, downlink: BAND, memory, work })
    }

    /// The smallest shares of both bands, in billionths, with which the prompt and the answer pass
    /// in their phases: bits over what the whole band carries meanwhile, rounded up. `None` out of
    /// reach.
    pub fn shares(&self, node: NodeId, request: RequestId) -> Option<(u64, u64)> {
        let asked = self.request(request);
        let channel = asked.channels[node.index()]?;
        let share = |tokens: u32, rate: u64, phase: Nanos| {
            let bits = u128::from(tokens) * u128::from(self.token_bits);
            let carried = u128::from(rate) * u128::from(phase.0);
            let share = (bits * u128::from(BAND) * 1_000_000_000).div_ceil(carried.max(1));
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        let epoch = self.epoch;
        Some((
            share(asked.prompt, channel.uplink, epoch.uplink),
            share(asked.output, channel.downlink, epoch.downlink),
        ))
    }

    /// Time of so many operations, rounded up.
    pub fn time(&self, node: NodeId, format: FormatId, work: u64) -> Nanos {
        let (node, beta) = (self.node(node), self.node(node).format(format).time_ppm);
        // operations * beta / 10^6 / (operations per second) * 10^9
        let time = (u128::from(work) * u128::from(beta) * 1_000).div_ceil(u128::from(node.flops));
        Nanos(u64::try_from(time).unwrap_or(u64::MAX))
    }

    /// The most operations whose [`time`](Self::time) is within the limit.
    pub fn work_within(&self, node: NodeId, format: FormatId, limit: Nanos) -> u64 {
        let (node, beta) = (self.node(node), self.node(node).format(format).time_ppm);
        let work = u128::from(limit.0) * u128::from(node.flops) / (u128::from(beta) * 1_000);
        u64::try_from(work).unwrap_or(u64::MAX)
    }
}

const _: () = assert!(MILLION * 1_000 == BAND);
