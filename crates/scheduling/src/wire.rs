//! The file of a scheduling question, TOML or JSON with the same keys; everything by name.
//!
//! ```toml
//! schema = "edgeplan-scheduling/1"
//! name = "campus"
//! mode = "hard"                     # or "soft"
//!
//! [[server]]
//! name = "library"
//! tier = "edge"                     # or "cloud"
//! computation = 12                  # capacities of one decision frame
//! communication = 4
//!
//! [[message]]                       # the way to another server and back, by [from][to]
//! name = "prompt"
//! communication = 1
//! time = [["0 ns", "30 ms"], ["-", "0 ns"]]
//!
//! [[service]]
//! name = "chat"
//! [[service.variant]]
//! name = "8b-q4_K"
//! accuracy = "68.4 %"
//! message = "prompt"
//! host.library = { processing = "900 ms", computation = 3 }
//!
//! [[request]]                       # in order of arrival
//! service = "chat"
//! covered-by = "library"
//! accuracy-min = "60 %"
//! deadline = "2 s"
//! count = 5                         # so many alike
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use edgeplan_problem::scheduling::{
    Host, Message, Mode, Request, Scheduling, Server, ServerId, Service, Tier, Variant,
};
use edgeplan_problem::{Nanos, Share};
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use edgeplan_files::quantity::{Percent, Time};
use edgeplan_files::{InputError, nearest, parse_json, parse_table, read_text, to_json};
use edgeplan_files::{check_schema, digest};

use crate::message_time::MessageTime;

const SCHEMA: &str = "edgeplan-scheduling/1";

/// A decision frame, as it is written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireScheduling {
    /// `edgeplan-scheduling/1`.
    schema: String,
    /// A name for people.
    name: String,
    /// What an accuracy or a time beyond a demand means.
    mode: Mode,
    /// The accuracy that counts as full satisfaction.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    accuracy_max: Percent,
    /// The time from arrival to answer that counts as no satisfaction; the latest deadline if none.
    #[serde(default)]
    completion_max: Option<Time>,
    /// Servers.
    server: Vec<WireServer>,
    /// Kinds of message.
    #[serde(default)]
    message: Vec<WireMessage>,
    /// Services.
    #[serde(default)]
    service: Vec<WireService>,
    /// Requests, in order of arrival.
    #[serde(default)]
    request: Vec<WireRequest>,
}

/// A machine that serves requests.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireServer {
    /// A name, unique.
    name: String,
    /// Where it stands.
    tier: Tier,
    /// Capacity of one decision frame, in units of its own.
    computation: u64,
    /// Capacity of one decision frame for its users' requests that others serve, in units of its
    /// own.
    communication: u64,
}

/// A request on its way to another server, and its answer.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireMessage {
    /// A name, unique.
    name: String,
    /// What it takes of the capacity of the server that covers the user.
    communication: u64,
    /// To another server and back, by `[from][to]` in the order of servers; `-` where there is no
    /// way.
    time: Vec<Vec<MessageTime>>,
}

/// What can be asked for.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireService {
    /// A name, unique.
    name: String,
    /// Models that can answer; at least one.
    variant: Vec<WireVariant>,
}

/// A model that answers.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireVariant {
    /// A name, unique in its service.
    name: String,
    /// How accurate its answers are.
    accuracy: Percent,
    /// The name of what is sent to another server.
    message: String,
    /// The servers that hold it, by name.
    #[serde(default)]
    host: BTreeMap<String, WireHost>,
}

/// A variant on a server.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireHost {
    /// Time of one request.
    processing: Time,
    /// What one request takes of the server's capacity.
    computation: u64,
}

/// A request.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireRequest {
    /// The name of a service.
    service: String,
    /// The name of the server that the user reaches first.
    covered_by: String,
    /// Demanded accuracy.
    accuracy_min: Percent,
    /// Demanded time from arrival to answer.
    deadline: Time,
    /// Time since its arrival.
    #[serde(default = "at_once", skip_serializing_if = "is_at_once")]
    waited: Time,
    /// Weight of accuracy in satisfaction.
    #[serde(default = "half", skip_serializing_if = "is_half")]
    accuracy_weight: Percent,
    /// Weight of time in satisfaction.
    #[serde(default = "half", skip_serializing_if = "is_half")]
    time_weight: Percent,
    /// So many requests alike.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    count: u32,
}

/// Requests of a whole file.
const COUNT_MAX: u32 = 1_000_000;

fn whole() -> Percent {
    Percent(Share::ONE.0)
}

fn is_whole(share: &Percent) -> bool {
    *share == whole()
}

