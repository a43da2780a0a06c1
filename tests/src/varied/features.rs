//! What an instance contains, told from the instance itself, so that a knob that does nothing is
//! noticed.

use std::collections::BTreeSet;

use edgeplan_problem::deployment::{
    Deployment, Device, Layer, LayerOption, Model, Objective, Placement,
};
use edgeplan_problem::{Bytes, Cost, Nanos, Problem as _};

use crate::Optimum;

/// Whether an instance, whose best plan is known, has some feature.
type Has = fn(&Deployment, &Optimum) -> bool;

/// What a solver could trip over, by name.
pub const FEATURES: &[(&str, Has)] = &[
    ("latency", |i, _| i.objective == Objective::Latency),
    ("bottleneck", |i, _| i.objective == Objective::Bottleneck),
    ("memory", |i, _| i.objective == Objective::Memory),
    ("contiguous", |i, _| i.placement == Placement::Contiguous),
    ("free", |i, _| i.placement == Placement::Free),
    ("infeasible", |_, truth| *truth == Optimum::Infeasible),
    ("optimum of zero", |_, truth| truth.cost() == Some(Cost::ZERO)),
    ("several runs are best", |_, truth| several_runs(truth)),
    ("a device is visited again", |_, truth| revisited(truth)),
    ("one device", |i, _| i.devices.len() == 1),
    ("one layer", |i, _| i.models.iter().all(|model| model.layers.len() == 1)),
    ("hosts of several devices", |i, _| several_devices(i)),
    ("parts of a block", |i, _| layers(i).any(|layer| layer.joined)),
    ("several models", |i, _| i.models.len() > 1),
    ("three models", |i, _| i.models.len() > 2),
    ("weights", |i, _| i.models.iter().any(|model| model.weight > 1)),
    ("large weights", |i, _| i.models.iter().any(|model| model.weight > 100)),
    ("identical devices", |i, _| identical_devices(i)),
    ("identical layers", |i, _| i.models.iter().any(identical_layers)),
    ("device of no memory", |i, _| i.devices.iter().any(|d| d.memory == Bytes::ZERO)),
    ("overhead above memory", |i, _| i.devices.iter().any(|d| d.overhead > d.memory)),
    ("option of no bytes", |i, _| any_option(i, |option| option.bytes == Bytes::ZERO)),
    ("no bytes at all", |i, _| no_bytes(i)),
    ("option of no time", |i, _| any_option(i, |o| o.compute.contains(&Some(Nanos::ZERO)))),
    ("no compute at all", |i, _| !any_option(i, |o| o.compute.iter().flatten().any(|t| t.0 > 0))),
    ("free hops", |i, _| hops(i).any(|hop| hop == Some(Nanos::ZERO))),
    ("unreachable pair", |i, _| hops(i).any(|hop| hop.is_none())),
    ("unusable device", |i, _| any_option(i, |option| option.compute.contains(&None))),
    ("option without a device", |i, _| any_option(i, |o| o.compute.iter().all(Option::is_none))),
    ("tied ends", |i, _| i.models.iter().any(tied_ends)),
    ("shared tensor", |i, _| any_option(i, |option| option.shared.is_some())),
    ("shared tensor of no bytes", |i, _| i.models.iter().any(|m| m.shared.contains(&Bytes::ZERO))),
    ("pin", |i, _| layers(i).any(|layer| layer.pin.is_some())),
    ("several pins", |i, _| layers(i).filter(|layer| layer.pin.is_some()).count() > 1),
    ("latency_max", |i, _| i.latency_max.is_some()),
    ("bottleneck_max", |i, _| i.bottleneck_max.is_some()),
    ("loss_max", |i, _| i.models.iter().any(|model| model.loss_max.is_some())),
    ("compute_max", |i, _| i.devices.iter().any(|device| device.compute_max.is_some())),
    ("traffic_max", |i, _| i.devices.iter().any(|device| device.traffic_max.is_some())),
    ("limit of zero", |i, _| limits(i).any(|limit| limit == 0)),
    ("limit without end", |i, _| limits(i).any(|limit| limit == u64::MAX)),
    ("limit met exactly", met_exactly),
    ("real numbers", |i, _| within(i, 1_000_000, 1 << 40)),
    ("beyond tolerances", |i, _| within(i, 1 << 40, 1 << 53)),
    ("beyond floats", |i, _| within(i, 1 << 53, u64::MAX)),
];

fn layers(instance: &Deployment) -> impl Iterator<Item = &Layer> {
    instance.models.iter().flat_map(|model| &model.layers)
}

