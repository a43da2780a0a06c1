//! A question restricted to what an engine can do, so that every plan of it can be exported, and
//! priced as the engine works.

use std::iter::zip;

use edgeplan_files::InputError;
use edgeplan_pricing::CacheFormats;
use edgeplan_pricing::workload::{Returns, Workload};
use edgeplan_problem::deployment::{
    Deployment, DeviceId, Layer, LayerOption, LayerRole, Model, Part, Placement,
};
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::Recipe;
use edgeplan_problem::{Bytes, Nanos};

use crate::chain::{check, parts};
use crate::runtime::{Blocks, Ends, PerHost, Runtime, Wires};

/// What llama.cpp itself takes for a tied embedding, then what fits rows of any length.
const TIED: [Format; 2] = [Format::Q6K, Format::Q8_0];

impl Runtime {
    /// The workload as the engine serves it: its way to return results. Formats stay.
    ///
    /// # Errors
    /// A format of the KV cache that it does not have.
    pub fn serving(&self, workload: &Workload) -> Result<Workload, InputError> {
        let kv = self.caches(&workload.kv)?;
        let returns = match self.wires {
            Wires::Direct => workload.returns,
            Wires::ThroughSource => Returns::Logits,
        };
        let activations = match self.wires {
            Wires::Direct => workload.activations,
            Wires::ThroughSource => Format::F32,
        };
        Ok(Workload { returns, activations, kv, engine: self.engine, ..workload.clone() })
    }

    /// Those of these formats of the KV cache that it has: where none was asked for, f16 or the
    /// first that it has.
    fn caches(&self, asked: &CacheFormats) -> Result<CacheFormats, InputError> {
        let usual = if self.kv.contains(&Format::F16) { Format::F16 } else { self.kv[0] };
        if asked.all().is_empty() {
            return Ok(usual.into());
        }
        let has = |format: &Format| self.kv.contains(format);
        let kept: Vec<Format> = asked.all().iter().copied().filter(has).collect();
        if kept.is_empty() {
            let problem = format!("{asked}; {} has {}", self.name, list(self.kv));
            return Err(InputError::key("workload", "kv", problem));
        }
        Ok(kept.into())
    }

    /// The workload with the engine's formats alone, as it serves it.
    ///
    /// # Errors
    /// As [`Runtime::serving`]; or no format that the engine has.
    pub fn within(&self, workload: &Workload) -> Result<Workload, InputError> {
        let mut served = self.serving(workload)?;
        let has =
            |format: &Format| self.formats.contains(format) || self.embedding.contains(format);
        let offered = workload.formats();
        served.formats = offered.iter().copied().filter(has).collect();
        // Where the workload lists no formats and the engine reads none of the usual ones, all that
        // it reads.
        for part in [self.embedding, self.formats] {
            let lacking = !served.formats.iter().any(|format| part.contains(format));
            if lacking && workload.formats.is_empty() {
                served.formats.extend(part);
            }
        }
        if served.formats.is_empty() {
            let problem = format!("{}; {} has {}", list(&offered), self.name, list(self.formats));
            return Err(InputError::key("workload", "formats", problem));
        }
        Ok(served)
    }

    /// The question within what the engine can do and priced as it works, so that every contiguous
    /// plan of it can be exported; [`Runtime::price`] says how. Tied ends of a file, of which a
    /// plan of the question may choose the formats one by one, are left one format.
    ///
    /// # Errors
    /// A layer without a recipe that the engine has, or layers that no engine runs.
    pub fn restrict(&self, deployment: &Deployment) -> Result<Deployment, String> {
        let mut question = deployment.clone();
        for model in &mut question.models {
            let parts = parts(model)?;
            for (layer, part) in model.layers.iter_mut().zip(parts) {
                self.keep_formats(layer, part)?;
            }
            self.tie(model)?;
        }
        self.price(&question)
    }

