//! What the programs share: one model, one mix at a time, one way to conclude.

use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceId, Mix, Model, OptionId, Placement, Plan, mixes,
};
use edgeplan_problem::{Answer, Cost, Loss, Nanos, Run, Unsupported};

/// Default number of mixes that a solver tries.
pub(crate) const MIXES: usize = 24;

/// The only model, or the reason for refusing.
pub(crate) fn one_model(problem: &Deployment) -> Result<&Model, Unsupported> {
    if problem.has_hosts() {
        return Err(Unsupported("places whole blocks on hosts of one device each".into()));
    }
    match problem.models.as_slice() {
        [model] => Ok(model),
        models => Err(Unsupported(format!("places one model, not {}", models.len()))),
    }
}

/// The mixes to try.
pub(crate) struct Candidates {
    /// One option per layer each, within the quality budget.
    pub(crate) mixes: Vec<Mix>,
    /// Whether the best contiguous plan over these mixes is the best plan of all.
    pub(crate) complete: bool,
}

/// The mixes to try, at most `limit` unless there is no choice at all: then the one mix.
pub(crate) fn candidates(problem: &Deployment, limit: usize) -> Candidates {
    let model = &problem.models[0];
    let usable = |layer: usize| -> Vec<OptionId> {
        let runs = |&option: &OptionId| {
            problem.device_ids().any(|device| model.compute(layer, device, option).is_some())
        };
        model.option_ids(layer).filter(runs).collect()
    };
    let usable: Vec<Vec<OptionId>> = (0..model.layers.len()).map(usable).collect();
    if usable.iter().any(|options| options.len() > 1) && usable.iter().all(|o| !o.is_empty()) {
        return Candidates { mixes: mixes(problem, 0, limit), complete: false };
    }
    // No choice: either a layer runs nowhere, or there is one mix, which may lose too much.
    let forced: Option<Mix> = usable.iter().map(|options| options.first().copied()).collect();
    let loss = |mix: &Mix| -> Loss {
        let chosen = model.layers.iter().zip(mix);
        chosen.map(|(layer, option)| layer.options[option.index()].loss).sum()
    };
    let forced = forced.filter(|mix| model.loss_max.is_none_or(|budget| loss(mix) <= budget));
    let contiguous = problem.placement == Placement::Contiguous || problem.devices.len() == 1;
    Candidates { complete: contiguous || forced.is_none(), mixes: forced.into_iter().collect() }
}

/// The answer of a program that tried all candidates. `bound` is what it proved of plans in these
/// mixes: no plan costs less, or (`None`) there is none; it counts only if they are `complete`.
pub(crate) fn conclude(
    run: &Run<'_, Deployment>,
    complete: bool,
    bound: Option<Cost>,
) -> Answer<Plan> {
    let lower_bound = if complete { bound } else { None };
    match run.best() {
        Some((plan, _)) => Answer::Plan { plan: plan.clone(), lower_bound },
        None if complete && bound.is_none() => Answer::Infeasible,
        None => Answer::Unknown { lower_bound },
    }
}

/// A model in one mix.
#[derive(Clone, Copy)]
pub(crate) struct Chain<'a> {
    pub(crate) problem: &'a Deployment,
    pub(crate) model: &'a Model,
    pub(crate) mix: &'a [OptionId],
}

impl<'a> Chain<'a> {
    pub(crate) fn new(problem: &'a Deployment, mix: &'a [OptionId]) -> Self {
        Self { problem, model: &problem.models[0], mix }
    }

    /// Length of the chain.
    pub(crate) fn layers(&self) -> usize {
        self.model.layers.len()
    }

    /// Time of one request in `layer`; `None` where `device` may not or cannot run it.
    pub(crate) fn compute(&self, layer: usize, device: DeviceId) -> Option<Nanos> {
        self.model.compute(layer, device, self.mix[layer])
    }

    /// The plan that puts each layer on the device named for it.
    pub(crate) fn plan(&self, devices: &[DeviceId]) -> Plan {
        let pairs = devices.iter().zip(self.mix);
        Plan::single(pairs.map(|(&device, &option)| Assignment { device, option }).collect())
    }
}
