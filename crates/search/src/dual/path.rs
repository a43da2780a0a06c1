//! The path that attains the bound of a relaxation, and what prices make of any path.

use edgeplan_problem::deployment::{Assignment, DeviceId};

use super::ng_sets::WeightedVisits;
use super::relaxation::{Place, Relaxation};
use super::ticks::Ticks;
use crate::chain::{Chain, Choice};

/// A relaxed path: like a plan it assigns every layer, and yet may return to a device. It names
/// options, so that it stays true when others leave the chain.
pub(crate) type Path = Vec<Assignment>;

/// Paths and their shares: together they keep to what is relaxed, nearly, and attain nearly the
/// best bound possible; the largest share first.
pub(crate) type Mixture = Vec<WeightedPath>;

/// A path and its share of a mixture.
#[derive(Debug, Clone)]
pub(crate) struct WeightedPath {
    pub(crate) path: Path,
    pub(crate) share: f64,
}

impl WeightedPath {
    /// The devices that it visits, with its share.
    pub(crate) fn visits(&self) -> WeightedVisits {
        WeightedVisits { devices: visits(&self.path), share: self.share }
    }
}

/// The devices that a path visits, in order; a device again if it returns there.
pub(crate) fn visits(path: &[Assignment]) -> Vec<usize> {
    let mut devices: Vec<usize> = path.iter().map(|assigned| assigned.device.index()).collect();
    devices.dedup();
    devices
}

/// Whether all that a path assigns is still in the chain.
pub(crate) fn is_in(chain: &Chain, path: &[Assignment]) -> bool {
    path.iter().enumerate().all(|(layer, &assigned)| chain.choice(layer, assigned).is_some())
}

/// The best way to place a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    /// Of this layer and all later ones.
    pub(super) cost: Ticks,
    /// Index of the choice.
    choice: usize,
    /// The step of the grid after it.
    step: usize,
}

/// The best way to move on after a layer.
struct Moved {
    /// Of all later layers.
    cost: Ticks,
    to: Place,
}

