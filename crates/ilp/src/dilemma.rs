//! DILEMMA's integer program as it is published (Hosseinzadeh and Khamfroush, arXiv 2503.01704), to
//! be compared with the formulation of this project.
//!
//! Known of it, second-hand: `x[l,d,b]` is 1 if layer `l` is on server `d` with `b` bits; `y[d,e]`
//! is 1 if the output of `d` is sent to `e`; the completion time `sum t[l,d,b] x[l,d,b] +
//! sum c[d,e] y[d,e]` is minimised; each layer has one server and one bit width; servers have
//! limits of storage, computation and communication; the difference of weights is bounded.
//! A hop variable has no layer: a pair of servers that the chain crosses twice is charged once.
//!
//! Ours, because the paper's equations were not found:
//! - `x` and `y` are linked by `y[d,e] >= x[l,d] + x[l+1,e] - 1`, for every `l`;
//! - the request's way in and out is a cost of the first and the last layer, as in
//!   [`Deployment`]'s `evaluate()`, so that both programs answer one question;
//! - a shared tensor is stored by every layer that uses it, since the paper has none.
//!
//! The program is no [`Solver`](edgeplan_problem::Solver): its optimum is not that of
//! `evaluate()`, and its bound bounds another sum.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use edgeplan_mip::{Engine, EngineError, Program, Request, Variable};
use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceId, Model, Objective, OptionId, Placement, Plan,
};
use edgeplan_problem::{Nanos, Unsupported};

use crate::safe_bound;
use crate::scale::{Terms, at_most, minimise};

/// The published program of one instance.
#[derive(Debug, Clone)]
pub struct Dilemma<'a> {
    instance: &'a Deployment,
    program: Program,
    /// One unit of the program's objective, in nanoseconds.
    scale: f64,
    /// `choices[layer]`: every usable server and bit width.
    choices: Vec<Vec<Choice>>,
}

/// `x[l,d,b]`.
#[derive(Debug, Clone, Copy)]
struct Choice {
    assignment: Assignment,
    variable: Variable,
}

/// `y[d,e]` by ordered pair of servers.
type Hops = BTreeMap<(DeviceId, DeviceId), Variable>;

/// What the published program answers.
#[derive(Debug, Clone)]
pub struct Published {
    /// The plan. `evaluate()` says what it costs.
    pub plan: Plan,
    /// Its completion time by the published sum.
    pub sum: Nanos,
    /// No plan has a lower published sum.
    pub bound: Nanos,
    /// Branch-and-bound nodes, where the engine tells.
    pub nodes: Option<u64>,
}

impl Published {
    /// Whether the plan is optimal for the published sum, within a millionth.
    pub fn is_proven(&self) -> bool {
        self.sum.0.saturating_sub(self.bound.0) as f64 <= 1e-6 * self.sum.as_f64()
    }
}

/// The published completion time of a plan: as `evaluate()`, but every ordered pair of servers is
/// charged once, however often the chain crosses it.
///
/// # Panics
/// Where the plan uses a layer or a route that the instance does not have; a plan that
/// `evaluate()` accepts uses none.
pub fn published_sum(instance: &Deployment, plan: &Plan) -> Nanos {
    let model = &instance.models[0];
    let places = &plan.models[0];
    let compute = places.iter().enumerate().map(|(layer, at)| {
        cost(instance, model, layer, *at).expect("a device that can run the layer")
    });
    let hops: BTreeSet<(DeviceId, DeviceId)> = places
        .windows(2)
        .map(|pair| (pair[0].device, pair[1].device))
        .filter(|(from, to)| from != to)
        .collect();
    let hop = |(from, to)| instance.transfer(model, 0, from, to).expect("a route");
    compute.sum::<Nanos>() + hops.into_iter().map(hop).sum()
}