fn half() -> Percent {
    Percent(Share::ONE.0 / 2)
}

fn is_half(share: &Percent) -> bool {
    *share == half()
}

fn at_once() -> Time {
    Time(0)
}

fn is_at_once(time: &Time) -> bool {
    *time == at_once()
}

fn one() -> u32 {
    1
}

fn is_one(count: &u32) -> bool {
    *count == one()
}

/// What may stand in a decision frame.
pub fn frame_schema() -> Schema {
    schema_for!(WireScheduling)
}

/// Reads a question; a path that ends in `.toml` is TOML, anything else JSON.
///
/// # Errors
/// Files that cannot be read or make no sense: the key, the value and what is allowed.
pub fn read_schedule(path: &Path) -> Result<Scheduling, InputError> {
    let toml = path.extension().is_some_and(|extension| extension == "toml");
    parse_schedule(&path.display().to_string(), &read_text(path)?, toml)
}

/// Parses a question; `file` is only named in errors.
///
/// # Errors
/// Syntax, unknown keys and names, another schema, and what [`Scheduling::checked`] refuses.
pub fn parse_schedule(file: &str, text: &str, toml: bool) -> Result<Scheduling, InputError> {
    let wire: WireScheduling =
        if toml { parse_table(file, text)? } else { parse_json(file, text)? };
    check_schema(file, &wire.schema, SCHEMA)?;
    let names = Names {
        file,
        servers: wire.server.iter().map(|server| server.name.as_str()).collect(),
        messages: wire.message.iter().map(|message| message.name.as_str()).collect(),
        services: wire.service.iter().map(|service| service.name.as_str()).collect(),
    };
    let mut known = BTreeSet::new();
    for (index, name) in names.messages.iter().enumerate() {
        if !known.insert(name) {
            let key = format!("message[{index}].name");
            return Err(InputError::key(file, key, format!("`{name}` twice")));
        }
    }
    let mut services = Vec::with_capacity(wire.service.len());
    for (index, service) in wire.service.iter().enumerate() {
        services.push(names.service(index, service)?);
    }
    let mut requests = Vec::with_capacity(wire.request.len());
    for (index, request) in wire.request.iter().enumerate() {
        let left = COUNT_MAX as usize - requests.len();
        if request.count as usize > left {
            let problem = match requests.len() {
                0 => format!("{}; up to {COUNT_MAX} is allowed", request.count),
                before => format!(
                    "{} after {before} others; up to {COUNT_MAX} in all entries is allowed",
                    request.count
                ),
            };
            return Err(InputError::key(file, format!("request[{index}].count"), problem));
        }
        let domain = names.request(index, request)?;
        requests.extend(std::iter::repeat_n(domain, request.count as usize));
    }
    let latest = requests.iter().map(|request| request.deadline).max();
    let completion_max = wire.completion_max.map(|time| Nanos(time.0)).or(latest);
    let message = |(index, wire): (usize, &WireMessage)| names.message(index, wire);
    let instance = Scheduling {
        name: wire.name.clone(),
        mode: wire.mode,
        accuracy_max: Share(wire.accuracy_max.0),
        completion_max: completion_max.filter(|&time| time > Nanos::ZERO).unwrap_or(Nanos(1)),
        messages: wire.message.iter().enumerate().map(message).collect::<Result<_, _>>()?,
        services,
        requests,
        servers: wire.server.into_iter().map(server).collect(),
    };
    instance.checked().map_err(|error| InputError::file(file, error.to_string()))
}

fn server(wire: WireServer) -> Server {
    let WireServer { name, tier, computation, communication } = wire;
    Server { name, tier, computation, communication }
}

/// What can be named in a file.
struct Names<'a> {
    file: &'a str,
    servers: Vec<&'a str>,
    messages: Vec<&'a str>,
    services: Vec<&'a str>,
}

