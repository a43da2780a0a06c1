//! The first plan: requests in the order of their regret.

use crate::market::{Market, Prices};
use crate::work::Work;

/// Serves requests in the order of what they would lose with their second best server instead of
/// the best, after prices; each gets what is worth most of what still fits. What is left of the
/// capacities then goes to the request that gains most from it.
///
/// # Complexity
/// O(candidates + requests * log requests).
pub(super) fn construct<'a>(market: &'a Market<'a>, prices: &Prices) -> Work<'a> {
    let requests = market.instance.requests.len();
    let mut order: Vec<(f64, usize)> =
        (0..requests).map(|request| (regret(market, prices, request), request)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut work = Work::new(market);
    for &(_, request) in &order {
        let worths = market.worth(request, prices).enumerate();
        let fitting = worths.filter(|&(position, _)| work.fits(request, position));
        let best = fitting.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        if let Some((position, _)) = best.filter(|&(_, worth)| worth >= 0.0) {
            work.insert(request, position);
        }
    }
    for &(_, request) in &order {
        work.upgrade(request);
    }
    work
}

/// What the best candidate is worth beyond the best one on any other server, or beyond nothing.
fn regret(market: &Market<'_>, prices: &Prices, request: usize) -> f64 {
    let front = market.front(request);
    let worths: Vec<f64> = market.worth(request, prices).collect();
    let Some(best) = (0..front.len()).max_by(|&a, &b| worths[a].total_cmp(&worths[b])) else {
        return 0.0;
    };
    let elsewhere = front
        .iter()
        .zip(&worths)
        .filter(|(candidate, _)| candidate.choice.server != front[best].choice.server);
    let second = elsewhere.fold(0.0, |second: f64, (_, &worth)| second.max(worth));
    worths[best].max(0.0) - second
}
