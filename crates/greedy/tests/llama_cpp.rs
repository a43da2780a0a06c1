//! llama.cpp's own rules on hosts whose every number is written here.

use edgeplan_greedy::{LlamaCpp, Offloading};
use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, HostId, Layer, LayerOption, Message, Model, Objective, Part,
    Placement,
};
use edgeplan_problem::{Bytes, Limits, Loss, Nanos, Silent, Solver as _, solve};

/// A processor and accelerators of these memories; blocks of 10 bytes of attention and 40 of their
/// second part, a head of 10. The processor is ten times slower.
fn host(memories: &[u64], blocks: usize, second: fn(usize) -> Part) -> Deployment {
    let devices = memories.len() + 1;
    let layer = |part: Part, bytes: u64, joined: bool| Layer {
        role: part.into(),
        options: vec![LayerOption {
            recipe: "q4_K".into(),
            bytes: Bytes(bytes),
            shared: None,
            loss: Loss(0),
            compute: (0..devices)
                .map(|device| Some(Nanos(bytes * if device == 0 { 1000 } else { 100 })))
                .collect(),
        }],
        kv: Bytes(0),
        pin: (part == Part::Embedding).then_some(DeviceId(0)),
        output: 0,
        joined,
    };
    let mut layers = vec![layer(Part::Embedding, 1, false)];
    for block in 0..blocks {
        layers.push(layer(Part::Attention(block), 10, false));
        layers.push(layer(second(block), 40, true));
    }
    layers.push(layer(Part::Head, 10, false));
    let time =
        (0..devices * devices).map(|pair| Some(Nanos(u64::from(pair / devices != pair % devices))));
    let device = |index: usize| Device {
        name: if index == 0 { "pc/cpu".into() } else { format!("pc/cuda{}", index - 1) },
        host: Some(HostId(0)),
        memory: Bytes(if index == 0 { 10_000 } else { memories[index - 1] }),
        overhead: Bytes(0),
        compute_max: None,
        traffic_max: None,
    };
    let deployment = Deployment {
        name: "host".into(),
        objective: Objective::Latency,
        placement: Placement::Contiguous,
        source: DeviceId(0),
        hosts: vec!["pc".into()],
        devices: (0..devices).map(device).collect(),
        models: vec![Model {
            name: "model".into(),
            weight: 1,
            layers,
            loss_max: None,
            activation: Bytes(0),
            shared: Vec::new(),
            messages: vec![Message { bytes: Bytes(1), time: time.collect() }],
            enter: 0,
            leave: 0,
        }],
        latency_max: None,
        bottleneck_max: None,
    };
    deployment.checked().unwrap()
}

/// The devices of attention and second part by block, and of the head.
fn placed(instance: &Deployment, way: Offloading) -> (Vec<(u16, u16)>, u16) {
    let outcome = solve(instance, &LlamaCpp::new(way), Limits::default(), &mut Silent);
    let plan = outcome.plan.unwrap();
    let devices: Vec<u16> = plan.models[0].iter().map(|layer| layer.device.0).collect();
    let (head, blocks) = devices[1..].split_last().unwrap();
    (blocks.chunks(2).map(|block| (block[0], block[1])).collect(), *head)
}

#[test]
fn fit_leaves_the_experts_of_the_last_blocks_in_ram() {
    // 10 of the head, 4 x 10 of attention, 40 of one block's experts.
    let one = host(&[110], 4, Part::Experts);
    assert_eq!(placed(&one, Offloading::Fit), (vec![(1, 1), (1, 0), (1, 0), (1, 0)], 1));
    // The second card takes all attention first; one whole block moves to the first.
    let two = host(&[50, 70], 4, Part::Experts);
    assert_eq!(placed(&two, Offloading::Fit), (vec![(1, 1), (2, 0), (2, 0), (2, 0)], 2));
    let all = host(&[110, 110], 4, Part::Experts);
    assert_eq!(placed(&all, Offloading::Fit), (vec![(1, 1), (1, 1), (2, 2), (2, 2)], 2));
}

#[test]
fn fit_fills_from_the_last_block_on_where_there_are_no_experts() {
    let dense = host(&[110], 4, Part::FeedForward);
    assert_eq!(placed(&dense, Offloading::Fit), (vec![(0, 0), (0, 0), (1, 1), (1, 1)], 1));
    // All fits in proportion to memory: five layers, the head among them.
    let two = host(&[160, 160], 4, Part::FeedForward);
    assert_eq!(placed(&two, Offloading::Fit), (vec![(1, 1), (1, 1), (1, 1), (2, 2)], 2));
    // Not even the head fits.
    let none = host(&[9], 2, Part::FeedForward);
    assert_eq!(placed(&none, Offloading::Fit), (vec![(0, 0), (0, 0)], 0));
    // No room for all attention: experts stay with none of it.
    let tight = host(&[35], 4, Part::Experts);
    assert_eq!(placed(&tight, Offloading::Fit), (vec![(0, 0), (0, 0), (1, 0), (1, 0)], 1));
}

#[test]
fn one_number_is_tried_at_all_values() {
    let one = host(&[110], 4, Part::Experts);
    assert_eq!(placed(&one, Offloading::CpuExperts), (vec![(1, 0), (1, 0), (1, 0), (1, 1)], 1));
    assert_eq!(placed(&one, Offloading::GpuLayers), (vec![(0, 0), (0, 0), (1, 1), (1, 1)], 1));
}

#[test]
fn what_is_no_such_host_is_not_supported() {
    let mut alone = host(&[110], 2, Part::Experts);
    alone.hosts.clear();
    for device in &mut alone.devices {
        device.host = None;
    }
    assert!(LlamaCpp::new(Offloading::Fit).supports(&alone).is_err());
    let dense = host(&[110], 2, Part::FeedForward);
    assert!(LlamaCpp::new(Offloading::CpuExperts).supports(&dense).is_err());
    assert!(LlamaCpp::new(Offloading::GpuLayers).supports(&dense).is_ok());
}
