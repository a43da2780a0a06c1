//! Which host holds what, what llama.cpp calls its devices, and where layers are cut.

use std::collections::BTreeMap;

use edgeplan_machines::device::Backend;
use edgeplan_problem::deployment::{DeviceId, Part};

use super::PORT;
use crate::chain::Placed;
use crate::export::Order;

/// Devices of a host that serves them over RPC.
pub(super) struct Remote {
    /// The host, for people.
    pub(super) name: String,
    /// A part of a file's name that no other host has.
    pub(super) file_word: String,
    /// HOST:PORT.
    pub(super) endpoint: String,
    /// Those that the plan uses, in the order in which layers reach them.
    pub(super) devices: Vec<DeviceId>,
    /// What ggml calls them there; of several devices only.
    pub(super) ggml: Vec<String>,
}

/// The hosts of a plan.
pub(super) struct Sites {
    /// Devices of the source's host, with ggml's names.
    own: Vec<(DeviceId, String)>,
    /// Other hosts, in the order in which layers reach them.
    pub(super) remotes: Vec<Remote>,
}

/// Where layers are cut.
pub(super) struct Cut {
    /// Devices by ggml's name, and how many layers each gets, the output layer counting as one.
    pub(super) devices: Vec<(String, usize)>,
    /// The head's device, where that is not the device of the output layer.
    pub(super) head_apart: Option<DeviceId>,
}

/// The device of each block's layer: that of its attention, or of its only part.
pub(crate) fn layer_devices(layers: &[Placed]) -> BTreeMap<usize, DeviceId> {
    let mut devices = BTreeMap::new();
    for layer in layers {
        if let Some(block) = layer.part.block() {
            // Attention comes first.
            devices.entry(block).or_insert(layer.device);
        }
    }
    devices
}

impl Sites {
    pub(super) fn of(order: &Order, layers: &[Placed]) -> Result<Self, String> {
        let source = order.deployment.source;
        let (mut own, mut remotes): (_, Vec<Remote>) = (Vec::new(), Vec::new());
        // The embedding is in RAM, whatever the source is.
        for layer in layers.iter().filter(|layer| layer.part != Part::Embedding) {
            let device = layer.device;
            let served = order.is_served(device);
            if order.deployment.share_host(device, source) && !served {
                if own.iter().all(|&(known, _)| known != device) {
                    own.push((device, ggml_name(order, device)?));
                }
                continue;
            }
            // A server of the source's own host serves one device.
            let beside = |remote: &&mut Remote| match served {
                true => remote.devices[0] == device,
                false => order.deployment.share_host(remote.devices[0], device),
            };
            match remotes.iter_mut().find(beside) {
                Some(remote) if remote.devices.contains(&device) => {}
                Some(remote) => remote.devices.push(device),
                None if served => remotes.push(Remote {
                    name: order.name(device).to_owned(),
                    file_word: order.file_word(device),
                    endpoint: served_at(order, device)?,
                    devices: vec![device],
                    ggml: Vec::new(),
                }),
                None => remotes.push(Remote {
                    name: order.deployment.host_name(device).to_owned(),
                    file_word: order.file_word(device),
                    endpoint: order.address(device, &format!(":{PORT}"))?,
                    devices: vec![device],
                    ggml: Vec::new(),
                }),
            }
        }
        for remote in remotes.iter_mut().filter(|remote| remote.devices.len() > 1) {
            let names = remote.devices.iter().map(|&device| ggml_name(order, device));
            remote.ggml = names.collect::<Result<_, _>>()?;
        }
        for (index, remote) in remotes.iter().enumerate() {
            let same = |other: &&Remote| other.endpoint == remote.endpoint;
            if let Some(other) = remotes[..index].iter().find(same) {
                let (one, two, endpoint) = (&other.name, &remote.name, &remote.endpoint);
                return Err(format!(
                    "{one} and {two} are both at {endpoint}; each RPC server needs its own port"
                ));
            }
        }
        Ok(Self { own, remotes })
    }

