//! Random questions small enough for brute force, with every feature of the problem and every
//! degeneracy that a solver could trip over.

use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, HostId, Layer, LayerOption, Message, Model, Objective, Placement,
};
use edgeplan_problem::{Bytes, Loss, Nanos};

use crate::random::Random;

/// Plans to try stay below this, so that the oracle is quick.
const PLANS_MAX: u64 = 8_000;

/// The question of that seed. Small numbers, so that ties abound; objectives, placements, one or
/// two models, one device, one layer, free hops, missing links, devices too small for anything,
/// identical devices, hosts of several devices, parts of blocks, tied tensors, pins and every
/// budget occur.
pub fn small(seed: u64) -> Deployment {
    let mut random = Random::seeded(seed);
    loop {
        let mut instance = random.deployment(seed);
        // Drawn apart, so that questions without hosts stay what they were.
        if seed % 5 == 4 {
            Random::seeded(!seed).group(&mut instance);
        }
        if instance.plan_count() <= PLANS_MAX {
            return instance.checked().expect("the generator makes sense");
        }
    }
}

impl Random {
    fn maybe(&mut self, percent: u64, max: u64) -> Option<u64> {
        self.chance(percent).then(|| self.up_to(max))
    }

    fn deployment(&mut self, seed: u64) -> Deployment {
        let devices = 1 + self.up_to(3) as usize;
        let models = 1 + usize::from(self.chance(20));
        let objectives = [Objective::Latency, Objective::Bottleneck, Objective::Memory];
        let (latency, cycle) = if self.chance(15) { (60, 40) } else { (0, 0) };
        let identical = self.chance(25);
        Deployment {
            hosts: Vec::new(),
            name: format!("small-{seed}"),
            objective: objectives[seed as usize % 3],
            placement: [Placement::Contiguous, Placement::Free][seed as usize / 3 % 2],
            source: DeviceId(self.up_to(devices as u64 - 1) as u16),
            devices: self.devices(devices, identical),
            models: (0..models).map(|index| self.model(index, devices, identical)).collect(),
            latency_max: self.maybe(latency, 120).map(Nanos),
            bottleneck_max: self.maybe(cycle, 60).map(Nanos),
        }
    }

    /// Makes hosts of devices, and parts of blocks of layers.
    pub(crate) fn group(&mut self, instance: &mut Deployment) {
        instance.hosts = vec!["h0".into(), "h1".into()];
        for device in &mut instance.devices {
            device.host = self.maybe(80, 1).map(|host| HostId(host as u16));
        }
        for model in &mut instance.models {
            for layer in model.layers.iter_mut().skip(1) {
                layer.joined = self.chance(30);
            }
        }
    }

    fn devices(&mut self, count: usize, identical: bool) -> Vec<Device> {
        let budgets = if self.chance(15) { 50 } else { 0 };
        let mut devices = Vec::new();
        let (common, overhead) = (15 + self.up_to(40), self.up_to(2));
        for index in 0..count {
            devices.push(Device {
                host: None,
                name: format!("d{index}"),
                memory: Bytes(if identical { common } else { self.up_to(80) }),
                overhead: Bytes(if identical { overhead } else { self.up_to(3) }),
                compute_max: self.maybe(budgets, 40).map(Nanos),
                traffic_max: self.maybe(budgets, 20).map(Bytes),
            });
        }
        devices
    }

    fn model(&mut self, index: usize, devices: usize, identical: bool) -> Model {
        let layers = 1 + self.up_to(4) as usize;
        let tied = layers > 1 && self.chance(30);
        let shared = if tied { (0..2).map(|_| Bytes(self.up_to(8))).collect() } else { vec![] };
        let hops = if self.chance(20) { 0 } else { 12 };
        let messages = (0..3).map(|_| self.message(devices, hops, identical)).collect();
        let mut chain: Vec<Layer> =
            (0..layers).map(|layer| self.layer(layer, devices, identical)).collect();
        if tied {
            for layer in [0, layers - 1] {
                for (choice, option) in chain[layer].options.iter_mut().enumerate() {
                    option.shared = (choice < 2).then_some(choice);
                }
            }
        }
        if self.chance(30) {
            chain[0].pin = Some(DeviceId(self.up_to(devices as u64 - 1) as u16));
        }
        let budget = self.maybe(60, 7 * layers as u64).map(Loss);
        Model {
            name: format!("m{index}"),
            weight: 1 + u32::from(self.chance(20)),
            layers: chain,
            loss_max: budget,
            activation: Bytes(self.up_to(2)),
            shared,
            messages,
            enter: self.up_to(2) as usize,
            leave: self.up_to(2) as usize,
        }
    }

    fn message(&mut self, devices: usize, hops: u64, identical: bool) -> Message {
        let missing = if self.chance(15) { 25 } else { 0 };
        let common = self.up_to(hops);
        let mut time = Vec::new();
        for from in 0..devices {
            for to in 0..devices {
                let hop = if identical { common } else { self.up_to(hops) };
                let gone = self.chance(missing);
                time.push(match from == to {
                    true => Some(Nanos::ZERO),
                    false => (!gone).then_some(Nanos(hop)),
                });
            }
        }
        Message { bytes: Bytes(self.up_to(10)), time }
    }

    fn layer(&mut self, index: usize, devices: usize, identical: bool) -> Layer {
        let options = 1 + self.up_to(2) as usize;
        Layer {
            joined: false,
            role: format!("l{index}").into(),
            options: (0..options).map(|o| self.option(o, devices, identical)).collect(),
            kv: Bytes(self.up_to(3)),
            pin: None,
            output: self.up_to(2) as usize,
        }
    }

    fn option(&mut self, index: usize, devices: usize, identical: bool) -> LayerOption {
        let unusable = if self.chance(15) { 30 } else { 0 };
        let common = self.up_to(20);
        let mut compute = Vec::new();
        for _ in 0..devices {
            let time = if identical { common } else { self.up_to(20) };
            let gone = self.chance(unusable);
            compute.push((!gone).then_some(Nanos(time)));
        }
        LayerOption {
            recipe: format!("r{index}").into(),
            bytes: Bytes(self.up_to(14)),
            shared: None,
            loss: Loss(self.up_to(8)),
            compute,
        }
    }
}
