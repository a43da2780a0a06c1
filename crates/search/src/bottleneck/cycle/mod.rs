//! Bottlenecks: whether a pipeline of some cycle time exists, run by run.
//!
//! Once a cycle time is given, all that a finished run leaves behind is its loss: time and memory
//! begin anew on the next device. So the least loss of every run of layers on every device is
//! computed first ([`runs`]), and what is left is a shortest path of runs, each device at most
//! once: bounded by the same relaxation as layers are elsewhere, though over runs
//! ([`run_relaxation`]), and searched forward with labels that hold a loss and a set of devices
//! ([`forward`]).

mod forward;
mod run_relaxation;
mod runs;

use edgeplan_problem::deployment::{Assignment, Deployment};
use edgeplan_problem::{Run, Stop};

use crate::chain::Chain;
use crate::tuning::TUNING;
use forward::RunLabels;
use run_relaxation::RunRelaxation;
use runs::Runs;

/// What is known of one case of an instance up to some cycle time.
#[derive(Debug)]
pub(crate) struct Cycles {
    chain: Chain,
    runs: Runs,
    /// Nanoseconds of a request, of a nanosecond of the cycle.
    weight: u64,
    /// By device: the best prices of a visit, at the last cycle time.
    prices: Vec<f64>,
}

/// What a search of one cycle time finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// No plan has that cycle time.
    None,
    /// Perhaps a plan: limits that are looked at elsewhere may forbid it.
    Plan(Vec<Assignment>),
    /// The search was too narrow.
    Open,
}

/// Whether runs leave nothing but their loss behind: no time of a whole request is limited, no
/// tensor is shared.
pub(crate) fn applies(chain: &Chain) -> bool {
    let mut choices = chain.choices.iter().flatten();
    chain.contiguous && chain.time_max.is_none() && choices.all(|choice| choice.shared.is_none())
}

impl Cycles {
    /// The runs of a chain whose devices have at most the time of the longest cycle of interest.
    pub(crate) fn new(
        chain: Chain,
        weight: u32,
        tick: &mut dyn FnMut() -> Result<(), Stop>,
    ) -> Result<Self, Stop> {
        let runs = Runs::new(&chain, tick)?;
        let prices = vec![0.0; chain.devices];
        Ok(Self { chain, runs, weight: u64::from(weight), prices })
    }

    /// Looks for a plan of that cycle time with more and more effort, up to so many searches.
    pub(crate) fn fit(
        &mut self,
        run: &mut Run<'_, Deployment>,
        cycle: u64,
        searches: usize,
    ) -> Result<Fit, Stop> {
        let time = cycle / self.weight;
        let mut relaxation = RunRelaxation::new(&self.chain, &self.runs, time);
        for search in TUNING.cycle.searches.iter().take(searches) {
            relaxation.climb(&mut self.prices, search.climbs, &mut || {
                run.count("passes", 1);
                run.step()
            })?;
            if relaxation.is_beyond() {
                return Ok(Fit::None);
            }
            let found = RunLabels::new(&relaxation).search(search.labels, &mut || run.step())?;
            run.count("labels", found.labels);
            match found.visits {
                Some(visits) => {
                    let plan = self.runs.plan(&self.chain, time, &visits);
                    return Ok(plan.map_or(Fit::Open, Fit::Plan));
                }
                None if found.is_complete => return Ok(Fit::None),
                None => {}
            }
        }
        Ok(Fit::Open)
    }
}
