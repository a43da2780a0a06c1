//! A `service.toml` as it is written, and what may stand in it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::path::Path;

use edgeplan_problem::scheduling::{Mode, Tier};
use edgeplan_problem::{Bytes, Nanos, Share};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Arrivals, Demand, Load, Platform, Service, Site, Uplink};
use edgeplan_files::quantity::{Bandwidth, Memory, Percent, Time};
use edgeplan_files::{InputError, read_text, within};
use edgeplan_machines::cluster::{Cluster, ClusterDevice, ClusterFile, Link, Switch};
use edgeplan_machines::device::Device;
use edgeplan_model::sensitivity::mix_named;
use edgeplan_problem::format::Format;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WirePlatform {
    /// A name for people.
    name: String,
    /// Requests are assigned once in a frame.
    #[serde(default = "frame")]
    frame: Time,
    /// What an accuracy or a time beyond a demand means.
    #[serde(default = "mode")]
    mode: Mode,
    /// The format of every model under the baseline policies.
    #[serde(default = "uniform")]
    uniform: Format,
    /// Most requests that a batch may have; a site keeps to one of these.
    #[serde(default = "batches")]
    batch: Vec<u32>,
    /// How much more load than the expected one deployments are chosen for, in percent.
    #[serde(default = "headroom")]
    headroom_percent: u32,
    /// The share of satisfied users that a load must leave to count as borne.
    #[serde(default = "target")]
    target: Percent,
    /// How many requests come, and when.
    load: WireLoad,
    /// Sites by name.
    site: BTreeMap<String, WireSite>,
    /// Services by name.
    service: BTreeMap<String, WireService>,
}

fn frame() -> Time {
    Time(250_000_000)
}

fn mode() -> Mode {
    Mode::Hard
}

fn uniform() -> Format {
    Format::Q4K
}

fn batches() -> Vec<u32> {
    vec![1, 4, 16]
}

fn headroom() -> u32 {
    100
}

fn target() -> Percent {
    Percent(900_000_000)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireLoad {
    /// A CSV trace of arrivals, instead of a rate.
    #[serde(default)]
    trace: Option<String>,
    /// Requests per second, Poisson.
    #[serde(default)]
    rate: Option<f64>,
    /// Requests in all.
    #[serde(default = "requests")]
    requests: usize,
    /// Times of arrival are multiplied by it.
    #[serde(default = "unstretched")]
    stretch: f64,
    /// Of whatever is drawn.
    #[serde(default)]
    seed: u64,
}

fn requests() -> usize {
    1000
}

fn unstretched() -> f64 {
    1.0
}

/// A site: a `cluster.toml`, or what would stand in it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireSite {
    /// Where the site stands.
    #[serde(default = "edge")]
    tier: Tier,
    /// Share of the requests that enter here, relative to other sites.
    #[serde(default)]
    users: u32,
    /// The way to the other sites.
    uplink: WireUplink,
    /// A `cluster.toml`, instead of the keys below.
    #[serde(default)]
    cluster: Option<String>,
    /// The device where requests enter.
    #[serde(default)]
    source: Option<String>,
    /// Profiles that only this file knows.
    #[serde(default)]
    profile: BTreeMap<String, Device>,
    /// Devices by name.
    #[serde(default)]
    device: BTreeMap<String, ClusterDevice>,
    /// Switches by name.
    #[serde(default)]
    switch: BTreeMap<String, Switch>,
    /// Links between devices and switches.
    #[serde(default)]
    link: Vec<Link>,
}

