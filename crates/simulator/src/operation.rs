//! Continuous operation: requests arrive, join batches, and go round until they have ended.
//!
//! Each model has lanes. A lane carries a batch round the model's line, pass after pass, so several
//! lanes fill a pipeline; between two passes the policy may let requests join. A request takes part
//! in a pass for its prompt and in one for each generated token: the next cannot start before the
//! last one came back to the source.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use edgeplan_problem::deployment::DeviceId;
use edgeplan_problem::{Bytes, Nanos};

use crate::lane::{Lane, Member};
use crate::layout::{Layout, Step};
use crate::memory::Memory;
use crate::network::{Keep, Network, Span, Task};
use crate::policy::{Policy, Turn, View};
use crate::request::{Request, Size};
use crate::times::ServiceTimes;

/// On what requests run.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Devices, links and lines.
    pub layout: &'a Layout,
    /// How long everything takes.
    pub times: &'a dyn ServiceTimes,
    /// The request that the deployment's KV caches are of.
    pub size: Size,
    /// Lanes per model; by default as many as the line has stages.
    pub lanes: Option<usize>,
    /// Bars to keep for a Gantt chart.
    pub keep: Keep,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was served.
    Served {
        /// When it joined a batch.
        joined: Nanos,
        /// When the answer to its prompt was back at the source.
        first: Nanos,
        /// When its last token was.
        end: Nanos,
    },
    /// It was not.
    Refused(Refusal),
}

/// Why a request was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its KV cache does not fit on this device even alone.
    TooLarge(DeviceId),
    /// The policy turned it away.
    Dropped,
    /// The policy never took it.
    NeverChosen,
    /// The run was interrupted before it was served.
    BrokenOff,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// By request, in the given order.
    pub outcomes: Vec<Outcome>,
    /// Busy time, by server of the layout.
    pub busy: Vec<Nanos>,
    /// When everything was over.
    pub end: Nanos,
    /// Passes through lines.
    pub passes: u64,
    /// Requests in them, each pass counted.
    pub turns: u64,
    /// Computations and messages.
    pub events: u64,
    /// Most requests that waited at once.
    pub waiting_max: usize,
    /// Most bytes of KV cache at once, by device.
    pub cache_peak: Vec<Bytes>,
    /// The bars that were to be kept.
    pub spans: Vec<Span>,
}

/// After the end of time.
const NEVER: Nanos = Nanos::MAX;

/// What is known of a request on its way.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    outcome: Option<Outcome>,
    joined: Nanos,
    first: Nanos,
    running: bool,
}

/// Runs a trace; requests of models that the layout lacks are [`Refusal::NeverChosen`].
///
/// # Complexity
/// O(log servers) per event, O(waiting) per decision that does not take the oldest requests.
pub fn operate(setup: &Setup<'_>, requests: &[Request], policy: &mut dyn Policy) -> Record {
    operate_until(setup, requests, policy, &AtomicBool::new(false))
}

/// As [`operate`], but ends at the next event once `stop` is set: requests that are not served by
/// then are [`Refusal::BrokenOff`].
pub fn operate_until(
    setup: &Setup<'_>,
    requests: &[Request],
    policy: &mut dyn Policy,
    stop: &AtomicBool,
) -> Record {
    let mut order: Vec<u32> = (0..requests.len() as u32).collect();
    order.sort_by_key(|&id| requests[id as usize].arrival);
    let mut state = Operation::new(setup, requests, policy);
    let mut arrivals = order.into_iter().peekable();
    let mut arrival = NEVER;
    let mut due = true;
    while !stop.load(Ordering::Relaxed) {
        if due {
            arrival = arrivals.peek().map_or(NEVER, |&id| requests[id as usize].arrival);
            due = false;
        }
        // At the same time: ends of passes, then arrivals, then timers.
        match state.network.next_time() {
            Some(event) if event <= arrival.min(state.wake) => state.advance(),
            _ if arrival < NEVER && arrival <= state.wake => {
                state.network.wait_until(arrival);
                arrivals.next().into_iter().for_each(|id| state.arrive(id));
                due = true;
            }
            _ if state.wake < NEVER => {
                state.network.wait_until(state.wake);
                state.wake = NEVER;
                state.offer_all();
                if arrival == NEVER && state.network.next_time().is_none() {
                    // All lanes are free, and no request was taken.
                    return state.finish(Refusal::NeverChosen);
                }
            }
            _ => return state.finish(Refusal::NeverChosen),
        }
    }
    state.finish(Refusal::BrokenOff)
}

