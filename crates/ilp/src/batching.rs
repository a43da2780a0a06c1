//! Batching as an integer program: the paper's binaries `x_i` (arXiv 2405.07140), one for each mode
//! in which a request can be served, so that padding and format stay linear.
//!
//! Let `y[m]` be 1 if a node runs mode `m` (a format and a padded prompt; at most one per node),
//! `x[i,m]` be 1 if request `i` is served so, and `u[k,m]` be 1 if a member of the batch has the
//! `k`-th largest slack or less. The budget of operations falls with each `u` by the step from one
//! slack to the next, which is tighter than a big-M row per request; `u` may be continuous, since
//! each `x` pushes it to 1.

use std::collections::BTreeMap;

use edgeplan_mip::{Program, Variable};
use edgeplan_problem::batching::{
    Batch, Batching, FormatId, Mode, NodeId, Plan, RequestId, Resources,
};

use crate::scale::{Terms, at_most, minimise};
use crate::{Formulated, Formulation, TooLarge};

/// Where each decision's variables are.
#[derive(Debug, Clone)]
pub struct BatchLayout {
    modes: Vec<ModeColumns>,
    /// By node: 1 if it runs no mode.
    idle: Vec<Variable>,
}

/// The variables of one mode.
#[derive(Debug, Clone)]
struct ModeColumns {
    mode: Mode,
    used: Variable,
    members: Vec<Member>,
    /// Budgets of operations, largest first, each with its `u`; none for the first, which is the
    /// whole compute phase.
    steps: Vec<(u64, Option<Variable>)>,
}

/// Picks one of the resources.
type Amount = fn(&Resources) -> u64;

/// A request that may be served in that mode.
#[derive(Debug, Clone, Copy)]
struct Member {
    request: RequestId,
    demand: Resources,
    /// Index into the steps.
    step: usize,
    variable: Variable,
}

impl Formulation for Batching {
    type Layout = BatchLayout;

    fn formulate(&self, nonzeros_max: usize) -> Result<Formulated<BatchLayout>, TooLarge> {
        let modes: Vec<Mode> = self.node_ids().flat_map(|node| self.modes(node)).collect();
        let nonzeros = modes.len() * self.requests.len() * 9;
        if nonzeros > nonzeros_max {
            return Err(TooLarge { nonzeros, limit: nonzeros_max });
        }
        let mut program = Program::default();
        let columns = |mode| ModeColumns::new(self, mode, &mut program);
        let modes: Vec<ModeColumns> = modes.into_iter().filter_map(columns).collect();
        for columns in &modes {
            columns.state(self, &mut program);
        }
        let idle = self.node_ids().map(|_| program.binary()).collect();
        let layout = BatchLayout { modes, idle };
        // A request is served once at most; a node runs one mode or none.
        for group in layout.by_request().into_values() {
            program.at_most(group.into_iter().map(|variable| (variable, 1.0)), 1.0);
        }
        for node in self.node_ids() {
            let modes = layout.modes.iter().filter(|columns| columns.mode.node == node);
            let group = modes.map(|columns| columns.used).chain([layout.idle[node.index()]]);
            program.at_most(group.map(|variable| (variable, 1.0)), 1.0);
        }
        // max sum_i w_i x_i, as the least weight left out
        let mut served = Terms::default();
        for columns in &layout.modes {
            for member in &columns.members {
                served.subtract(member.variable, u64::from(self.request(member.request).weight));
            }
        }
        let scale = minimise(&mut program, served);
        program.constant = self.weight() as f64 / scale;
        Ok(Formulated { program, scale, layout })
    }

    fn decode(&self, formulated: &Formulated<BatchLayout>, values: &[f64]) -> Option<Plan> {
        let mut taken = |_: f64, share: f64| share > 0.5;
        Some(read(self, formulated, values, &mut |modes| largest(modes, values), &mut taken))
    }

