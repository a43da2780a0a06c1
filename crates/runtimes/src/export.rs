//! What is exported, for all engines.

use std::collections::BTreeMap;

use edgeplan_machines::device::Backend;
use edgeplan_model::StoredType;
use edgeplan_pricing::engine::RpcOverhead;
use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::{Deployment, DeviceId, Part, Plan};
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::TensorClass;

use crate::chain::{Placed, placed};
use crate::readme;
use crate::runtime::{Files, Runtime};
use crate::shell::plain;

/// What is to be exported.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The engine.
    pub runtime: &'static Runtime,
    /// The question, priced as the engine works (see [`Runtime::restrict`]).
    pub deployment: &'a Deployment,
    /// A plan of it that the engine can express.
    pub plan: &'a Plan,
    /// What one request is, where that is known.
    pub request: Option<Request>,
    /// The model as it was named, where it was.
    pub model: Option<&'a str>,
    /// Where the engine finds devices and hosts, by name: what the engine's files call an address.
    pub addresses: &'a BTreeMap<String, String>,
    /// The backends of devices, as far as they are known, by device; empty where nothing is.
    pub backends: &'a [Option<Backend>],
    /// Classes of matrices that keep a quantized type although the plan chooses others, and that
    /// type.
    pub kept: &'a [(TensorClass, StoredType)],
    /// A vision projector, and the device that it lies on.
    pub projector: Option<(&'a str, DeviceId)>,
    /// What else the README says, one paragraph each.
    pub remarks: &'a [String],
    /// The command that made the export.
    pub command: &'a str,
}

/// One request of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Tokens of its prompt.
    pub prompt: u32,
    /// Tokens generated after it.
    pub generate: u32,
    /// Requests run together.
    pub batch: u32,
    /// Tokens of each request that the KV cache is allocated for.
    pub context: u64,
    /// Format of the KV cache.
    pub kv: Format,
    /// Time of the prompt alone under the plan.
    pub first_token: Nanos,
    /// Time of all of it.
    pub whole: Nanos,
}

/// Consecutive blocks on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) device: DeviceId,
    pub(crate) first: usize,
    pub(crate) count: usize,
}

/// The files of an export by name, its README among them. Scripts end in `.sh`.
///
/// # Errors
/// What the engine cannot express, an unknown or unusable address.
pub fn export(order: &Order) -> Result<Vec<(String, String)>, String> {
    let misfits = order.runtime.misfits(order.deployment, order.plan)?;
    if !misfits.is_empty() {
        return Err(misfits.join("; "));
    }
    order.check_addresses()?;
    if let (Some((file, _)), false) = (order.projector, order.runtime.projectors) {
        return Err(format!("the projector {file}: only llama.cpp and koboldcpp are told of one"));
    }
    let layers = placed(order.deployment, order.plan)?;
    let speaks_rpc = order.runtime.engine.rpc != RpcOverhead::NONE;
    if let Some(layer) = layers.iter().find(|layer| !speaks_rpc && order.is_served(layer.device)) {
        let (name, engine) = (order.name(layer.device), order.runtime.name);
        return Err(format!("device `{name}`: its backend is rpc; {engine} has none"));
    }
    let written = match order.runtime.files {
        Files::By(write) => write(order, &layers)?,
        Files::Options(options) => options.files(order, &layers)?,
    };
    let mut files = written.files;
    files.push(("README.md".into(), readme::text(order, &layers, &written.steps)));
    Ok(files)
}

/// Files, and how they are used.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) files: Vec<(String, String)>,
    /// One step each, in Markdown.
    pub(crate) steps: Vec<String>,
}

impl Order<'_> {
    /// A device's name.
    pub(crate) fn name(&self, device: DeviceId) -> &str {
        &self.deployment.device(device).name
    }

    /// The backend of a device, and its number among those of its host with the same backend.
    pub(crate) fn backend(&self, device: DeviceId) -> Option<(Backend, usize)> {
        let backend = (*self.backends.get(device.index())?)?;
        let number = self
            .name(device)
            .rsplit_once('/')
            .and_then(|(_, own)| own.strip_prefix(backend.name())?.parse().ok());
        Some((backend, number.unwrap_or(0)))
    }

    /// Whether a device is known to be no processor.
    pub(crate) fn is_accelerator(&self, device: DeviceId) -> bool {
        self.backend(device).is_some_and(|(backend, _)| !backend.is_cpu())
    }

    /// Whether a device is behind an RPC server that its host uses as its own accelerator.
    pub(crate) fn is_served(&self, device: DeviceId) -> bool {
        self.backend(device).is_some_and(|(backend, _)| backend == Backend::Rpc)
    }

    /// Where the engine finds a device's host: what the user said of either, or the host's name
    /// with this ending.
    ///
    /// # Errors
    /// A name that is no address.
    pub(crate) fn address(&self, device: DeviceId, ending: &str) -> Result<String, String> {
        let name = self.deployment.host_name(device);
        if let Some(address) = self.addresses.get(name) {
            return Ok(address.clone());
        }
        if name != plain(name) {
            return Err(format!(
                "device `{name}`: its name is no address; `--at '{name}=ADDRESS'`"
            ));
        }
        Ok(format!("{name}{ending}"))
    }

    /// The part of a file's name that stands for a device's host, or for a device that has a server
    /// of its own: different for different ones.
    pub(crate) fn file_word(&self, device: DeviceId) -> String {
        let name = match self.is_served(device) {
            true => self.name(device),
            false => self.deployment.host_name(device),
        };
        let word = plain(name);
        let alone = self.deployment.devices.iter().filter(|device| device.host.is_none());
        let others = alone.map(|device| &device.name).chain(&self.deployment.hosts);
        let mut others = others.filter(|other| *other != name);
        match others.any(|other| plain(other).eq_ignore_ascii_case(&word)) {
            false => word,
            true => format!("{word}-{}", device.0),
        }
    }

    /// A shell word for the tokens that one context holds.
    pub(crate) fn context(&self) -> String {
        match self.request {
            Some(request) => request.context.saturating_mul(u64::from(request.batch)).to_string(),
            None => "\"${CONTEXT:?tokens of all prompts and answers at once}\"".into(),
        }
    }

    fn check_addresses(&self) -> Result<(), String> {
        for (name, address) in self.addresses {
            let devices = self.deployment.devices.iter().map(|device| &device.name);
            let names = devices.chain(&self.deployment.hosts).map(String::as_str);
            if !names.clone().any(|known| known == name) {
                let known = names.collect::<Vec<_>>().join(", ");
                return Err(format!("--at {name}={address}: no such device; there are {known}"));
            }
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
            if address.is_empty() || !address.chars().all(fits) {
                return Err(format!(
                    "--at {name}={address}: letters, digits and -_.:[] are allowed"
                ));
            }
        }
        Ok(())
    }
}

/// The runs of blocks, in the order of the chain.
pub(crate) fn runs(layers: &[Placed]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for layer in layers {
        let Part::Block(block) = layer.part else { continue };
        match runs.last_mut() {
            Some(run) if run.device == layer.device => run.count += 1,
            _ => runs.push(Run { device: layer.device, first: block, count: 1 }),
        }
    }
    runs
}
