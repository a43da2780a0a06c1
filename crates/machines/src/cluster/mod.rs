//! Clusters: devices, switches and links, and the time that a message takes by the best route.

mod change;
mod expand;
mod file;
mod host;
mod lost;
mod routes;
mod way;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use edgeplan_problem::{Bytes, Nanos};
use petgraph::graph::NodeIndex;

pub use self::change::Remaining;
use self::expand::{Member, members};
pub use self::file::{ClusterDevice, ClusterFile, Link, Switch};
pub use self::host::{Host, Internal, USUAL_CPU};
use self::routes::{Front, Graph, routes};
pub use self::way::{Lane, Way};
use crate::device::{Backend, DeviceProfile};
use edgeplan_files::quantity::Bandwidth;
use edgeplan_files::{InputError, parse_table};

/// A cluster whose devices can all reach the source.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The devices by name, the source first.
    pub devices: Vec<(String, ClusterDevice)>,
    /// Names of the hosts that have several devices.
    pub hosts: Vec<String>,
    /// Index into `hosts` by device; none for a device that is a host of its own.
    pub host_of: Vec<Option<usize>>,
    network: Graph,
    /// `routes[from][to]`: every (latency, bits per second) worth taking.
    routes: Vec<Vec<Front>>,
    wire: ClusterFile,
    /// Keys of the devices' profiles, for errors.
    keys: Vec<String>,
    /// The file, for errors.
    file: String,
    /// By device: its profile, one place for all devices that name the same one. Each is read once;
    /// clusters with other links share them.
    profiles: Arc<[Profile]>,
}

/// How a message goes from one device to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Time of all messages.
    pub time: Nanos,
    /// Latency of all links on the way, of one message.
    pub latency: Nanos,
    /// The slowest link on the way.
    pub bandwidth: Bandwidth,
}

