//! Reduced-cost fixing: a choice or hop through which every relaxed path costs more than the limit
//! is in no plan that matters, and leaves the chain.

use crate::chain::Chain;
use crate::relaxation::Relaxation;

/// Removes what cannot be in a plan of at most `limit` (scaled cost); returns how many choices and
/// hops went. Grids and tables of the chain are stale afterwards.
///
/// # Complexity
/// Twice that of filling the tables.
pub(crate) fn fix(chain: &mut Chain, relaxation: &Relaxation, limit: f64) -> usize {
    let limit = limit + relaxation.budget;
    let mut forward = Forward::new(chain, relaxation);
    let mut removed = 0;
    for layer in 0..chain.layers {
        let mut kept_choices = Vec::with_capacity(chain.devices);
        let rows: Vec<Vec<f64>> = (0..chain.devices)
            .map(|device| {
                let (kept, row) = forward.extend(chain, relaxation, layer, device, limit);
                kept_choices.push(kept);
                row
            })
            .collect();
        for (device, kept) in kept_choices.into_iter().enumerate() {
            removed += retain(&mut chain.choices[layer * chain.devices + device], &kept);
        }
        forward.rows = rows;
        if layer + 1 < chain.layers {
            removed += forward.hop(chain, relaxation, layer, limit);
        }
    }
    removed + drop_dangling(chain)
}

fn retain<T>(items: &mut Vec<T>, kept: &[bool]) -> usize {
    let before = items.len();
    let mut kept = kept.iter();
    items.retain(|_| *kept.next().expect("one flag per item"));
    before - items.len()
}

/// Hops from or to places that are gone.
fn drop_dangling(chain: &mut Chain) -> usize {
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
    /// `[device][step]`: the layer on the device, that much left after it.
    rows: Vec<Vec<f64>>,
    /// `[device]`: up to the arrival on it, before any layer there.
    arrived: Vec<f64>,
}

impl Forward {
    fn new(chain: &Chain, relaxation: &Relaxation) -> Self {
        let rows = relaxation.grids.iter().map(|grid| vec![f64::INFINITY; grid.width]).collect();
        let arrived = (0..chain.devices).map(|device| relaxation.entering(chain, device)).collect();
        Self { rows, arrived }
    }

    /// One layer on: which of the place's choices are on a path within the limit, and its row.
    fn extend(
        &self,
        chain: &Chain,
        relaxation: &Relaxation,
        layer: usize,
        device: usize,
        limit: f64,
    ) -> (Vec<bool>, Vec<f64>) {
        let (place, grid) = (chain.at(layer, device), &relaxation.grids[device]);
        let (before, rest) = (&self.rows[device], relaxation.row(place));
        let mut row = vec![f64::INFINITY; grid.width];
        let mut kept = Vec::with_capacity(chain.choices[place].len());
        for (index, choice) in chain.choices[place].iter().enumerate() {
            let priced = relaxation.priced(place, index);
            let step = grid.step(layer, chain.room[device].bytes - choice.bytes);
            let arriving = self.arrived[device] + priced;
            row[step] = row[step].min(arriving);
            let mut least = arriving + rest[step];
            if layer > 0 {
                let shift = grid.shift[layer][index];
                for (from, &cost) in before.iter().enumerate() {
                    let Ok(to) = usize::try_from(from as i64 - shift) else { continue };
                    let to = to.min(grid.width - 1);
                    row[to] = row[to].min(cost + priced);
                    least = least.min(cost + priced + rest[to]);
                }
            }
            kept.push(least <= limit);
        }
        (kept, row)
    }

    /// Moves after `layer`: drops hops beyond the limit and finds the cheapest arrivals.
    fn hop(
        &mut self,
        chain: &mut Chain,
        relaxation: &Relaxation,
        layer: usize,
        limit: f64,
    ) -> usize {
        let mut removed = 0;
        self.arrived.fill(f64::INFINITY);
        for device in 0..chain.devices {
            let least = self.rows[device].iter().copied().fold(f64::INFINITY, f64::min);
            let (place, next) = (chain.at(layer, device), (layer + 1) * chain.devices);
            let before = chain.hops[place].len();
            chain.hops[place].retain(|hop| {
                let cost = least + relaxation.arrive(hop.cost, hop.time, hop.to);
                self.arrived[hop.to] = self.arrived[hop.to].min(cost);
                cost + relaxation.arriving(next + hop.to) <= limit
            });
            removed += before - chain.hops[place].len();
        }
        removed
    }
}
