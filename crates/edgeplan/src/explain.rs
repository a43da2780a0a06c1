//! What binds in a plan, and what more of it would be worth.

use std::time::Instant;

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Cost, Limits, Outcome, Verdict};
use edgeplan_report::answer::{DeploymentAnswer, headline};
use edgeplan_report::table::{Table, or_dash};
use edgeplan_what_if::{
    Change, Slack, Worth, faster_pair, looser_quality, more_memory, slacks, worth,
};
use serde::Serialize;

use crate::Error;
use crate::answer::{Phase, Progress, Task, answer};
use crate::confidence::Confidence;
use crate::diagnosis::{Diagnosis, DiagnosisKeys};
use crate::session::Session;

/// A plan, what binds in it, and what changes would buy.
///
/// See [`Session::explain`] for an example.
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
    /// ```
    /// use edgeplan::{Limits, Quiet, Sources, Task};
    ///
    /// let models = vec!["catalog:tinyllama-1.1b".into()];
    /// let session = Sources { models, ..Sources::default() }.load()?;
    /// let time = Some(std::time::Duration::from_secs(1));
    /// let limits = Limits { time, ..Task::default().limits };
    /// let task = Task { limits, ..Task::default() };
    /// let explained = session.explain(&task, &mut Quiet)?;
    /// println!("{}", explained.text(&session, task.solver(session.deployment()).name));
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
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
            let solver = (task.solver(deployment).make)();
            let limits = Limits { time, ..task.limits };
            explained.worths = worth(count, changes, solver.as_ref(), limits)?;
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

/// An explained plan. Field names are stable keys.
#[derive(Serialize)]
struct ExplainedKeys {
    #[serde(flatten)]
    answer: DeploymentAnswer,
    #[serde(flatten)]
    plan: Option<PlanKeys>,
    #[serde(flatten)]
    diagnosis: Option<DiagnosisKeys>,
}

#[derive(Serialize)]
struct PlanKeys {
    limits: Vec<LimitKeys>,
    changes: Vec<ChangeKeys>,
    changes_not_asked: usize,
    #[serde(flatten)]
    confidence: Confidence,
}

#[derive(Serialize)]
struct LimitKeys {
    limit: String,
    used: u64,
    allowed: u64,
}

#[derive(Serialize)]
struct ChangeKeys {
    change: String,
    cost: Option<Cost>,
    saves_at_least: Cost,
    saves_at_most: Option<Cost>,
}

impl Explained {
    /// The answer for programs, under stable keys.
    ///
    /// See [`Session::explain`] for an example.
    pub fn keys(&self, session: &Session, solver: &str) -> impl Serialize {
        let (deployment, outcome) = (session.deployment(), &self.outcome);
        let limit = |slack: &Slack| LimitKeys {
            limit: slack.limit.name(deployment),
            used: slack.used,
            allowed: slack.allowed,
        };
        let change = |worth: &Worth, cost: Cost| {
            let (saves_at_least, saves_at_most) = worth.saving(cost);
            ChangeKeys {
                change: worth.name.clone(),
                cost: worth.cost,
                saves_at_least,
                saves_at_most,
            }
        };
        let plan = outcome.plan.as_ref().zip(outcome.cost()).map(|(plan, cost)| PlanKeys {
            limits: self.slacks.iter().map(limit).collect(),
            changes: self.worths.iter().map(|worth| change(worth, cost)).collect(),
            changes_not_asked: self.not_asked,
            confidence: Confidence::of(session.priced(), plan),
        });
        let mut answer = DeploymentAnswer::new(deployment, solver, outcome);
        if let Some(diagnosis) = &self.diagnosis {
            answer.answered.reason = Some(diagnosis.sentence());
        }
        let diagnosis = self.diagnosis.as_ref().map(|diagnosis| diagnosis.keys(deployment));
        ExplainedKeys { answer, plan, diagnosis }
    }

    /// The answer for people.
    ///
    /// See [`Session::explain`] for an example.
    pub fn text(&self, session: &Session, solver: &str) -> String {
        let (deployment, outcome) = (session.deployment(), &self.outcome);
        let mut text = headline(deployment, solver, outcome);
        if let (Some(plan), Some(cost)) = (&outcome.plan, outcome.cost()) {
            let (limits, changes) = (self.limits(deployment), self.changes(deployment, cost));
            text += &format!("\n{limits}\n\n{changes}");
            if self.not_asked > 0 {
                let (left, count) = (self.not_asked, self.worths.len() + self.not_asked);
                text +=
                    &format!("\n\n{left} of {count} changes were not solved: --time is too short");
            }
            let confidence = Confidence::of(session.priced(), plan).text();
            text += &format!("\n{}\n{confidence}", unused(deployment, plan));
        } else if let Some(diagnosis) = &self.diagnosis {
            text += &format!("\n{}", diagnosis.text(deployment));
        } else {
            text += "\nNo plan was found, and infeasibility is not proven: more --time is needed.";
        }
        text
    }

    fn limits(&self, deployment: &Deployment) -> Table {
        let rows = self.slacks.iter().map(|&Slack { limit, used, allowed }| {
            [
                limit.name(deployment),
                limit.amount(used),
                limit.amount(allowed),
                limit.amount(allowed.saturating_sub(used)),
                format!("{:.1} %", 100.0 * used as f64 / allowed.max(1) as f64),
            ]
        });
        Table::new(["limit", "used>", "allowed>", "free>", "full>"]).with_rows(rows)
    }

    fn changes(&self, deployment: &Deployment, cost: Cost) -> Table {
        let amount = |cost| deployment.objective.amount(cost);
        let share = |saving: Cost| match saving {
            Cost::ZERO => "nothing".into(),
            _ => {
                let share = 100.0 * saving.as_f64() / cost.as_f64().max(1.0);
                format!("{} ({share:.2} %)", amount(saving))
            }
        };
        let rows = self.worths.iter().map(|worth| {
            let (least, most) = worth.saving(cost);
            [
                worth.name.clone(),
                or_dash(worth.cost.map(amount)),
                share(least),
                or_dash(most.map(share)),
            ]
        });
        Table::new(["change", "new cost>", "saves>", "at most>"]).with_rows(rows)
    }
}

/// A sentence on the devices that the plan leaves out.
fn unused(deployment: &Deployment, plan: &Plan) -> String {
    let used = |id| plan.models.iter().flatten().any(|assignment| assignment.device == id);
    let idle: Vec<&str> = deployment
        .device_ids()
        .filter(|&id| !used(id))
        .map(|id| deployment.device(id).name.as_str())
        .collect();
    match idle.is_empty() {
        true => "\nEvery device is used.".into(),
        false => format!("\nNot used: {}.", idle.join(", ")),
    }
}