    fn sample(
        &self,
        formulated: &Formulated<BatchLayout>,
        values: &[f64],
        uniform: &mut dyn FnMut() -> f64,
    ) -> Option<Plan> {
        let draws: Vec<f64> = self.nodes.iter().map(|_| uniform()).collect();
        let mut draws = draws.into_iter();
        let mut pick = |modes: &[&ModeColumns]| {
            let mut rest = draws.next().unwrap_or_default();
            let drawn = modes.iter().position(|columns| {
                rest -= values[columns.used.index()];
                rest < 0.0
            });
            drawn.or_else(|| largest(modes, values))
        };
        let mut taken = |used: f64, share: f64| uniform() * used < share;
        Some(read(self, formulated, values, &mut pick, &mut taken))
    }

    fn encode(&self, formulated: &Formulated<BatchLayout>, plan: &Plan) -> Option<Vec<f64>> {
        let mut values = vec![0.0; formulated.program.columns.len()];
        for (node, batch) in self.node_ids().zip(&plan.batches) {
            let Some(columns) = formulated.layout.of(self, node, batch) else {
                values[formulated.layout.idle[node.index()].index()] = 1.0;
                continue;
            };
            values[columns.used.index()] = 1.0;
            for id in &batch.members {
                let member = columns.members.iter().find(|member| member.request == *id)?;
                values[member.variable.index()] = 1.0;
                for (_, reached) in &columns.steps[..=member.step] {
                    if let Some(reached) = reached {
                        values[reached.index()] = 1.0;
                    }
                }
            }
        }
        Some(values)
    }

    fn chosen(&self, formulated: &Formulated<BatchLayout>, plan: &Plan) -> Vec<u32> {
        let mut chosen = Vec::new();
        for (node, batch) in self.node_ids().zip(&plan.batches) {
            let Some(columns) = formulated.layout.of(self, node, batch) else { continue };
            let members = columns.members.iter();
            let members = members.filter(|member| batch.members.contains(&member.request));
            chosen.extend(members.map(|member| member.variable.0));
        }
        chosen
    }
}

impl BatchLayout {
    /// The columns of the mode that a batch is run in; `None` for an empty one.
    fn of(&self, instance: &Batching, node: NodeId, batch: &Batch) -> Option<&ModeColumns> {
        let padded = batch.members.iter().map(|&id| instance.request(id).prompt).max()?;
        let mode = Mode { node, format: batch.format, padded };
        self.modes.iter().find(|columns| columns.mode == mode)
    }

    fn by_request(&self) -> BTreeMap<u32, Vec<Variable>> {
        let mut found: BTreeMap<u32, Vec<Variable>> = BTreeMap::new();
        for member in self.modes.iter().flat_map(|columns| &columns.members) {
            found.entry(member.request.0).or_default().push(member.variable);
        }
        found
    }
}

impl ModeColumns {
    /// Makes the variables of a mode; `None` where its weights do not fit.
    fn new(instance: &Batching, mode: Mode, program: &mut Program) -> Option<Self> {
        let whole = instance.capacity(mode, instance.epoch.compute)?;
        let budget = |id| Some(instance.capacity(mode, instance.slack(id)?)?.work);
        let able = instance.request_ids().filter_map(|request| {
            let (demand, budget) = (instance.demand(mode, request)?, budget(request)?);
            let alone = Resources { work: budget, ..whole };
            demand.fits(alone).then_some((request, demand, budget))
        });
        let able: Vec<(RequestId, Resources, u64)> = able.collect();
        // A sum of operations is a multiple of their common divisor, and so may its limits be.
        let divisor = able.iter().fold(0, |divisor, &(_, demand, _)| gcd(divisor, demand.work));
        let rounded = |budget: u64| budget - budget.checked_rem(divisor).unwrap_or(0);
        let mut budgets: Vec<u64> = able.iter().map(|&(_, _, budget)| rounded(budget)).collect();
        budgets.push(rounded(whole.work));
        budgets.sort_unstable_by_key(|&budget| std::cmp::Reverse(budget));
        budgets.dedup();
        let used = program.binary();
        let reached = |(index, budget): (usize, u64)| {
            (budget, (index > 0).then(|| program.continuous(0.0, Some(1.0))))
        };
        let steps: Vec<(u64, Option<Variable>)> =
            budgets.into_iter().enumerate().map(reached).collect();
        let member = |(request, demand, budget)| {
            let step = steps.iter().position(|&(step, _)| step == rounded(budget))?;
            Some(Member { request, demand, step, variable: program.binary() })
        };
        let members = able.into_iter().filter_map(member).collect();
        Some(Self { mode, used, members, steps })
    }