    /// What ggml calls a device in `--device`.
    fn name(&self, device: DeviceId) -> String {
        if let Some((_, name)) = self.own.iter().find(|&&(own, _)| own == device) {
            return name.clone();
        }
        // Devices of all servers are numbered through.
        let remote = self.remotes.iter().flat_map(|remote| &remote.devices);
        let number = remote.into_iter().take_while(|&&other| other != device).count();
        format!("RPC{number}")
    }

    /// What ggml calls a device's memory in `--override-tensor`.
    pub(super) fn buffer(&self, device: DeviceId) -> String {
        let remote = self.remotes.iter().find_map(|remote| {
            let index = remote.devices.iter().position(|&other| other == device)?;
            Some(format!("RPC{index}[{}]", remote.endpoint))
        });
        remote.unwrap_or_else(|| self.name(device))
    }

    /// Whether it is the processor of the source.
    pub(super) fn is_own_cpu(&self, device: DeviceId) -> bool {
        self.own.iter().any(|(own, name)| *own == device && name == "CPU")
    }

    /// Where the layers are cut.
    ///
    /// # Errors
    /// Layers in an order that no cut means.
    pub(super) fn cut(&self, order: &Order, layers: &[Placed]) -> Result<Cut, String> {
        let mut runs: Vec<(DeviceId, usize)> = Vec::new();
        for device in layer_devices(layers).into_values() {
            match runs.last_mut() {
                Some((last, count)) if *last == device => *count += 1,
                _ => runs.push((device, 1)),
            }
        }
        if let Some((late, _)) = runs.iter().skip(1).find(|&&(device, _)| self.is_own_cpu(device)) {
            let name = order.name(*late);
            return Err(format!("{name}: layers of the CPU are not the first, as they have to be"));
        }
        runs.retain(|&(device, _)| !self.is_own_cpu(device));
        let head = layers.last().map(|head| head.device);
        let mut shares: Vec<(DeviceId, usize)> = runs;
        // The output layer goes where the last layer is, or to an accelerator of its own.
        let head_apart = match (shares.last_mut(), head) {
            (Some((last, share)), head) => {
                *share += 1;
                head.filter(|head| head != last)
            }
            (None, Some(head)) if !self.is_own_cpu(head) => {
                shares.push((head, 1));
                None
            }
            (None, _) => None,
        };
        // Devices that only hold parts must be known, and get no layer.
        for layer in layers.iter().filter(|layer| layer.part != Part::Embedding) {
            let known = shares.iter().any(|&(device, _)| device == layer.device);
            if !known && !self.is_own_cpu(layer.device) {
                shares.push((layer.device, 0));
            }
        }
        let devices = shares.into_iter().map(|(device, share)| (self.name(device), share));
        Ok(Cut { devices: devices.collect(), head_apart })
    }
}

/// What ggml calls a device on its own host: what the user said, or what follows from its backend.
///
/// # Errors
/// A device of which no backend is known.
pub(super) fn ggml_name(order: &Order, device: DeviceId) -> Result<String, String> {
    let name = order.name(device);
    if let Some(said) = order.addresses.get(name) {
        return Ok(said.clone());
    }
    let (backend, number) = order.backend(device).ok_or_else(|| {
        format!(
            "device `{name}`: its backend is unknown; say what llama.cpp calls it: \
             `--at '{name}=CPU'`, `CUDA0`, `ROCm0`, `Vulkan0`, `SYCL0` or `MTL0`"
        )
    })?;
    Ok(match backend {
        Backend::Cpu => "CPU".into(),
        Backend::Cuda => format!("CUDA{number}"),
        Backend::Rocm => format!("ROCm{number}"),
        Backend::Vulkan => format!("Vulkan{number}"),
        Backend::Sycl => format!("SYCL{number}"),
        Backend::Metal => format!("MTL{number}"),
        Backend::Rpc => format!("RPC{number}"),
    })
}

/// The address of a server that the source's host uses as its own accelerator.
///
/// # Errors
/// Where the user said none.
fn served_at(order: &Order, device: DeviceId) -> Result<String, String> {
    let name = order.name(device);
    let said = order.addresses.get(name).cloned();
    said.ok_or_else(|| {
        format!("device `{name}`: say where its server is: `--at '{name}=HOST:PORT'`")
    })
}
