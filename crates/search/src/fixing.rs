//! Reduced-cost fixing: a choice or hop through which every relaxed path costs more than the limit
//! is in no plan that matters, and leaves the chain.

use crate::chain::Chain;
use crate::relaxation::{Place, Relaxation};

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
            let mut least = vec![f64::INFINITY; chain.choices[at].len()];
            for subset in 0..relaxation.neighbours.subsets(device) {
                let place = Place { layer, device, subset };
                rows.push(forward.extend(chain, relaxation, place, &mut least));
            }
            let kept: Vec<bool> = least.iter().map(|&least| least <= limit).collect();
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
fn best_of(least: &[f64], kept: &[bool]) -> usize {
    let kept = least.iter().zip(kept).filter(|(_, kept)| **kept).map(|(least, _)| *least);
    kept.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index)
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

/// Least priced cost of everything up to a layer.
struct Forward {
    /// `[row][step]`: the layer there, that much left after it.
    rows: Vec<Vec<f64>>,
    /// `[row]`: up to the arrival there, before any layer.
    arrived: Vec<f64>,
}

impl Forward {
    fn new(chain: &Chain, relaxation: &Relaxation) -> Self {
        let neighbours = &relaxation.neighbours;
        let mut arrived = vec![f64::INFINITY; neighbours.rows()];
        for device in 0..chain.devices {
            arrived[neighbours.row(device, 0)] = relaxation.entering(chain, device);
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
        least: &mut [f64],
    ) -> Vec<f64> {
        let Place { layer, device, subset } = place;
        let (at, grid) = (chain.at(layer, device), &relaxation.grids[device]);
        let index = relaxation.neighbours.row(device, subset);
        let room = &chain.room[device];
        let (before, rest) = (&self.rows[index], relaxation.row(place));
        let mut row = vec![f64::INFINITY; grid.width];
        for (index_of_choice, choice) in chain.choices[at].iter().enumerate() {
            let least = &mut least[index_of_choice];
            let priced = relaxation.priced(at, index_of_choice);
            let step = grid.step(layer, room.whole() - room.taken(choice));
            let arriving = self.arrived[index] + priced;
            row[step] = row[step].min(arriving);
            *least = least.min(arriving + rest[step]);
            let shift = grid.shift[layer][index_of_choice];
            for (from, &cost) in before.iter().enumerate() {
                let Ok(to) = usize::try_from(from as i64 - shift) else { continue };
                let to = to.min(grid.width - 1);
                row[to] = row[to].min(cost + priced);
                *least = least.min(cost + priced + rest[to]);
            }
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
        let neighbours = &relaxation.neighbours;
        let mut removed = 0;
        self.arrived.fill(f64::INFINITY);
        for device in 0..chain.devices {
            let row = |subset: usize| {
                let row = &self.rows[neighbours.row(device, subset)];
                row.iter().copied().fold(f64::INFINITY, f64::min)
            };
            let least: Vec<f64> = (0..neighbours.subsets(device)).map(row).collect();
            let at = chain.at(layer, device);
            let before = chain.hops[at].len();
            chain.hops[at].retain(|hop| {
                let step = relaxation.arrive(hop.cost, hop.time, hop.to);
                let mut through = f64::INFINITY;
                for (subset, least) in least.iter().enumerate() {
                    let Some(next) = neighbours.next(device, hop.to, subset) else { continue };
                    let arrived = &mut self.arrived[neighbours.row(hop.to, next)];
                    *arrived = arrived.min(least + step);
                    let place = Place { layer: layer + 1, device: hop.to, subset: next };
                    through = through.min(least + step + relaxation.arriving(place));
                }
                through <= limit
            });
            removed += before - chain.hops[at].len();
        }
        removed
    }
}
