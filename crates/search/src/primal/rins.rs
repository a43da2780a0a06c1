//! Relaxation induced neighbourhood search (Danna, Rothberg and Le Pape, Math. Program. 102, 2005):
//! good plans are likely near the paths that the relaxation mixes and the best plan so far.

use edgeplan_problem::deployment::{Assignment, Deployment};
use edgeplan_problem::{Run, Stop};

use crate::bounding::CaseSearch;
use crate::chain::Chain;
use crate::dual::state::DualState;
use crate::tuning::TUNING;

/// A layer on a device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    layer: usize,
    device: usize,
}

impl CaseSearch<'_> {
    /// Searches the neighbourhood of what is open, again wherever that finds a better plan.
    pub(crate) fn search_near_mixture(
        &self,
        run: &mut Run<'_, Deployment>,
        state: &DualState,
    ) -> Result<(), Stop> {
        for _ in 0..TUNING.rins.moves_max {
            let before = run.best().map(|(_, cost)| *cost);
            let paths = state.mixture.iter().map(|part| &part.path[..]);
            let best = run.best().map(|(plan, _)| &plan.models[0][..]);
            let places = paths.chain(best).flat_map(held);
            let mut part = self.part(neighbourhood(&self.chain, places, TUNING.rins.around));
            part.round(run, TUNING.rins.round, state.clone())?;
            if run.best().map(|(_, cost)| *cost) == before {
                break;
            }
        }
        Ok(())
    }
}

/// What a plan or path holds, layer by layer.
pub(super) fn held(plan: &[Assignment]) -> impl Iterator<Item = Held> {
    let held = |(layer, at): (usize, &Assignment)| Held { layer, device: at.device.index() };
    plan.iter().enumerate().map(held)
}

/// What is left of a chain where devices hold no layer but those up to `around` away from one that
/// they hold here.
pub(super) fn neighbourhood(
    chain: &Chain,
    places: impl Iterator<Item = Held>,
    around: usize,
) -> Chain {
    let mut near = vec![false; chain.choices.len()];
    for Held { layer, device } in places {
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
    chain.drop_dangling_hops();
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;

    #[test]
    fn a_neighbourhood_holds_layers_near_their_places_and_no_others() {
        let question = question(&[9, 9, 9], &[(1, 1); 7]);
        let whole = Chain::new(&question, Measure::Latency, None);
        let places = [Held { layer: 0, device: 0 }, Held { layer: 5, device: 1 }];
        let chain = neighbourhood(&whole, places.into_iter(), 2);
        let layers = |device: usize| -> Vec<usize> {
            let holds = |&layer: &usize| !chain.choices[chain.at(layer, device)].is_empty();
            (0..chain.layers).filter(holds).collect()
        };
        assert_eq!([layers(0), layers(1), layers(2)], [vec![0, 1, 2], vec![3, 4, 5, 6], vec![]]);
        let hops: Vec<usize> =
            (0..chain.choices.len()).filter(|&at| !chain.hops[at].is_empty()).collect();
        assert_eq!(hops, [chain.at(2, 0)]);
    }
}
