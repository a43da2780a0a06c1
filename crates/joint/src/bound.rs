//! The Lagrangian bound: ways of models and contents of devices, each the cheapest under prices.
//! Where devices send, there are no ways.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use edgeplan_problem::Stop;

use crate::domain::Domain;
use crate::knapsack::{Recipe, best_recipe};
use crate::paths::{Tables, Ways};
use crate::prices::Terms;
use crate::pricing::{ChoiceBound, Effort, Priced, Pricing};
use crate::question::{NEVER, Question};

/// What prices prove.
pub(crate) struct Bounded {
    /// No plan costs less, scaled.
    pub(crate) scaled: i128,
    /// By model; of none where devices send.
    pub(crate) tables: Vec<Tables>,
    /// By device.
    pub(crate) priced: Vec<Priced>,
    /// By model, where its losses have a budget and its options prices.
    pub(crate) recipes: Vec<Option<Recipe>>,
}

impl Bounded {
    /// The bound of these prices.
    ///
    /// # Errors
    /// What ended the run before that.
    pub(crate) fn new(
        question: &Question<'_>,
        domain: &Domain,
        terms: Terms<'_>,
        effort: Effort<'_>,
    ) -> Result<Self, Stop> {
        let Terms { prices, ceilings } = terms;
        let ways = Ways::new(question, domain, prices, ceilings);
        let models = if prices.routed { 0 } else { question.models() };
        let tables: Vec<Tables> = (0..models).map(|model| ways.tables(model)).collect();
        let device = |device| {
            effort.watch.check()?;
            Pricing::new(question, domain, terms, &ways, device).configurations(effort)
        };
        let priced = each(question.devices, effort.threads, &device)?;
        let mut recipes = Vec::with_capacity(question.models());
        let (mut worth, mut none) = (0, false);
        for model in 0..question.models() {
            let recipe = match prices.has_options(question, model) {
                true => best_recipe(question, domain, prices, model),
                false => None,
            };
            none |= prices.has_options(question, model) && recipe.is_none();
            worth += recipe.as_ref().map_or(0, |recipe| i128::from(recipe.worth));
            recipes.push(recipe);
        }
        let never = none
            || tables.iter().any(|tables| tables.least >= NEVER)
            || priced.iter().any(|priced| priced.least >= NEVER);
        let sum = tables.iter().map(|tables| i128::from(tables.least)).sum::<i128>()
            + priced.iter().map(|priced| i128::from(priced.least)).sum::<i128>();
        let scaled = if never { i128::MAX } else { sum - worth - prices.returned(question) };
        Ok(Self { scaled, tables, priced, recipes })
    }

    /// Labels that pricing made.
    pub(crate) fn labels(&self) -> u64 {
        self.priced.iter().map(|priced| priced.labels).sum()
    }

    /// No plan costs less; [`u64::MAX`] if there is none.
    pub(crate) fn cost(&self, question: &Question<'_>) -> u64 {
        unscaled(question, self.scaled)
    }
}

/// Each device's answer, by so many threads, which take one device after the other.
fn each(
    devices: usize,
    threads: usize,
    answer: &(dyn Fn(usize) -> Result<Priced, Stop> + Sync),
) -> Result<Vec<Priced>, Stop> {
    if threads < 2 {
        return (0..devices).map(answer).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Priced)>, Stop> {
        let mut own = Vec::new();
        loop {
            let device = next.fetch_add(1, Ordering::Relaxed);
            if device >= devices {
                return Ok(own);
            }
            own.push((device, answer(device)?));
        }
    };
    let all = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(devices)).map(|_| scope.spawn(work)).collect();
        let mut all = vec![work()];
        all.extend(others.into_iter().map(|other| match other.join() {
            Ok(own) => own,
            Err(panic) => std::panic::resume_unwind(panic),
        }));
        all.into_iter().collect::<Result<Vec<_>, Stop>>()
    })?;
    let mut all: Vec<(usize, Priced)> = all.into_iter().flatten().collect();
    all.sort_by_key(|&(device, _)| device);
    Ok(all.into_iter().map(|(_, priced)| priced).collect())
}

