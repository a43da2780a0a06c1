//! Labels where a device's memory is not one run's alone: free placement, several models.
//!
//! A label carries what every device has spent. Models are placed one after the other; what is left
//! of a model is bounded by its own relaxation, the models after it by theirs.

mod booking;

use edgeplan_problem::Stop;
use edgeplan_problem::deployment::{
    Assignment, Deployment, Device, DeviceId, Model, Objective, Placement, Plan,
};
use rustc_hash::FxHashMap;

use super::{Expansion, LabelOutcome, Layer, Trace, Width};
use crate::chain::{Chain, DeviceSet};
use crate::dual::relaxation::Relaxation;
use crate::effort::Crowding;
use crate::tuning::TUNING;
use booking::{Booked, JointLabel, Message};

/// A model as the search sees it.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) chain: &'a Chain,
    /// Absent where nothing bounds the cost (the bottleneck is a maximum, not a sum).
    pub(crate) relaxation: Option<&'a Relaxation<'a>>,
    /// Least cost of all models after this one.
    pub(crate) later: f64,
}

/// Where a layer is in the sequence of all models' layers.
#[derive(Debug, Clone, Copy)]
struct Position {
    model: usize,
    /// Within the model.
    layer: usize,
}

/// What a new label grows from.
#[derive(Debug, Clone, Copy)]
struct Parent<'p> {
    label: &'p JointLabel,
    /// What its devices have spent.
    spent: &'p [u64],
    /// Its index in its layer.
    index: u32,
}

/// The search.
pub(crate) struct JointLabels<'a> {
    instance: &'a Deployment,
    stages: Vec<Stage<'a>>,
    /// Of every layer of all models.
    positions: Vec<Position>,
    /// Only plans of at most this scaled cost are looked for.
    limit: f64,
    /// Numbers of a row per device: bytes, and times where they matter.
    parts: usize,
    /// By device: the devices of its host.
    hosts: Vec<DeviceSet>,
}

/// Whether the tensors that a model's layers share can be kept track of.
pub(crate) fn can_share(instance: &Deployment) -> bool {
    let bits = |model: &Model| model.shared.len() * instance.devices.len();
    instance.models.iter().all(|model| bits(model) <= 128)
}

impl<'a> JointLabels<'a> {
    /// A search for plans of at most that scaled cost.
    pub(crate) fn new(instance: &'a Deployment, stages: Vec<Stage<'a>>, limit: f64) -> Self {
        let timed = |device: &Device| device.compute_max.is_some() || device.traffic_max.is_some();
        let timed = instance.objective == Objective::Bottleneck
            || instance.bottleneck_max.is_some()
            || instance.devices.iter().any(timed);
        let positions = stages.iter().enumerate().flat_map(|(model, stage)| {
            (0..stage.chain.layers).map(move |layer| Position { model, layer })
        });
        let positions = positions.collect();
        let of_host = |one: DeviceId| {
            let members = instance.device_ids().filter(|&other| instance.share_host(one, other));
            members.fold(0, |set, other| set | 1 << other.index())
        };
        let hosts = instance.device_ids().map(of_host).collect();
        Self { instance, stages, positions, limit, parts: if timed { 4 } else { 1 }, hosts }
    }

    /// Searches forward, model by model, layer by layer. Exact where nothing had to be dropped.
    pub(crate) fn search(
        &self,
        width: Width,
        tick: &mut dyn FnMut() -> Result<(), Stop>,
    ) -> Result<LabelOutcome, Stop> {
        tick()?;
        super::search(self, width, tick)
    }

    /// The devices of all hosts that a label's model has touched.
    fn touched_hosts(&self, label: &JointLabel) -> DeviceSet {
        let touched = self.hosts.iter().filter(|&&host| host & label.touched != 0);
        touched.fold(0, |set, host| set | host)
    }

    fn model(&self, model: usize) -> &Model {
        &self.instance.models[model]
    }

    /// Numbers of a row: what all devices have spent.
    fn row(&self) -> usize {
        self.instance.devices.len() * self.parts
    }

    /// All ways to place the first layer of a model.
    fn enter(&self, at: Position, parent: Parent<'_>, next: &mut Layer<JointLabel>) {
        let chain = self.stages[at.model].chain;
        let fresh = parent.label.at_next_model();
        let parent = Parent { label: &fresh, ..parent };
        // Every device, alike or not: what they have spent for other models may differ.
        for device in 0..chain.devices {
            let Some(hop) = &chain.ingress[device] else { continue };
            self.move_on(at, parent, Message { from: chain.source, hop }, next);
        }
    }

