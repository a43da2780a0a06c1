//! What binds in a plan, and what more of it would be worth.

use std::time::Instant;

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Limits, Outcome, Verdict};
use edgeplan_what_if::{
    Change, Slack, Worth, faster_pair, looser_quality, more_memory, slacks, worth,
};

use crate::Error;
use crate::answer::{Phase, Progress, Task, answer};
use crate::diagnosis::Diagnosis;
use crate::session::Session;

/// A plan, what binds in it, and what changes would buy.
#[derive(Debug)]
pub struct Explained {
    /// The plan and its proof.
    pub outcome: Outcome<Plan>,
    /// Limits that the plan uses; empty without a plan.
    pub slacks: Vec<Slack>,
    /// What changes are worth, as many as were asked.
    pub worths: Vec<Worth>,
    /// Changes that there was no time to ask.
    pub not_asked: usize,
    /// What is in the way; of an infeasible question only.
    pub diagnosis: Option<Diagnosis>,
}

/// A lazily made list of changed questions, and its length.
struct Changes<'a> {
    count: usize,
    changes: Box<dyn Iterator<Item = Result<Change, Error>> + 'a>,
}

impl Session {
    /// Plans, and asks the question again with a little more of everything: memory, allowed loss,
    /// bandwidth. The task's time is that of everything: half of it, at most, is for the plan.
    ///
    /// # Errors
    /// A changed cluster with more routes than there is room for.
    pub fn explain(
        &self,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Explained, Error> {
        let deployment = self.deployment();
        let begin = Instant::now();
        let half = Limits { time: task.limits.time.map(|time| time / 2), ..task.limits };
        let (outcome, _) = answer(deployment, &Task { limits: half, ..*task }, progress);
        let mut explained = Explained {
            outcome,
            slacks: Vec::new(),
            worths: Vec::new(),
            not_asked: 0,
            diagnosis: None,
        };
        if let Some(plan) = &explained.outcome.plan {
            progress.phase(Phase::AskingChanges);
            let time = task.limits.time.map(|time| time.saturating_sub(begin.elapsed()));
            let Changes { count, changes } = self.changes();
            let solver = (task.solver.make)();
            let limits = Limits { time, ..task.limits };
            explained.worths = worth((count, changes), solver.as_ref(), limits)?;
            explained.not_asked = count - explained.worths.len();
            explained.slacks = slacks(deployment, plan);
        } else if explained.outcome.verdict == Verdict::Infeasible {
            explained.diagnosis = Some(Diagnosis::of(deployment, task, progress));
        }
        Ok(explained)
    }

    /// The question with a little more of everything; each change is made when it is asked for,
    /// because a question may be large.
    fn changes(&self) -> Changes<'_> {
        let deployment = self.deployment();
        let (memory, quality) = (more_memory(deployment), looser_quality(deployment));
        let links = self.faster_links();
        let count = memory.len() + quality.len() + links.count;
        let changes = Box::new(memory.chain(quality).map(Ok).chain(links.changes));
        Changes { count, changes }
    }

    /// The question once for each link of the cluster, with 10 % more bandwidth there. An instance
    /// file has no links: there, once for each pair of devices, with 10 % less time between them.
    fn faster_links(&self) -> Changes<'_> {
        let Some(inputs) = self.inputs() else { return faster_pairs(self.deployment()) };
        let count = inputs.cluster.links().len();
        let change = move |index: usize| {
            let ends = inputs.cluster.links()[index].between.join(" - ");
            let cluster = inputs.cluster.with_faster_link(index, 10)?;
            let instance = self.on_cluster(inputs, &cluster)?;
            Ok(Change { name: format!("+10 % bandwidth {ends}"), instance })
        };
        Changes { count, changes: Box::new((0..count).map(change)) }
    }
}

fn faster_pairs(deployment: &Deployment) -> Changes<'_> {
    let (ids, devices) = (|| deployment.device_ids(), deployment.devices.len());
    let pairs = ids().flat_map(move |a| ids().filter(move |&b| a < b).map(move |b| (a, b)));
    let changes = pairs.map(|(a, b)| Ok(faster_pair(deployment, a, b)));
    Changes { count: devices * devices.saturating_sub(1) / 2, changes: Box::new(changes) }
}
