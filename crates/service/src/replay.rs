//! Requests on their sites, event by event, and what their users saw of it.

use edgeplan_problem::Nanos;
use edgeplan_simulator::{
    Continuous, Keep, Outcome, Policy, Quantiles, Request, Setup, StaticBatch, operate_until,
};
use edgeplan_solvers::find_batching;
use serde::Serialize;

use crate::dispatch::Ticket;
use crate::hosting::Hosting;
use crate::load::{Load, UserRequest};
use crate::planned::Planned;
use crate::question::Offered;

/// How a site forms batches, up to the size that it is offered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Batching {
    /// First come, first served, one by one.
    Fcfs,
    /// Batches that begin and end together.
    Static,
    /// Requests join and leave between any two tokens.
    Continuous,
    /// The batches of DFTSP.
    Dftsp,
}

impl Batching {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Continuous, Self::Static, Self::Dftsp, Self::Fcfs];

    /// What tables and files call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fcfs => "fcfs",
            Self::Static => "static",
            Self::Continuous => "continuous",
            Self::Dftsp => "dftsp",
        }
    }

    fn policy(self, offered: &Offered<'_>) -> Box<dyn Policy> {
        let size = offered.batch as usize;
        let equipment = offered.equipment;
        match self {
            Self::Fcfs => Box::new(StaticBatch { size: 1 }),
            Self::Static => Box::new(StaticBatch { size }),
            Self::Continuous => Box::new(Continuous { size }),
            Self::Dftsp => match find_batching("dftsp") {
                Some(entry) => {
                    let (layout, times) = (&equipment.layout, &equipment.times);
                    Box::new(Planned::new((entry.make)(), size, layout, times, None))
                }
                None => Box::new(StaticBatch { size }),
            },
        }
    }
}

/// What became of a request that was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// From the request to the first answer: that to the prompt.
    pub first: Nanos,
    /// Between two tokens, on average; nothing where none is generated.
    pub per_token: Option<Nanos>,
    /// From the request to the last token.
    pub end: Nanos,
    /// Whether it was accurate and timely enough.
    pub satisfied: bool,
}

/// What a site did.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteRun {
    /// Requests that were sent there.
    pub requests: usize,
    /// Those whose users were satisfied.
    pub satisfied: usize,
    /// Share of the time until all was over in which each server of the layout was busy.
    pub utilisation: Vec<f64>,
    /// Requests per pass, on average.
    pub batch_mean: f64,
}

/// What became of a load.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// By request; `None` for those who were turned away.
    pub served: Vec<Option<Served>>,
    /// By site; `None` where nothing is hosted.
    pub sites: Vec<Option<SiteRun>>,
    /// Computations and messages.
    pub events: u64,
}

/// Runs every site on what was sent to it, `tickets` by request. `batching` says how, by site. In
/// what is left of a load that is stopped no request is served.
///
/// # Complexity
/// As [`operate_until`], for each site.
pub fn replay(
    hosting: &Hosting<'_>,
    load: Load<'_>,
    tickets: &[Option<Ticket>],
    batching: &[Batching],
) -> Replay {
    let requests = load.requests;
    let mut replay = Replay { served: vec![None; requests.len()], sites: Vec::new(), events: 0 };
    let begin = requests.iter().map(|asked| asked.arrival).min().unwrap_or_default();
    for (site, offered) in hosting.iter().enumerate() {
        // Even to sort a million requests takes time.
        let goes_on = !load.is_stopped();
        let run = offered.as_ref().filter(|_| goes_on).map(|offered| {
            let policy = batching[site].policy(offered);
            let sent = sent_to(site, tickets);
            run(offered, load, &sent, policy, &mut replay)
        });
        let run = run.map(|Operated { mut run, busy, end }| {
            let whole = end.saturating_sub(begin).as_f64().max(1.0);
            run.utilisation = busy.iter().map(|time| time.as_f64() / whole).collect();
            run
        });
        replay.sites.push(run);
    }
    replay
}

/// The requests that were sent to a site, by index, with their tickets.
fn sent_to(site: usize, tickets: &[Option<Ticket>]) -> Vec<(usize, Ticket)> {
    (tickets.iter().enumerate())
        .filter_map(|(index, ticket)| Some((index, (*ticket)?)))
        .filter(|(_, ticket)| ticket.site == site)
        .collect()
}

/// A site after its run.
struct Operated {
    run: SiteRun,
    /// By server of the layout.
    busy: Vec<Nanos>,
    /// The end of the last computation or message.
    end: Nanos,
}

