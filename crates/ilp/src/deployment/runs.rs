//! How long a run can be: windows of layers that no device can hold whole.

use edgeplan_mip::Variable;
use edgeplan_problem::deployment::{Deployment, DeviceId, Model};

use super::rows::Statement;
use super::{Chain, Choice};

/// What one layer needs at least on one device, by the loss that is spent on it.
struct Need {
    /// Loss of the best option there, above the best one anywhere.
    loss: u128,
    /// Bytes of that option.
    bytes: u128,
    /// Least compute time per round.
    compute: u128,
    /// Bytes saved by more loss, along the convex hull, best rate first.
    savings: Vec<Saving>,
}

#[derive(Clone, Copy)]
struct Saving {
    bytes: u128,
    loss: u128,
}

/// What a device has for one model.
struct Have {
    bytes: u128,
    compute: Option<u128>,
    /// Loss that the model may spend above each layer's best option; none if it has no budget.
    loss: Option<u128>,
}

impl Statement<'_> {
    /// (13) for each window a..=b of layers that `d` cannot hold whole, and each that has no
    /// smaller such window in it:
    ///
    /// `sum_{a <= l < b} y[l,d,d] <= sum_{a < l < b, o} x[l,d,o]`
    pub(super) fn runs(&mut self) {
        for (model, chain) in self.instance.models.iter().zip(&self.layout.models) {
            let spare = spare(model, chain);
            for device in self.instance.device_ids() {
                let Some(have) = have(self.instance, model, device, spare) else { continue };
                let needs: Vec<Option<Need>> = (0..model.layers.len())
                    .map(|layer| need(model, chain, layer, device, spare.is_some()))
                    .collect();
                for (first, last) in windows(&needs, &have) {
                    self.bar(chain, device, first, last);
                    let role = |layer: usize| &model.layers[layer].role;
                    let name = &self.instance.device(device).name;
                    self.label("run", &[&model.name, role(first), role(last), name]);
                }
            }
        }
    }

    /// Bars the device from holding all of these layers in one run.
    fn bar(&mut self, chain: &Chain, device: DeviceId, first: usize, last: usize) {
        let here = |layer: usize| chain.choices[layer].iter().filter(|c| c.device == device);
        if first == last {
            for choice in here(first) {
                self.program.columns[choice.variable.index()].upper = Some(0.0);
            }
            return;
        }
        let stays = (first..last).flat_map(|layer| &chain.moves[layer]);
        let stays = stays.filter(|step| step.from == device && step.to == device);
        let stays: Vec<Variable> = stays.map(|step| step.variable).collect();
        if let [only] = stays[..] {
            self.program.columns[only.index()].upper = Some(0.0);
            return;
        }
        let between = (first + 1..last).flat_map(here).map(|choice: &Choice| choice.variable);
        let terms = stays.into_iter().map(|v| (v, 1.0)).chain(between.map(|v| (v, -1.0)));
        self.program.at_most(terms.collect::<Vec<_>>(), 0.0);
    }
}

/// The loss that a model may spend above the best option of each layer; none without a budget.
fn spare(model: &Model, chain: &Chain) -> Option<u128> {
    let budget = model.loss_max?;
    let best: u64 = (0..model.layers.len()).map(|layer| least_loss(model, chain, layer)).sum();
    Some(u128::from(budget.0.saturating_sub(best)))
}

/// Loss of a layer's best option.
pub(super) fn least_loss(model: &Model, chain: &Chain, layer: usize) -> u64 {
    let options = chain.choices[layer].iter().map(|choice| choice.option.index());
    options.map(|option| model.layers[layer].options[option].loss.0).min().unwrap_or_default()
}

/// None where nothing of that model fits.
fn have(
    instance: &Deployment,
    model: &Model,
    device: DeviceId,
    loss: Option<u128>,
) -> Option<Have> {
    let bytes = u128::from(instance.room(device, model)?.0);
    let limits = [instance.device(device).compute_max, instance.bottleneck_max];
    let compute = limits.into_iter().flatten().min().map(|limit| u128::from(limit.0));
    Some(Have { bytes, compute, loss })
}