/// Time of a layer at a place, with the request's way in and out at the ends.
fn cost(instance: &Deployment, model: &Model, layer: usize, at: Assignment) -> Option<Nanos> {
    let mut time = model.compute(layer, at.device, at.option)?;
    if layer == 0 {
        time += instance.enter(model, at.device)?;
    }
    if layer + 1 == model.layers.len() {
        time += instance.leave(model, at.device)?;
    }
    Some(time)
}

impl<'a> Dilemma<'a> {
    /// States the program.
    ///
    /// # Errors
    /// Where the instance is not of the published kind: one model, least latency, any placement,
    /// no limit on time, one kind of hidden state.
    pub fn new(instance: &'a Deployment) -> Result<Self, Unsupported> {
        published_kind(instance)?;
        let model = &instance.models[0];
        let mut program = Program::default();
        let choices: Vec<Vec<Choice>> = (0..model.layers.len())
            .map(|layer| usable(instance, model, layer, &mut program))
            .collect();
        let ids = || instance.device_ids();
        let pairs = ids().flat_map(|from| ids().map(move |to| (from, to)));
        let pairs = pairs
            .filter(|&(from, to)| from != to && instance.transfer(model, 0, from, to).is_some());
        let hops: Hops = pairs.map(|pair| (pair, program.binary())).collect();
        let mut statement = Statement { instance, model, choices: &choices, hops, program };
        statement.chain();
        statement.limits();
        let scale = statement.objective();
        let program = statement.program;
        Ok(Self { instance, program, scale, choices })
    }

    /// The stated program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Solves it, from no start and with one thread; none if no plan was found in that time.
    ///
    /// # Errors
    /// What the engine says where it gives no reply.
    pub fn answer(
        &self,
        engine: &dyn Engine,
        time: Duration,
    ) -> Result<Option<Published>, EngineError> {
        let request = Request { time: Some(time), ..Request::default() };
        let reply = engine.solve(&self.program, &request, &mut |_| ControlFlow::Continue(()))?;
        let Some(values) = reply.values else { return Ok(None) };
        let layers = self.choices.iter().map(|choices| {
            let value = |choice: &&Choice| values[choice.variable.index()];
            let best = choices.iter().max_by(|a, b| value(a).total_cmp(&value(b)));
            best.map(|choice| choice.assignment)
        });
        let Some(layers) = layers.collect() else { return Ok(None) };
        let plan = Plan::single(layers);
        let sum = published_sum(self.instance, &plan);
        let bound = Nanos(safe_bound(reply.bound.unwrap_or(0.0), self.scale).0);
        Ok(Some(Published { plan, sum, bound, nodes: reply.nodes }))
    }
}

/// Whether the published program has words for it.
fn published_kind(instance: &Deployment) -> Result<(), Unsupported> {
    let problem = match instance.models.as_slice() {
        [model] => {
            let outputs = &model.layers[..model.layers.len() - 1];
            if outputs.iter().any(|layer| layer.output != model.layers[0].output) {
                "layers send hidden states of different size"
            } else if instance.objective != Objective::Latency {
                "the objective is not latency"
            } else if instance.placement != Placement::Free {
                "placement is contiguous"
            } else if instance.latency_max.is_some() || instance.bottleneck_max.is_some() {
                "there is a limit on time"
            } else {
                return Ok(());
            }
        }
        _ => "there is more than one model",
    };
    Err(Unsupported(format!("DILEMMA's program: {problem}")))
}

/// A variable for each server and bit width that a layer may have.
fn usable(
    instance: &Deployment,
    model: &Model,
    layer: usize,
    program: &mut Program,
) -> Vec<Choice> {
    let ids = instance.device_ids();
    let places = ids.flat_map(|device| {
        model.option_ids(layer).map(move |option| Assignment { device, option })
    });
    let places = places.filter(|&at| cost(instance, model, layer, at).is_some());
    places.map(|assignment| Choice { assignment, variable: program.binary() }).collect()
}

/// The program in the making.
struct Statement<'a> {
    instance: &'a Deployment,
    model: &'a Model,
    choices: &'a [Vec<Choice>],
    hops: Hops,
    program: Program,
}

