//! The plan that is never far from the best, however far times are off within their bands.
//!
//! A scenario puts the times of devices at an end of their intervals: those of one profile
//! together, each profile alone, and all of them. The regret of a plan in a scenario is what it
//! costs there beyond the best plan of that scenario. Sought is the plan whose largest regret is
//! least.
//!
//! Plans come from the solver: the best of every scenario, and the best at weighted means of the
//! scenarios' times; and from mixing these, one up to a layer and another from there on. A mean
//! also proves how good they are: a plan costs, at mean times, no more than the mean of its costs,
//! so the least cost at mean times less the mean of the scenarios' best costs is a lower bound on
//! every plan's largest regret (Lagrangian duality; P. Kouvelis and G. Yu,
//! Robust Discrete Optimization and Its Applications, 1997, chapter 1). Weights move to where the
//! best plan so far regrets most (multiplicative weights; S. Arora, E. Hazan, S. Kale, Theory of
//! Computing 8, 2012, doi 10.4086/toc.2012.v008a006). Limits on time hold at middle times.

mod scenarios;
mod shown;

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Cost, Limits, Outcome, Problem as _};

use self::scenarios::{Scenario, scenarios};
pub(crate) use self::shown::RobustKeys;
use crate::Error;
use crate::answer::{Progress, Task, answer};
use crate::session::Session;

/// Means of the scenarios that are asked for.
const ROUNDS: usize = 16;
/// How fast weights move to the scenarios that are regretted most.
const RATE: f64 = 2.0;
/// Plans that are mixed, and how often.
const MIXED: usize = 6;
const GENERATIONS: usize = 2;
/// Parts that weights are made of.
const PARTS: u64 = 10_000;

/// A plan with its largest regret, and what is proven of that.
///
/// See [`Session::robust`] for an example.
#[derive(Debug, Clone)]
pub struct Robust {
    /// The plan.
    pub plan: Plan,
    /// It regrets at most this, in any scenario.
    pub regret: Cost,
    /// No plan's largest regret is below this.
    pub regret_bound: Cost,
    /// Whether these two are as near as the task's gap asks, relative to what plans cost.
    pub proven: bool,
    /// What the plan of middle times regrets at most.
    pub nominal_regret: Cost,
    /// What it costs at middle times, and what the plan of middle times does.
    pub costs: [Cost; 2],
    /// Each scenario.
    scenarios: Vec<Told>,
    /// Devices without bands, at middle times in all scenarios.
    unknown: Vec<String>,
}

/// A scenario, and what plans cost there.
#[derive(Debug, Clone)]
struct Told {
    name: String,
    /// No plan costs less.
    least: Cost,
    /// The robust plan, and that of middle times.
    costs: [Cost; 2],
}

