//! Which layers take which option, so many each, at the least loss: a transport problem of a few
//! options, solved by cancelling cycles along which loss falls (Klein, Management Science 14,
//! 1967).

/// Gives each layer an option, by its place among `counts`, as many as they say, at the least sum
/// of `loss`. As many layers as the counts' sum.
pub(super) fn least_loss(
    layers: &[usize],
    counts: &[u64],
    loss: &dyn Fn(usize, usize) -> u64,
) -> Vec<usize> {
    let options = counts.len();
    let mean =
        |option: usize| layers.iter().map(|&layer| u128::from(loss(layer, option))).sum::<u128>();
    let mut finest: Vec<usize> = (0..options).collect();
    finest.sort_by_key(|&option| mean(option));
    let spread = |layer: usize| {
        let losses = || (0..options).map(|option| loss(layer, option));
        losses().max().unwrap_or(0) - losses().min().unwrap_or(0)
    };
    // The finest options to the layers that lose most; the best where losses are in proportion.
    let mut order: Vec<usize> = (0..layers.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(spread(layers[at])));
    let mut taken = vec![0; layers.len()];
    let wanted = finest.iter().flat_map(|&option| (0..counts[option]).map(move |_| option));
    order.into_iter().zip(wanted).for_each(|(at, option)| taken[at] = option);
    while cancel(layers, options, loss, &mut taken) {}
    taken
}

/// The cheapest layer to move from one option to another.
#[derive(Debug, Clone, Copy)]
struct Shift {
    at: usize,
    change: i128,
}

/// By option from and to: what the cheapest move costs, if any layer is there.
fn shifts(
    layers: &[usize],
    options: usize,
    loss: &dyn Fn(usize, usize) -> u64,
    taken: &[usize],
) -> Vec<Option<Shift>> {
    let mut shifts: Vec<Option<Shift>> = vec![None; options * options];
    for (at, &from) in taken.iter().enumerate() {
        for to in (0..options).filter(|&to| to != from) {
            let change = i128::from(loss(layers[at], to)) - i128::from(loss(layers[at], from));
            let best = &mut shifts[from * options + to];
            if best.is_none_or(|best| change < best.change) {
                *best = Some(Shift { at, change });
            }
        }
    }
    shifts
}

/// Moves layers along one cycle of options on which loss falls; whether there was one.
fn cancel(
    layers: &[usize],
    options: usize,
    loss: &dyn Fn(usize, usize) -> u64,
    taken: &mut [usize],
) -> bool {
    let shifts = shifts(layers, options, loss, taken);
    let Some(cycle) = falling_cycle(options, &shifts) else { return false };
    for (index, &from) in cycle.iter().enumerate() {
        let to = cycle[(index + 1) % cycle.len()];
        if let Some(shift) = shifts[from * options + to] {
            taken[shift.at] = to;
        }
    }
    true
}

/// A linear function of counts that no assignment's loss is below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tangent {
    pub(super) constant: i128,
    /// By option.
    pub(super) slopes: Vec<i128>,
}

/// Tangents of the least loss at these counts: prices of options at which every layer would take
/// the option that it has (duals of the transport problem).
pub(super) fn tangents(
    layers: &[usize],
    counts: &[u64],
    loss: &dyn Fn(usize, usize) -> u64,
) -> Vec<Tangent> {
    let options = counts.len();
    let taken = least_loss(layers, counts, loss);
    let shifts = shifts(layers, options, loss, &taken);
    let change = |from: usize, to: usize| shifts[from * options + to].map(|shift| shift.change);
    let mut tangents = Vec::new();
    for root in (0..options).filter(|&option| counts[option] > 0) {
        for is_forward in [true, false] {
            // Shortest ways from the root, or to it: moves cost no less than prices differ.
            let mut way: Vec<Option<i128>> = vec![None; options];
            way[root] = Some(0);
            for _ in 0..options {
                for from in 0..options {
                    for to in 0..options {
                        let Some(step) = change(from, to) else { continue };
                        let (known, next) = if is_forward { (from, to) } else { (to, from) };
                        let Some(so_far) = way[known] else { continue };
                        if way[next].is_none_or(|other| so_far + step < other) {
                            way[next] = Some(so_far + step);
                        }
                    }
                }
            }
            let price = |option: usize| way[option].map(|way| if is_forward { way } else { -way });
            let slopes = (0..options).map(|option| {
                let dearest =
                    (0..options).filter_map(|from| Some(price(from)? + change(from, option)?));
                price(option).or_else(|| dearest.min()).unwrap_or(0)
            });
            tangents.push(touching(layers, slopes.collect(), loss));
        }
    }
    tangents
}