fn any_option(instance: &Deployment, is: impl Fn(&LayerOption) -> bool) -> bool {
    layers(instance).any(|layer| layer.options.iter().any(&is))
}

/// The hops between different devices.
fn hops(instance: &Deployment) -> impl Iterator<Item = Option<Nanos>> {
    let apart = instance.devices.len() + 1;
    let messages = instance.models.iter().flat_map(|model| &model.messages);
    messages.flat_map(move |message| {
        message.time.iter().enumerate().filter(move |(pair, _)| pair % apart != 0).map(|(_, t)| *t)
    })
}

fn limits(instance: &Deployment) -> impl Iterator<Item = u64> {
    let whole = [instance.latency_max.map(|t| t.0), instance.bottleneck_max.map(|t| t.0)];
    let models = instance.models.iter().map(|model| model.loss_max.map(|loss| loss.0));
    let device = |d: &Device| [d.compute_max.map(|t| t.0), d.traffic_max.map(|bytes| bytes.0)];
    let devices = instance.devices.iter().flat_map(device);
    whole.into_iter().chain(models).chain(devices).flatten()
}

fn identical_devices(instance: &Deployment) -> bool {
    let rest = |device: &Device| Device { name: String::new(), ..device.clone() };
    let first = rest(&instance.devices[0]);
    let same_compute = |o: &LayerOption| o.compute.iter().all(|time| *time == o.compute[0]);
    instance.devices.len() > 1
        && instance.devices.iter().all(|device| rest(device) == first)
        && layers(instance).all(|layer| layer.options.iter().all(same_compute))
}

fn identical_layers(model: &Model) -> bool {
    let first = &model.layers[0];
    model.layers.len() > 1 && model.layers.iter().all(|layer| layer.options == first.options)
}

fn no_bytes(instance: &Deployment) -> bool {
    !any_option(instance, |option| option.bytes.0 > 0) && layers(instance).all(|l| l.kv.0 == 0)
}

fn tied_ends(model: &Model) -> bool {
    let names =
        |layer: &Layer| layer.options.iter().filter_map(|o| o.shared).collect::<BTreeSet<_>>();
    let (first, last) = (&model.layers[0], &model.layers[model.layers.len() - 1]);
    model.layers.len() > 1 && !names(first).is_disjoint(&names(last))
}

fn several_devices(instance: &Deployment) -> bool {
    let ids = || instance.device_ids();
    ids().any(|one| ids().any(|two| one != two && instance.share_host(one, two)))
}

fn several_runs(truth: &Optimum) -> bool {
    let Optimum::Cost(_, plan) = truth else { return false };
    (0..plan.models.len()).any(|model| plan.segments(model).len() > 1)
}

fn revisited(truth: &Optimum) -> bool {
    let Optimum::Cost(_, plan) = truth else { return false };
    (0..plan.models.len()).any(|model| {
        let runs = plan.segments(model);
        let devices: BTreeSet<_> = runs.iter().map(|run| run.device).collect();
        devices.len() < runs.len()
    })
}

/// Whether the best plan uses all of some memory or limit.
fn met_exactly(instance: &Deployment, truth: &Optimum) -> bool {
    let Optimum::Cost(_, plan) = truth else { return false };
    let account = instance.evaluate(plan).account;
    let slowest = account.models.iter().map(|bill| bill.latency).max();
    let devices = instance.devices.iter().zip(&account.devices).any(|(device, bill)| {
        bill.used && bill.memory() == device.memory
            || device.compute_max == Some(bill.compute)
            || device.traffic_max == Some(bill.sent)
    });
    let models = instance.models.iter().zip(&account.models);
    devices
        || instance.latency_max.is_some() && instance.latency_max == slowest
        || instance.bottleneck_max == Some(account.bottleneck)
        || models.into_iter().any(|(model, bill)| model.loss_max == Some(bill.loss))
}

/// Whether the largest number of a time, memory or loss lies between these.
fn within(instance: &Deployment, least: u64, below: u64) -> bool {
    let options = layers(instance).flat_map(|layer| &layer.options);
    let largest = options
        .flat_map(|option| {
            let compute = option.compute.iter().flatten().map(|time| time.0);
            compute.chain([option.bytes.0, option.loss.0])
        })
        .chain(hops(instance).flatten().map(|hop| hop.0))
        .chain(instance.devices.iter().map(|device| device.memory.0))
        .max();
    largest.is_some_and(|largest| (least..below).contains(&largest))
}
