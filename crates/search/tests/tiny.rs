//! The chain search against brute force on instances as degenerate as the format allows: no bytes,
//! no costs, no memory, no limits or absurd ones, budgets that one plan meets exactly, identical
//! devices, unreachable pairs, pins, shared tensors, several models.

use edgeplan_problem::deployment::{
    Assignment, Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective,
    OptionId, Placement, Plan,
};
use edgeplan_problem::{Bytes, Cost, Limits, Loss, Nanos, Problem as _, Silent, Verdict, solve};
use edgeplan_search::ChainSearch;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

/// Instances that are drawn unless `TINY_INSTANCES` says otherwise.
const INSTANCES: u64 = 3_000;
/// Plans of an instance at most.
const PLANS_MAX: u64 = 5_000;

#[test]
fn tiny_instances_are_solved_as_brute_force_solves_them() {
    let count = std::env::var("TINY_INSTANCES").ok().and_then(|text| text.parse().ok());
    let first = std::env::var("TINY_FIRST").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (mut wrong, mut feasible, mut checked) = (Vec::new(), 0, 0);
    for seed in first..first + count.unwrap_or(INSTANCES) {
        let Some(instance) = draw(seed) else { continue };
        let best = instance.brute_force().map(|(cost, _)| cost);
        checked += 1;
        feasible += u64::from(best.is_some());
        if let Err(what) = agrees(&instance, best) {
            eprintln!("seed {seed}: {what}");
            wrong.push(seed);
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} instances, seeds {wrong:?}", wrong.len());
    assert!(3 * feasible > checked && feasible < checked, "{feasible} of {checked} are feasible");
}

#[test]
fn more_devices_than_a_set_holds_change_nothing_where_they_are_of_no_use() {
    let (mut feasible, mut checked) = (0, 0);
    for seed in 0..CROWDS {
        let Some(instance) = draw(seed) else { continue };
        if instance.has_hosts() {
            continue;
        }
        let best = instance.brute_force().map(|(cost, _)| cost);
        let crowd = crowded(&instance);
        checked += 1;
        feasible += u64::from(best.is_some());
        assert_eq!(agrees(&crowd, best), Ok(()), "seed {seed}");
    }
    assert!(feasible > CROWDS / 8 && feasible < checked, "{feasible} of {checked} are feasible");
}

/// Tiny instances among many devices.
const CROWDS: u64 = 400;

/// The same question with devices that can hold nothing and lead nowhere.
fn crowded(instance: &Deployment) -> Deployment {
    let (few, many) = (instance.devices.len(), instance.devices.len() + 130);
    let mut crowd = instance.clone();
    for index in few..many {
        let name = format!("useless {index}");
        let memory = Bytes::ZERO;
        crowd.devices.push(Device { name, memory, host: None, ..instance.devices[0].clone() });
    }
    for model in &mut crowd.models {
        for option in model.layers.iter_mut().flat_map(|layer| &mut layer.options) {
            option.compute.resize(many, None);
        }
        for message in &mut model.messages {
            let old = std::mem::take(&mut message.time);
            let pairs = (0..many * many).map(|pair| (pair / many, pair % many));
            let time = |(from, to)| match from < few && to < few {
                true => old[from * few + to],
                false => (from == to).then_some(Nanos::ZERO),
            };
            message.time = pairs.map(time).collect();
        }
    }
    crowd.checked().expect("it was one before")
}

/// Whether the search says what is true.
fn agrees(instance: &Deployment, best: Option<Cost>) -> Result<(), String> {
    let limits = Limits { gap: 0.0, steps: Some(5_000_000), ..Limits::default() };
    let search = std::panic::AssertUnwindSafe(|| {
        solve(instance, &ChainSearch::default(), limits, &mut Silent).verdict
    });
    let Ok(verdict) = std::panic::catch_unwind(search) else { return Err("a panic".into()) };
    let right = match (&verdict, best) {
        (Verdict::Optimal { cost, lower_bound }, Some(best)) => {
            *cost == best && *lower_bound == best
        }
        (Verdict::Infeasible, None) => true,
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("{verdict:?}, and the best is {best:?}")) }
}

/// What an instance is drawn from: most amounts of each kind.
struct Draw {
    random: Pcg64Mcg,
    devices: usize,
    bytes: u64,
    time: u64,
    hop: u64,
    loss: u64,
    /// Of so many pairs one cannot be.
    gaps: u32,
}

fn draw(seed: u64) -> Option<Deployment> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let most = |random: &mut Pcg64Mcg| [0, 0, 1, 2, 7, 1_000, 1 << 33][random.random_range(0..7)];
    let mut draw = Draw {
        devices: random.random_range(1..=4),
        bytes: most(&mut random),
        time: most(&mut random),
        hop: most(&mut random),
        loss: most(&mut random),
        gaps: [4, 10, 1_000_000][random.random_range(0..3)],
        random,
    };
    let instance = draw.instance();
    (instance.plan_count() <= PLANS_MAX)
        .then(|| instance.checked().expect("the instance makes sense"))
}

impl Draw {
    fn chance(&mut self, of: u32) -> bool {
        self.random.random_range(0..of) == 0
    }

    fn up_to(&mut self, most: u64) -> u64 {
        self.random.random_range(0..=most)
    }

