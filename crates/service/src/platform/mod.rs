//! A platform: edge sites and a cloud, the services that they offer, what users ask of them, and
//! how often. The question that `edgeplan service` answers, as a person writes it.
//!
//! ```toml
//! name = "two sites and a cloud"
//! frame = "250 ms"                  # requests are assigned once in a frame
//!
//! [load]
//! rate = 0.5                        # requests per second, Poisson; or trace = "trace.csv"
//!
//! [site.library]
//! users = 2                         # of the requests, in proportion
//! uplink = { bandwidth = "100 Mbit/s", latency = "4 ms" }
//! device.desktop = { profile = "catalog:rtx-3090-24" }  # or cluster = "cluster.toml"
//!
//! [service.chat]
//! model = "catalog:llama-3.1-8b"
//! accuracy = "68.4 %"               # as it was trained
//! [[service.chat.demand]]
//! accuracy-min = "60 %"
//! deadline = "2 s"
//! deadline-per-token = "60 ms"
//! ```

mod wire;

use std::path::PathBuf;

use edgeplan_problem::scheduling::{Mode, Tier};
use edgeplan_problem::{Bytes, Nanos, Share};

use edgeplan_files::{InputError, parse_table};
use edgeplan_machines::cluster::Cluster;
use edgeplan_model::ModelSpec;
use edgeplan_problem::format::Format;
use schemars::{Schema, schema_for};
use wire::WirePlatform;

/// Sites, services and load.
#[derive(Debug, Clone)]
pub struct Platform {
    /// A name for people.
    pub name: String,
    /// How often requests are assigned; each waits for the end of the frame in which it came.
    pub frame: Nanos,
    /// What missed demands mean for the assignment.
    pub mode: Mode,
    /// The format of every model under the baseline policies.
    pub uniform: Format,
    /// Most requests that a batch may have; a site keeps to one of these.
    pub batches: Vec<u32>,
    /// How much more load than the expected one deployments are chosen for, in percent.
    pub headroom_percent: u32,
    /// The share of satisfied users that a load must leave to count as borne.
    pub target: Share,
    /// Edge sites and clouds, by name.
    pub sites: Vec<Site>,
    /// What can be asked for, by name.
    pub services: Vec<Service>,
    /// Who asks, and when.
    pub load: Load,
}

/// Machines in one place.
#[derive(Debug, Clone)]
pub struct Site {
    /// A name for people, unique.
    pub name: String,
    /// Edge or cloud.
    pub tier: Tier,
    /// Requests that arrive here, in proportion to the other sites'.
    pub users: u32,
    /// Way to all other sites.
    pub uplink: Uplink,
    /// Its devices; requests enter at the source.
    pub cluster: Cluster,
}

/// The way from a site to the backbone that all sites are on, the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uplink {
    /// Bits per second.
    pub bandwidth: u64,
    /// Time that any message takes, however short.
    pub latency: Nanos,
}

/// A model that users ask.
#[derive(Debug, Clone)]
pub struct Service {
    /// A name for people, unique.
    pub name: String,
    /// The model.
    pub model: ModelSpec,
    /// Its accuracy as it was trained, on the task that the demands speak of.
    pub accuracy: Share,
    /// Requests for it, in proportion to the other services'.
    pub share: u32,
    /// Prompt tokens: one of these, each as likely. A trace has its own.
    pub prompts: Vec<u32>,
    /// Generated tokens: one of these, each as likely. A trace has its own.
    pub generates: Vec<u32>,
    /// What a request sends besides its prompt.
    pub payload: Bytes,
    /// Quality floors to plan for: formats or llama.cpp mixes, as in `quality.like`.
    pub floors: Vec<String>,
    /// What its users demand.
    pub demands: Vec<Demand>,
}

/// What a user demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Users who do, in proportion to the service's other demands.
    pub share: u32,
    /// Least accuracy.
    pub accuracy_min: Share,
    /// Longest time from the request to the last token: this,
    pub deadline: Nanos,
    /// and this for every generated token.
    pub per_token: Nanos,
}

/// Who asks, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// When requests come, and of how many tokens.
    pub arrivals: Arrivals,
    /// Requests at most.
    pub requests: usize,
    /// Times of arrival are multiplied by this: below 1 there is more load.
    pub stretch: f64,
    /// Seed of whatever is drawn.
    pub seed: u64,
}

