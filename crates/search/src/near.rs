//! Relaxation induced neighbourhood search (Danna, Rothberg and Le Pape, Math. Program. 102, 2005):
//! good plans are likely near the paths that the relaxation mixes and the best plan so far.

use edgeplan_problem::deployment::Deployment;
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
            let near = near(run, &self.chain, state);
            let mut chain = self.chain.clone();
            for (choices, near) in chain.choices.iter_mut().zip(near) {
                if !near {
                    choices.clear();
                }
            }
            drop_dangling(&mut chain);
            let mut part = Search { chain, goal: self.goal.of_a_part(), ..*self };
            part.round(run, NEAR, state.clone())?;
            if run.best().map(|(_, cost)| *cost) == before {
                break;
            }
        }
        Ok(())
    }
}

/// By place: whether a path or the best plan is there, or a few layers away.
fn near(run: &Run<'_, Deployment>, chain: &Chain, state: &State) -> Vec<bool> {
    let mut near = vec![false; chain.choices.len()];
    let mut mark = |layer: usize, device: usize| {
        let last = (layer + AROUND).min(chain.layers - 1);
        for layer in layer.saturating_sub(AROUND)..=last {
            near[chain.at(layer, device)] = true;
        }
    };
    for (path, _) in &state.mixture {
        path.iter().enumerate().for_each(|(layer, &(device, _))| mark(layer, device));
    }
    for assignment in run.best().iter().flat_map(|(plan, _)| plan.models[0].iter().enumerate()) {
        mark(assignment.0, assignment.1.device.index());
    }
    near
}
