//! From a file's devices and hosts to one list of devices.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::file::{ClusterDevice, ClusterFile, OWN};
use super::host::Host;
use crate::device::{self, Backend, DeviceProfile};
use edgeplan_files::InputError;
use edgeplan_files::quantity::Memory;
use edgeplan_problem::Bytes;

/// A device of the cluster, and where its file says so.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) device: ClusterDevice,
    /// The key of its profile, for errors.
    pub(super) key: String,
    /// The host that it is a device of, where it is written in one.
    pub(super) host: Option<String>,
    /// Its profile, where it was read already.
    pub(super) profile: Option<DeviceProfile>,
}

/// All devices, those of hosts included; the source first, the others by name.
///
/// # Errors
/// A host without devices or with several processors, a device without a backend, RAM without a
/// processor, or a name that stands twice.
pub(super) fn members(file: &str, wire: &ClusterFile) -> Result<Vec<Member>, InputError> {
    let alone = wire.device.iter().map(|(name, device)| Member {
        name: name.clone(),
        device: device.clone(),
        key: format!("device.{name}.profile"),
        host: None,
        profile: None,
    });
    let mut members: Vec<Member> = alone.collect();
    let mut known = BTreeMap::new();
    for (name, host) in &wire.host {
        members.extend(of_host(file, wire, name, host, &mut known)?);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = members.iter().find(|member| !seen.insert(&member.name)) {
        let problem = format!("a second device is called `{}`", twice.name);
        return Err(InputError::key(file, &twice.key, problem));
    }
    // Requests enter a host at its RAM, or at its first device if there is no processor.
    let enters = |member: &&Member| match &member.host {
        None => member.name == wire.source,
        Some(host) => *host == wire.source,
    };
    let cpu = |member: &&Member| member.device.backend.is_some_and(Backend::is_cpu);
    let source = members.iter().filter(enters).find(cpu).or(members.iter().find(enters));
    let source = source.map(|member| member.name.clone());
    members.sort_by_key(|member| (Some(&member.name) != source.as_ref(), member.name.clone()));
    Ok(members)
}

fn of_host(
    file: &str,
    wire: &ClusterFile,
    name: &str,
    host: &Host,
    known: &mut BTreeMap<String, DeviceProfile>,
) -> Result<Vec<Member>, InputError> {
    let error = |key: &str, problem: String| {
        Err(InputError::key(file, format!("host.{name}.{key}"), problem))
    };
    let listed = host.devices.iter().enumerate().map(|(index, profile)| {
        (format!("host.{name}.devices[{index}]"), ClusterDevice::new(profile))
    });
    let tables =
        host.device.iter().enumerate().map(|(index, device)| {
            (format!("host.{name}.device[{index}].profile"), device.clone())
        });
    let mut count: BTreeMap<Backend, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for (key, mut device) in listed.chain(tables) {
        if device.relay {
            return Err(InputError::key(file, key, "relay: a host forwards, not its device"));
        }
        let profile = match known.entry(device.profile.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(read(file, wire, &key, &device.profile)?),
        };
        let Some(backend) = device.backend.or(profile.backend()) else {
            let problem = format!(
                "{}: the profile names no backend; a table `[[host.{name}.device]]` with \
                 `backend = \"cpu\"`, `cuda`, `rocm`, `vulkan`, `sycl`, `metal` or `rpc` is \
                 needed",
                device.profile
            );
            return Err(InputError::key(file, key, problem));
        };
        device.backend = Some(backend);
        let number = count.entry(backend).or_default();
        let name = match backend.is_cpu() {
            true => format!("{name}/cpu"),
            false => format!("{name}/{}{number}", backend.name()),
        };
        *number += 1;
        if backend.is_cpu() && *number > 1 {
            let problem = "a second device of backend cpu; the processors of a host are one device";
            return Err(InputError::key(file, key, problem));
        }
        found.push(Member { name, device, key, host: None, profile: Some(profile.clone()) });
    }
    for member in &mut found {
        member.host = Some(name.to_owned());
    }
    if found.is_empty() {
        return error("devices", "none; at least one profile is needed".into());
    }
    if let Some(ram) = host.ram {
        let cpu = |member: &&mut Member| member.device.backend.is_some_and(Backend::is_cpu);
        let Some(member) = found.iter_mut().find(cpu) else {
            let problem = "no device of this host is a CPU; one is needed to use RAM beside that \
                           of the devices";
            return error("ram", problem.into());
        };
        if member.device.memory.is_some() {
            return error("ram", format!("{} says `memory` already", member.name));
        }
        let share = member.profile.as_ref().map(|profile| profile.share(Bytes(ram.0)));
        member.device.memory = share.map(|bytes| Memory(bytes.0));
    }
    Ok(found)
}

/// Reads a profile; a file is looked for beside the cluster's own.
pub(super) fn read(
    file: &str,
    wire: &ClusterFile,
    key: &str,
    spec: &str,
) -> Result<DeviceProfile, InputError> {
    let own = spec.strip_prefix(OWN).and_then(|name| wire.profile.get(name));
    if let Some(device) = own {
        return Ok(DeviceProfile::Published(device.clone()));
    }
    let spec = match spec.starts_with("catalog:") {
        true => spec.to_owned(),
        false => Path::new(file).with_file_name(spec).display().to_string(),
    };
    device::load(&spec).map_err(|error| InputError::key(file, key, error.to_string()))
}
