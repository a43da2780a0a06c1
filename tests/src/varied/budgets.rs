//! Limits: loose, met exactly, and missed by one.

use edgeplan_problem::deployment::{
    Account, Assignment, Deployment, DeviceId, OptionId, Plan, Violation,
};
use edgeplan_problem::{Bytes, Loss, Nanos, Problem as _};

use super::Knobs;
use super::knobs::LimitKind;
use crate::random::Random;

/// Plans drawn until one is possible but for its limits.
const TRIES: u32 = 30;

impl Random {
    /// Sets the limits that the knobs ask for. They are derived from what one plan uses, so that
    /// they are of the numbers' magnitude.
    pub(super) fn limit(&mut self, knobs: &Knobs, instance: &mut Deployment) {
        let account = self.some_account(instance);
        let limit = |random: &mut Self, used: u64| {
            if !random.chance(knobs.limited) {
                return None;
            }
            Some(match knobs.limits {
                LimitKind::Exact => used,
                LimitKind::Missed => used.saturating_sub(random.up_to(1)),
                LimitKind::Loose if random.chance(8) => 0,
                LimitKind::Loose if random.chance(8) => u64::MAX,
                LimitKind::Loose => random.up_to(used.saturating_mul(2).min(1 << 62)),
            })
        };
        let slowest = account.models.iter().map(|bill| bill.latency.0).max().unwrap_or_default();
        instance.latency_max = limit(self, slowest).map(Nanos);
        instance.bottleneck_max = limit(self, account.bottleneck.0).map(Nanos);
        for (model, bill) in instance.models.iter_mut().zip(&account.models) {
            model.loss_max = limit(self, bill.loss.0).map(Loss);
        }
        for (device, bill) in instance.devices.iter_mut().zip(&account.devices) {
            device.compute_max = limit(self, bill.compute.0).map(Nanos);
            device.traffic_max = limit(self, bill.sent.0).map(Bytes);
            if let (LimitKind::Exact | LimitKind::Missed, true) = (knobs.limits, bill.used) {
                let memory = limit(self, bill.memory().0).map(Bytes);
                device.memory = memory.unwrap_or(device.memory);
            }
        }
        if knobs.identical_devices {
            self.keep_identical(instance);
        }
    }

    /// Mostly, all devices get the limits of the first.
    fn keep_identical(&mut self, instance: &mut Deployment) {
        if self.chance(30) {
            return;
        }
        let first = instance.devices[0].clone();
        for device in &mut instance.devices {
            device.memory = first.memory;
            device.compute_max = first.compute_max;
            device.traffic_max = first.traffic_max;
        }
    }

    /// The bill of a plan that has a way for every hop, if one turns up soon.
    fn some_account(&mut self, instance: &Deployment) -> Account {
        let mut plan = self.some_plan(instance);
        for _ in 0..TRIES {
            let broken = instance.evaluate(&plan).violations;
            if broken.iter().all(|violation| matches!(violation, Violation::Memory { .. })) {
                break;
            }
            plan = self.some_plan(instance);
        }
        instance.evaluate(&plan).account
    }

    /// A plan of few runs.
    fn some_plan(&mut self, instance: &Deployment) -> Plan {
        let devices = instance.devices.len() as u64;
        let mut models = Vec::new();
        for model in &instance.models {
            let mut device = DeviceId(self.up_to(devices - 1) as u16);
            let mut layers = Vec::new();
            for layer in &model.layers {
                if self.chance(40) {
                    device = DeviceId(self.up_to(devices - 1) as u16);
                }
                let option = OptionId(self.up_to(layer.options.len() as u64 - 1) as u16);
                layers.push(Assignment { device: layer.pin.unwrap_or(device), option });
            }
            models.push(layers);
        }
        Plan { models }
    }
}
