//! Clusters that differ from a file's: a device more, machines less, links of another speed.

use std::cmp::Reverse;

use edgeplan_files::quantity::{Bandwidth, Memory};
use edgeplan_files::{InputError, nearest};
use edgeplan_problem::Bytes;

use super::{Cluster, ClusterDevice, ClusterFile, Host, Link};
use crate::device::{Backend, from_catalog};

/// What is left of a cluster once machines left.
#[derive(Debug, Clone)]
pub struct Remaining {
    /// The file without them.
    pub file: ClusterFile,
    /// By device of the cluster: its name now, none if it left. Devices of a host are numbered, so
    /// `pc/cuda1` is `pc/cuda0` once that left.
    pub names: Vec<Option<String>>,
}

impl Cluster {
    /// The cluster of another file that takes this one's place; errors name this one's file.
    ///
    /// # Errors
    /// As [`Cluster::new`].
    pub fn replaced(&self, file: ClusterFile) -> Result<Self, InputError> {
        Self::new(&self.file, file)
    }

    /// The file with another device of the catalog: in that host or beside that device; or on the
    /// network, at the switch of most links by the fastest link there, without a switch with the
    /// links of the machine that has most, and one to that machine. A cluster without links gets it
    /// into its only machine.
    ///
    /// # Errors
    /// A device that the catalog lacks, a host that the cluster lacks, no link to join it by.
    pub fn with_device(&self, host: Option<&str>, profile: &str) -> Result<ClusterFile, String> {
        let name = profile.strip_prefix("catalog:").unwrap_or(profile);
        from_catalog(name).map_err(|error| error.to_string())?;
        let mut file = self.wire.clone();
        match host {
            Some(host) => into(&mut file, host, name)?,
            None => join(&mut file, name)?,
        }
        Ok(file)
    }

    /// The file without these devices and hosts, and without their links.
    ///
    /// # Errors
    /// A name that is no device and no host, or the machine where requests enter.
    pub fn without(&self, names: &[String]) -> Result<Remaining, String> {
        names.iter().try_for_each(|name| self.check_leaves(name))?;
        let leaves = |device: &str| {
            let host = self.wire.host_of(device);
            names.iter().any(|name| name == device || Some(name) == host.as_ref())
        };
        let renamed = |device: &str| (!leaves(device)).then(|| self.renumbered(device, &leaves));
        let mut file = self.wire.clone();
        file.device.retain(|name, _| !leaves(name));
        for (name, host) in &mut file.host {
            let stays = |list: &str, end: &str, index: usize| {
                let key = format!("host.{name}.{list}[{index}]{end}");
                let mut known = self.keys.iter().zip(&self.devices);
                known.any(|(of, (device, _))| *of == key && !leaves(device))
            };
            retain_by_index(&mut host.devices, |index| stays("devices", "", index));
            retain_by_index(&mut host.device, |index| stays("device", ".profile", index));
        }
        file.host.retain(|_, host| !host.devices.is_empty() || !host.device.is_empty());
        if !file.device.contains_key(&file.source) && !file.host.contains_key(&file.source) {
            return Err(format!(
                "requests enter at {}; a cluster with another `source` is needed without it",
                file.source
            ));
        }
        for link in std::mem::take(&mut file.link) {
            let end = |name: &String| match self.wire.host_of(name) {
                Some(_) => renamed(name),
                None => {
                    let machine = file.device.contains_key(name) || file.host.contains_key(name);
                    (machine || file.switch.contains_key(name)).then(|| name.clone())
                }
            };
            if let [Some(one), Some(two)] = link.between.each_ref().map(end) {
                file.link.push(Link { between: [one, two], ..link });
            }
        }
        let names = self.devices.iter().map(|(name, _)| renamed(name)).collect();
        Ok(Remaining { file, names })
    }

