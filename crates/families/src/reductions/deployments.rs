//! Packings and partitions as deployments.

use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, HostId, Layer, LayerOption, Message, Model, Objective, Placement,
};
use edgeplan_problem::{Bytes, Loss, Nanos};

use super::source::{BinPacking, MultipleKnapsack, Partition};

/// What items of a packing become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Models of one layer, on devices.
    Models,
    /// Models of one layer, on hosts of two memories each; of an odd number of bins the last host
    /// has one.
    Hosts,
    /// Layers of one model that may come back to a device (free placement).
    Layers,
    /// Layers of one model whose placement is contiguous, on one host that has all memories.
    Host,
}

/// Time of a layer, wherever it is.
const LAYER: Nanos = Nanos(1_000_000);
/// Bytes of a layer of a partition in any format, so that nothing is stored in none.
const BASE: u64 = 1000;

/// Bin packing: bins are memories, and every hop is free, so that all plans cost the same and there
/// is one exactly if the items fit.
pub fn packing(source: &BinPacking, shape: Shape) -> Deployment {
    let host = |bin: usize| match shape {
        Shape::Models | Shape::Layers => None,
        Shape::Hosts => Some(HostId((bin / 2) as u16)),
        Shape::Host => Some(HostId(0)),
    };
    let hosts = (0..source.bins).filter_map(host).max().map_or(0, |last| last.index() + 1);
    let devices = (0..source.bins).map(|bin| {
        let memory = Bytes(source.capacity);
        Device { host: host(bin), ..device(format!("bin-{bin}"), memory) }
    });
    let layers = source.sizes.iter().enumerate().map(|(item, &size)| {
        layer(item, vec![option("given", size, 0, vec![Some(LAYER); source.bins])])
    });
    let models = match shape {
        Shape::Models | Shape::Hosts => single(layers, source.bins),
        Shape::Layers | Shape::Host => vec![model("model".into(), layers.collect(), source.bins)],
    };
    let placement = if shape == Shape::Layers { Placement::Free } else { Placement::Contiguous };
    Deployment {
        hosts: (0..hosts).map(|host| format!("host-{host}")).collect(),
        placement,
        ..deployment("packing", devices.collect(), models)
    }
}

/// The cost of every plan of a packing.
pub fn packing_cost(source: &BinPacking) -> u64 {
    source.sizes.len() as u64 * LAYER.0
}

/// Multiple knapsack: an item is a model of one layer, a knapsack a device that takes no time. What
/// is in none runs outside, on the last device, for as many microseconds as it is worth; that
/// device may compute for as long as all items are worth less the profit that is asked for. There
/// is a plan exactly if the profit is possible. Where the profit is above that of all items, no
/// device runs anything.
pub fn knapsacks(source: &MultipleKnapsack) -> Deployment {
    let knapsacks = source.capacities.len();
    let spare = source.spare();
    let all: u64 = source.items.iter().map(|item| item.0).sum();
    let mut devices: Vec<Device> = source
        .capacities
        .iter()
        .enumerate()
        .map(|(index, &capacity)| device(format!("knapsack-{index}"), Bytes(capacity)))
        .collect();
    devices.push(Device {
        compute_max: Some(Nanos(spare.unwrap_or(0) * MICROSECOND)),
        ..device("outside".into(), Bytes(all.max(1)))
    });
    let layers = source.items.iter().enumerate().map(|(item, &(weight, profit))| {
        let mut compute = vec![spare.map(|_| Nanos::ZERO); knapsacks];
        compute.push(spare.map(|_| Nanos(profit * MICROSECOND)));
        layer(item, vec![option("given", weight, 0, compute)])
    });
    let models = single(layers, knapsacks + 1);
    deployment("knapsacks", devices, models)
}

/// Nanoseconds for a unit of profit.
const MICROSECOND: u64 = 1000;

/// The most that a plan of knapsacks costs.
pub fn knapsacks_cost(source: &MultipleKnapsack) -> u64 {
    source.spare().unwrap_or(0) * MICROSECOND
}

/// Partition: one model on one device. A layer is stored large and loses nothing, or small and
/// loses as much as it saves; memory and quality budget both leave half of the sum.
pub fn halves(source: &Partition) -> Deployment {
    let half = source.sizes.iter().sum::<u64>() / 2;
    let memory = BASE * source.sizes.len() as u64 + half;
    let layers = source.sizes.iter().enumerate().map(|(item, &size)| {
        let large = option("q8_0", BASE + size, 0, vec![Some(LAYER)]);
        let small = option("q4_0", BASE, size, vec![Some(LAYER)]);
        layer(item, vec![large, small])
    });
    let mut only = model("model".into(), layers.collect(), 1);
    only.loss_max = Some(Loss(half));
    deployment("halves", vec![device("device".into(), Bytes(memory))], vec![only])
}

/// The cost of every plan of a partition.
pub fn halves_cost(source: &Partition) -> u64 {
    source.sizes.len() as u64 * LAYER.0
}

fn deployment(name: &str, devices: Vec<Device>, models: Vec<Model>) -> Deployment {
    Deployment {
        name: name.into(),
        objective: Objective::Latency,
        placement: Placement::Contiguous,
        source: DeviceId(0),
        hosts: Vec::new(),
        devices,
        models,
        latency_max: None,
        bottleneck_max: None,
    }
}

fn device(name: String, memory: Bytes) -> Device {
    Device { name, host: None, memory, overhead: Bytes::ZERO, compute_max: None, traffic_max: None }
}

fn option(recipe: &str, bytes: u64, loss: u64, compute: Vec<Option<Nanos>>) -> LayerOption {
    let recipe = recipe.into();
    LayerOption { recipe, bytes: Bytes(bytes), shared: None, loss: Loss(loss), compute }
}

fn layer(item: usize, options: Vec<LayerOption>) -> Layer {
    let role = format!("item {item}").into();
    Layer { role, options, kv: Bytes::ZERO, pin: None, output: 0, joined: false }
}

/// A model for each layer.
fn single(layers: impl Iterator<Item = Layer>, devices: usize) -> Vec<Model> {
    let numbered = layers.enumerate();
    numbered.map(|(item, layer)| model(format!("item-{item}"), vec![layer], devices)).collect()
}

/// A model whose messages take no time.
fn model(name: String, layers: Vec<Layer>, devices: usize) -> Model {
    let free = vec![Some(Nanos::ZERO); devices * devices];
    Model {
        name,
        weight: 1,
        layers,
        loss_max: None,
        activation: Bytes::ZERO,
        shared: Vec::new(),
        messages: vec![Message { bytes: Bytes(1), time: free }],
        enter: 0,
        leave: 0,
    }
}
