//! Whether a chain with given formats fits within a cycle time: over sets of devices, how many
//! layers they can hold.
//!
//! With one choice per layer the longest prefix that a set of devices can hold, in the best order,
//! is all that matters of it: `f[S] = max over d in S of ext[d][f[S - d]]`, where `ext[d][i]` is
//! how far device `d` gets from layer `i` on. Hops that are too long are not looked at, so that
//! falling short is a proof and reaching the end a plan to be tried.

use edgeplan_problem::Stop;
use edgeplan_problem::deployment::{Assignment, DeviceId};

use crate::chain::Chain;
use crate::tuning::TUNING;

/// What was found.
#[derive(Debug)]
pub(crate) enum Reach {
    /// No set of devices holds all layers.
    Short,
    /// A plan, unless a hop forbids it.
    Whole(Vec<Assignment>),
}

/// Sets of devices between two steps of the run: some hundred microseconds.
const SETS_PER_STEP: usize = 1 << 16;

/// Whether there is nothing to choose but devices, few enough of them.
pub(crate) fn applies(chain: &Chain) -> bool {
    chain.devices <= TUNING.bottleneck.enumerated_devices_max
        && chain.shared.is_empty()
        && chain.time_max.is_none()
        && chain.layers <= usize::from(u16::MAX)
        && chain.choices.iter().all(|choices| choices.len() <= 1)
}

/// How far the devices get together.
///
/// # Complexity
/// O(2^devices * devices), and as many steps divided by 65536.
pub(crate) fn reach(
    chain: &Chain,
    tick: &mut dyn FnMut() -> Result<(), Stop>,
) -> Result<Reach, Stop> {
    let extents: Vec<Vec<u16>> = (0..chain.devices).map(|device| extent(chain, device)).collect();
    let end = chain.layers as u16;
    let mut held = vec![0u16; 1 << chain.devices];
    for set in 1..held.len() {
        if set.is_multiple_of(SETS_PER_STEP) {
            tick()?;
        }
        let mut rest = set;
        let mut best = 0;
        while rest != 0 {
            let device = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let before = held[set ^ (1 << device)];
            best = best.max(extents[device][usize::from(before)]);
        }
        held[set] = best;
        if best == end {
            return Ok(Reach::Whole(plan(chain, &extents, &held, set)));
        }
    }
    Ok(Reach::Short)
}

/// By first layer: one past the last layer that the device can hold from there on, or the first
/// layer itself if none.
fn extent(chain: &Chain, device: usize) -> Vec<u16> {
    let room = chain.room[device];
    let from = |first: usize| {
        let (mut bytes, mut time, mut last) = (0u64, 0u64, first);
        if first == 0 && chain.ingress[device].is_none() {
            return 0;
        }
        while last < chain.layers {
            let Some(choice) = chain.choices[chain.at(last, device)].first() else { break };
            (bytes, time) = (bytes + choice.bytes, time + choice.time);
            let leaves = last + 1 < chain.layers || chain.egress[device].is_some();
            if bytes > room.bytes || !room.time.allows(time) || !leaves {
                break;
            }
            last += 1;
        }
        last as u16
    };
    (0..=chain.layers).map(from).collect()
}

/// The devices of a set in an order that holds all layers.
fn plan(chain: &Chain, extents: &[Vec<u16>], held: &[u16], set: usize) -> Vec<Assignment> {
    let mut plan = vec![Assignment::default(); chain.layers];
    let (mut set, mut end) = (set, chain.layers);
    while end > 0 {
        let last = |device: usize| {
            let before = held[set ^ (1 << device)];
            usize::from(extents[device][usize::from(before)]) >= end
        };
        let members = (0..chain.devices).filter(|&device| set >> device & 1 == 1);
        let Some(device) = members.into_iter().find(|&device| last(device)) else { break };
        let first = usize::from(held[set ^ (1 << device)]).min(end);
        for (layer, assignment) in plan.iter_mut().enumerate().take(end).skip(first) {
            let choice = chain.choices[chain.at(layer, device)][0];
            *assignment = Assignment { device: DeviceId(device as u16), option: choice.option };
        }
        (set, end) = (set ^ (1 << device), first);
    }
    plan
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::Problem as _;
    use edgeplan_problem::deployment::{Objective, Plan};

    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;

    #[test]
    fn devices_reach_the_end_exactly_where_some_plan_does() {
        let mut question = question(&[3, 2, 2], &[(1, 4), (1, 3), (1, 5), (1, 2), (1, 6), (1, 1)]);
        question.objective = Objective::Bottleneck;
        // Devices of different speed; messages take no time.
        for layer in &mut question.models[0].layers {
            let times = &mut layer.options[0].compute;
            times[1] = times[1].map(|time| edgeplan_problem::Nanos(2 * time.0));
        }
        let question = question.checked().expect("the question makes sense");
        let (best, _) = question.brute_force().expect("there is a plan");
        for cycle in 1..=2 * best.0 {
            let chain = Chain::new(&question, Measure::Latency, Some(cycle));
            assert!(applies(&chain));
            match reach(&chain, &mut || Ok(())).expect("nothing stops it") {
                Reach::Short => assert!(cycle < best.0, "{cycle}, and {best} is possible"),
                Reach::Whole(plan) => {
                    let evaluation = question.evaluate(&Plan::single(plan));
                    assert!(evaluation.is_feasible() && evaluation.cost.0 <= cycle, "{cycle}");
                }
            }
        }
    }

    #[test]
    fn a_device_gets_as_far_as_its_memory_and_time_do() {
        let chain = |cycle| {
            Chain::new(&question(&[3], &[(1, 4), (1, 3), (2, 5)]), Measure::Latency, Some(cycle))
        };
        assert_eq!(extent(&chain(100), 0), [2, 3, 3, 3]);
        assert_eq!(extent(&chain(7), 0), [2, 2, 3, 3]);
        assert_eq!(extent(&chain(3), 0), [0, 2, 2, 3]);
    }
}