fn edge() -> Tier {
    Tier::Edge
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireUplink {
    /// Bits per second.
    bandwidth: Bandwidth,
    /// Time that any message takes.
    latency: Time,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireService {
    /// `catalog:NAME`, a GGUF file or a config.json.
    model: String,
    /// Accuracy of the model as it was trained.
    accuracy: Percent,
    /// Share of the requests, relative to other services.
    #[serde(default = "one")]
    share: u32,
    /// Prompt tokens, drawn from this list.
    #[serde(default = "prompt")]
    prompt: Vec<u32>,
    /// Generated tokens, drawn from this list.
    #[serde(default = "generate")]
    generate: Vec<u32>,
    /// Bytes that a request carries besides its text.
    #[serde(default = "nothing")]
    payload: Memory,
    /// Quality floors of the deployments to plan.
    #[serde(default = "floors")]
    quality: Vec<String>,
    /// What users ask of it.
    demand: Vec<WireDemand>,
}

fn one() -> u32 {
    1
}

fn prompt() -> Vec<u32> {
    vec![512]
}

fn generate() -> Vec<u32> {
    vec![128]
}

fn nothing() -> Memory {
    Memory(0)
}

fn floors() -> Vec<String> {
    ["q8_0", "q5_K_M", "q4_K_M"].map(str::to_owned).to_vec()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireDemand {
    /// Share of the requests, relative to other demands.
    #[serde(default = "one")]
    share: u32,
    /// Least accuracy of an answer.
    accuracy_min: Percent,
    /// Longest time from request to answer.
    deadline: Time,
    /// Time that each generated token adds to the deadline.
    #[serde(default = "at_once")]
    deadline_per_token: Time,
}

fn at_once() -> Time {
    Time(0)
}

/// More users, shares or requests than this are a typing error.
const COUNT_MAX: u64 = 1_000_000;
const TOKENS_MAX: u64 = 1_000_000;
/// More sites or services than this are not compared in every combination.
const SITES_MAX: usize = 64;
const SERVICES_MAX: usize = 4;
const FLOORS_MAX: usize = 5;
/// An hour: no frame and no deadline is longer.
const LONGEST: u64 = 3_600_000_000_000;

/// What is refused, and how that is said.
struct Bounds<'a> {
    file: &'a str,
}

impl Bounds<'_> {
    fn refuse<T>(&self, key: &str, problem: impl Into<String>) -> Result<T, InputError> {
        Err(InputError::key(self.file, key, problem))
    }

    fn within<T: PartialOrd + Debug>(
        &self,
        key: &str,
        value: T,
        allowed: RangeInclusive<T>,
    ) -> Result<(), InputError> {
        within(self.file, key, value, &allowed)
    }

    fn time(&self, key: &str, time: Time, least: u64) -> Result<(), InputError> {
        match (least..=LONGEST).contains(&time.0) {
            true => Ok(()),
            false => {
                let least = Time(least);
                self.refuse(key, format!("{time}; {least} to an hour is allowed"))
            }
        }
    }

    /// A list that holds at least one number within these bounds.
    fn list(
        &self,
        key: &str,
        values: &[u32],
        allowed: &RangeInclusive<u64>,
    ) -> Result<(), InputError> {
        if values.is_empty() || values.len() > 1000 {
            let has =
                if values.is_empty() { "there is none".into() } else { values.len().to_string() };
            return self.refuse(key, format!("{has}; 1 to 1000 numbers are allowed"));
        }
        values.iter().try_for_each(|&value| within(self.file, key, u64::from(value), allowed))
    }

    fn count(&self, key: &str, has: usize, most: usize) -> Result<(), InputError> {
        match has {
            0 => self.refuse(key, format!("there is none; 1 to {most} are allowed")),
            _ if has > most => self.refuse(key, format!("{has} of them; 1 to {most} are allowed")),
            _ => Ok(()),
        }
    }
}

impl WirePlatform {
    pub(super) fn platform(self, file: &str) -> Result<Platform, InputError> {
        let bounds = Bounds { file };
        bounds.time("frame", self.frame, 1_000_000)?;
        bounds.list("batch", &self.batch, &(1..=4096))?;
        bounds.count("batch", self.batch.len(), 5)?;
        bounds.within("headroom-percent", u64::from(self.headroom_percent), 0..=1000)?;
        bounds.count("site", self.site.len(), SITES_MAX)?;
        bounds.count("service", self.service.len(), SERVICES_MAX)?;
        if self.site.values().all(|site| site.users == 0) {
            return bounds.refuse("site", "no site has users; one of them needs `users`");
        }
        let load = self.load.load(&bounds)?;
        let site = |(name, site): (String, WireSite)| site.site(&bounds, name);
        let service = |(name, service): (String, WireService)| service.service(&bounds, name);
        Ok(Platform {
            name: self.name,
            frame: Nanos(self.frame.0),
            mode: self.mode,
            uniform: self.uniform,
            batches: self.batch,
            headroom_percent: self.headroom_percent,
            target: Share(self.target.0),
            sites: self.site.into_iter().map(site).collect::<Result<_, _>>()?,
            services: self.service.into_iter().map(service).collect::<Result<_, _>>()?,
            load,
        })
    }
}

impl WireLoad {
    fn load(self, bounds: &Bounds<'_>) -> Result<Load, InputError> {
        bounds.within("load.requests", self.requests as u64, 1..=COUNT_MAX)?;
        bounds.within("load.stretch", self.stretch, 1e-6..=1e6)?;
        let arrivals = match (self.trace, self.rate) {
            (Some(_), Some(_)) => {
                return bounds.refuse("load.rate", "beside `load.trace`; one of them is allowed");
            }
            (None, None) => return bounds.refuse("load", "`rate` or `trace` is needed"),
            (Some(trace), None) => Arrivals::Trace(Path::new(bounds.file).with_file_name(trace)),
            (None, Some(rate)) => {
                bounds.within("load.rate", rate, 1e-6..=1e6)?;
                Arrivals::Poisson(rate)
            }
        };
        let Self { requests, stretch, seed, .. } = self;
        Ok(Load { arrivals, requests, stretch, seed })
    }
}

impl WireSite {
    fn site(self, bounds: &Bounds<'_>, name: String) -> Result<Site, InputError> {
        let place = format!("site.{name}");
        bounds.within(&format!("{place}.users"), u64::from(self.users), 0..=COUNT_MAX)?;
        if self.uplink.bandwidth.0 == 0 {
            return bounds.refuse(&format!("{place}.uplink.bandwidth"), "0; more is needed");
        }
        bounds.time(&format!("{place}.uplink.latency"), self.uplink.latency, 0)?;
        let (tier, users) = (self.tier, self.users);
        let uplink =
            Uplink { bandwidth: self.uplink.bandwidth.0, latency: Nanos(self.uplink.latency.0) };
        let cluster = self.cluster(bounds, &place)?;
        Ok(Site { name, tier, users, uplink, cluster })
    }

    /// The cluster, with the site before the keys of its errors.
    fn cluster(self, bounds: &Bounds<'_>, place: &str) -> Result<Cluster, InputError> {
        let key = format!("{place}.cluster");
        match (self.cluster, self.device.keys().next()) {
            (Some(_), Some(_)) => {
                bounds.refuse(&key, "beside `device`; a file or devices are allowed")
            }
            (None, None) => bounds.refuse(&key, "a file, or `device`, is needed"),
            (Some(cluster), None) => {
                let path = Path::new(bounds.file).with_file_name(cluster);
                let read = read_text(&path)
                    .and_then(|text| Cluster::parse(&path.display().to_string(), &text));
                read.map_err(|error| InputError::key(bounds.file, key, error.to_string()))
            }
            (None, Some(first)) => {
                let source = self.source.unwrap_or_else(|| first.clone());
                let Self { profile, device, switch, link, .. } = self;
                let host = BTreeMap::new();
                let wire = ClusterFile { source, profile, device, host, switch, link };
                let inside = |error: InputError| {
                    let key = error.key.unwrap_or_default();
                    InputError { key: Some(format!("{place}.{key}")), ..error }
                };
                let cluster = Cluster::new(bounds.file, wire).map_err(inside)?;
                (0..cluster.devices.len())
                    .try_for_each(|host| cluster.profile(host).map(drop))
                    .map_err(inside)?;
                Ok(cluster)
            }
        }
    }
}

impl WireService {
    fn service(self, bounds: &Bounds<'_>, name: String) -> Result<Service, InputError> {
        let place = |key: &str| format!("service.{name}.{key}");
        bounds.within(&place("share"), u64::from(self.share), 0..=COUNT_MAX)?;
        bounds.list(&place("prompt"), &self.prompt, &(1..=TOKENS_MAX))?;
        bounds.list(&place("generate"), &self.generate, &(0..=TOKENS_MAX))?;
        bounds.count(&place("quality"), self.quality.len(), FLOORS_MAX)?;
        bounds.count(&place("demand"), self.demand.len(), 1000)?;
        for floor in &self.quality {
            mix_named(floor).or_else(|error| bounds.refuse(&place("quality"), error.problem))?;
        }
        let spec = match self.model.starts_with("catalog:") {
            true => self.model.clone(),
            false => Path::new(bounds.file).with_file_name(&self.model).display().to_string(),
        };
        let model = edgeplan_model::load(&spec)
            .or_else(|error| bounds.refuse(&place("model"), error.to_string()))?;
        let demand = |(index, demand): (usize, WireDemand)| {
            let place = |key: &str| place(&format!("demand[{index}].{key}"));
            bounds.within(&place("share"), u64::from(demand.share), 1..=COUNT_MAX)?;
            bounds.time(&place("deadline"), demand.deadline, 1)?;
            bounds.time(&place("deadline-per-token"), demand.deadline_per_token, 0)?;
            Ok(Demand {
                share: demand.share,
                accuracy_min: Share(demand.accuracy_min.0),
                deadline: Nanos(demand.deadline.0),
                per_token: Nanos(demand.deadline_per_token.0),
            })
        };
        let demands = self.demand.into_iter().enumerate().map(demand);
        let demands = demands.collect::<Result<_, InputError>>()?;
        Ok(Service {
            model,
            accuracy: Share(self.accuracy.0),
            share: self.share,
            prompts: self.prompt,
            generates: self.generate,
            payload: Bytes(self.payload.0),
            floors: self.quality,
            demands,
            name,
        })
    }
}
