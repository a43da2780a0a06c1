//! Forged certificates over hosts.

use edgeplan_certificate::{Certificate, HostCertificate, Rejected, check, check_hosts};
use edgeplan_problem::Cost;
use edgeplan_problem::deployment::{Deployment, HostId, Objective};

use crate::draw::Draw;
use crate::seen::Seen;

const INSTANCES: u64 = 4_000;
const FORGED_PER_INSTANCE: u64 = 30;

#[test]
fn no_forged_certificate_proves_more_than_is_true() {
    let mut seen = Seen::default();
    let mut hosted = 0;
    for seed in 0..INSTANCES {
        let mut draw = Draw::new(seed);
        let instance = draw.hosted_instance();
        hosted += u64::from(instance.has_hosts());
        let truth = instance.brute_force().map(|(cost, _)| cost);
        for _ in 0..FORGED_PER_INSTANCE {
            let honest = draw.over_hosts(&instance);
            let check = |lower_bound, known| {
                let claim = HostCertificate { lower_bound, ..honest.clone() };
                check_hosts(&instance, &claim, known)
            };
            seen.forge(seed, truth, &check);
        }
    }
    // Else this test would find nothing.
    assert!(hosted > INSTANCES / 2, "{hosted}");
    assert!(seen.forged >= 100_000, "{seen:?}");
    assert!(seen.accepted > 80_000 && seen.accepted < seen.forged, "{seen:?}");
    assert!(seen.positive > 30_000 && seen.tight > 10_000, "{seen:?}");
    assert!(seen.infeasible > 1_000, "{seen:?}");
}

/// Inside of a host a plan may come back to a device: a visit price of devices would charge for it.
#[test]
fn paths_over_devices_prove_nothing_of_hosts() {
    let mut draw = Draw::new(1);
    let mut refused = 0;
    for _ in 0..200 {
        let instance = draw.hosted_instance();
        let devices = instance.devices.len();
        let certificate = Certificate {
            lower_bound: Cost::ZERO,
            scale_bits: 0,
            loss_price: 0,
            visit_price: vec![1 << 20; devices],
            remembered: vec![vec![]; devices],
            unit: vec![1 << 62; devices],
            reference: vec![vec![0; instance.models[0].layers.len()]; devices],
        };
        let unsupported =
            matches!(check(&instance, &certificate, None), Err(Rejected::Unsupported(_)));
        assert_eq!(unsupported, instance.has_hosts());
        refused += u32::from(unsupported);
    }
    assert!(refused > 100, "{refused}");
}

/// Prices whose worth would not be exact, sizes that would fill any memory, and other questions.
#[test]
fn what_cannot_be_checked_is_refused() {
    let mut draw = Draw::new(2);
    let mut instance = draw.hosted_instance();
    while !instance.has_hosts() || instance.devices[0].memory.0 < 2 {
        instance = draw.hosted_instance();
    }
    let hosts = instance.host_by_device().iter().max().map_or(0, |last| last + 1);
    let honest = HostCertificate {
        lower_bound: Cost::ZERO,
        scale_bits: 0,
        loss_price: 0,
        byte_price: vec![0; instance.devices.len()],
        visit_price: vec![0; hosts],
        remembered: vec![vec![]; hosts],
    };
    assert!(check_hosts(&instance, &honest, None).is_ok());
    let malformed = |claim: HostCertificate| {
        matches!(check_hosts(&instance, &claim, None), Err(Rejected::Malformed(_)))
    };
    assert!(malformed(HostCertificate { byte_price: Vec::new(), ..honest.clone() }));
    assert!(malformed(HostCertificate { visit_price: Vec::new(), ..honest.clone() }));
    assert!(malformed(HostCertificate { scale_bits: 41, ..honest.clone() }));
    assert!(malformed(HostCertificate { remembered: vec![vec![0]; hosts], ..honest.clone() }));
    instance.objective = Objective::Memory;
    let refused = check_hosts(&instance, &honest, None);
    assert!(matches!(refused, Err(Rejected::Unsupported(_))), "{refused:?}");
}

impl Draw {
    /// One model of up to four layers, some of them parts of one block, on up to three devices,
    /// some of them on one host.
    fn hosted_instance(&mut self) -> Deployment {
        let mut instance = self.instance();
        instance.objective = Objective::Latency;
        instance.hosts = vec!["pc".into(), "server".into()];
        for device in &mut instance.devices {
            device.host = self.chance(80).then(|| HostId(u16::from(self.chance(30))));
        }
        for layer in instance.models[0].layers.iter_mut().skip(1) {
            layer.joined = self.chance(30);
        }
        instance.checked().expect("hosts change no magnitude")
    }

    /// Numbers that a solver could have meant, some of them or all replaced by any others.
    fn over_hosts(&mut self, instance: &Deployment) -> HostCertificate {
        let devices = instance.devices.len();
        let hosts = instance.host_by_device().iter().max().map_or(0, |last| last + 1);
        let price = 1 << self.up_to(24);
        let mut certificate = HostCertificate {
            lower_bound: Cost::ZERO,
            scale_bits: self.up_to(40) as u32,
            loss_price: self.up_to(price),
            byte_price: (0..devices).map(|_| self.up_to(price)).collect(),
            visit_price: (0..hosts).map(|_| self.up_to(price)).collect(),
            remembered: (0..hosts).map(|own| self.others(own, hosts)).collect(),
        };
        if self.chance(30) {
            certificate.loss_price = 0;
            certificate.byte_price.fill(0);
            certificate.visit_price.fill(0);
        }
        for _ in 0..[0, 0, 1, 2, 12][self.up_to(4) as usize] {
            let device = self.up_to(devices as u64 - 1) as usize;
            let host = self.up_to(hosts as u64 - 1) as usize;
            match self.up_to(7) {
                0 => certificate.scale_bits = self.wild() as u32,
                1 => certificate.scale_bits = 40,
                2 => certificate.loss_price = self.wild(),
                3 | 4 => certificate.byte_price[device] = self.wild(),
                5 => certificate.visit_price[host] = self.wild(),
                6 => certificate.remembered[host].push(self.up_to(hosts as u64) as usize),
                _ => certificate.remembered[host].reverse(),
            }
        }
        certificate
    }
}
