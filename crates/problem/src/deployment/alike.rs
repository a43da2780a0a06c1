//! Devices that could change names without anything else changing.

use super::{Deployment, DeviceId, Model};

impl Deployment {
    /// Whether exchanging two devices in any plan changes neither its cost nor its feasibility:
    /// they are alike in themselves, and in every message to and from third devices and between
    /// the two; they belong to one host, or each is a host of its own. The source and a device that
    /// a layer is pinned to are like no other. Exchanges compose, so this is an equivalence.
    ///
    /// # Complexity
    /// O(layers * options + messages * devices)
    pub fn are_alike(&self, one: DeviceId, two: DeviceId) -> bool {
        if one == self.source || two == self.source {
            return one == two;
        }
        let (a, b) = (self.device(one), self.device(two));
        let hosts_are_alike = self.share_host(one, two) || self.is_alone(one) && self.is_alone(two);
        if !hosts_are_alike {
            return false;
        }
        (a.memory, a.overhead) == (b.memory, b.overhead)
            && (a.compute_max, a.traffic_max) == (b.compute_max, b.traffic_max)
            && self.models.iter().all(|model| self.are_alike_to(model, one, two))
    }

    fn are_alike_to(&self, model: &Model, one: DeviceId, two: DeviceId) -> bool {
        let computes = |layer: usize| {
            let mut options = model.option_ids(layer);
            options.all(|option| {
                model.compute(layer, one, option) == model.compute(layer, two, option)
            })
        };
        let message = |message: usize| {
            let time = |from, to| self.message_time(model, message, from, to);
            let mut others = self.device_ids().filter(|&other| other != one && other != two);
            time(one, two) == time(two, one)
                && others.all(|d| time(one, d) == time(two, d) && time(d, one) == time(d, two))
        };
        (0..model.layers.len()).all(computes) && (0..model.messages.len()).all(message)
    }
}
