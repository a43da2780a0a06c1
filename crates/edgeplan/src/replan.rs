//! A plan after a device left, slowed or lost memory: what is best now, with what has to move.

mod amortised;
mod conditions;
mod moves;
mod shown;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Instant;

use edgeplan_files::InputError;
use edgeplan_problem::deployment::{Deployment, Objective, Plan};
use edgeplan_problem::{Cost, Evaluation, Limits, Nanos, Problem as _, Verdict};

use self::amortised::{Prices, amortised};
pub use self::conditions::Event;
use self::conditions::device_named;
use self::moves::{Held, Network};
pub use self::moves::{Move, Moving};
use crate::Error;
use crate::answer::{Phase, Progress, Task, answer};
use crate::changed::Left;
use crate::plan::Planned;
use crate::session::Session;

/// How long a plan will serve, such as `30 min`, `1h` or `2 d`.
///
/// ```
/// use edgeplan::Horizon;
///
/// assert_eq!("1.5 h".parse(), Ok(Horizon(edgeplan_problem::Nanos(5_400_000_000_000))));
/// assert!("1 week".parse::<Horizon>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon(pub Nanos);

impl FromStr for Horizon {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, f64); 4] = [("s", 1e9), ("min", 6e10), ("h", 3.6e12), ("d", 8.64e13)];
        const YEAR: f64 = 366.0 * 8.64e13;
        let refused =
            || format!("`{text}`: a time above 0, up to a year, such as `1 h`, `30 min` or `2 d`");
        let text = text.trim();
        let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(refused)?;
        let (number, unit) = text.split_at(split);
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
        let time = number.trim().parse::<f64>().map_err(|_| refused())? * nanos;
        match (1.0..=YEAR).contains(&time) {
            true => Ok(Self(Nanos(time.round() as u64))),
            false => Err(refused()),
        }
    }
}

/// What is asked of an old plan.
///
/// See [`Session::replan`] for an example.
#[derive(Debug, Clone, PartialEq)]
pub struct Replan {
    /// The plan that runs.
    pub plan: Plan,
    /// What happened.
    pub events: Vec<Event>,
    /// The device whose disk has every layer in every format, by name; the source if none.
    pub store: Option<String>,
    /// How long the next plan will serve.
    pub horizon: Horizon,
    /// Requests, or rounds of several models' requests, per hour; as many as the best plan serves
    /// back to back if none.
    pub per_hour: Option<f64>,
}

/// A plan for the time after the events.
///
/// See [`Session::replan`] for an example.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What it is.
    pub kind: Kind,
    /// The plan; none of an old one that is not whole any more.
    pub plan: Option<Plan>,
    /// What the plan violates now; empty for one that can be used.
    pub violations: Vec<String>,
    /// Time of a request, or of a round.
    pub request: Nanos,
    /// What moves first.
    pub moving: Moving,
    /// The move, and all requests; none of a plan that cannot be used.
    pub total: Option<Nanos>,
}

/// Where a plan comes from.
///
/// See [`Session::replan`] for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The old plan under the new conditions.
    Stay,
    /// The best plan under the new conditions, whatever has to move.
    Optimum,
    /// The best one found with the move in its price.
    WithMoves,
}

/// What is best after the events.
///
/// See [`Session::replan`] for an example.
#[derive(Debug)]
pub struct Replanned {
    /// The question after the events.
    pub session: Session,
    /// The plan of least cost in that question and its proof; of an infeasible one the diagnosis.
    pub planned: Planned,
    /// The old plan, the optimum, and the best one found with the move in its price.
    pub candidates: Vec<Candidate>,
    /// The candidate of least time over the horizon; none where nothing is feasible.
    pub best: Option<usize>,
    /// Requests over the horizon.
    pub requests: u64,
    /// The horizon.
    pub horizon: Horizon,
    /// No plan takes less time for its move and all requests; none where nothing is proven.
    pub lower_bound: Option<Nanos>,
    /// If what is slow recovers within this time, waiting for that and keeping the old plan is
    /// quicker than any of the candidates; none for events that do not pass.
    pub wait: Option<Nanos>,
    /// The store's name.
    pub store: String,
}

/// Questions with the move in their price, at most.
const ROUNDS: u32 = 6;

