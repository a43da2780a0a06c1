//! Why there is no plan, and the smallest change of one limit that would make one possible.

use edgeplan_problem::deployment::{Account, Deployment, Layer, Objective};
use edgeplan_problem::{Bytes, Limits, Problem as _, Silent, Solver, solve};

use crate::Limit;
use crate::clock::Clock;
use crate::halving::{Exists, halved};

/// A change of one limit that makes an infeasible instance feasible: `to` is above `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fix {
    /// The limit.
    pub limit: Limit,
    /// Its value.
    pub from: u64,
    /// A value with which a plan exists; the smallest that was found.
    pub to: u64,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No device can run the layer in any of its formats.
    Unusable {
        /// Model and layer.
        layer: String,
    },
    /// Any plan that keeps every other limit is larger than all memory together.
    Memory {
        /// Bytes that it needs at least.
        needed: Bytes,
        /// Bytes of all devices.
        available: Bytes,
    },
    /// None of the simple reasons: the limits exclude each other.
    Together,
}

/// Each search stops when what it has found is within a 64th of what is known not to suffice.
const PRECISION: u64 = 64;

/// For each limit that alone stands in the way, the smallest value found with which a plan exists,
/// the mildest relative change first. Empty if no single limit is to blame.
///
/// `limits.time` is that of all solves together; a solve without an answer counts as infeasible. A
/// limit with which a plan exists as it is needs no fix.
///
/// # Complexity
/// O(limits * log(change)) solves, each ending at its first feasible plan.
pub fn fixes(
    instance: &Deployment,
    solver: &dyn Solver<Deployment>,
    limits: Limits<'_>,
) -> Vec<Fix> {
    let clock = Clock::new(limits);
    let mut found: Vec<Fix> = Limit::all(instance)
        .into_iter()
        .filter_map(|limit| smallest(instance, limit, solver, &clock))
        .filter(|fix| fix.to > fix.from)
        .collect();
    let relative = |fix: &Fix| (fix.to - fix.from) as f64 / (fix.from.max(1)) as f64;
    found.sort_by(|a, b| relative(a).total_cmp(&relative(b)));
    found
}

/// Changes that together make a plan possible, where no single one does; empty if even lifting
/// every limit is not enough. Limits are kept as they are where that is possible: memory, budgets
/// and quality before times.
///
/// # Complexity
/// As [`fixes`].
pub fn joint_fix(
    instance: &Deployment,
    solver: &dyn Solver<Deployment>,
    limits: Limits<'_>,
) -> Vec<Fix> {
    let clock = Clock::new(limits);
    let mut all = Limit::all(instance);
    all.sort_by_key(|limit| match limit {
        Limit::Memory(_) => 0,
        Limit::Traffic(_) | Limit::Compute(_) => 1,
        Limit::Quality(_) => 2,
        Limit::Bottleneck | Limit::Latency => 3,
    });
    let lifted = all.iter().fold(instance.clone(), |instance, limit| limit.lift(&instance));
    if feasible(&lifted, solver, &clock).is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut relaxed = lifted;
    for limit in all {
        let Some(from) = limit.value(instance) else { continue };
        let strict = limit.set(&relaxed, from);
        relaxed = if feasible(&strict, solver, &clock).is_some() {
            strict
        } else if let Some(fix) = smallest(&strict, limit, solver, &clock) {
            if fix.to > fix.from {
                found.push(fix);
            }
            limit.set(&relaxed, fix.to)
        } else {
            relaxed
        };
    }
    found
}

/// Why there is no plan, as far as a simple reason shows it; for an instance that is proven to have
/// none.
pub fn reason(
    instance: &Deployment,
    solver: &dyn Solver<Deployment>,
    limits: Limits<'_>,
) -> Reason {
    for model in &instance.models {
        for (index, layer) in model.layers.iter().enumerate() {
            let usable = |option| {
                instance.device_ids().any(|device| model.compute(index, device, option).is_some())
            };
            if !model.option_ids(index).any(usable) {
                return Reason::Unusable { layer: format!("{} {}", model.name, layer.role) };
            }
        }
    }
    let memory = instance.device_ids().map(Limit::Memory);
    let mut roomy = memory.fold(instance.clone(), |instance, limit| limit.lift(&instance));
    roomy.objective = Objective::Memory;
    let outcome = solve(&roomy, solver, limits, &mut Silent);
    let available: Bytes = instance.devices.iter().map(|device| device.memory).sum();
    let bound = outcome.lower_bound().map_or(Bytes::ZERO, |bound| Bytes(bound.0));
    let needed = bound.max(least_bytes(instance));
    if needed > available { Reason::Memory { needed, available } } else { Reason::Together }
}

/// Bytes that every plan needs: each layer in its smallest option, and nothing that is shared.
fn least_bytes(instance: &Deployment) -> Bytes {
    let smallest = |layer: &Layer| layer.options.iter().map(|option| option.bytes).min();
    let layers = instance.models.iter().flat_map(|model| &model.layers);
    layers.map(|layer| layer.kv + smallest(layer).unwrap_or_default()).sum()
}

/// Halves the way between a value that is known to suffice and one that is not.
fn smallest(
    instance: &Deployment,
    limit: Limit,
    solver: &dyn Solver<Deployment>,
    clock: &Clock<'_>,
) -> Option<Fix> {
    let from = limit.value(instance)?;
    let enough = limit.used(&feasible(&limit.lift(instance), solver, clock)?).max(from);
    let precision = |to: u64| (to - from) / PRECISION + 1;
    let ask = |value| match feasible(&limit.set(instance, value), solver, clock) {
        Some(account) => Exists::Yes(limit.used(&account)),
        None => Exists::Unknown,
    };
    let (to, _) = halved(enough, from, precision, ask);
    Some(Fix { limit, from, to })
}

/// The bill of any feasible plan.
fn feasible(
    instance: &Deployment,
    solver: &dyn Solver<Deployment>,
    clock: &Clock<'_>,
) -> Option<Account> {
    if clock.is_over() {
        return None;
    }
    let instance = instance.clone().checked().ok()?;
    // The first feasible plan is enough.
    let limits = Limits { gap: 0.999, ..clock.small() };
    let plan = solve(&instance, solver, limits, &mut Silent).plan?;
    Some(instance.evaluate(&plan).account)
}