/// What a layer needs on a device; none where it cannot be there. Shared tensors count nothing.
fn need(
    model: &Model,
    chain: &Chain,
    layer: usize,
    device: DeviceId,
    budget: bool,
) -> Option<Need> {
    let kv = u128::from(model.layers[layer].kv.0);
    let best = least_loss(model, chain, layer);
    let mut points = Vec::new();
    let mut compute = None;
    for choice in chain.choices[layer].iter().filter(|choice| choice.device == device) {
        let option = &model.layers[layer].options[choice.option.index()];
        let loss = if budget { u128::from(option.loss.0 - best) } else { 0 };
        points.push((loss, u128::from(option.bytes.0) + kv));
        let time = model.compute(layer, device, choice.option).unwrap_or_default();
        let time = u128::from(time.0) * u128::from(model.weight);
        compute = Some(compute.map_or(time, |least: u128| least.min(time)));
    }
    points.sort_unstable();
    let (&(loss, bytes), rest) = points.split_first()?;
    Some(Need { loss, bytes, compute: compute?, savings: hull((loss, bytes), rest) })
}

/// The lower convex hull from a point on, as steps; points by loss, then bytes.
fn hull(start: (u128, u128), rest: &[(u128, u128)]) -> Vec<Saving> {
    let mut corners = vec![start];
    for &(loss, bytes) in rest {
        if bytes >= corners[corners.len() - 1].1 {
            continue;
        }
        while let [.., before, last] = corners[..] {
            let (to, over) = (last.0 - before.0, last.1 - bytes);
            // The step to `last` saves less per loss than the one from `last` on.
            let bends = (before.1 - last.1) * (loss - last.0) <= over * to;
            if !bends {
                break;
            }
            corners.pop();
        }
        corners.push((loss, bytes));
    }
    let steps = corners.windows(2);
    steps.map(|pair| Saving { bytes: pair[0].1 - pair[1].1, loss: pair[1].0 - pair[0].0 }).collect()
}

/// The windows that do not fit and in which every smaller one does. The ends only ever move up.
///
/// # Complexity
/// O(layers * window * options * log)
fn windows(needs: &[Option<Need>], have: &Have) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = 0;
    for last in 0..needs.len() {
        let mut barred = None;
        while start <= last && !fits(&needs[start..=last], have) {
            barred = Some(start);
            start += 1;
        }
        // A layer that is nowhere on the device has no variables to bar.
        found.extend(barred.filter(|_| needs[last].is_some()).map(|first| (first, last)));
    }
    found
}

/// Whether a device may hold these layers in one run: never no where a plan does it.
fn fits(needs: &[Option<Need>], have: &Have) -> bool {
    let Some(needs) = needs.iter().map(Option::as_ref).collect::<Option<Vec<&Need>>>() else {
        return false;
    };
    let compute: u128 = needs.iter().map(|need| need.compute).sum();
    if have.compute.is_some_and(|limit| compute > limit) {
        return false;
    }
    let loss: u128 = needs.iter().map(|need| need.loss).sum();
    let mut spare = match have.loss.map(|spare| spare.checked_sub(loss)) {
        Some(None) => return false,
        Some(Some(spare)) => spare,
        None => 0,
    };
    let mut bytes: u128 = needs.iter().map(|need| need.bytes).sum();
    if bytes <= have.bytes {
        return true;
    }
    let mut savings: Vec<Saving> =
        needs.iter().flat_map(|need| need.savings.iter().copied()).collect();
    savings.sort_by(|a, b| (b.bytes * a.loss).cmp(&(a.bytes * b.loss)));
    for saving in savings {
        if saving.loss > spare {
            // In part, rounded in favour of fitting.
            bytes -= (saving.bytes * spare).div_ceil(saving.loss);
            break;
        }
        spare -= saving.loss;
        bytes -= saving.bytes;
    }
    bytes <= have.bytes
}
