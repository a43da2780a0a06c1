//! Where each count's variable is, and counts as plain numbers.

use edgeplan_mip::{Program, Variable};
use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId};

use super::classes::{Classes, Spot};

/// `n[c,d,o]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) spot: Spot,
    pub(super) variable: Variable,
}

/// `n[c,d]`, and `w[c,d]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) class: usize,
    pub(super) device: DeviceId,
    pub(super) variable: Variable,
    pub(super) is_any: Variable,
}

/// A layer's class and device, and those of the next layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passage {
    pub(super) classes: [usize; 2],
    pub(super) devices: [DeviceId; 2],
}

/// `y[c,e,d,f]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) passage: Passage,
    pub(super) time: Nanos,
    pub(super) variable: Variable,
}

/// `b[c]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    pub(super) class: usize,
    pub(super) variable: Variable,
}

/// Units of loss in what is allowed.
pub(super) const LOSS_UNITS: f64 = 1e4;

/// All variables.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) classes: Classes,
    pub(super) counted: Vec<Counted>,
    pub(super) held: Vec<Held>,
    pub(super) steps: Vec<Step>,
    /// By device.
    pub(super) starts: Vec<Variable>,
    pub(super) ends: Vec<Variable>,
    pub(super) used: Vec<Variable>,
    /// By host.
    pub(super) entered: Vec<Variable>,
    /// By device, by shared tensor.
    pub(super) copies: Vec<Vec<Variable>>,
    pub(super) losses: Vec<Lost>,
    /// One unit of what classes lose.
    pub(super) loss_unit: f64,
    /// Host by device.
    pub(super) hosts: Vec<usize>,
}

impl Layout {
    /// Makes the variables of an instance of one model.
    pub(super) fn new(instance: &Deployment, program: &mut Program) -> Self {
        let classes = Classes::new(instance);
        let hosts = instance.host_by_device();
        let devices = instance.devices.len();
        let count = |program: &mut Program, most: u64| program.integer(most as f64);
        let (mut counted, mut held) = (Vec::<Counted>::new(), Vec::new());
        for class in 0..classes.layers.len() {
            let size = classes.size(class);
            for spot in classes.spots(instance, class) {
                let known = held
                    .iter()
                    .any(|held: &Held| (held.class, held.device) == (spot.class, spot.device));
                if !known {
                    let variable = count(program, size);
                    let is_any = if size > 1 { program.binary() } else { variable };
                    held.push(Held { class, device: spot.device, variable, is_any });
                }
                counted.push(Counted { spot, variable: count(program, size) });
            }
        }
        let steps = steps(instance, &classes, &held, program);
        let ends = [0, classes.of_layer.len() - 1].map(|layer| {
            let can = |device: DeviceId| {
                let class = classes.of_layer[layer];
                let here = held.iter().any(|held| (held.class, held.device) == (class, device));
                let way = match layer {
                    0 => instance.enter(&instance.models[0], device),
                    _ => instance.leave(&instance.models[0], device),
                };
                here && way.is_some()
            };
            let most = instance.device_ids().map(|device| u64::from(can(device)));
            most.map(|most| program.integer(most as f64)).collect::<Vec<_>>()
        });
        let [starts, ends] = ends;
        let used = (0..devices).map(|_| program.binary()).collect();
        let last = hosts.iter().max().map_or(0, |last| last + 1);
        let entered = (0..last).map(|_| program.binary()).collect();
        let shared = instance.models[0].shared.len();
        let copies =
            (0..devices).map(|_| (0..shared).map(|_| program.binary()).collect()).collect();
        let losses = losses(instance, &classes, program);
        let budget = instance.models[0].loss_max.map_or(1.0, |most| most.0 as f64);
        let loss_unit = (budget / LOSS_UNITS).max(1.0);
        Self {
            classes,
            counted,
            held,
            steps,
            starts,
            ends,
            used,
            entered,
            copies,
            losses,
            loss_unit,
            hosts,
        }
    }