struct Operation<'a> {
    setup: &'a Setup<'a>,
    requests: &'a [Request],
    policy: &'a mut dyn Policy,
    network: Network,
    memory: Memory,
    lanes: Vec<Lane>,
    /// By model.
    waiting: Vec<VecDeque<u32>>,
    progress: Vec<Progress>,
    /// When the policy wants to be asked again.
    wake: Nanos,
    turn: Turn,
    passes: u64,
    turns: u64,
    waiting_max: usize,
}

impl<'a> Operation<'a> {
    fn new(setup: &'a Setup<'a>, requests: &'a [Request], policy: &'a mut dyn Policy) -> Self {
        let lines = &setup.layout.lines;
        let lanes = lines.iter().enumerate().flat_map(|(model, line)| {
            let count = setup.lanes.unwrap_or(line.compute.len()).max(1);
            (0..count).map(move |_| Lane::new(model))
        });
        Self {
            setup,
            requests,
            policy,
            network: Network::new(setup.layout.servers.len(), setup.keep),
            memory: Memory::new(setup.layout, setup.size),
            lanes: lanes.collect(),
            waiting: vec![VecDeque::new(); lines.len()],
            progress: vec![Progress::default(); requests.len()],
            wake: NEVER,
            turn: Turn::default(),
            passes: 0,
            turns: 0,
            waiting_max: 0,
        }
    }

    /// A request comes.
    fn arrive(&mut self, id: u32) {
        let request = &self.requests[id as usize];
        let model = request.model;
        if model >= self.waiting.len() {
            return self.refuse(id, Refusal::NeverChosen);
        }
        if let Some(device) = self.memory.too_small(request) {
            return self.refuse(id, Refusal::TooLarge(device));
        }
        self.waiting[model].push_back(id);
        let waiting = self.waiting.iter().map(VecDeque::len).sum();
        self.waiting_max = self.waiting_max.max(waiting);
        let idle = |lane: &Lane| lane.model == model && lane.members.is_empty();
        if let Some(lane) = self.lanes.iter().position(idle) {
            self.offer(lane);
        }
    }

    fn refuse(&mut self, id: u32, why: Refusal) {
        self.progress[id as usize].outcome = Some(Outcome::Refused(why));
    }

    /// Offers waiting requests to every idle lane.
    fn offer_all(&mut self) {
        for lane in 0..self.lanes.len() {
            if self.lanes[lane].members.is_empty() {
                self.offer(lane);
            }
        }
    }

    /// Lets requests join a lane between two passes; the next pass begins if it has any.
    fn offer(&mut self, index: usize) {
        let model = self.lanes[index].model;
        if !self.waiting[model].is_empty() {
            let view = View {
                now: self.network.now(),
                lane: index,
                model,
                running: self.lanes[index].members.len(),
                memory: &self.memory,
                queue: self.waiting[model].make_contiguous(),
                requests: self.requests,
            };
            self.turn.join.clear();
            self.turn.drop.clear();
            self.policy.decide(&view, &mut self.turn);
            self.obey(index);
            if !self.waiting[model].is_empty()
                && let Some(time) = self.policy.wake(self.network.now())
                && time > self.network.now()
            {
                self.wake = self.wake.min(time);
            }
        }
        if !self.lanes[index].members.is_empty() {
            self.begin_pass(index);
        }
    }

