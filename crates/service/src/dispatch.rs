//! Who serves each request of a load: by a schedule for every frame, or by a rule of thumb.

use crate::platform::Platform;
use edgeplan_problem::scheduling::{Scheduling, Tier};
use edgeplan_problem::{Bytes, Limits, Nanos, Silent, Solver, solve};

use crate::hosting::{Hosting, singly};
use crate::load::{Load, UserRequest};
use crate::question::{Meaning, Offered, Question, Standing, traffic};

/// A request on its way to the site that serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The site.
    pub site: usize,
    /// The model of its equipment.
    pub model: usize,
    /// When it is there.
    pub at: Nanos,
    /// Time that a part of the answer takes back.
    pub back: Nanos,
}

/// A rule of thumb; requests are sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The nearest site that hosts the service, its own first.
    Nearest,
    /// The cloud; without one that hosts the service, the nearest site.
    Cloud,
    /// One site after the other.
    InTurn,
}

/// Sends every request by a rule; `None` where no site hosts its service.
pub fn by_rule(
    platform: &Platform,
    hosting: &Hosting<'_>,
    requests: &[UserRequest],
    rule: Rule,
) -> Vec<Option<Ticket>> {
    let mut turn = 0;
    let send = |asked: &UserRequest| {
        let hosts: Vec<(usize, usize)> = (hosting.iter().enumerate())
            .filter_map(|(site, offered)| {
                Some((site, offered.as_ref()?.equipment.model_of(asked.service)?))
            })
            .collect();
        let nearest = |of: &dyn Fn(usize) -> bool| {
            let sites = hosts.iter().filter(|(site, _)| of(*site));
            sites.min_by_key(|(site, _)| platform.way(asked.site, *site, Bytes(1))).copied()
        };
        let all = |_: usize| true;
        let chosen = match rule {
            Rule::Nearest => nearest(&all),
            Rule::Cloud => {
                let cloud = |site: usize| platform.sites[site].tier == Tier::Cloud;
                nearest(&cloud).or_else(|| nearest(&all))
            }
            Rule::InTurn => {
                turn += 1;
                hosts.get(turn % hosts.len().max(1)).copied()
            }
        };
        chosen.map(|(site, model)| ticket(platform, asked, site, model, asked.arrival))
    };
    requests.iter().map(send).collect()
}

/// Sent to a site's model at that time.
fn ticket(
    platform: &Platform,
    asked: &UserRequest,
    site: usize,
    model: usize,
    sent: Nanos,
) -> Ticket {
    let [there, back] = traffic(platform, asked.service, asked.size);
    let at = sent + platform.way(asked.site, site, there);
    Ticket { site, model, at, back: platform.way(site, asked.site, back) }
}

/// Seconds that a frame's schedule may take at most; it takes milliseconds.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

/// Assigns requests frame by frame: those that came in a frame, and those that were not taken
/// before and that are not yet too late, become a question when it ends. A site promises no more
/// than its batches hold and one more frame of work. `None` for those that no site took in time,
/// and for the rest of a load that is stopped.
///
/// # Complexity
/// One schedule per frame with requests.
pub fn scheduled(
    load: Load<'_>,
    hosting: &Hosting<'_>,
    solver: &dyn Solver<Scheduling>,
) -> Vec<Option<Ticket>> {
    let Load { platform, requests, stop } = load;
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&index| requests[index].arrival);
    let mut arriving = order.into_iter().peekable();
    let offers = singly(hosting);
    let mut free_at = vec![Nanos::ZERO; platform.sites.len()];
    let mut tickets = vec![None; requests.len()];
    let mut waiting: Vec<usize> = Vec::new();
    let mut now = Nanos::ZERO;
    loop {
        let Some(first) = (match waiting.is_empty() {
            true => arriving.peek().map(|&index| requests[index].arrival.max(now)),
            false => Some(now),
        }) else {
            return tickets;
        };
        if load.is_stopped() {
            return tickets;
        }
        now = platform.frame * (first.0 / platform.frame.0 + 1);
        waiting.extend(std::iter::from_fn(|| {
            arriving.next_if(|&index| requests[index].arrival < now)
        }));
        waiting.retain(|&index| now < requests[index].arrival + requests[index].deadline);
        let asked: Vec<(UserRequest, Nanos)> =
            waiting.iter().map(|&index| (requests[index], now - requests[index].arrival)).collect();
        if asked.is_empty() {
            continue;
        }
        let standing: Vec<Standing> = (0..platform.sites.len())
            .map(|site| {
                let backlog = free_at[site].saturating_sub(now);
                let ahead = platform.frame + held(hosting, site, &asked);
                Standing { room: ahead.saturating_sub(backlog), backlog: Some(backlog) }
            })
            .collect();
        let question = Question::new(platform, &offers, &standing, platform.frame, &asked);
        // Times that overflow the sums make no question; then no request is served in this frame.
        let Ok(scheduling) = question.scheduling.clone().checked() else { continue };
        let interrupt = Some(stop);
        let limits = Limits { time: Some(LIMIT), gap: 1e-3, interrupt, ..Limits::default() };
        let Some(plan) = solve(&scheduling, solver, limits, &mut Silent).plan else { continue };
        let mut taken = vec![false; waiting.len()];
        for (place, choice) in plan.choices.iter().enumerate() {
            let request = &scheduling.requests[place];
            let Some(candidate) = choice.and_then(|c| scheduling.candidate(request, c)) else {
                continue;
            };
            let Meaning { site, model } = question.meaning(place, candidate.choice);
            free_at[site] = free_at[site].max(now) + Nanos(candidate.computation);
            tickets[waiting[place]] = Some(ticket(platform, &asked[place].0, site, model, now));
            taken[place] = true;
        }
        let mut taken = taken.into_iter();
        waiting.retain(|_| !taken.next().unwrap_or(false));
    }
}

/// The computation of a site's batches while they are full of the longest of these requests.
fn held(hosting: &Hosting<'_>, site: usize, asked: &[(UserRequest, Nanos)]) -> Nanos {
    let Some(Offered { equipment, batch }) = &hosting[site] else { return Nanos::ZERO };
    let held = |(asked, _): &(UserRequest, Nanos)| {
        let model = equipment.model_of(asked.service)?;
        let host = equipment.host(model, asked.size, *batch, None);
        Some(Nanos(host.computation) * equipment.places(model, *batch))
    };
    asked.iter().filter_map(held).max().unwrap_or_default()
}
