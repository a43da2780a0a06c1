//! Requests on a plan, event by event.

use std::sync::atomic::AtomicBool;

use edgeplan_problem::deployment::Plan;
use edgeplan_simulator::{
    Keep, Layout, Policy, Record, Request, Setup, Shares, Size, Summary, operate_until, summarize,
};

use crate::Error;
use crate::session::{Requests, Session};

/// A plan, ready to serve requests.
#[derive(Debug)]
pub struct Simulation {
    /// Devices, links and the lines of the models.
    pub layout: Layout,
    /// How long every step of a pass takes.
    pub times: Shares,
    /// The request that the problem's times are of.
    pub size: Size,
    /// Lanes per model; as many as the plan has stages if none.
    pub lanes: Option<usize>,
    /// Bars to keep for a Gantt chart.
    pub keep: Keep,
}

impl Session {
    /// A plan of this session, ready to serve requests. `priced_for` is the request that the times
    /// of an instance file are of; a workload says it itself.
    ///
    /// # Errors
    /// A plan that cannot be laid out, such as one that violates the problem.
    pub fn simulation(&self, plan: &Plan, priced_for: Size) -> Result<Simulation, Error> {
        let refused = |why: edgeplan_simulator::Refused| Error::Impossible(why.to_string());
        let (layout, times, size) = match self.requests()? {
            Some(Requests { size, whole, prompt }) => {
                let layout = Layout::new(&whole, plan).map_err(refused)?;
                let times = Shares::priced(&layout, size, &prompt, plan).map_err(refused)?;
                (layout, times, size)
            }
            None => {
                let layout = Layout::new(self.deployment(), plan).map_err(refused)?;
                let times = Shares::even(&layout, priced_for);
                (layout, times, priced_for)
            }
        };
        Ok(Simulation { layout, times, size, lanes: None, keep: Keep::default() })
    }
}

impl Simulation {
    /// Runs a trace under a batching policy, until it ends or `stop` is set.
    pub fn run(
        &self,
        requests: &[Request],
        policy: &mut dyn Policy,
        stop: &AtomicBool,
    ) -> (Record, Summary) {
        let &Self { ref layout, ref times, size, lanes, keep } = self;
        let setup = Setup { layout, times, size, lanes, keep };
        let record = operate_until(&setup, requests, policy, stop);
        let summary = summarize(requests, &record);
        (record, summary)
    }
}