impl Session {
    /// The best plan after an event on the machines: least time of its move and of all
    /// requests over the horizon. Half of the task's time is for the plan of least cost, which
    /// does not count moves; the other half for plans that do.
    ///
    /// ```
    /// use edgeplan::{Event, Horizon, Quiet, Replan, Sources, Task};
    ///
    /// let models = vec!["catalog:tinyllama-1.1b".into()];
    /// let session = Sources { models, ..Sources::default() }.load()?;
    /// let plan = session.plan(&Task::default(), &mut Quiet).outcome.plan.expect("there is one");
    /// let ask = Replan {
    ///     plan,
    ///     events: vec![Event::Left("desktop".into())],
    ///     store: None,
    ///     horizon: "1 h".parse().map_err(edgeplan::Error::Impossible)?,
    ///     per_hour: None,
    /// };
    /// let answer = session.replan(&ask, &Task::default(), &mut Quiet)?;
    /// let best = &answer.candidates[answer.best.expect("the laptop is enough")];
    /// println!("{} moves in {}", best.moving.bytes(), best.moving.time);
    /// println!("{}", answer.text()?);
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// Names that there are none of, an event that the question cannot have, no request within the
    /// horizon; as [`Sources::load`](crate::Sources::load).
    pub fn replan(
        &self,
        ask: &Replan,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Replanned, Error> {
        let began = Instant::now();
        let evaluated = self.deployment().evaluate(&ask.plan);
        let Left { session, places } = self.after(&ask.events)?;
        let now = session.deployment();
        let store = match &ask.store {
            None => now.source,
            Some(name) => device_named(now, name).map_err(|problem| refused("store", problem))?,
        };
        let half = Limits { time: task.limits.time.map(|time| time / 2), ..task.limits };
        let planned = session.plan(&Task { limits: half, ..*task }, progress);
        let held = Held::new(self.deployment(), &ask.plan, now, &places, store);
        let mut search =
            Search { held: &held, network: Network::new(&session), requests: 1, bound: None };
        let old = held.plan();
        search.requests = requests(ask, now, [planned.outcome.plan.as_ref(), old.as_ref()])?;
        let mut candidates = vec![search.candidate(Kind::Stay, old)];
        if planned.outcome.cost().is_some() {
            candidates.push(search.candidate(Kind::Optimum, planned.outcome.plan.clone()));
        }
        if now.objective != Objective::Memory && planned.outcome.verdict != Verdict::Infeasible {
            let bound = planned.outcome.lower_bound();
            search.bound = bound.map(|bound| search.over_all(bound));
            progress.phase(Phase::AskingChanges);
            let left = task.limits.time.map(|time| time.saturating_sub(began.elapsed()));
            let limits = Limits { time: left, ..task.limits };
            search.rounds(&mut candidates, &Task { limits, ..*task });
        }
        let (lower_bound, requests, horizon) = (search.bound, search.requests, ask.horizon);
        let totals = candidates.iter().enumerate().filter_map(|(i, c)| Some((c.total?, i)));
        let best = totals.min();
        let passes = !ask.events.is_empty() && ask.events.iter().all(Event::may_pass);
        let wait = best.filter(|_| passes && evaluated.is_feasible()).map(|(total, _)| {
            total.saturating_sub(request_time(self.deployment(), &evaluated) * requests)
        });
        let store = now.device(store).name.clone();
        let best = best.map(|(_, index)| index);
        Ok(Replanned {
            session,
            planned,
            candidates,
            best,
            requests,
            horizon,
            lower_bound,
            wait,
            store,
        })
    }
}

fn refused(key: &str, problem: String) -> Error {
    InputError::key("command line", key, problem).into()
}

/// Time of a request, or of a round where a pipeline's cycle is minimised.
fn request_time(deployment: &Deployment, evaluated: &Evaluation<Deployment>) -> Nanos {
    match deployment.objective {
        Objective::Latency | Objective::Bottleneck => Nanos(evaluated.cost.0),
        Objective::Memory => {
            let models = deployment.models.iter().zip(&evaluated.account.models);
            models.map(|(model, bill)| bill.latency * u64::from(model.weight)).sum()
        }
    }
}

/// Requests over the horizon: by their rate, or as many as the best of these plans serves.
fn requests(ask: &Replan, now: &Deployment, plans: [Option<&Plan>; 2]) -> Result<u64, Error> {
    let horizon = ask.horizon.0;
    if let Some(rate) = ask.per_hour {
        let count = rate * horizon.as_f64() / 3.6e12;
        // Times of all requests together stay far below 2^64.
        return match (1.0..=1e12).contains(&count) {
            true => Ok(count as u64),
            false => Err(refused(
                "rate",
                format!(
                    "{rate} requests per hour are {count:.1} over the horizon; 1 to 1e12 are \
                         allowed"
                ),
            )),
        };
    }
    let time = |plan: &Plan| {
        let evaluated = now.evaluate(plan);
        evaluated.is_feasible().then(|| request_time(now, &evaluated))
    };
    let best = plans.into_iter().flatten().filter_map(time).min();
    Ok(best.map_or(1, |time| (horizon.0 / time.0.max(1)).max(1)))
}

/// The search for a plan whose move is in its price.
struct Search<'a> {
    held: &'a Held<'a>,
    network: Network<'a>,
    requests: u64,
    bound: Option<Nanos>,
}

