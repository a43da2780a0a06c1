//! Small instances in one line each, and what the tests ask of an outcome.

use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective, Placement, Plan,
};
use edgeplan_problem::{Bytes, Limits, Loss, Nanos, Outcome, Silent, Solver, solve};

/// A message that takes `time(from, to)`.
pub(crate) fn message(
    devices: usize,
    bytes: u64,
    time: impl Fn(usize, usize) -> Option<u64>,
) -> Message {
    let pairs = (0..devices).flat_map(|from| (0..devices).map(move |to| (from, to)));
    let time = pairs.map(|(from, to)| if from == to { Some(0) } else { time(from, to) });
    Message { bytes: Bytes(bytes), time: time.map(|t| t.map(Nanos)).collect() }
}

/// A layer with one option of that many bytes and those times by device.
pub(crate) fn layer(name: String, bytes: u64, compute: &[Option<u64>]) -> Layer {
    let compute = compute.iter().map(|time| time.map(Nanos)).collect();
    let option = LayerOption {
        recipe: "f32".into(),
        bytes: Bytes(bytes),
        shared: None,
        loss: Loss::ZERO,
        compute,
    };
    Layer {
        joined: false,
        role: name.into(),
        options: vec![option],
        kv: Bytes::ZERO,
        pin: None,
        output: 0,
    }
}

/// A device with that much memory and nothing else.
pub(crate) fn device(name: String, memory: u64) -> Device {
    Device {
        host: None,
        name,
        memory: Bytes(memory),
        overhead: Bytes::ZERO,
        compute_max: None,
        traffic_max: None,
    }
}

/// One model of these layers on these devices, contiguous, starting at device 0; all messages are
/// the first of `messages`.
pub(crate) fn deployment(
    objective: Objective,
    devices: Vec<Device>,
    layers: Vec<Layer>,
    messages: Vec<Message>,
) -> Deployment {
    let model = Model {
        name: "model".into(),
        weight: 1,
        layers,
        loss_max: None,
        activation: Bytes::ZERO,
        shared: Vec::new(),
        messages,
        enter: 0,
        leave: 0,
    };
    Deployment {
        hosts: Vec::new(),
        name: "test".into(),
        objective,
        placement: Placement::Contiguous,
        source: DeviceId(0),
        devices,
        models: vec![model],
        latency_max: None,
        bottleneck_max: None,
    }
}

/// Device and layers of a plan's runs.
pub(crate) fn runs(plan: &Plan) -> Vec<(u16, usize, usize)> {
    plan.segments(0).iter().map(|run| (run.device.0, run.first, run.last)).collect()
}

/// The judged outcome without limits.
pub(crate) fn outcome(problem: &Deployment, solver: &dyn Solver<Deployment>) -> Outcome<Plan> {
    solve(problem, solver, Limits { gap: 0.0, ..Limits::default() }, &mut Silent)
}
