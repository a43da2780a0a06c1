//! Formats first, places second: what policies that choose formats by themselves share.

use edgeplan_problem::deployment::{Assignment, Deployment, Mix, OptionId, Plan};
use edgeplan_problem::{Limits, Run, Silent, Solver, Unsupported, solve};

/// Solvers that place layers whose formats are given: the first that takes a question does.
pub(crate) type Placers = [Box<dyn Solver<Deployment> + Send>];

/// Takes one model, if a placement solver takes it.
pub(crate) fn supports(place: &Placers, problem: &Deployment) -> Result<(), Unsupported> {
    if problem.models.len() != 1 {
        let models = problem.models.len();
        return Err(Unsupported(format!("places one model, this has {models}")));
    }
    first(place, problem).map(|_| ())
}

/// The first that takes a question; the last refusal where none does.
fn first<'a>(
    place: &'a Placers,
    problem: &Deployment,
) -> Result<&'a (dyn Solver<Deployment> + Send), Unsupported> {
    let mut refused = Unsupported("no solver places layers".into());
    for placer in place {
        match placer.supports(problem) {
            Ok(()) => return Ok(placer.as_ref()),
            Err(reason) => refused = reason,
        }
    }
    Err(refused)
}

/// A mix's plan by the placement solver, in the time that is left; none if it finds none.
pub(crate) fn placed(place: &Placers, run: &Run<'_, Deployment>, mix: &Mix) -> Option<Plan> {
    let given = with_formats(run.problem(), mix);
    let limits = Limits { time: run.remaining(), ..run.limits() };
    let placer = first(place, &given).ok()?;
    let outcome = solve(&given, placer, limits, &mut Silent);
    outcome.plan.map(|placed| {
        let layers = placed.models[0].iter().zip(mix);
        let assigned = |(layer, &option): (&Assignment, &OptionId)| Assignment {
            device: layer.device,
            option,
        };
        Plan::single(layers.map(assigned).collect())
    })
}

/// The same question with one option per layer.
fn with_formats(instance: &Deployment, mix: &Mix) -> Deployment {
    let mut given = instance.clone();
    for (layer, &OptionId(option)) in given.models[0].layers.iter_mut().zip(mix) {
        layer.options = vec![layer.options.swap_remove(usize::from(option))];
    }
    given
}
