//! Layers that are alike: of a class only the number that lies somewhere counts.

use edgeplan_problem::deployment::{Deployment, DeviceId, Layer, OptionId};

/// The layers of a model by class. Layers of a class take the same bytes and times in the same
/// options; what their options lose may differ.
#[derive(Debug, Clone)]
pub(super) struct Classes {
    /// By layer.
    pub(super) of_layer: Vec<usize>,
    /// By class: its layers, in the order of the chain.
    pub(super) layers: Vec<Vec<usize>>,
}

/// An option of a class on a device, which no other one beats there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) class: usize,
    pub(super) device: DeviceId,
    pub(super) option: OptionId,
}

fn are_alike(one: &Layer, two: &Layer) -> bool {
    let mut pairs = one.options.iter().zip(&two.options);
    (one.kv, one.pin, one.output, one.joined) == (two.kv, two.pin, two.output, two.joined)
        && one.options.len() == two.options.len()
        && pairs.all(|(a, b)| (a.bytes, a.shared, &a.compute) == (b.bytes, b.shared, &b.compute))
}

impl Classes {
    /// The classes of the only model.
    pub(super) fn new(instance: &Deployment) -> Self {
        let all = &instance.models[0].layers;
        let mut classes = Self { of_layer: Vec::with_capacity(all.len()), layers: Vec::new() };
        for (layer, here) in all.iter().enumerate() {
            let mut known = classes.layers.iter();
            let class = known.position(|layers| are_alike(&all[layers[0]], here));
            let class = class.unwrap_or(classes.layers.len());
            if class == classes.layers.len() {
                classes.layers.push(Vec::new());
            }
            classes.layers[class].push(layer);
            classes.of_layer.push(class);
        }
        classes
    }

    /// Layers of a class.
    pub(super) fn size(&self, class: usize) -> u64 {
        self.layers[class].len() as u64
    }

    /// Whether the options of all layers of a class lose the same.
    pub(super) fn lose_alike(&self, instance: &Deployment, class: usize) -> bool {
        let all = &instance.models[0].layers;
        let first = &all[self.layers[class][0]].options;
        self.layers[class].iter().all(|&layer| {
            all[layer].options.iter().zip(first).all(|(here, there)| here.loss == there.loss)
        })
    }

    /// The spots of a class: on every device the options that fit there, and that no other option
    /// beats in bytes, time and every layer's loss; of equal ones the first.
    pub(super) fn spots(&self, instance: &Deployment, class: usize) -> Vec<Spot> {
        let devices = instance.device_ids();
        devices.flat_map(|device| self.spots_on(instance, class, device)).collect()
    }

    fn spots_on(&self, instance: &Deployment, class: usize, device: DeviceId) -> Vec<Spot> {
        let model = &instance.models[0];
        let first = self.layers[class][0];
        let fits = |&option: &OptionId| {
            let room = instance.room(device, model);
            model.compute(first, device, option).is_some()
                && room.is_some_and(|room| model.bytes(first, option) <= room)
        };
        let options: Vec<OptionId> = model.option_ids(first).filter(fits).collect();
        let is_beaten = |&option: &OptionId| {
            options.iter().any(|&rival| {
                let beats = |one, two| self.beats(instance, class, device, [one, two]);
                rival != option && beats(rival, option) && (rival < option || !beats(option, rival))
            })
        };
        let kept = options.iter().copied().filter(|option| !is_beaten(option));
        kept.map(|option| Spot { class, device, option }).collect()
    }

    /// Whether the first of two options is at least as good as the second in everything.
    pub(super) fn beats(
        &self,
        instance: &Deployment,
        class: usize,
        device: DeviceId,
        [better, worse]: [OptionId; 2],
    ) -> bool {
        let model = &instance.models[0];
        let first = self.layers[class][0];
        let option = |layer: usize, option: OptionId| &model.layers[layer].options[option.index()];
        let (one, two) = (option(first, better), option(first, worse));
        let times = [better, worse].map(|option| model.compute(first, device, option));
        let is_as_quick = matches!(times, [Some(one), Some(two)] if one <= two);
        let loses_no_more =
            |&layer: &usize| option(layer, better).loss <= option(layer, worse).loss;
        is_as_quick
            && one.shared == two.shared
            && one.bytes <= two.bytes
            && self.layers[class].iter().all(loses_no_more)
    }
}
