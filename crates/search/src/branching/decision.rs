//! Branching: what the best mixture of relaxed paths leaves undecided is decided, both ways.
//!
//! The relaxation mixes plans to keep within the quality budget: one of few hops in coarse formats
//! with one of more devices in fine ones. No price separates the two, a decision does.

use crate::ascent::Mixture;
use crate::chain::Chain;
use crate::fixing::drop_dangling;
use crate::relaxation::{Path, visits};

/// One side of a branching. Of identical devices the first ones are used first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This device is used, and so is every one before it in its class.
    Use(usize),
    /// This device is not used, nor is any after it in its class.
    Avoid(usize),
    /// A device of that class holds the layer.
    Hold(usize, usize),
    /// Some other device holds the layer.
    Yield(usize, usize),
}

impl Decision {
    /// Takes what it excludes from the chain.
    pub(crate) fn apply(self, chain: &mut Chain) {
        let class = |device: usize| chain.class[device];
        let members: Vec<usize> = (0..chain.devices)
            .filter(|&device| match self {
                Self::Use(last) => class(device) == class(last) && device <= last,
                Self::Avoid(first) => class(device) == class(first) && device >= first,
                Self::Hold(_, holder) => class(device) != holder,
                Self::Yield(_, holder) => class(device) == holder,
            })
            .collect();
        let layers = match self {
            Self::Use(_) => 0..0,
            Self::Avoid(_) => 0..chain.layers,
            Self::Hold(layer, _) | Self::Yield(layer, _) => layer..layer + 1,
        };
        for &device in &members {
            chain.required[device] |= matches!(self, Self::Use(_));
            for layer in layers.clone() {
                let place = chain.at(layer, device);
                chain.choices[place].clear();
            }
        }
        if !layers.is_empty() {
            drop_dangling(chain);
        }
    }
}

/// Shares nearer to 0 or 1 than this are as good as decided.
const DECIDED: f64 = 0.05;

/// What to decide: the use of the device that the mixture is most undecided about; if of none,
/// then the class that holds some layer. Nothing if the paths differ in formats only.
pub(crate) fn undecided(chain: &Chain, mixture: &Mixture) -> Option<[Decision; 2]> {
    let open = |share: &f64| (DECIDED..=1.0 - DECIDED).contains(share);
    let balance = |share: f64| (share - 0.5).abs();
    let uses = (0..chain.devices).filter(|&device| !chain.required[device]).map(|device| {
        let rank = (0..device).filter(|&d| chain.class[d] == chain.class[device]).count();
        let enough = |path: &Path| members(chain, path, chain.class[device]) > rank;
        (share(mixture, enough), [Decision::Use(device), Decision::Avoid(device)])
    });
    let places = (0..chain.layers).flat_map(|layer| {
        let classes = (0..chain.devices).filter(|&device| chain.class[device] == device);
        classes.map(move |class| {
            let holds = |path: &Path| chain.class[path[layer].0] == class;
            let sides = [Decision::Hold(layer, class), Decision::Yield(layer, class)];
            (share(mixture, holds), sides)
        })
    });
    let most =
        |a: &(f64, [Decision; 2]), b: &(f64, [Decision; 2])| balance(a.0).total_cmp(&balance(b.0));
    let best = uses.filter(|(share, _)| open(share)).min_by(most);
    let best = best.or_else(|| places.filter(|(share, _)| open(share)).min_by(most));
    best.map(|(_, sides)| sides)
}

/// The share of the paths that are so.
fn share(mixture: &Mixture, is_so: impl Fn(&Path) -> bool) -> f64 {
    mixture.iter().filter(|(path, _)| is_so(path)).map(|(_, share)| share).sum()
}

/// How many devices of a class a path visits.
fn members(chain: &Chain, path: &Path, class: usize) -> usize {
    let mut visited = visits(path);
    visited.retain(|&device| chain.class[device] == class);
    visited.sort_unstable();
    visited.dedup();
    visited.len()
}

#[cfg(test)]
mod tests {
    use edgeplan_instances::generate::{Random, random};

    use super::*;
    use crate::chain::Measure;

    fn chain() -> Chain {
        let family = Random { layers: 6, devices: 4, ..Random::default() };
        let instance = random(&family).checked().expect("the generator makes sense");
        Chain::new(&instance, Measure::Latency, None)
    }

    fn path(devices: [usize; 6]) -> Path {
        devices.map(|device| (device, 0)).to_vec()
    }

    #[test]
    fn the_use_of_a_device_is_decided_first() {
        let mut chain = chain();
        let mixture = vec![(path([0, 0, 1, 1, 2, 2]), 0.6), (path([0, 0, 1, 1, 1, 1]), 0.4)];
        let sides = undecided(&chain, &mixture);
        assert_eq!(sides, Some([Decision::Use(2), Decision::Avoid(2)]));
        // Where that is decided, the place of a layer is.
        Decision::Use(2).apply(&mut chain);
        assert!(chain.required[2]);
        let sides = undecided(&chain, &mixture).expect("layers are undecided");
        assert!(matches!(sides[0], Decision::Hold(4..=5, 1 | 2)), "{sides:?}");
        assert_eq!(undecided(&chain, &vec![(path([0; 6]), 1.0)]), None);
    }

    #[test]
    fn the_two_sides_share_nothing_and_lose_nothing() {
        let whole = chain();
        let (mut hold, mut other) = (whole.clone(), whole.clone());
        Decision::Hold(3, 1).apply(&mut hold);
        Decision::Yield(3, 1).apply(&mut other);
        for device in 0..whole.devices {
            let at = whole.at(3, device);
            let count = |chain: &Chain| chain.choices[at].len();
            assert_eq!(count(&hold) + count(&other), count(&whole));
            assert_eq!(count(&hold) > 0, device == 1 && count(&whole) > 0);
        }
        let mut avoid = whole.clone();
        Decision::Avoid(2).apply(&mut avoid);
        assert!((0..whole.layers).all(|layer| avoid.choices[avoid.at(layer, 2)].is_empty()));
        assert!(avoid.hops.iter().flatten().all(|hop| hop.to != 2));
    }
}