    /// The question as the engine works: its formats, its placement of embedding, blocks and head,
    /// its margin of memory, the ways that its messages take. Where both ends of a model are on the
    /// source, they become one layer, the first: what the last block sends then goes back to the
    /// source.
    ///
    /// # Errors
    /// As [`Runtime::restrict`].
    ///
    /// # Complexity
    /// O(size of the question), and the product of the recipes of both ends.
    pub fn price(&self, deployment: &Deployment) -> Result<Deployment, String> {
        if let (Some(host), PerHost::One) = (deployment.hosts.first(), self.per_host) {
            let name = self.name;
            return Err(format!("host {host}: several devices; {name} runs one device per host"));
        }
        let mut question = deployment.clone();
        question.placement = match self.blocks {
            Blocks::Free => Placement::Free,
            _ => Placement::Contiguous,
        };
        if self.blocks == Blocks::LastOnAccelerator {
            beside_source(&mut question);
        }
        if self.blocks == Blocks::OneHost {
            on_one_host(&mut question);
        }
        let source = question.source;
        let devices = question.devices.len();
        let mut everywhere = Bytes::ZERO;
        for model in &mut question.models {
            let parts = parts(model)?;
            for (layer, part) in model.layers.iter_mut().zip(parts) {
                self.keep_formats(layer, part)?;
                if self.holds_at_source(part) {
                    pin(layer, source, &deployment.devices[source.index()].name)?;
                }
            }
            if self.wires == Wires::ThroughSource {
                relay(model, deployment);
            }
            match self.ends {
                Ends::BothAtSource => self.join_ends(model)?,
                Ends::Everywhere => {
                    everywhere += ends_bytes(model);
                    keep_head(model, devices, |_, _| false);
                }
                Ends::EmbeddingAtSource => keep_head(model, devices, |from, to| {
                    to == source
                        || deployment.share_host(from, to)
                        || deployment.share_host(to, source)
                }),
            }
        }
        for device in &mut question.devices {
            device.overhead = device.overhead.max(self.margin) + everywhere;
        }
        question.checked().map_err(|error| error.to_string())
    }

    /// Whether a part can only be on the source.
    fn holds_at_source(&self, part: Part) -> bool {
        match part {
            Part::Embedding => self.ends != Ends::Everywhere,
            Part::Block(_) | Part::Attention(_) | Part::FeedForward(_) | Part::Experts(_) => {
                self.blocks == Blocks::OneNode
            }
            Part::Head => self.ends == Ends::BothAtSource,
        }
    }

    /// Drops the recipes with a format that the engine does not have.
    fn keep_formats(&self, layer: &mut Layer, part: Part) -> Result<(), String> {
        let known = self.formats_of(part);
        let fits = |option: &LayerOption| -> Result<bool, String> {
            check(&option.recipe).map_err(|text| format!("{}: {text}", layer.role))?;
            Ok(self.has(&option.recipe, part))
        };
        let kept: Vec<bool> = layer.options.iter().map(fits).collect::<Result<_, _>>()?;
        let mut kept = kept.into_iter();
        layer.options.retain(|_| kept.next() == Some(true));
        if layer.options.is_empty() {
            let (name, list) = (&layer.role, list(known));
            return Err(format!(
                "{name}: no recipe is in a format of {}; it has {list}",
                self.name
            ));
        }
        Ok(())
    }

    /// Leaves tied ends one common format where they are one tensor: the one that llama.cpp takes
    /// if it has the choice, else the finest. Joined ends need no such choice.
    fn tie(&self, model: &mut Model) -> Result<(), String> {
        let last = model.layers.len() - 1;
        let tied = |layer: &Layer| layer.options.iter().any(|option| option.shared.is_some());
        let ends_tied = last > 0 && tied(&model.layers[0]) && tied(&model.layers[last]);
        if !self.gguf || self.ends == Ends::BothAtSource || !ends_tied {
            return Ok(());
        }
        let common = |id: Option<usize>| {
            if id.is_none() {
                return false;
            }
            let uses = |layer: &Layer| layer.options.iter().any(|option| option.shared == id);
            uses(&model.layers[0]) && uses(&model.layers[last])
        };
        let shared = |format: Format| {
            let found =
                model.layers[0].options.iter().find(|option| option.recipe == format.into());
            found.map(|option| option.shared).filter(|&id| common(id))
        };
        let finest = || {
            let options = model.layers[0].options.iter();
            let ids = options.map(|option| option.shared).filter(|&id| common(id));
            ids.max_by_key(|id| id.map(|id| model.shared[id]))
        };
        let Some(id) = TIED.into_iter().find_map(shared).or_else(finest) else {
            return Err("embedding and head are one tensor and have no format in common".into());
        };
        for layer in [0, last] {
            model.layers[layer].options.retain(|option| option.shared == id);
        }
        Ok(())
    }