    /// The vector that a plan means; none if the program excludes it.
    pub(super) fn encode(
        &self,
        instance: &Deployment,
        plan: &[Assignment],
        columns: usize,
    ) -> Option<Vec<f64>> {
        let mut values = vec![0.0; columns];
        let add = |values: &mut Vec<f64>, variable: Variable| values[variable.index()] += 1.0;
        let set = |values: &mut Vec<f64>, variable: Variable| values[variable.index()] = 1.0;
        for (layer, &at) in plan.iter().enumerate() {
            let class = self.classes.of_layer[layer];
            let counted = self.counted_as(instance, class, at)?;
            add(&mut values, counted.variable);
            let held = |held: &&Held| (held.class, held.device) == (class, at.device);
            let held = self.held.iter().find(held)?;
            add(&mut values, held.variable);
            values[held.is_any.index()] = values[held.is_any.index()].max(1.0);
            set(&mut values, self.used[at.device.index()]);
            set(&mut values, self.entered[self.hosts[at.device.index()]]);
            let option = counted.spot.option;
            let stored = &instance.models[0].layers[layer].options[option.index()];
            if let Some(shared) = stored.shared {
                set(&mut values, self.copies[at.device.index()][shared]);
            }
            let lost = |lost: &&Lost| lost.class == class;
            if let Some(lost) = self.losses.iter().find(lost) {
                values[lost.variable.index()] += stored.loss.0 as f64 / self.loss_unit;
            }
            if layer > 0 {
                let classes = [self.classes.of_layer[layer - 1], class];
                let devices = [plan[layer - 1].device, at.device];
                let step = self.steps.iter().find(|s| s.passage == Passage { classes, devices })?;
                add(&mut values, step.variable);
            }
        }
        set(&mut values, self.starts[plan.first()?.device.index()]);
        set(&mut values, self.ends[plan.last()?.device.index()]);
        Some(values)
    }

    /// The count that a layer there adds to: of its option, or of one that beats it.
    fn counted_as(&self, instance: &Deployment, class: usize, at: Assignment) -> Option<&Counted> {
        let here =
            |counted: &&Counted| (counted.spot.class, counted.spot.device) == (class, at.device);
        let same = self.counted.iter().filter(here).find(|c| c.spot.option == at.option);
        let beats = |counted: &&Counted| {
            self.classes.beats(instance, class, at.device, [counted.spot.option, at.option])
        };
        same.or_else(|| self.counted.iter().filter(here).find(beats))
    }
}

fn steps(
    instance: &Deployment,
    classes: &Classes,
    held: &[Held],
    program: &mut Program,
) -> Vec<Step> {
    let model = &instance.models[0];
    let mut pairs: Vec<[usize; 2]> =
        classes.of_layer.windows(2).map(|pair| [pair[0], pair[1]]).collect();
    let all = pairs.clone();
    pairs.sort_unstable();
    pairs.dedup();
    let mut steps = Vec::new();
    for pair in pairs {
        let size = all.iter().filter(|other| **other == pair).count();
        let [first, next] = pair.map(|class| classes.layers[class][0]);
        for from in held.iter().filter(|held| held.class == pair[0]) {
            for to in held.iter().filter(|held| held.class == pair[1]) {
                let devices = [from.device, to.device];
                let is_inside = instance.share_host(from.device, to.device);
                let torn = model.layers[next].joined && !is_inside;
                let time = instance.transfer(model, first, from.device, to.device);
                let Some(time) = time.filter(|_| !torn) else { continue };
                let most = if is_inside { size } else { 1 };
                let variable = program.integer(most as f64);
                steps.push(Step { passage: Passage { classes: pair, devices }, time, variable });
            }
        }
    }
    steps
}

/// What classes lose whose layers lose different amounts.
fn losses(instance: &Deployment, classes: &Classes, program: &mut Program) -> Vec<Lost> {
    if instance.models[0].loss_max.is_none() {
        return Vec::new();
    }
    let all = 0..classes.layers.len();
    let differ = all.filter(|&class| !classes.lose_alike(instance, class));
    differ.map(|class| Lost { class, variable: program.continuous(0.0, None) }).collect()
}
