//! A planned deployment as a variant of a service: the two problems compose here.
//!
//! Plan a model's deployments first (which devices, which formats), then offer each as a variant on
//! the server that is its source, and schedule requests onto the offers.

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::scheduling::Host;
use edgeplan_problem::{Problem as _, Share};

use edgeplan_files::InputError;

/// What a deployment offers to requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// How often it is right.
    pub accuracy: Share,
    /// Time of one request, and how much of a frame it takes.
    pub host: Host,
}

/// What a plan of a deployment offers for one of its models. `unquantized` is the accuracy of the
/// model as it was trained; the planned formats multiply it by `exp(-loss)`, the factor by which
/// the probability of a token falls on geometric average at that divergence: an estimate.
///
/// Computation is the time in nanoseconds for which a request occupies the busiest device or link:
/// give the server the length of a frame in nanoseconds as its capacity, and a frame takes as many
/// requests as its pipeline does.
///
/// # Errors
/// A model that the deployment does not have, and a plan that breaks its constraints.
pub fn offer(
    deployment: &Deployment,
    plan: &Plan,
    model: usize,
    unquantized: Share,
) -> Result<Offer, InputError> {
    let evaluation = deployment.evaluate(plan);
    if let Some(violation) = evaluation.violations.first() {
        return Err(InputError::file(
            &deployment.name,
            format!("the plan is infeasible: {violation}"),
        ));
    }
    let Some(bill) = evaluation.account.models.get(model) else {
        let has = evaluation.account.models.len();
        return Err(InputError::key(
            &deployment.name,
            "model",
            format!("{model}; there are {has}, counted from 0"),
        ));
    };
    let kept = (-bill.loss.as_f64() / 1e9).exp();
    Ok(Offer {
        accuracy: Share((unquantized.as_f64() * kept).round() as u64),
        host: Host { processing: bill.latency, computation: evaluation.account.bottleneck.0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan_families::{Random, random};
    use edgeplan_problem::Nanos;
    use edgeplan_problem::deployment::{Assignment, DeviceId, OptionId};
    use edgeplan_problem::scheduling::{
        Choice, Mode, Request, Scheduling, Server, ServerId, Service, Tier, Variant, VariantId,
    };
    use edgeplan_problem::scheduling::{Message, Plan as Schedule};

    #[test]
    fn requests_are_scheduled_onto_deployments() {
        let family = Random { layers: 6, devices: 1, formats: 2, ..Random::default() };
        let deployment = random(&family).checked().unwrap();
        let uniform = |option| {
            let assignment = Assignment { device: DeviceId(0), option: OptionId(option) };
            Plan::single(vec![assignment; 6])
        };
        let offers = [0].map(|o| offer(&deployment, &uniform(o), 0, Share(700_000_000)).unwrap());
        let account = deployment.evaluate(&uniform(0)).account;
        assert_eq!(offers[0].host.processing, account.models[0].latency);
        assert!(offers[0].accuracy < Share(700_000_000) && offers[0].accuracy > Share::ZERO);
        // q4_K is below the family's quality budget.
        let error = offer(&deployment, &uniform(1), 0, Share::ONE).unwrap_err().to_string();
        assert!(error.contains("the plan is infeasible: model loses"), "{error}");
        let error = offer(&deployment, &uniform(0), 3, Share::ONE).unwrap_err().to_string();
        assert!(error.contains("model: 3; there are 1"), "{error}");

        // A frame in which two requests fit, and three come.
        let frame = 2 * offers[0].host.computation + 1;
        let request = Request {
            service: 0,
            covered_by: ServerId(0),
            accuracy_min: Share(500_000_000),
            deadline: Nanos(1 << 40),
            waited: Nanos::ZERO,
            accuracy_weight: Share::ONE,
            time_weight: Share::ZERO,
        };
        let variant = Variant {
            name: "q5_K".into(),
            accuracy: offers[0].accuracy,
            message: 0,
            hosts: vec![Some(offers[0].host)],
        };
        let instance = Scheduling {
            name: "one node".into(),
            mode: Mode::Hard,
            accuracy_max: Share::ONE,
            completion_max: Nanos(1 << 40),
            servers: vec![Server {
                name: "node".into(),
                tier: Tier::Edge,
                computation: frame,
                communication: 0,
            }],
            messages: vec![Message { communication: 0, time: vec![Some(Nanos::ZERO)] }],
            services: vec![Service { name: "chat".into(), variants: vec![variant] }],
            requests: vec![request; 3],
        };
        let instance = instance.checked().unwrap();
        let served = Some(Choice { server: ServerId(0), variant: VariantId(0) });
        let feasible = |choices: [Option<Choice>; 3]| {
            instance.evaluate(&Schedule { choices: choices.to_vec() }).is_feasible()
        };
        assert!(feasible([served, served, None]));
        assert!(!feasible([served, served, served]));
    }
}
