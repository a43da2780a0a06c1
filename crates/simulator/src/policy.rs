//! Who joins which batch, and when.

use std::fmt::Debug;

use edgeplan_problem::Nanos;

use crate::memory::Memory;
use crate::request::Request;

/// What a policy sees when a lane is free to take requests: between two of its passes, or idle.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The time.
    pub now: Nanos,
    /// Which lane, counted over all models.
    pub lane: usize,
    /// Index of the lane's model; only its requests wait here.
    pub model: usize,
    /// Requests that the lane runs already.
    pub running: usize,
    /// Room for KV caches.
    pub memory: &'a Memory,
    pub(crate) queue: &'a [u32],
    pub(crate) requests: &'a [Request],
}

impl<'a> View<'a> {
    /// The requests that wait, in the order in which they came.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &'a Request> + use<'a> {
        let requests = self.requests;
        self.queue.iter().map(move |&id| &requests[id as usize])
    }
}

/// What a policy decides: positions in [`View::waiting`].
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// These join the lane, in this order as far as memory goes: the first that does not fit and
    /// those behind it stay.
    pub join: Vec<usize>,
    /// These are turned away for good.
    pub drop: Vec<usize>,
}

/// A batching policy. It is asked whenever a lane of a model with waiting requests comes back or
/// idles and the state has changed.
pub trait Policy: Debug {
    /// Fills the empty `turn`. Positions that do not exist or come twice count for nothing.
    fn decide(&mut self, view: &View<'_>, turn: &mut Turn);

    /// When to be asked again although nothing else happens, later than `now`.
    fn wake(&self, now: Nanos) -> Option<Nanos> {
        let _ = now;
        None
    }
}

/// Batches that begin and end together: only an idle lane takes requests, up to `size` of those
/// that wait. The place of a request that ends early stays empty. With size 1: first come, first
/// served, one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticBatch {
    /// Most requests of a batch.
    pub size: usize,
}

impl Policy for StaticBatch {
    fn decide(&mut self, view: &View<'_>, turn: &mut Turn) {
        if view.running == 0 {
            turn.join.extend(0..self.size.min(view.waiting().len()));
        }
    }
}

/// Continuous batching: before every pass, those that wait take the free places (iteration-level
/// scheduling: G.-I. Yu et al., "Orca", OSDI 2022, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Continuous {
    /// Most requests of a batch.
    pub size: usize,
}

impl Policy for Continuous {
    fn decide(&mut self, view: &View<'_>, turn: &mut Turn) {
        let places = self.size.saturating_sub(view.running);
        turn.join.extend(0..places.min(view.waiting().len()));
    }
}

/// Another policy, epoch by epoch: it sees only requests that came before the epoch began, and each
/// lane asks it once in an epoch, as soon as it can.
#[derive(Debug)]
pub struct Epochs {
    length: Nanos,
    inner: Box<dyn Policy>,
    /// By lane: the epoch in which it last asked.
    asked: Vec<Option<u64>>,
}

impl Epochs {
    /// Epochs of that length, at least 1 ns, from time zero.
    pub fn new(length: Nanos, inner: Box<dyn Policy>) -> Self {
        Self { length: length.max(Nanos(1)), inner, asked: Vec::new() }
    }
}

impl Policy for Epochs {
    fn decide(&mut self, view: &View<'_>, turn: &mut Turn) {
        let epoch = view.now.0 / self.length.0;
        let begin = self.length * epoch;
        let came = view.waiting().take_while(|request| request.arrival <= begin).count();
        self.asked.resize(self.asked.len().max(view.lane + 1), None);
        if came > 0 && self.asked[view.lane] != Some(epoch) {
            self.asked[view.lane] = Some(epoch);
            self.inner.decide(&View { queue: &view.queue[..came], ..*view }, turn);
        }
    }

    fn wake(&self, now: Nanos) -> Option<Nanos> {
        let next = (now.0 / self.length.0 + 1).checked_mul(self.length.0)?;
        Some(Nanos(next))
    }
}
