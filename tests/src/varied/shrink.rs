//! The smallest instance that still fails, for a person to read and to solve by hand.

use edgeplan_problem::deployment::{Deployment, DeviceId};

/// Takes away models, devices, layers, options, limits and digits as long as `fails` stays true.
/// Greedy: what is left is minimal in each single step, not smallest of all.
pub fn shrunk(instance: &Deployment, fails: &dyn Fn(&Deployment) -> bool) -> Deployment {
    let mut smallest = instance.clone();
    loop {
        let before = smallest.clone();
        let (mut steps, mut next) = (smaller(&smallest), 0);
        while let Some(step) = steps.get(next) {
            match step.clone().checked() {
                // What was refused before is not tried again until the next round.
                Ok(step) if step != smallest && fails(&step) => {
                    smallest = step;
                    steps = smaller(&smallest);
                }
                _ => next += 1,
            }
        }
        if smallest == before {
            return smallest;
        }
    }
}

/// Instances with one thing less, the most drastic first.
fn smaller(instance: &Deployment) -> Vec<Deployment> {
    let mut found = Vec::new();
    let mut offer = |change: &dyn Fn(&mut Deployment)| {
        let mut next = instance.clone();
        change(&mut next);
        found.push(next);
    };
    for model in 0..instance.models.len() {
        if instance.models.len() > 1 {
            offer(&|next| drop(next.models.remove(model)));
        }
    }
    for device in instance.device_ids() {
        if instance.devices.len() > 1 {
            offer(&|next| without_device(next, device));
        }
    }
    for (model, chain) in instance.models.iter().enumerate() {
        for layer in 0..chain.layers.len() {
            if chain.layers.len() > 1 {
                offer(&|next| drop(next.models[model].layers.remove(layer)));
            }
            let options = &chain.layers[layer].options;
            for option in 0..options.len() {
                if options.len() > 1 {
                    offer(&|next| {
                        drop(next.models[model].layers[layer].options.remove(option));
                    });
                }
                offer(&|next| next.models[model].layers[layer].options[option].shared = None);
            }
            offer(&|next| next.models[model].layers[layer].pin = None);
        }
        offer(&|next| next.models[model].loss_max = None);
        offer(&|next| next.models[model].weight = 1);
    }
    offer(&|next| next.latency_max = None);
    offer(&|next| next.bottleneck_max = None);
    for device in 0..instance.devices.len() {
        offer(&|next| next.devices[device].compute_max = None);
        offer(&|next| next.devices[device].traffic_max = None);
    }
    for way in [|_| 0, |_| 1, |value: u64| value / 1_000, |value| value / 2, one_less] {
        found.extend(smaller_numbers(instance, way));
    }
    found
}

/// Of large numbers halves are enough.
fn one_less(value: u64) -> u64 {
    if value > 32 { value } else { value.saturating_sub(1) }
}

/// Instances in which one number is smaller.
fn smaller_numbers(instance: &Deployment, way: fn(u64) -> u64) -> Vec<Deployment> {
    let mut count = 0;
    numbers(&mut instance.clone(), &mut |_| count += 1);
    let mut found = Vec::new();
    for wanted in 0..count {
        let (mut next, mut index, mut changed) = (instance.clone(), 0, false);
        numbers(&mut next, &mut |number| {
            if index == wanted && way(*number) < *number {
                *number = way(*number);
                changed = true;
            }
            index += 1;
        });
        if changed {
            found.push(next);
        }
    }
    found
}

/// Visits every number.
fn numbers(instance: &mut Deployment, visit: &mut dyn FnMut(&mut u64)) {
    instance.latency_max.iter_mut().for_each(|limit| visit(&mut limit.0));
    instance.bottleneck_max.iter_mut().for_each(|limit| visit(&mut limit.0));
    for device in &mut instance.devices {
        visit(&mut device.memory.0);
        visit(&mut device.overhead.0);
        device.compute_max.iter_mut().for_each(|limit| visit(&mut limit.0));
        device.traffic_max.iter_mut().for_each(|limit| visit(&mut limit.0));
    }
    for model in &mut instance.models {
        model.loss_max.iter_mut().for_each(|limit| visit(&mut limit.0));
        visit(&mut model.activation.0);
        model.shared.iter_mut().for_each(|tensor| visit(&mut tensor.0));
        for message in &mut model.messages {
            visit(&mut message.bytes.0);
            message.time.iter_mut().flatten().for_each(|hop| visit(&mut hop.0));
        }
        for layer in &mut model.layers {
            visit(&mut layer.kv.0);
            for option in &mut layer.options {
                visit(&mut option.bytes.0);
                visit(&mut option.loss.0);
                option.compute.iter_mut().flatten().for_each(|time| visit(&mut time.0));
            }
        }
    }
}

/// Takes a device away; what was pinned there or started there moves to the first one left.
fn without_device(instance: &mut Deployment, gone: DeviceId) {
    let count = instance.devices.len();
    let moved = |id: DeviceId| match id.0.cmp(&gone.0) {
        std::cmp::Ordering::Less => id,
        std::cmp::Ordering::Equal => DeviceId(0),
        std::cmp::Ordering::Greater => DeviceId(id.0 - 1),
    };
    instance.devices.remove(gone.index());
    instance.source = moved(instance.source);
    for model in &mut instance.models {
        for message in &mut model.messages {
            let mut pair = 0;
            message.time.retain(|_| {
                pair += 1;
                let (from, to) = ((pair - 1) / count, (pair - 1) % count);
                from != gone.index() && to != gone.index()
            });
        }
        for layer in &mut model.layers {
            layer.pin = layer.pin.map(moved);
            for option in &mut layer.options {
                option.compute.remove(gone.index());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::varied;

    #[test]
    fn what_does_not_matter_is_taken_away() {
        let matters = |instance: &Deployment| {
            let long = |model: &edgeplan_problem::deployment::Model| {
                model.layers.len() > 1 && model.layers[1].pin.is_some()
            };
            instance.models.iter().any(long) && instance.latency_max.is_some_and(|t| t.0 > 2)
        };
        let found =
            (0..).map(varied).find(|instance| matters(instance) && instance.devices.len() > 1);
        let mut smallest = shrunk(&found.expect("without end"), &matters);
        assert_eq!((smallest.models.len(), smallest.devices.len()), (1, 1));
        let model = &smallest.models[0];
        assert_eq!((model.layers.len(), model.weight, model.loss_max), (2, 1, None));
        assert!(model.layers.iter().all(|layer| layer.options.len() == 1));
        let mut sum = 0;
        numbers(&mut smallest, &mut |number| sum += *number);
        assert_eq!(sum, 3, "the latency limit alone");
    }
}
