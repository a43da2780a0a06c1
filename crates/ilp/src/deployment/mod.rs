//! Deployment as an integer program: DILEMMA's variables (arXiv 2503.01704: a layer, a server and a
//! bit width each) with flow variables between consecutive layers, so that a hop is paid exactly
//! when the chain changes device, and contiguity as "each device is entered at most once", which
//! is much tighter than a row per pair of layers.
//!
//! # Variables
//! - `x[l,d,o]`: layer `l` is on device `d` as option `o`. Only usable triples that fit a device
//!   on their own get one. Options that another one beats on the same device in bytes, loss and
//!   time are left out: no objective or limit could prefer them. Of equal options the first stays.
//! - `y[l,d,e]`: the chain goes from `d` to `e` after layer `l` (`d = e` is staying). Only existing
//!   routes get one. Integral where `x` is.
//! - `h[m,d]`: model `m` has a layer on `d`. `u[d]`: any model has (one model: the same).
//! - `c[d,k]`: `d` stores shared tensor `k`.
//! - `T`: the bottleneck, in units that keep its coefficient near the others', never below the
//!   longest layer where it is quickest.
//! - `z[l,d]`: how often the first model has entered `d` by layer `l`; like devices only.
//!
//! # Rows
//! Each is satisfied by every plan, or, (14), by one of each set of plans that differ only in the
//! names of like devices.
//! 1. Each layer is somewhere, once.
//! 2. Flow: a hop leaves the device that holds a layer, and enters the one that holds the next.
//! 3. Entries of `d` (the first layer, or a hop to it) are `h[d]` where placement is contiguous: a
//!    device is entered once if it holds the model, else never. Free (3'): `h[d]` is at most the
//!    entries and at least each layer's share, so that it cannot be had without a hop.
//! 4. `h[m,d] <= u[d]`, and 7. `u[d] <= sum_m h[m,d]`: a device is used if a model is on it.
//! 5. A shared tensor is stored where an option uses it, and only where the model is.
//! 6. Bytes on `d` are at most `M[d] u[d]`; (6') those of one model at most what overhead and its
//!    activations leave, times `h[m,d]`: a fraction of an entry takes a fraction of the memory.
//!    With `M[d]` alone, or a `u` that nothing bounds, the relaxation has all of it for nothing.
//! 8. Compute and traffic budgets; a limit on the bottleneck is one on compute. Compute is bounded
//!    by the limit times `u[d]`, because a device that computes is used; the source sends even
//!    if unused.
//! 9. `T` is at least each device's compute and sending.
//! 10. Quality: the loss above each layer's best option is within what the budget leaves for it.
//! 11. Latency, and 12. ends that the source cannot reach.
//! 13. Runs: a window of layers that `d` cannot hold whole, even if all loss that the budget leaves
//!     goes to it, is left or entered on the way: of its layers between the ends as many are on `d`
//!     as there are stays, at least. (A run that stays through the whole window has one stay more.)
//! 14. Like devices are entered in their order.

mod alike;
mod names;
mod rows;
mod runs;

use edgeplan_mip::{Program, Variable};
use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceId, LayerOption, Model, Objective, OptionId, Placement, Plan,
};
use edgeplan_problem::{Nanos, Problem as _};

use crate::{Formulated, Formulation, TooLarge};
use alike::Order;
use names::RowNames;
pub use names::{NamedChoice, NamedProgram};
use rows::{Statement, cycle_unit};

/// Where each decision's variables are.
#[derive(Debug, Clone)]
pub struct Layout {
    models: Vec<Chain>,
    /// The bottleneck, where it is minimised or limited.
    cycle: Option<Variable>,
    /// `used[device]`; of a single model the same variables as its `holds`.
    used: Vec<Variable>,
    /// Like devices.
    order: Order,
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
        state(self, nonzeros_max, None).map(|(formulated, _)| formulated)
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
        let plan = &layout.order.sorted(plan);
        layout.order.encode(plan, &mut values);
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

