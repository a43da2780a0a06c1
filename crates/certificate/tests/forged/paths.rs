//! Forged certificates of paths.

use edgeplan_certificate::{Certificate, Rejected, check};
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Bytes, Cost, Loss, Nanos};

use crate::draw::Draw;
use crate::seen::Seen;

const INSTANCES: u64 = 4_000;
const FORGED_PER_INSTANCE: u64 = 30;

#[test]
fn no_forged_certificate_proves_more_than_is_true() {
    let mut seen = Seen::default();
    for seed in 0..INSTANCES {
        let mut draw = Draw::new(seed);
        let instance = draw.instance();
        let truth = instance.brute_force().map(|(cost, _)| cost);
        for _ in 0..FORGED_PER_INSTANCE {
            let honest = draw.certificate(&instance);
            let check = |lower_bound, known| {
                check(&instance, &Certificate { lower_bound, ..honest.clone() }, known)
            };
            seen.forge(seed, truth, &check);
        }
    }
    // Else this test would find nothing.
    assert!(seen.forged >= 100_000, "{seen:?}");
    assert!(seen.accepted > 80_000 && seen.accepted < seen.forged, "{seen:?}");
    assert!(seen.positive > 30_000 && seen.tight > 10_000, "{seen:?}");
    assert!(seen.infeasible > 1_000, "{seen:?}");
}

#[test]
fn an_instance_of_absurd_numbers_is_refused() {
    let mut refused = 0;
    for seed in 0..2_000 {
        let mut draw = Draw::new(seed);
        let mut instance = draw.instance();
        let certificate = draw.certificate(&instance);
        let times = instance.models[0].layers[0].options[0].compute.len() as u64;
        let device = draw.up_to(times - 1) as usize;
        let absurd = [1 << 62, 1 << 63, u64::MAX - 1, u64::MAX][draw.up_to(3) as usize];
        let option = &mut instance.models[0].layers[0].options[0];
        match draw.up_to(4) {
            0 => option.compute[device] = Some(Nanos(absurd)),
            1 => option.bytes = Bytes(absurd),
            2 => option.loss = Loss(absurd),
            3 => instance.models[0].layers[0].kv = Bytes(absurd),
            _ => instance.devices[device].memory = Bytes(absurd),
        }
        match check(&instance, &certificate, None) {
            Err(Rejected::Instance(_)) => refused += 1,
            Err(Rejected::Malformed(_) | Rejected::TooLarge { .. }) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(refused > 1_000, "{refused}");
}

/// Sizes that would fill any memory are refused at once.
#[test]
fn size_is_counted_before_it_is_allocated() {
    let mut draw = Draw::new(1);
    let mut instance = draw.instance();
    instance.devices[0].memory = Bytes((1 << 62) - 1);
    let devices = instance.devices.len();
    let mut certificate = Certificate {
        lower_bound: Cost::ZERO,
        scale_bits: 0,
        loss_price: 0,
        visit_price: vec![0; devices],
        remembered: vec![vec![]; devices],
        unit: vec![1 << 62; devices],
        reference: vec![vec![0; instance.models[0].layers.len()]; devices],
    };
    assert!(check(&instance, &certificate, None).is_ok());
    for unit in [1, 1 << 20, 1 << 40] {
        certificate.unit[0] = unit;
        let refused = check(&instance, &certificate, None);
        assert!(matches!(refused, Err(Rejected::TooLarge { .. })), "{refused:?}");
    }
}

impl Draw {
    /// Numbers that a solver could have meant, some of them or all replaced by any others.
    fn certificate(&mut self, instance: &Deployment) -> Certificate {
        let (devices, layers) = (instance.devices.len(), instance.models[0].layers.len());
        let price = 1 << self.up_to(24);
        let mut certificate = Certificate {
            lower_bound: Cost::ZERO,
            scale_bits: self.up_to(40) as u32,
            loss_price: self.up_to(price),
            visit_price: (0..devices).map(|_| self.up_to(price)).collect(),
            remembered: (0..devices).map(|own| self.others(own, devices)).collect(),
            unit: (0..devices).map(|device| self.unit(instance, device)).collect(),
            reference: vec![vec![0; layers]; devices],
        };
        for references in &mut certificate.reference {
            for (layer, reference) in references.iter_mut().enumerate() {
                let options = &instance.models[0].layers[layer].options;
                *reference = options[self.up_to(options.len() as u64 - 1) as usize].bytes.0;
            }
        }
        if self.chance(30) {
            certificate.loss_price = 0;
            certificate.visit_price.fill(0);
        }
        for _ in 0..[0, 0, 1, 2, 12][self.up_to(4) as usize] {
            self.spoil(&mut certificate);
        }
        certificate
    }

    pub(super) fn others(&mut self, own: usize, devices: usize) -> Vec<usize> {
        (0..devices).filter(|&other| other != own && self.chance(50)).collect()
    }

    /// A step of a grid: exact, about a hundredth of the memory, or more than all of it.
    fn unit(&mut self, instance: &Deployment, device: usize) -> u64 {
        let memory = instance.devices[device].memory.0;
        match self.up_to(3) {
            0 if memory < 4_000 => 1,
            1 => memory.saturating_add(self.up_to(2)).max(1),
            _ => (memory / (1 + self.up_to(100))).max(1),
        }
    }

    /// Replaces one number by any.
    fn spoil(&mut self, certificate: &mut Certificate) {
        let devices = certificate.unit.len();
        let device = self.up_to(devices as u64 - 1) as usize;
        let layer = self.up_to(certificate.reference[device].len() as u64 - 1) as usize;
        match self.up_to(11) {
            0 => certificate.scale_bits = self.wild() as u32,
            1 => certificate.scale_bits = 40,
            2 => certificate.loss_price = self.wild(),
            3 | 4 => certificate.visit_price[device] = self.wild(),
            5 | 6 => certificate.unit[device] = self.wild(),
            7..=9 => certificate.reference[device][layer] = self.wild(),
            10 => certificate.remembered[device].push(self.up_to(devices as u64) as usize),
            _ => certificate.remembered[device].reverse(),
        }
    }
}
