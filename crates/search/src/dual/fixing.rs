//! Reduced-cost fixing: a choice or hop through which every relaxed path costs more than the limit
//! is in no plan that matters, and leaves the chain.

use super::grid::References;
use super::relaxation::{Place, Relaxation};
use super::ticks::{Ticks, relax_forward};
use crate::chain::{Chain, Choice};

/// What reduced costs show of a chain.
///
/// The chain can only be changed once its relaxations, which borrow it, are gone: grids and tables
/// that number choices which have left cannot be asked.
#[derive(Debug)]
pub(crate) struct Fixing {
    /// `[layer * devices + device][choice]`: whether it stays.
    choices: Vec<Vec<bool>>,
    /// `[layer * devices + device][hop]`: the same.
    hops: Vec<Vec<bool>>,
    /// The options of the best relaxed paths through every place.
    pub(crate) references: References,
}

/// What fixing did.
#[derive(Debug)]
pub(crate) struct Fixed {
    /// Choices and hops that left the chain.
    pub(crate) removed: usize,
    pub(crate) references: References,
}

impl Relaxation<'_> {
    /// Finds what cannot be in a plan of at most `limit` (scaled cost).
    ///
    /// # Complexity
    /// Twice that of filling the tables.
    pub(crate) fn fixing(&self, limit: f64) -> Fixing {
        let (chain, limit) = (self.chain, limit + self.budget);
        let mut forward = Forward::new(self);
        let mut fixing = Fixing {
            choices: Vec::with_capacity(chain.choices.len()),
            hops: Vec::with_capacity(chain.hops.len()),
            references: References::unknown(chain),
        };
        for layer in 0..chain.layers {
            let mut rows = Vec::with_capacity(self.ng_sets.rows());
            for device in 0..chain.devices {
                let choices = &chain.choices[chain.at(layer, device)];
                let mut least = vec![Ticks::INFINITY; choices.len()];
                for subset in 0..self.ng_sets.subsets(device) {
                    rows.push(forward.extend(Place { layer, device, subset }, &mut least));
                }
                let stays: Vec<bool> =
                    least.iter().map(|&least| self.tick.scaled(least) <= limit).collect();
                let best = best_of(choices, &least, &stays);
                fixing.references.options[device][layer] = best.map(|choice| choice.option);
                fixing.choices.push(stays);
            }
            forward.rows = rows;
            fixing.hops.extend(forward.hop(layer, limit));
        }
        fixing
    }
}

impl Fixing {
    /// Takes out of the chain, which is the relaxation's, what is useless.
    pub(crate) fn apply(self, chain: &mut Chain) -> Fixed {
        let choices = chain.choices.iter_mut().zip(&self.choices);
        let choices: usize = choices.map(|(choices, stays)| retain(choices, stays)).sum();
        let hops = chain.hops.iter_mut().zip(&self.hops);
        let hops: usize = hops.map(|(hops, stays)| retain(hops, stays)).sum();
        let removed = choices + hops + chain.drop_dangling_hops();
        Fixed { removed, references: self.references }
    }
}

/// The choice of the best path through it, among those that stay.
fn best_of<'c>(choices: &'c [Choice], least: &[Ticks], stays: &[bool]) -> Option<&'c Choice> {
    let staying = choices.iter().zip(least).zip(stays).filter(|(_, stays)| **stays);
    staying.min_by_key(|((_, least), _)| **least).map(|((choice, _), _)| choice)
}

fn retain<T>(items: &mut Vec<T>, stays: &[bool]) -> usize {
    let before = items.len();
    let mut stays = stays.iter();
    items.retain(|_| *stays.next().expect("one flag per item"));
    before - items.len()
}

/// Least priced cost of everything up to a layer.
struct Forward<'a> {
    relaxation: &'a Relaxation<'a>,
    /// `[row][step]`: the layer there, that much left after it; empty where no path leads.
    rows: Vec<Vec<Ticks>>,
    /// `[row]`: up to the arrival there, before any layer; the sink of forbidden moves last.
    arrived: Vec<Ticks>,
}

impl<'a> Forward<'a> {
    fn new(relaxation: &'a Relaxation<'a>) -> Self {
        let (chain, ng_sets) = (relaxation.chain, &relaxation.ng_sets);
        let mut arrived = vec![Ticks::UNREACHABLE; ng_sets.rows() + 1];
        for device in (0..chain.devices).filter(|&device| chain.ingress[device].is_some()) {
            let entering = relaxation.tick.floor(relaxation.entering(device));
            arrived[ng_sets.row(device, 0)] = entering;
        }
        Self { relaxation, rows: vec![Vec::new(); ng_sets.rows()], arrived }
    }

    /// One layer on: the place's row. Lowers `least` to the cost of the best path through each of
    /// its choices.
    fn extend(&self, place: Place, least: &mut [Ticks]) -> Vec<Ticks> {
        let (relaxation, Place { layer, device, subset }) = (self.relaxation, place);
        let chain = relaxation.chain;
        let (at, grid) = (chain.at(layer, device), &relaxation.grids[device]);
        let row_index = relaxation.ng_sets.row(device, subset);
        let room = &chain.room[device];
        let (before, rest) = (&self.rows[row_index], relaxation.ticks(place));
        let arrived = self.arrived[row_index];
        if before.is_empty() && arrived >= Ticks::UNREACHABLE {
            return Vec::new();
        }
        let mut row = vec![Ticks::UNREACHABLE; grid.width];
        for (index, choice) in chain.choices[at].iter().enumerate() {
            let priced = relaxation.tick.floor(relaxation.priced(at, index));
            // A run that begins here has the whole memory.
            let step = grid.step(layer, room.whole() - room.taken(choice));
            let arriving = arrived + priced;
            row[step] = row[step].min(arriving);
            let mut through = arriving + rest[step];
            if !before.is_empty() {
                // Any step before, and this choice.
                let shift = grid.shift[layer][index];
                through = through.min(relax_forward(&mut row, before, rest, shift, priced));
            }
            least[index] = least[index].min(through);
        }
        row
    }