impl Search<'_> {
    fn over_all(&self, cost: Cost) -> Nanos {
        Nanos(cost.0) * self.requests
    }

    fn candidate(&mut self, kind: Kind, plan: Option<Plan>) -> Candidate {
        let none = |violations: Vec<String>, plan| Candidate {
            kind,
            plan,
            violations,
            request: Nanos::ZERO,
            moving: Moving::default(),
            total: None,
        };
        let Some(plan) = plan else {
            return none(vec!["a device that holds layers left".into()], None);
        };
        let evaluated = self.held.now.evaluate(&plan);
        let mut violations: Vec<String> =
            evaluated.violations.iter().map(ToString::to_string).collect();
        let request = request_time(self.held.now, &evaluated);
        let moving = self.network.moving(self.held, &plan);
        if moving.is_none() {
            violations.push("no route to a device that would get weights".into());
        }
        let Some(moving) = moving.filter(|_| violations.is_empty()) else {
            return none(violations, Some(plan));
        };
        let total = Some(moving.time + request * self.requests);
        Candidate { kind, plan: Some(plan), violations, request, moving, total }
    }

    /// Asks questions with the move in their price, and keeps the best plan. Weights follow the
    /// busiest lanes of the plans that were found so far (fictitious play, Brown 1951), which
    /// raises the bound towards the best that any weights prove.
    fn rounds(&mut self, candidates: &mut Vec<Candidate>, task: &Task<'_>) {
        let began = Instant::now();
        let mut weights: BTreeMap<String, u64> = BTreeMap::new();
        let mut count = |moving: &Moving| {
            let busiest = moving.bottleneck.clone();
            busiest.map(|lane| *weights.entry(lane).or_default() += 1).is_some()
        };
        let moved = candidates.iter().any(|candidate| count(&candidate.moving));
        if !moved {
            return;
        }
        let mut found: Option<Candidate> = None;
        for round in 0..ROUNDS {
            let left = task.limits.time.map(|time| time.saturating_sub(began.elapsed()));
            let closed = self.is_closed(candidates.iter().chain(&found), task.limits.gap);
            if task.limits.interrupted() || left.is_some_and(|left| left.is_zero()) || closed {
                break;
            }
            let prices = if round == 0 { Prices::OneByOne } else { Prices::Mean(&weights) };
            let question = amortised(self.held, &mut self.network, &prices, self.requests);
            let Ok(question) = question.checked() else { break };
            let time = left.map(|left| left / (ROUNDS - round));
            let limits = Limits { time, ..task.limits };
            let (outcome, _) = answer(&question, &Task { limits, ..*task }, &mut crate::Quiet);
            if outcome.verdict.is_wrong() {
                break;
            }
            if let (1.., Some(bound)) = (round, outcome.lower_bound()) {
                self.bound = self.bound.max(Some(self.over_all(bound)));
            }
            let Some(plan) = outcome.plan else { continue };
            let candidate = self.candidate(Kind::WithMoves, Some(plan));
            let busiest = candidate.moving.bottleneck.clone();
            let better = |old: &Candidate| candidate.total.is_some_and(|new| Some(new) < old.total);
            if candidate.total.is_some() && found.as_ref().is_none_or(better) {
                found = Some(candidate);
            }
            // The same weights ask the same question.
            let news = |lane: &String| weights.len() > 1 || !weights.contains_key(lane);
            match busiest {
                Some(lane) if round == 0 || news(&lane) => {
                    *weights.entry(lane).or_default() += 1;
                }
                _ if round == 0 => {}
                _ => break,
            }
        }
        candidates.extend(found);
    }

    /// Whether the bound says that nothing better is left to be found.
    fn is_closed<'c>(&self, candidates: impl Iterator<Item = &'c Candidate>, gap: f64) -> bool {
        let best = candidates.filter_map(|candidate| candidate.total).min();
        let known = best.zip(self.bound);
        known.is_some_and(|(best, bound)| edgeplan_problem::gap(Cost(best.0), Cost(bound.0)) <= gap)
    }
}