    /// The rows of a mode; every right side counts only if the mode is used.
    fn state(&self, instance: &Batching, program: &mut Program) {
        let Some(whole) = instance.capacity(self.mode, instance.epoch.compute) else { return };
        // (1) bandwidth, (2) memory
        let sums: [(Amount, u64); 3] = [
            (|demand| demand.uplink, whole.uplink),
            (|demand| demand.downlink, whole.downlink),
            (|demand| demand.memory, whole.memory),
        ];
        for (amount, limit) in sums {
            let mut terms = self.sum(amount);
            terms.subtract(self.used, limit);
            at_most(program, terms, 0);
        }
        // (3), (4) operations within the compute phase and the least slack of a member
        let mut terms = self.sum(|demand| demand.work);
        terms.subtract(self.used, self.steps[0].0);
        for pair in self.steps.windows(2) {
            if let Some(reached) = pair[1].1 {
                terms.add(reached, pair[0].0 - pair[1].0);
            }
        }
        at_most(program, terms, 0);
        for member in &self.members {
            let reached = self.steps[member.step].1.unwrap_or(self.used);
            below(program, member.variable, reached);
        }
        let reached: Vec<Variable> =
            self.steps.iter().filter_map(|&(_, reached)| reached).collect();
        let above = std::iter::once(self.used).chain(reached.iter().copied());
        for (above, below_it) in above.zip(&reached) {
            below(program, *below_it, above);
        }
    }

    fn sum(&self, amount: Amount) -> Terms {
        let mut terms = Terms::default();
        for member in &self.members {
            terms.add(member.variable, amount(&member.demand));
        }
        terms
    }
}

/// `lower <= upper`
fn below(program: &mut Program, lower: Variable, upper: Variable) {
    program.at_most([(lower, 1.0), (upper, -1.0)], 0.0);
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The mode with the largest variable, as an index.
fn largest(modes: &[&ModeColumns], values: &[f64]) -> Option<usize> {
    let value = |index: &usize| values[modes[*index].used.index()];
    (0..modes.len()).max_by(|a, b| value(a).total_cmp(&value(b)))
}

/// The plan that picks one mode per node, and of its members those that are `taken`, which is asked
/// for the values of mode and member. No request is served twice.
fn read(
    instance: &Batching,
    formulated: &Formulated<BatchLayout>,
    values: &[f64],
    pick: &mut dyn FnMut(&[&ModeColumns]) -> Option<usize>,
    taken: &mut dyn FnMut(f64, f64) -> bool,
) -> Plan {
    let mut served = vec![false; instance.requests.len()];
    let mut batch = |node: NodeId| {
        let modes = formulated.layout.modes.iter().filter(|columns| columns.mode.node == node);
        let modes: Vec<&ModeColumns> = modes.collect();
        let Some(index) = pick(&modes) else { return Batch::default() };
        let columns = modes[index];
        let used = values[columns.used.index()];
        let mut members = Vec::new();
        for member in &columns.members {
            let known = &mut served[member.request.index()];
            if !*known && taken(used, values[member.variable.index()]) {
                *known = true;
                members.push(member.request);
            }
        }
        let format: FormatId = columns.mode.format;
        Batch { format, members }
    };
    Plan { batches: instance.node_ids().map(&mut batch).collect() }
}
