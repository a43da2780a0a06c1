//! A layer as the problem sees it: its recipes, priced on every device.

use edgeplan_cost_model::Prediction;
use edgeplan_problem::deployment::{DeviceId, Layer, LayerOption};
use edgeplan_problem::{Bytes, Loss};

use super::machine::{Machine, Passes, format_of};
use super::memory::{self, Matrix};
use super::priced::Times;
use super::{Builder, OF_BLOCKS, STATES};
use crate::workload::Granularity;
use edgeplan_files::InputError;
use edgeplan_model::recipes::{Choice, Price, Priced, TensorChoices, recipes};
use edgeplan_model::sensitivity::Sensitivity;
use edgeplan_model::{LayerSpec, ModelSpec, Part, TensorClass, TensorSpec};
use edgeplan_problem::format::Format;

impl Builder<'_> {
    /// A layer, and the times of its options.
    pub(super) fn layer(
        &self,
        model: &ModelSpec,
        spec: &LayerSpec,
        sensitivity: Sensitivity,
        shared: &mut Vec<(Format, Bytes)>,
    ) -> Result<(Layer, Vec<Times>), InputError> {
        let (chosen, kept): (Vec<&TensorSpec>, Vec<&TensorSpec>) =
            spec.tensors.iter().partition(|tensor| tensor.quantizable);
        let mut chosen_times = Vec::new();
        let mut choices = Vec::new();
        for tensor in &chosen {
            let (found, times) = self.choices(model, spec, tensor, sensitivity)?;
            choices.push(found);
            chosen_times.push(times);
        }
        let kept_bytes: Bytes =
            kept.iter().map(|tensor| self.stored(model, spec, tensor, format_of(tensor))).sum();
        let kept_time = self.kept_time(model, spec, &kept)?;
        let uniform = self.workload.granularity == Granularity::Layer;
        let tied = |tensor: &&TensorSpec| {
            model.tied && matches!(tensor.class, TensorClass::TokenEmbd | TensorClass::Output)
        };
        let mut options = Vec::new();
        for recipe in recipes(&choices, self.workload.recipes_max, uniform) {
            // A tied tensor is stored once per device and format.
            let kept_formats = kept.iter().map(|tensor| format_of(tensor));
            let formats = recipe.formats.iter().copied().chain(kept_formats);
            let mut stored = chosen.iter().chain(&kept).zip(formats);
            let common = stored.find(|(tensor, _)| tied(tensor));
            let common =
                common.map(|(tensor, format)| (format, self.stored(model, spec, tensor, format)));
            let id = common.map(|copy| {
                shared.iter().position(|known| *known == copy).unwrap_or_else(|| {
                    shared.push(copy);
                    shared.len() - 1
                })
            });
            let common = common.map(|(_, bytes)| bytes);
            let times = summed(&recipe, &choices, &chosen_times, &kept_time);
            let bytes = recipe.price.bytes + kept_bytes;
            let option = LayerOption {
                recipe: recipe.recipe(&choices),
                bytes: bytes.saturating_sub(common.unwrap_or_default()),
                shared: id,
                loss: recipe.price.loss,
                compute: times.iter().map(|time| time.map(|time| time.median)).collect(),
            };
            options.push((option, times));
        }
        self.cap(spec, &mut options)?;
        let first = spec.part == Part::Embedding && self.workload.privacy;
        let (options, times) = options.into_iter().unzip();
        let layer = Layer {
            role: spec.part.into(),
            options,
            kv: self.cache(spec),
            pin: first.then_some(DeviceId(0)),
            output: match spec.part {
                Part::Block(_) if self.workload.rpc.states != 1 => OF_BLOCKS,
                _ => STATES,
            },
        };
        Ok((layer, times))
    }

    /// Drops the options whose loss is above the ceiling for one layer.
    fn cap<T>(
        &self,
        spec: &LayerSpec,
        options: &mut Vec<(LayerOption, T)>,
    ) -> Result<(), InputError> {
        let Some(nats) = self.workload.max_layer_kl else { return Ok(()) };
        let least = options.iter().map(|(option, _)| option.loss).min().unwrap_or_default();
        options.retain(|(option, _)| option.loss <= Loss((nats * 1e9) as u64));
        if options.is_empty() {
            let name = spec.part;
            let problem = format!("{nats:?}; the finest recipe of {name} loses {least} nats");
            return Err(InputError::key("workload", "max-layer-kl", problem));
        }
        Ok(())
    }

    /// KV cache of all requests of the batch at the end of generation.
    fn cache(&self, spec: &LayerSpec) -> Bytes {
        let context = u64::from(self.workload.prompt) + u64::from(self.workload.generate);
        let context = spec.window.map_or(context, |window| context.min(window));
        let format = self.workload.kv;
        let blocks = spec.kv_elements.div_ceil(format.block_elements());
        Bytes(blocks) * format.block_bytes() * context * u64::from(self.workload.batch)
    }

    /// Bytes of a tensor in memory. They are the same for every device of a problem, so they are
    /// those of the device that needs the least; [`super::memory`] makes up for what others need.
    fn stored(
        &self,
        model: &ModelSpec,
        layer: &LayerSpec,
        tensor: &TensorSpec,
        format: Format,
    ) -> Bytes {
        let bytes = tensor.bytes(format).unwrap_or_default();
        match Matrix::of(model, layer, tensor, format, Passes::from(self.workload)) {
            Some(matrix) => memory::least(&self.machines, matrix, bytes),
            None => bytes,
        }
    }

    /// Time by device that does not depend on the recipe, tensors that keep their type included;
    /// `None` where a device cannot run one of these.
    pub(super) fn kept_time(
        &self,
        model: &ModelSpec,
        spec: &LayerSpec,
        tensors: &[&TensorSpec],
    ) -> Result<Vec<Option<Prediction>>, InputError> {
        let passes = Passes::from(self.workload);
        let mut times = Vec::new();
        for (device, machine) in self.machines.iter().enumerate() {
            let fixed = machine.fixed(passes, model, spec, self.cache(spec))?;
            let mut time = Some(fixed + self.graphs_time(spec, device));
            for tensor in tensors {
                let more = self.tensor_time(machine, spec, tensor, format_of(tensor))?;
                time = time.zip(more).map(|(time, more)| time + more);
            }
            times.push(time);
        }
        Ok(times)
    }

    /// Every format of one tensor, priced on every device; and its times by [choice][device].
    pub(super) fn choices(
        &self,
        model: &ModelSpec,
        layer: &LayerSpec,
        tensor: &TensorSpec,
        sensitivity: Sensitivity,
    ) -> Result<(TensorChoices, Vec<Times>), InputError> {
        let (mut choices, mut times) = (Vec::new(), Vec::new());
        for format in self.workload.formats() {
            if tensor.bytes(format).is_none() || tensor.lacks(format) {
                continue;
            }
            let bytes = self.stored(model, layer, tensor, format);
            let loss: Loss = sensitivity.loss(tensor, format);
            let machines = self.machines.iter();
            let known: Vec<Option<Prediction>> = machines
                .map(|machine| self.tensor_time(machine, layer, tensor, format))
                .collect::<Result<_, _>>()?;
            let time = known.iter().map(|time| time.map(|time| time.median)).collect();
            choices.push(Choice { format, price: Price { bytes, loss, time } });
            times.push(known);
        }
        if choices.is_empty() {
            let problem =
                format!("none fits {}, whose rows have {} elements", tensor.name, tensor.row_len);
            return Err(InputError::key("workload", "formats", problem));
        }
        Ok((TensorChoices { class: tensor.class, choices }, times))
    }

    /// Time of one request in one tensor, `None` if the device cannot run the format. Vectors and
    /// tables are read by every device.
    fn tensor_time(
        &self,
        machine: &Machine,
        layer: &LayerSpec,
        tensor: &TensorSpec,
        format: Format,
    ) -> Result<Option<Prediction>, InputError> {
        let vector = matches!(
            tensor.class,
            TensorClass::Norm | TensorClass::Bias | TensorClass::PositionEmbd
        );
        // Every device runs what keeps f32.
        let usual = vector || !tensor.quantizable && format == Format::F32;
        if !usual && !machine.runs(format) {
            return Ok(None);
        }
        machine.tensor(Passes::from(self.workload), layer, tensor, format).map(Some)
    }
}

/// Time of a recipe by device: what all recipes take, and every tensor in its format.
fn summed(
    recipe: &Priced,
    choices: &[TensorChoices],
    times: &[Vec<Times>],
    kept: &[Option<Prediction>],
) -> Vec<Option<Prediction>> {
    let mut sums = kept.to_vec();
    for ((format, choices), times) in recipe.formats.iter().zip(choices).zip(times) {
        let choice = choices.choices.iter().position(|choice| choice.format == *format);
        for (sum, time) in sums.iter_mut().zip(choice.map_or(&[][..], |choice| &times[choice])) {
            *sum = sum.zip(*time).map(|(sum, time)| sum + time);
        }
    }
    sums
}