    /// Moves after `layer`, by device: which hops are within the limit. Finds the cheapest
    /// arrivals.
    fn hop(&mut self, layer: usize, limit: f64) -> Vec<Vec<bool>> {
        let relaxation = self.relaxation;
        let (chain, ng_sets, tick) = (relaxation.chain, &relaxation.ng_sets, relaxation.tick);
        if layer + 1 == chain.layers {
            return vec![Vec::new(); chain.devices];
        }
        let onward = relaxation.arriving(layer + 1);
        self.arrived.fill(Ticks::UNREACHABLE);
        let mut stays = Vec::with_capacity(chain.devices);
        for device in 0..chain.devices {
            let least_of = |subset: usize| {
                let row = &self.rows[ng_sets.row(device, subset)];
                row.iter().copied().fold(Ticks::UNREACHABLE, Ticks::min)
            };
            let least: Vec<Ticks> = (0..ng_sets.subsets(device)).map(least_of).collect();
            let hops = chain.hops[chain.at(layer, device)].iter();
            let arrived = &mut self.arrived;
            stays.push(Vec::from_iter(hops.map(|hop| {
                let step = tick.floor(relaxation.arrive(hop.cost, hop.time, hop.to));
                let mut through = Ticks::INFINITY;
                for (&next, &least) in ng_sets.rows_after(device, hop.to).iter().zip(&least) {
                    let next = next as usize;
                    arrived[next] = arrived[next].min(least + step);
                    through = through.min(least + step + onward[next]);
                }
                tick.scaled(through) <= limit
            })));
        }
        stays
    }
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::deployment::{Deployment, LayerOption};
    use edgeplan_problem::{Bytes, Loss, Nanos, Problem as _};

    use super::*;
    use crate::chain::tests::question;
    use crate::dual::path::is_in;
    use crate::dual::prices::Prices;
    use crate::dual::relaxation::tests::{chain, relaxation};

    /// Three devices, four layers, two options each: a quick large one and a slow small one.
    fn options() -> Deployment {
        let mut question = question(&[3, 4, 2], &[(2, 5), (2, 7), (1, 3), (2, 4)]);
        for layer in &mut question.models[0].layers {
            let compute = layer.options[0].compute.iter().flatten();
            let compute = compute.map(|time| Some(Nanos(2 * time.0 + 1))).collect();
            let recipe = "small".into();
            let bytes = Bytes(1);
            let loss = Loss(1);
            layer.options.push(LayerOption { recipe, bytes, shared: None, loss, compute });
        }
        for (pair, time) in question.models[0].messages[0].time.iter_mut().enumerate() {
            *time = Some(Nanos(if pair % 4 == 0 { 0 } else { pair as u64 % 5 + 1 }));
        }
        question.models[0].loss_max = Some(Loss(2));
        question.checked().expect("the question makes sense")
    }

    #[test]
    fn what_leaves_is_in_no_plan_within_the_limit() {
        let question = options();
        let (best, _) = question.brute_force().expect("there is a plan");
        let whole = chain(&question);
        let (mut removed, mut plans) = (Vec::new(), 0);
        for more in [0, 2, 5, 1_000] {
            let (mut chain, limit) = (whole.clone(), best.0 + more);
            let prices = Prices { visit: vec![2.0 * chain.scale; 3], ..Prices::zero(3) };
            let fixing = relaxation(&chain, &prices).fixing(limit as f64 * chain.scale);
            removed.push(fixing.apply(&mut chain).removed);
            let Ok(()) = question.try_each_plan::<std::convert::Infallible>(&mut |plan| {
                let evaluation = question.evaluate(plan);
                let path = &plan.models[0];
                // An option that another one beats is in no chain.
                let counts = evaluation.is_feasible() && evaluation.cost.0 <= limit;
                if counts && is_in(&whole, path) {
                    let mut steps = path.windows(2).enumerate();
                    let linked = steps.all(|(layer, pair)| {
                        let [from, to] = [0, 1].map(|at| pair[at].device.index());
                        let hops = &chain.hops[chain.at(layer, from)];
                        from == to || hops.iter().any(|hop| hop.to == to)
                    });
                    assert!(is_in(&chain, path) && linked, "{plan:?} within {limit}");
                    plans += 1;
                }
                Ok(())
            });
        }
        assert!(plans > 0);
        assert!(removed[0] > 0 && removed.is_sorted_by(|a, b| a >= b), "{removed:?}");
    }

    #[test]
    fn nothing_leaves_without_a_limit_and_references_are_options_of_their_place() {
        let question = options();
        let mut chain = chain(&question);
        let whole = chain.clone();
        let fixing = relaxation(&chain, &Prices::zero(3)).fixing(f64::MAX);
        let Fixed { removed, references } = fixing.apply(&mut chain);
        assert_eq!(removed, 0);
        for layer in 0..chain.layers {
            for device in 0..chain.devices {
                let place = whole.at(layer, device);
                assert_eq!(chain.choices[place].len(), whole.choices[place].len());
                let option = references.options[device][layer];
                let there = |option| chain.choices[place].iter().any(|c| c.option == option);
                assert_eq!(option.is_some_and(there), !chain.choices[place].is_empty());
            }
        }
    }
}
