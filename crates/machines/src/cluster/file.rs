//! A `cluster.toml` as it is written, and what may stand in it.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_problem::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::host::Host;
use crate::device::{Backend, Device, DeviceProfile};
use edgeplan_files::quantity::{Bandwidth, Memory, Time};
use edgeplan_files::{InputError, nearest, toml_comment};
use edgeplan_problem::format::Format;

/// Marks a profile that stands in the cluster's own file.
pub(super) const OWN: &str = "cluster:";

/// A `cluster.toml` as it is written.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterFile {
    /// The device or host where requests start and answers end. In a host they start and end in
    /// RAM: at its CPU, or at its first device if it has none.
    pub source: String,
    /// Machines that only this file knows, with the keys of the catalog.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profile: BTreeMap<String, Device>,
    /// Machines of one device, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub device: BTreeMap<String, ClusterDevice>,
    /// Machines of several devices, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub host: BTreeMap<String, Host>,
    /// Switches by name: they forward, and run nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub switch: BTreeMap<String, Switch>,
    /// Links between devices, hosts and switches; and between two devices of a host that have a
    /// faster one than the host's `internal`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link: Vec<Link>,
}

/// A device of the cluster, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClusterDevice {
    /// `catalog:NAME`, `cluster:NAME` for a profile of the same file, or a file beside it.
    pub profile: String,
    /// The backend that its engine runs it with, instead of the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    /// Bytes that the planner may use, instead of the profile's; 0 for a machine that only sends
    /// and receives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// How many times as long everything takes on it as its profile says, from 1 to 1000000: a
    /// machine that is throttled or shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowdown: Option<f64>,
    /// Bytes that the runtime takes once if anything is placed here.
    #[serde(default = "overhead", skip_serializing_if = "is_usual")]
    pub overhead: Memory,
    /// Formats that it can run; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<Format>,
    /// Whether it forwards messages of others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub relay: bool,
    /// Most compute time per request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_max: Option<Time>,
    /// Most bytes sent per request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_max: Option<Memory>,
}

/// An estimate of what an inference runtime takes besides weights, cache and activations.
fn overhead() -> Memory {
    Memory(256 << 20)
}

fn is_usual(memory: &Memory) -> bool {
    *memory == overhead()
}

impl ClusterDevice {
    /// A device of that profile, and nothing else said about it.
    pub fn new(profile: impl Into<String>) -> Self {
        Self {
            profile: profile.into(),
            backend: None,
            memory: None,
            slowdown: None,
            overhead: overhead(),
            formats: Vec::new(),
            relay: false,
            compute_max: None,
            traffic_max: None,
        }
    }

    /// Bytes that the planner may use on this device of that profile.
    pub fn usable(&self, profile: &DeviceProfile) -> Bytes {
        self.memory.map_or(profile.usable(), |memory| Bytes(memory.0))
    }
}

/// A switch: it forwards, and has nothing to set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Switch {}

/// A link between two devices or switches, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Link {
    /// Its ends.
    pub between: [String; 2],
    /// Bits per second.
    pub bandwidth: Bandwidth,
    /// Time that any message takes, however short.
    pub latency: Time,
    /// Only from the first to the second.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_way: bool,
}

/// No machine that is so slow is of any use.
const SLOWDOWN_MAX: f64 = 1e6;

/// Devices of a cluster: routes are kept for every pair.
const DEVICES_MAX: usize = 4096;

impl ClusterFile {
    /// The file: `comment` above, every line of it marked as one.
    ///
    /// # Panics
    /// Never: every value is a string, a number or a list of these.
    pub fn text(&self, comment: &str) -> String {
        toml_comment(comment) + &toml::to_string(self).expect("plain data serializes")
    }

    /// What is wrong with a name that is no device, host or switch.
    pub(super) fn unknown(&self, name: &str) -> String {
        let machines = self.device.keys().chain(self.host.keys());
        let names = machines.chain(self.switch.keys()).map(String::as_str);
        let hint = nearest(name, names).map(|near| format!("; did you mean `{near}`?"));
        format!("`{name}` is neither a device nor a host nor a switch{}", hint.unwrap_or_default())
    }

    /// The host that a device is written in.
    pub(super) fn host_of(&self, name: &str) -> Option<String> {
        let (host, _) = name.split_once('/').filter(|_| !self.device.contains_key(name))?;
        self.host.contains_key(host).then(|| host.to_owned())
    }

    /// Whether two names are devices of one host, as far as names tell.
    pub(super) fn inside(&self, between: &[String; 2]) -> bool {
        let hosts = between.each_ref().map(|name| name.split_once('/').map(|(host, _)| host));
        hosts[0].is_some_and(|host| self.host.contains_key(host)) && hosts[0] == hosts[1]
    }