    fn instance(&mut self) -> Deployment {
        let objectives = [Objective::Latency, Objective::Bottleneck, Objective::Memory];
        let placements = [Placement::Contiguous, Placement::Free];
        let models = if self.chance(4) { 2 } else { 1 };
        let mut devices: Vec<Device> = (0..self.devices).map(|index| self.device(index)).collect();
        if self.chance(3) {
            // Identical devices but for their names.
            let first = devices[0].clone();
            devices.iter_mut().skip(1).for_each(|device| {
                *device = Device { name: device.name.clone(), ..first.clone() };
            });
        }
        let mut instance = Deployment {
            hosts: Vec::new(),
            name: "tiny".into(),
            objective: objectives[self.random.random_range(0..3)],
            placement: placements[self.random.random_range(0..2)],
            source: DeviceId(self.random.random_range(0..self.devices) as u16),
            devices,
            models: (0..models).map(|index| self.model(index, models)).collect(),
            latency_max: None,
            bottleneck_max: None,
        };
        self.limit(&mut instance);
        instance
    }

    fn device(&mut self, index: usize) -> Device {
        let memory = [0, self.bytes, 3 * self.bytes, 1 << 40][self.random.random_range(0..4)];
        let absurd = |draw: &mut Self, most: u64| {
            let limit = [u64::MAX, u64::MAX - 1, 1 << 62, most, 0][draw.random.random_range(0..5)];
            draw.chance(6).then_some(limit)
        };
        Device {
            host: None,
            name: format!("d{index}"),
            memory: Bytes(memory),
            overhead: Bytes(if self.chance(3) { self.up_to(self.bytes) } else { 0 }),
            compute_max: absurd(self, 2 * self.time).map(Nanos),
            traffic_max: absurd(self, 2 * self.bytes).map(Bytes),
        }
    }

    fn model(&mut self, index: usize, models: usize) -> Model {
        let layers = self.random.random_range(1..=if models > 1 { 2 } else { 4 });
        let shared: Vec<Bytes> =
            (0..self.random.random_range(0..3)).map(|_| Bytes(self.up_to(self.bytes))).collect();
        let messages: Vec<Message> = (0..2).map(|_| self.message()).collect();
        let loss_max = [0, self.loss, 2 * self.loss, u64::MAX][self.random.random_range(0..4)];
        Model {
            name: format!("m{index}"),
            weight: [1, 1, 1, 3, 1_000][self.random.random_range(0..5)],
            layers: (0..layers).map(|layer| self.layer(layer, shared.len())).collect(),
            loss_max: self.chance(2).then_some(Loss(loss_max)),
            activation: Bytes(if self.chance(3) { self.up_to(self.bytes) } else { 0 }),
            shared,
            messages,
            enter: self.random.random_range(0..2),
            leave: self.random.random_range(0..2),
        }
    }

    fn message(&mut self) -> Message {
        let mut time = Vec::new();
        for from in 0..self.devices {
            for to in 0..self.devices {
                let none = self.chance(self.gaps);
                let hop = Nanos(self.up_to(self.hop));
                time.push(match from == to {
                    true => Some(Nanos::ZERO),
                    false => (!none).then_some(hop),
                });
            }
        }
        Message { bytes: Bytes(self.up_to(self.bytes)), time }
    }

    fn layer(&mut self, index: usize, shared: usize) -> Layer {
        let options = self.random.random_range(1..=3);
        let pin = self.random.random_range(0..self.devices) as u16;
        Layer {
            joined: false,
            role: format!("l{index}").into(),
            options: (0..options).map(|option| self.option(option, shared)).collect(),
            kv: Bytes(if self.chance(4) { self.up_to(self.bytes) } else { 0 }),
            pin: self.chance(8).then_some(DeviceId(pin)),
            output: self.random.random_range(0..2),
        }
    }

    fn option(&mut self, index: usize, shared: usize) -> LayerOption {
        let same = self.chance(2).then(|| self.up_to(self.time));
        let compute = (0..self.devices).map(|_| {
            let time = same.unwrap_or_else(|| self.up_to(self.time));
            (!self.chance(self.gaps)).then_some(Nanos(time))
        });
        let compute = compute.collect();
        let shared = (shared > 0 && self.chance(4)).then(|| self.random.random_range(0..shared));
        let bytes = Bytes(self.up_to(self.bytes));
        let loss = Loss(self.up_to(self.loss));
        LayerOption { recipe: format!("r{index}").into(), bytes, shared, loss, compute }
    }

    /// Limits, some of them exactly what some plan needs.
    fn limit(&mut self, instance: &mut Deployment) {
        let mut assignments = |layer: &Layer| Assignment {
            device: layer.pin.unwrap_or(DeviceId(self.random.random_range(0..self.devices) as u16)),
            option: OptionId(self.random.random_range(0..layer.options.len()) as u16),
        };
        let models = instance.models.iter();
        let models = models.map(|model| model.layers.iter().map(&mut assignments).collect());
        let plan = Plan { models: models.collect() };
        let account = instance.evaluate(&plan).account;
        let latency = account.models.iter().map(|model| model.latency).max();
        if self.chance(3) {
            instance.latency_max = if self.chance(6) { Some(Nanos::MAX) } else { latency };
        }
        if self.chance(3) {
            let met = if self.chance(6) { Nanos(u64::MAX - 7) } else { account.bottleneck };
            instance.bottleneck_max = Some(met);
        }
        let exact = self.chance(2);
        for (device, bill) in instance.devices.iter_mut().zip(&account.devices) {
            if exact && bill.used {
                device.memory = bill.memory();
            }
            if self.chance(8) {
                device.compute_max = Some(bill.compute);
            }
            if self.chance(8) {
                device.traffic_max = Some(bill.sent);
            }
        }
        for (model, bill) in instance.models.iter_mut().zip(&account.models) {
            if self.chance(3) {
                model.loss_max = Some(bill.loss);
            }
        }
    }
}