impl Relaxation<'_> {
    /// What the prices make of a path that returns nowhere: no less than the bound. Nothing if it
    /// is no longer in the chain, or does not fit the grids.
    pub(super) fn value(&self, path: &[Assignment]) -> Option<f64> {
        let chain = self.chain;
        let mut value = self.entering(path[0].device.index()) - self.budget;
        let mut step = None;
        for (layer, &assigned) in path.iter().enumerate() {
            let device = assigned.device.index();
            let (at, grid, room) =
                (chain.at(layer, device), &self.grids[device], &chain.room[device]);
            let mut choices = chain.choices[at].iter();
            let index = choices.position(|choice| choice.option == assigned.option)?;
            let choice = &chain.choices[at][index];
            // As the tables count: from the whole memory on arriving, by shifts of the grid after.
            let now = match step {
                None => grid.step(layer, room.whole() - room.taken(choice)),
                Some(step) => usize::try_from(step as i64 - grid.shift[layer][index]).ok()?,
            };
            let now = now.min(grid.width - 1);
            if now < grid.first(layer) {
                return None;
            }
            value += self.priced(at, index);
            let next = path.get(layer + 1).map_or(device, |next| next.device.index());
            step = (next == device).then_some(now);
            if next != device {
                let hop = chain.hops[at].iter().find(|hop| hop.to == next)?;
                value += self.arrive(hop.cost, hop.time, next);
            }
        }
        Some(value + self.leaving(path[path.len() - 1].device.index()))
    }

    /// The path that attains the bound; none where there is no path.
    pub(crate) fn path(&self) -> Option<Path> {
        let layers = self.chain.layers;
        let first = (0..self.chain.devices).min_by_key(|&device| self.starting(device))?;
        if self.bound == f64::INFINITY {
            return None;
        }
        let mut path = Path::with_capacity(layers);
        let mut place = Place { layer: 0, device: first, subset: 0 };
        let mut placed = self.arrival(place)?;
        path.push(self.assignment(place, placed.choice));
        while place.layer + 1 < layers {
            let moved = self.moving(place);
            placed = match self.staying(place, placed.step) {
                Some(stayed) if stayed.cost <= moved.cost => {
                    place.layer += 1;
                    stayed
                }
                _ => {
                    place = moved.to;
                    self.arrival(place)?
                }
            };
            path.push(self.assignment(place, placed.choice));
        }
        Some(path)
    }

    fn assignment(&self, place: Place, choice: usize) -> Assignment {
        let choices = &self.chain.choices[self.chain.at(place.layer, place.device)];
        Assignment { device: DeviceId(place.device as u16), option: choices[choice].option }
    }

    /// The cheapest move away after a place.
    fn moving(&self, place: Place) -> Moved {
        let mut best = Moved { cost: Ticks::UNREACHABLE, to: place };
        let at = self.chain.at(place.layer, place.device);
        for (hop, &ticks) in self.chain.hops[at].iter().zip(&self.moves[at]) {
            let Some(subset) = self.ng_sets.next(place.device, hop.to, place.subset) else {
                continue;
            };
            let to = Place { layer: place.layer + 1, device: hop.to, subset };
            let row = self.ng_sets.row(hop.to, subset);
            let cost = ticks + self.arriving(to.layer)[row];
            if cost < best.cost {
                best = Moved { cost, to };
            }
        }
        best
    }

    /// The best choice on arriving, with the device's whole memory.
    pub(super) fn arrival(&self, place: Place) -> Option<Placed> {
        let chain = self.chain;
        let (at, grid) = (chain.at(place.layer, place.device), &self.grids[place.device]);
        let room = &chain.room[place.device];
        let after = |choice: &Choice| grid.step(place.layer, room.whole() - room.taken(choice));
        let row = self.ticks(place);
        let choices = chain.choices[at].iter().enumerate();
        let placed = choices.map(|(index, choice)| {
            let step = after(choice);
            let cost = self.tick.floor(self.priced(at, index)) + row[step];
            Placed { cost, choice: index, step }
        });
        placed.min_by_key(|placed| placed.cost)
    }

    /// The best choice for the next layer on the same device, from a step of its grid on.
    fn staying(&self, place: Place, step: usize) -> Option<Placed> {
        let next = Place { layer: place.layer + 1, ..place };
        let (grid, row) = (&self.grids[place.device], self.ticks(next));
        let at = self.chain.at(next.layer, next.device);
        let shifts = grid.shift[next.layer].iter().enumerate();
        let placed = shifts.filter_map(|(index, &shift)| {
            let step = usize::try_from(step as i64 - shift).ok()?.min(grid.width - 1);
            let cost = self.tick.floor(self.priced(at, index)) + row[step];
            Some(Placed { cost, choice: index, step })
        });
        placed.min_by_key(|placed| placed.cost)
    }
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::Nanos;
    use edgeplan_problem::deployment::OptionId;

    use super::*;
    use crate::chain::tests::question;
    use crate::dual::prices::Prices;
    use crate::dual::relaxation::tests::{chain, relaxation};

    fn path(devices: &[u16]) -> Path {
        let assigned = |&device| Assignment { device: DeviceId(device), option: OptionId(0) };
        devices.iter().map(assigned).collect()
    }

    #[test]
    fn the_path_costs_what_the_bound_says() {
        let mut question = question(&[2, 2, 3], &[(1, 5), (1, 7), (1, 3), (2, 4)]);
        for (pair, time) in question.models[0].messages[0].time.iter_mut().enumerate() {
            *time = Some(Nanos(if pair % 4 == 0 { 0 } else { pair as u64 + 1 }));
        }
        let chain = chain(&question.checked().expect("the question makes sense"));
        for price in [0.0, 1.0, 4.0] {
            let visit = vec![price * chain.scale; 3];
            let relaxation = relaxation(&chain, &Prices { visit, ..Prices::zero(3) });
            let path = relaxation.path().expect("there is a path");
            assert!(is_in(&chain, &path));
            let value = relaxation.value(&path).expect("it fits the grid");
            let rounding = 1e-6 * chain.cost_max;
            let bound = relaxation.bound;
            assert!(bound <= value && value < bound + rounding, "{bound}: {value}");
        }
    }

    #[test]
    fn a_path_that_does_not_fit_or_has_left_is_worth_nothing() {
        let question = question(&[2, 2], &[(1, 5), (1, 7), (1, 3)]);
        let mut chain = chain(&question);
        let relaxed = relaxation(&chain, &Prices::zero(2));
        assert!(relaxed.value(&path(&[0, 0, 1])).is_some());
        // Three layers where two fit.
        assert!(relaxed.value(&path(&[0, 0, 0])).is_none());
        let place = chain.at(2, 1);
        chain.choices[place].clear();
        chain.drop_dangling_hops();
        assert!(!is_in(&chain, &path(&[0, 0, 1])) && is_in(&chain, &path(&[0, 0, 0])));
        assert!(relaxation(&chain, &Prices::zero(2)).value(&path(&[0, 0, 1])).is_none());
    }

    #[test]
    fn a_device_counts_again_where_a_path_returns() {
        assert_eq!(visits(&path(&[0, 0, 1, 0, 0, 2])), [0, 1, 0, 2]);
    }
}
