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

/// Devices whose sets are enumerated: 2^24 numbers of two bytes.
const DEVICES_MAX: usize = 24;

/// What was found.
#[derive(Debug)]
pub(crate) enum Reach {
    /// No set of devices holds all layers.
    Short,
    /// A plan, unless a hop forbids it.
    Whole(Vec<Assignment>),
}

/// Whether there is nothing to choose but devices, few enough of them.
pub(crate) fn applies(chain: &Chain) -> bool {
    chain.devices <= DEVICES_MAX
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
        if set.is_multiple_of(1 << 16) {
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
        if first == 0 && chain.enter[device].is_none() {
            return 0;
        }
        while last < chain.layers {
            let Some(choice) = chain.choices[chain.at(last, device)].first() else { break };
            (bytes, time) = (bytes + choice.bytes, time + choice.time);
            let leaves = last + 1 < chain.layers || chain.leave[device].is_some();
            if bytes > room.bytes || time > room.time || !leaves {
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
