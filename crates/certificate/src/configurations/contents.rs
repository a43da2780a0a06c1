//! The cheapest configuration of a device, by steps of its memory or compute.

use edgeplan_problem::deployment::{DeviceId, Objective, Placement};

use super::check::{Item, Priced};
use crate::NONE;

/// Costs by steps that are taken.
type Row = Vec<i128>;

/// The states of a model on a device, after one of its layers. In all of them the device holds a
/// layer of some model.
struct States {
    /// Only earlier models are held.
    fresh: Row,
    /// The layer is held.
    running: Row,
    /// A run ended with the layer.
    ending: Row,
    /// A run ended before it.
    ended: Row,
}

/// The least that a configuration costs, the empty one costing nothing.
///
/// O(options * steps) time and O(steps) memory.
pub(super) fn cheapest(priced: &Priced<'_>, device: DeviceId) -> i128 {
    let spec = priced.instance.device(device);
    let Some(room) = priced.room(device) else { return 0 };
    // What is allowed fits.
    let mut held = vec![NONE; room.steps as usize + 1];
    for model in 0..priced.instance.models.len() {
        held = pass(priced, model, device, held);
    }
    let least = held.into_iter().min().unwrap_or(NONE);
    // The price of the other limit is subtracted only where the device holds a layer.
    let least = least + priced.stored(spec.overhead.0.into()) - room.worth;
    least.min(0)
}

/// Costs after a model, from those before it.
fn pass(priced: &Priced<'_>, model: usize, device: DeviceId, before: Row) -> Row {
    let (instance, certificate) = (priced.instance, priced.certificate);
    let (spec, at) = (&instance.models[model], device.index());
    let again = instance.placement == Placement::Free;
    let none = || vec![NONE; before.len()];
    let activation = priced.taken(device, spec.activation.0, 0);
    let activation_cost = activation.cost + priced.stored(spec.activation.0.into());
    let mut nothing = none();
    nothing[0] = 0;
    let mut states =
        States { fresh: before.clone(), running: none(), ending: none(), ended: none() };
    for layer in 0..spec.layers.len() {
        let begin = i128::from(certificate.begin[model][layer][at]);
        let end = i128::from(certificate.end[model][layer][at]);
        let mut running = none();
        for Item { cost, steps } in priced.options(model, layer, device) {
            improve(&mut running, &states.running, cost, steps);
            let first = cost + begin + activation_cost;
            let first_steps = steps.saturating_add(activation.steps);
            improve(&mut running, &states.fresh, first, first_steps);
            improve(&mut running, &nothing, first, first_steps);
            if again {
                improve(&mut running, &states.ended, cost + begin, steps);
            }
        }
        // A run that began right after another would be the same run.
        improve(&mut states.ended, &states.ending, 0, 0);
        states.ending = running.iter().map(|cost| (cost + end).min(NONE)).collect();
        states.running = running;
    }
    let mut after = states.fresh;
    improve(&mut after, &states.ended, 0, 0);
    improve(&mut after, &states.ending, 0, 0);
    after
}

/// Takes what another row leads to with that many steps more, where that is cheaper.
fn improve(row: &mut Row, from: &Row, cost: i128, steps: u64) {
    let Some(steps) = usize::try_from(steps).ok().filter(|&steps| steps < row.len()) else {
        return;
    };
    for (value, before) in row[steps..].iter_mut().zip(from) {
        *value = (*value).min(before + cost);
    }
}

impl Priced<'_> {
    /// What storing that costs by the objective.
    pub(super) fn stored(&self, bytes: u128) -> i128 {
        match self.instance.objective {
            Objective::Memory => self.scaled(bytes),
            Objective::Latency | Objective::Bottleneck => 0,
        }
    }
}
