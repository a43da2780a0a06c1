//! Dominance: of labels that leave the same to be done, only those no other one beats are kept.

use rustc_hash::FxHashMap;

use super::contiguous::Label;
use crate::chain::DeviceSet;
use crate::tuning::TUNING;

/// What labels must have in common to be compared; besides, the better one may not have used a
/// device that the other one can still go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub(crate) device: u16,
    /// The first device, where it decides what the source may still send.
    pub(crate) first: Option<u16>,
    /// Whether the plan has one run, where it may not.
    pub(crate) lone: bool,
    /// Shared tensors that the device stores.
    pub(crate) stored: u64,
    /// Used devices that can hold a later layer.
    pub(crate) used: DeviceSet,
}

impl Kind {
    /// What it shares with kinds that differ in the used devices only.
    fn family(&self) -> Self {
        Self { used: 0, ..*self }
    }

    /// Whether plans that begin with a label of this kind can go on in every way that those of
    /// another one of its family can.
    fn is_freer(&self, other: &Self) -> bool {
        self.used & !other.used == 0
    }
}

/// How labels are compared and how many are kept.
pub(crate) struct Rule<'a> {
    pub(crate) kind: &'a dyn Fn(&Label) -> Kind,
    /// Times do not matter: labels differ in cost, loss and memory only.
    pub(crate) is_simple: bool,
    /// Labels of least bound that are kept of each kind; all if none.
    pub(crate) per_kind: Option<usize>,
}

/// Keeps the labels that no other one dominates, and of each kind so many of least bound.
/// Bounds of labels that go for want of room are passed to `dropped`.
///
/// # Complexity
/// O(n log n) for sorting; then a binary search per label and freer kind where the rule is simple,
/// else a scan of the labels of its kind.
pub(crate) fn dominate(labels: &mut Vec<Label>, rule: &Rule<'_>, dropped: &mut dyn FnMut(f64)) {
    let ByCost { kinds, order } = by_cost(labels, rule.kind);
    let freer = freer(&kinds);
    let mut fronts: Vec<Front> = kinds.iter().map(|_| Front::default()).collect();
    for Numbered { kind, index } in order {
        let label = &labels[index];
        // Labels come by cost, so that only loss and memory are left to compare: a binary search on
        // a staircase. With times there are five criteria, and a scan of the kind's labels.
        let beaten = match rule.is_simple {
            true => freer[kind].iter().any(|&other| fronts[other].stairs.covers(label)),
            false => {
                fronts[kind].labels.iter().rev().any(|&other| dominates(&labels[other], label))
            }
        };
        if !beaten {
            if rule.is_simple {
                fronts[kind].stairs.add(label);
            }
            fronts[kind].labels.push(index);
        }
    }
    let mut kept = vec![false; labels.len()];
    for Front { labels: mut front, .. } in fronts {
        if let Some(most) = rule.per_kind.filter(|&most| front.len() > most) {
            front
                .select_nth_unstable_by(most, |&a, &b| labels[a].bound.total_cmp(&labels[b].bound));
            front.drain(most..).for_each(|index| dropped(labels[index].bound));
        }
        front.into_iter().for_each(|index| kept[index] = true);
    }
    let mut kept = kept.into_iter();
    labels.retain(|_| kept.next().expect("a flag for each"));
}

/// The undominated labels of a kind.
#[derive(Default)]
struct Front {
    labels: Vec<usize>,
    stairs: Stairs,
}

/// A label by its index, and its kind by its number.
struct Numbered {
    kind: usize,
    index: usize,
}

/// The kinds that occur, and the labels, cheapest first: a label that dominates comes before those
/// that it dominates.
struct ByCost {
    kinds: Vec<Kind>,
    order: Vec<Numbered>,
}

fn by_cost(labels: &[Label], kind: &dyn Fn(&Label) -> Kind) -> ByCost {
    let mut numbers: FxHashMap<Kind, u32> = FxHashMap::default();
    let mut kinds: Vec<Kind> = Vec::new();
    let mut last = 0;
    let key = |(index, label): (usize, &Label)| {
        let kind = kind(label);
        // Labels of one parent follow each other.
        if kinds.get(last as usize) != Some(&kind) {
            last = *numbers.entry(kind).or_insert_with(|| {
                kinds.push(kind);
                kinds.len() as u32 - 1
            });
        }
        let number = last;
        // Costs are not negative: their bits are in their order.
        u128::from(label.cost.to_bits()) << 64 | u128::from(number) << 32 | index as u128
    };
    let mut order: Vec<u128> = labels.iter().enumerate().map(key).collect();
    order.sort_unstable();
    let numbered =
        |key: u128| Numbered { kind: (key >> 32) as u32 as usize, index: key as u32 as usize };
    ByCost { kinds, order: order.into_iter().map(numbered).collect() }
}

