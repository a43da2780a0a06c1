//! The rows and the objective.

use edgeplan_mip::{Program, Variable};
use edgeplan_problem::deployment::{Deployment, DeviceId, Model, Objective};

use super::layout::{Counted, Layout, Passage};
use crate::scale::{self, Terms};

/// The program of an instance of one model.
#[derive(Debug, Clone)]
pub(super) struct Stated {
    pub(super) program: Program,
    /// One unit of the program's objective in the instance's cost.
    pub(super) scale: f64,
    pub(super) layout: Layout,
}

/// Of hosts with more devices, and of more hosts, only small sets have rows: so many would there
/// be.
const SETS_OF: usize = 5;
const SMALL: u32 = 2;

/// States the program; plans may lose no more than `loss_max`.
pub(super) fn state(instance: &Deployment, loss_max: Option<u64>) -> Stated {
    let mut program = Program::default();
    let layout = Layout::new(instance, &mut program);
    let mut rows = Rows { instance, model: &instance.models[0], layout: &layout, program };
    rows.sizes();
    rows.flow();
    rows.entering();
    rows.devices();
    rows.quality(loss_max);
    let scale = rows.objective();
    let Rows { program, .. } = rows;
    Stated { program, scale, layout }
}

struct Rows<'a> {
    instance: &'a Deployment,
    model: &'a Model,
    layout: &'a Layout,
    program: Program,
}

