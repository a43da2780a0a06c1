//! Dominance: of labels that leave the same to be done, only those no other one beats are kept.

use rustc_hash::FxHashMap;

use crate::labels::{Devices, Label};

/// Keeps of each group of comparable labels those that no other one dominates, and of these the
/// `alike` of least bound. `simple` says that times do not matter. Bounds of labels that go for
/// want of room are passed to `dropped`.
///
/// # Complexity
/// O(n log n) for sorting; then a binary search per label where `simple`, else a scan of its group.
pub(crate) fn dominate(
    labels: &mut Vec<Label>,
    simple: bool,
    alike: usize,
    dropped: &mut dyn FnMut(f64),
) {
    let order = by_group_and_cost(labels);
    let mut kept: Vec<Label> = Vec::with_capacity(labels.len());
    for group in order.chunk_by(|a, b| a >> 96 == b >> 96) {
        let start = kept.len();
        let members = group.iter().map(|&key| labels[key as u32 as usize]);
        match simple {
            true => {
                let mut stairs = Stairs::default();
                kept.extend(members.filter(|label| stairs.admit(label.loss, label.left)));
            }
            false => {
                for label in members {
                    if !kept[start..].iter().rev().any(|other| dominates(other, &label)) {
                        kept.push(label);
                    }
                }
            }
        }
        if kept.len() - start > alike {
            let group = &mut kept[start..];
            group.select_nth_unstable_by(alike, |a, b| a.bound.total_cmp(&b.bound));
            group[alike..].iter().for_each(|label| dropped(label.bound));
            kept.truncate(start + alike);
        }
    }
    *labels = kept;
}

/// Group, cost and index of every label as one number each, sorted. Comparable labels are on the
/// same device and have used the same devices and stored the same tensors.
fn by_group_and_cost(labels: &[Label]) -> Vec<u128> {
    let mut groups: FxHashMap<(u16, Devices, u64), u128> = FxHashMap::default();
    let key = |(index, label): (usize, &Label)| {
        let count = groups.len() as u128;
        let group = *groups.entry((label.device, label.used, label.stored)).or_insert(count);
        // Costs are not negative: their bits are in their order.
        group << 96 | u128::from(label.cost.to_bits()) << 32 | index as u128
    };
    let mut order: Vec<u128> = labels.iter().enumerate().map(key).collect();
    order.sort_unstable();
    order
}

/// No worse in anything.
fn dominates(a: &Label, b: &Label) -> bool {
    a.cost <= b.cost && a.loss <= b.loss && a.left >= b.left && a.time <= b.time && a.run <= b.run
}

/// The undominated pairs of loss and memory left, by rising loss and rising memory.
#[derive(Default)]
struct Stairs(Vec<(u64, u64)>);

impl Stairs {
    /// Whether no earlier pair is as good in both; then the pair becomes a step.
    fn admit(&mut self, loss: u64, left: u64) -> bool {
        let steps = &mut self.0;
        let after = steps.partition_point(|step| step.0 <= loss);
        if after > 0 && steps[after - 1].1 >= left {
            return false;
        }
        let from = steps.partition_point(|step| step.0 < loss);
        let beaten = steps[from..].partition_point(|step| step.1 <= left);
        steps.splice(from..from + beaten, [(loss, left)]);
        true
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
            let front = |simple: bool| {
                let mut labels = all.clone();
                dominate(&mut labels, simple, usize::MAX, &mut |_| panic!("nothing is dropped"));
                labels
            };
            for labels in [front(true), front(false)] {
                for label in &all {
                    assert!(labels.iter().any(|kept| dominates(kept, label)));
                }
                assert!(labels.len() <= all.len());
            }
        }
    }

    #[test]
    fn what_goes_for_want_of_room_is_told() {
        let mut labels = vec![label(1, 3, 0, 0), label(2, 2, 0, 0), label(3, 1, 0, 0)];
        let mut gone = Vec::new();
        dominate(&mut labels, true, 1, &mut |bound| gone.push(bound));
        assert_eq!(labels.len(), 1);
        gone.sort_by(f64::total_cmp);
        assert_eq!(gone, [2.0, 3.0]);
    }
}
