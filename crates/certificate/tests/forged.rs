//! A hundred thousand forged certificates of small instances: none proves more than is true, and
//! none makes the checker panic.
//!
//! Numbers are drawn from what breaks arithmetic: nothing, one, powers of two up to the last bit,
//! and exactly what a plan needs. The truth is found by trying every plan with `evaluate()`.

use edgeplan_certificate::{Certificate, Rejected, check};
use edgeplan_problem::deployment::{
    Assignment, Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective,
    OptionId, Placement, Plan,
};
use edgeplan_problem::{Bytes, Cost, Loss, Nanos, Problem as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

const INSTANCES: u64 = 4_000;
const FORGED_PER_INSTANCE: u64 = 30;

#[test]
fn no_forged_certificate_proves_more_than_is_true() {
    let mut seen = Seen::default();
    for seed in 0..INSTANCES {
        let mut draw = Draw(Pcg64Mcg::seed_from_u64(seed));
        let instance = draw.instance();
        let truth = instance.brute_force().map(|(cost, _)| cost);
        for _ in 0..FORGED_PER_INSTANCE {
            seen.forge(seed, &instance, draw.certificate(&instance), truth);
        }
    }
    // Else this test would find nothing.
    assert!(seen.forged >= 100_000, "{seen:?}");
    assert!(seen.accepted > 80_000 && seen.accepted < seen.forged, "{seen:?}");
    assert!(seen.positive > 30_000 && seen.tight > 10_000, "{seen:?}");
    assert!(seen.infeasible > 1_000, "{seen:?}");
}

/// How often what happened.
#[derive(Debug, Default)]
struct Seen {
    forged: u64,
    /// Certificates that prove something, if only 0.
    accepted: u64,
    /// Proven bounds above 0, where there is a plan.
    positive: u64,
    /// Proven bounds of all that is true.
    tight: u64,
    /// Proofs that there is no plan.
    infeasible: u64,
}

impl Seen {
    fn forge(
        &mut self,
        seed: u64,
        instance: &Deployment,
        honest: Certificate,
        truth: Option<Cost>,
    ) {
        self.forged += 1;
        let proven =
            check(instance, &Certificate { lower_bound: Cost::ZERO, ..honest.clone() }, truth);
        if let Some(cost) = truth {
            let claim = Cost(cost.0 + 1);
            let forged = Certificate { lower_bound: claim, ..honest.clone() };
            // Also by a checker that is not told of the plan.
            let refused = check(instance, &forged, None);
            assert!(refused.is_err(), "seed {seed}: {refused:?} of {cost}: {forged:?}");
        }
        let proven = match proven {
            Ok(proven) => proven,
            Err(Rejected::Malformed(_) | Rejected::TooLarge { .. }) => return,
            Err(other) => panic!("seed {seed}: {other:?}: {honest:?}"),
        };
        self.accepted += 1;
        match truth {
            Some(cost) => {
                assert!(proven <= cost, "seed {seed}: {proven} of {cost}: {honest:?}");
                self.positive += u64::from(proven > Cost::ZERO);
                self.tight += u64::from(proven == cost);
            }
            None => self.infeasible += u64::from(proven == Cost::MAX),
        }
    }
}

#[test]
fn an_instance_of_absurd_numbers_is_refused() {
    let mut refused = 0;
    for seed in 0..2_000 {
        let mut draw = Draw(Pcg64Mcg::seed_from_u64(seed));
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
    let mut draw = Draw(Pcg64Mcg::seed_from_u64(1));
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

/// Draws what breaks arithmetic.
struct Draw(Pcg64Mcg);

impl Draw {
    fn up_to(&mut self, max: u64) -> u64 {
        self.0.random_range(0..=max)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.up_to(99) < percent
    }

    /// A number of a certificate: anything.
    fn wild(&mut self) -> u64 {
        match self.up_to(9) {
            0 => 0,
            1 => 1,
            2 | 3 => self.up_to(20),
            4 => 1 << self.up_to(63),
            5 => (1 << self.up_to(63)) - 1,
            6 => u64::MAX - self.up_to(2),
            7 => (1 << 63) - 1 + self.up_to(2),
            _ => self.up_to(u64::MAX) >> self.up_to(63),
        }
    }

    /// A number of an instance whose numbers are below `1 << bits`, often nothing.
    fn small(&mut self, bits: u64) -> u64 {
        match self.up_to(3) {
            0 => 0,
            1 => (1 << bits) - 1,
            _ => self.up_to((1 << bits) - 1),
        }
    }

    /// One model of up to four layers on up to three devices.
    fn instance(&mut self) -> Deployment {
        // The largest magnitudes are the largest that an instance may have.
        let bits = [3, 3, 4, 20, 54][self.up_to(4) as usize];
        let devices = 1 + self.up_to(2) as usize;
        let layers = 1 + self.up_to(3) as usize;
        let options = if layers > 3 { 1 } else { 2 };
        let model = self.model((devices, layers, options), bits);
        let mut instance = Deployment {
            hosts: Vec::new(),
            name: "forged".into(),
            objective: [Objective::Latency, Objective::Memory][self.up_to(1) as usize],
            placement: Placement::Contiguous,
            source: DeviceId(self.up_to(devices as u64 - 1) as u16),
            devices: (0..devices).map(|index| self.device(index, bits)).collect(),
            models: vec![model],
            latency_max: self.chance(15).then(|| Nanos(self.small(bits + 2))),
            bottleneck_max: self.chance(10).then(|| Nanos(self.small(bits + 1))),
        };
        if self.chance(50) {
            self.meet_exactly(&mut instance);
        }
        instance.checked().expect("the largest numbers are below 2^62")
    }

    fn device(&mut self, index: usize, bits: u64) -> Device {
        Device {
            host: None,
            name: format!("d{index}"),
            memory: Bytes(self.small(bits + 2)),
            overhead: Bytes(if self.chance(30) { self.small(bits - 1) } else { 0 }),
            compute_max: self.chance(10).then(|| Nanos(self.small(bits + 1))),
            traffic_max: self.chance(10).then(|| Bytes(self.small(bits + 1))),
        }
    }

    fn model(&mut self, (devices, layers, options): (usize, usize, u64), bits: u64) -> Model {
        let messages = (0..2).map(|_| self.message(devices, bits)).collect();
        let mut chain = Vec::new();
        for index in 0..layers {
            let options = (0..=self.up_to(options - 1)).map(|o| self.option(o, devices, bits));
            chain.push(Layer {
                joined: false,
                role: format!("l{index}").into(),
                options: options.collect(),
                kv: Bytes(if self.chance(30) { self.small(bits - 1) } else { 0 }),
                pin: None,
                output: self.up_to(1) as usize,
            });
        }
        if self.chance(20) {
            chain[0].pin = Some(DeviceId(self.up_to(devices as u64 - 1) as u16));
        }
        let loss_max = match self.up_to(4) {
            0 => None,
            1 => Some([0, 1 << 62, 1 << 63, u64::MAX][self.up_to(3) as usize]),
            _ => Some(self.small(bits + 1)),
        };
        Model {
            name: "m".into(),
            weight: 1 + u32::from(self.chance(20)),
            layers: chain,
            loss_max: loss_max.map(Loss),
            activation: Bytes(if self.chance(20) { self.small(bits - 1) } else { 0 }),
            shared: vec![Bytes(self.small(bits))],
            messages,
            enter: self.up_to(1) as usize,
            leave: self.up_to(1) as usize,
        }
    }

    fn message(&mut self, devices: usize, bits: u64) -> Message {
        let mut time = Vec::new();
        for pair in 0..devices * devices {
            time.push(match pair % (devices + 1) {
                0 => Some(Nanos::ZERO),
                _ => (!self.chance(15)).then(|| Nanos(self.small(bits))),
            });
        }
        Message { bytes: Bytes(self.small(bits)), time }
    }

    fn option(&mut self, index: u64, devices: usize, bits: u64) -> LayerOption {
        let time = |draw: &mut Self| (!draw.chance(10)).then(|| Nanos(draw.small(bits)));
        LayerOption {
            recipe: format!("r{index}").into(),
            bytes: Bytes(self.small(bits)),
            shared: self.chance(20).then_some(0),
            loss: Loss(self.small(bits)),
            compute: (0..devices).map(|_| time(self)).collect(),
        }
    }

    /// Budgets of exactly what a random plan takes.
    fn meet_exactly(&mut self, instance: &mut Deployment) {
        let model = &instance.models[0];
        let last = instance.devices.len() as u64 - 1;
        let (first, second) = (self.up_to(last), self.up_to(last));
        let cut = self.up_to(model.layers.len() as u64) as usize;
        let assignment = |(at, layer): (usize, &Layer)| Assignment {
            device: DeviceId(if at < cut { first } else { second } as u16),
            option: OptionId(layer.options.len() as u16 - 1),
        };
        let plan = Plan::single(model.layers.iter().enumerate().map(assignment).collect());
        let account = instance.evaluate(&plan).account;
        instance.models[0].loss_max = Some(account.models[0].loss);
        for (device, bill) in instance.devices.iter_mut().zip(&account.devices) {
            device.memory = bill.memory();
        }
    }

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

    fn others(&mut self, own: usize, devices: usize) -> Vec<usize> {
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
