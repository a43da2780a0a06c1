//! Batches that a solver chooses: DFTSP, or our search for the same question, as a batching policy
//! of the simulator (arXiv 2405.07140).
//!
//! When a lane idles, the requests that wait become the question of DFTSP's epoch, and its answer
//! joins the lane. The published model adds up what the members take; a batch that reads weights
//! once does not. So what a batch takes besides, one reading of the weights for each of its passes,
//! is taken off the time there is, for every number of passes that the longest answer may need, and
//! the largest batch of all these questions joins. Passes get longer with every token that they
//! carry, never by more than [`Rates::token`]: as long as no other lane is in the way, every
//! request that is taken ends in time.
//!
//! Lengths are rounded up to powers of two, the classes of the search. No radio is modelled
//! here: the bands are so wide that they never bind. Requests that would be late even alone are
//! turned away.

use edgeplan_problem::batching::{
    Batching, Channel, Epoch, MILLION, Node, NodeFormat, Request as Waiting, Work,
};
use edgeplan_problem::deployment::DeviceId;
use edgeplan_problem::{Bytes, Limits, Nanos, Silent, Solver, solve};
use edgeplan_simulator::{Layout, Memory, Policy, Request, ServiceTimes, Size, Turn, View};

use crate::pace::Pace;

/// A policy that asks a solver of batching problems.
pub struct Planned {
    solver: Box<dyn Solver<Batching> + Send>,
    size: usize,
    /// By model.
    rates: Vec<Rates>,
}

impl std::fmt::Debug for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planned").field("size", &self.size).finish_non_exhaustive()
    }
}

/// No more requests than this are looked at, the oldest first.
const QUEUE_MAX: usize = 64;
/// Steps of one search: the same answer on every machine.
const STEPS: u64 = 20_000;
/// Time without a deadline: eleven days.
const UNLIMITED: u64 = 1_000_000_000_000_000;
/// Picoseconds are what the question's operations are.
const PICOS: u64 = 1_000;
/// Both radio phases together; the deadlines grow by as much.
const RADIO: Nanos = Nanos(2_000_000);
const BITS_PER_SECOND: u64 = 1 << 50;

/// How long the passes of a batch take at most.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rates {
    /// Nanoseconds of a first pass of one request with a prompt of one token.
    first: u64,
    /// Nanoseconds of a later pass, by requests in it less one.
    later: Vec<u64>,
    /// Picoseconds that every further token of a prompt adds to a pass.
    prompt: u64,
    /// Picoseconds that every further token of any kind adds.
    token: u64,
    /// Picoseconds that every further request adds to a first pass.
    request: u64,
}

impl Rates {
    /// The tangents of a line whose passes take convex times.
    fn of(pace: &Pace<'_>) -> Self {
        const MANY: u32 = 1 << 12;
        let slope = |more: Nanos, less: Nanos, count: u32| {
            (more.saturating_sub(less).0.saturating_mul(PICOS)).div_ceil(u64::from(count))
        };
        let reading = |tokens: u32| pace.reading(1, u64::from(tokens));
        let prompt = slope(reading(2 * MANY), reading(MANY), MANY);
        let decoding = slope(pace.decoding(2 * MANY), pace.decoding(MANY), MANY);
        let tokens = u64::from(2 * MANY);
        // A remainder of a division may add a nanosecond to each step.
        let spare = pace.layout.lines[pace.model].steps.len() as u64 * pace.lanes;
        Self {
            first: reading(1).0 + spare,
            later: (1..=QUEUE_MAX as u32).map(|count| pace.decoding(count).0 + spare).collect(),
            prompt,
            token: prompt.max(decoding).max(1),
            request: slope(pace.reading(2 * MANY, tokens), pace.reading(MANY, tokens), MANY),
        }
    }

