//! Clusters: devices, links, and the time of a message between any two devices.

use std::fmt::{Display, Formatter};

use edgeplan_files::InputError;
use edgeplan_files::quantity::Bandwidth;
use edgeplan_machines::cluster::{Cluster, ClusterDevice, Route};
use edgeplan_problem::{Bytes, Nanos};
use edgeplan_report::table::Table;
use serde::Serialize;

/// One hidden state of an 8B model: 4096 numbers of 4 bytes.
const STATE: Bytes = Bytes(4096 * 4);

/// What is known of a cluster. Field names are stable keys. See the [module](super) for an example.
#[derive(Debug, Serialize)]
pub struct ClusterFacts {
    /// The device at which requests enter.
    source: String,
    devices: Vec<DeviceFacts>,
    links: Vec<LinkFacts>,
    message_bytes: Bytes,
    /// Of a message between any two devices.
    routes: Vec<RouteFacts>,
    /// Links inside of hosts.
    #[serde(skip)]
    internals: Vec<[String; 3]>,
}

#[derive(Debug, Serialize)]
struct DeviceFacts {
    name: String,
    profile: String,
    usable_bytes: Bytes,
}

#[derive(Debug, Serialize)]
struct LinkFacts {
    between: [String; 2],
    one_way: bool,
    bandwidth_bits_per_s: u64,
    latency_ns: u64,
}

#[derive(Debug, Serialize)]
struct RouteFacts {
    from: String,
    to: String,
    time_ns: Nanos,
    latency_ns: Nanos,
    bandwidth_bits_per_s: u64,
    #[serde(skip)]
    ends: (usize, usize),
}

impl ClusterFacts {
    pub(super) fn new(cluster: &Cluster) -> Result<Self, InputError> {
        let device = |(index, (name, host)): (usize, &(String, ClusterDevice))| {
            Ok(DeviceFacts {
                name: name.clone(),
                profile: host.profile.clone(),
                usable_bytes: host.usable(cluster.profile(index)?),
            })
        };
        let links = cluster.links().iter().map(|link| LinkFacts {
            between: link.between.clone(),
            one_way: link.one_way,
            bandwidth_bits_per_s: link.bandwidth.0,
            latency_ns: link.latency.0,
        });
        let count = cluster.devices.len();
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let route = |(from, to): (usize, usize)| {
            let Route { time, latency, bandwidth } = cluster.route(from, to, 1, STATE)?;
            Some(RouteFacts {
                from: cluster.devices[from].0.clone(),
                to: cluster.devices[to].0.clone(),
                time_ns: time,
                latency_ns: latency,
                bandwidth_bits_per_s: bandwidth.0,
                ends: (from, to),
            })
        };
        let internals = cluster.internals().map(|(name, internal)| {
            let latency = Nanos(internal.latency.0).to_string();
            [format!("inside {name}"), internal.bandwidth.to_string(), latency]
        });
        Ok(Self {
            source: cluster.devices[0].0.clone(),
            devices: (cluster.devices.iter().enumerate())
                .map(device)
                .collect::<Result<_, InputError>>()?,
            links: links.collect(),
            message_bytes: STATE,
            routes: pairs.filter_map(route).collect(),
            internals: internals.collect(),
        })
    }

    /// Time, latency and bandwidth of a message, from row to column.
    fn matrix(&self) -> Table {
        let names = self.devices.iter().map(|device| format!("{}>", device.name));
        let table = Table::new(std::iter::once(String::new()).chain(names));
        table.with_rows(self.devices.iter().enumerate().map(|(from, device)| {
            let cell = |to| match self.routes.iter().find(|route| route.ends == (from, to)) {
                Some(route) => {
                    let bandwidth = Bandwidth(route.bandwidth_bits_per_s);
                    format!("{}\n{}\n{bandwidth}", route.time_ns, route.latency_ns)
                }
                None if from == to => "-".into(),
                None => "no route".into(),
            };
            let cells = (0..self.devices.len()).map(cell);
            std::iter::once(device.name.clone()).chain(cells).collect::<Vec<_>>()
        }))
    }
}

impl Display for ClusterFacts {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let devices = self.devices.iter().map(|device| {
            [device.name.clone(), device.profile.clone(), device.usable_bytes.to_string()]
        });
        let devices = Table::new(["device", "profile", "usable memory>"]).with_rows(devices);
        let links = self.links.iter().map(|link| {
            [
                link.between.join(if link.one_way { " -> " } else { " - " }),
                Bandwidth(link.bandwidth_bits_per_s).to_string(),
                Nanos(link.latency_ns).to_string(),
            ]
        });
        let links = self.internals.iter().cloned().chain(links);
        let links = Table::new(["link", "bandwidth>", "latency>"]).with_rows(links);
        write!(
            f,
            "Requests enter at {}.\n\n{devices}\n\n{links}\n\n\
             One hidden state ({STATE}) from row to column: time, latency, bandwidth\n{}",
            self.source,
            self.matrix()
        )
    }
}
