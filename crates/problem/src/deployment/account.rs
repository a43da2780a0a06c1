//! The bill: the one definition of what a plan costs and whether it is feasible.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Deployment, DeviceId, Model, Objective, Placement, Plan, Violation};
use crate::recipe::Recipe;
use crate::{Bytes, Cost, Evaluation, Loss, Nanos, Problem};

/// Where a plan's time, memory and quality go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// By device.
    pub devices: Vec<DeviceAccount>,
    /// By model.
    pub models: Vec<ModelAccount>,
    /// The busiest device or sender per round.
    pub bottleneck: Nanos,
}

/// What a plan does to one device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceAccount {
    /// Whether any layer is here.
    pub used: bool,
    /// Bytes of weights, each shared tensor once.
    pub weights: Bytes,
    /// Bytes of KV cache.
    pub kv: Bytes,
    /// Bytes of activation buffers.
    pub activations: Bytes,
    /// Bytes of the runtime.
    pub overhead: Bytes,
    /// Compute time per round.
    pub compute: Nanos,
    /// Time spent sending per round.
    pub sending: Nanos,
    /// Bytes sent per round.
    pub sent: Bytes,
}

impl DeviceAccount {
    /// All bytes.
    pub fn memory(&self) -> Bytes {
        self.weights + self.kv + self.activations + self.overhead
    }
}

/// What a plan does to one model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelAccount {
    /// Time of one request: enter + stages + leave.
    pub latency: Nanos,
    /// The prompt's way from the source.
    pub enter: Nanos,
    /// The answer's way to the source.
    pub leave: Nanos,
    /// The runs of layers, in chain order.
    pub stages: Vec<Stage>,
    /// Loss by layer.
    pub loss_by_layer: Vec<Loss>,
    /// Their sum.
    pub loss: Loss,
}

/// A run of consecutive layers on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// The device.
    pub device: DeviceId,
    /// First layer.
    pub first: usize,
    /// Last layer.
    pub last: usize,
    /// Time of one request's compute.
    pub compute: Nanos,
    /// Time to move the output to the next stage; zero on the last stage, whose way back is
    /// [`ModelAccount::leave`].
    pub hop: Nanos,
    /// Bytes of its weights, shared tensors included, and KV cache.
    pub bytes: Bytes,
}

impl Account {
    /// Bytes over all devices.
    pub fn memory(&self) -> Bytes {
        self.devices.iter().map(DeviceAccount::memory).sum()
    }
}

/// Consecutive stages on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The stages, by their place in [`ModelAccount::stages`].
    pub stages: Range<usize>,
    /// The host's devices that hold a stage, in the order of their first.
    pub devices: Vec<DeviceId>,
}

impl Deployment {
    /// The visits of hosts that these stages are, in chain order.
    pub fn visits(&self, stages: &[Stage]) -> Vec<Visit> {
        let mut visits: Vec<Visit> = Vec::new();
        for (index, stage) in stages.iter().enumerate() {
            let device = stage.device;
            match visits.last_mut() {
                Some(visit) if self.share_host(visit.devices[0], device) => {
                    visit.stages.end = index + 1;
                    if !visit.devices.contains(&device) {
                        visit.devices.push(device);
                    }
                }
                _ => visits.push(Visit { stages: index..index + 1, devices: vec![device] }),
            }
        }
        visits
    }
}

impl Problem for Deployment {
    type Plan = Plan;
    type Violation = Violation;
    type Account = Account;

    /// Prices a plan in O(layers + devices).
    fn evaluate(&self, plan: &Plan) -> Evaluation<Self> {
        if let Err(what) = self.fits(plan) {
            let violations = vec![Violation::Shape(what)];
            return Evaluation { cost: Cost::MAX, violations, account: Account::default() };
        }
        let mut bill = Bill { instance: self, account: Account::default(), violations: Vec::new() };
        bill.account.devices = vec![DeviceAccount::default(); self.devices.len()];
        for (index, model) in self.models.iter().enumerate() {
            bill.add_model(model, plan, index);
        }
        bill.check_devices();
        let Bill { account, violations, .. } = bill;
        let cost = match self.objective {
            Objective::Latency => {
                let weighted =
                    |(model, bill): (&Model, &ModelAccount)| bill.latency * u64::from(model.weight);
                Cost(self.models.iter().zip(&account.models).map(weighted).sum::<Nanos>().0)
            }
            Objective::Bottleneck => Cost(account.bottleneck.0),
            Objective::Memory => Cost(account.memory().0),
        };
        Evaluation { cost, violations, account }
    }
}