    /// Whether all of a batch that begins now end in time. A request that is done leaves it, and
    /// the passes of the others get shorter.
    fn in_time(&self, batch: &[&Request], now: Nanos) -> bool {
        let count = batch.len() as u64;
        let tokens: u64 = batch.iter().map(|request| u64::from(request.size.prompt)).sum();
        let more = self.prompt.saturating_mul(tokens.saturating_sub(1));
        let more = more.saturating_add(self.request.saturating_mul(count.saturating_sub(1)));
        let mut time = self.first + more.div_ceil(PICOS);
        let mut order: Vec<&Request> = batch.to_vec();
        order.sort_by_key(|request| request.size.generate);
        let mut passes = 0;
        order.iter().enumerate().all(|(gone, request)| {
            let further = u64::from(request.size.generate - passes);
            passes = request.size.generate;
            time = time.saturating_add(self.later[order.len() - gone - 1].saturating_mul(further));
            match request.deadline {
                None => true,
                Some(_) => slack(request, now).is_some_and(|slack| time <= slack),
            }
        })
    }

    /// Tokens as which the constant cost of a request counts.
    fn surcharge(&self) -> u32 {
        u32::try_from(self.request.div_ceil(self.token)).unwrap_or(u32::MAX / 4)
    }
}

impl Planned {
    /// Batches of up to `size` requests on a layout with those times. Where a model has several
    /// `lanes`, by default as many as its line has stages, each is taken to be as full as the one
    /// that is planned.
    pub fn new(
        solver: Box<dyn Solver<Batching> + Send>,
        size: usize,
        layout: &Layout,
        times: &dyn ServiceTimes,
        lanes: Option<usize>,
    ) -> Self {
        let rates = (0..layout.lines.len()).map(|model| {
            let lanes = lanes.unwrap_or(layout.lines[model].compute.len()).max(1) as u64;
            Rates::of(&Pace { layout, times, model, lanes })
        });
        Self { solver, size, rates: rates.collect() }
    }

    /// The largest batch of these, by position: that of the fewest passes where several are as
    /// large.
    fn batch(&self, view: &View<'_>, waiting: &[(usize, &Request)]) -> Vec<usize> {
        let mut classes: Vec<u32> =
            waiting.iter().map(|(_, request)| class(request.size.generate)).collect();
        classes.sort_unstable();
        classes.dedup();
        let mut best = Vec::new();
        for longest in classes {
            let short: Vec<(usize, &Request)> = (waiting.iter().copied())
                .filter(|(_, request)| class(request.size.generate) <= longest)
                .collect();
            if short.len() <= best.len() {
                continue;
            }
            let batch = self.of_passes(view, &short);
            if batch.len() > best.len() {
                best = batch;
            }
        }
        best
    }

    /// The same and any other request that fits: the question's sums overestimate every batch's
    /// time, because lengths are rounded up and no request leaves before the end.
    fn filled(
        &self,
        view: &View<'_>,
        waiting: &[(usize, &Request)],
        planned: Vec<usize>,
    ) -> Vec<usize> {
        let rates = &self.rates[view.model];
        let mut order: Vec<&(usize, &Request)> = waiting.iter().collect();
        // Those who were planned, then those who take least.
        order.sort_by_key(|(position, request)| {
            (!planned.contains(position), request.size.generate, request.size.prompt)
        });
        let (mut batch, mut positions): (Vec<&Request>, Vec<usize>) = (Vec::new(), Vec::new());
        for (position, request) in order {
            if batch.len() == self.size.min(QUEUE_MAX) {
                break;
            }
            batch.push(request);
            if rates.in_time(&batch, view.now) && fits(view.memory, &batch) {
                positions.push(*position);
            } else {
                batch.pop();
            }
        }
        positions.sort_unstable();
        positions
    }