    /// Sends a message, then places the layer where it arrives.
    fn move_on(
        &self,
        at: Position,
        parent: Parent<'_>,
        message: Message<'_>,
        next: &mut Layer<JointLabel>,
    ) {
        let mut spent = parent.spent.to_vec();
        let mut label = *parent.label;
        if self.send(at.model, message, &mut label, &mut spent) == Booked::Forbidden {
            return;
        }
        let hop = message.hop;
        if let Some(relaxation) = self.stages[at.model].relaxation {
            label.priced += relaxation.arrive(hop.cost, hop.time, hop.to);
        }
        label.device = hop.to as u16;
        self.place(at, Parent { label: &label, spent: &spent, ..parent }, next);
    }

    /// Places a layer on the label's device in every choice that can still be in a plan.
    fn place(&self, at: Position, parent: Parent<'_>, next: &mut Layer<JointLabel>) {
        let (chain, device) = (self.stages[at.model].chain, usize::from(parent.label.device));
        for index in 0..chain.choices[chain.at(at.layer, device)].len() {
            let mut child =
                JointLabel { choice: index as u16, parent: parent.index, ..*parent.label };
            let start = next.rows.len();
            next.rows.extend_from_slice(parent.spent);
            let spent = &mut next.rows[start..];
            if self.store(at, &mut child, spent) == Booked::Allowed
                && self.bound(at, &mut child, spent) == Booked::Allowed
            {
                next.labels.push(child);
            } else {
                next.rows.truncate(start);
            }
        }
    }
}

/// What labels must have in common to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    device: u16,
    /// Devices that may not be visited again; none where placement is free.
    barred: DeviceSet,
    stored: u128,
}

impl Expansion for JointLabels<'_> {
    type Label = JointLabel;

    fn layers(&self) -> usize {
        self.positions.len()
    }

    fn crowding(&self) -> Crowding {
        TUNING.joint.crowding
    }

    fn start(&self, next: &mut Layer<JointLabel>) {
        let (root, spent) = (JointLabel::default(), vec![0; self.row()]);
        self.enter(self.positions[0], Parent { label: &root, spent: &spent, index: 0 }, next);
    }

    fn extend(
        &self,
        layer: usize,
        from: &Layer<JointLabel>,
        parent: usize,
        next: &mut Layer<JointLabel>,
    ) {
        let (at, row) = (self.positions[layer], self.row());
        let label = &from.labels[parent];
        let spent = &from.rows[parent * row..(parent + 1) * row];
        let parent = Parent { label, spent, index: parent as u32 };
        if at.layer == 0 {
            self.enter(at, parent, next);
            return;
        }
        self.place(at, parent, next);
        let (chain, device) = (self.stages[at.model].chain, usize::from(label.device));
        for hop in &chain.hops[chain.at(at.layer - 1, device)] {
            let returns =
                self.hosts[hop.to] & label.touched != 0 && self.hosts[hop.to] >> device & 1 == 0;
            if !(returns && self.instance.placement == Placement::Contiguous) {
                self.move_on(at, parent, Message { from: device, hop }, next);
            }
        }
    }

    fn thin(&self, _: usize, labels: &mut Layer<JointLabel>, width: Width) {
        let row = self.row();
        let mut order: Vec<u32> = (0..labels.labels.len() as u32).collect();
        // By bound, since the labels of least bound are kept; of equal bound the cheaper one first,
        // which may dominate.
        order.sort_by(|&a, &b| {
            let (a, b) = (&labels.labels[a as usize], &labels.labels[b as usize]);
            a.bound.total_cmp(&b.bound).then(a.cost.total_cmp(&b.cost))
        });
        let mut kinds: FxHashMap<Kind, Vec<u32>> = FxHashMap::default();
        let mut kept: Layer<JointLabel> = Layer::new(labels.dropped);
        for index in order {
            let label = &labels.labels[index as usize];
            let spent = &labels.rows[index as usize * row..(index as usize + 1) * row];
            let barred = match self.instance.placement {
                Placement::Contiguous => self.touched_hosts(label),
                Placement::Free => 0,
            };
            let kind = Kind { device: label.device, barred, stored: label.stored };
            let alike = kinds.entry(kind).or_default();
            let beaten = alike.iter().rev().take(TUNING.joint.compared_max).any(|&other| {
                let at = other as usize * row;
                let other = &kept.labels[other as usize];
                other.is_no_worse(label)
                    && kept.rows[at..at + row].iter().zip(spent).all(|(a, b)| a <= b)
            });
            if beaten {
                continue;
            }
            if kept.labels.len() == width.labels {
                // In the order of their bounds: all that follow are no less.
                kept.drop(label.bound);
                break;
            }
            alike.push(kept.labels.len() as u32);
            kept.labels.push(*label);
            kept.rows.extend_from_slice(spent);
        }
        *labels = kept;
    }

    fn best(&self, last: &Layer<JointLabel>) -> Option<usize> {
        let complete = last.labels.iter().enumerate();
        let best = complete.min_by(|a, b| a.1.cost.total_cmp(&b.1.cost));
        best.map(|(index, _)| index)
    }

    fn trace(label: &JointLabel) -> Trace {
        Trace { parent: label.parent, device: label.device, choice: label.choice }
    }

    fn assignment(&self, layer: usize, trace: Trace) -> Assignment {
        let (at, device) = (self.positions[layer], usize::from(trace.device));
        let chain = self.stages[at.model].chain;
        let option = chain.choices[chain.at(at.layer, device)][usize::from(trace.choice)].option;
        Assignment { device: DeviceId(trace.device), option }
    }
}

