//! Prices of what is relaxed, and the ranges in which sums of them are exact.

use super::ticks::REWARDS_MAX;
use crate::chain::{COST_MAX, Chain, Choice};

/// Prices of what is relaxed, in scaled cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Prices {
    /// Per unit of loss.
    pub(crate) loss: f64,
    /// Per nanosecond of a request, where it is limited besides the objective.
    pub(crate) time: f64,
    /// Per arrival on a device, whole numbers; zero where placement is free.
    pub(crate) visit: Vec<f64>,
    /// Per byte on a device; zero where the chain does not price them.
    pub(crate) bytes: Vec<f64>,
}

/// The prices of all that is allowed stay below this: their sums with costs are exact.
const PRICED_MAX: f64 = 4.0 * COST_MAX;

impl Prices {
    pub(crate) fn zero(devices: usize) -> Self {
        Self { loss: 0.0, time: 0.0, visit: vec![0.0; devices], bytes: vec![0.0; devices] }
    }

    /// The priced cost of resources, rounded down.
    pub(crate) fn resources(&self, loss: u64, time: u64) -> f64 {
        down(self.loss * loss as f64) + down(self.time * time as f64)
    }

    /// The priced cost of a choice's resources on a device, rounded down.
    pub(crate) fn choice(&self, device: usize, choice: &Choice) -> f64 {
        self.resources(choice.loss, choice.time) + self.stored(device, choice.bytes)
    }

    /// The priced cost of bytes on a device, rounded down.
    pub(crate) fn stored(&self, device: usize, bytes: u64) -> f64 {
        down(self.bytes[device] * bytes as f64)
    }

    /// What the relaxation gives back: the prices of all that is allowed, rounded up.
    pub(crate) fn budget(&self, chain: &Chain) -> f64 {
        let priced =
            |price: f64, amount: f64| if price > 0.0 { (price * amount).ceil() } else { 0.0 };
        let time = priced(self.time, chain.time_max.map_or(0.0, |max| max as f64));
        let rooms = chain.room.iter().zip(&self.bytes);
        let bytes = rooms.map(|(room, &price)| priced(price, room.bytes as f64)).sum::<f64>();
        priced(self.loss, chain.loss_max.as_f64()) + time + bytes + self.visit.iter().sum::<f64>()
    }

    /// The same prices, or lower ones in the same proportions where sums would not be exact: a
    /// bound holds for any prices.
    pub(super) fn exact(&self, chain: &Chain) -> Self {
        // Where nothing is allowed, a price costs nothing however high it is.
        let mut prices = Self {
            loss: self.loss.min(PRICED_MAX),
            time: self.time.min(PRICED_MAX),
            visit: self.visit.clone(),
            bytes: self.bytes.iter().map(|price| price.min(PRICED_MAX)).collect(),
        };
        let rewards: f64 = self.visit.iter().filter(|&&price| price < 0.0).sum();
        let all = prices.budget(chain) - 2.0 * rewards;
        if !all.is_finite() {
            return Self::zero(chain.devices);
        }
        if all > PRICED_MAX {
            let part = PRICED_MAX / all / 2.0;
            prices.loss *= part;
            prices.time *= part;
            prices.visit.iter_mut().for_each(|price| *price = (*price * part).floor());
            prices.bytes.iter_mut().for_each(|price| *price *= part);
        }
        prices
    }

    /// The dearest that a path of interest may be, priced: beyond its cost at most `ceiling`, and
    /// dear enough for rewards of every layer's visit to stay countable.
    pub(super) fn dearest(&self, chain: &Chain, ceiling: f64) -> f64 {
        let rewards = self.visit.iter().filter(|&&price| price < 0.0);
        let most = rewards.clone().fold(0.0, |most: f64, price| most.max(-price));
        let reach = self.budget(chain) - 2.0 * rewards.sum::<f64>();
        (ceiling + reach).max(most * chain.layers as f64 / REWARDS_MAX)
    }
}

/// An amount that is not negative, rounded down; quicker than `floor` of old instruction sets.
fn down(amount: f64) -> f64 {
    amount as i64 as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;
    use edgeplan_problem::Loss;

    #[test]
    fn what_is_given_back_is_no_less_than_what_is_charged_for_all_that_is_allowed() {
        let mut question = question(&[7, 9], &[(1, 5), (1, 7)]);
        question.models[0].loss_max = Some(Loss(10));
        let chain = Chain::new(&question, Measure::Latency, None);
        for price in [0.0, 0.3, 1.0 / 3.0, 7.77] {
            let prices = Prices { loss: price, visit: vec![2.0, 5.0], ..Prices::zero(2) };
            // Any split of the allowed loss over layers is charged no more than it is given back.
            for first in 0..=10 {
                let charged = prices.resources(first, 0) + prices.resources(10 - first, 0) + 7.0;
                assert!(charged <= prices.budget(&chain), "{price}: {first}");
            }
            assert!(prices.budget(&chain) < 10.0 * price + 7.0 + 1.0);
        }
    }

    #[test]
    fn prices_that_are_too_high_keep_their_proportions() {
        let chain = Chain::new(&question(&[1, 1], &[(1, 5), (1, 7)]), Measure::Latency, None);
        let high = Prices { visit: vec![3e30, 1e30], ..Prices::zero(2) };
        let exact = high.exact(&chain);
        assert!(exact.budget(&chain) <= PRICED_MAX && exact.budget(&chain) > PRICED_MAX / 4.0);
        assert!((exact.visit[0] / exact.visit[1] - 3.0).abs() < 1e-9, "{exact:?}");
        let absurd = Prices { visit: vec![f64::INFINITY, 1.0], ..Prices::zero(2) };
        assert_eq!(absurd.exact(&chain), Prices::zero(2));
    }
}