    /// The file with the links between these two ends, written `ONE-TWO`, at another bandwidth;
    /// with all links where no ends are given.
    ///
    /// # Errors
    /// Ends that no link has, or that can be read in two ways.
    pub fn with_links(
        &self,
        ends: Option<&str>,
        bandwidth: Bandwidth,
    ) -> Result<ClusterFile, String> {
        let mut file = self.wire.clone();
        let both = |link: &Link| {
            let [one, two] = &link.between;
            [format!("{one}-{two}"), format!("{two}-{one}")]
        };
        let meant = |link: &Link| ends.is_none_or(|ends| both(link).contains(&ends.to_owned()));
        let mut pairs: Vec<[String; 2]> = Vec::new();
        for link in file.link.iter_mut().filter(|link| meant(link)) {
            let mut pair = link.between.clone();
            pair.sort();
            pairs.push(pair);
            link.bandwidth = bandwidth;
        }
        pairs.dedup();
        match (ends, pairs.len()) {
            (None, 0) => Err("the cluster has no links".into()),
            (Some(ends), 0) => {
                let names: Vec<String> = file.link.iter().flat_map(both).collect();
                let hint = match nearest(ends, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        let known: Vec<String> =
                            file.link.iter().map(|link| link.between.join("-")).collect();
                        format!("it has {}", known.join(", "))
                    }
                };
                Err(format!("the cluster has no link `{ends}`; {hint}"))
            }
            (Some(ends), 2..) => Err(format!(
                "`{ends}` is the link {} and the link {}",
                pairs[0].join(" - "),
                pairs[1].join(" - ")
            )),
            _ => Ok(file),
        }
    }

    /// The file with a device that is slower by a factor, and has less memory by so many bytes.
    ///
    /// # Errors
    /// Those of the device's profile.
    pub fn with_less(
        &self,
        device: usize,
        slower: Option<f64>,
        less: Bytes,
    ) -> Result<ClusterFile, InputError> {
        let mut file = self.wire.clone();
        let (name, known) = &self.devices[device];
        let slowdown = match (known.slowdown, slower) {
            (Some(one), Some(other)) => Some(one * other),
            (one, other) => one.or(other),
        };
        let memory = match less {
            Bytes::ZERO => known.memory,
            less => Some(Memory(known.usable(self.profile(device)?).saturating_sub(less).0)),
        };
        let changed = ClusterDevice { slowdown, memory, ..known.clone() };
        let Some(name_of_host) = self.wire.host_of(name) else {
            file.device.insert(name.clone(), changed);
            return Ok(file);
        };
        if let Some(host) = file.host.get_mut(&name_of_host) {
            // What is listed becomes tables in the same order, so names stay.
            let listed = std::mem::take(&mut host.devices);
            let count = listed.len();
            let tables = listed.into_iter().map(ClusterDevice::new);
            host.device.splice(0..0, tables);
            let place = |(index, _): &(usize, &ClusterDevice)| {
                let key = match index.checked_sub(count) {
                    None => format!("host.{name_of_host}.devices[{index}]"),
                    Some(index) => format!("host.{name_of_host}.device[{index}].profile"),
                };
                self.keys[device] == key
            };
            let cpu = known.backend.is_some_and(Backend::is_cpu);
            if let Some((index, _)) = host.device.iter().enumerate().find(place) {
                host.device[index] = changed;
            }
            if cpu && less > Bytes::ZERO {
                host.ram = None;
            }
        }
        Ok(file)
    }

    /// A device or a host, whatever its network.
    fn check_leaves(&self, name: &str) -> Result<(), String> {
        let device = self.devices.iter().any(|(known, _)| known == name);
        if device || self.wire.host.contains_key(name) {
            return Ok(());
        }
        let known = self.devices.iter().map(|(name, _)| name.as_str());
        let known = known.chain(self.wire.host.keys().map(String::as_str));
        let hint = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
        };
        Err(format!("`{name}` is neither a device nor a host; {hint}"))
    }

    /// What a device of a host is called without those of lower number that leave.
    fn renumbered(&self, device: &str, leaves: &dyn Fn(&str) -> bool) -> String {
        let numbered = |name: &str| {
            let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
            let number = name[prefix.len()..].parse::<usize>().ok()?;
            Some((prefix, number))
        };
        let Some((prefix, number)) = self.wire.host_of(device).and_then(|_| numbered(device))
        else {
            return device.to_owned();
        };
        let gone = self.devices.iter().filter(|(other, _)| {
            let lower = numbered(other).is_some_and(|(of, less)| of == prefix && less < number);
            lower && leaves(other)
        });
        format!("{prefix}{}", number - gone.count())
    }
}

fn retain_by_index<T>(list: &mut Vec<T>, mut stays: impl FnMut(usize) -> bool) {
    let mut index = 0;
    list.retain(|_| {
        index += 1;
        stays(index - 1)
    });
}

/// Puts a device into a host; a machine of one device becomes one.
fn into(file: &mut ClusterFile, host: &str, profile: &str) -> Result<(), String> {
    let spec = format!("catalog:{profile}");
    if let Some(known) = file.host.get_mut(host) {
        known.devices.push(spec);
        return Ok(());
    }
    let Some(device) = file.device.remove(host) else {
        return Err(match file.switch.contains_key(host) {
            true => format!("`{host}` is a switch, which runs nothing; a device or host is needed"),
            false => file.unknown(host),
        });
    };
    let relay = device.relay;
    let device = ClusterDevice { relay: false, ..device };
    let made = Host { devices: vec![spec], device: vec![device], relay, ..Host::default() };
    file.host.insert(host.to_owned(), made);
    Ok(())
}

