//! Deployment as an integer program: DILEMMA's variables (arXiv 2503.01704: a layer, a server and a
//! bit width each) with flow variables between consecutive layers, so that a hop is paid exactly
//! when the chain changes device, and contiguity as "each device is entered at most once", which
//! is much tighter than a row per pair of layers.
//!
//! Let `x[l,d,o]` be 1 if layer `l` is on device `d` as option `o`, and `y[l,d,e]` be 1 if the chain
//! goes from `d` to `e` after layer `l` (`d = e` is staying). Only usable triples and existing
//! routes get a variable. Options that another one beats on the same device in bytes, loss and
//! time are left out: no objective or limit could prefer them.

use edgeplan_mip::{Program, Variable};
use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceId, LayerOption, Model, Objective, OptionId, Placement, Plan,
};
use edgeplan_problem::{Bytes, Nanos, Problem as _};

use crate::scale::{self, Terms};
use crate::{Formulated, Formulation, TooLarge};

/// Where each decision's variables are.
#[derive(Debug, Clone)]
pub struct Layout {
    models: Vec<Chain>,
    /// The bottleneck, where it is minimised or limited.
    cycle: Option<Variable>,
    /// `used[device]`.
    used: Vec<Variable>,
}

/// The variables of one model.
#[derive(Debug, Clone)]
struct Chain {
    /// `choices[layer]`: every usable (device, option).
    choices: Vec<Vec<Choice>>,
    /// `moves[layer]`: every possible change of device after it.
    moves: Vec<Vec<Move>>,
    /// `holds[device]`: whether it holds a layer of this model.
    holds: Vec<Variable>,
    /// `copies[device][shared]`: whether it stores that shared tensor.
    copies: Vec<Vec<Variable>>,
}

#[derive(Debug, Clone, Copy)]
struct Choice {
    device: DeviceId,
    option: OptionId,
    variable: Variable,
}

#[derive(Debug, Clone, Copy)]
struct Move {
    from: DeviceId,
    to: DeviceId,
    time: Nanos,
    variable: Variable,
}

impl Formulation for Deployment {
    type Layout = Layout;

    fn formulate(&self, nonzeros_max: usize) -> Result<Formulated<Layout>, TooLarge> {
        let nonzeros = estimate(self);
        if nonzeros > nonzeros_max {
            return Err(TooLarge { nonzeros, limit: nonzeros_max });
        }
        let mut program = Program::default();
        let models = self.models.iter().map(|model| chain(self, model, &mut program)).collect();
        let used = self.device_ids().map(|_| program.binary()).collect();
        let cycles = self.objective == Objective::Bottleneck || self.bottleneck_max.is_some();
        let unit = cycle_unit(self) as f64;
        let longest = self.bottleneck_max.map(|limit| limit.as_f64() / unit);
        let cycle = cycles.then(|| program.continuous(0.0, longest));
        let layout = Layout { models, cycle, used };
        let mut statement = Statement { instance: self, layout: &layout, program };
        statement.chains();
        statement.devices();
        statement.limits();
        let scale = statement.objective();
        let program = statement.program;
        Ok(Formulated { program, scale, layout })
    }

    fn decode(&self, formulated: &Formulated<Layout>, values: &[f64]) -> Option<Plan> {
        let largest = |choices: &Vec<Choice>| {
            let value = |choice: &&Choice| values[choice.variable.index()];
            let best = choices.iter().max_by(|a, b| value(a).total_cmp(&value(b)))?;
            Some(Assignment { device: best.device, option: best.option })
        };
        let layers = |chain: &Chain| chain.choices.iter().map(largest).collect();
        let models = formulated.layout.models.iter().map(layers).collect::<Option<_>>()?;
        Some(Plan { models })
    }

