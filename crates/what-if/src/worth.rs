//! The gain from a larger limit: the same question with the limit raised, solved again.

use edgeplan_problem::deployment::{Deployment, DeviceId, Model};
use edgeplan_problem::{Bytes, Cost, Limits, Nanos, Outcome, Silent, Solver, solve};

use crate::Limit;
use crate::clock::Clock;

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

/// One GiB more on each device; each change is made when it is asked for.
pub fn more_memory(instance: &Deployment) -> impl ExactSizeIterator<Item = Change> {
    let change = move |id: DeviceId| {
        let mut changed = instance.clone();
        changed.devices[id.index()].memory = instance.device(id).memory + Bytes(1 << 30);
        Change { name: format!("+1 GiB on {}", instance.device(id).name), instance: changed }
    };
    let ids: Vec<DeviceId> = instance.device_ids().collect();
    ids.into_iter().map(change)
}

/// A tenth more loss allowed, for each model that has a quality budget; each change is made when it
/// is asked for.
pub fn looser_quality(instance: &Deployment) -> impl ExactSizeIterator<Item = Change> {
    let budget = |(index, model): (usize, &Model)| Some((index, model.loss_max?));
    let budgets: Vec<_> = instance.models.iter().enumerate().filter_map(budget).collect();
    budgets.into_iter().map(move |(index, budget)| {
        let name = format!("+10 % loss allowed for {}", instance.models[index].name);
        let budget = budget.0.saturating_add(budget.0 / 10);
        Change { name, instance: Limit::Quality(index).set(instance, budget) }
    })
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

/// What each of `count` changes is worth, one after another: only one of them is in memory.
/// `limits.time` is that of all of them; a change has its share of what those before it left.
/// Ends early, with what it has, when interrupted or when the time is up.
///
/// # Errors
/// Those of making a change.
pub fn worth<E>(
    count: usize,
    changes: impl IntoIterator<Item = Result<Change, E>>,
    solver: &dyn Solver<Deployment>,
    limits: Limits<'_>,
) -> Result<Vec<Worth>, E> {
    let clock = Clock::new(limits);
    let (mut found, mut changes) = (Vec::new(), changes.into_iter());
    while !clock.is_over() {
        let Some(change) = changes.next() else { break };
        let Change { name, instance } = change?;
        let limits = clock.of(count.saturating_sub(found.len()));
        let outcome: Outcome<_> = solve(&instance, solver, limits, &mut Silent);
        let (cost, lower_bound) = (outcome.cost(), outcome.lower_bound());
        found.push(Worth { name, cost, lower_bound });
    }
    Ok(found)
}
