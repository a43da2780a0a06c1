//! The rows, family by family.

use edgeplan_mip::{Program, Variable};
use edgeplan_problem::deployment::{Deployment, DeviceId, Message, Model, Objective, Placement};
use edgeplan_problem::{Bytes, Nanos};

use super::names::RowNames;
use super::runs::least_loss;
use super::{Chain, Choice, Layout, Move};
use crate::scale::{self, Terms};

/// One unit of the bottleneck variable in nanoseconds: about a thousandth of the longest time in
/// its rows, a layer's or a message's, so that its coefficient is of the size of the others. Where
/// it was that of the longest layer, a message of days beside layers of nothing left the variable
/// with a coefficient that HiGHS takes for zero. No round part either: at exactly a thousandth,
/// ratios are whole within HiGHS's tolerance, and it rounds the variable up as if it were integer
/// (a bottleneck of 3906250000001 ns was "not below 3914 s").
pub(super) fn cycle_unit(instance: &Deployment) -> u64 {
    let longest = |model: &Model| {
        let options = model.layers.iter().flat_map(|layer| &layer.options);
        let computing = options.flat_map(|option| &option.compute);
        let sending = model.messages.iter().flat_map(|message| &message.time);
        let longest = computing.chain(sending).flatten().max().map_or(0, |longest| longest.0);
        longest.saturating_mul(u64::from(model.weight))
    };
    let longest = instance.models.iter().map(longest).max().unwrap_or(0);
    // A thousand times the golden ratio, which no ratio of small numbers comes close to.
    ((u128::from(longest) * 1_000_000 / 1_618_033_989) as u64).max(1)
}

/// A program in the making.
pub(super) struct Statement<'a> {
    pub(super) instance: &'a Deployment,
    pub(super) layout: &'a Layout,
    pub(super) program: Program,
    /// The names of its rows, where the program is written to a file.
    pub(super) names: Option<RowNames>,
}