impl Deployment {
    /// Whether the plan has the instance's shape.
    fn fits(&self, plan: &Plan) -> Result<(), String> {
        if plan.models.len() != self.models.len() {
            return Err(format!("{} models instead of {}", plan.models.len(), self.models.len()));
        }
        for (model, layers) in self.models.iter().zip(&plan.models) {
            if layers.len() != model.layers.len() {
                let (has, needs) = (layers.len(), model.layers.len());
                return Err(format!("{} has {needs} layers, the plan {has}", model.name));
            }
            for (layer, assignment) in model.layers.iter().zip(layers) {
                if assignment.device.index() >= self.devices.len() {
                    return Err(format!("{}: no device {}", layer.role, assignment.device.0));
                }
                if assignment.option.index() >= layer.options.len() {
                    return Err(format!("{}: no option {}", layer.role, assignment.option.0));
                }
            }
        }
        Ok(())
    }
}

/// A bill in the making.
struct Bill<'a> {
    instance: &'a Deployment,
    account: Account,
    violations: Vec<Violation>,
}

impl Bill<'_> {
    fn name(&self, device: DeviceId) -> String {
        self.instance.device(device).name.clone()
    }

    fn add_model(&mut self, model: &Model, plan: &Plan, index: usize) {
        let stages = self.stages(model, plan, index);
        self.check_runs(model, &stages);
        let ends = (stages[0].device, stages[stages.len() - 1].device);
        let source = self.instance.source;
        let enter = self.send(model, model.enter, (source, ends.0));
        let leave = self.send(model, model.leave, (ends.1, source));
        let latency = enter + stages.iter().map(|stage| stage.compute + stage.hop).sum() + leave;

        let chosen = model.layers.iter().zip(&plan.models[index]);
        let loss_by_layer: Vec<Loss> =
            chosen.map(|(layer, choice)| layer.options[choice.option.index()].loss).collect();
        let loss = loss_by_layer.iter().copied().sum();
        if let Some(available) = model.loss_max.filter(|&budget| loss > budget) {
            self.violations.push(Violation::Quality { model: model.name.clone(), loss, available });
        }
        if let Some(available) = self.instance.latency_max.filter(|&limit| latency > limit) {
            let model = model.name.clone();
            self.violations.push(Violation::Latency { model, needed: latency, available });
        }
        self.account.models.push(ModelAccount {
            latency,
            enter,
            leave,
            stages,
            loss_by_layer,
            loss,
        });
    }

    /// Prices the runs of layers: compute, memory, and the hops between them.
    fn stages(&mut self, model: &Model, plan: &Plan, index: usize) -> Vec<Stage> {
        let mut shared_here = BTreeSet::new();
        let segments = plan.segments(index);
        let mut stages = Vec::with_capacity(segments.len());
        for (position, run) in segments.iter().enumerate() {
            let account = &mut self.account.devices[run.device.index()];
            account.used = true;
            let before = account.weights + account.kv;
            let mut compute = Nanos::ZERO;
            for layer in run.first..=run.last {
                let option = plan.models[index][layer].option;
                let choice = &model.layers[layer].options[option.index()];
                account.kv += model.layers[layer].kv;
                account.weights += choice.bytes;
                if let Some(shared) =
                    choice.shared.filter(|&id| shared_here.insert((run.device, id)))
                {
                    account.weights += model.shared[shared];
                }
                match model.compute(layer, run.device, option) {
                    Some(time) => compute += time,
                    None => self.violations.push(unusable(
                        self.instance,
                        model,
                        layer,
                        run.device,
                        &choice.recipe,
                    )),
                }
            }
            account.compute += compute * u64::from(model.weight);
            let bytes = account.weights + account.kv - before;
            let hop = match segments.get(position + 1) {
                Some(next) => {
                    self.send(model, model.layers[run.last].output, (run.device, next.device))
                }
                None => Nanos::ZERO,
            };
            let (device, first, last) = (run.device, run.first, run.last);
            stages.push(Stage { device, first, last, compute, hop, bytes });
        }
        stages
    }

    /// Books a message on its sender and returns its time.
    fn send(&mut self, model: &Model, message: usize, ends: (DeviceId, DeviceId)) -> Nanos {
        let (from, to) = ends;
        if from == to {
            return Nanos::ZERO;
        }
        let Some(time) = self.instance.message_time(model, message, from, to) else {
            let violation = Violation::Unreachable { from: self.name(from), to: self.name(to) };
            self.violations.push(violation);
            return Nanos::ZERO;
        };
        let sender = &mut self.account.devices[from.index()];
        sender.sending += time * u64::from(model.weight);
        sender.sent += model.messages[message].bytes * u64::from(model.weight);
        time
    }

    /// Books activations, and refuses hosts that are entered twice where placement is contiguous,
    /// and blocks that lie on two hosts.
    fn check_runs(&mut self, model: &Model, stages: &[Stage]) {
        let mut seen = BTreeSet::new();
        for (index, stage) in stages.iter().enumerate() {
            if seen.insert(stage.device) {
                self.account.devices[stage.device.index()].activations += model.activation;
            }
            let Some(before) = index.checked_sub(1).map(|before| &stages[before]) else { continue };
            if self.instance.share_host(before.device, stage.device) {
                continue;
            }
            let mut left = stages[..index].iter();
            let again = left.any(|other| self.instance.share_host(other.device, stage.device));
            if again && self.instance.placement == Placement::Contiguous {
                let host = self.instance.host_name(stage.device).to_owned();
                self.violations.push(Violation::Split { model: model.name.clone(), host });
            }
            if model.layers[stage.first].joined {
                let layer = format!("{} {}", model.name, model.layers[stage.first].role);
                let (from, to) = (self.name(before.device), self.name(stage.device));
                self.violations.push(Violation::Torn { layer, from, to });
            }
        }
    }

    /// Books overheads, finds the bottleneck, and checks every budget.
    fn check_devices(&mut self) {
        for id in self.instance.device_ids() {
            let device = self.instance.device(id);
            let account = &mut self.account.devices[id.index()];
            if account.used {
                account.overhead = device.overhead;
            }
            let account = *account;
            let busiest = account.compute.max(account.sending);
            self.account.bottleneck = self.account.bottleneck.max(busiest);

            let (name, needed) = (|| device.name.clone(), account.memory());
            if account.used && needed > device.memory {
                let available = device.memory;
                self.violations.push(Violation::Memory { device: name(), needed, available });
            }
            if let Some(available) = device.compute_max.filter(|&max| account.compute > max) {
                let needed = account.compute;
                self.violations.push(Violation::Compute { device: name(), needed, available });
            }
            if let Some(available) = device.traffic_max.filter(|&max| account.sent > max) {
                let needed = account.sent;
                self.violations.push(Violation::Traffic { device: name(), needed, available });
            }
        }
        let needed = self.account.bottleneck;
        if let Some(available) = self.instance.bottleneck_max.filter(|&limit| needed > limit) {
            self.violations.push(Violation::Bottleneck { needed, available });
        }
    }
}

fn unusable(
    instance: &Deployment,
    model: &Model,
    layer: usize,
    device: DeviceId,
    recipe: &Recipe,
) -> Violation {
    let name = |id: DeviceId| instance.device(id).name.clone();
    let place = format!("{} {}", model.name, model.layers[layer].role);
    match model.layers[layer].pin.filter(|&pin| pin != device) {
        Some(pin) => Violation::Pin { layer: place, device: name(device), pin: name(pin) },
        None => {
            Violation::Unusable { layer: place, device: name(device), recipe: recipe.to_string() }
        }
    }
}