    fn sample(
        &self,
        formulated: &Formulated<Layout>,
        values: &[f64],
        uniform: &mut dyn FnMut() -> f64,
    ) -> Option<Plan> {
        let contiguous = self.placement == Placement::Contiguous;
        // Whether contiguity bars the way back from one device to another, left before.
        let bars = |left: DeviceId, from: DeviceId, to: DeviceId| {
            contiguous && self.share_host(left, to) && !(from != to && self.share_host(from, to))
        };
        let walk = |chain: &Chain| chain.walk(values, &bars, uniform);
        let models = formulated.layout.models.iter().map(walk).collect::<Option<_>>()?;
        Some(Plan { models })
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

/// States the program; the rows have names if there is a place for them.
fn state(
    instance: &Deployment,
    nonzeros_max: usize,
    names: Option<RowNames>,
) -> Result<(Formulated<Layout>, Option<RowNames>), TooLarge> {
    let nonzeros = estimate(instance);
    if nonzeros > nonzeros_max {
        return Err(TooLarge { nonzeros, limit: nonzeros_max });
    }
    let mut program = Program::default();
    let models: Vec<Chain> =
        instance.models.iter().map(|model| chain(instance, model, &mut program)).collect();
    let used = match &models[..] {
        [only] => only.holds.clone(),
        _ => instance.device_ids().map(|_| program.binary()).collect(),
    };
    let cycles = instance.objective == Objective::Bottleneck || instance.bottleneck_max.is_some();
    let unit = cycle_unit(instance) as f64;
    let longest = instance.bottleneck_max.map(|limit| limit.as_f64() / unit);
    let least = (least_cycle(instance, &models) as f64 / unit).min(longest.unwrap_or(f64::MAX));
    let cycle = cycles.then(|| program.continuous(least, longest));
    let order = Order::new(instance, &mut program);
    let layout = Layout { models, cycle, used, order };
    let mut statement = Statement { instance, layout: &layout, program, names };
    statement.chains();
    statement.devices();
    statement.limits();
    statement.runs();
    statement.order();
    let scale = statement.objective();
    let Statement { program, names, .. } = statement;
    Ok((Formulated { program, scale, layout }, names))
}

impl Chain {
    /// A walk along the relaxation's flow: each next device with the probability that the flow out
    /// of the last one has, each option with that of its share on the device. Where contiguity
    /// bars every device that the flow leads to, the walk stays where it is.
    fn walk(
        &self,
        values: &[f64],
        bars: &dyn Fn(DeviceId, DeviceId, DeviceId) -> bool,
        uniform: &mut dyn FnMut() -> f64,
    ) -> Option<Vec<Assignment>> {
        let mut walked: Vec<Assignment> = Vec::with_capacity(self.choices.len());
        let mut left: Vec<DeviceId> = Vec::new();
        for (layer, choices) in self.choices.iter().enumerate() {
            let last = walked.last().map(|assignment| assignment.device);
            let weight = |choice: &Choice| {
                let share = values[choice.variable.index()].max(0.0);
                let Some(last) = last else { return share };
                let moves = self.moves[layer - 1].iter();
                let step = moves.filter(|m| m.from == last && m.to == choice.device);
                let flow: f64 = step.map(|step| values[step.variable.index()].max(0.0)).sum();
                let barred = left.iter().any(|&left| bars(left, last, choice.device));
                if barred { 0.0 } else { share * flow }
            };
            let stays = |choice: &Choice| last.is_none_or(|last| choice.device == last);
            let pick = draw(choices, weight, uniform)
                .or_else(|| choices.iter().copied().find(stays))
                .or_else(|| choices.first().copied())?;
            if let Some(last) = last.filter(|&last| last != pick.device) {
                left.push(last);
            }
            walked.push(Assignment { device: pick.device, option: pick.option });
        }
        Some(walked)
    }
}

/// One of the choices with probability proportional to its weight; none if all weights vanish.
fn draw(
    choices: &[Choice],
    weight: impl Fn(&Choice) -> f64,
    uniform: &mut dyn FnMut() -> f64,
) -> Option<Choice> {
    let total: f64 = choices.iter().map(&weight).sum();
    let mut rest = uniform() * total;
    let weighted = choices.iter().filter(|choice| weight(choice) > 1e-9);
    let mut last = None;
    for choice in weighted {
        last = Some(*choice);
        rest -= weight(choice);
        if rest < 0.0 {
            break;
        }
    }
    last
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

/// A time that no plan's bottleneck is below: the longest of the layers, where it is quickest.
fn least_cycle(instance: &Deployment, models: &[Chain]) -> u64 {
    let quickest = |model: &Model, layer: usize, choices: &Vec<Choice>| {
        let times = choices.iter().filter_map(|c| model.compute(layer, c.device, c.option));
        times.min().unwrap_or_default().0 * u64::from(model.weight)
    };
    let models = instance.models.iter().zip(models);
    let layers = models.flat_map(|(model, chain)| {
        chain.choices.iter().enumerate().map(move |(layer, here)| quickest(model, layer, here))
    });
    layers.max().unwrap_or_default()
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
                let torn = model.layers[layer + 1].joined && !instance.share_host(from, to);
                let time = instance.transfer(model, layer, from, to).filter(|_| !torn);
                if let Some(time) = time {
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
        holds: instance.device_ids().map(|_| program.binary()).collect(),
        copies: instance.device_ids().map(|_| copies(program)).collect(),
    }
}