    /// Makes one layer, the first, of embedding and head, both on the source.
    fn join_ends(&self, model: &mut Model) -> Result<(), String> {
        let Some(head) = model.layers.pop() else { return Ok(()) };
        let shared = |id: Option<usize>| id.map_or(Bytes::ZERO, |id| model.shared[id]);
        let mut options = Vec::new();
        for first in &model.layers[0].options {
            for last in &head.options {
                let differ = first.shared != last.shared;
                if self.gguf && first.shared.is_some() && last.shared.is_some() && differ {
                    continue;
                }
                let second = if differ { shared(last.shared) } else { Bytes::ZERO };
                options.push(LayerOption {
                    recipe: Recipe::ends(first.recipe.clone(), last.recipe.clone()),
                    bytes: first.bytes + last.bytes + shared(first.shared) + second,
                    shared: None,
                    loss: first.loss + last.loss,
                    compute: zip(&first.compute, &last.compute).map(|(a, b)| sum(*a, *b)).collect(),
                });
            }
        }
        if options.is_empty() {
            return Err("embedding and head are one tensor and have no format in common".into());
        }
        if let Some(block) = model.layers.get(1..).and_then(<[Layer]>::last) {
            model.leave = block.output;
        }
        let ends = &mut model.layers[0];
        (ends.role, ends.options, ends.kv) = (LayerRole::BothEnds, options, ends.kv + head.kv);
        Ok(())
    }
}

fn sum(first: Option<Nanos>, last: Option<Nanos>) -> Option<Nanos> {
    first.zip(last).map(|(first, last)| first + last)
}

/// Formats by name.
pub(crate) fn list(formats: &[Format]) -> String {
    formats.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

fn pin(layer: &mut Layer, source: DeviceId, name: &str) -> Result<(), String> {
    if layer.pin.is_some_and(|pin| pin != source) {
        return Err(format!("{} is pinned to another device than the source, {name}", layer.role));
    }
    layer.pin = Some(source);
    Ok(())
}

/// Leaves the source and the first accelerator beside it, each with one run of layers: as hosts of
/// their own, because an engine that places whole blocks cuts the chain once.
fn beside_source(question: &mut Deployment) {
    let source = question.source;
    let beside = |&device: &DeviceId| device != source && question.share_host(device, source);
    let kept = question.device_ids().find(beside);
    for option in
        question.models.iter_mut().flat_map(|model| &mut model.layers).flat_map(|l| &mut l.options)
    {
        for (device, time) in option.compute.iter_mut().enumerate() {
            if device != source.index() && kept.map(DeviceId::index) != Some(device) {
                *time = None;
            }
        }
    }
    question.hosts.clear();
    question.devices.iter_mut().for_each(|device| device.host = None);
}

/// Leaves the devices of the source's host.
fn on_one_host(question: &mut Deployment) {
    let source = question.source;
    let here = |device| question.share_host(DeviceId(device as u16), source);
    let here: Vec<bool> = (0..question.devices.len()).map(here).collect();
    for option in
        question.models.iter_mut().flat_map(|model| &mut model.layers).flat_map(|l| &mut l.options)
    {
        for (time, here) in option.compute.iter_mut().zip(&here) {
            *time = time.filter(|_| *here);
        }
    }
}

/// Sends every message between two other hosts through the source.
fn relay(model: &mut Model, deployment: &Deployment) {
    let (source, devices) = (deployment.source, deployment.devices.len());
    let hub = source.index();
    let apart = |from: DeviceId, to: DeviceId| {
        let home = deployment.share_host(from, source) || deployment.share_host(to, source);
        !home && !deployment.share_host(from, to)
    };
    // What passes through the source is sent on as what leaves its embedding is.
    let states: Vec<usize> = model.layers.iter().map(|layer| layer.output).collect();
    let onward = model.layers[0].output;
    let plain = model.messages[onward].time.clone();
    for (index, message) in model.messages.iter_mut().enumerate() {
        let direct = if states.contains(&index) { plain.clone() } else { message.time.clone() };
        for (from, to) in (0..devices * devices).map(|pair| (pair / devices, pair % devices)) {
            if apart(DeviceId(from as u16), DeviceId(to as u16)) {
                let (up, down) = (direct[from * devices + hub], direct[hub * devices + to]);
                message.time[from * devices + to] = sum(up, down);
            }
        }
    }
}

/// Keeps the head with the last layer before it, or where `allowed` says for that layer's device
/// and the head's: what that layer sends goes nowhere else.
fn keep_head(model: &mut Model, devices: usize, allowed: impl Fn(DeviceId, DeviceId) -> bool) {
    let [.., block, _] = &mut model.layers[..] else { return };
    let mut message = model.messages[block.output].clone();
    for (from, to) in (0..devices * devices).map(|pair| (pair / devices, pair % devices)) {
        if from != to && !allowed(DeviceId(from as u16), DeviceId(to as u16)) {
            message.time[from * devices + to] = None;
        }
    }
    block.output = model.messages.len();
    model.messages.push(message);
}

/// Bytes of embedding and head, the largest of each if there is a choice.
fn ends_bytes(model: &Model) -> Bytes {
    let last = model.layers.len() - 1;
    let largest = |layer: usize| {
        model.option_ids(layer).map(|option| model.bytes(layer, option)).max().unwrap_or_default()
    };
    largest(0) + largest(last)
}
