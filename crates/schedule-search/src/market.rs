//! Requests and their candidates as arrays, priced.

use edgeplan_problem::Share;
use edgeplan_problem::scheduling::{Candidate, Scheduling};

/// Prices in fixed point have this many bits below one billionth.
const PRICE_BITS: u32 = 20;
/// A price above this leaves nothing worth its capacity.
const PRICE_MAX: f64 = (1u64 << 52) as f64;

/// What one unit of a capacity costs, in billionths of satisfaction.
#[derive(Debug, Clone)]
pub(super) struct Prices {
    /// By serving server.
    pub(super) computation: Vec<f64>,
    /// By covering server.
    pub(super) communication: Vec<f64>,
}

/// What requests take at some prices.
#[derive(Debug, Clone)]
pub(super) struct Demand {
    /// The Lagrangian's value: no schedule has more satisfaction.
    pub(super) value: f64,
    /// Computation taken, by serving server.
    pub(super) computation: Vec<f64>,
    /// Communication taken, by covering server.
    pub(super) communication: Vec<f64>,
}

/// The instance as arrays.
pub(super) struct Market<'a> {
    pub(super) instance: &'a Scheduling,
    /// `fronts[first[request]..first[request + 1]]`, most satisfying first.
    fronts: Vec<Candidate>,
    first: Vec<usize>,
    /// The same by column, for the one loop that is hot.
    lean: Vec<Lean>,
}

#[derive(Debug, Clone, Copy)]
struct Lean {
    gain: f64,
    computation: f64,
    communication: f64,
    server: usize,
}

impl<'a> Market<'a> {
    /// O(requests * servers * variants^2).
    pub(super) fn new(instance: &'a Scheduling) -> Self {
        let (mut fronts, mut first) = (Vec::new(), vec![0]);
        for request in &instance.requests {
            let mut front = instance.front(request);
            front.sort_by_key(|candidate| std::cmp::Reverse(candidate.satisfaction));
            fronts.append(&mut front);
            first.push(fronts.len());
        }
        let lean = |candidate: &Candidate| Lean {
            gain: candidate.satisfaction.as_f64(),
            computation: candidate.computation as f64,
            communication: candidate.communication as f64,
            server: candidate.choice.server.index(),
        };
        let lean = fronts.iter().map(lean).collect();
        Self { instance, fronts, first, lean }
    }

    /// The candidates of a request, most satisfying first.
    pub(super) fn front(&self, request: usize) -> &[Candidate] {
        &self.fronts[self.first[request]..self.first[request + 1]]
    }

    /// What the candidates of a request are worth after prices, in the order of its front.
    pub(super) fn worth<'b>(
        &'b self,
        request: usize,
        prices: &'b Prices,
    ) -> impl Iterator<Item = f64> + 'b {
        let sending = prices.communication[self.covering(request)];
        let lean = &self.lean[self.first[request]..self.first[request + 1]];
        lean.iter().map(move |c| {
            c.gain - prices.computation[c.server] * c.computation - sending * c.communication
        })
    }

    pub(super) fn covering(&self, request: usize) -> usize {
        self.instance.requests[request].covered_by.index()
    }

    /// Every request alone picks what is worth most, or nothing. O(candidates).
    pub(super) fn demand(&self, prices: &Prices) -> Demand {
        let servers = self.instance.servers.len();
        let mut demand = Demand {
            value: 0.0,
            computation: vec![0.0; servers],
            communication: vec![0.0; servers],
        };
        for request in 0..self.instance.requests.len() {
            let (mut best, mut pick) = (0.0, None);
            for (position, worth) in self.worth(request, prices).enumerate() {
                if worth > best {
                    (best, pick) = (worth, Some(position));
                }
            }
            let Some(pick) = pick else { continue };
            let picked = &self.lean[self.first[request] + pick];
            demand.value += best;
            demand.computation[picked.server] += picked.computation;
            demand.communication[self.covering(request)] += picked.communication;
        }
        for (index, server) in self.instance.servers.iter().enumerate() {
            demand.value += prices.computation[index] * server.computation as f64;
            demand.value += prices.communication[index] * server.communication as f64;
        }
        demand
    }

    /// The Lagrangian's value at these prices, rounded to fixed point and computed in integers: no
    /// plan's satisfaction is above it. O(candidates).
    pub(super) fn most(&self, prices: &Prices) -> Share {
        let scale = f64::from(1u32 << PRICE_BITS);
        let fixed = |price: &f64| (price * scale).clamp(0.0, PRICE_MAX) as i128;
        let computation: Vec<i128> = prices.computation.iter().map(fixed).collect();
        let communication: Vec<i128> = prices.communication.iter().map(fixed).collect();
        let mut value: i128 = 0;
        for (index, server) in self.instance.servers.iter().enumerate() {
            // Each product is below 2^114; only a sum over very many servers could overflow.
            value = value.saturating_add(computation[index] * i128::from(server.computation));
            value = value.saturating_add(communication[index] * i128::from(server.communication));
        }
        for request in 0..self.instance.requests.len() {
            let sending = communication[self.covering(request)];
            let worth = |candidate: &Candidate| {
                (i128::from(candidate.satisfaction.0) << PRICE_BITS)
                    - computation[candidate.choice.server.index()]
                        * i128::from(candidate.computation)
                    - sending * i128::from(candidate.communication)
            };
            let most = self.front(request).iter().map(worth).max().unwrap_or(0).max(0);
            value = value.saturating_add(most);
        }
        Share(u64::try_from(value >> PRICE_BITS).unwrap_or(u64::MAX))
    }
}