impl Cluster {
    /// Parses a `cluster.toml`; `file` is only named in errors.
    ///
    /// # Errors
    /// Unknown keys and names with the nearest known one, wrong units, a device that the source
    /// cannot reach.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        Self::new(file, parse_table(file, text)?)
    }

    /// The cluster that a file describes; `file` is only named in errors.
    ///
    /// # Errors
    /// As [`Cluster::parse`], but for syntax.
    pub fn new(file: &str, wire: ClusterFile) -> Result<Self, InputError> {
        wire.check(file)?;
        let members = members(file, &wire)?;
        let profiles = profiles(&members);
        let mut hosts: Vec<String> = wire.host.keys().cloned().collect();
        let of = |host: &String| members.iter().filter(|m| m.host.as_ref() == Some(host)).count();
        // A host of one device is that device.
        hosts.retain(|host| of(host) > 1);
        let host_of = |member: &Member| hosts.iter().position(|h| Some(h) == member.host.as_ref());
        let host_of = members.iter().map(host_of).collect();
        let (network, routes) = connect(file, &wire, &members)?;
        let keys = members.iter().map(|member| member.key.clone()).collect();
        let devices = members.into_iter().map(|member| (member.name, member.device)).collect();
        let file = file.to_owned();
        let cluster = Self { devices, hosts, host_of, network, routes, wire, keys, file, profiles };
        cluster.check_connected()?;
        Ok(cluster)
    }

    /// One device and nothing else; `file` is only named in errors.
    pub fn single(file: &str, name: &str, device: ClusterDevice) -> Self {
        let mut network = Graph::new();
        network.add_node(device.relay);
        let devices = vec![(name.to_owned(), device)];
        let device = devices.iter().cloned().collect();
        let wire = ClusterFile { source: name.into(), device, ..ClusterFile::default() };
        Self {
            devices,
            hosts: Vec::new(),
            host_of: vec![None],
            network,
            routes: vec![vec![Front::new()]],
            wire,
            keys: vec![format!("device.{name}.profile")],
            file: file.into(),
            profiles: [Profile::default()].into(),
        }
    }

    /// The cluster with the bandwidth of one of its [`Cluster::links`] higher by `percent`.
    ///
    /// # Errors
    /// When that makes more routes than there is room for.
    pub fn with_faster_link(&self, index: usize, percent: u64) -> Result<Self, InputError> {
        let mut wire = self.wire.clone();
        if let Some(link) = wire.link.get_mut(index) {
            let bandwidth = &mut link.bandwidth.0;
            *bandwidth = bandwidth.saturating_add(*bandwidth / 100 * percent);
        }
        let members: Vec<Member> = (self.devices.iter().zip(&self.keys))
            .map(|((name, device), key)| Member {
                name: name.clone(),
                device: device.clone(),
                key: key.clone(),
                host: wire.host_of(name),
                profile: None,
            })
            .collect();
        let (network, routes) = connect(&self.file, &wire, &members)?;
        Ok(Self { wire, network, routes, ..self.clone() })
    }

    /// Whether two devices are of one host.
    pub fn share_host(&self, one: usize, two: usize) -> bool {
        one == two || self.host_of[one].is_some() && self.host_of[one] == self.host_of[two]
    }

    /// The profile of a device, read when it is first asked for; a file is looked for beside the
    /// cluster's own.
    ///
    /// # Errors
    /// An unknown name with the nearest known one, or a file that cannot be read or makes no sense.
    pub fn profile(&self, device: usize) -> Result<&DeviceProfile, InputError> {
        let place = &self.profiles[device];
        if let Some(known) = place.get() {
            return Ok(known);
        }
        let read = self.read_profile(device)?;
        Ok(place.get_or_init(|| read))
    }

    fn read_profile(&self, device: usize) -> Result<DeviceProfile, InputError> {
        let spec = &self.devices[device].1.profile;
        expand::read(&self.file, &self.wire, &self.keys[device], spec)
    }

    /// The backend of a device: as the cluster says, or else its profile.
    ///
    /// # Errors
    /// As [`Cluster::profile`].
    pub fn backend(&self, device: usize) -> Result<Option<Backend>, InputError> {
        let said = self.devices[device].1.backend;
        Ok(said.or(self.profile(device)?.backend()))
    }

    /// Whether a device is an accelerator with a memory apart from RAM.
    ///
    /// # Errors
    /// As [`Cluster::profile`].
    pub fn is_discrete(&self, device: usize) -> Result<bool, InputError> {
        let accelerator = self.backend(device)?.is_some_and(|backend| !backend.is_cpu());
        Ok(accelerator && !self.profile(device)?.is_unified())
    }

    /// The link inside of the host of a device; none for a device that is a host of its own.
    pub fn internal(&self, device: usize) -> Option<Internal> {
        let host = &self.hosts[self.host_of[device]?];
        self.wire.host.get(host).map(|host| host.internal)
    }

    /// The links inside of hosts that have several devices, by host.
    pub fn internals(&self) -> impl Iterator<Item = (&str, Internal)> {
        let known = |name: &String| self.wire.host.get(name).map(|host| host.internal);
        self.hosts.iter().filter_map(move |name| Some((name.as_str(), known(name)?)))
    }

    /// The file, as it is written.
    pub fn file(&self) -> &ClusterFile {
        &self.wire
    }

    /// The links, as they are written.
    pub fn links(&self) -> &[Link] {
        &self.wire.link
    }

    /// Time to move `messages` messages of `bytes` bytes in all by the best route: latency for each
    /// message, and the bytes at the route's slowest link. `None` where there is no route.
    pub fn transfer(&self, from: usize, to: usize, messages: u64, bytes: Bytes) -> Option<Nanos> {
        if from == to {
            return Some(Nanos::ZERO);
        }
        self.route(from, to, messages, bytes).map(|route| route.time)
    }

    /// The best route between two devices for `messages` messages of `bytes` bytes in all; `None`
    /// where there is none, as from a device to itself.
    pub fn route(&self, from: usize, to: usize, messages: u64, bytes: Bytes) -> Option<Route> {
        let bits = u128::from(bytes.0) * 8 * 1_000_000_000;
        let route = |&(latency, bandwidth): &(Nanos, u64)| {
            let moving = bits.div_ceil(u128::from(bandwidth));
            let time = latency * messages + Nanos(u64::try_from(moving).unwrap_or(u64::MAX));
            Route { time, latency, bandwidth: Bandwidth(bandwidth) }
        };
        self.routes[from][to].iter().map(route).min_by_key(|route| route.time)
    }

    fn check_connected(&self) -> Result<(), InputError> {
        let lost: Vec<&str> = (1..self.devices.len())
            .filter(|&device| self.routes[0][device].is_empty())
            .map(|device| self.devices[device].0.as_str())
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        Err(InputError::key(&self.file, "link", lost::reason(&self.wire, &lost)))
    }
}

/// A profile's place, filled if it was read already.
/// A profile, once it is read.
type Profile = Arc<OnceLock<DeviceProfile>>;

