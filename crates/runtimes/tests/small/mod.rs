//! A small question whose every number is written here, and plans of it.

use edgeplan_problem::deployment::{
    Assignment, Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective,
    OptionId, Placement, Plan,
};
use edgeplan_problem::{Bytes, Loss, Nanos};

pub(crate) const DEVICES: [&str; 3] = ["laptop", "jetson", "desktop"];

/// Recipes of every layer, finest first.
const RECIPES: [&str; 10] = [
    "f32",
    "bf16",
    "f16",
    "q8_0",
    "q6_K",
    "q5_0",
    "q4_K+ffn_down:q6_K,attn_v:q8_0",
    "q4_K+ffn_down:q6_K,attn_v:f16",
    "q4_K",
    "q4_0",
];

/// A model of that many blocks on three devices, of which the first is the source.
pub(crate) fn question(blocks: usize) -> Deployment {
    let option = |(index, recipe): (usize, &&str)| LayerOption {
        recipe: (*recipe).into(),
        bytes: Bytes(1000 - 10 * index as u64),
        shared: None,
        loss: Loss(index as u64),
        compute: [5, 3, 1].map(|pace| Some(Nanos(pace * (100_000 - 1000 * index as u64)))).into(),
    };
    let layer = |name: String, kv: u64| Layer {
        joined: false,
        role: name.into(),
        options: RECIPES.iter().enumerate().map(option).collect(),
        kv: Bytes(kv),
        pin: None,
        output: 0,
    };
    let mut layers = vec![layer("embedding".into(), 0)];
    layers.extend((0..blocks).map(|block| layer(format!("block {block}"), 50)));
    layers.push(layer("head".into(), 0));
    let message = |bytes: u64| {
        let time = |pair: usize| (pair / 3 != pair % 3).then_some(bytes * (1 + pair as u64));
        let time = (0..9).map(|pair| Some(Nanos(time(pair).unwrap_or(0)))).collect();
        Message { bytes: Bytes(bytes), time }
    };
    let model = Model {
        name: "small".into(),
        weight: 1,
        layers,
        loss_max: None,
        activation: Bytes(7),
        shared: Vec::new(),
        messages: vec![message(400), message(3), message(2)],
        enter: 1,
        leave: 2,
    };
    let device = |name: &str| Device {
        host: None,
        name: name.into(),
        memory: Bytes(2 << 30),
        overhead: Bytes(11),
        compute_max: None,
        traffic_max: None,
    };
    let question = Deployment {
        hosts: Vec::new(),
        name: "small".into(),
        objective: Objective::Latency,
        placement: Placement::Free,
        source: DeviceId(0),
        devices: DEVICES.map(device).into(),
        models: vec![model],
        latency_max: None,
        bottleneck_max: None,
    };
    question.checked().unwrap()
}

/// A plan: a device for each layer, and the recipes of the embedding, of even and odd blocks, and
/// of the head.
pub(crate) fn plan(question: &Deployment, devices: &str, recipes: [&str; 4]) -> Plan {
    let layers = &question.models[0].layers;
    let devices: Vec<u16> = devices.split(' ').map(|word| word.parse().unwrap()).collect();
    assert_eq!(devices.len(), layers.len());
    let assignments = layers.iter().zip(devices).enumerate().map(|(index, (layer, device))| {
        let recipe = match index {
            0 => recipes[0],
            _ if index + 1 == layers.len() => recipes[3],
            _ => recipes[2 - index % 2],
        };
        let option = layer.options.iter().position(|option| option.recipe == recipe.into());
        Assignment { device: DeviceId(device), option: OptionId(option.unwrap() as u16) }
    });
    Plan::single(assignments.collect())
}