/// Puts a device on the network.
fn join(file: &mut ClusterFile, profile: &str) -> Result<(), String> {
    let of = |name: &str| {
        let ends = move |link: &&Link| link.between.iter().any(|end| end == name);
        file.link.iter().filter(ends).cloned().collect::<Vec<Link>>()
    };
    let most = |names: &mut dyn Iterator<Item = &String>| {
        let linked = names.map(|name| (of(name), name.clone()));
        let rank = |(links, name): &(Vec<Link>, String)| {
            let bits: u128 = links.iter().map(|link| u128::from(link.bandwidth.0)).sum();
            (links.len(), bits, Reverse(name.clone()))
        };
        linked.filter(|(links, _)| !links.is_empty()).max_by_key(rank)
    };
    let switch = most(&mut file.switch.keys());
    let machine = most(&mut file.device.keys().chain(file.host.keys()));
    let name = free_name(file, profile);
    let to = |end: &str, link: &Link| Link {
        between: [name.clone(), end.to_owned()],
        one_way: false,
        ..link.clone()
    };
    let best = |links: &[Link]| {
        links.iter().max_by_key(|link| (link.bandwidth, Reverse(link.latency))).cloned()
    };
    let links = match (switch, machine) {
        (Some((links, switch)), _) => best(&links).iter().map(|link| to(&switch, link)).collect(),
        (None, Some((links, machine))) => {
            let alike = |link: &Link| {
                let end = |end: &String| if *end == machine { name.clone() } else { end.clone() };
                Link { between: link.between.each_ref().map(end), ..link.clone() }
            };
            let near = best(&links).map(|link| to(&machine, &link));
            links.iter().map(alike).chain(near).collect::<Vec<Link>>()
        }
        (None, None) => {
            let mut machines = file.device.keys().chain(file.host.keys());
            return match (machines.next().cloned(), machines.next()) {
                (Some(only), None) => into(file, &only, profile),
                _ => Err("the cluster has no link to join it by; name a host, as in \
                          `+pc:rtx-3090-24`"
                    .into()),
            };
        }
    };
    file.link.extend(links);
    file.device.insert(name, ClusterDevice::new(format!("catalog:{profile}")));
    Ok(())
}

