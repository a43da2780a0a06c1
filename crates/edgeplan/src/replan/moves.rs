//! Which weights have to move for a plan, and how long the network takes for that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use edgeplan_files::quantity::Bandwidth;
use edgeplan_machines::cluster::{Lane, Way};
use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, OptionId, Plan};
use edgeplan_problem::{Bytes, Nanos};

use crate::session::Session;

/// Weights that one device gets from another.
///
/// See [`Session::replan`] for an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The device that sends, by name.
    pub from: String,
    /// The device that gets them.
    pub to: String,
    /// Bytes of weights.
    pub bytes: Bytes,
    /// Layers, and tensors that several layers share.
    pub tensors: usize,
}

/// What moves for a plan, all at the same time.
///
/// See [`Session::replan`] for an example.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moving {
    /// By sender and receiver.
    pub moves: Vec<Move>,
    /// Bytes that the store keeps for itself: it has them on its disk.
    pub from_own_disk: Bytes,
    /// How long the busiest lane takes, and the longest latency.
    pub time: Nanos,
    /// The busiest link, or what a machine sends or receives; none where nothing moves.
    pub bottleneck: Option<String>,
}

impl Moving {
    /// All bytes over the network.
    ///
    /// See [`Session::replan`] for an example.
    pub fn bytes(&self) -> Bytes {
        self.moves.iter().map(|one| one.bytes).sum()
    }
}

/// Where the weights lie before anything moves, in the question after the events.
pub(super) struct Held<'a> {
    pub(super) now: &'a Deployment,
    /// Whose disk has every layer in every format.
    pub(super) store: DeviceId,
    /// By model, by layer: its device and option, if the device stayed and the format exists.
    layers: Vec<Vec<Option<(DeviceId, OptionId)>>>,
    /// Shared tensors: model, device, index.
    shared: BTreeSet<(usize, DeviceId, usize)>,
}

impl<'a> Held<'a> {
    /// What is left of the old plan of a question on the devices of another.
    pub(super) fn new(
        before: &Deployment,
        plan: &Plan,
        now: &'a Deployment,
        places: &[Option<DeviceId>],
        store: DeviceId,
    ) -> Self {
        let mut held = Self { now, store, layers: Vec::new(), shared: BTreeSet::new() };
        for (index, model) in now.models.iter().enumerate() {
            let mut layers = Vec::new();
            for (place, layer) in model.layers.iter().enumerate() {
                let lies = || {
                    let of = before.models.get(index)?.layers.get(place)?;
                    let choice = plan.models.get(index)?.get(place)?;
                    let device = (*places.get(choice.device.index())?)?;
                    let recipe = &of.options.get(choice.option.index())?.recipe;
                    let option = layer.options.iter().position(|o| o.recipe == *recipe)?;
                    Some((device, OptionId(u16::try_from(option).ok()?)))
                };
                let lies = lies();
                if let Some((device, option)) = lies {
                    let shared = layer.options[option.index()].shared;
                    held.shared.extend(shared.map(|shared| (index, device, shared)));
                }
                layers.push(lies);
            }
            held.layers.push(layers);
        }
        held
    }

    /// The old plan, if all of it is still there.
    pub(super) fn plan(&self) -> Option<Plan> {
        let layers = |layers: &Vec<Option<(DeviceId, OptionId)>>| {
            let one = |lies: &Option<(DeviceId, OptionId)>| {
                let (device, option) = (*lies)?;
                Some(Assignment { device, option })
            };
            layers.iter().map(one).collect::<Option<Vec<_>>>()
        };
        Some(Plan { models: self.layers.iter().map(layers).collect::<Option<_>>()? })
    }

    /// Who has a layer in that format: the device that holds it, or else the store.
    pub(super) fn sender(&self, model: usize, layer: usize, option: OptionId) -> DeviceId {
        match self.layers[model][layer] {
            Some((device, held)) if held == option => device,
            _ => self.store,
        }
    }

    /// Whether a device has a layer in that format already.
    pub(super) fn has(&self, model: usize, layer: usize, to: (DeviceId, OptionId)) -> bool {
        self.layers[model][layer] == Some(to)
    }

    /// Who sends a shared tensor; none where the device has it already.
    pub(super) fn shared_sender(
        &self,
        model: usize,
        shared: usize,
        to: DeviceId,
    ) -> Option<DeviceId> {
        if self.shared.contains(&(model, to, shared)) {
            return None;
        }
        let holds = |&&(of, _, tensor): &&(usize, DeviceId, usize)| (of, tensor) == (model, shared);
        Some(self.shared.iter().find(holds).map_or(self.store, |&(_, device, _)| device))
    }

