//! From knobs to an instance of small numbers, so that ties abound.

use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, Layer, LayerOption, Message, Model,
};
use edgeplan_problem::{Bytes, Loss, Nanos};

use super::Knobs;
use crate::random::Random;

/// Largest compute time.
const COMPUTE: u64 = 20;
/// Largest transfer time.
const HOP: u64 = 12;

/// What a layer may refer to.
#[derive(Clone, Copy)]
struct Counts {
    devices: usize,
    shared: usize,
    messages: usize,
}

impl Random {
    pub(super) fn varied(&mut self, knobs: &Knobs, seed: u64) -> Deployment {
        let devices = knobs.devices as usize;
        let models: Vec<Model> =
            (0..knobs.models).map(|index| self.some_model(knobs, index, devices)).collect();
        Deployment {
            hosts: Vec::new(),
            name: format!("varied-{seed}"),
            objective: knobs.objective,
            placement: knobs.placement,
            source: self.some_device(knobs),
            devices: self.some_devices(knobs, &models),
            models,
            latency_max: None,
            bottleneck_max: None,
        }
    }

    fn some_device(&mut self, knobs: &Knobs) -> DeviceId {
        DeviceId(self.up_to(knobs.devices - 1) as u16)
    }

    fn some_devices(&mut self, knobs: &Knobs, models: &[Model]) -> Vec<Device> {
        let (most, fixed) = match knobs.room {
            None => (80 * knobs.models, 0),
            Some(percent) => {
                let fixed = models.iter().map(|model| model.activation.0).sum();
                // Drawn from zero on, so that the mean is the share.
                let share = percent * models.iter().map(smallest).sum::<u64>() / 100;
                (2 * share / knobs.devices, fixed)
            }
        };
        let mut device = |index| {
            let overhead = self.sparse(knobs.no_bytes, 3);
            let memory = self.sparse(knobs.limited / 4, most + fixed);
            Device {
                host: None,
                name: format!("d{index}"),
                memory: Bytes(memory),
                overhead: Bytes(overhead),
                compute_max: None,
                traffic_max: None,
            }
        };
        let mut devices: Vec<Device> = (0..knobs.devices).map(&mut device).collect();
        if knobs.identical_devices {
            for index in 1..devices.len() {
                let name = devices[index].name.clone();
                devices[index] = Device { name, ..devices[0].clone() };
            }
        }
        devices
    }

    fn some_model(&mut self, knobs: &Knobs, index: u64, devices: usize) -> Model {
        let layers = 1 + self.up_to(knobs.layers_max - 1) as usize;
        let messages = 1 + self.up_to(2) as usize;
        let shared = if knobs.shared == 0 { 0 } else { 1 + self.up_to(2) as usize };
        let shared: Vec<Bytes> =
            (0..shared).map(|_| Bytes(self.sparse(knobs.no_bytes, 8))).collect();
        let mut chain: Vec<Layer> = (0..layers)
            .map(|layer| {
                self.some_layer(knobs, layer, Counts { devices, shared: shared.len(), messages })
            })
            .collect();
        if knobs.identical_layers {
            for layer in 1..layers {
                let name = chain[layer].role.clone();
                chain[layer] = Layer { role: name, ..chain[0].clone() };
            }
        }
        if knobs.tied_ends && !shared.is_empty() {
            tie_ends(&mut chain, shared.len());
        }
        for layer in &mut chain {
            layer.pin = self.chance(knobs.pinned).then(|| self.some_device(knobs));
        }
        Model {
            name: format!("m{index}"),
            weight: 1 + self.up_to(knobs.weight_max - 1) as u32,
            layers: chain,
            loss_max: None,
            activation: Bytes(self.sparse(knobs.no_bytes, 4)),
            shared,
            messages: (0..messages).map(|_| self.some_message(knobs, devices)).collect(),
            enter: self.up_to(messages as u64 - 1) as usize,
            leave: self.up_to(messages as u64 - 1) as usize,
        }
    }

    fn some_message(&mut self, knobs: &Knobs, devices: usize) -> Message {
        let common = self.sparse(knobs.free_hops, HOP);
        let mut time = Vec::with_capacity(devices * devices);
        for from in 0..devices {
            for to in 0..devices {
                let own = self.sparse(knobs.free_hops, HOP);
                let hop = if knobs.identical_devices { common } else { own };
                // Identical devices without some ways are hardly identical: rarely so.
                let missing =
                    if knobs.identical_devices { knobs.unreachable / 8 } else { knobs.unreachable };
                let gone = self.chance(missing);
                time.push(match from == to {
                    true => Some(Nanos::ZERO),
                    false => (!gone).then_some(Nanos(hop)),
                });
            }
        }
        Message { bytes: Bytes(self.sparse(knobs.free_hops, 10)), time }
    }

    fn some_layer(
        &mut self,
        knobs: &Knobs,
        index: usize,
        Counts { devices, shared, messages }: Counts,
    ) -> Layer {
        let options = 1 + self.up_to(knobs.options_max - 1) as usize;
        Layer {
            joined: false,
            role: format!("l{index}").into(),
            options: (0..options).map(|o| self.some_option(knobs, o, devices, shared)).collect(),
            kv: Bytes(self.sparse(knobs.no_bytes, 3)),
            pin: None,
            output: self.up_to(messages as u64 - 1) as usize,
        }
    }

    fn some_option(
        &mut self,
        knobs: &Knobs,
        index: usize,
        devices: usize,
        shared: usize,
    ) -> LayerOption {
        let common = self.sparse(knobs.free_compute, COMPUTE);
        let mut compute = Vec::with_capacity(devices);
        for _ in 0..devices {
            let own = self.sparse(knobs.free_compute, COMPUTE);
            let gone = self.chance(knobs.unusable);
            let time = if knobs.identical_devices { common } else { own };
            compute.push((!gone).then_some(Nanos(time)));
        }
        let names = !knobs.tied_ends && shared > 0 && self.chance(knobs.shared);
        LayerOption {
            recipe: format!("r{index}").into(),
            bytes: Bytes(self.sparse(knobs.no_bytes, 14)),
            shared: names.then(|| self.up_to(shared as u64 - 1) as usize),
            loss: Loss(self.sparse(knobs.no_loss, 8)),
            compute,
        }
    }
}

/// Bytes of a model in its smallest options, as if nothing were shared.
fn smallest(model: &Model) -> u64 {
    let least = |layer| {
        let options = model.option_ids(layer);
        options.map(|option| model.bytes(layer, option).0).min().unwrap_or_default()
    };
    (0..model.layers.len()).map(least).sum()
}

/// Tied embeddings: the options of both ends name the same tensors, in turn.
fn tie_ends(chain: &mut [Layer], shared: usize) {
    for layer in [0, chain.len() - 1] {
        for (choice, option) in chain[layer].options.iter_mut().enumerate() {
            option.shared = (choice < shared).then_some(choice);
        }
    }
}
