//! Plans that a picture must survive, from the ordinary to the absurd.

use std::time::Duration;

use edgeplan_machines::cluster::Cluster;
use edgeplan_pricing::deployment;
use edgeplan_pricing::workload::Workload;
use edgeplan_problem::deployment::{
    Assignment, Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective,
    OptionId, Placement, Plan,
};
use edgeplan_problem::{Bytes, Cost, Loss, Nanos};
use edgeplan_report::picture::Picture;

const HOME_LAB: &str = include_str!("../../../../bench-data/clusters/home-lab.toml");
const FORMATS: [(&str, u64); 6] = [
    ("q2_K", 263),
    ("q3_K", 344),
    ("q4_K", 450),
    ("q5_K+ffn_down:q6_K", 550),
    ("q6_K", 656),
    ("f16", 1_600),
];

/// A question and an answer.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) instance: Deployment,
    pub(crate) plan: Plan,
    pub(crate) verdict: &'static str,
    pub(crate) lower_bound: Option<u64>,
}

impl Case {
    pub(crate) fn picture(&self) -> Picture<'_> {
        Picture {
            instance: &self.instance,
            plan: &self.plan,
            verdict: self.verdict,
            lower_bound: self.lower_bound.map(Cost),
            solver: "highs",
            elapsed: Some(Duration::from_millis(440)),
            said: &[],
            steps: None,
        }
    }
}

pub(crate) fn all() -> Vec<Case> {
    let case = |name, (instance, plan)| Case {
        name,
        instance,
        plan,
        verdict: "feasible",
        lower_bound: None,
    };
    vec![
        Case {
            verdict: "optimal",
            lower_bound: Some(3_371_900_000),
            ..case("home-lab", home_lab())
        },
        case("pipeline", pipeline()),
        case("one", one()),
        case("wide", wide()),
        case("deep", deep()),
        case("again", again()),
        case("several", several()),
        case("hostile", hostile()),
        Case { verdict: "wrong", ..case("broken", broken()) },
        Case { verdict: "wrong", lower_bound: Some(1), ..case("misfit", misfit()) },
    ]
}

/// Llama-3.1-8B on a laptop and a desktop; the Jetsons idle.
fn home_lab() -> (Deployment, Plan) {
    let model = edgeplan_model::load("catalog:llama-3.1-8b").unwrap();
    let cluster = Cluster::parse("home-lab.toml", HOME_LAB).unwrap();
    let instance = deployment(&[model], &cluster, &Workload::default()).unwrap();
    let id = |name: &str| {
        instance.device_ids().find(|id| instance.device(*id).name == name).expect("it is there")
    };
    let (laptop, desktop) = (id("laptop"), id("desktop"));
    let layers = instance.models[0].layers.iter().enumerate().map(|(index, layer)| {
        let wanted = match index {
            0 => "f16",
            5 | 9 | 20 => "q4_K",
            33 => "q5_K",
            _ => "q4_K+",
        };
        let option = layer.options.iter().position(|option| {
            if wanted.ends_with('+') {
                option.recipe.to_string().starts_with(wanted)
            } else {
                option.recipe == wanted.into()
            }
        });
        let device = if index == 0 { laptop } else { desktop };
        Assignment { device, option: OptionId(option.unwrap_or(0) as u16) }
    });
    let plan = Plan::single(layers.collect());
    (instance, plan)
}

/// Devices of unequal size, hops of a few milliseconds, one model with every format.
fn plain(devices: usize, layers: usize) -> Deployment {
    let hop = |pair: usize| match pair % (devices + 1) {
        0 => Some(Nanos::ZERO),
        _ => Some(Nanos(2_000_000 + 137_000 * (pair as u64 % 29))),
    };
    let device = |index: usize| Device {
        host: None,
        name: format!("device-{index}"),
        memory: Bytes((4 + 3 * (index as u64 % 4)) << 30),
        overhead: Bytes(300 << 20),
        compute_max: None,
        traffic_max: None,
    };
    Deployment {
        hosts: Vec::new(),
        name: format!("plain {layers} x {devices}"),
        objective: Objective::Latency,
        placement: Placement::Free,
        source: DeviceId(0),
        devices: (0..devices).map(device).collect(),
        models: vec![Model {
            name: "model".into(),
            weight: 1,
            layers: (0..layers).map(|index| layer(index, layers, devices)).collect(),
            loss_max: Some(Loss(50_000_000)),
            activation: Bytes(80 << 20),
            shared: Vec::new(),
            messages: vec![Message {
                bytes: Bytes(16_384),
                time: (0..devices * devices).map(hop).collect(),
            }],
            enter: 0,
            leave: 0,
        }],
        latency_max: None,
        bottleneck_max: None,
    }
}