    /// What moves for a plan: bytes and tensors by sender and receiver.
    fn needed(&self, plan: &Plan) -> BTreeMap<(DeviceId, DeviceId), (Bytes, usize)> {
        let mut needed: BTreeMap<(DeviceId, DeviceId), (Bytes, usize)> = BTreeMap::new();
        let mut add = |from: DeviceId, to: DeviceId, bytes: Bytes| {
            if bytes > Bytes::ZERO {
                let sum = needed.entry((from, to)).or_default();
                *sum = (sum.0 + bytes, sum.1 + 1);
            }
        };
        for (index, choices) in plan.models.iter().enumerate() {
            let model = &self.now.models[index];
            let mut shared = BTreeSet::new();
            for (place, choice) in choices.iter().enumerate() {
                let option = &model.layers[place].options[choice.option.index()];
                if !self.has(index, place, (choice.device, choice.option)) {
                    add(self.sender(index, place, choice.option), choice.device, option.bytes);
                }
                shared.extend(option.shared.map(|tensor| (choice.device, tensor)));
            }
            for (device, tensor) in shared {
                if let Some(sender) = self.shared_sender(index, tensor, device) {
                    add(sender, device, model.shared[tensor]);
                }
            }
        }
        needed
    }
}

/// The network of a question: the ways between its devices, each looked for once.
pub(super) struct Network<'a> {
    session: &'a Session,
    ways: HashMap<(DeviceId, DeviceId), Option<Way>>,
}

impl<'a> Network<'a> {
    pub(super) fn new(session: &'a Session) -> Self {
        Self { session, ways: HashMap::new() }
    }

    /// The way between two devices; none where there is none.
    pub(super) fn way(&mut self, from: DeviceId, to: DeviceId) -> Option<&Way> {
        let session = self.session;
        let find = || match session.inputs() {
            Some(inputs) => inputs.cluster.way(from.index(), to.index()),
            None => guessed(session.deployment(), from, to),
        };
        self.ways.entry((from, to)).or_insert_with(find).as_ref()
    }

    /// What moves for a plan, and how long; none where a device cannot be reached.
    pub(super) fn moving(&mut self, held: &Held<'_>, plan: &Plan) -> Option<Moving> {
        let mut moving = Moving::default();
        let mut loads: BTreeMap<Lane, u128> = BTreeMap::new();
        let mut latency = Nanos::ZERO;
        for ((from, to), (bytes, tensors)) in held.needed(plan) {
            if from == to {
                moving.from_own_disk += bytes;
                continue;
            }
            let way = self.way(from, to)?;
            latency = latency.max(way.latency);
            for lane in &way.lanes {
                *loads.entry(lane.clone()).or_default() += u128::from(bytes.0);
            }
            let [from, to] = [from, to].map(|id| held.now.device(id).name.clone());
            moving.moves.push(Move { from, to, bytes, tensors });
        }
        let busiest = loads.iter().map(|(lane, &bytes)| (takes(bytes, lane.bandwidth), lane));
        // Of lanes that take as long, the link rather than all that a machine sends.
        let rank = |(time, lane): &(u128, &Lane)| (*time, !lane.name.starts_with("what "));
        if let Some((time, lane)) = busiest.max_by_key(rank) {
            moving.time = nanos(time) + latency;
            moving.bottleneck = Some(lane.name.clone());
        }
        Some(moving)
    }
}

/// Nanoseconds that a lane takes for so many bytes, rounded up.
pub(super) fn takes(bytes: u128, bandwidth: Bandwidth) -> u128 {
    bytes.saturating_mul(8_000_000_000).div_ceil(u128::from(bandwidth.0.max(1)))
}

pub(super) fn nanos(time: u128) -> Nanos {
    Nanos(u64::try_from(time).unwrap_or(u64::MAX))
}

/// The way between two devices of an instance file, which has times of messages and no links: at
/// the rate of the largest message, its latency included, so rather too slow.
fn guessed(deployment: &Deployment, from: DeviceId, to: DeviceId) -> Option<Way> {
    let place = from.index() * deployment.devices.len() + to.index();
    let messages = deployment.models.iter().flat_map(|model| &model.messages);
    let largest = messages.max_by_key(|message| message.bytes)?;
    let time = largest.time.get(place).copied().flatten()?;
    let bits = u128::from(largest.bytes.0) * 8_000_000_000 / u128::from(time.0.max(1));
    let bandwidth = Bandwidth(u64::try_from(bits).unwrap_or(u64::MAX).max(1));
    let [one, two] = [from, to].map(|id| &deployment.device(id).name);
    let lane = |name: String| Lane { name, bandwidth };
    let lanes = vec![lane(format!("{one} to {two}"))];
    Some(Way { latency: Nanos::ZERO, lanes })
}
