//! A batch as tables and as JSON: who is served, and every limit beside what is used of it.

use edgeplan_problem::batching::{Account, BAND, Batching, NodeId, Plan, RequestId};
use edgeplan_problem::{Bytes, Nanos};
use serde_json::{Map, Value, json};

use crate::report::table;

/// Each node's limits, then its members.
pub(super) fn account_tables(instance: &Batching, plan: &Plan, account: &Account) -> String {
    let mut nodes = table(
        &["node", "format", "served", "memory", "of", "compute", "of", "uplink", "downlink"],
        &[2, 3, 4, 5, 6, 7, 8],
    );
    for (id, bill) in instance.node_ids().zip(&account.nodes) {
        let (node, batch) = (instance.node(id), plan.batch(id));
        let idle = batch.members.is_empty();
        nodes.add_row([
            node.name.clone(),
            if idle { "-".into() } else { node.format(batch.format).name.clone() },
            batch.members.len().to_string(),
            bill.memory().to_string(),
            node.memory.to_string(),
            bill.time.to_string(),
            time_limit(instance, plan, id).to_string(),
            percent(bill.uplink),
            percent(bill.downlink),
        ]);
    }
    let mut members = table(
        &["request", "node", "prompt", "answer", "uplink", "downlink", "KV", "answered", "of"],
        &[2, 3, 4, 5, 6, 7, 8],
    );
    for (id, latency) in instance.request_ids().zip(&account.latency) {
        let (Some(node), Some(latency)) = (plan.node_of(id), latency) else { continue };
        let request = instance.request(id);
        let (uplink, downlink) = instance.shares(node, id).unwrap_or_default();
        members.add_row([
            request.name.clone(),
            instance.node(node).name.clone(),
            request.prompt.to_string(),
            request.output.to_string(),
            percent(uplink),
            percent(downlink),
            kv(instance, plan, account, (node, id)).to_string(),
            latency.to_string(),
            request.deadline.to_string(),
        ]);
    }
    let left: Vec<&str> = (instance.request_ids().zip(&account.latency))
        .filter(|(_, latency)| latency.is_none())
        .map(|(id, _)| instance.request(id).name.as_str())
        .collect();
    let left = match left.is_empty() {
        true => String::new(),
        false => format!("\n\nleft out: {}", left.join(", ")),
    };
    format!("{nodes}\n\n{members}{left}")
}

/// The compute phase, or the least slack of a member where that is shorter.
fn time_limit(instance: &Batching, plan: &Plan, node: NodeId) -> Nanos {
    let members = plan.batch(node).members.iter();
    let slack = members.filter_map(|&id| instance.slack(id)).min();
    slack.map_or(instance.epoch.compute, |slack| slack.min(instance.epoch.compute))
}

/// Bytes of a member's keys and values.
fn kv(
    instance: &Batching,
    plan: &Plan,
    account: &Account,
    (node, id): (NodeId, RequestId),
) -> Bytes {
    let per_token = instance.node(node).format(plan.batch(node).format).kv_per_token;
    let padded = account.nodes[node.index()].padded;
    per_token * (u64::from(padded) + u64::from(instance.request(id).output))
}

fn percent(share: u64) -> String {
    format!("{:.3} %", share as f64 * 100.0 / BAND as f64)
}

/// The bill of a plan: `nodes`, `left_out`.
pub(super) fn account_json(
    instance: &Batching,
    plan: &Plan,
    account: &Account,
) -> Map<String, Value> {
    let name = |id: RequestId| instance.request(id).name.clone();
    let member = |&id: &RequestId| {
        json!({
            "request": name(id),
            "latency_ns": account.latency[id.index()],
            "deadline_ns": instance.request(id).deadline,
        })
    };
    let node = |id: NodeId| {
        let (batch, bill) = (plan.batch(id), &account.nodes[id.index()]);
        json!({
            "node": instance.node(id).name,
            "format": instance.node(id).format(batch.format).name,
            "padded_tokens": bill.padded,
            "memory_bytes": bill.memory(),
            "memory_max_bytes": instance.node(id).memory,
            "compute_ns": bill.time,
            "compute_max_ns": time_limit(instance, plan, id),
            "uplink_share": bill.uplink as f64 / BAND as f64,
            "downlink_share": bill.downlink as f64 / BAND as f64,
            "served": batch.members.iter().map(member).collect::<Vec<Value>>(),
        })
    };
    let left = instance.request_ids().filter(|id| account.latency[id.index()].is_none());
    let mut json = Map::new();
    json.insert("nodes".into(), instance.node_ids().map(node).collect());
    json.insert("left_out".into(), left.map(name).collect());
    json
}