/// Runs one site.
fn run(
    offered: &Offered<'_>,
    Load { requests, stop, .. }: Load<'_>,
    sent: &[(usize, Ticket)],
    mut policy: Box<dyn Policy>,
    replay: &mut Replay,
) -> Operated {
    let equipment = offered.equipment;
    let arrivals: Vec<Request> = sent
        .iter()
        .map(|&(index, ticket)| {
            let asked = &requests[index];
            let latest = asked.arrival + asked.deadline;
            let left = latest.saturating_sub(ticket.at + ticket.back);
            let (arrival, size, model) = (ticket.at, asked.size, ticket.model);
            Request { arrival, size, model, deadline: Some(left) }
        })
        .collect();
    let setup = Setup {
        layout: &equipment.layout,
        times: &equipment.times,
        size: equipment.size,
        lanes: None,
        keep: Keep::default(),
    };
    let record = operate_until(&setup, &arrivals, policy.as_mut(), stop);
    let mut satisfied = 0;
    for ((index, ticket), outcome) in sent.iter().zip(&record.outcomes) {
        let Outcome::Served { first, end, .. } = *outcome else { continue };
        let asked = &requests[*index];
        let since = |time: Nanos| time + ticket.back - asked.arrival;
        let accuracy = equipment.hosted[ticket.model].accuracy;
        let happy = since(end) <= asked.deadline && accuracy >= asked.accuracy_min;
        satisfied += usize::from(happy);
        replay.served[*index] = Some(Served {
            first: since(first),
            per_token: (end - first).0.checked_div(u64::from(asked.size.generate)).map(Nanos),
            end: since(end),
            satisfied: happy,
        });
    }
    replay.events += record.events;
    let run = SiteRun {
        requests: sent.len(),
        satisfied,
        utilisation: Vec::new(),
        batch_mean: record.turns as f64 / record.passes.max(1) as f64,
    };
    Operated { run, busy: record.busy, end: record.end }
}

/// What the users of a load saw; keys end in their unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Levels {
    /// Requests.
    pub requests: usize,
    /// Those that were served at all.
    pub served: usize,
    /// Those that were as accurate and as timely as demanded.
    pub satisfied: usize,
    /// Their share.
    pub satisfied_share: f64,
    /// Those that were served less accurately than demanded.
    pub inaccurate: usize,
    /// Those that ended after their deadline, or never.
    pub missed: usize,
    /// Served requests per second, from the first arrival to the last token.
    pub requests_per_s: f64,
    /// Generated tokens per second.
    pub tokens_per_s: f64,
    /// From a request to the answer to its prompt.
    pub first_token_ns: Quantiles,
    /// Between two tokens of a request, on average.
    pub per_token_ns: Quantiles,
    /// From a request to its last token.
    pub end_to_end_ns: Quantiles,
}

impl Replay {
    /// Sums up what became of these of the requests.
    pub fn levels(&self, requests: &[UserRequest], which: impl Fn(&UserRequest) -> bool) -> Levels {
        let pairs = requests.iter().zip(&self.served).filter(|(asked, _)| which(asked));
        let (mut first, mut per_token, mut end) = (Vec::new(), Vec::new(), Vec::new());
        let (mut count, mut satisfied, mut inaccurate, mut missed, mut tokens) = (0, 0, 0, 0, 0);
        let (mut begin, mut over) = (Nanos::MAX, Nanos::ZERO);
        for (asked, served) in pairs {
            count += 1;
            begin = begin.min(asked.arrival);
            let Some(served) = served else {
                missed += 1;
                continue;
            };
            first.push(served.first);
            per_token.extend(served.per_token);
            end.push(served.end);
            tokens += u64::from(asked.size.generate);
            over = over.max(asked.arrival + served.end);
            let late = served.end > asked.deadline;
            missed += usize::from(late);
            satisfied += usize::from(served.satisfied);
            inaccurate += usize::from(!served.satisfied && !late);
        }
        let seconds = over.saturating_sub(begin).as_f64() / 1e9;
        let per_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        Levels {
            requests: count,
            served: end.len(),
            satisfied,
            satisfied_share: satisfied as f64 / count.max(1) as f64,
            inaccurate,
            missed,
            requests_per_s: per_second(end.len() as f64),
            tokens_per_s: per_second(tokens as f64),
            first_token_ns: Quantiles::of(first),
            per_token_ns: Quantiles::of(per_token),
            end_to_end_ns: Quantiles::of(end),
        }
    }
}
