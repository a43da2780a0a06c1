//! Machines that are named, on one network.

use std::path::Path;
use std::str::FromStr;

use edgeplan_files::InputError;
use edgeplan_files::quantity::{Bandwidth, Memory, Time};
use edgeplan_machines::cluster::{ClusterDevice, ClusterFile, Host, Link, Switch};

use super::{Initial, check_new, write};

/// A machine as it is told in one word: `NAME=DEVICE+DEVICE+RAM`, such as
/// `pc=rtx-3090-24+64GiB` or `mac=apple-m4-24`.
///
/// See [`Network`] for an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkMachine {
    /// What it is called.
    pub name: String,
    /// Its devices, by profile; `catalog:` may be left out.
    pub devices: Vec<String>,
    /// Main memory.
    pub ram: Option<Memory>,
}

impl FromStr for NetworkMachine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "NAME=DEVICE+DEVICE+RAM is needed, such as pc=rtx-3090-24+64GiB";
        let (name, parts) = text.split_once('=').ok_or(form)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!("`{name}`: a name has letters, digits, - and _"));
        }
        let (mut devices, mut ram) = (Vec::new(), None);
        for part in parts.split('+').map(str::trim) {
            match part.parse::<Memory>() {
                Ok(memory) if ram.is_none() => ram = Some(memory),
                Ok(_) => return Err(format!("{name}: main memory twice")),
                Err(_) if part.is_empty() => return Err(form.into()),
                Err(_) => devices.push(part.to_owned()),
            }
        }
        if devices.is_empty() {
            return Err(format!("{name}: a device is needed, such as rtx-3090-24"));
        }
        Ok(Self { name: name.into(), devices, ram })
    }
}

/// Machines at one switch. Requests start at the first of them.
///
/// ```
/// use edgeplan::Network;
///
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("cluster.toml");
/// let machines = ["pc=rtx-3090-24+64GiB", "mac=apple-m4-24"].map(|text| text.parse().unwrap());
/// let network = Network {
///     machines: machines.to_vec(),
///     bandwidth: "2.5 Gbit/s".parse().unwrap(),
///     latency: "0.3 ms".parse().unwrap(),
/// };
/// let initial = network.write(&path, false)?;
/// assert_eq!(initial.devices, ["pc/cpu", "mac", "pc/cuda0"]);
/// # Ok::<(), edgeplan::InputError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Network {
    /// One or more.
    pub machines: Vec<NetworkMachine>,
    /// Of the link of each of them.
    pub bandwidth: Bandwidth,
    /// From one machine to another, one way.
    pub latency: Time,
}

/// What the switch is called.
const SWITCH: &str = "network";

impl Network {
    /// Writes its cluster file; one that is there is kept, unless by `force`.
    ///
    /// See [`Network`] for an example.
    ///
    /// # Errors
    /// A name twice, devices that the catalog lacks, a file that is there or cannot be written.
    pub fn write(&self, out: &Path, force: bool) -> Result<Initial, InputError> {
        check_new(out, force)?;
        let error = |problem: String| Err(InputError::key("command line", "machine", problem));
        let mut file = ClusterFile::default();
        for machine in &self.machines {
            let NetworkMachine { name, devices, ram } = machine;
            if *name == SWITCH || file.device.contains_key(name) || file.host.contains_key(name) {
                return error(format!("`{name}`: the name of another one"));
            }
            let mut host = Host::of(devices, *ram);
            match (&mut host.devices[..], ram) {
                ([only], None) => {
                    let device = ClusterDevice::new(std::mem::take(only));
                    file.device.insert(name.clone(), device);
                }
                _ => drop(file.host.insert(name.clone(), host)),
            }
        }
        let Some(first) = self.machines.first() else {
            return error("none; at least one is needed".into());
        };
        file.source = first.name.clone();
        if self.machines.len() > 1 {
            file.switch.insert(SWITCH.into(), Switch {});
            file.link = self.machines.iter().map(|machine| self.link(machine)).collect();
        }
        let comment = "Written by `edgeplan init`. Requests start at `source`; links are guesses \
                       until `edgeplan profile --link` measures them.";
        write(out, &file.text(comment), Vec::new())
    }

    /// The link of a machine to the switch, half of the way to another one.
    fn link(&self, machine: &NetworkMachine) -> Link {
        Link {
            between: [machine.name.clone(), SWITCH.into()],
            bandwidth: self.bandwidth,
            latency: Time(self.latency.0 / 2),
            one_way: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_told_in_a_word() {
        let pc: NetworkMachine = "pc=rtx-3090-24+ryzen-9-5900x+64 GiB".parse().unwrap();
        assert_eq!((pc.name.as_str(), pc.devices.len()), ("pc", 2));
        assert_eq!(pc.ram, Some(Memory(64 << 30)));
        for (wrong, said) in [
            ("pc", "is needed"),
            ("a b=x", "letters"),
            ("pc=64GiB", "a device is needed"),
            ("pc=x+1GiB+2GiB", "twice"),
            ("pc=x+", "is needed"),
        ] {
            let error = wrong.parse::<NetworkMachine>().unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    #[test]
    fn names_and_devices_are_checked_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.toml");
        let network = |words: &[&str]| Network {
            machines: words.iter().map(|word| word.parse().unwrap()).collect(),
            bandwidth: Bandwidth(1_000_000_000),
            latency: Time(500_000),
        };
        for (words, said) in [
            (&["a=apple-m4-24", "a=apple-m4-24"][..], "another one"),
            (&["a=aple-m4-24"], "aple-m4-24"),
            (&[], "at least one"),
        ] {
            let error = network(words).write(&path, false).unwrap_err().to_string();
            assert!(error.contains(said) && !path.exists(), "{error}");
        }
        network(&["a=apple-m4-24"]).write(&path, false).unwrap();
        assert!(network(&["a=apple-m4-24"]).write(&path, false).is_err());
        network(&["b=apple-m4-24", "a=rtx-3060-12+32GiB"]).write(&path, true).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("source = \"b\"") && text.contains("latency = \"250 us\""), "{text}");
    }
}