    /// The largest batch of these that ends after as many passes as the longest of them takes.
    fn of_passes(&self, view: &View<'_>, waiting: &[(usize, &Request)]) -> Vec<usize> {
        let rates = &self.rates[view.model];
        let passes = waiting.iter().map(|(_, request)| request.size.generate).max();
        // Every pass takes the time of one token at least, whichever requests are in it.
        let fixed = rates.first + rates.later[0] * u64::from(passes.unwrap_or_default());
        let mut positions = Vec::new();
        let mut requests = Vec::new();
        for &(position, request) in waiting {
            let slack = slack(request, view.now).unwrap_or(UNLIMITED);
            let Some(left) = slack.checked_sub(fixed) else { continue };
            positions.push(position);
            requests.push(Waiting {
                name: position.to_string(),
                prompt: class(request.size.prompt),
                output: class(request.size.generate) + 1 + rates.surcharge(),
                deadline: Nanos(left.min(UNLIMITED)) + RADIO,
                waited: Nanos::ZERO,
                accuracy_ppm: 0,
                weight: 1,
                channels: vec![Some(Channel {
                    uplink: BITS_PER_SECOND,
                    downlink: BITS_PER_SECOND,
                })],
            });
        }
        let problem = Batching { requests, ..node(rates, tokens_free(view)) };
        // Only times that overflow the sums cannot be counted; the first request is served alone.
        let Ok(problem) = problem.checked() else { return Vec::new() };
        let limits = Limits { steps: Some(STEPS), ..Limits::default() };
        let plan = solve(&problem, self.solver.as_ref(), limits, &mut Silent).plan;
        let members = plan.map(|plan| plan.batches[0].members.clone()).unwrap_or_default();
        let mut batch: Vec<usize> =
            members.into_iter().map(|member| positions[member.index()]).collect();
        batch.sort_unstable();
        batch.truncate(self.size);
        batch
    }
}

impl Policy for Planned {
    fn decide(&mut self, view: &View<'_>, turn: &mut Turn) {
        if view.running > 0 {
            return;
        }
        let rates = &self.rates[view.model];
        let mut waiting = Vec::new();
        for (position, request) in view.waiting().enumerate() {
            match rates.in_time(&[request], view.now) {
                true => waiting.push((position, request)),
                false => turn.drop.push(position),
            }
        }
        waiting.truncate(QUEUE_MAX);
        let planned = self.batch(view, &waiting);
        turn.join = self.filled(view, &waiting, planned);
    }
}

/// Whether all of these fit beside those that run.
fn fits(memory: &Memory, batch: &[&Request]) -> bool {
    let mut needs: Vec<(DeviceId, Bytes)> = Vec::new();
    for (device, bytes) in batch.iter().flat_map(|request| memory.need(request)) {
        match needs.iter_mut().find(|(known, _)| *known == device) {
            Some((_, sum)) => *sum += bytes,
            None => needs.push((device, bytes)),
        }
    }
    needs.into_iter().all(|(device, bytes)| bytes <= memory.free(device))
}

/// Time until a request must have ended; `None` if that is over, or never.
fn slack(request: &Request, now: Nanos) -> Option<u64> {
    (request.arrival + request.deadline?).0.checked_sub(now.0)
}

/// The next power of two; no token stays none.
fn class(tokens: u32) -> u32 {
    if tokens == 0 { 0 } else { tokens.checked_next_power_of_two().unwrap_or(tokens) }
}

/// Tokens for whose caches there is room.
fn tokens_free(view: &View<'_>) -> u64 {
    const PROBE: u32 = 1 << 20;
    let size = Size { prompt: PROBE, generate: 0 };
    let probe = Request { arrival: Nanos::ZERO, size, model: view.model, deadline: None };
    let tokens = |(device, bytes): (_, Bytes)| {
        let free = u128::from(view.memory.free(device).0) * u128::from(PROBE);
        u64::try_from(free / u128::from(bytes.0.max(1))).unwrap_or(u64::MAX)
    };
    view.memory.need(&probe).map(tokens).min().unwrap_or(UNLIMITED).min(UNLIMITED)
}

/// The question without requests: a node whose memory is counted in tokens, and whose operations
/// are picoseconds.
fn node(rates: &Rates, tokens: u64) -> Batching {
    let format = NodeFormat {
        name: "as planned".into(),
        weights: Bytes::ZERO,
        kv_per_token: Bytes(1),
        time_ppm: MILLION as u32,
        accuracy_ppm: MILLION as u32,
    };
    let node = Node {
        name: "deployment".into(),
        memory: Bytes(tokens),
        flops: 1_000_000_000 * PICOS,
        devices: 1,
        work: Work { per_token: rates.token, per_pair: 0 },
        formats: vec![format],
    };
    let half = Nanos(RADIO.0 / 2);
    Batching {
        name: "waiting".into(),
        epoch: Epoch { uplink: half, compute: Nanos(UNLIMITED), downlink: half },
        token_bits: 1,
        nodes: vec![node],
        requests: Vec::new(),
    }
}