impl Rows<'_> {
    /// (1) `sum_{d,o} n[c,d,o] = size[c]`, `n[c,d] = sum_o n[c,d,o]`
    fn sizes(&mut self) {
        let layout = self.layout;
        for class in 0..layout.classes.layers.len() {
            let here = layout.counted.iter().filter(|counted| counted.spot.class == class);
            let terms: Vec<_> = here.map(|counted| (counted.variable, 1.0)).collect();
            self.program.equal(terms, layout.classes.size(class) as f64);
        }
        for held in &layout.held {
            let here = |counted: &&Counted| {
                (counted.spot.class, counted.spot.device) == (held.class, held.device)
            };
            let counted = layout.counted.iter().filter(here).map(|c| (c.variable, -1.0));
            self.program.equal(counted.chain([(held.variable, 1.0)]).collect::<Vec<_>>(), 0.0);
        }
    }

    /// (2) Layers on a device are followed by as many, and follow as many, but at the ends.
    fn flow(&mut self) {
        let layout = self.layout;
        for ends in [&layout.starts, &layout.ends] {
            self.program.equal(ends.iter().map(|&end| (end, 1.0)), 1.0);
        }
        let last = layout.classes.of_layer.len() - 1;
        for held in &layout.held {
            for (side, layer, ends) in [(0, last, &layout.ends), (1, 0, &layout.starts)] {
                let here = layout.steps.iter().filter(|step| {
                    let Passage { classes, devices } = step.passage;
                    (classes[side], devices[side]) == (held.class, held.device)
                });
                let mut terms: Vec<(Variable, f64)> =
                    here.map(|step| (step.variable, -1.0)).collect();
                if layout.classes.of_layer[layer] == held.class {
                    terms.push((ends[held.device.index()], -1.0));
                }
                terms.push((held.variable, 1.0));
                self.program.equal(terms, 0.0);
            }
        }
    }

    /// What enters a set of devices, by device whether it belongs to the set.
    fn entries(&self, is_in: &[bool], factor: f64) -> Vec<(Variable, f64)> {
        let starts = self.layout.starts.iter().zip(is_in).filter(|(_, is_in)| **is_in);
        let steps = self.layout.steps.iter().filter(|step| {
            let [from, to] = step.passage.devices;
            is_in[to.index()] && !is_in[from.index()]
        });
        let starts = starts.map(|(&start, _)| start);
        starts.chain(steps.map(|step| step.variable)).map(|variable| (variable, factor)).collect()
    }

    /// (3) `v[h] =` what enters `h`; what holds something is entered from outside of it.
    fn entering(&mut self) {
        let layout = self.layout;
        let hosts = layout.entered.len();
        for (host, &entered) in layout.entered.iter().enumerate() {
            let is_in: Vec<bool> = layout.hosts.iter().map(|&other| other == host).collect();
            let entries = self.entries(&is_in, -1.0);
            self.program.equal(entries.into_iter().chain([(entered, 1.0)]), 0.0);
            let members: Vec<usize> = (0..is_in.len()).filter(|&device| is_in[device]).collect();
            for &device in &members {
                let used = layout.used[device];
                self.program.at_most([(used, 1.0), (entered, -1.0)], 0.0);
            }
            for set in sets(members.len()) {
                let is_in_set = |device: usize| {
                    members
                        .iter()
                        .position(|&member| member == device)
                        .is_some_and(|at| set >> at & 1 == 1)
                };
                let is_in: Vec<bool> = (0..is_in.len()).map(is_in_set).collect();
                for &device in members.iter().filter(|&&device| is_in[device]) {
                    let entries = self.entries(&is_in, -1.0);
                    let used = (layout.used[device], 1.0);
                    self.program.at_most(entries.into_iter().chain([used]), 0.0);
                }
            }
        }
        for set in sets(hosts).filter(|set| set.count_ones() > 1) {
            let is_in: Vec<bool> = layout.hosts.iter().map(|&host| set >> host & 1 == 1).collect();
            for host in (0..hosts).filter(|&host| set >> host & 1 == 1) {
                let entries = self.entries(&is_in, -1.0);
                let entered = (layout.entered[host], 1.0);
                self.program.at_most(entries.into_iter().chain([entered]), 0.0);
            }
        }
    }

    /// (4) and the compute budgets of (5).
    fn devices(&mut self) {
        let layout = self.layout;
        for held in &layout.held {
            let size = layout.classes.size(held.class) as f64;
            let used = layout.used[held.device.index()];
            self.program.at_most([(held.is_any, 1.0), (used, -1.0)], 0.0);
            if held.is_any != held.variable {
                self.program.at_most([(held.variable, 1.0), (held.is_any, -size)], 0.0);
                self.program.at_most([(held.is_any, 1.0), (held.variable, -1.0)], 0.0);
            }
        }
        for id in self.instance.device_ids() {
            let used = layout.used[id.index()];
            self.copies(id);
            let mut bytes = self.bytes(id);
            bytes.subtract(used, self.instance.device(id).memory.0);
            scale::at_most(&mut self.program, bytes, 0);
            if let Some(limit) = self.instance.device(id).compute_max {
                let mut compute = Terms::default();
                let here = |counted: &&Counted| counted.spot.device == id;
                for counted in layout.counted.iter().filter(here) {
                    compute
                        .add(counted.variable, self.time(counted) * u64::from(self.model.weight));
                }
                compute.subtract(used, limit.0);
                scale::at_most(&mut self.program, compute, 0);
            }
        }
    }

    /// Layers that need a shared tensor are where it is stored, and it only where any layer is.
    fn copies(&mut self, device: DeviceId) {
        let layout = self.layout;
        for (shared, &copy) in layout.copies[device.index()].iter().enumerate() {
            self.program.at_most([(copy, 1.0), (layout.used[device.index()], -1.0)], 0.0);
            for counted in layout.counted.iter().filter(|c| c.spot.device == device) {
                let first = layout.classes.layers[counted.spot.class][0];
                let option = &self.model.layers[first].options[counted.spot.option.index()];
                if option.shared == Some(shared) {
                    let size = layout.classes.size(counted.spot.class) as f64;
                    self.program.at_most([(counted.variable, 1.0), (copy, -size)], 0.0);
                }
            }
        }
    }

    fn bytes(&self, device: DeviceId) -> Terms {
        let layout = self.layout;
        let mut terms = Terms::default();
        for counted in layout.counted.iter().filter(|c| c.spot.device == device) {
            let layer = &self.model.layers[layout.classes.layers[counted.spot.class][0]];
            let own = layer.options[counted.spot.option.index()].bytes + layer.kv;
            terms.add(counted.variable, own.0);
        }
        for (&copy, bytes) in layout.copies[device.index()].iter().zip(&self.model.shared) {
            terms.add(copy, bytes.0);
        }
        let fixed = self.instance.device(device).overhead + self.model.activation;
        terms.add(layout.used[device.index()], fixed.0);
        terms
    }

    /// Time of one layer of a count, in nanoseconds.
    fn time(&self, counted: &Counted) -> u64 {
        let layer = self.layout.classes.layers[counted.spot.class][0];
        let time = self.model.compute(layer, counted.spot.device, counted.spot.option);
        time.unwrap_or_default().0
    }

    /// Latency of a request, so many times.
    fn latency(&self, times: u64) -> Terms {
        let layout = self.layout;
        let mut terms = Terms::default();
        for counted in &layout.counted {
            terms.add(counted.variable, times * self.time(counted));
        }
        for step in &layout.steps {
            terms.add(step.variable, times * step.time.0);
        }
        for id in self.instance.device_ids() {
            let enter = self.instance.enter(self.model, id).unwrap_or_default();
            let leave = self.instance.leave(self.model, id).unwrap_or_default();
            terms.add(layout.starts[id.index()], times * enter.0);
            terms.add(layout.ends[id.index()], times * leave.0);
        }
        terms
    }

    /// The latency limit of (5), and (6).
    fn quality(&mut self, loss_max: Option<u64>) {
        if let Some(limit) = self.instance.latency_max {
            let latency = self.latency(1);
            scale::at_most(&mut self.program, latency, limit.0);
        }
        let Some(budget) = loss_max else { return };
        let layout = self.layout;
        let unit = layout.loss_unit;
        let mut loss: Vec<(Variable, f64)> =
            layout.losses.iter().map(|lost| (lost.variable, 1.0)).collect();
        for class in 0..layout.classes.layers.len() {
            if layout.losses.iter().any(|lost| lost.class == class) {
                continue;
            }
            let options = &self.model.layers[layout.classes.layers[class][0]].options;
            let here = layout.counted.iter().filter(|counted| counted.spot.class == class);
            let terms = here.map(|counted| {
                (counted.variable, options[counted.spot.option.index()].loss.0 as f64 / unit)
            });
            loss.extend(terms.filter(|(_, loss)| *loss > 0.0));
        }
        if !loss.is_empty() {
            self.program.at_most(loss, budget as f64 / unit);
        }
    }

    /// What is minimised; the cost of one unit of it.
    fn objective(&mut self) -> f64 {
        let terms = match self.instance.objective {
            Objective::Memory => {
                let mut terms = Terms::default();
                for device in self.instance.device_ids() {
                    terms.0.extend(self.bytes(device).0);
                }
                terms
            }
            Objective::Latency | Objective::Bottleneck => {
                self.latency(u64::from(self.model.weight))
            }
        };
        scale::minimise(&mut self.program, terms)
    }
}

/// The sets of so many members that are neither empty nor all, as bits; small ones of many.
fn sets(members: usize) -> impl Iterator<Item = u64> {
    let all = (1u64 << members.min(63)) - 1;
    let pairs = (0..members).flat_map(move |a| (a..members).map(move |b| 1u64 << a | 1u64 << b));
    let few = (1..all).filter(move |_| members <= SETS_OF);
    let many = pairs.filter(move |set| members > SETS_OF && set.count_ones() <= SMALL);
    few.chain(many)
}