    pub(super) fn check(&self, file: &str) -> Result<(), InputError> {
        let error = |key: String, problem: String| Err(InputError::key(file, key, problem));
        if !self.device.contains_key(&self.source) && !self.host.contains_key(&self.source) {
            let problem = match self.switch.contains_key(&self.source) {
                true => format!("`{}` is a switch; requests enter at a device", self.source),
                false => self.unknown(&self.source),
            };
            return error("source".into(), problem);
        }
        if let Some(name) = self.host.keys().find(|name| self.device.contains_key(*name)) {
            return error(format!("host.{name}"), "a device has the same name".into());
        }
        let machine =
            |name: &&String| self.device.contains_key(*name) || self.host.contains_key(*name);
        if let Some(name) = self.switch.keys().find(machine) {
            let what = if self.host.contains_key(name) { "host" } else { "device" };
            return error(format!("switch.{name}"), format!("a {what} has the same name"));
        }
        self.check_profiles(file)?;
        self.check_slowdowns(file)?;
        let of_host = |host: &Host| host.devices.len() + host.device.len();
        let devices = self.device.len() + self.host.values().map(of_host).sum::<usize>();
        if devices > DEVICES_MAX {
            return error("device".into(), format!("{devices}; up to {DEVICES_MAX} are allowed"));
        }
        self.check_links(file)
    }

    fn check_links(&self, file: &str) -> Result<(), InputError> {
        let error = |key: String, problem: String| Err(InputError::key(file, key, problem));
        let known = |name: &String| {
            let machine = self.device.contains_key(name) || self.host.contains_key(name);
            machine || self.switch.contains_key(name)
        };
        let mut pairs = BTreeSet::new();
        for (index, link) in self.link.iter().enumerate() {
            let key = format!("link[{index}]");
            // Devices of a host have their names only once profiles are read.
            if !self.inside(&link.between)
                && let Some(name) = link.between.iter().find(|name| !known(name))
            {
                let host = name.split_once('/').filter(|(host, _)| self.host.contains_key(*host));
                let problem = match host {
                    Some((host, _)) => format!("`{name}`: a network ends at the host, `{host}`"),
                    None => self.unknown(name),
                };
                return error(format!("{key}.between"), problem);
            }
            let pair = link.between.clone();
            if pair[0] == pair[1] {
                return error(format!("{key}.between"), format!("{} links to itself", pair[0]));
            }
            if link.bandwidth.0 == 0 {
                return error(format!("{key}.bandwidth"), "0; more than that is needed".into());
            }
            let text = format!("a second link between {} and {}", pair[0], pair[1]);
            let back = [pair[1].clone(), pair[0].clone()];
            if !pairs.insert(pair) || (!link.one_way && !pairs.insert(back)) {
                return error(format!("{key}.between"), text);
            }
        }
        Ok(())
    }

    fn check_slowdowns(&self, file: &str) -> Result<(), InputError> {
        let alone = self.device.iter().map(|(name, device)| (format!("device.{name}"), device));
        let in_hosts = self.host.iter().flat_map(|(name, host)| {
            let key = move |index: usize| format!("host.{name}.device[{index}]");
            host.device.iter().enumerate().map(move |(index, device)| (key(index), device))
        });
        for (key, device) in alone.chain(in_hosts) {
            let wrong = |factor: &f64| !(1.0..=SLOWDOWN_MAX).contains(factor);
            if let Some(factor) = device.slowdown.filter(wrong) {
                let problem = format!("{factor}; 1 to {SLOWDOWN_MAX} is allowed");
                return Err(InputError::key(file, format!("{key}.slowdown"), problem));
            }
        }
        Ok(())
    }

    fn check_profiles(&self, file: &str) -> Result<(), InputError> {
        for (name, profile) in &self.profile {
            profile.check(file, &format!("profile.{name}."))?;
        }
        let alone = self
            .device
            .iter()
            .map(|(name, device)| (format!("device.{name}.profile"), device.profile.as_str()));
        let in_hosts = self.host.iter().flat_map(|(name, host)| {
            let listed = host.devices.iter().map(String::as_str);
            let tables = host.device.iter().map(|device| device.profile.as_str());
            let key = format!("host.{name}.devices");
            listed.chain(tables).map(move |spec| (key.clone(), spec))
        });
        for (key, spec) in alone.chain(in_hosts) {
            let Some(name) = spec.strip_prefix(OWN) else { continue };
            if !self.profile.contains_key(name) {
                let near = nearest(name, self.profile.keys().map(String::as_str));
                let hint = near.map(|near| format!("; did you mean `{OWN}{near}`?"));
                let problem =
                    format!("this file has no profile `{name}`{}", hint.unwrap_or_default());
                return Err(InputError::key(file, key, problem));
            }
        }
        Ok(())
    }
}