/// Forbids what only plans that cost `cutoff` or more do, by prices and what they prove.
pub(crate) fn fix(
    question: &Question<'_>,
    domain: &mut Domain,
    terms: Terms<'_>,
    bounded: &Bounded,
    cutoff: u64,
) -> u64 {
    let limit = i128::from(cutoff) << question.shift;
    let mut fixed = 0;
    // The domain changes below; costs of ways do not.
    let before = domain.clone();
    let ways = Ways::new(question, &before, terms.prices, terms.ceilings);
    for device in 0..question.devices {
        let pricing = Pricing::new(question, domain, terms, &ways, device);
        let least = bounded.priced[device].least;
        for ChoiceBound { place, choice, least: value } in pricing.choices() {
            let slot = place / question.devices;
            let tables = bounded.tables.get(question.model_of[slot]);
            let detour = tables.map_or(0, |tables| {
                i128::from(tables.through(slot, device)) - i128::from(tables.least)
            });
            let excess = i128::from(value.saturating_sub(least).max(0));
            if bounded.scaled + detour + excess >= limit {
                fixed += u64::from(domain.keep(place, !(1 << choice)));
            }
        }
    }
    fixed
}

/// The least whole cost that is not below a scaled one.
pub(crate) fn unscaled(question: &Question<'_>, scaled: i128) -> u64 {
    if scaled == i128::MAX {
        return u64::MAX;
    }
    let up = (scaled.max(0) + (1 << question.shift) - 1) >> question.shift;
    u64::try_from(up).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::{Cost, Watch};

    use super::*;
    use crate::prices::Ceilings;
    use crate::pricing::LabelsMax;
    use crate::small::{prices, questions};

    #[test]
    fn no_plan_costs_less_than_what_any_prices_prove() {
        let mut checked = 0;
        for (number, deployment) in questions().iter().enumerate() {
            let question = Question::new(deployment);
            let Some((Cost(best), _)) = deployment.brute_force() else { continue };
            for seed in (0..6).map(|turn| (6 * number + turn) as u64) {
                let prices = prices(&question, seed);
                let ceilings = Ceilings::new(&question, best + 1);
                let terms = Terms { prices: &prices, ceilings: &ceilings };
                let (labels_max, watch) = (LabelsMax(1000), Watch::default());
                let effort = Effort { labels_max, threads: 1, watch };
                let bounded = Bounded::new(&question, &question.whole(), terms, effort);
                let proven = bounded.expect("nothing ends it").cost(&question);
                assert!(proven <= best, "{}: {proven} of {best}", deployment.name);
                checked += usize::from(prices.by_options);
            }
        }
        assert!(checked > 50, "{checked}");
    }

    #[test]
    fn threads_find_what_one_finds() {
        let mut found = 0;
        for (seed, deployment) in questions().iter().enumerate() {
            let question = Question::new(deployment);
            let prices = prices(&question, seed as u64);
            let ceilings = Ceilings::new(&question, u64::MAX);
            let terms = Terms { prices: &prices, ceilings: &ceilings };
            let bounded = |threads| {
                let labels_max = LabelsMax(1000);
                let effort = Effort { labels_max, threads, watch: Watch::default() };
                let bounded = Bounded::new(&question, &question.whole(), terms, effort);
                let bounded = bounded.expect("nothing ends it");
                let priced = bounded.priced.iter().map(|priced| priced.found.clone());
                (bounded.scaled, priced.collect::<Vec<_>>())
            };
            let one = bounded(1);
            found += one.1.iter().map(Vec::len).sum::<usize>();
            for threads in [2, 5] {
                assert_eq!(bounded(threads), one, "{}", deployment.name);
            }
        }
        assert!(found > 50, "{found}");
    }
}