fn layer(index: usize, layers: usize, devices: usize) -> Layer {
    let options = FORMATS.map(|(recipe, bits)| LayerOption {
        recipe: recipe.into(),
        bytes: Bytes(250_000 * bits),
        shared: None,
        loss: Loss(100_000_000 / bits),
        compute: (0..devices as u64)
            .map(|device| Some(Nanos(bits * 1_000 * (7 + device % 5 * 6))))
            .collect(),
    });
    let name = match index {
        0 => "embedding".into(),
        _ if index + 1 == layers => "head".into(),
        _ => format!("block {}", index - 1),
    };
    Layer {
        joined: false,
        role: name.into(),
        options: options.to_vec(),
        kv: Bytes(24 << 20),
        pin: None,
        output: 0,
    }
}

/// Runs of those lengths on those devices, formats in slow turns.
fn runs(runs: &[(u16, usize)]) -> Vec<Assignment> {
    let devices = runs.iter().flat_map(|&(device, length)| vec![DeviceId(device); length]);
    let option = |index: usize| OptionId([5, 4, 4, 3, 2, 2, 1, 2, 3, 0, 3, 2][index / 3 % 12]);
    devices
        .enumerate()
        .map(|(index, device)| Assignment { device, option: option(index) })
        .collect()
}

/// A chain over five of seven devices.
fn pipeline() -> (Deployment, Plan) {
    let plan = runs(&[(2, 5), (1, 9), (3, 12), (5, 4), (6, 6)]);
    (plain(7, 36), Plan::single(plan))
}

/// One layer, one device, no time, no memory.
fn one() -> (Deployment, Plan) {
    let mut instance = plain(1, 1);
    instance.devices[0].memory = Bytes::ZERO;
    instance.devices[0].overhead = Bytes::ZERO;
    instance.models[0].activation = Bytes::ZERO;
    instance.models[0].layers[0].kv = Bytes::ZERO;
    for option in &mut instance.models[0].layers[0].options {
        option.bytes = Bytes::ZERO;
        option.compute = vec![Some(Nanos::ZERO)];
    }
    (instance, Plan::single(vec![Assignment::default()]))
}

fn wide() -> (Deployment, Plan) {
    let lengths: Vec<(u16, usize)> = (0..64).map(|device| (63 - device, 2)).collect();
    let mut plan = runs(&lengths);
    plan.extend([Assignment::default(); 2]);
    (plain(64, 130), Plan::single(plan))
}

fn deep() -> (Deployment, Plan) {
    (plain(40, 700), Plan::single(runs(&[(0, 1), (1, 333), (2, 266), (3, 100)])))
}

/// A device is visited twice, the source is not used, and a round's pace is what counts.
fn again() -> (Deployment, Plan) {
    let mut instance = plain(4, 20);
    instance.objective = Objective::Bottleneck;
    (instance, Plan::single(runs(&[(1, 6), (2, 5), (1, 6), (3, 3)])))
}

/// Three models of unequal size and weight share five devices.
fn several() -> (Deployment, Plan) {
    let mut instance = plain(5, 24);
    let big = instance.models[0].clone();
    let mut draft = plain(5, 8).models.remove(0);
    draft.name = "draft".into();
    draft.weight = 3;
    let mut tiny = plain(5, 1).models.remove(0);
    tiny.name = "classifier".into();
    tiny.loss_max = None;
    instance.models = vec![Model { name: "assistant".into(), ..big }, draft, tiny];
    let models = vec![runs(&[(0, 8), (2, 16)]), runs(&[(2, 8)]), runs(&[(4, 1)])];
    (instance, Plan { models })
}

/// Names that try to escape from their text, from their box, and from their line.
fn hostile() -> (Deployment, Plan) {
    let mut instance = plain(5, 12);
    instance.name = format!("<script>alert(\"{}\")</script>", "&'".repeat(150));
    instance.devices[0].name = "</svg><script>alert(1)</script>".into();
    instance.devices[1].name = "W".repeat(300);
    instance.devices[2].name = "🦙🦙 héhé ]]> \u{202e}reversed\u{0}\n👩‍👧 漢字漢字漢字漢字".into();
    instance.devices[3].name = String::new();
    instance.devices[4].name = "😀".repeat(300);
    for (index, layer) in instance.models[0].layers.iter_mut().enumerate() {
        layer.role = format!("{}<{index}>", "\"quoted\" ".repeat(index * 5)).into();
        for option in &mut layer.options {
            option.recipe = format!("q{index}_{}\u{7}+<x>:&y", "漢".repeat(index * 10)).into();
        }
    }
    (instance, Plan::single(runs(&[(1, 3), (0, 3), (2, 3), (3, 3)])))
}

/// Too much for the memories, for the quality and for the links.
fn broken() -> (Deployment, Plan) {
    let mut instance = plain(3, 12);
    instance.placement = Placement::Contiguous;
    instance.latency_max = Some(Nanos(1));
    instance.devices[1].memory = Bytes(900 << 20);
    instance.devices[2].memory = Bytes::ZERO;
    instance.models[0].loss_max = Some(Loss(1));
    instance.models[0].layers[4].pin = Some(DeviceId(0));
    instance.models[0].messages[0].time[5] = None;
    (instance, Plan::single(runs(&[(1, 6), (2, 3), (1, 3)])))
}

/// A plan of another instance.
fn misfit() -> (Deployment, Plan) {
    (plain(3, 12), Plan::single(runs(&[(0, 3)])))
}