impl Session {
    /// The plan of the least largest regret over the bands of times, starting from `outcome`, which
    /// is this question's answer.
    ///
    /// ```
    /// use edgeplan::{Quiet, Sources, Task};
    ///
    /// let session = Sources::default().load()?;
    /// let planned = session.plan(&Task::default(), &mut Quiet);
    /// let robust = session.robust(&planned.outcome, &Task::default(), &mut Quiet)?;
    /// assert!(robust.regret_bound <= robust.regret && robust.regret <= robust.nominal_regret);
    /// assert!(robust.costs[0] >= robust.costs[1]);
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// No plan, or times of which no band is known, as in an instance file.
    ///
    /// # Complexity
    /// As many questions as this one as there are scenarios, and 16 more; together as long as the
    /// task's limit of time.
    pub fn robust(
        &self,
        outcome: &Outcome<Plan>,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Robust, Error> {
        let nothing = |why: &str| Error::Impossible(format!("no robust plan: {why}"));
        let nominal = outcome.plan.as_ref().filter(|_| outcome.cost().is_some());
        let nominal = nominal.ok_or_else(|| nothing("the question has no plan"))?;
        let found = scenarios(self.priced());
        if found.all.is_empty() {
            return Err(nothing("no band of times is known; an instance file has none"));
        }
        let questions = found.all.len() + ROUNDS;
        let time = task.limits.time.map(|time| time / questions as u32);
        let task = Task { limits: Limits { time, ..task.limits }, double_check: false, ..*task };
        let mut search = Search::new(self.deployment(), &found.all, nominal);
        for index in 0..found.all.len() {
            search.scenario(index, &task, progress);
        }
        for _ in 0..ROUNDS {
            if task.limits.interrupted() || search.is_proven(task.limits.gap) {
                break;
            }
            search.round(&task, progress);
        }
        for _ in 0..GENERATIONS {
            search.mix(task.limits.gap);
        }
        let proven = search.is_proven(task.limits.gap);
        Ok(Robust { proven, ..search.told(found.unknown) })
    }
}

/// What is known so far.
struct Search<'a> {
    /// At middle times: says which plans are allowed.
    nominal: &'a Deployment,
    scenarios: &'a [Scenario],
    /// Plans that are feasible at middle times, the first one that of middle times; and their costs
    /// by scenario.
    plans: Vec<(Plan, Vec<Cost>)>,
    /// What no plan costs less than, by scenario.
    least: Vec<Cost>,
    weights: Vec<f64>,
    bound: Cost,
}

impl<'a> Search<'a> {
    fn new(nominal: &'a Deployment, scenarios: &'a [Scenario], plan: &Plan) -> Self {
        let count = scenarios.len();
        let mut search = Self {
            nominal,
            scenarios,
            plans: Vec::new(),
            least: vec![Cost(0); count],
            weights: vec![1.0 / count as f64; count],
            bound: Cost(0),
        };
        search.add(plan);
        search
    }

    /// Keeps a plan that is allowed and new, with what it costs everywhere; says whether it is.
    fn add(&mut self, plan: &Plan) -> bool {
        self.keep(plan, |search| search.costs(plan))
    }

    fn keep(&mut self, plan: &Plan, costs: impl FnOnce(&Self) -> Vec<Cost>) -> bool {
        let allowed = self.nominal.evaluate(plan).violations.is_empty();
        let new = allowed && self.plans.iter().all(|(known, _)| known != plan);
        if new {
            let costs = costs(self);
            self.plans.push((plan.clone(), costs));
        }
        new
    }

    /// What a plan costs, by scenario.
    fn costs(&self, plan: &Plan) -> Vec<Cost> {
        self.scenarios.iter().map(|one| one.deployment.evaluate(plan).cost).collect()
    }

    /// The best plan of one scenario.
    fn scenario(&mut self, index: usize, task: &Task<'_>, progress: &mut dyn Progress) {
        let (outcome, _) = answer(&self.scenarios[index].deployment, task, progress);
        self.least[index] = outcome.lower_bound().unwrap_or(Cost(0));
        if let Some(plan) = &outcome.plan {
            self.add(plan);
        }
    }

    /// The best plan at a mean of all scenarios, which also bounds every plan's regret.
    fn round(&mut self, task: &Task<'_>, progress: &mut dyn Progress) {
        let parts = parts(&self.weights);
        let mean = scenarios::mean(self.scenarios, &parts);
        let (outcome, _) = answer(&mean, task, progress);
        if let Some(least) = outcome.lower_bound() {
            let best = |index: usize| self.plans.iter().map(|(_, costs)| costs[index].0).min();
            let all = (0..parts.len()).map(|index| {
                u128::from(parts[index]) * u128::from(best(index).unwrap_or_default())
            });
            let mean = all.sum::<u128>().div_ceil(u128::from(PARTS));
            let bound = u128::from(least.0).saturating_sub(mean);
            self.bound = self.bound.max(Cost(u64::try_from(bound).unwrap_or(u64::MAX)));
        }
        if let Some(plan) = &outcome.plan {
            self.add(plan);
        }
        let regrets = self.regrets_at(&self.plans[self.best()].1);
        let most = regrets.iter().map(|regret| regret.as_f64()).fold(1.0, f64::max);
        for (weight, regret) in self.weights.iter_mut().zip(&regrets) {
            *weight *= (RATE * (regret.as_f64() / most - 1.0)).exp();
        }
        let sum: f64 = self.weights.iter().sum();
        self.weights.iter_mut().for_each(|weight| *weight /= sum);
    }

