//! A layer as the problem sees it: its recipes, priced on every device.

use edgeplan_cost_model::Prediction;
use edgeplan_problem::deployment::{DeviceId, Layer, LayerOption};
use edgeplan_problem::{Bytes, Loss};

use super::machine::{CHUNK, Offload, Passes, Product, format_of};
use super::memory::{self, Matrix};
use super::priced::Times;
use super::{Builder, STATES};
use crate::workload::Granularity;
use edgeplan_files::InputError;
use edgeplan_model::recipes::{Choice, Price, Priced, TensorChoices, recipes};
use edgeplan_model::sensitivity::{self, Sensitivity};
use edgeplan_model::{Allocation, LayerSpec, ModelSpec, Part, TensorClass, TensorSpec};
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
            let own = bytes.saturating_sub(common.unwrap_or_default());
            // A tied one is the head's as well, and that is on the accelerator.
            let elsewhere =
                spec.part == Part::Embedding && self.embedding_elsewhere && id.is_none();
            let option = LayerOption {
                recipe: recipe.recipe(&choices),
                bytes: if elsewhere { Bytes::ZERO } else { own },
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
            joined: false,
            role: spec.part.into(),
            options,
            kv: self.allocated(model, spec)?,
            pin: first.then_some(DeviceId(0)),
            output: STATES,
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

    /// KV cache and recurrent state of all requests of the batch; of the head the logits that the
    /// engine keeps.
    fn allocated(&self, model: &ModelSpec, spec: &LayerSpec) -> Result<Bytes, InputError> {
        let context = self.workload.context(model)?;
        let cache = match self.workload.engine.exact_cache {
            true => self.positions(spec, context),
            false => spec.cache_bytes(&self.allocation(context)),
        };
        Ok(match spec.part {
            Part::Head => cache + Bytes(model.vocab) * 4 * self.workload.engine.logits_rows,
            _ => cache,
        })
    }

    fn allocation(&self, context: u64) -> Allocation {
        Allocation {
            context,
            sequences: self.workload.batch.into(),
            ubatch: CHUNK,
            keys: self.workload.kv.used(),
            values: self.workload.kv.used(),
        }
    }

    /// Bytes of so many positions, without cells that nothing is written to.
    fn positions(&self, spec: &LayerSpec, positions: u64) -> Bytes {
        // What the least number of whole cells takes, by cell.
        let cells = 256;
        let of_cell = spec.kv_bytes(&self.allocation(cells)).0 / cells;
        let positions = spec.window.map_or(positions, |window| positions.min(window));
        Bytes(of_cell) * positions + spec.state_bytes(&self.allocation(cells))
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
        // What a pass at the end of generation reads: positions in use, not the context.
        let used = self.positions(spec, self.workload.request().into());
        let mut times = Vec::new();
        for (device, machine) in self.machines.iter().enumerate() {
            let fixed = machine.fixed(passes, model, spec, used)?;
            let mut time = Some(fixed + self.graphs_time(spec, device));
            if spec.part == Part::Head {
                let served = self.machines[0].served(passes, model.vocab);
                time = time.map(|time| time + served);
            }
            for tensor in tensors {
                let (format, experts) = (format_of(tensor), model.has_experts());
                let product = Product { layer: spec, tensor, format, experts };
                let more = self.tensor_time(device, product)?;
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
            let loss = sensitivity.loss(tensor, format).ok_or_else(|| {
                let problem = format!("{format}; {}", sensitivity::unknown(format));
                InputError::key("workload", "formats", problem)
            })?;
            let product = Product { layer, tensor, format, experts: model.has_experts() };
            let known: Vec<Option<Prediction>> = (0..self.machines.len())
                .map(|device| self.tensor_time(device, product))
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
        device: usize,
        product: Product,
    ) -> Result<Option<Prediction>, InputError> {
        let Product { tensor, format, .. } = product;
        let machine = &self.machines[device];
        let vector = matches!(
            tensor.class,
            TensorClass::Norm | TensorClass::Bias | TensorClass::PositionEmbd
        );
        // Every device runs what keeps f32.
        let usual = vector || !tensor.quantizable && format == Format::F32;
        if !usual && !machine.runs(format) {
            return Ok(None);
        }
        let accelerator =
            self.accelerators[device].map(|(other, link)| (&self.machines[other], link));
        let offload = accelerator
            .filter(|(machine, _)| usual || machine.runs(format))
            .map(|(machine, link)| Offload { machine, link });
        machine.tensor(Passes::from(self.workload), product, offload).map(Some)
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