impl Statement<'_> {
    /// Each layer once; the chain is a path; contiguity.
    pub(super) fn chains(&mut self) {
        for (model, chain) in self.instance.models.iter().zip(&self.layout.models) {
            // (1) sum_{d,o} x[l,d,o] = 1
            for (layer, choices) in model.layers.iter().zip(&chain.choices) {
                self.program.equal(choices.iter().map(|choice| (choice.variable, 1.0)), 1.0);
                self.label("once", &[&model.name, &layer.role]);
            }
            // (2) sum_e y[l,d,e] = sum_o x[l,d,o]  and  sum_d y[l,d,e] = sum_o x[l+1,e,o]
            for (layer, moves) in chain.moves.iter().enumerate() {
                let (role, next) = (&model.layers[layer].role, &model.layers[layer + 1].role);
                for device in self.instance.device_ids() {
                    let name = &self.instance.device(device).name;
                    let leaving = moves.iter().filter(|step| step.from == device);
                    self.flow(&chain.choices[layer], device, leaving);
                    self.label("leave", &[&model.name, role, name]);
                    let arriving = moves.iter().filter(|step| step.to == device);
                    self.flow(&chain.choices[layer + 1], device, arriving);
                    self.label("arrive", &[&model.name, next, name]);
                }
            }
            self.holding(model, chain);
        }
    }

    fn flow<'b>(
        &mut self,
        choices: &[Choice],
        device: DeviceId,
        moves: impl Iterator<Item = &'b Move>,
    ) {
        let here = choices.iter().filter(|choice| choice.device == device);
        let terms: Vec<(Variable, f64)> = here
            .map(|choice| (choice.variable, 1.0))
            .chain(moves.map(|step| (step.variable, -1.0)))
            .collect();
        if !terms.is_empty() {
            self.program.equal(terms, 0.0);
        }
    }

    /// Which devices hold a model at all, and contiguity.
    fn holding(&mut self, model: &Model, chain: &Chain) {
        for device in self.instance.device_ids() {
            let holds = chain.holds[device.index()];
            let first = chain.choices[0].iter().filter(|choice| choice.device == device);
            let entering = chain.moves.iter().flatten();
            let entering = entering.filter(|step| step.to == device && step.from != device);
            let entered = first.map(|choice| choice.variable);
            let entered = entered.chain(entering.map(|step| step.variable));
            let entries: Vec<(Variable, f64)> =
                entered.map(|v| (v, -1.0)).chain([(holds, 1.0)]).collect();
            match self.instance.placement {
                // (3) h[d] = sum_o x[0,d,o] + sum_{l, e != d} y[l,e,d]
                Placement::Contiguous if self.instance.is_alone(device) => {
                    self.program.equal(entries, 0.0);
                }
                // (3') h[d] <= the same sum,  sum_o x[l,d,o] <= h[d]
                Placement::Contiguous | Placement::Free => {
                    self.program.at_most(entries, 0.0);
                    for choices in &chain.choices {
                        self.implies(choices.iter().filter(|c| c.device == device), holds);
                    }
                }
            }
            let name = &self.instance.device(device).name;
            self.label("entered", &[&model.name, name]);
            // (4) h[d] <= u[d]
            let used = self.layout.used[device.index()];
            if used != holds {
                self.program.at_most([(holds, 1.0), (used, -1.0)], 0.0);
            }
            self.label("uses", &[&model.name, name]);
            self.sharing(model, chain, device);
            self.label("shared", &[&model.name, name]);
        }
        if self.instance.placement == Placement::Contiguous {
            self.entering(chain);
            self.label("host", &[&model.name]);
        }
    }

    /// (3'') a host of several devices is entered once at most, and none of its devices is used
    /// otherwise: of a host H, `sum_{d in H} (sum_o x[0,d,o] + sum_{l, e not in H} y[l,e,d]) <= 1`,
    /// and `h[d] <=` the same sum.
    fn entering(&mut self, chain: &Chain) {
        for device in self.instance.device_ids().filter(|&d| !self.instance.is_alone(d)) {
            let here = |other: DeviceId| self.instance.share_host(device, other);
            let first = chain.choices[0].iter().filter(|choice| here(choice.device));
            let moves = chain.moves.iter().flatten();
            let entering = moves.filter(|step| here(step.to) && !here(step.from));
            let entered = first.map(|choice| choice.variable);
            let entered: Vec<Variable> =
                entered.chain(entering.map(|step| step.variable)).collect();
            let holds = (chain.holds[device.index()], 1.0);
            self.program.at_most(entered.iter().map(|&v| (v, -1.0)).chain([holds]), 0.0);
            // Once for all devices of the host.
            if self.instance.device_ids().find(|&other| here(other)) == Some(device) {
                self.program.at_most(entered.iter().map(|&v| (v, 1.0)), 1.0);
            }
        }
    }

    /// At most `bound` of these choices, of which a plan makes one at most.
    pub(super) fn implies<'b>(
        &mut self,
        choices: impl Iterator<Item = &'b Choice>,
        bound: Variable,
    ) {
        let terms: Vec<(Variable, f64)> = choices.map(|choice| (choice.variable, 1.0)).collect();
        if !terms.is_empty() {
            self.program.at_most(terms.into_iter().chain([(bound, -1.0)]), 0.0);
        }
    }

    /// (5) sum over options that use shared tensor k of x[l,d,o] <= c[d,k] <= h[d]
    fn sharing(&mut self, model: &Model, chain: &Chain, device: DeviceId) {
        let holds = chain.holds[device.index()];
        for (shared, &copy) in chain.copies[device.index()].iter().enumerate() {
            self.program.at_most([(copy, 1.0), (holds, -1.0)], 0.0);
            for (layer, choices) in model.layers.iter().zip(&chain.choices) {
                let users = choices.iter().filter(|choice| {
                    choice.device == device
                        && layer.options[choice.option.index()].shared == Some(shared)
                });
                self.implies(users, copy);
            }
        }
    }

    /// Memory, compute and traffic of each device.
    pub(super) fn devices(&mut self) {
        for id in self.instance.device_ids() {
            self.memory(id);
            let device = self.instance.device(id);
            self.label("used", &[&device.name]);
            let used = self.layout.used[id.index()];
            // (8) compute of d <= C[d] u[d], where a limit on the bottleneck is one on compute;
            //     bytes that d sends <= K[d]
            let limits = [device.compute_max, self.instance.bottleneck_max];
            if let Some(limit) = limits.into_iter().flatten().min() {
                let mut compute = self.computing(id);
                compute.subtract(used, limit.0);
                scale::at_most(&mut self.program, compute, 0);
                self.label("compute", &[&device.name]);
            }
            if let Some(limit) = device.traffic_max {
                let sent = self.sending(id, |message| message.bytes.0, |_, bytes| bytes);
                scale::at_most(&mut self.program, sent, limit.0);
                self.label("traffic", &[&device.name]);
            }
            // (9) T >= compute of d,  T >= sending of d
            if let Some(cycle) = self.layout.cycle {
                let unit = cycle_unit(self.instance);
                for mut time in [self.computing(id), self.sending(id, |_| 0, |time, _| time.0)] {
                    time.subtract(cycle, unit);
                    scale::at_most(&mut self.program, time, 0);
                    self.label("cycle", &[&device.name]);
                }
            }
        }
    }

    /// Memory of one device.
    fn memory(&mut self, id: DeviceId) {
        // (6) bytes on d <= M[d] u[d]
        let used = self.layout.used[id.index()];
        let mut bytes = self.bytes(id);
        bytes.subtract(used, self.instance.device(id).memory.0);
        scale::at_most(&mut self.program, bytes, 0);
        let device = &self.instance.device(id).name;
        self.label("memory", &[device]);
        if self.layout.models.len() == 1 {
            return;
        }
        let mut holders = vec![(used, 1.0)];
        for (model, chain) in self.instance.models.iter().zip(&self.layout.models) {
            let holds = chain.holds[id.index()];
            holders.push((holds, -1.0));
            // (6') bytes of m on d <= room[m,d] h[m,d]
            if let Some(room) = self.instance.room(id, model) {
                let mut bytes = Terms::default();
                add_bytes(model, chain, id, &mut bytes);
                bytes.subtract(holds, room.0);
                scale::at_most(&mut self.program, bytes, 0);
                self.label("memory", &[&model.name, device]);
            }
        }
        // (7) u[d] <= sum_m h[m,d]
        self.program.at_most(holders, 0.0);
    }

    /// Bytes that a device stores.
    fn bytes(&self, device: DeviceId) -> Terms {
        let mut terms = Terms::default();
        for (model, chain) in self.instance.models.iter().zip(&self.layout.models) {
            add_bytes(model, chain, device, &mut terms);
            terms.add(chain.holds[device.index()], model.activation.0);
        }
        terms.add(self.layout.used[device.index()], self.instance.device(device).overhead.0);
        terms
    }

    /// Time that a device computes per round.
    fn computing(&self, device: DeviceId) -> Terms {
        let mut terms = Terms::default();
        for (model, chain) in self.instance.models.iter().zip(&self.layout.models) {
            for (layer, choices) in chain.choices.iter().enumerate() {
                for choice in choices.iter().filter(|choice| choice.device == device) {
                    let time = model.compute(layer, device, choice.option).unwrap_or_default();
                    terms.add(choice.variable, time.0 * u64::from(model.weight));
                }
            }
        }
        terms
    }

    /// What a device sends per round, measured by `amount(time, bytes)` of each message.
    fn sending(
        &self,
        device: DeviceId,
        bytes: impl Fn(&Message) -> u64,
        amount: impl Fn(Nanos, u64) -> u64,
    ) -> Terms {
        let source = self.instance.source;
        let mut terms = Terms::default();
        for (model, chain) in self.instance.models.iter().zip(&self.layout.models) {
            let weight = u64::from(model.weight);
            let size = |message: usize| bytes(&model.messages[message]);
            for (layer, moves) in model.layers.iter().zip(&chain.moves) {
                let leaving = moves.iter().filter(|step| step.from == device && step.to != device);
                for step in leaving {
                    terms.add(step.variable, weight * amount(step.time, size(layer.output)));
                }
            }
            if device != source {
                let last = chain.choices[chain.choices.len() - 1].iter();
                for choice in last.filter(|choice| choice.device == device) {
                    let time = self.instance.leave(model, device).unwrap_or_default();
                    terms.add(choice.variable, weight * amount(time, size(model.leave)));
                }
                continue;
            }
            for choice in chain.choices[0].iter().filter(|choice| choice.device != source) {
                let time = self.instance.enter(model, choice.device).unwrap_or_default();
                terms.add(choice.variable, weight * amount(time, size(model.enter)));
            }
        }
        terms
    }

    /// Quality and latency of each model; ends that cannot reach the source.
    pub(super) fn limits(&mut self) {
        for (model, chain) in self.instance.models.iter().zip(&self.layout.models) {
            self.quality(model, chain);
            self.label("quality", &[&model.name]);
            // (11) latency of each model
            if let Some(limit) = self.instance.latency_max {
                let mut latency = Terms::default();
                self.add_latency(model, chain, 1, &mut latency);
                scale::at_most(&mut self.program, latency, limit.0);
                self.label("latency", &[&model.name]);
            }
            // (12) a device that the source cannot reach holds no first layer, and so on
            let ends = [(0, true), (model.layers.len() - 1, false)];
            for (layer, entering) in ends {
                for choice in &chain.choices[layer] {
                    let route = match entering {
                        true => self.instance.enter(model, choice.device),
                        false => self.instance.leave(model, choice.device),
                    };
                    if route.is_none() {
                        self.program.columns[choice.variable.index()].upper = Some(0.0);
                    }
                }
            }
        }
    }

    /// (10) what is lost above each layer's best option is within the budget less those losses:
    /// `sum_{l,d,o} (loss[l,o] - best[l]) x[l,d,o] <= B - sum_l best[l]`.
    fn quality(&mut self, model: &Model, chain: &Chain) {
        let Some(budget) = model.loss_max else { return };
        let best = |layer: usize| least_loss(model, chain, layer);
        let unavoidable: u64 = (0..model.layers.len()).map(best).sum();
        // A budget below the unavoidable loss leaves a row that nothing satisfies.
        let met = unavoidable <= budget.0;
        let mut loss = Terms::default();
        for (layer, choices) in chain.choices.iter().enumerate() {
            let base = if met { best(layer) } else { 0 };
            for choice in choices {
                let option = &model.layers[layer].options[choice.option.index()];
                loss.add(choice.variable, option.loss.0 - base);
            }
        }
        let left = if met { budget.0 - unavoidable } else { budget.0 };
        scale::at_most(&mut self.program, loss, left);
    }

    /// Adds `weight` times one model's latency.
    fn add_latency(&self, model: &Model, chain: &Chain, weight: u64, terms: &mut Terms) {
        let last = chain.choices.len() - 1;
        for (layer, choices) in chain.choices.iter().enumerate() {
            for choice in choices {
                let mut time = model.compute(layer, choice.device, choice.option);
                if layer == 0 {
                    time = time.zip(self.instance.enter(model, choice.device)).map(|(a, b)| a + b);
                }
                if layer == last {
                    time = time.zip(self.instance.leave(model, choice.device)).map(|(a, b)| a + b);
                }
                terms.add(choice.variable, weight * time.unwrap_or_default().0);
            }
        }
        for step in chain.moves.iter().flatten() {
            terms.add(step.variable, weight * step.time.0);
        }
    }

    /// What is minimised; returns the cost of one unit of it.
    pub(super) fn objective(&mut self) -> f64 {
        let mut terms = Terms::default();
        match self.instance.objective {
            Objective::Latency => {
                for (model, chain) in self.instance.models.iter().zip(&self.layout.models) {
                    self.add_latency(model, chain, u64::from(model.weight), &mut terms);
                }
            }
            Objective::Bottleneck => {
                if let Some(cycle) = self.layout.cycle {
                    terms.add(cycle, cycle_unit(self.instance));
                }
            }
            Objective::Memory => {
                for device in self.instance.device_ids() {
                    terms.0.extend(self.bytes(device).0);
                }
            }
        }
        scale::minimise(&mut self.program, terms)
    }
}

/// Adds what a device stores of one model: weights, KV cache, shared tensors.
fn add_bytes(model: &Model, chain: &Chain, device: DeviceId, terms: &mut Terms) {
    for (layer, choices) in model.layers.iter().zip(&chain.choices) {
        for choice in choices.iter().filter(|choice| choice.device == device) {
            let own: Bytes = layer.options[choice.option.index()].bytes + layer.kv;
            terms.add(choice.variable, own.0);
        }
    }
    for (&copy, bytes) in chain.copies[device.index()].iter().zip(&model.shared) {
        terms.add(copy, bytes.0);
    }
}