/// The profile's name, with a number after it where a device has that name.
fn free_name(file: &ClusterFile, profile: &str) -> String {
    let taken = |name: &String| {
        let machine = file.device.contains_key(name) || file.host.contains_key(name);
        machine || file.switch.contains_key(name)
    };
    let others = (2..).map(|number: u32| format!("{profile}-{number}"));
    let mut names = std::iter::once(profile.to_owned()).chain(others);
    names.find(|name| !taken(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = include_str!("../../../../bench-data/clusters/home-lab.toml");
    const PC: &str = "source = 'pc'\n[host.pc]\n\
        devices = ['catalog:rtx-3090-24', 'catalog:ryzen-7950x-64', 'catalog:rtx-3070-8']\n\
        [[link]]\nbetween = ['pc/cuda0', 'pc/cuda1']\nbandwidth = '50 GB/s'\nlatency = '9 us'\n";

    fn home() -> Cluster {
        Cluster::parse("home-lab.toml", HOME).unwrap()
    }

    fn names(cluster: &Cluster) -> Vec<&str> {
        cluster.devices.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_device_joins_the_switch_by_its_fastest_link() {
        let more = home().replaced(home().with_device(None, "rtx-3090-24").unwrap()).unwrap();
        let [new, desktop] = ["rtx-3090-24", "desktop"]
            .map(|name| names(&more).iter().position(|known| *known == name).unwrap());
        let route = more.route(new, desktop, 1, Bytes(1 << 20)).unwrap();
        assert_eq!((route.bandwidth, route.latency.0), (Bandwidth(940_000_000), 400_000));
        let twice = more.with_device(None, "catalog:rtx-3090-24").unwrap();
        assert!(twice.device.contains_key("rtx-3090-24-2"));
    }

    #[test]
    fn without_a_switch_a_device_is_linked_as_the_best_connected_one() {
        let text = "source = 'a'\n[device.a]\nprofile = 'catalog:l4-24'\n[device.b]\n\
            profile = 'catalog:l4-24'\n[[link]]\nbetween = ['a', 'b']\n\
            bandwidth = '1 Gbit/s'\nlatency = '1 ms'\n";
        let two = Cluster::parse("c.toml", text).unwrap();
        let file = two.with_device(None, "l4-24").unwrap();
        let three = two.replaced(file).unwrap();
        assert_eq!(names(&three), ["a", "b", "l4-24"]);
        assert!([0, 1].iter().all(|&from| three.route(from, 2, 1, Bytes(1)).is_some()));
    }

    #[test]
    fn a_device_goes_into_a_host_and_makes_a_host_of_a_machine() {
        let pc = Cluster::parse("pc.toml", PC).unwrap();
        for host in [Some("pc"), None] {
            let more = pc.replaced(pc.with_device(host, "rtx-3060-12").unwrap()).unwrap();
            assert_eq!(names(&more), ["pc/cpu", "pc/cuda0", "pc/cuda1", "pc/cuda2"]);
        }
        let file = home().with_device(Some("desktop"), "rtx-3090-24").unwrap();
        let more = home().replaced(file).unwrap();
        assert!(names(&more).contains(&"desktop/cuda1"), "{:?}", names(&more));
        let error = home().with_device(Some("dektop"), "rtx-3090-24").unwrap_err();
        assert!(error.contains("did you mean `desktop`?"), "{error}");
        let error = home().with_device(Some("home"), "rtx-3090-24").unwrap_err();
        assert!(error.contains("`home` is a switch"), "{error}");
        let error = home().with_device(None, "rtx-3091-24").unwrap_err();
        assert!(error.contains("did you mean `catalog:rtx-3090-24`?"), "{error}");
    }

    #[test]
    fn a_device_of_a_host_leaves_and_the_others_are_numbered_again() {
        let pc = Cluster::parse("pc.toml", PC).unwrap();
        let left = pc.without(&["pc/cuda0".into()]).unwrap();
        assert_eq!(left.names, [Some("pc/cpu".into()), None, Some("pc/cuda0".into())]);
        let less = pc.replaced(left.file).unwrap();
        assert_eq!(names(&less), ["pc/cpu", "pc/cuda0"]);
        assert!(less.profile(1).unwrap().usable() < Bytes(10 << 30), "the small one is left");
        assert!(less.links().is_empty(), "its link left, too");
        let error = pc.without(&["pc".into()]).unwrap_err();
        assert!(error.contains("requests enter at pc"), "{error}");
    }

    #[test]
    fn a_device_slows_or_loses_memory_and_keeps_its_name() {
        let pc = Cluster::parse("pc.toml", &PC.replace("[host.pc]", "[host.pc]\nram = '64 GiB'"));
        let pc = pc.unwrap();
        let usable =
            |of: &Cluster, index: usize| of.devices[index].1.usable(of.profile(index).unwrap());
        for index in 0..3 {
            let less = Bytes(1 << 30);
            let changed = pc.replaced(pc.with_less(index, Some(2.0), less).unwrap()).unwrap();
            assert_eq!(names(&changed), names(&pc));
            for other in 0..3 {
                let (gone, factor) =
                    if other == index { (less, Some(2.0)) } else { (Bytes(0), None) };
                assert_eq!(changed.devices[other].1.slowdown, factor);
                assert_eq!(usable(&changed, other), usable(&pc, other) - gone, "{index} {other}");
            }
            let again = changed.with_less(index, Some(3.0), Bytes::ZERO).unwrap();
            let again = pc.replaced(again).unwrap();
            assert_eq!(again.devices[index].1.slowdown, Some(6.0));
        }
    }

    #[test]
    fn machines_leave_with_their_links_and_unknown_ones_do_not() {
        let left = home().without(&["desktop".into(), "jetson-a".into()]).unwrap();
        let less = home().replaced(left.file).unwrap();
        assert_eq!((names(&less).len(), less.links().len()), (2, 2));
        for (name, expected) in [
            ("dektop", "did you mean `desktop`?"),
            ("home", "neither a device nor a host"),
            ("laptop", "requests enter at laptop"),
        ] {
            let error = home().without(&[name.into()]).unwrap_err();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn links_get_another_bandwidth() {
        let fast = Bandwidth(10_000_000_000);
        let all = home().with_links(None, fast).unwrap();
        assert!(all.link.iter().all(|link| link.bandwidth == fast));
        let one = home().with_links(Some("home-jetson-a"), fast).unwrap();
        assert_eq!(one.link.iter().filter(|link| link.bandwidth == fast).count(), 1);
        let error = home().with_links(Some("laptop-hom"), fast).unwrap_err();
        assert!(error.contains("did you mean `laptop-home`?"), "{error}");
        let error = home().with_links(Some("x"), fast).unwrap_err();
        assert!(error.contains("it has laptop-home, "), "{error}");
    }
}
