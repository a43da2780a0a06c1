//! What happens when.

use edgeplan_problem::scheduling::{Plan, Scheduling};
use edgeplan_problem::{Answer, Run, Share, Solver, SolverError, Stop, gap};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::market::Market;
use crate::prices::descend;
use crate::regret::construct;
use crate::work::Work;

/// Prices, a plan by regret, and groups of requests served again until nothing comes of it.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleSearch {
    /// Evaluations of the bound at most.
    pub evaluations: u32,
    /// The search ends after so many groups per request without a better plan.
    pub patience: u32,
}

impl Default for ScheduleSearch {
    fn default() -> Self {
        Self { evaluations: 400, patience: 100 }
    }
}

/// The part of the time that prices may take: one half.
const PRICE_SHARE: u32 = 2;
/// Requests of a group at most.
const GROUP_MAX: usize = 8;
/// Better plans are reported after at most so many groups.
const TELL: u64 = 4096;
/// What the plan may lose at first, relative to the mean satisfaction of a user.
const SLACK: f64 = 0.1;
/// Idle groups even of the smallest question.
const IDLE_MIN: u64 = 2_000;

impl Solver<Scheduling> for ScheduleSearch {
    fn solve(&self, run: &mut Run<'_, Scheduling>) -> Result<Answer<Plan>, SolverError> {
        let instance = run.problem();
        let market = Market::new(instance);
        let until = run.remaining().map(|time| run.elapsed() + time / PRICE_SHARE);
        let mut evaluations = 0;
        let mut tick = || {
            evaluations += 1;
            run.step()?;
            if until.is_some_and(|until| run.elapsed() > until) { Err(Stop::Time) } else { Ok(()) }
        };
        let (prices, _) = descend(&market, self.evaluations, &mut tick);
        run.count("evaluations", evaluations);
        run.lower_bound(instance.cost_of(market.most(&prices)));
        let mut work = construct(&market, &prices);
        run.incumbent(&work.plan());
        let result = self.improve(&market, &mut work, run);
        let plan = work.plan();
        run.incumbent(&plan);
        result?;
        Ok(Answer::Plan { plan, lower_bound: run.bound() })
    }
}

impl ScheduleSearch {
    /// Serves groups again until the patience is at its end, or the plan is proven. Once that finds
    /// nothing better by itself, the plan may lose a little: less and less (record-to-record
    /// travel, Dueck, J. Comput. Phys. 104, 1993).
    fn improve(
        &self,
        market: &Market<'_>,
        work: &mut Work<'_>,
        run: &mut Run<'_, Scheduling>,
    ) -> Result<(), Stop> {
        let requests = market.instance.requests.len() as u64;
        let patience = (requests * u64::from(self.patience)).max(IDLE_MIN);
        let mut groups = Groups::new(market, run.limits().seed);
        let (bound, gap_max) = (run.bound(), run.limits().gap);
        let mut record = Record::of(work);
        let (mut idle, mut tried, mut settled) = (0, 0u64, false);
        let result = loop {
            if let Err(stop) = run.step() {
                break Err(stop);
            }
            if idle >= patience {
                break Ok(());
            }
            (tried, idle) = (tried + 1, idle + 1);
            settled |= idle > requests;
            if let Some(group) = groups.draw(work) {
                let mut slack = Share::ZERO;
                if settled {
                    record.keep(work);
                    let left = (patience - idle) as f64 / patience as f64;
                    let most = SLACK * left * record.total.as_f64() / requests as f64;
                    slack = Share(most as u64).saturating_sub(record.total - work.total());
                }
                work.serve_again(&group, slack);
            }
            if work.total() > record.total {
                record.total = work.total();
                idle = 0;
            }
            let cost = market.instance.cost_of(record.total);
            if bound.is_some_and(|bound| gap(cost, bound) <= gap_max) {
                break Ok(());
            }
            if tried.is_multiple_of(TELL) && work.total() == record.total {
                run.incumbent(&work.plan());
            }
        };
        run.count("groups", tried);
        record.keep(work);
        work.restore(&record.plan);
        result
    }
}

/// The best plan so far.
struct Record {
    total: Share,
    plan: Vec<Option<u32>>,
    kept: Share,
}

impl Record {
    fn of(work: &Work<'_>) -> Self {
        Self { total: work.total(), plan: work.snapshot(), kept: work.total() }
    }

    /// Keeps the plan if it is the best one and not yet kept.
    fn keep(&mut self, work: &Work<'_>) {
        if work.total() == self.total && self.kept < self.total {
            (self.kept, self.plan) = (self.total, work.snapshot());
        }
    }
}

/// Draws groups of requests that compete.
struct Groups<'a> {
    market: &'a Market<'a>,
    random: Pcg64Mcg,
    /// By server: the requests of the users that it covers.
    covered: Vec<Vec<u32>>,
}

impl<'a> Groups<'a> {
    fn new(market: &'a Market<'a>, seed: u64) -> Self {
        let mut covered = vec![Vec::new(); market.instance.servers.len()];
        for request in 0..market.instance.requests.len() {
            covered[market.covering(request)].push(request as u32);
        }
        Self { market, random: Pcg64Mcg::seed_from_u64(seed), covered }
    }

    /// A request that could have more, some of those that hold the server or the way that it would
    /// need, and some of another server, where these could go. None if the drawn request has all
    /// that it could.
    fn draw(&mut self, work: &Work<'_>) -> Option<Vec<usize>> {
        let requests = self.market.instance.requests.len();
        if requests == 0 {
            return None;
        }
        let request = self.random.random_range(0..requests);
        let front = self.market.front(request);
        let better = work.served(request).unwrap_or(front.len());
        if better == 0 {
            return None;
        }
        let wanted = front[self.random.random_range(0..better)].choice.server.index();
        let other = self.random.random_range(0..self.market.instance.servers.len());
        let mut group = vec![request];
        let (rivals, guests) = (1 + self.random.random_range(0..4), self.random.random_range(0..3));
        add(work.residents(wanted), rivals, &mut group, &mut self.random);
        let senders = &self.covered[self.market.covering(request)];
        add(senders, self.random.random_range(0..3), &mut group, &mut self.random);
        add(work.residents(other), guests, &mut group, &mut self.random);
        Some(group)
    }
}

/// Adds up to `count` of them that are not yet there.
fn add(from: &[u32], count: usize, group: &mut Vec<usize>, random: &mut Pcg64Mcg) {
    for _ in 0..count.min(from.len()) {
        let request = from[random.random_range(0..from.len())] as usize;
        if group.len() < GROUP_MAX && !group.contains(&request) {
            group.push(request);
        }
    }
}