impl Names<'_> {
    fn find(
        &self,
        known: &[&str],
        name: &str,
        key: impl Fn() -> String,
    ) -> Result<usize, InputError> {
        let found = known.iter().position(|candidate| *candidate == name);
        found.ok_or_else(|| {
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "the file has none".into(),
                None => format!("the file has {}", known.join(", ")),
            };
            InputError::key(self.file, key(), format!("`{name}` is not in the file; {hint}"))
        })
    }

    fn message(&self, index: usize, wire: &WireMessage) -> Result<Message, InputError> {
        let servers = self.servers.len();
        let bad = wire.time.iter().position(|row| row.len() != servers);
        if bad.is_some() || wire.time.len() != servers {
            let row = bad.map(|row| format!("[{row}]")).unwrap_or_default();
            let has = bad.map_or(wire.time.len(), |row| wire.time[row].len());
            let key = format!("message[{index}].time{row}");
            let problem = format!("{has} entries; {servers}, one per server, are allowed");
            return Err(InputError::key(self.file, key, problem));
        }
        let time = wire.time.iter().flatten().map(|way| way.0).collect();
        Ok(Message { communication: wire.communication, time })
    }

    fn service(&self, index: usize, wire: &WireService) -> Result<Service, InputError> {
        let mut variants = Vec::with_capacity(wire.variant.len());
        for (position, variant) in wire.variant.iter().enumerate() {
            let key = |what: &str| format!("service[{index}].variant[{position}].{what}");
            let mut hosts = vec![None; self.servers.len()];
            for (name, host) in &variant.host {
                let server = self.find(&self.servers, name, || key("host"))?;
                let WireHost { processing, computation } = *host;
                hosts[server] = Some(Host { processing: Nanos(processing.0), computation });
            }
            variants.push(Variant {
                name: variant.name.clone(),
                accuracy: Share(variant.accuracy.0),
                message: self.find(&self.messages, &variant.message, || key("message"))?,
                hosts,
            });
        }
        Ok(Service { name: wire.name.clone(), variants })
    }

    fn request(&self, index: usize, wire: &WireRequest) -> Result<Request, InputError> {
        let key = |what: &str| format!("request[{index}].{what}");
        let covered_by = self.find(&self.servers, &wire.covered_by, || key("covered-by"))?;
        Ok(Request {
            service: self.find(&self.services, &wire.service, || key("service"))?,
            covered_by: ServerId(u16::try_from(covered_by).unwrap_or(u16::MAX)),
            accuracy_min: Share(wire.accuracy_min.0),
            deadline: Nanos(wire.deadline.0),
            waited: Nanos(wire.waited.0),
            accuracy_weight: Share(wire.accuracy_weight.0),
            time_weight: Share(wire.time_weight.0),
        })
    }
}

/// The text of a question's file, as JSON.
pub fn write_schedule(instance: &Scheduling) -> String {
    to_json(&wire(instance))
}

/// A stable digest of everything that makes a question what it is.
pub fn fingerprint(instance: &Scheduling) -> String {
    digest(&serde_json::to_string(&wire(instance)).unwrap_or_default())
}

fn wire(instance: &Scheduling) -> WireScheduling {
    let servers = instance.servers.len();
    let server = |server: &Server| {
        let Server { name, tier, computation, communication } = server.clone();
        WireServer { name, tier, computation, communication }
    };
    let message = |(index, message): (usize, &Message)| WireMessage {
        name: format!("message-{index}"),
        communication: message.communication,
        time: message
            .time
            .chunks(servers)
            .map(|row| row.iter().map(|&t| MessageTime(t)).collect())
            .collect(),
    };
    WireScheduling {
        schema: SCHEMA.into(),
        name: instance.name.clone(),
        mode: instance.mode,
        accuracy_max: Percent(instance.accuracy_max.0),
        completion_max: Some(Time(instance.completion_max.0)),
        server: instance.servers.iter().map(server).collect(),
        message: instance.messages.iter().enumerate().map(message).collect(),
        service: instance.services.iter().map(|service| wire_service(instance, service)).collect(),
        request: instance.requests.iter().map(|request| wire_request(instance, request)).collect(),
    }
}

fn wire_service(instance: &Scheduling, service: &Service) -> WireService {
    let variant = |variant: &Variant| {
        let hosts = instance.servers.iter().zip(&variant.hosts);
        let host = |(server, host): (&Server, &Option<Host>)| {
            let Host { processing, computation } = (*host)?;
            Some((server.name.clone(), WireHost { processing: Time(processing.0), computation }))
        };
        WireVariant {
            name: variant.name.clone(),
            accuracy: Percent(variant.accuracy.0),
            message: format!("message-{}", variant.message),
            host: hosts.filter_map(host).collect(),
        }
    };
    let name = service.name.clone();
    WireService { name, variant: service.variants.iter().map(variant).collect() }
}

fn wire_request(instance: &Scheduling, request: &Request) -> WireRequest {
    WireRequest {
        service: instance.services[request.service].name.clone(),
        covered_by: instance.server(request.covered_by).name.clone(),
        accuracy_min: Percent(request.accuracy_min.0),
        deadline: Time(request.deadline.0),
        waited: Time(request.waited.0),
        accuracy_weight: Percent(request.accuracy_weight.0),
        time_weight: Percent(request.time_weight.0),
        count: 1,
    }
}

#[cfg(test)]
mod tests;
