//! Relaxation induced neighbourhood search (Danna, Rothberg and Le Pape, Math. Program. 102, 2005):
//! good plans are likely near the paths that the relaxation mixes and the best plan so far.

use edgeplan_problem::deployment::{Assignment, Deployment};
use edgeplan_problem::{Run, Stop};

use crate::chain::Chain;
use crate::fixing::drop_dangling;
use crate::rounds::{Round, Search, State, round};

/// How many layers before and after its own a device may hold.
const AROUND: usize = 3;
/// What is done on the neighbourhood, a small part of the chain.
const NEAR: Round = round((1024, 20, 2), (4_000, 100));
/// Times that a better plan moves the neighbourhood.
const TIMES: usize = 4;

impl Search<'_> {
    /// Searches the neighbourhood of what is open, again wherever that finds a better plan.
    pub(crate) fn look_near(
        &self,
        run: &mut Run<'_, Deployment>,
        state: &State,
    ) -> Result<(), Stop> {
        for _ in 0..TIMES {
            let before = run.best().map(|(_, cost)| *cost);
            let paths = state.mixture.iter().map(|(path, _)| path.iter().map(|step| step.0));
            let best = run.best().map(|(plan, _)| devices(&plan.models[0]));
            let places = paths.flat_map(Iterator::enumerate).chain(best.into_iter().flatten());
            let chain = near(&self.chain, places, AROUND);
            let mut part = Search { chain, goal: self.goal.of_a_part(), ..*self };
            part.round(run, NEAR, state.clone())?;
            if run.best().map(|(_, cost)| *cost) == before {
                break;
            }
        }
        Ok(())
    }
}

/// The devices of a plan, layer by layer.
pub(crate) fn devices(plan: &[Assignment]) -> impl Iterator<Item = (usize, usize)> {
    plan.iter().map(|assignment| assignment.device.index()).enumerate()
}

/// What is left of a chain where devices hold no layer but those up to `around` away from one of
/// these layers and devices.
pub(crate) fn near(
    chain: &Chain,
    places: impl Iterator<Item = (usize, usize)>,
    around: usize,
) -> Chain {
    let mut near = vec![false; chain.choices.len()];
    for (layer, device) in places {
        let last = (layer + around).min(chain.layers - 1);
        for layer in layer.saturating_sub(around)..=last {
            near[chain.at(layer, device)] = true;
        }
    }
    let mut chain = chain.clone();
    for (choices, near) in chain.choices.iter_mut().zip(near) {
        if !near {
            choices.clear();
        }
    }
    drop_dangling(&mut chain);
    chain
}