/// A plan from the layers of all models, one after the other.
pub(crate) fn by_model(instance: &Deployment, assignments: &[Assignment]) -> Plan {
    let mut rest = assignments;
    let models = instance.models.iter().map(|model| {
        let (own, later) = rest.split_at(model.layers.len());
        rest = later;
        own.to_vec()
    });
    Plan { models: models.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;
    use edgeplan_problem::{Bytes, Cost, Loss, Nanos, Problem as _};

    const ALL: Width = Width { labels: usize::MAX / 4, per_kind: None };

    /// The least cost, without any tables.
    fn least(question: &Deployment) -> Option<Cost> {
        let measure = match question.objective {
            Objective::Memory => Measure::Memory,
            Objective::Latency | Objective::Bottleneck => Measure::Latency,
        };
        let chains = Chain::all(question, measure);
        let stage = |chain| Stage { chain, relaxation: None, later: 0.0 };
        let joint = JointLabels::new(question, chains.iter().map(stage).collect(), f64::MAX);
        let found = joint.search(ALL, &mut || Ok(())).expect("nothing stops it");
        assert_eq!(found.dropped, None);
        let evaluation = question.evaluate(&by_model(question, &found.plan?));
        assert!(evaluation.is_feasible(), "{:?}", evaluation.violations);
        Some(evaluation.cost)
    }

    fn free(memory: &[u64], layers: &[(u64, u64)]) -> Deployment {
        Deployment { placement: Placement::Free, ..question(memory, layers) }
    }

    #[test]
    fn nothing_is_read_beyond_a_row_where_no_time_is_limited() {
        let mut question = free(&[0], &[(0, 0), (0, 1)]);
        assert_eq!(least(&question), Some(Cost(1)));
        question.models[0].layers[1].options[0].loss = Loss(2);
        question.models[0].loss_max = Some(Loss(0));
        assert_eq!(least(&question), None);
        // Neither is the next device's memory taken for this one's time.
        assert_eq!(least(&free(&[0, 5], &[(0, 3), (0, 4)])), Some(Cost(7)));
    }

    #[test]
    fn a_device_is_visited_again_where_it_may_be() {
        let mut question = free(&[2, 2], &[(1, 1), (2, 1), (1, 1)]);
        assert_eq!(least(&question), Some(Cost(3)));
        question.placement = Placement::Contiguous;
        assert_eq!(least(&question), None);
    }

    #[test]
    fn what_a_device_needs_once_is_paid_once() {
        let mut question = free(&[10, 10], &[(1, 1), (1, 1)]);
        question.objective = Objective::Memory;
        question.devices[0].overhead = Bytes(3);
        question.devices[1].overhead = Bytes(2);
        question.models[0].activation = Bytes(1);
        assert_eq!(least(&question), Some(Cost(5)));
    }

    #[test]
    fn limits_on_time_are_met_exactly_or_not_at_all() {
        let mut question = free(&[9], &[(0, 3), (0, 4)]);
        question.models[0].weight = 2;
        for (limit, cost) in [(14, Some(Cost(14))), (13, None), (u64::MAX, Some(Cost(14)))] {
            question.devices[0].compute_max = Some(Nanos(limit));
            assert_eq!(least(&question), cost, "{limit}");
        }
    }

    #[test]
    fn two_models_share_devices_as_brute_force_has_them_share() {
        let (mut feasible, mut checked) = (0, 0);
        for memory in [[2, 3], [3, 3], [4, 2], [1, 1]] {
            for placement in [Placement::Free, Placement::Contiguous] {
                for objective in [Objective::Latency, Objective::Memory, Objective::Bottleneck] {
                    let mut question = question(&memory, &[(1, 3), (2, 1)]);
                    let other = question_of_other_times();
                    question.models.push(other);
                    (question.placement, question.objective) = (placement, objective);
                    let question = question.checked().expect("the question makes sense");
                    let best = question.brute_force().map(|(cost, _)| cost);
                    assert_eq!(least(&question), best, "{memory:?}, {placement:?}, {objective:?}");
                    (checked, feasible) = (checked + 1, feasible + usize::from(best.is_some()));
                }
            }
        }
        assert!(feasible > 0 && feasible < checked, "{feasible} of {checked}");
    }

    fn question_of_other_times() -> Model {
        let mut other = question(&[9, 9], &[(1, 4), (1, 5)]).models.remove(0);
        other.name = "other".into();
        other.layers[1].options[0].compute[1] = Some(Nanos(2));
        other
    }
}
