//! The way of many bytes through the network, and what they share on it.

use edgeplan_files::quantity::Bandwidth;
use edgeplan_problem::Nanos;
use petgraph::algo::astar;
use petgraph::graph::NodeIndex;
use petgraph::visit::{EdgeFiltered, EdgeRef as _};

use super::Cluster;

/// A bandwidth that simultaneous transfers share: a direction of a link, or all that a machine
/// sends or receives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// For people, unique.
    pub name: String,
    /// Bits per second, all transfers together.
    pub bandwidth: Bandwidth,
}

/// The way of many bytes from one device to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Latency of all links on the way.
    pub latency: Nanos,
    /// What is shared with other transfers.
    pub lanes: Vec<Lane>,
}

impl Cluster {
    /// The widest route between two devices, of those the one of least latency: how many bytes
    /// move best. Links are full duplex, switches do not block, and a machine sends no faster than
    /// its fastest link. `None` where there is no route, as from a device to itself.
    pub fn way(&self, from: usize, to: usize) -> Option<Way> {
        let widest = self.routes.get(from)?.get(to)?.last()?.1;
        let graph = &self.network;
        let start = NodeIndex::new(from);
        let usable = EdgeFiltered::from_fn(graph, |edge| {
            let forwards = edge.source() == start || graph[edge.source()];
            forwards && edge.weight().1 >= widest
        });
        let goal = NodeIndex::new(to);
        let (latency, nodes) =
            astar(&usable, start, |node| node == goal, |edge| edge.weight().0.0, |_| 0)?;
        let mut lanes = Vec::new();
        for step in nodes.windows(2) {
            let (one, two) = (step[0], step[1]);
            let wide = graph.edges_connecting(one, two).filter(|edge| edge.weight().1 >= widest);
            let link = wide.min_by_key(|edge| edge.weight().0)?.weight().1;
            let [name_of_one, name_of_two] = [one, two].map(|node| self.name_of(node));
            let sends = graph.edges(one).map(|edge| edge.weight().1).max()?;
            let incoming = graph.edges_directed(two, petgraph::Direction::Incoming);
            let receives = incoming.map(|edge| edge.weight().1).max()?;
            let named = [
                (!self.is_switch(one), format!("what {name_of_one} sends"), sends),
                (true, format!("{name_of_one} to {name_of_two}"), link),
                (!self.is_switch(two), format!("what {name_of_two} receives"), receives),
            ];
            // Copies within RAM share no network bandwidth.
            let shared = named.into_iter().filter(|&(is, _, bits)| is && bits < u64::MAX);
            lanes.extend(shared.map(|(_, name, bits)| Lane { name, bandwidth: Bandwidth(bits) }));
        }
        Some(Way { latency: Nanos(latency), lanes })
    }

    fn is_switch(&self, node: NodeIndex) -> bool {
        node.index() >= self.devices.len() + 2 * self.wire.host.len()
    }

    fn name_of(&self, node: NodeIndex) -> String {
        let devices = self.devices.len();
        let hosts = 2 * self.wire.host.len();
        let name = match node.index() {
            index if index < devices => self.devices.get(index).map(|(name, _)| name),
            index if index < devices + hosts => self.wire.host.keys().nth((index - devices) / 2),
            index => self.wire.switch.keys().nth(index - devices - hosts),
        };
        name.cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = include_str!("../../../../bench-data/clusters/home-lab.toml");

    #[test]
    fn transfers_to_one_machine_share_its_link() {
        let cluster = Cluster::parse("home-lab.toml", HOME).unwrap();
        let place = |name: &str| cluster.devices.iter().position(|(known, _)| known == name);
        let [laptop, desktop] = ["laptop", "desktop"].map(|name| place(name).unwrap());
        let way = cluster.way(laptop, desktop).unwrap();
        assert_eq!(way.latency, Nanos(3_200_000));
        let names: Vec<&str> = way.lanes.iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!(
            names,
            ["what laptop sends", "laptop to home", "home to desktop", "what desktop receives"]
        );
        let rates: Vec<u64> = way.lanes.iter().map(|lane| lane.bandwidth.0 / 1_000_000).collect();
        assert_eq!(rates, [300, 300, 940, 940]);
        assert_eq!(cluster.way(laptop, laptop), None);
    }

    #[test]
    fn a_host_is_behind_its_network_and_its_devices_behind_their_slots() {
        let text = "source = 'pc'\n[host.pc]\n\
            devices = ['catalog:rtx-3090-24', 'catalog:ryzen-7950x-64']\n\
            internal = { bandwidth = '8 GB/s' }\n[device.nas]\nprofile = 'catalog:l4-24'\n\
            [[link]]\nbetween = ['pc', 'nas']\nbandwidth = '1 Gbit/s'\nlatency = '1 ms'\n";
        let cluster = Cluster::parse("c.toml", text).unwrap();
        let of = |from, to| {
            let way: Way = cluster.way(from, to).unwrap();
            way.lanes.into_iter().map(|lane| lane.name).collect::<Vec<String>>()
        };
        // The devices are pc/cpu, nas, pc/cuda0.
        let names: Vec<&str> = cluster.devices.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["pc/cpu", "nas", "pc/cuda0"]);
        let sends = ["what pc sends", "pc to nas", "what nas receives"];
        assert_eq!(of(0, 1), sends);
        let slot = ["what pc/cuda0 sends", "pc/cuda0 to pc"];
        assert!(of(2, 1).starts_with(&slot.map(str::to_owned)), "{:?}", of(2, 1));
        assert!(of(2, 1).ends_with(&sends.map(str::to_owned)), "{:?}", of(2, 1));
    }
}
