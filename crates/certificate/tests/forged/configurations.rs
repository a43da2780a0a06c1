//! Forged certificates over configurations.

use edgeplan_certificate::{ConfigurationCertificate, Rejected, Resource, check_configurations};
use edgeplan_problem::deployment::{Deployment, HostId, Objective};
use edgeplan_problem::{Bytes, Cost};

use crate::draw::Draw;
use crate::seen::Seen;

const INSTANCES: u64 = 4_000;
const FORGED_PER_INSTANCE: u64 = 25;

#[test]
fn no_forged_certificate_proves_more_than_is_true() {
    let mut seen = Seen::default();
    for seed in 0..INSTANCES {
        let mut draw = Draw::new(seed);
        let instance = draw.shared_instance();
        let truth = instance.brute_force().map(|(cost, _)| cost);
        for _ in 0..FORGED_PER_INSTANCE {
            let honest = draw.configurations(&instance);
            let check = |lower_bound, known| {
                let claim = ConfigurationCertificate { lower_bound, ..honest.clone() };
                check_configurations(&instance, &claim, known)
            };
            seen.forge(seed, truth, &check);
        }
    }
    // Else this test would find nothing.
    assert!(seen.forged >= 100_000, "{seen:?}");
    assert!(seen.accepted > 50_000 && seen.accepted < seen.forged, "{seen:?}");
    assert!(seen.positive > 10_000 && seen.tight > 5_000, "{seen:?}");
    assert!(seen.infeasible > 1_000, "{seen:?}");
}

/// Sizes that would fill any memory are refused at once, and hosts whatever the prices are.
#[test]
fn what_cannot_be_checked_is_refused() {
    let mut draw = Draw::new(1);
    let mut instance = draw.shared_instance();
    instance.devices[0].memory = Bytes((1 << 62) - 1);
    let mut certificate = nothing(&instance);
    for unit in [1, 1 << 20, 1 << 40] {
        certificate.unit[0] = unit;
        let refused = check_configurations(&instance, &certificate, None);
        assert!(matches!(refused, Err(Rejected::TooLarge { .. })), "{refused:?}");
    }
    certificate.unit[0] = 0;
    let refused = check_configurations(&instance, &certificate, None);
    assert!(matches!(refused, Err(Rejected::Malformed(_))), "{refused:?}");
    instance.hosts = vec!["pc".into()];
    instance.models[0].layers[0].joined = true;
    for device in &mut instance.devices {
        device.host = Some(HostId(0));
    }
    let refused = check_configurations(&instance, &certificate, None);
    assert!(matches!(refused, Err(Rejected::Unsupported(_))), "{refused:?}");
}

/// A certificate without prices.
fn nothing(instance: &Deployment) -> ConfigurationCertificate {
    let (devices, models) = (instance.devices.len(), instance.models.len());
    let places = || -> Vec<Vec<Vec<i64>>> {
        let models = instance.models.iter();
        models.map(|model| vec![vec![0; devices]; model.layers.len()]).collect()
    };
    ConfigurationCertificate {
        lower_bound: Cost::ZERO,
        scale_bits: 0,
        begin: places(),
        end: places(),
        loss_price: vec![0; models],
        latency_price: vec![0; models],
        compute_price: vec![0; devices],
        sending_price: vec![0; devices],
        traffic_price: vec![0; devices],
        counted: vec![Resource::Memory; devices],
        unit: vec![1 << 62; devices],
        within_price: vec![0; devices],
    }
}

impl Draw {
    /// Numbers that a solver could have meant, some of them or all replaced by any others.
    fn configurations(&mut self, instance: &Deployment) -> ConfigurationCertificate {
        let mut certificate = nothing(instance);
        certificate.scale_bits = self.up_to(12) as u32;
        let largest = [4, 12, 60, 1 << 20][self.up_to(3) as usize] << certificate.scale_bits;
        // Beginnings that the cost of what follows pays for, mostly.
        for prices in [&mut certificate.begin, &mut certificate.end] {
            for price in prices.iter_mut().flatten().flatten() {
                if self.chance(70) {
                    *price = -(self.up_to(largest) as i64);
                } else if self.chance(30) {
                    *price = self.up_to(largest) as i64;
                }
            }
        }
        let multiplier = |draw: &mut Self, is_limited: bool, most: u64| match is_limited {
            true => draw.up_to(most) * u64::from(draw.chance(60)),
            false => 0,
        };
        let most = 1 << (certificate.scale_bits + 24);
        for (index, model) in instance.models.iter().enumerate() {
            certificate.loss_price[index] = multiplier(self, model.loss_max.is_some(), most);
            let is_limited = instance.latency_max.is_some();
            certificate.latency_price[index] = multiplier(self, is_limited, most);
        }
        let is_bottleneck = instance.objective == Objective::Bottleneck;
        let share = most / (2 * instance.devices.len() as u64);
        for (at, device) in instance.devices.iter().enumerate() {
            certificate.compute_price[at] = multiplier(self, is_bottleneck, share);
            let limits_sending = is_bottleneck || instance.bottleneck_max.is_some();
            certificate.sending_price[at] = multiplier(self, limits_sending, share);
            let is_limited = device.traffic_max.is_some();
            certificate.traffic_price[at] = multiplier(self, is_limited, most);
            let is_limited = limits_sending || device.compute_max.is_some();
            if is_limited && self.chance(50) {
                certificate.counted[at] = Resource::Compute;
            }
            let is_priced = is_limited || certificate.counted[at] == Resource::Compute;
            certificate.within_price[at] = multiplier(self, is_priced, most);
            certificate.unit[at] = match device.memory.0 {
                memory if memory < 1_000 => 1 + self.up_to(memory.min(3)),
                memory => 1 + memory / (1 + self.up_to(200)),
            };
        }
        for _ in 0..[0, 0, 0, 1, 6][self.up_to(4) as usize] {
            self.spoil_configurations(&mut certificate);
        }
        certificate
    }

    /// Replaces one number by any.
    fn spoil_configurations(&mut self, certificate: &mut ConfigurationCertificate) {
        let device = self.up_to(certificate.unit.len() as u64 - 1) as usize;
        let model = self.up_to(certificate.begin.len() as u64 - 1) as usize;
        let layers = certificate.begin[model].len().min(certificate.end[model].len());
        let Some(last) = layers.checked_sub(1) else { return };
        let layer = self.up_to(last as u64) as usize;
        let wild = self.wild();
        match self.up_to(11) {
            0 => certificate.scale_bits = wild as u32,
            1 => certificate.scale_bits = 40,
            2 => certificate.loss_price[model] = wild,
            3 => certificate.latency_price[model] = wild,
            4 => certificate.compute_price[device] = wild,
            5 => certificate.sending_price[device] = wild,
            6 => certificate.traffic_price[device] = wild,
            7 => certificate.within_price[device] = wild,
            8 => certificate.unit[device] = wild,
            9 => certificate.begin[model][layer][device] = wild as i64,
            10 => certificate.end[model][layer][device] = wild as i64,
            _ => certificate.begin[model].truncate(layer),
        }
    }
}
