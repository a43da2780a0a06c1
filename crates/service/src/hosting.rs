//! What each site hosts: chosen so that users are satisfied most under the expected load.

use std::sync::atomic::AtomicBool;

use crate::platform::Platform;
use edgeplan_problem::scheduling::Scheduling;
use edgeplan_problem::{Limits, Nanos, Problem as _, Share, Silent, Solver, solve};
use edgeplan_schedule_search::ScheduleSearch;

use crate::equipment::{Equipment, Grade};
use crate::load::{Load, UserRequest};
use crate::question::{Offered, Question, Standing};

/// By site, its equipment and batches; `None` where nothing is hosted.
pub type Hosting<'a> = Vec<Option<Offered<'a>>>;

/// A hosting, and what it is worth under the expected load.
#[derive(Debug, Clone)]
pub struct Chosen<'a> {
    /// What each site hosts.
    pub hosting: Hosting<'a>,
    /// The expected load on it.
    pub question: Question,
    /// What it is worth.
    pub worth: Worth,
    /// No hosting of these equipments is worth more than this satisfaction.
    pub most: Share,
    /// By site: what other equipment there would be worth at most, and which that is. `None` where
    /// there is no other.
    pub next: Vec<Option<(Worth, Option<Offered<'a>>)>>,
}

/// What the expected load's users get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worth {
    /// Sum of satisfaction.
    pub satisfaction: Share,
    /// Users who get all that they demand.
    pub satisfied: usize,
}

/// Requests that stand for all of them.
const SAMPLE_MAX: usize = 120;
/// The search ends at the latest after so many rounds over all sites.
const ROUNDS_MAX: usize = 8;
/// Quick answers to very many questions.
const QUICK: ScheduleSearch = ScheduleSearch { evaluations: 60, patience: 4 };
const THOROUGH: ScheduleSearch = ScheduleSearch { evaluations: 400, patience: 100 };

/// The expected load: a sample of the requests, and the time in which so many come.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    platform: &'a Platform,
    stop: &'a AtomicBool,
    sample: Vec<(UserRequest, Nanos)>,
    period: Nanos,
}

impl<'a> Expected<'a> {
    /// Of these requests, with the platform's headroom. A request waits for half a frame until it
    /// is assigned.
    pub fn new(Load { platform, requests, stop }: Load<'a>) -> Self {
        let step = requests.len().div_ceil(SAMPLE_MAX).max(1);
        let waited = Nanos(platform.frame.0 / 2);
        let sample: Vec<(UserRequest, Nanos)> =
            requests.iter().step_by(step).map(|asked| (*asked, waited)).collect();
        let last = requests.iter().map(|asked| asked.arrival).max().unwrap_or_default();
        let gaps = requests.len().saturating_sub(1).max(1) as u128;
        let whole = u128::from(last.0) * sample.len() as u128 / gaps;
        let period = whole * 100 / (100 + u128::from(platform.headroom_percent));
        let period = Nanos(u64::try_from(period).unwrap_or(u64::MAX >> 4).max(platform.frame.0));
        Self { platform, stop, sample, period }
    }

    /// Requests per second, headroom included.
    pub fn rate(&self) -> f64 {
        self.sample.len() as f64 * 1e9 / self.period.as_f64()
    }

    /// The scheduling question of a load, with these sites as candidates.
    pub fn question(&self, offers: &[Vec<Offered<'_>>]) -> Question {
        let standing = Standing { room: self.period, backlog: None };
        let standing = vec![standing; self.platform.sites.len()];
        Question::new(self.platform, offers, &standing, self.period, &self.sample)
    }

    /// What a hosting is worth.
    pub fn worth(&self, hosting: &Hosting<'_>, solver: &ScheduleSearch) -> Worth {
        let question = self.question(&singly(hosting)).scheduling;
        let plan = solve(&question, solver, self.limits(), &mut Silent).plan;
        let account = plan.map(|plan| question.evaluate(&plan).account).unwrap_or_default();
        Worth { satisfaction: account.satisfaction, satisfied: account.satisfied }
    }

    fn limits(&self) -> Limits<'a> {
        Limits { interrupt: Some(self.stop), ..Limits::default() }
    }