    fn encode(&self, formulated: &Formulated<Layout>, plan: &Plan) -> Option<Vec<f64>> {
        let layout = &formulated.layout;
        let mut values = vec![0.0; formulated.program.columns.len()];
        for (index, chain) in layout.models.iter().enumerate() {
            let layers = self.undominated(index, &plan.models[index]);
            for (layer, &assignment) in layers.iter().enumerate() {
                let choice = chain.choices[layer]
                    .iter()
                    .find(|c| c.device == assignment.device && c.option == assignment.option)?;
                values[choice.variable.index()] = 1.0;
                let device = assignment.device.index();
                values[chain.holds[device].index()] = 1.0;
                values[layout.used[device].index()] = 1.0;
                let option = &self.models[index].layers[layer].options[assignment.option.index()];
                if let Some(shared) = option.shared {
                    values[chain.copies[device][shared].index()] = 1.0;
                }
            }
            for (layer, pair) in layers.windows(2).enumerate() {
                let (from, to) = (pair[0].device, pair[1].device);
                let step = chain.moves[layer].iter().find(|m| m.from == from && m.to == to)?;
                values[step.variable.index()] = 1.0;
            }
        }
        if let Some(cycle) = layout.cycle {
            let bottleneck = self.evaluate(plan).account.bottleneck.as_f64();
            values[cycle.index()] = bottleneck / cycle_unit(self) as f64;
        }
        Some(values)
    }

    fn chosen(&self, formulated: &Formulated<Layout>, plan: &Plan) -> Vec<u32> {
        let chains = formulated.layout.models.iter().zip(&plan.models);
        let pairs = chains.flat_map(|(chain, layers)| chain.choices.iter().zip(layers));
        let variable = |(choices, assignment): (&Vec<Choice>, &Assignment)| {
            let same = |c: &&Choice| c.device == assignment.device && c.option == assignment.option;
            choices.iter().find(same).map(|choice| choice.variable.0)
        };
        pairs.filter_map(variable).collect()
    }
}

/// Extra steps that plans need to be read as vectors.
trait Undominated {
    /// The same plan with each option replaced by the one that beats it, if any does.
    fn undominated(&self, model: usize, layers: &[Assignment]) -> Vec<Assignment>;
}

impl Undominated for Deployment {
    fn undominated(&self, model: usize, layers: &[Assignment]) -> Vec<Assignment> {
        let model = &self.models[model];
        let improve = |(layer, assignment): (usize, &Assignment)| {
            let kept = kept_options(model, layer, assignment.device);
            let given = &model.layers[layer].options[assignment.option.index()];
            let device = assignment.device.index();
            let better = kept.into_iter().find(|&option| {
                option == assignment.option
                    || beats(&model.layers[layer].options[option.index()], given, device)
            });
            Assignment { option: better.unwrap_or(assignment.option), ..*assignment }
        };
        layers.iter().enumerate().map(improve).collect()
    }
}

/// A rough count of coefficients, before anything is built.
fn estimate(instance: &Deployment) -> usize {
    let devices = instance.devices.len();
    let per_model = |model: &Model| {
        let options: usize = model.layers.iter().map(|layer| layer.options.len()).sum();
        6 * options * devices + 4 * model.layers.len() * devices * devices
    };
    instance.models.iter().map(per_model).sum()
}

/// Whether one option is at least as good as another on a device in every measure that counts.
fn beats(better: &LayerOption, worse: &LayerOption, device: usize) -> bool {
    let no_slower = match (better.compute[device], worse.compute[device]) {
        (Some(better), Some(worse)) => better <= worse,
        _ => false,
    };
    no_slower
        && better.shared == worse.shared
        && better.bytes <= worse.bytes
        && better.loss <= worse.loss
}

/// The usable options of a layer on a device that no other one beats; the first of equals stays.
fn kept_options(model: &Model, layer: usize, device: DeviceId) -> Vec<OptionId> {
    let options = &model.layers[layer].options;
    let usable = |&option: &OptionId| model.compute(layer, device, option).is_some();
    let beaten = |&option: &OptionId| {
        model.option_ids(layer).filter(usable).any(|rival| {
            let (better, worse) = (&options[rival.index()], &options[option.index()]);
            rival != option
                && beats(better, worse, device.index())
                && (rival < option || !beats(worse, better, device.index()))
        })
    };
    model.option_ids(layer).filter(usable).filter(|option| !beaten(option)).collect()
}