/// A place for the profile of each device, filled where it was read already.
fn profiles(members: &[Member]) -> Arc<[Profile]> {
    let mut places: BTreeMap<&str, Profile> = BTreeMap::new();
    let mut each = Vec::with_capacity(members.len());
    for member in members {
        let place = places.entry(&member.device.profile).or_default();
        if let Some(known) = &member.profile {
            place.get_or_init(|| known.clone());
        }
        each.push(Arc::clone(place));
    }
    each.into()
}

/// Bits per second where there is no wire to wait for.
const AT_ONCE: (Nanos, u64) = (Nanos::ZERO, u64::MAX);

/// The network of a file, and the best routes between devices.
fn connect(
    file: &str,
    wire: &ClusterFile,
    members: &[Member],
) -> Result<(Graph, Vec<Vec<Front>>), InputError> {
    let graph = network(file, wire, members)?;
    let routes = routes(&graph, members.len());
    let routes = routes.map_err(|problem| InputError::key(file, "link", problem))?;
    Ok((graph, routes))
}

/// The network of a file: devices, then two nodes for each host, then switches.
///
/// A host is two nodes behind those of all devices: what its devices send leaves by one, what they
/// get comes by the other. So nothing passes through a host that does not forward. The network ends
/// in RAM: accelerators are behind the internal link.
fn network(file: &str, wire: &ClusterFile, members: &[Member]) -> Result<Graph, InputError> {
    let mut graph = Graph::new();
    // Where links leave from, and where they lead to.
    let mut ends: BTreeMap<&str, [NodeIndex; 2]> = BTreeMap::new();
    for member in members {
        let node = graph.add_node(member.device.relay);
        ends.insert(&member.name, [node; 2]);
    }
    for (name, host) in &wire.host {
        let both = [graph.add_node(true), graph.add_node(true)];
        let inside: Vec<&Member> =
            members.iter().filter(|member| member.host.as_ref() == Some(name)).collect();
        let internal = (Nanos(host.internal.latency.0), host.internal.bandwidth.0);
        for member in &inside {
            let cpu = member.device.backend.is_some_and(Backend::is_cpu);
            let weight = if cpu { AT_ONCE } else { internal };
            let node = ends[member.name.as_str()][0];
            graph.add_edge(node, both[0], weight);
            graph.add_edge(both[1], node, weight);
            for other in inside.iter().filter(|other| other.name != member.name) {
                graph.add_edge(node, ends[other.name.as_str()][0], internal);
            }
        }
        if host.relay {
            graph.add_edge(both[1], both[0], AT_ONCE);
        }
        ends.insert(name, both);
    }
    for name in wire.switch.keys() {
        ends.insert(name, [graph.add_node(true); 2]);
    }
    for (index, link) in wire.link.iter().enumerate() {
        let mut both = [[NodeIndex::new(0); 2]; 2];
        for (end, name) in both.iter_mut().zip(&link.between) {
            let known = ends.get(name.as_str()).copied();
            let missing =
                || InputError::key(file, format!("link[{index}].between"), wire.unknown(name));
            *end = known.ok_or_else(missing)?;
        }
        let weight = (Nanos(link.latency.0), link.bandwidth.0);
        graph.add_edge(both[0][0], both[1][1], weight);
        if !link.one_way {
            graph.add_edge(both[1][0], both[0][1], weight);
        }
    }
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = include_str!("../../../../bench-data/clusters/home-lab.toml");

    #[test]
    fn a_message_takes_latency_and_the_slowest_link() {
        let cluster = Cluster::parse("home-lab.toml", HOME).unwrap();
        assert_eq!(cluster.devices[0].0, "laptop");
        let desktop = cluster.devices.iter().position(|(name, _)| name == "desktop").unwrap();
        // 3 + 0.2 ms each, and 375 kB at 300 Mbit/s
        let time = cluster.transfer(0, desktop, 2, Bytes(375_000));
        assert_eq!(time, Some(Nanos(2 * 3_200_000 + 10_000_000)));
        assert_eq!(cluster.transfer(desktop, desktop, 9, Bytes(9)), Some(Nanos(0)));
    }

    #[test]
    fn the_best_route_depends_on_the_size() {
        let text = "source = 'a'\n[device.a]\nprofile = 'x'\n[device.b]\nprofile = 'x'\n\
            [switch.s]\n[[link]]\nbetween = ['a', 'b']\nbandwidth = '8 kbit/s'\nlatency = '1 ms'\n\
            [[link]]\nbetween = ['a', 's']\nbandwidth = '8 Mbit/s'\nlatency = '5 ms'\n\
            [[link]]\nbetween = ['s', 'b']\nbandwidth = '8 Mbit/s'\nlatency = '5 ms'\n";
        let cluster = Cluster::parse("c.toml", text).unwrap();
        assert_eq!(cluster.transfer(0, 1, 1, Bytes(1)), Some(Nanos(2_000_000)));
        let route = cluster.route(0, 1, 1, Bytes(1000)).unwrap();
        assert_eq!((route.time, route.latency), (Nanos(11_000_000), Nanos(10_000_000)));
        assert_eq!(route.bandwidth, Bandwidth(8_000_000));
        assert_eq!(cluster.route(0, 0, 1, Bytes(1000)), None);
    }

    const TWO: &str = "source = 'a'\n[device.a]\nprofile = 'cluster:mine'\nmemory = '0 B'\n\
        [device.b]\nprofile = 'catalog:l4-24'\n[profile.mine]\nmemory-gb = 8\n\
        usable-percent = 50\nbandwidth-gb-s = 10\ntflops = 1\nsource = 'me'\n\
        status = 'measured'\n[[profile.mine.rate]]\nformat = 'q4_K'\ntflops = 0.5\n\
        [[link]]\nbetween = ['a', 'b']\none-way = true\nbandwidth = '8 Mbit/s'\n\
        latency = '1 ms'\n";

    #[test]
    fn a_file_may_hold_profiles_and_links_that_lead_one_way() {
        let cluster = Cluster::parse("c.toml", TWO).unwrap();
        let mine = |cluster: &Cluster| cluster.profile(0).unwrap().published().cloned().unwrap();
        assert_eq!(mine(&cluster).rate[0].tflops, Some(0.5));
        assert_eq!(cluster.transfer(0, 1, 1, Bytes(1000)), Some(Nanos(2_000_000)));
        assert_eq!(cluster.transfer(1, 0, 1, Bytes(1000)), None);
        let wire: ClusterFile = parse_table("c.toml", TWO).unwrap();
        let text = wire.text("two\nlines");
        assert!(text.starts_with("# two\n# lines\nsource = "), "{text}");
        let again = Cluster::parse("c.toml", &text).unwrap();
        assert_eq!(again.devices, cluster.devices);
        assert_eq!(mine(&again), mine(&cluster));
        assert_eq!(again.transfer(0, 1, 1, Bytes(9)), cluster.transfer(0, 1, 1, Bytes(9)));
    }

    #[test]
    fn wrong_profiles_are_refused_by_key() {
        let cases = [
            ("cluster:mine", "cluster:mini", "device.a.profile: this file has no profile `mini`"),
            ("memory-gb = 8", "memory-gb = -8", "profile.mine.memory-gb: -8"),
            ("tflops = 0.5", "tflops = 0", "profile.mine.rate: 0.0;"),
            ("tflops = 0.5", "tflop = 0.5", "did you mean `tflops`?"),
        ];
        for (from, to, expected) in cases {
            let error = Cluster::parse("c.toml", &TWO.replacen(from, to, 1)).unwrap_err();
            assert!(error.to_string().contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_key() {
        let cases = [
            ("source = \"laptop\"", "source = \"labtop\"", "did you mean `laptop`?"),
            ("between = [\"jetson-a\"", "between = [\"jetson-c\"", "link[1].between"),
            ("between = [\"jetson-a\"", "between = [\"home\"", "home links to itself"),
            ("between = [\"jetson-a\"", "between = [\"jetson-b\"", "second link"),
            ("300 Mbit/s", "300 MHz", "link[0].bandwidth: `300 MHz`"),
            ("300 Mbit/s", "-300 Mbit/s", "is allowed"),
            ("300 Mbit/s", "0 Mbit/s", "more than that is needed"),
            ("3 ms", "NaN ms", "link[0].latency"),
            ("profile = \"catalog:apple", "profle = \"catalog:apple", "did you mean `profile`?"),
            ("[switch.home]", "[switch.laptop]\n[switch.home]", "same name"),
        ];
        for (from, to, expected) in cases {
            let error = Cluster::parse("c.toml", &HOME.replacen(from, to, 1)).unwrap_err();
            assert!(error.to_string().contains(expected), "{to}: {error}");
        }
        let cut = &HOME[..HOME.rfind("[[link]]").unwrap()];
        let error = Cluster::parse("c.toml", cut).unwrap_err().to_string();
        assert!(error.contains("cannot reach desktop"), "{error}");
    }
}
