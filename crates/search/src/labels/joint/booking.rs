//! What placing a layer and sending a message take of devices: booked on a label and its row.

use edgeplan_problem::deployment::{DeviceId, Objective};

use super::{JointLabels, Position};
use crate::chain::{DeviceSet, Hop, Room, Scarce};
use crate::dual::relaxation::Place;

/// A partial plan. What its devices have spent stands beside it, in its row of the layer.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::labels) struct JointLabel {
    /// No plan that begins so costs less; scaled.
    pub(super) bound: f64,
    /// Scaled cost so far.
    pub(super) cost: f64,
    /// The part of the cost that no table knows: earlier models, overheads, shared tensors.
    pub(super) known: f64,
    /// Priced cost of the current model so far.
    pub(super) priced: f64,
    pub(super) loss: u64,
    /// Time of the current model's request so far.
    pub(super) latency: u64,
    /// Devices that hold a layer of any model.
    pub(super) used: DeviceSet,
    /// Devices that hold a layer of the current model.
    pub(super) touched: DeviceSet,
    /// Shared tensors of the current model that are stored: bit `device * shared + index`.
    pub(super) stored: u128,
    pub(super) device: u16,
    pub(super) choice: u16,
    pub(super) parent: u32,
}

impl JointLabel {
    /// The label as the next model begins.
    pub(super) fn at_next_model(&self) -> Self {
        let known = self.cost;
        Self { known, priced: 0.0, loss: 0, latency: 0, touched: 0, stored: 0, ..*self }
    }

    /// Whether it is no worse in anything but what the devices have spent.
    pub(super) fn is_no_worse(&self, other: &Self) -> bool {
        self.cost <= other.cost && self.loss <= other.loss && self.latency <= other.latency
    }
}

/// What is spent of a device: an offset into its part of a row. All but bytes are kept only where
/// some time or traffic is limited.
const BYTES: usize = 0;
const COMPUTE: usize = 1;
const SENDING: usize = 2;
const SENT: usize = 3;

/// A message and its sender.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'h> {
    pub(super) from: usize,
    pub(super) hop: &'h Hop,
}

/// Whether limits still allow what was booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Booked {
    Allowed,
    Forbidden,
}

impl Booked {
    fn allowed_if(is_allowed: bool) -> Self {
        if is_allowed { Self::Allowed } else { Self::Forbidden }
    }
}