    /// Plans between two plans, one up to a layer and the other from there on: what lies between
    /// two optima is the best at no mean, and may regret less than both.
    fn mix(&mut self, gap: f64) {
        if self.is_proven(gap) {
            return;
        }
        let mut order: Vec<usize> = (0..self.plans.len()).collect();
        order.sort_by_key(|&plan| self.most(plan));
        order.truncate(MIXED);
        let parents: Vec<Plan> = order.iter().map(|&plan| self.plans[plan].0.clone()).collect();
        let mut least = self.most(self.best());
        for first in &parents {
            for second in parents.iter().filter(|&second| second != first) {
                for model in 0..first.models.len() {
                    for cut in 1..first.models[model].len() {
                        let mut child = first.clone();
                        child.models[model][cut..].copy_from_slice(&second.models[model][cut..]);
                        let costs = self.costs(&child);
                        let most = self.most_at(&costs);
                        if most < least && self.keep(&child, |_| costs) {
                            least = most;
                        }
                    }
                }
            }
        }
    }

    /// At most what a plan of these costs regrets, by scenario.
    fn regrets_at(&self, costs: &[Cost]) -> Vec<Cost> {
        let costs = costs.iter().zip(&self.least);
        costs.map(|(cost, least)| Cost(cost.0.saturating_sub(least.0))).collect()
    }

    fn most_at(&self, costs: &[Cost]) -> Cost {
        self.regrets_at(costs).into_iter().max().unwrap_or_default()
    }

    fn most(&self, plan: usize) -> Cost {
        self.most_at(&self.plans[plan].1)
    }

    /// The plan of the least largest regret; of several the cheapest at middle times.
    fn best(&self) -> usize {
        let key = |&plan: &usize| {
            let cost = self.nominal.evaluate(&self.plans[plan].0).cost;
            (self.most(plan), cost, plan)
        };
        (0..self.plans.len()).min_by_key(key).unwrap_or_default()
    }

    /// Whether no plan can regret noticeably less, relative to what plans cost.
    fn is_proven(&self, gap: f64) -> bool {
        let best = self.best();
        let cost = self.plans[best].1.iter().max().copied().unwrap_or_default();
        let open = self.most(best).0.saturating_sub(self.bound.0) as f64;
        open <= gap * cost.as_f64()
    }

    fn told(self, unknown: Vec<String>) -> Robust {
        let best = self.best();
        let cost = |plan: usize| self.nominal.evaluate(&self.plans[plan].0).cost;
        let scenarios = self.scenarios.iter().enumerate().map(|(index, scenario)| Told {
            name: scenario.name.clone(),
            least: self.least[index],
            costs: [best, 0].map(|plan| self.plans[plan].1[index]),
        });
        Robust {
            plan: self.plans[best].0.clone(),
            regret: self.most(best),
            // Regrets are bounds themselves: from above.
            regret_bound: self.bound.min(self.most(best)),
            proven: false,
            nominal_regret: self.most(0),
            costs: [cost(best), cost(0)],
            scenarios: scenarios.collect(),
            unknown,
        }
    }
}

/// Weights as whole parts of [`PARTS`].
fn parts(weights: &[f64]) -> Vec<u64> {
    let mut parts: Vec<u64> =
        weights.iter().map(|weight| (weight * PARTS as f64).floor() as u64).collect();
    let rest = PARTS.saturating_sub(parts.iter().sum());
    let heaviest = (0..parts.len()).max_by_key(|&index| parts[index]).unwrap_or_default();
    if let Some(part) = parts.get_mut(heaviest) {
        *part += rest;
    }
    parts
}
