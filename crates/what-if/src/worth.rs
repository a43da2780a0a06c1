//! What a little more of something is worth: the same question, changed and asked again.

use edgeplan_problem::deployment::{Deployment, DeviceId, Model};
use edgeplan_problem::{Bytes, Cost, Limits, Nanos, Outcome, Silent, Solver, solve};

use crate::Limit;

/// A changed instance.
#[derive(Debug, Clone)]
pub struct Change {
    /// What was changed, for people (`+1 GiB on laptop`).
    pub name: String,
    /// The instance with the change.
    pub instance: Deployment,
}

/// What a change is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worth {
    /// What was changed.
    pub name: String,
    /// Cost of the plan with the change, if one was found.
    pub cost: Option<Cost>,
    /// No plan with the change costs less.
    pub lower_bound: Option<Cost>,
}

impl Worth {
    /// What the change saves on a plan of that cost: at least (a plan shows it), at most (the
    /// bound shows it).
    pub fn saving(&self, cost: Cost) -> (Cost, Option<Cost>) {
        let less = |new: Cost| Cost(cost.0.saturating_sub(new.0));
        (self.cost.map_or(Cost::ZERO, less), self.lower_bound.map(less))
    }
}

/// One GiB more on each device.
pub fn more_memory(instance: &Deployment) -> Vec<Change> {
    let change = |id: DeviceId| {
        let mut changed = instance.clone();
        changed.devices[id.index()].memory = instance.device(id).memory + Bytes(1 << 30);
        Change { name: format!("+1 GiB on {}", instance.device(id).name), instance: changed }
    };
    instance.device_ids().map(change).collect()
}

/// A tenth more loss allowed, for each model that has a quality budget.
pub fn looser_quality(instance: &Deployment) -> Vec<Change> {
    let change = |(index, model): (usize, &Model)| {
        let budget = model.loss_max?;
        let instance = Limit::Quality(index).set(instance, budget.0.saturating_add(budget.0 / 10));
        Some(Change { name: format!("+10 % loss allowed for {}", model.name), instance })
    };
    instance.models.iter().enumerate().filter_map(change).collect()
}

/// Every message between two devices, both ways, takes a tenth less of its time: what an instance
/// without a network can say of a link.
pub fn faster_pair(instance: &Deployment, a: DeviceId, b: DeviceId) -> Change {
    let mut changed = instance.clone();
    let devices = instance.devices.len();
    for message in changed.models.iter_mut().flat_map(|model| &mut model.messages) {
        for (from, to) in [(a, b), (b, a)] {
            let time = &mut message.time[from.index() * devices + to.index()];
            *time = time.map(|time| Nanos(time.0 - time.0 / 10));
        }
    }
    let (a, b) = (&instance.device(a).name, &instance.device(b).name);
    Change { name: format!("10 % less time between {a} and {b}"), instance: changed }
}

/// Solves every changed instance; stops early, with what it has, when interrupted.
pub fn worth(
    changes: Vec<Change>,
    solver: &dyn Solver<Deployment>,
    limits: Limits<'_>,
) -> Vec<Worth> {
    let mut found = Vec::new();
    for Change { name, instance } in changes {
        if limits.interrupt.is_some_and(|flag| flag.load(std::sync::atomic::Ordering::Relaxed)) {
            break;
        }
        let outcome: Outcome<_> = solve(&instance, solver, limits, &mut Silent);
        let (cost, lower_bound) = (outcome.cost(), outcome.lower_bound());
        found.push(Worth { name, cost, lower_bound });
    }
    found
}
