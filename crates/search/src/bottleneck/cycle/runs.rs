//! The least loss of every run of layers on every device, by the time that it may take.

use edgeplan_problem::Stop;
use edgeplan_problem::deployment::{Assignment, DeviceId};

use crate::chain::{Chain, Limit};
use crate::tuning::TUNING;

/// Layers from the first on, without the end, on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) device: usize,
    pub(crate) first: usize,
    pub(crate) end: usize,
}

/// What some choice of formats attains in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attained {
    time: u64,
    loss: u64,
}

/// The Pareto front of a run, by rising time and falling loss.
type Front = Vec<Attained>;

/// The fronts of all runs.
#[derive(Debug)]
pub(crate) struct Runs {
    /// `[class * layers + first][length - 1]`; nothing where no run of that length fits.
    fronts: Vec<Vec<Front>>,
    layers: usize,
}

/// A way to hold the layers of a run so far.
#[derive(Debug, Clone, Copy)]
struct RunLabel {
    time: u64,
    bytes: u64,
    loss: u64,
    /// The way before, and what it was continued with.
    parent: u32,
    choice: u32,
}

/// The way to hold no layer.
const START: RunLabel = RunLabel { time: 0, bytes: 0, loss: 0, parent: 0, choice: 0 };

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
        // Beyond that, neighbours become one that is no worse.
        let most = TUNING.cycle.ways_max / (classes.len() * layers * (layers + 1) / 2).max(1);
        let most = most.clamp(TUNING.cycle.front_min, TUNING.cycle.front_max);
        for device in classes {
            for first in 0..layers {
                tick()?;
                let mut ways = vec![START];
                for layer in first..layers {
                    ways = longer(chain, device, layer, &ways);
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
            let within = front.partition_point(|attained| attained.time <= time);
            within.checked_sub(1).map(|last| front[last].loss)
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
            let mut steps: Vec<Vec<RunLabel>> = Vec::new();
            let start = vec![START];
            for layer in visit.first..visit.end {
                let ways = steps.last().unwrap_or(&start);
                steps.push(longer(chain, visit.device, layer, ways));
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
fn longer(chain: &Chain, device: usize, layer: usize, ways: &[RunLabel]) -> Vec<RunLabel> {
    let room = chain.room[device];
    let choices = &chain.choices[chain.at(layer, device)];
    let is_limited = chain.loss_max != Limit::NONE;
    let mut longer = Vec::with_capacity(ways.len() * choices.len());
    for (parent, way) in ways.iter().enumerate() {
        longer.extend(choices.iter().enumerate().filter_map(|(index, choice)| {
            let next = RunLabel {
                time: way.time + choice.time,
                bytes: way.bytes + choice.bytes,
                loss: way.loss + if is_limited { choice.loss } else { 0 },
                parent: parent as u32,
                choice: index as u32,
            };
            let fits = room.time.allows(next.time) && next.bytes <= room.bytes;
            (fits && chain.loss_max.allows(next.loss)).then_some(next)
        }));
    }
    longer.sort_unstable_by_key(|way| (way.time, way.loss, way.bytes));
    let mut stairs: Vec<Stair> = Vec::new();
    longer.retain(|way| climbs(&mut stairs, way));
    longer
}

/// A point of the front of loss and bytes.
#[derive(Debug, Clone, Copy)]
struct Stair {
    loss: u64,
    bytes: u64,
}

/// Whether no earlier way has as little loss and as few bytes. Stairs: rising loss, falling bytes.
fn climbs(stairs: &mut Vec<Stair>, way: &RunLabel) -> bool {
    let after = stairs.partition_point(|stair| stair.loss <= way.loss);
    if after > 0 && stairs[after - 1].bytes <= way.bytes {
        return false;
    }
    let from = stairs.partition_point(|stair| stair.loss < way.loss);
    let beaten = stairs[from..].partition_point(|stair| stair.bytes >= way.bytes);
    stairs.splice(from..from + beaten, [Stair { loss: way.loss, bytes: way.bytes }]);
    true
}

/// At most so many ways: neighbours in time become one with the best of both.
fn thin(ways: &mut Vec<RunLabel>, most: usize) {
    if ways.len() <= most {
        return;
    }
    let best = |group: &[RunLabel]| {
        let least = |amount: fn(&RunLabel) -> u64| group.iter().map(amount).min().unwrap_or(0);
        RunLabel {
            time: least(|way| way.time),
            bytes: least(|way| way.bytes),
            loss: least(|way| way.loss),
            ..group[0]
        }
    };
    *ways = ways.chunks(ways.len().div_ceil(most)).map(best).collect();
}

/// What remains of ways when a run ends.
fn front(ways: &[RunLabel]) -> Front {
    let mut front = Front::new();
    for way in ways {
        if front.last().is_none_or(|last| way.loss < last.loss) {
            front.push(Attained { time: way.time, loss: way.loss });
        }
    }
    front
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};

    use super::*;
    use crate::chain::Measure;

    /// The least loss of a run within a time, by trying every choice of formats.
    fn least(chain: &Chain, visit: Visit, time: u64) -> Option<u64> {
        let room = chain.room[visit.device];
        let mut open = vec![(visit.first, START)];
        let mut least: Option<u64> = None;
        while let Some((layer, way)) = open.pop() {
            if way.bytes > room.bytes || way.time > time || !chain.loss_max.allows(way.loss) {
                continue;
            }
            if layer == visit.end {
                least = Some(least.map_or(way.loss, |least| least.min(way.loss)));
                continue;
            }
            open.extend(chain.choices[chain.at(layer, visit.device)].iter().map(|choice| {
                let (time, bytes) = (way.time + choice.time, way.bytes + choice.bytes);
                (layer + 1, RunLabel { time, bytes, loss: way.loss + choice.loss, ..way })
            }));
        }
        least
    }

    #[test]
    fn the_least_loss_of_every_run_is_that_of_all_its_formats() {
        let mut possible = 0;
        for seed in 0..5 {
            let family = Random { layers: 5, devices: 3, formats: 3, seed, ..Random::default() };
            let instance = random(&family).checked().expect("the generator makes sense");
            let longest = 1 << 40;
            let chain = Chain::new(&instance, Measure::Loss, Some(longest));
            let runs = Runs::new(&chain, &mut || Ok(())).expect("nothing stops it");
            let all: u64 =
                chain.choices.iter().flatten().map(|choice| choice.time).max().unwrap_or(0);
            for time in [all / 2, all, 2 * all, 4 * all] {
                for (device, first) in (0..3).flat_map(|d| (0..5).map(move |first| (d, first))) {
                    let found = runs.losses(chain.class[device], first, time);
                    for end in first + 1..=5 {
                        let expected = least(&chain, Visit { device, first, end }, time);
                        assert_eq!(found.get(end - first - 1).copied(), expected);
                        possible += usize::from(expected.is_some());
                    }
                }
            }
        }
        assert!(possible > 50, "{possible}");
    }
}
