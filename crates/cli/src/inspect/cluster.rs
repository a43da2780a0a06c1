//! `edgeplan inspect cluster`: devices, links, and the time of a message between any two devices.

use std::path::Path;

use anyhow::Result;
use edgeplan::Sources;
use edgeplan_machines::cluster::{Cluster, Link, Route};
use edgeplan_problem::{Bytes, Nanos};
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::report::table;

/// One hidden state of an 8B model: 4096 numbers of 4 bytes.
const STATE: Bytes = Bytes(4096 * 4);

pub(super) fn one(file: Option<&Path>, json: bool) -> Result<Reply> {
    let cluster = Sources::cluster(file)?;
    let usable = (cluster.devices.iter().enumerate())
        .map(|(index, (_, host))| Ok(host.usable(cluster.profile(index)?)))
        .collect::<Result<Vec<Bytes>>>()?;
    if json {
        return Ok(Reply::json(&cluster_json(&cluster, &usable)));
    }
    let mut hosts = table(&["device", "profile", "usable memory"], &[2]);
    for ((name, host), usable) in cluster.devices.iter().zip(&usable) {
        hosts.add_row([name, &host.profile, &usable.to_string()]);
    }
    let mut links = table(&["link", "bandwidth", "latency"], &[1, 2]);
    for (name, internal) in cluster.internals() {
        let latency = Nanos(internal.latency.0).to_string();
        links.add_row([format!("inside {name}"), internal.bandwidth.to_string(), latency]);
    }
    for link in cluster.links() {
        let latency = Nanos(link.latency.0).to_string();
        links.add_row([ends(link), link.bandwidth.to_string(), latency]);
    }
    let source = &cluster.devices[0].0;
    let title = format!("One hidden state ({STATE}) from row to column: time, latency, bandwidth");
    Ok(Reply::text(&format!(
        "Requests enter at {source}.\n\n{hosts}\n\n{links}\n\n{title}\n{}",
        matrix(&cluster)
    )))
}

fn ends(link: &Link) -> String {
    link.between.join(if link.one_way { " -> " } else { " - " })
}

fn matrix(cluster: &Cluster) -> String {
    let names = cluster.devices.iter().map(|(name, _)| name.as_str());
    let header: Vec<&str> = std::iter::once("").chain(names).collect();
    let numbers: Vec<usize> = (1..header.len()).collect();
    let mut rows = table(&header, &numbers);
    for (from, (name, _)) in cluster.devices.iter().enumerate() {
        let cell = |to| match cluster.route(from, to, 1, STATE) {
            Some(Route { time, latency, bandwidth }) => format!("{time}\n{latency}\n{bandwidth}"),
            None if from == to => "-".into(),
            None => "no route".into(),
        };
        let cells = (0..cluster.devices.len()).map(cell);
        rows.add_row(std::iter::once(name.clone()).chain(cells));
    }
    rows.to_string()
}

fn cluster_json(cluster: &Cluster, usable: &[Bytes]) -> Value {
    let host = |index: usize| {
        let (name, host) = &cluster.devices[index];
        json!({"name": name, "profile": host.profile, "usable_bytes": usable[index]})
    };
    let link = |link: &Link| {
        json!({
            "between": link.between,
            "one_way": link.one_way,
            "bandwidth_bits_per_s": link.bandwidth.0,
            "latency_ns": link.latency.0,
        })
    };
    let route = |(from, to): (usize, usize)| {
        cluster.route(from, to, 1, STATE).map(|route| {
            json!({
                "from": cluster.devices[from].0,
                "to": cluster.devices[to].0,
                "time_ns": route.time,
                "latency_ns": route.latency,
                "bandwidth_bits_per_s": route.bandwidth.0,
            })
        })
    };
    let count = cluster.devices.len();
    let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
    json!({
        "source": cluster.devices[0].0,
        "devices": (0..count).map(host).collect::<Vec<Value>>(),
        "links": cluster.links().iter().map(link).collect::<Vec<Value>>(),
        "message_bytes": STATE,
        "routes": pairs.filter_map(route).collect::<Vec<Value>>(),
    })
}