/// Makes the variables of one model.
fn chain(instance: &Deployment, model: &Model, program: &mut Program) -> Chain {
    let fits = |layer: usize, device: DeviceId, option: OptionId| {
        instance.room(device, model).is_some_and(|room| model.bytes(layer, option) <= room)
    };
    let mut choices = Vec::with_capacity(model.layers.len());
    for layer in 0..model.layers.len() {
        let mut here = Vec::new();
        for device in instance.device_ids() {
            for option in kept_options(model, layer, device) {
                if fits(layer, device, option) {
                    here.push(Choice { device, option, variable: program.binary() });
                }
            }
        }
        choices.push(here);
    }
    let present = |layer: usize, device: DeviceId| {
        choices[layer].iter().any(|choice: &Choice| choice.device == device)
    };
    let mut moves = Vec::new();
    for layer in 0..model.layers.len() - 1 {
        let mut here = Vec::new();
        for from in instance.device_ids().filter(|&device| present(layer, device)) {
            for to in instance.device_ids().filter(|&device| present(layer + 1, device)) {
                if let Some(time) = instance.transfer(model, layer, from, to) {
                    let variable = program.continuous(0.0, Some(1.0));
                    here.push(Move { from, to, time, variable });
                }
            }
        }
        moves.push(here);
    }
    let copies = |program: &mut Program| {
        model.shared.iter().map(|_| program.continuous(0.0, Some(1.0))).collect()
    };
    Chain {
        choices,
        moves,
        holds: instance.device_ids().map(|_| program.continuous(0.0, Some(1.0))).collect(),
        copies: instance.device_ids().map(|_| copies(program)).collect(),
    }
}

/// One unit of the bottleneck variable in nanoseconds: a thousandth of the longest compute time of
/// a layer, so that its coefficient is of the size of the others in its rows.
fn cycle_unit(instance: &Deployment) -> u64 {
    let layers = instance.models.iter().flat_map(|model| &model.layers);
    let times = layers.flat_map(|layer| &layer.options).flat_map(|option| &option.compute);
    (times.flatten().max().map_or(0, |longest| longest.0) / 1000).max(1)
}

/// The rows, family by family.
struct Statement<'a> {
    instance: &'a Deployment,
    layout: &'a Layout,
    program: Program,
}

