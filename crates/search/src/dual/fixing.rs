//! Reduced-cost fixing: a choice or hop through which every relaxed path costs more than the limit
//! is in no plan that matters, and leaves the chain.

use crate::chain::Chain;
use crate::relaxation::{Place, Relaxation};
use crate::ticks::{NONE, raise};

/// What fixing found.
#[derive(Debug)]
pub(crate) struct Fixed {
    /// Choices and hops that left the chain.
    pub(crate) removed: usize,
    /// By device, by layer: the choice of the best relaxed path through there.
    pub(crate) best: Vec<Vec<usize>>,
}

/// Removes what cannot be in a plan of at most `limit` (scaled cost). Grids and tables of the chain
/// are stale afterwards.
///
/// # Complexity
/// Twice that of filling the tables.
pub(crate) fn fix(chain: &mut Chain, relaxation: &Relaxation, limit: f64) -> Fixed {
    let limit = limit + relaxation.budget;
    let mut forward = Forward::new(chain, relaxation);
    let mut removed = 0;
    let mut best = vec![Vec::with_capacity(chain.layers); chain.devices];
    for layer in 0..chain.layers {
        let mut rows = Vec::with_capacity(relaxation.neighbours.rows());
        for (device, best) in best.iter_mut().enumerate() {
            let at = chain.at(layer, device);
            let mut least = vec![i32::MAX; chain.choices[at].len()];
            for subset in 0..relaxation.neighbours.subsets(device) {
                let place = Place { layer, device, subset };
                rows.push(forward.extend(chain, relaxation, place, &mut least));
            }
            let kept: Vec<bool> =
                least.iter().map(|&least| relaxation.tick.scaled(least) <= limit).collect();
            best.push(best_of(&least, &kept));
            removed += retain(&mut chain.choices[at], &kept);
        }
        forward.rows = rows;
        if layer + 1 < chain.layers {
            removed += forward.hop(chain, relaxation, layer, limit);
        }
    }
    Fixed { removed: removed + drop_dangling(chain), best }
}

/// The index that the least of the kept ones will have.
fn best_of(least: &[i32], kept: &[bool]) -> usize {
    let kept = least.iter().zip(kept).filter(|(_, kept)| **kept).map(|(least, _)| *least);
    kept.enumerate().min_by_key(|&(_, least)| least).map_or(0, |(index, _)| index)
}

fn retain<T>(items: &mut Vec<T>, kept: &[bool]) -> usize {
    let before = items.len();
    let mut kept = kept.iter();
    items.retain(|_| *kept.next().expect("one flag per item"));
    before - items.len()
}

/// Hops from or to places that are gone.
pub(crate) fn drop_dangling(chain: &mut Chain) -> usize {
    let mut removed = 0;
    for layer in 0..chain.layers {
        for device in 0..chain.devices {
            let place = layer * chain.devices + device;
            let before = chain.hops[place].len();
            if chain.choices[place].is_empty() {
                chain.hops[place].clear();
            }
            let (choices, devices) = (&chain.choices, chain.devices);
            chain.hops[place].retain(|hop| !choices[(layer + 1) * devices + hop.to].is_empty());
            removed += before - chain.hops[place].len();
        }
    }
    removed
}

/// Least priced cost of everything up to a layer, in ticks.
struct Forward {
    /// `[row][step]`: the layer there, that much left after it.
    rows: Vec<Vec<i32>>,
    /// `[row]`: up to the arrival there, before any layer.
    arrived: Vec<i32>,
}

impl Forward {
    fn new(chain: &Chain, relaxation: &Relaxation) -> Self {
        let neighbours = &relaxation.neighbours;
        let mut arrived = vec![NONE; neighbours.rows() + 1];
        for device in (0..chain.devices).filter(|&device| chain.enter[device].is_some()) {
            let entering = relaxation.tick.floor(relaxation.entering(chain, device));
            arrived[neighbours.row(device, 0)] = entering;
        }
        Self { rows: vec![Vec::new(); neighbours.rows()], arrived }
    }

    /// One layer on: the place's row. Lowers `least` to the cost of the best path through each of
    /// its choices.
    fn extend(
        &self,
        chain: &Chain,
        relaxation: &Relaxation,
        place: Place,
        least: &mut [i32],
    ) -> Vec<i32> {
        let Place { layer, device, subset } = place;
        let (at, grid) = (chain.at(layer, device), &relaxation.grids[device]);
        let index = relaxation.neighbours.row(device, subset);
        let room = &chain.room[device];
        let (before, rest) = (&self.rows[index], relaxation.ticks(place));
        if before.is_empty() && self.arrived[index] >= NONE {
            return Vec::new();
        }
        let mut row = vec![NONE; grid.width];
        for (index_of_choice, choice) in chain.choices[at].iter().enumerate() {
            let priced = relaxation.tick.floor(relaxation.priced(at, index_of_choice));
            let step = grid.step(layer, room.whole() - room.taken(choice));
            let arriving = self.arrived[index] + priced;
            row[step] = row[step].min(arriving);
            let mut through = arriving + rest[step];
            if !before.is_empty() {
                let shift = grid.shift[layer][index_of_choice];
                through = through.min(raise(&mut row, before, rest, shift, priced));
            }
            least[index_of_choice] = least[index_of_choice].min(through);
        }
        row
    }

    /// Moves after `layer`: drops hops beyond the limit and finds the cheapest arrivals.
    fn hop(
        &mut self,
        chain: &mut Chain,
        relaxation: &Relaxation,
        layer: usize,
        limit: f64,
    ) -> usize {
        let (neighbours, tick) = (&relaxation.neighbours, relaxation.tick);
        let onward = relaxation.arriving(layer + 1);
        let mut removed = 0;
        self.arrived.fill(NONE);
        for device in 0..chain.devices {
            let row = |subset: usize| {
                let row = &self.rows[neighbours.row(device, subset)];
                row.iter().copied().min().unwrap_or(NONE)
            };
            let least: Vec<i32> = (0..neighbours.subsets(device)).map(row).collect();
            let at = chain.at(layer, device);
            let before = chain.hops[at].len();
            chain.hops[at].retain(|hop| {
                let step = tick.floor(relaxation.arrive(hop.cost, hop.time, hop.to));
                let mut through = i32::MAX;
                for (&next, least) in neighbours.after(device, hop.to).iter().zip(&least) {
                    let arrived = &mut self.arrived[next as usize];
                    *arrived = (*arrived).min(least + step);
                    through = through.min(least + step + onward[next as usize]);
                }
                tick.scaled(through) <= limit
            });
            removed += before - chain.hops[at].len();
        }
        removed
    }
}