/// The tangent of these slopes: at any slopes no assignment's loss is below it.
fn touching(layers: &[usize], slopes: Vec<i128>, loss: &dyn Fn(usize, usize) -> u64) -> Tangent {
    let least = |&layer: &usize| {
        let priced = slopes.iter().enumerate();
        priced.map(|(option, slope)| i128::from(loss(layer, option)) - slope).min().unwrap_or(0)
    };
    Tangent { constant: layers.iter().map(least).sum(), slopes }
}

/// Options in the order of a cycle whose changes have a sum below zero (Bellman and Ford).
fn falling_cycle(options: usize, shifts: &[Option<Shift>]) -> Option<Vec<usize>> {
    let mut least = vec![0i128; options];
    let mut before = vec![0usize; options];
    let mut changed = None;
    for _ in 0..options {
        changed = None;
        for from in 0..options {
            for to in 0..options {
                let Some(shift) = shifts[from * options + to] else { continue };
                if least[from] + shift.change < least[to] {
                    least[to] = least[from] + shift.change;
                    before[to] = from;
                    changed = Some(to);
                }
            }
        }
        changed?;
    }
    // After so many rounds the last change leads back into a cycle.
    let mut at = changed?;
    for _ in 0..options {
        at = before[at];
    }
    let mut cycle = vec![at];
    let mut earlier = before[at];
    while earlier != at {
        cycle.push(earlier);
        earlier = before[earlier];
    }
    cycle.reverse();
    Some(cycle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least loss of all ways.
    fn enumerated(layer: usize, counts: &[u64], losses: &[Vec<u64>]) -> u64 {
        if layer == losses.len() {
            return 0;
        }
        let open = (0..counts.len()).filter(|&option| counts[option] > 0);
        let ways = open.map(|option| {
            let mut left = counts.to_vec();
            left[option] -= 1;
            losses[layer][option] + enumerated(layer + 1, &left, losses)
        });
        ways.min().expect("as many counts as layers")
    }

    #[test]
    fn no_other_assignment_loses_less() {
        let mut state = 7u64;
        let mut draw = |most: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % most
        };
        for _ in 0..200 {
            let (layers, options) = (1 + draw(6) as usize, 1 + draw(4) as usize);
            // Few values: many ties.
            let losses: Vec<Vec<u64>> =
                (0..layers).map(|_| (0..options).map(|_| draw(5)).collect()).collect();
            let mut counts = vec![0; options];
            (0..layers).for_each(|_| counts[draw(options as u64) as usize] += 1);
            let all: Vec<usize> = (0..layers).collect();
            let taken = least_loss(&all, &counts, &|layer, option| losses[layer][option]);
            for (option, &count) in counts.iter().enumerate() {
                let times = taken.iter().filter(|&&taken| taken == option).count();
                assert_eq!(times as u64, count);
            }
            let loss: u64 = taken.iter().enumerate().map(|(at, &option)| losses[at][option]).sum();
            assert_eq!(loss, enumerated(0, &counts, &losses), "{losses:?} {counts:?}");
            // Tangents touch here, and are above nothing elsewhere.
            let value = |tangent: &Tangent, counts: &[u64]| {
                let priced = tangent.slopes.iter().zip(counts).map(|(s, &n)| s * i128::from(n));
                tangent.constant + priced.sum::<i128>()
            };
            let mut other = vec![0; options];
            (0..layers).for_each(|_| other[draw(options as u64) as usize] += 1);
            for tangent in tangents(&all, &counts, &|layer, option| losses[layer][option]) {
                assert_eq!(value(&tangent, &counts), i128::from(loss), "{losses:?} {counts:?}");
                let least = i128::from(enumerated(0, &other, &losses));
                assert!(value(&tangent, &other) <= least, "{losses:?} {other:?}");
            }
        }
    }
}