impl Statement<'_> {
    /// Each layer once; the chain is a path; contiguity.
    fn chains(&mut self) {
        for (model, chain) in self.instance.models.iter().zip(&self.layout.models) {
            // (1) sum_{d,o} x[l,d,o] = 1
            for choices in &chain.choices {
                self.program.equal(choices.iter().map(|choice| (choice.variable, 1.0)), 1.0);
            }
            // (2) sum_e y[l,d,e] = sum_o x[l,d,o]  and  sum_d y[l,d,e] = sum_o x[l+1,e,o]
            for (layer, moves) in chain.moves.iter().enumerate() {
                for device in self.instance.device_ids() {
                    let leaving = moves.iter().filter(|step| step.from == device);
                    self.flow(&chain.choices[layer], device, leaving);
                    let arriving = moves.iter().filter(|step| step.to == device);
                    self.flow(&chain.choices[layer + 1], device, arriving);
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
            match self.instance.placement {
                // (3) contiguous: a device is entered as often as it holds the model: never or once
                //     sum_o x[0,d,o] + sum_{l, e != d} y[l,e,d] = h[d]
                Placement::Contiguous => {
                    let entered = first.map(|choice| choice.variable);
                    let entered = entered.chain(entering.map(|step| step.variable));
                    let terms = entered.map(|v| (v, 1.0)).chain([(holds, -1.0)]);
                    self.program.equal(terms.collect::<Vec<_>>(), 0.0);
                }
                // (3') free: sum_o x[l,d,o] <= h[d]
                Placement::Free => {
                    for choices in &chain.choices {
                        let here = choices.iter().filter(|choice| choice.device == device);
                        let terms: Vec<(Variable, f64)> =
                            here.map(|choice| (choice.variable, 1.0)).collect();
                        if !terms.is_empty() {
                            self.program.at_most(terms.into_iter().chain([(holds, -1.0)]), 0.0);
                        }
                    }
                }
            }
            // (4) h[d] <= u[d]
            let used = self.layout.used[device.index()];
            self.program.at_most([(holds, 1.0), (used, -1.0)], 0.0);
            self.sharing(model, chain, device);
        }
    }

    /// (5) sum over options that use shared tensor k of x[l,d,o] <= c[d,k]
    fn sharing(&mut self, model: &Model, chain: &Chain, device: DeviceId) {
        for (shared, &copy) in chain.copies[device.index()].iter().enumerate() {
            for (layer, choices) in model.layers.iter().zip(&chain.choices) {
                let users = choices.iter().filter(|choice| {
                    choice.device == device
                        && layer.options[choice.option.index()].shared == Some(shared)
                });
                let terms: Vec<(Variable, f64)> =
                    users.map(|choice| (choice.variable, 1.0)).collect();
                if !terms.is_empty() {
                    self.program.at_most(terms.into_iter().chain([(copy, -1.0)]), 0.0);
                }
            }
        }
    }

    /// Memory, compute and traffic of each device.
    fn devices(&mut self) {
        for id in self.instance.device_ids() {
            let device = self.instance.device(id);
            // (6) bytes on d <= M[d] u[d]: nothing without the overhead being paid
            let mut bytes = self.bytes(id);
            bytes.subtract(self.layout.used[id.index()], device.memory.0);
            scale::at_most(&mut self.program, bytes, 0);
            if let Some(limit) = device.compute_max {
                let compute = self.computing(id);
                scale::at_most(&mut self.program, compute, limit.0);
            }
            if let Some(limit) = device.traffic_max {
                let sent = self.sending(id, |message| message.bytes.0, |_, bytes| bytes);
                scale::at_most(&mut self.program, sent, limit.0);
            }
            // (7) T >= compute of d,  T >= sending of d
            if let Some(cycle) = self.layout.cycle {
                let unit = cycle_unit(self.instance);
                for mut time in [self.computing(id), self.sending(id, |_| 0, |time, _| time.0)] {
                    time.subtract(cycle, unit);
                    scale::at_most(&mut self.program, time, 0);
                }
            }
        }
    }

    /// Bytes that a device stores.
    fn bytes(&self, device: DeviceId) -> Terms {
        let mut terms = Terms::default();
        for (model, chain) in self.instance.models.iter().zip(&self.layout.models) {
            for (layer, choices) in model.layers.iter().zip(&chain.choices) {
                for choice in choices.iter().filter(|choice| choice.device == device) {
                    let own: Bytes = layer.options[choice.option.index()].bytes + layer.kv;
                    terms.add(choice.variable, own.0);
                }
            }
            for (&copy, bytes) in chain.copies[device.index()].iter().zip(&model.shared) {
                terms.add(copy, bytes.0);
            }
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
        bytes: impl Fn(&edgeplan_problem::deployment::Message) -> u64,
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
    fn limits(&mut self) {
        for (model, chain) in self.instance.models.iter().zip(&self.layout.models) {
            // (8) sum_{l,d,o} loss[l,o] x[l,d,o] <= B
            if let Some(budget) = model.loss_max {
                let mut loss = Terms::default();
                for (layer, choices) in model.layers.iter().zip(&chain.choices) {
                    for choice in choices {
                        loss.add(choice.variable, layer.options[choice.option.index()].loss.0);
                    }
                }
                scale::at_most(&mut self.program, loss, budget.0);
            }
            // (9) latency of each model
            if let Some(limit) = self.instance.latency_max {
                let mut latency = Terms::default();
                self.add_latency(model, chain, 1, &mut latency);
                scale::at_most(&mut self.program, latency, limit.0);
            }
            // (10) a device that the source cannot reach holds no first layer, and so on
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
    fn objective(&mut self) -> f64 {
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