    /// No plan of the question has more satisfaction.
    fn most(&self, question: &Scheduling) -> Share {
        let solver: &dyn Solver<Scheduling> = &THOROUGH;
        let outcome = solve(question, solver, self.limits(), &mut Silent);
        let all = Share(Share::ONE.0.saturating_mul(question.requests.len() as u64));
        outcome.lower_bound().map_or(all, |bound| question.satisfaction_of(bound))
    }

    /// The mean share of a site that a request for a service takes, in nanoseconds; `None` where
    /// no request asks for it.
    pub fn computation(&self, offered: &Offered<'_>, model: usize) -> Option<f64> {
        let service = offered.equipment.hosted[model].service;
        let mine = self.sample.iter().filter(|(asked, _)| asked.service == service);
        let host = |(asked, _): &(UserRequest, Nanos)| {
            offered.equipment.host(model, asked.size, offered.batch, None).computation as f64
        };
        let all: Vec<f64> = mine.map(host).collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }
}

/// One offer at most for each site, as lists.
pub fn singly<'a>(hosting: &Hosting<'a>) -> Vec<Vec<Offered<'a>>> {
    hosting.iter().map(|offered| offered.iter().copied().collect()).collect()
}

/// Chooses what each site hosts: site after site takes what is worth most beside the others', until
/// none changes, or the load is stopped. `choices` has the equipments of each site.
///
/// # Complexity
/// One quick schedule for each equipment and batch, per round.
pub fn choose<'a>(expected: &Expected<'_>, choices: &'a [Vec<Equipment>]) -> Chosen<'a> {
    let platform = expected.platform;
    let offered = |equipment: &'a Equipment| {
        platform.batches.iter().map(move |&batch| Offered { equipment, batch })
    };
    let offers: Vec<Vec<Offered<'a>>> =
        choices.iter().map(|all| all.iter().flat_map(offered).collect()).collect();
    let mut hosting: Hosting<'a> = vec![None; offers.len()];
    let mut best = expected.worth(&hosting, &QUICK);
    let mut next = vec![None; offers.len()];
    for _ in 0..ROUNDS_MAX {
        let before = best;
        for site in 0..offers.len() {
            let mut tried: Vec<(Worth, Option<Offered<'a>>)> = Vec::new();
            for offer in std::iter::once(None).chain(offers[site].iter().copied().map(Some)) {
                if expected.limits().interrupted() {
                    break;
                }
                let mut changed = hosting.clone();
                changed[site] = offer;
                tried.push((expected.worth(&changed, &QUICK), offer));
            }
            let top = tried.iter().max_by_key(|(worth, _)| *worth).copied();
            if let Some((worth, offer)) = top.filter(|(worth, _)| *worth > best) {
                (best, hosting[site]) = (worth, offer);
            }
            let other = |(_, offer): &&(Worth, Option<Offered<'a>>)| {
                !same(offer.as_ref(), hosting[site].as_ref())
            };
            next[site] = tried.iter().filter(other).max_by_key(|(worth, _)| *worth).copied();
        }
        if best == before {
            break;
        }
    }
    let most = expected.most(&expected.question(&offers).scheduling);
    // A solver that is stopped may not have found what the quick one had.
    let worth = expected.worth(&hosting, &THOROUGH).max(best);
    let question = expected.question(&singly(&hosting));
    Chosen { hosting, question, worth, most, next }
}

/// Whether both are the same equipment, however large its batches.
fn same(a: Option<&Offered<'_>>, b: Option<&Offered<'_>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => std::ptr::eq(a.equipment, b.equipment),
        (None, None) => true,
        _ => false,
    }
}

/// The baseline's hosting: every site all services in the uniform format, or where they
/// do not fit, the most asked-for set of them that does; batches as large as any.
pub fn uniform<'a>(platform: &Platform, choices: &'a [Vec<Equipment>]) -> Hosting<'a> {
    let batch = platform.batches.iter().copied().max().unwrap_or(1);
    let share = |equipment: &&Equipment| {
        let hosted = equipment.hosted.iter();
        hosted.map(|hosted| u64::from(platform.services[hosted.service].share)).sum::<u64>()
    };
    let plain = |equipment: &&Equipment| {
        equipment.hosted.iter().all(|hosted| matches!(hosted.grade, Grade::Uniform(_)))
    };
    let best = |all: &'a Vec<Equipment>| all.iter().filter(plain).max_by_key(share);
    choices.iter().map(|all| Some(Offered { equipment: best(all)?, batch })).collect()
}