impl Statement<'_> {
    /// Each layer once; a hop where consecutive layers are apart.
    fn chain(&mut self) {
        // (1) sum_{d,b} x[l,d,b] = 1
        for choices in self.choices {
            self.program.equal(choices.iter().map(|choice| (choice.variable, 1.0)), 1.0);
        }
        // (2) sum_b x[l,d,b] + sum_b x[l+1,e,b] - y[d,e] <= 1; without y where there is no route
        let choices = self.choices;
        for pair in choices.windows(2) {
            for from in self.instance.device_ids() {
                for to in self.instance.device_ids().filter(|&to| to != from) {
                    let on = |choices: &[Choice], device| -> Vec<(Variable, f64)> {
                        let here = choices.iter().filter(|c| c.assignment.device == device);
                        here.map(|choice| (choice.variable, 1.0)).collect()
                    };
                    let (before, after) = (on(&pair[0], from), on(&pair[1], to));
                    if before.is_empty() || after.is_empty() {
                        continue;
                    }
                    let hop = self.hops.get(&(from, to)).map(|&hop| (hop, -1.0));
                    self.program.at_most(before.into_iter().chain(after).chain(hop), 1.0);
                }
            }
        }
    }

    /// Storage, computation and communication of each server, and the difference of weights.
    fn limits(&mut self) {
        for id in self.instance.device_ids() {
            // (3) storage
            let room = self.instance.room(id, self.model).map_or(0, |room| room.0);
            let bytes = self.sum(|layer, at| match at.device == id {
                true => self.model.bytes(layer, at.option).0,
                false => 0,
            });
            self.none_without_room(id);
            at_most(&mut self.program, bytes, room);
            let device = self.instance.device(id);
            // (4) computation
            if let Some(limit) = device.compute_max {
                let time = self.sum(|layer, at| match at.device == id {
                    true => self.time(layer, id, at.option),
                    false => 0,
                });
                at_most(&mut self.program, time, limit.0);
            }
            // (5) communication, of what `y` says is sent
            if let Some(limit) = device.traffic_max {
                let bytes = self.model.messages[self.model.layers[0].output].bytes.0;
                let mut sent = Terms::default();
                for (_, &hop) in self.hops.iter().filter(|((from, _), _)| *from == id) {
                    sent.add(hop, bytes);
                }
                at_most(&mut self.program, sent, limit.0);
            }
        }
        // (6) difference of weights
        if let Some(budget) = self.model.loss_max {
            let loss =
                self.sum(|layer, at| self.model.layers[layer].options[at.option.index()].loss.0);
            at_most(&mut self.program, loss, budget.0);
        }
    }

    /// A server whose overhead alone is too much holds nothing, not even a layer without bytes.
    fn none_without_room(&mut self, id: DeviceId) {
        if self.instance.room(id, self.model).is_some() {
            return;
        }
        for choice in self.choices.iter().flatten().filter(|c| c.assignment.device == id) {
            self.program.columns[choice.variable.index()].upper = Some(0.0);
        }
    }

    fn time(&self, layer: usize, device: DeviceId, option: OptionId) -> u64 {
        self.model.compute(layer, device, option).unwrap_or_default().0
    }

    /// A sum over all choices.
    fn sum(&self, amount: impl Fn(usize, Assignment) -> u64) -> Terms {
        let mut terms = Terms::default();
        for (layer, choices) in self.choices.iter().enumerate() {
            for choice in choices {
                terms.add(choice.variable, amount(layer, choice.assignment));
            }
        }
        terms
    }

    /// The completion time; returns the nanoseconds of one unit of it.
    fn objective(&mut self) -> f64 {
        let mut terms =
            self.sum(|layer, at| cost(self.instance, self.model, layer, at).unwrap_or_default().0);
        for (&(from, to), &hop) in &self.hops {
            let time = self.instance.transfer(self.model, 0, from, to);
            terms.add(hop, time.unwrap_or_default().0);
        }
        minimise(&mut self.program, terms)
    }
}