impl JointLabels<'_> {
    /// Books a message on its sender.
    pub(super) fn send(
        &self,
        model: usize,
        message: Message<'_>,
        label: &mut JointLabel,
        spent: &mut [u64],
    ) -> Booked {
        let Message { from, hop } = message;
        if self.instance.latency_max.is_some() {
            label.latency += hop.time;
        }
        if self.instance.objective == Objective::Latency {
            label.cost += hop.cost;
        }
        if self.parts == 1 || from == hop.to {
            return Booked::Allowed;
        }
        let weight = u64::from(self.model(model).weight);
        let at = from * self.parts;
        spent[at + SENDING] += hop.time * weight;
        spent[at + SENT] += hop.bytes * weight;
        self.check_times(from, label, spent)
    }

    /// Holds a device's compute and sending against their limits; a bottleneck is raised.
    fn check_times(&self, device: usize, label: &mut JointLabel, spent: &[u64]) -> Booked {
        let (limits, at) = (&self.instance.devices[device], device * self.parts);
        let (compute, sending) = (spent[at + COMPUTE], spent[at + SENDING]);
        let busiest = compute.max(sending);
        if self.instance.objective == Objective::Bottleneck {
            label.cost = label.cost.max(busiest as f64 * self.stages[0].chain.scale);
        }
        Booked::allowed_if(
            limits.compute_max.is_none_or(|max| compute <= max.0)
                && limits.traffic_max.is_none_or(|max| spent[at + SENT] <= max.0)
                && self.instance.bottleneck_max.is_none_or(|max| busiest <= max.0),
        )
    }

    /// Books a layer on its device: memory and time.
    pub(super) fn store(&self, at: Position, label: &mut JointLabel, spent: &mut [u64]) -> Booked {
        let (stage, device) = (&self.stages[at.model], usize::from(label.device));
        let (chain, place) = (stage.chain, stage.chain.at(at.layer, device));
        let index = usize::from(label.choice);
        let choice = &chain.choices[place][index];
        let (spec, limits) = (self.model(at.model), &self.instance.devices[device]);
        // What the device needs once, whatever it holds.
        let mut extra = 0;
        if label.used >> device & 1 == 0 {
            extra += limits.overhead.0;
        }
        if label.touched >> device & 1 == 0 {
            extra += spec.activation.0;
        }
        (label.used, label.touched) = (label.used | 1 << device, label.touched | 1 << device);
        if let Some(shared) = choice.shared {
            let bit = 1u128 << (device * spec.shared.len() + usize::from(shared));
            if label.stored & bit == 0 {
                label.stored |= bit;
                extra += spec.shared[usize::from(shared)].0;
            }
        }
        let bytes = &mut spent[device * self.parts + BYTES];
        *bytes += extra + choice.bytes;
        if *bytes > limits.memory.0 {
            return Booked::Forbidden;
        }
        label.loss += choice.loss;
        if self.instance.latency_max.is_some() {
            label.latency += choice.time;
        }
        label.priced += stage.relaxation.map_or(0.0, |tables| tables.priced(place, index));
        match self.instance.objective {
            Objective::Latency => label.cost += choice.cost,
            Objective::Memory => {
                label.known += extra as f64 * chain.scale;
                label.cost += choice.cost + extra as f64 * chain.scale;
            }
            Objective::Bottleneck => {}
        }
        if self.parts == 1 {
            return Booked::Allowed;
        }
        spent[device * self.parts + COMPUTE] += choice.time * u64::from(spec.weight);
        self.check_times(device, label, spent)
    }

    /// Bounds the label: forbidden if no plan within the limits begins so. The model's last layer
    /// also sends the answer.
    pub(super) fn bound(&self, at: Position, label: &mut JointLabel, spent: &mut [u64]) -> Booked {
        let (stage, device) = (&self.stages[at.model], usize::from(label.device));
        let chain = stage.chain;
        let is_last = at.layer + 1 == chain.layers;
        if is_last {
            let Some(hop) = &chain.egress[device] else { return Booked::Forbidden };
            let answer = Message { from: device, hop };
            if self.send(at.model, answer, label, spent) == Booked::Forbidden {
                return Booked::Forbidden;
            }
        }
        let late = self.instance.latency_max.is_some_and(|max| label.latency > max.0);
        if late || !chain.loss_max.allows(label.loss) {
            return Booked::Forbidden;
        }
        let rest = stage.relaxation.map(|tables| {
            if is_last {
                return label.cost;
            }
            let subset = tables.ng_sets.remembered(device, label.touched);
            let row = tables.row(Place { layer: at.layer, device, subset });
            let left = self.left(at.model, device, spent, &chain.room[device]);
            let step = tables.grids[device].step(at.layer, left);
            label.known + label.priced + row.at(step) - tables.budget
        });
        // A cost is a bound, too, where it is a maximum or tables are coarse.
        label.bound = label.cost.max(rest.unwrap_or(0.0) + stage.later);
        Booked::allowed_if(label.bound <= self.limit)
    }

    /// What is left of the scarce resource on a device.
    fn left(&self, model: usize, device: usize, spent: &[u64], room: &Room) -> u64 {
        let weight = u64::from(self.model(model).weight);
        let spent = &spent[device * self.parts..(device + 1) * self.parts];
        match room.scarce {
            Scarce::Bytes => {
                let memory = self.instance.device(DeviceId(device as u16)).memory.0;
                memory.saturating_sub(spent[BYTES]).min(room.bytes)
            }
            Scarce::Time(whole) => {
                // Where no time is limited, none is booked and none is scarce.
                let used = spent.get(COMPUTE).map_or(0, |used| used / weight);
                whole.saturating_sub(used)
            }
        }
    }
}
