//! A plan of one run on one device: what prices choose layer by layer, repaired and bettered. With
//! limits on what all layers take together that is a multiple-choice knapsack, whose relaxation
//! leaves few layers undecided.

use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, Plan};
use edgeplan_problem::{Run, Stop};

use crate::bounding::CaseSearch;
use crate::chain::{Chain, Choice};
use crate::dual::prices::Prices;

/// Exchanges of two layers' choices, at most: each looks at all pairs.
const EXCHANGES_MAX: usize = 64;

/// What all layers together take: bytes, loss, time of the run.
const AMOUNTS: usize = 3;

/// A plan in the making.
struct Draft<'a> {
    chain: &'a Chain,
    device: usize,
    /// By layer: which of its choices.
    chosen: Vec<usize>,
    used: [u64; AMOUNTS],
    allowed: [u64; AMOUNTS],
}

/// Another choice of a layer.
#[derive(Clone, Copy)]
struct Change {
    layer: usize,
    choice: usize,
    /// What it adds to the cost, scaled.
    cost: f64,
}

impl CaseSearch<'_> {
    /// Looks for a better plan on the only device, from the choices that are cheapest at prices.
    pub(crate) fn search_alone(
        &self,
        run: &mut Run<'_, Deployment>,
        prices: &Prices,
    ) -> Result<(), Stop> {
        let Some(device) = self.chain.sole() else { return Ok(()) };
        let Some(mut draft) = Draft::new(&self.chain, device, prices) else { return Ok(()) };
        if !draft.repair(&|| run.check())? {
            return Ok(());
        }
        draft.better(&|| run.check())?;
        run.incumbent(&draft.plan());
        for _ in 0..EXCHANGES_MAX {
            run.check()?;
            if !draft.exchange() {
                break;
            }
            draft.better(&|| run.check())?;
        }
        run.incumbent(&draft.plan());
        Ok(())
    }
}