/// When requests come.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrivals {
    /// As in a trace.
    Trace(PathBuf),
    /// At random, so many per second in the mean.
    Poisson(f64),
}

impl Platform {
    /// What may stand in a `service.toml`.
    pub fn schema() -> Schema {
        schema_for!(WirePlatform)
    }

    /// Parses `service.toml`; `file` is named in errors, and files that it names lie beside it.
    ///
    /// # Errors
    /// Syntax, unknown keys with the nearest known one, numbers out of range, a cluster or a model
    /// that cannot be read.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        parse_table::<WirePlatform>(file, text)?.platform(file)
    }

    /// Time of one message of that size from a site to another: both latencies, and the bytes at
    /// the slower of the two uplinks.
    pub fn way(&self, from: usize, to: usize, bytes: Bytes) -> Nanos {
        if from == to {
            return Nanos::ZERO;
        }
        let (a, b) = (self.sites[from].uplink, self.sites[to].uplink);
        let slower = u128::from(a.bandwidth.min(b.bandwidth));
        let moving = (u128::from(bytes.0) * 8 * 1_000_000_000).div_ceil(slower);
        a.latency + b.latency + Nanos(u64::try_from(moving).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../bench-data/services/campus.toml");

    #[test]
    fn the_example_is_read() {
        let platform = Platform::parse("campus.toml", EXAMPLE).unwrap();
        let names: Vec<&str> = platform.sites.iter().map(|site| site.name.as_str()).collect();
        assert_eq!(names, ["cloud", "library", "workshop"]);
        assert_eq!(platform.sites[0].tier, Tier::Cloud);
        assert!(platform.sites[1].cluster.devices.len() > 1);
        assert_eq!(platform.way(1, 1, Bytes(1 << 30)), Nanos::ZERO);
        // 25 + 4 ms, and 1 MB at 100 Mbit/s
        assert_eq!(platform.way(1, 0, Bytes(1_000_000)), Nanos(109_000_000));
        assert_eq!(platform.way(0, 1, Bytes(9)), platform.way(1, 0, Bytes(9)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_key() {
        let cases = [
            ("frame = \"250 ms\"", "frame = \"0 s\"", "s.toml: frame: 0 s; "),
            ("users = 2", "user = 2", "did you mean `users`?"),
            ("users = 2", "users = 2000000", "site.library.users: 2000000; "),
            ("catalog:jetson-agx-orin-64", "catalog:jetson", "site.workshop.device.orin.profile: "),
            ("4 ms", "4 m", "site.library.uplink.latency: `4 m`"),
            ("catalog:llama-3.1-8b", "catalog:lama-3.1-8b", "service.chat.model: "),
            ("\"q5_K_M\"", "\"q5_KM\"", "service.chat.quality: `q5_KM` is no format"),
            ("68.4 %", "168.4 %", "service.chat.accuracy: "),
            ("deadline = \"3 s\"", "deadline = \"3 h\"", "demand[0].deadline: "),
            ("rate = 1.5", "rate = 0.0", "load.rate: 0.0; "),
            ("rate = 1.5", "rate = 1.5\ntrace = \"t.csv\"", "load.rate: beside `load.trace`"),
            ("prompt = [128, 512]", "prompt = []", "service.chat.prompt: there is none; "),
            ("[[service.chat.demand]]", "[[service.chat.demands]]", "did you mean `demand`?"),
            ("tier = \"cloud\"", "tier = \"clod\"", "did you mean `cloud`?"),
            ("source = \"node-a\"", "source = \"node-x\"", "site.library.source: "),
        ];
        for (from, to, expected) in cases {
            assert!(EXAMPLE.contains(from), "{from}");
            let error = Platform::parse("s.toml", &EXAMPLE.replacen(from, to, 1)).unwrap_err();
            assert!(error.to_string().contains(expected), "{to}: {error}");
        }
        let both = EXAMPLE.replacen("[site.library]", "[site.library]\ncluster = \"c.toml\"", 1);
        let error = Platform::parse("s.toml", &both).unwrap_err().to_string();
        assert!(error.contains("site.library.cluster: beside `device`"), "{error}");
        let none = EXAMPLE.replace("users = ", "users = 0 # ");
        let error = Platform::parse("s.toml", &none).unwrap_err().to_string();
        assert!(error.contains("s.toml: site: no site has users"), "{error}");
    }
}
