//! Corridors of the joint search: plans that hold layers where the best one does, or a few layers
//! before or after (Sniedovich and Voss, Control and Cybernetics 35, 2006).
//!
//! Prices climb again in a corridor: the whole's price memory where such plans need none. A
//! corridor that is searched completely widens; where a better plan is found, it moves there.

use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Run, Stop};

use crate::chain::Chain;
use crate::near::{devices, near};
use crate::relaxation::Relaxation;
use crate::rounds::{Round, State, limit, round};
use crate::solver::ChainSearch;
use crate::together::others;

/// Layers by which a run may begin sooner or end later, at first.
const AROUND: usize = 2;
/// What is done in a corridor.
const CORRIDOR: Round = round((1024, 40, 4), (5_000, 0));

impl ChainSearch {
    /// Moves on to better plans, until the corridor is too wide to be searched completely, or it
    /// took four times the labels that were extended before. `bounds` are those of the models.
    pub(crate) fn look_around(
        &self,
        run: &mut Run<'_, Deployment>,
        (chains, relaxations, bounds): (&[Chain], &[Relaxation], &[f64]),
    ) -> Result<(), Stop> {
        let widest = chains.iter().map(|chain| chain.layers).max().unwrap_or(0);
        let (mut around, most) = (AROUND, 5 * labels(run));
        while around < widest {
            let before = run.best().map(|(_, cost)| *cost);
            let complete = self.corridor(run, (chains, relaxations, bounds), around)?;
            if run.best().map(|(_, cost)| *cost) != before {
                continue;
            }
            if !complete || labels(run) > most {
                break;
            }
            around += 1;
        }
        Ok(())
    }

    /// Searches the corridor of the best plan, and whether completely.
    fn corridor(
        &self,
        run: &mut Run<'_, Deployment>,
        (chains, relaxations, bounds): (&[Chain], &[Relaxation], &[f64]),
        around: usize,
    ) -> Result<bool, Stop> {
        let Some((plan, _)) = run.best().cloned() else { return Ok(false) };
        let scale = chains[0].scale;
        let (mut parts, mut tables) = (Vec::new(), Vec::new());
        for (model, (chain, relaxation)) in chains.iter().zip(relaxations).enumerate() {
            let mut part = near(chain, devices(&plan.models[model]), around);
            let (prices, neighbours) = (relaxation.prices.clone(), relaxation.neighbours.clone());
            let state = State { prices, neighbours, ..State::new(&part) };
            let limit = limit(run, scale) - others(bounds, model);
            tables.push(self.part(run, &mut part, limit, (CORRIDOR, state))?);
            parts.push(part);
        }
        let bounds: Vec<f64> = tables.iter().map(|table| table.bound).collect();
        if bounds.iter().sum::<f64>() > limit(run, scale) {
            return Ok(true);
        }
        Ok(self.joint(run, (&parts, &tables, &bounds), CORRIDOR)?.is_none())
    }
}

/// Labels so far.
fn labels(run: &Run<'_, Deployment>) -> u64 {
    run.work().get("labels").copied().unwrap_or(0)
}