impl<'a> Draft<'a> {
    /// None if a layer has no choice. Tensors that layers share are counted with each of them.
    fn new(chain: &'a Chain, device: usize, prices: &Prices) -> Option<Self> {
        let cheapest = |layer: usize| {
            let choices = chain.choices[chain.at(layer, device)].iter().enumerate();
            let priced = choices.map(|(at, c)| (c.cost + prices.choice(device, c), at));
            priced.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, at)| at)
        };
        let chosen: Vec<usize> = (0..chain.layers).map(cheapest).collect::<Option<_>>()?;
        let room = chain.room[device];
        let ends = [chain.ingress[device], chain.egress[device]].into_iter().flatten();
        let ends: u64 = ends.map(|hop| hop.time).sum();
        let request = chain.time_max.map_or(u64::MAX, |max| max.saturating_sub(ends));
        let time = room.time.get().unwrap_or(u64::MAX).min(request);
        let allowed = [room.bytes, chain.loss_max.get().unwrap_or(u64::MAX), time];
        let mut draft = Self { chain, device, chosen, used: [0; AMOUNTS], allowed };
        for layer in 0..chain.layers {
            let amounts = draft.amounts(draft.choice(layer));
            for (used, amount) in draft.used.iter_mut().zip(amounts) {
                *used += amount;
            }
        }
        Some(draft)
    }

    fn choices(&self, layer: usize) -> &'a [Choice] {
        &self.chain.choices[self.chain.at(layer, self.device)]
    }

    fn choice(&self, layer: usize) -> &'a Choice {
        &self.choices(layer)[self.chosen[layer]]
    }

    fn amounts(&self, choice: &Choice) -> [u64; AMOUNTS] {
        let shared = choice.shared.map_or(0, |at| self.chain.shared[usize::from(at)].bytes);
        [choice.bytes + shared, choice.loss, choice.time]
    }

    /// What is used after a layer's choice is another one.
    fn with(&self, mut used: [u64; AMOUNTS], change: Change) -> [u64; AMOUNTS] {
        let before = self.amounts(self.choice(change.layer));
        let after = self.amounts(&self.choices(change.layer)[change.choice]);
        for (used, (before, after)) in used.iter_mut().zip(before.into_iter().zip(after)) {
            *used = *used - before + after;
        }
        used
    }

    fn fits(&self, used: [u64; AMOUNTS]) -> bool {
        used.iter().zip(&self.allowed).all(|(used, allowed)| used <= allowed)
    }

    /// By how much limits are exceeded, in limits.
    fn excess(&self, used: [u64; AMOUNTS]) -> f64 {
        let over = |(&used, &allowed): (&u64, &u64)| {
            used.saturating_sub(allowed) as f64 / allowed.max(1) as f64
        };
        used.iter().zip(&self.allowed).map(over).sum()
    }

    /// All other choices of all layers.
    fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        (0..self.chain.layers).flat_map(move |layer| {
            let (chosen, now) = (self.chosen[layer], self.choice(layer).cost);
            let choices = self.choices(layer).iter().enumerate();
            let others = choices.filter(move |&(choice, _)| choice != chosen);
            others.map(move |(choice, c)| Change { layer, choice, cost: c.cost - now })
        })
    }

    fn change(&mut self, change: Change) {
        self.used = self.with(self.used, change);
        self.chosen[change.layer] = change.choice;
    }

    /// Changes what takes most excess for its cost, until none is left; false if some stays.
    fn repair(&mut self, check: &dyn Fn() -> Result<(), Stop>) -> Result<bool, Stop> {
        loop {
            check()?;
            let excess = self.excess(self.used);
            if excess == 0.0 {
                return Ok(self.fits(self.used));
            }
            let rate = |change: Change| {
                let less = excess - self.excess(self.with(self.used, change));
                (less > 0.0).then(|| (change.cost / less, change))
            };
            let best = self.changes().filter_map(rate).min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, change)) = best else { return Ok(false) };
            self.change(change);
        }
    }

    /// Takes what is cheaper and fits, the most first.
    fn better(&mut self, check: &dyn Fn() -> Result<(), Stop>) -> Result<(), Stop> {
        loop {
            check()?;
            let fits =
                |change: &Change| change.cost < 0.0 && self.fits(self.with(self.used, *change));
            let best = self.changes().filter(fits).min_by(|a, b| a.cost.total_cmp(&b.cost));
            let Some(change) = best else { return Ok(()) };
            self.change(change);
        }
    }

    /// Makes one layer cheaper with what another one, dearer, gives back; false if no two do.
    fn exchange(&mut self) -> bool {
        let (mut cheaper, mut dearer): (Vec<Change>, Vec<Change>) =
            self.changes().partition(|change| change.cost < 0.0);
        let by_cost = |a: &Change, b: &Change| a.cost.total_cmp(&b.cost);
        cheaper.sort_by(by_cost);
        dearer.sort_by(by_cost);
        for first in cheaper {
            let used = self.with(self.used, first);
            let pays = dearer.iter().take_while(|second| first.cost + second.cost < 0.0);
            let mut pays = pays.filter(|second| second.layer != first.layer);
            if let Some(&second) = pays.find(|second| self.fits(self.with(used, **second))) {
                self.change(first);
                self.change(second);
                return true;
            }
        }
        false
    }

    fn plan(&self) -> Plan {
        let device = DeviceId(self.device as u16);
        let assigned = |layer| Assignment { device, option: self.choice(layer).option };
        Plan::single((0..self.chain.layers).map(assigned).collect())
    }
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};
    use edgeplan_problem::deployment::LayerOption;
    use edgeplan_problem::{Bytes, Limits, Nanos, Problem as _, Silent, Verdict, solve};

    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;
    use crate::solver::ChainSearch;

    /// Two hundred layers, of 10 kB to 100 MB, in formats of 2 to 8 bits: a grid of bytes alone
    /// left a third of the cost open after 10 s.
    #[test]
    fn hundreds_of_layers_of_unlike_sizes_are_proven() {
        let mut state = 1_u64;
        let mut drawn = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as f64 / f64::from(1 << 31)
        };
        let mut question = question(&[0], &vec![(1, 1); 200]);
        let mut least = 0;
        for layer in &mut question.models[0].layers {
            let (elements, loss) = (10f64.powf(4.0 + 4.0 * drawn()), 10f64.powf(-3.0 * drawn()));
            let option = |bits: i32| LayerOption {
                recipe: format!("{bits} bits").into(),
                bytes: Bytes((elements * f64::from(bits) / 8.0) as u64),
                compute: vec![Some(Nanos((1e9 * loss * 4f64.powi(2 - bits)) as u64))],
                ..layer.options[0].clone()
            };
            layer.options = [2, 3, 4, 5, 6, 8].map(option).to_vec();
            least += layer.options[0].bytes.0;
        }
        for percent in [105, 120, 200] {
            question.devices[0].memory = Bytes(least * percent / 100);
            let question = question.clone().checked().expect("it makes sense");
            let limits = Limits { gap: 1e-4, steps: Some(20_000_000), ..Limits::default() };
            let found = solve(&question, &ChainSearch::default(), limits, &mut Silent);
            assert!(matches!(found.verdict, Verdict::Optimal { .. }), "{percent}: {found:?}");
        }
    }

    #[test]
    fn plans_keep_limits_and_are_often_best() {
        let (mut found, mut optimal) = (0, 0);
        for seed in 0..60 {
            let family = Random { layers: 6, devices: 1, formats: 4, seed, ..Random::default() };
            let question = random(&family).checked().expect("the generator makes sense");
            let Some((best, _)) = question.brute_force() else { continue };
            let chain = Chain::new(&question, Measure::Latency, None);
            let mut draft = Draft::new(&chain, 0, &Prices::zero(1)).expect("every layer fits");
            let go_on = &|| Ok(());
            if !draft.repair(go_on).expect("nothing stops it") {
                continue;
            }
            draft.better(go_on).expect("nothing stops it");
            while draft.exchange() {
                draft.better(go_on).expect("nothing stops it");
            }
            let evaluation = question.evaluate(&draft.plan());
            assert!(evaluation.is_feasible() && evaluation.cost >= best, "seed {seed}");
            (found, optimal) = (found + 1, optimal + usize::from(evaluation.cost == best));
        }
        assert!(found > 20 && 2 * optimal > found, "{optimal} of {found}");
    }
}
