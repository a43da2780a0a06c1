//! Branching: what the best mixture of relaxed paths leaves undecided is decided, both ways.
//!
//! The relaxation mixes plans to keep within the quality budget: one of few hops in coarse formats
//! with one of more devices in fine ones. No price separates the two, a decision does.

use edgeplan_problem::deployment::Assignment;

use crate::chain::Chain;
use crate::dual::path::{Mixture, visits};
use crate::tuning::TUNING;

/// One side of a branching. Of identical devices the first ones are used first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// This device is used, and so is every one before it in its class.
    Use { device: usize },
    /// This device is not used, nor is any after it in its class.
    Avoid { device: usize },
    /// A device of that class holds the layer.
    Hold { layer: usize, class: usize },
    /// A device of another class holds the layer.
    Yield { layer: usize, class: usize },
}

/// Both sides of a branching: every plan is on one of them.
pub(super) type Sides = [Decision; 2];

impl Decision {
    /// Takes what it excludes from the chain.
    pub(super) fn apply(self, chain: &mut Chain) {
        let class_of = |device: usize| chain.class[device];
        let members: Vec<usize> = (0..chain.devices)
            .filter(|&other| match self {
                Self::Use { device } => class_of(other) == class_of(device) && other <= device,
                Self::Avoid { device } => class_of(other) == class_of(device) && other >= device,
                Self::Hold { class, .. } => class_of(other) != class,
                Self::Yield { class, .. } => class_of(other) == class,
            })
            .collect();
        let layers = match self {
            Self::Use { .. } => 0..0,
            Self::Avoid { .. } => 0..chain.layers,
            Self::Hold { layer, .. } | Self::Yield { layer, .. } => layer..layer + 1,
        };
        for &device in &members {
            chain.required[device] |= matches!(self, Self::Use { .. });
            for layer in layers.clone() {
                let place = chain.at(layer, device);
                chain.choices[place].clear();
            }
        }
        if !layers.is_empty() {
            chain.drop_dangling_hops();
        }
    }
}

/// A branching, and the share of the mixture that is on its first side.
struct Candidate {
    share: f64,
    sides: Sides,
}

impl Candidate {
    fn is_open(&self) -> bool {
        let decided = TUNING.tree.decided_share;
        (decided..=1.0 - decided).contains(&self.share)
    }

    /// How far the mixture is from being split in halves.
    fn imbalance(&self) -> f64 {
        (self.share - 0.5).abs()
    }
}

/// What to decide: the use of the device that the mixture is most undecided about; if of none,
/// then the class that holds some layer. Nothing if the paths differ in formats only.
///
/// Devices first, because a used device changes bounds more than a layer's place does.
pub(super) fn undecided(chain: &Chain, mixture: &Mixture) -> Option<Sides> {
    let uses = (0..chain.devices).filter(|&device| !chain.required[device]).map(|device| {
        // Of devices alike the first are used first: this one is if more than those before it are.
        let rank = (0..device).filter(|&d| chain.class[d] == chain.class[device]).count();
        let enough = |path: &[Assignment]| members(chain, path, chain.class[device]) > rank;
        let sides = [Decision::Use { device }, Decision::Avoid { device }];
        Candidate { share: share(mixture, enough), sides }
    });
    let places = (0..chain.layers).flat_map(|layer| {
        let classes = (0..chain.devices).filter(|&device| chain.class[device] == device);
        classes.map(move |class| {
            let holds = |path: &[Assignment]| chain.class[path[layer].device.index()] == class;
            let sides = [Decision::Hold { layer, class }, Decision::Yield { layer, class }];
            Candidate { share: share(mixture, holds), sides }
        })
    });
    let order = |a: &Candidate, b: &Candidate| a.imbalance().total_cmp(&b.imbalance());
    let best = uses.filter(Candidate::is_open).min_by(order);
    let best = best.or_else(|| places.filter(Candidate::is_open).min_by(order));
    best.map(|candidate| candidate.sides)
}

/// The share of the paths that are so.
fn share(mixture: &Mixture, is_so: impl Fn(&[Assignment]) -> bool) -> f64 {
    mixture.iter().filter(|part| is_so(&part.path)).map(|part| part.share).sum()
}

/// How many devices of a class a path visits.
fn members(chain: &Chain, path: &[Assignment], class: usize) -> usize {
    let mut visited = visits(path);
    visited.retain(|&device| chain.class[device] == class);
    visited.sort_unstable();
    visited.dedup();
    visited.len()
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};
    use edgeplan_problem::deployment::{DeviceId, OptionId};

    use super::*;
    use crate::chain::Measure;
    use crate::dual::path::WeightedPath;

    fn chain() -> Chain {
        let family = Random { layers: 6, devices: 4, ..Random::default() };
        let instance = random(&family).checked().expect("the generator makes sense");
        Chain::new(&instance, Measure::Latency, None)
    }

    fn part(devices: [u16; 6], share: f64) -> WeightedPath {
        let assigned = |device| Assignment { device: DeviceId(device), option: OptionId(0) };
        WeightedPath { path: devices.map(assigned).to_vec(), share }
    }

    #[test]
    fn the_use_of_a_device_is_decided_first() {
        let mut chain = chain();
        let mixture = vec![part([0, 0, 1, 1, 2, 2], 0.6), part([0, 0, 1, 1, 1, 1], 0.4)];
        let sides = undecided(&chain, &mixture);
        assert_eq!(sides, Some([Decision::Use { device: 2 }, Decision::Avoid { device: 2 }]));
        // Where that is decided, the place of a layer is.
        Decision::Use { device: 2 }.apply(&mut chain);
        assert!(chain.required[2]);
        let sides = undecided(&chain, &mixture).expect("layers are undecided");
        assert!(matches!(sides[0], Decision::Hold { layer: 4..=5, class: 1 | 2 }), "{sides:?}");
        assert_eq!(undecided(&chain, &vec![part([0; 6], 1.0)]), None);
    }

    #[test]
    fn the_two_sides_share_nothing_and_lose_nothing() {
        let whole = chain();
        let (mut hold, mut other) = (whole.clone(), whole.clone());
        Decision::Hold { layer: 3, class: 1 }.apply(&mut hold);
        Decision::Yield { layer: 3, class: 1 }.apply(&mut other);
        for device in 0..whole.devices {
            let at = whole.at(3, device);
            let count = |chain: &Chain| chain.choices[at].len();
            assert_eq!(count(&hold) + count(&other), count(&whole));
            assert_eq!(count(&hold) > 0, device == 1 && count(&whole) > 0);
        }
        let mut avoid = whole.clone();
        Decision::Avoid { device: 2 }.apply(&mut avoid);
        assert!((0..whole.layers).all(|layer| avoid.choices[avoid.at(layer, 2)].is_empty()));
        assert!(avoid.hops.iter().flatten().all(|hop| hop.to != 2));
    }
}
