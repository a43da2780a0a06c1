//! Clusters: devices, switches and links, and the time that a message takes by the best route.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_problem::{Bytes, Nanos};
use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeFiltered, EdgeRef as _};
use serde::Deserialize;

use crate::file::{InputError, nearest, parse_toml};
use crate::format::Format;
use crate::quantity::{Bandwidth, Memory, Time};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCluster {
    source: String,
    device: BTreeMap<String, Host>,
    #[serde(default)]
    switch: BTreeMap<String, Switch>,
    #[serde(default)]
    link: Vec<Link>,
}

/// A device of the cluster, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Host {
    /// `catalog:NAME` or a file.
    pub profile: String,
    /// Bytes that the planner may use, instead of the profile's.
    #[serde(default)]
    pub memory: Option<Memory>,
    /// Bytes that the runtime takes once if anything is placed here.
    #[serde(default = "overhead")]
    pub overhead: Memory,
    /// Formats that it can run; all if empty.
    #[serde(default)]
    pub formats: Vec<Format>,
    /// Whether it forwards messages of others.
    #[serde(default)]
    pub relay: bool,
    /// Most compute time per request.
    #[serde(default)]
    pub compute_max: Option<Time>,
    /// Most bytes sent per request.
    #[serde(default)]
    pub traffic_max: Option<Memory>,
}

/// An estimate of what an inference runtime takes besides weights, cache and activations.
fn overhead() -> Memory {
    Memory(256 << 20)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    between: [String; 2],
    bandwidth: Bandwidth,
    latency: Time,
}

/// A cluster whose devices can all reach the source.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The devices by name, the source first.
    pub hosts: Vec<(String, Host)>,
    /// `routes[from][to]`: every (latency, bits per second) worth taking.
    routes: Vec<Vec<Vec<(Nanos, u64)>>>,
}

type Graph = DiGraph<bool, (Nanos, u64)>; // may forward; latency, bits per second

impl Cluster {
    /// Parses a `cluster.toml`; `file` is only named in errors.
    ///
    /// # Errors
    /// Unknown keys and names with the nearest known one, wrong units, a device that the source
    /// cannot reach.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let wire: WireCluster = parse_toml(file, text)?;
        wire.check(file)?;
        let mut hosts: Vec<(String, Host)> = wire.device.clone().into_iter().collect();
        hosts.sort_by_key(|(name, _)| (*name != wire.source, name.clone()));
        let mut graph = Graph::new();
        let mut nodes: BTreeMap<&str, NodeIndex> = BTreeMap::new();
        for (name, host) in &hosts {
            nodes.insert(name, graph.add_node(host.relay));
        }
        for name in wire.switch.keys() {
            nodes.insert(name, graph.add_node(true));
        }
        for link in &wire.link {
            let ends = link.between.each_ref().map(|name| nodes[name.as_str()]);
            let weight = (Nanos(link.latency.0), link.bandwidth.0);
            graph.add_edge(ends[0], ends[1], weight);
            graph.add_edge(ends[1], ends[0], weight);
        }
        let routes = routes(&graph, hosts.len());
        let cluster = Self { hosts, routes };
        cluster.check_connected(file)?;
        Ok(cluster)
    }

    /// Time to move `messages` messages of `bytes` bytes in all by the best route: latency for each
    /// message, and the bytes at the route's slowest link. `None` where there is no route.
    pub fn transfer(&self, from: usize, to: usize, messages: u64, bytes: Bytes) -> Option<Nanos> {
        if from == to {
            return Some(Nanos::ZERO);
        }
        let bits = u128::from(bytes.0) * 8 * 1_000_000_000;
        let time = |&(latency, bandwidth): &(Nanos, u64)| {
            let moving = bits.div_ceil(u128::from(bandwidth));
            latency * messages + Nanos(u64::try_from(moving).unwrap_or(u64::MAX))
        };
        self.routes[from][to].iter().map(time).min()
    }

    fn check_connected(&self, file: &str) -> Result<(), InputError> {
        let lost: Vec<&str> = (1..self.hosts.len())
            .filter(|&device| self.routes[0][device].is_empty())
            .map(|device| self.hosts[device].0.as_str())
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let problem =
            format!("the source cannot reach {}; add a link or a switch", lost.join(", "));
        Err(InputError::key(file, "link", problem))
    }
}

impl WireCluster {
    fn check(&self, file: &str) -> Result<(), InputError> {
        let error = |key: String, problem: String| Err(InputError::key(file, key, problem));
        let names = || self.device.keys().chain(self.switch.keys()).map(String::as_str);
        let unknown = |name: &str| {
            let hint = nearest(name, names()).map(|near| format!("; did you mean `{near}`?"));
            format!("`{name}` is neither a device nor a switch{}", hint.unwrap_or_default())
        };
        if !self.device.contains_key(&self.source) {
            return error("source".into(), unknown(&self.source));
        }
        if let Some(name) = self.switch.keys().find(|name| self.device.contains_key(*name)) {
            return error(format!("switch.{name}"), "a device has the same name".into());
        }
        let mut pairs = BTreeSet::new();
        for (index, link) in self.link.iter().enumerate() {
            let key = format!("link[{index}]");
            for name in &link.between {
                if !names().any(|known| known == name) {
                    return error(format!("{key}.between"), unknown(name));
                }
            }
            let mut pair = link.between.clone();
            pair.sort();
            if pair[0] == pair[1] {
                return error(format!("{key}.between"), format!("{} links to itself", pair[0]));
            }
            if link.bandwidth.0 == 0 {
                return error(format!("{key}.bandwidth"), "0; more than that is needed".into());
            }
            let text = format!("a second link between {} and {}", pair[0], pair[1]);
            if !pairs.insert(pair) {
                return error(format!("{key}.between"), text);
            }
        }
        for (name, host) in &self.device {
            if host.memory.is_some_and(|memory| memory.0 == 0) {
                return error(format!("device.{name}.memory"), "0; more is needed".into());
            }
        }
        Ok(())
    }
}

/// For every pair of devices, the routes that are best for some message: for each bandwidth, the
/// one of least latency over links that have it. Hosts that do not relay only start and end routes.
fn routes(graph: &Graph, devices: usize) -> Vec<Vec<Vec<(Nanos, u64)>>> {
    let bandwidths: BTreeSet<u64> = graph.edge_weights().map(|&(_, bandwidth)| bandwidth).collect();
    let mut routes = vec![vec![Vec::new(); devices]; devices];
    for (from, row) in routes.iter_mut().enumerate() {
        for &bandwidth in &bandwidths {
            let start = NodeIndex::new(from);
            let usable = EdgeFiltered::from_fn(graph, |edge| {
                let forwards = edge.source() == start || graph[edge.source()];
                forwards && edge.weight().1 >= bandwidth
            });
            let latency = dijkstra(&usable, start, None, |edge| edge.weight().0);
            for (to, found) in row.iter_mut().enumerate().filter(|&(to, _)| to != from) {
                if let Some(&latency) = latency.get(&NodeIndex::new(to)) {
                    found.push((latency, bandwidth));
                }
            }
        }
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = include_str!("../../../bench-data/clusters/home-lab.toml");

    #[test]
    fn a_message_takes_latency_and_the_slowest_link() {
        let cluster = Cluster::parse("home-lab.toml", HOME).unwrap();
        assert_eq!(cluster.hosts[0].0, "laptop");
        let desktop = cluster.hosts.iter().position(|(name, _)| name == "desktop").unwrap();
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
        assert_eq!(cluster.transfer(0, 1, 1, Bytes(1000)), Some(Nanos(11_000_000)));
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