    /// Does what the policy decided for a lane.
    fn obey(&mut self, index: usize) {
        let model = self.lanes[index].model;
        let turn = std::mem::take(&mut self.turn);
        let now = self.network.now();
        for &position in &turn.drop {
            if let Some(&id) = self.waiting[model].get(position) {
                self.refuse(id, Refusal::Dropped);
            }
        }
        let mut joined = 0;
        for &position in &turn.join {
            let Some(&id) = self.waiting[model].get(position) else { continue };
            let progress = &mut self.progress[id as usize];
            if progress.running || progress.outcome.is_some() {
                continue;
            }
            let request = &self.requests[id as usize];
            if !self.memory.fits(request) {
                break;
            }
            self.memory.reserve(request);
            (progress.running, progress.joined) = (true, now);
            joined += 1;
            self.lanes[index].join(id, request.size);
        }
        let oldest = turn.join.iter().take(joined).enumerate().all(|(index, &at)| index == at);
        if turn.drop.is_empty() && oldest {
            self.waiting[model].drain(..joined);
        } else {
            let gone = |progress: &Progress| progress.running || progress.outcome.is_some();
            let progress = &self.progress;
            self.waiting[model].retain(|&id| !gone(&progress[id as usize]));
        }
        self.turn = turn;
    }

    fn begin_pass(&mut self, index: usize) {
        let lane = &mut self.lanes[index];
        lane.step = 0;
        self.passes += 1;
        self.turns += lane.pass.sequences();
        self.begin_step(index);
    }

    fn begin_step(&mut self, index: usize) {
        let lane = &self.lanes[index];
        let times = self.setup.times;
        let (server, time) = match self.setup.layout.lines[lane.model].steps[lane.step] {
            Step::Compute { server, stage } => {
                (server, times.compute(lane.model, stage, &lane.pass))
            }
            Step::Transfer { server, hop } => (server, times.transfer(lane.model, hop, &lane.pass)),
        };
        let task = Task { job: index as u32, prompt: lane.pass.joining > 0, time };
        self.network.submit(server, task);
    }

    /// The next thing ends.
    fn advance(&mut self) {
        let Some(index) = self.network.next_job() else { return };
        let lane = &mut self.lanes[index];
        lane.step += 1;
        if lane.step < self.setup.layout.lines[lane.model].steps.len() {
            self.begin_step(index);
        } else {
            self.end_pass(index);
        }
    }

    /// A pass came back to the source.
    fn end_pass(&mut self, index: usize) {
        let now = self.network.now();
        let lane = &mut self.lanes[index];
        lane.passes += 1;
        let joined = lane.members.len() - lane.pass.joining as usize;
        for member in &lane.members[joined..] {
            self.progress[member.request as usize].first = now;
        }
        lane.pass.context_tokens += lane.pass.tokens();
        let ends = lane.next_end <= lane.passes;
        if ends {
            let done = lane.passes;
            let ended = lane.members.extract_if(.., |member| member.end <= done);
            for Member { request: id, .. } in ended {
                let request = &self.requests[id as usize];
                self.memory.release(request);
                lane.pass.context_tokens -= request.size.context();
                let Progress { joined, first, .. } = self.progress[id as usize];
                let outcome = Outcome::Served { joined, first, end: now };
                self.progress[id as usize].outcome = Some(outcome);
            }
            lane.next_end = lane.members.iter().map(|member| member.end).min().unwrap_or(0);
        }
        lane.prepare();
        self.offer(index);
        if ends {
            // The memory that became free may be what another lane waits for.
            self.offer_all();
        }
    }

    /// A request that was not served was refused for that reason.
    fn finish(mut self, why: Refusal) -> Record {
        for id in 0..self.requests.len() {
            if self.progress[id].outcome.is_none() {
                self.refuse(id as u32, why);
            }
        }
        let (end, events) = (self.network.now(), self.network.events());
        let (busy, spans) = self.network.finish();
        Record {
            outcomes: self.progress.iter().filter_map(|progress| progress.outcome).collect(),
            busy,
            end,
            passes: self.passes,
            turns: self.turns,
            events,
            waiting_max: self.waiting_max,
            cache_peak: self.memory.peak().to_vec(),
            spans,
        }
    }
}
