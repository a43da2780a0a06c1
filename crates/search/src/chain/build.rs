//! A model of an instance becomes a chain: limits are resolved, options that another one beats left
//! out, ways in and out and between devices looked up.

use edgeplan_problem::deployment::{Deployment, DeviceId, Model, Placement};

use super::{Chain, Choice, Hop, Limit, Measure, Room, Scarce, SendingLimit, Shared, cost_max};

/// What a chain is built from.
pub(crate) struct Builder<'a> {
    pub(crate) instance: &'a Deployment,
    pub(crate) model: &'a Model,
    /// Whether hosts have several devices, or blocks parts.
    pub(crate) has_hosts: bool,
    /// What costs are.
    pub(crate) cost: Measure,
    /// Nanoseconds of all requests that a run's compute, and each message, may take, besides the
    /// instance's own limits.
    pub(crate) time_run_max: Option<u64>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(
        instance: &'a Deployment,
        model: &'a Model,
        cost: Measure,
        time_run_max: Option<u64>,
    ) -> Self {
        Self { instance, model, has_hosts: instance.has_hosts(), cost, time_run_max }
    }

    /// The chain, not scaled yet.
    pub(crate) fn chain(&self) -> Chain {
        let (layers, devices) = (self.model.layers.len(), self.instance.devices.len());
        let places = || (0..layers).flat_map(|l| (0..devices).map(move |d| (l, d)));
        let room: Vec<Room> = (0..devices).map(|device| self.room(device)).collect();
        let choices: Vec<Vec<Choice>> =
            places().map(|(layer, device)| self.choices(layer, device, room[device])).collect();
        let present = |layer: usize, device: usize| !choices[layer * devices + device].is_empty();
        let hops = places().map(|(layer, from)| {
            if layer + 1 == layers || !present(layer, from) {
                return Vec::new();
            }
            let targets = (0..devices).filter(|&to| to != from && present(layer + 1, to));
            targets.filter_map(|to| self.hop(layer, from, to)).collect()
        });
        let hops = hops.collect();
        let ingress = (0..devices).map(|device| self.ingress(device)).collect();
        let egress = (0..devices).map(|device| self.egress(device)).collect();
        // A limit on the latency is one on the cost, where that is the latency.
        let latency = self.cost == Measure::Latency;
        let time_max = self.instance.latency_max.filter(|_| !latency).map(|limit| limit.0);
        let time_max = Limit::of(time_max).get();
        let mut chain = Chain {
            layers,
            devices,
            scale: 1.0,
            cost_max: 0.0,
            choices,
            hops,
            ingress,
            egress,
            room,
            contiguous: self.instance.placement == Placement::Contiguous && !self.has_hosts,
            prices_bytes: self.instance.placement != Placement::Contiguous || self.has_hosts,
            shared: self.model.shared.iter().map(|bytes| self.shared(bytes.0)).collect(),
            source: self.instance.source.index(),
            source_limit: self.sending_limit(self.instance.source.index()),
            loss_max: Limit::of(self.model.loss_max.map(|loss| loss.0)),
            time_max,
            class: (0..devices).map(|device| self.class(device)).collect(),
            required: vec![false; devices],
        };
        chain.prices_bytes |= chain.sole().is_some();
        for device in 0..devices {
            chain.room[device].scarce = chain.scarce(device);
        }
        chain.cost_max = cost_max(&chain);
        chain
    }

    /// Bytes and time that a run may use; nothing where not even the fixed parts fit.
    pub(crate) fn room(&self, device: usize) -> Room {
        let id = DeviceId(device as u16);
        let limits = [
            self.instance.device(id).compute_max.map(|limit| limit.0),
            self.instance.bottleneck_max.map(|limit| limit.0),
            self.time_run_max,
        ];
        let time = Limit::least(limits).per_request(self.model.weight);
        let bytes = self.instance.room(id, self.model).map_or(0, |bytes| bytes.0);
        Room { bytes, time, scarce: Scarce::Bytes }
    }

    /// The usable options of a layer on a device that no other one beats; the first of equals
    /// stays.
    pub(crate) fn choices(&self, layer: usize, device: usize, room: Room) -> Vec<Choice> {
        let id = DeviceId(device as u16);
        if self.instance.room(id, self.model).is_none() {
            return Vec::new();
        }
        let options = self.model.option_ids(layer).filter_map(|option| {
            let time = self.model.compute(layer, id, option)?.0;
            let stored = &self.model.layers[layer].options[option.index()];
            let bytes = (stored.bytes + self.model.layers[layer].kv).0;
            let loss = stored.loss.0;
            let shared = stored.shared.map(|shared| shared as u8);
            let cost = match self.cost {
                Measure::Latency => (time * u64::from(self.model.weight)) as f64,
                Measure::Memory => bytes as f64,
                Measure::Loss => loss as f64,
            };
            (bytes <= room.bytes && room.time.allows(time)).then_some(Choice {
                option,
                cost,
                bytes,
                shared,
                loss,
                time,
            })
        });
        let mut options: Vec<Choice> = options.collect();
        options.sort_by_key(|choice| (choice.bytes, choice.time, choice.loss, choice.option));
        let mut kept: Vec<Choice> = Vec::new();
        for choice in options {
            let beaten = kept.iter().any(|k| {
                k.shared == choice.shared && k.time <= choice.time && k.loss <= choice.loss
            });
            if !beaten {
                kept.push(choice);
            }
        }
        kept
    }

    /// A message of the model, or nothing where there is no way or a limit forbids it.
    fn message(&self, message: usize, from: usize, to: usize) -> Option<Hop> {
        let devices = self.instance.devices.len();
        let message = &self.model.messages[message];
        let time = message.time[from * devices + to]?.0;
        let weight = u64::from(self.model.weight);
        if from != to && !self.sending_limit(from).allows(time, message.bytes.0) {
            return None;
        }
        let cost = match self.cost {
            Measure::Latency => (time * weight) as f64,
            Measure::Memory | Measure::Loss => 0.0,
        };
        Some(Hop { to, cost, time, bytes: message.bytes.0 })
    }

    /// Most time and bytes that a device may send, by one request.
    fn sending_limit(&self, device: usize) -> SendingLimit {
        let weight = self.model.weight;
        let time = [self.instance.bottleneck_max.map(|limit| limit.0), self.time_run_max];
        let bytes = self.instance.device(DeviceId(device as u16)).traffic_max;
        SendingLimit {
            time: Limit::least(time).per_request(weight),
            bytes: Limit::of(bytes.map(|limit| limit.0)).per_request(weight),
        }
    }

    /// A tensor of that many bytes.
    fn shared(&self, bytes: u64) -> Shared {
        let cost = match self.cost {
            Measure::Memory => bytes as f64,
            Measure::Latency | Measure::Loss => 0.0,
        };
        Shared { bytes, cost }
    }

    /// What arriving on a device adds to the objective besides its layers.
    fn arrival(&self, device: usize) -> f64 {
        let shared = self.instance.models.len() > 1
            || self.instance.placement == Placement::Free
            || self.has_hosts;
        match self.cost {
            Measure::Memory if !shared => {
                let overhead = self.instance.device(DeviceId(device as u16)).overhead;
                (overhead + self.model.activation).as_f64()
            }
            _ => 0.0,
        }
    }

    pub(crate) fn hop(&self, layer: usize, from: usize, to: usize) -> Option<Hop> {
        let (one, two) = (DeviceId(from as u16), DeviceId(to as u16));
        if self.model.layers[layer + 1].joined && !self.instance.share_host(one, two) {
            return None;
        }
        let mut hop = self.message(self.model.layers[layer].output, from, to)?;
        hop.cost += self.arrival(to);
        Some(hop)
    }

    pub(crate) fn ingress(&self, device: usize) -> Option<Hop> {
        let source = self.instance.source.index();
        let mut hop = self.message(self.model.enter, source, device)?;
        hop.cost += self.arrival(device);
        Some(hop)
    }

    pub(crate) fn egress(&self, device: usize) -> Option<Hop> {
        self.message(self.model.leave, device, self.instance.source.index())
    }

    /// The first device that could change places with this one without anything changing.
    fn class(&self, device: usize) -> usize {
        let alike = |&other: &usize| {
            self.instance.are_alike(DeviceId(other as u16), DeviceId(device as u16))
        };
        (0..device).find(alike).unwrap_or(device)
    }
}