/// For each kind, itself and those that are freer, as many as it pays to look at.
fn freer(kinds: &[Kind]) -> Vec<Vec<usize>> {
    let mut freer: Vec<Vec<usize>> = (0..kinds.len()).map(|index| vec![index]).collect();
    let most = TUNING.labels.kinds_compared_max;
    let mut families: FxHashMap<Kind, Vec<usize>> = FxHashMap::default();
    for (index, kind) in kinds.iter().enumerate() {
        families.entry(kind.family()).or_default().push(index);
    }
    for family in families.values().filter(|family| family.len() <= most) {
        for &index in family {
            let able = |&&other: &&usize| other != index && kinds[other].is_freer(&kinds[index]);
            freer[index].extend(family.iter().filter(able));
        }
    }
    freer
}

/// No worse in anything.
fn dominates(a: &Label, b: &Label) -> bool {
    a.cost <= b.cost && a.loss <= b.loss && a.left >= b.left && a.time <= b.time && a.run <= b.run
}

/// A point of a Pareto front: little loss and much memory left are good.
#[derive(Debug, Clone, Copy)]
struct Stair {
    loss: u64,
    left: u64,
}

/// The Pareto front of loss and memory left, by rising loss and rising memory.
#[derive(Default)]
struct Stairs(Vec<Stair>);

impl Stairs {
    /// Whether some point is as good in both.
    fn covers(&self, label: &Label) -> bool {
        let after = self.0.partition_point(|stair| stair.loss <= label.loss);
        after > 0 && self.0[after - 1].left >= label.left
    }

    /// Inserts a point that none covers, and removes those that it covers.
    fn add(&mut self, label: &Label) {
        let stairs = &mut self.0;
        let from = stairs.partition_point(|stair| stair.loss < label.loss);
        let covered = stairs[from..].partition_point(|stair| stair.left <= label.left);
        let stair = Stair { loss: label.loss, left: label.left };
        stairs.splice(from..from + covered, [stair]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(cost: u32, loss: u64, left: u64, time: u64) -> Label {
        Label {
            cost: f64::from(cost),
            bound: f64::from(cost),
            loss,
            left,
            time,
            ..Label::default()
        }
    }

    fn any(label: &Label) -> Kind {
        Kind { device: 0, first: None, lone: false, stored: 0, used: label.used }
    }

    #[test]
    fn who_used_fewer_devices_dominates() {
        let of = |used: DeviceSet, cost: u32| Label { used, ..label(cost, 0, 0, 0) };
        let mut labels = vec![of(0b011, 6), of(0b001, 5), of(0b101, 4), of(0b100, 6)];
        let rule = Rule { kind: &any, is_simple: true, per_kind: None };
        dominate(&mut labels, &rule, &mut |_| panic!("nothing is dropped"));
        let mut kept: Vec<DeviceSet> = labels.iter().map(|label| label.used).collect();
        kept.sort_unstable();
        assert_eq!(kept, [0b001, 0b100, 0b101]);
    }

    #[test]
    fn both_ways_keep_the_pareto_front() {
        let mut state = 1u64;
        let mut draw = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % most
        };
        for _ in 0..200 {
            let all: Vec<Label> =
                (0..40).map(|_| label(draw(6) as u32, draw(6), draw(6), 0)).collect();
            let front = |is_simple: bool| {
                let mut labels = all.clone();
                let rule = Rule { kind: &any, is_simple, per_kind: None };
                dominate(&mut labels, &rule, &mut |_| panic!("nothing is dropped"));
                labels
            };
            for labels in [front(true), front(false)] {
                for label in &all {
                    assert!(labels.iter().any(|kept| dominates(kept, label)));
                }
                for (at, one) in labels.iter().enumerate() {
                    let mut others = labels.iter().enumerate().filter(|&(other, _)| other != at);
                    // Of equal cost, a better one may come later.
                    let beats = |other: &Label| dominates(other, one) && other.cost < one.cost;
                    assert!(others.all(|(_, other)| !beats(other)));
                }
            }
        }
    }

    #[test]
    fn what_goes_for_want_of_room_is_told() {
        let mut labels = vec![label(1, 3, 0, 0), label(2, 2, 0, 0), label(3, 1, 0, 0)];
        let mut gone = Vec::new();
        let rule = Rule { kind: &any, is_simple: true, per_kind: Some(1) };
        dominate(&mut labels, &rule, &mut |bound| gone.push(bound));
        assert_eq!(labels.len(), 1);
        gone.sort_by(f64::total_cmp);
        assert_eq!(gone, [2.0, 3.0]);
    }
}
