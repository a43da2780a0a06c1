//! The least loss of every run of layers on every device, by the time that it may take.

use edgeplan_problem::Stop;
use edgeplan_problem::deployment::{Assignment, DeviceId};

use crate::chain::{Chain, UNLIMITED};

/// Layers from the first on, without the end, on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) device: usize,
    pub(crate) first: usize,
    pub(crate) end: usize,
}

/// By rising time and falling loss: what some choice of formats attains.
type Front = Vec<(u64, u64)>;

/// The fronts of all runs.
#[derive(Debug)]
pub(crate) struct Runs {
    /// `[class * layers + first][length - 1]`; nothing where no run of that length fits.
    fronts: Vec<Vec<Front>>,
    layers: usize,
}

/// A way to hold the layers of a run so far.
#[derive(Debug, Clone, Copy)]
struct Way {
    time: u64,
    bytes: u64,
    loss: u64,
    /// The way before, and what it was continued with.
    parent: u32,
    choice: u32,
}

/// Ways that all fronts hold together; beyond that neighbours become one that is no worse.
const WAYS_MAX: usize = 16_000_000;
/// Ways of one front.
const FRONT: std::ops::RangeInclusive<usize> = 64..=4096;

impl Runs {
    /// The runs of a chain within its rooms.
    ///
    /// # Complexity
    /// O(devices * layers * length of a run * options * size of a front), sorted.
    pub(crate) fn new(
        chain: &Chain,
        tick: &mut dyn FnMut() -> Result<(), Stop>,
    ) -> Result<Self, Stop> {
        let layers = chain.layers;
        let mut fronts = vec![Vec::new(); chain.devices * layers];
        let classes: Vec<usize> =
            (0..chain.devices).filter(|&device| chain.class[device] == device).collect();
        let most = WAYS_MAX / (classes.len() * layers * (layers + 1) / 2).max(1);
        let most = most.clamp(*FRONT.start(), *FRONT.end());
        for device in classes {
            for first in 0..layers {
                tick()?;
                let mut ways = vec![Way { time: 0, bytes: 0, loss: 0, parent: 0, choice: 0 }];
                for layer in first..layers {
                    ways = longer(chain, (device, layer), &ways);
                    if ways.is_empty() {
                        break;
                    }
                    thin(&mut ways, most);
                    fronts[device * layers + first].push(front(&ways));
                }
            }
        }
        Ok(Self { fronts, layers })
    }

    /// By length minus one: the least loss of runs that begin at a layer within that time.
    pub(crate) fn losses(&self, class: usize, first: usize, time: u64) -> Vec<u64> {
        let fronts = &self.fronts[class * self.layers + first];
        let least = |front: &Front| {
            let within = front.partition_point(|&(taken, _)| taken <= time);
            within.checked_sub(1).map(|last| front[last].1)
        };
        // Longer runs take longer.
        fronts.iter().map_while(least).collect()
    }

    /// The formats of a plan of such runs; nothing where a front was too coarse to have them.
    pub(crate) fn plan(
        &self,
        chain: &Chain,
        time: u64,
        visits: &[Visit],
    ) -> Option<Vec<Assignment>> {
        let mut plan = Vec::with_capacity(chain.layers);
        for visit in visits {
            let mut steps: Vec<Vec<Way>> = Vec::new();
            let start = vec![Way { time: 0, bytes: 0, loss: 0, parent: 0, choice: 0 }];
            for layer in visit.first..visit.end {
                let ways = steps.last().unwrap_or(&start);
                steps.push(longer(chain, (visit.device, layer), ways));
            }
            let last = steps.last()?.iter().enumerate();
            let timely = last.filter(|(_, way)| way.time <= time);
            let mut at = timely.min_by_key(|(_, way)| way.loss)?.0;
            let mut options = Vec::new();
            for (step, layer) in steps.iter().zip(visit.first..visit.end).rev() {
                let choices = &chain.choices[chain.at(layer, visit.device)];
                options.push(choices[step[at].choice as usize].option);
                at = step[at].parent as usize;
            }
            let device = DeviceId(visit.device as u16);
            plan.extend(options.into_iter().rev().map(|option| Assignment { device, option }));
        }
        Some(plan)
    }
}

/// The undominated ways to hold one more layer.
fn longer(chain: &Chain, (device, layer): (usize, usize), ways: &[Way]) -> Vec<Way> {
    let room = chain.room[device];
    let choices = &chain.choices[chain.at(layer, device)];
    let limited = chain.loss_max != UNLIMITED;
    let mut longer = Vec::with_capacity(ways.len() * choices.len());
    for (parent, way) in ways.iter().enumerate() {
        longer.extend(choices.iter().enumerate().filter_map(|(index, choice)| {
            let next = Way {
                time: way.time + choice.time,
                bytes: way.bytes + choice.bytes,
                loss: way.loss + if limited { choice.loss } else { 0 },
                parent: parent as u32,
                choice: index as u32,
            };
            let fits = next.time <= room.time && next.bytes <= room.bytes;
            (fits && next.loss <= chain.loss_max).then_some(next)
        }));
    }
    longer.sort_unstable_by_key(|way| (way.time, way.loss, way.bytes));
    let mut stairs: Vec<(u64, u64)> = Vec::new();
    longer.retain(|way| climbs(&mut stairs, way));
    longer
}

/// Whether no earlier way has as little loss and as few bytes. Steps: rising loss, falling bytes.
fn climbs(stairs: &mut Vec<(u64, u64)>, way: &Way) -> bool {
    let after = stairs.partition_point(|step| step.0 <= way.loss);
    if after > 0 && stairs[after - 1].1 <= way.bytes {
        return false;
    }
    let from = stairs.partition_point(|step| step.0 < way.loss);
    let beaten = stairs[from..].partition_point(|step| step.1 >= way.bytes);
    stairs.splice(from..from + beaten, [(way.loss, way.bytes)]);
    true
}

/// At most so many ways: neighbours in time become one with the best of both.
fn thin(ways: &mut Vec<Way>, most: usize) {
    if ways.len() <= most {
        return;
    }
    let best = |group: &[Way]| {
        let least = |amount: fn(&Way) -> u64| group.iter().map(amount).min().unwrap_or(0);
        Way {
            time: least(|way| way.time),
            bytes: least(|way| way.bytes),
            loss: least(|way| way.loss),
            ..group[0]
        }
    };
    *ways = ways.chunks(ways.len().div_ceil(most)).map(best).collect();
}

/// What remains of ways when a run ends.
fn front(ways: &[Way]) -> Front {
    let mut front = Front::new();
    for way in ways {
        if front.last().is_none_or(|last| way.loss < last.1) {
            front.push((way.time, way.loss));
        }
    }
    front
}
