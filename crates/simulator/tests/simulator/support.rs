//! Chains of stages with given times, and random traces.

use edgeplan_problem::deployment::{
    Assignment, Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective,
    OptionId, Placement, Plan,
};
use edgeplan_problem::{Bytes, Loss, Nanos};
use edgeplan_simulator::{Request, Size};
use proptest::prelude::*;

/// A layer per element, each with its device, compute time and KV cache; every message between two
/// devices takes `hop`. The source is device 0; each device has room for `caches` bytes of cache.
pub(crate) fn chain(layers: &[(u16, u64, u64)], hop: u64, caches: u64) -> (Deployment, Plan) {
    let devices = 1 + layers.iter().map(|layer| layer.0).max().unwrap_or(0);
    let count = usize::from(devices);
    let device = |index| Device {
        host: None,
        name: format!("d{index}"),
        memory: Bytes(caches + layers.len() as u64),
        overhead: Bytes::ZERO,
        compute_max: None,
        traffic_max: None,
    };
    let layer = |&(_, time, kv): &(u16, u64, u64)| Layer {
        joined: false,
        role: "l".into(),
        options: vec![LayerOption {
            recipe: "r".into(),
            bytes: Bytes(1),
            shared: None,
            loss: Loss::ZERO,
            compute: vec![Some(Nanos(time)); count],
        }],
        kv: Bytes(kv),
        pin: None,
        output: 0,
    };
    let time = |pair| if pair / count == pair % count { Nanos::ZERO } else { Nanos(hop) };
    let times: Vec<Option<Nanos>> = (0..count * count).map(|pair| Some(time(pair))).collect();
    let instance = Deployment {
        hosts: Vec::new(),
        name: "chain".into(),
        objective: Objective::Latency,
        placement: Placement::Free,
        source: DeviceId(0),
        devices: (0..devices).map(device).collect(),
        models: vec![Model {
            name: "m".into(),
            weight: 1,
            layers: layers.iter().map(layer).collect(),
            loss_max: None,
            activation: Bytes::ZERO,
            shared: Vec::new(),
            messages: vec![Message { bytes: Bytes(1), time: times }],
            enter: 0,
            leave: 0,
        }],
        latency_max: None,
        bottleneck_max: None,
    };
    let place =
        |layer: &(u16, u64, u64)| Assignment { device: DeviceId(layer.0), option: OptionId(0) };
    let plan = Plan::single(layers.iter().map(place).collect());
    (instance.checked().expect("sensible"), plan)
}

/// Up to 40 requests of few tokens, often at the same time.
pub(crate) fn traces() -> impl Strategy<Value = Vec<Request>> {
    let request = (0..40u64, 1..12u32, 0..6u32, proptest::option::of(1..500u64));
    proptest::collection::vec(request, 1..40).prop_map(|rows| {
        let mut now = 0;
        let request = |(gap, prompt, generate, deadline): (u64, u32, u32, Option<u64>)| {
            now += gap / 4 * 10;
            let size = Size { prompt, generate };
            Request { arrival: Nanos(now), size, model: 0, deadline: deadline.map(Nanos) }
        };
        rows.into_iter().map(request).collect()
    })
}
