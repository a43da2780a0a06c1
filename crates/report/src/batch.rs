//! Batches: which requests are served, and every limit beside what is used of it, as tables and
//! stable keys.

use edgeplan_problem::batching::{Account, BAND, Batching, NodeId, Plan, RequestId};
use edgeplan_problem::{Bytes, Cost, Nanos, Outcome, Verdict};
use serde::Serialize;

use crate::answer::{Answered, line};
use crate::table::{Table, or_dash};

/// What is known of an answer to an epoch, without its batch. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct BatchAnswer {
    /// What any answer has.
    #[serde(flatten)]
    pub answered: Answered,
    /// Weight of all requests.
    pub weight: u64,
    /// Weight of those that are served.
    pub weight_served: Option<u64>,
    /// No batch serves more.
    pub weight_served_at_most: Option<u64>,
}

impl BatchAnswer {
    /// Of that solver's answer.
    pub fn new(instance: &Batching, solver: &str, outcome: &Outcome<Plan>) -> Self {
        let served = |missed: Option<Cost>| missed.map(|missed| instance.weight() - missed.0);
        Self {
            answered: Answered::new(&instance.name, solver, outcome),
            weight: instance.weight(),
            weight_served: served(outcome.cost()),
            weight_served_at_most: served(outcome.lower_bound()),
        }
    }
}

/// Instance, verdict, what is served and at most could be, solver and seconds on one line.
pub fn headline(instance: &Batching, solver: &str, outcome: &Outcome<Plan>) -> String {
    let all = instance.weight();
    let unit = match instance.requests.iter().all(|request| request.weight == 1) {
        true => "requests",
        false => "weight",
    };
    let served = outcome.cost().map(|cost| format!(": {} of {all} {unit} served", all - cost.0));
    let proof = match (&outcome.verdict, outcome.lower_bound()) {
        (Verdict::Optimal { .. }, _) => ", no plan serves more".into(),
        (_, Some(bound)) => format!(", no plan serves more than {}", all - bound.0),
        (_, None) => String::new(),
    };
    let nodes = outcome.work.get("nodes").map(|nodes| format!(", {nodes} nodes"));
    let what = served.unwrap_or_default() + &proof;
    line(&instance.name, solver, &what, outcome, &nodes.unwrap_or_default())
}

/// Solvers' answers as a table, in the given order.
pub fn ranking(instance: &Batching, outcomes: &[(&str, Outcome<Plan>)]) -> Table {
    let columns = ["solver", "verdict", "served>", "at most>", "nodes>", "seconds>"];
    let served = |missed: Option<Cost>| or_dash(missed.map(|missed| instance.weight() - missed.0));
    Table::new(columns).with_rows(outcomes.iter().map(|(name, outcome)| {
        [
            (*name).to_owned(),
            outcome.verdict.word().to_owned(),
            served(outcome.cost()),
            served(outcome.lower_bound()),
            or_dash(outcome.work.get("nodes")),
            format!("{:.3}", outcome.elapsed.as_secs_f64()),
        ]
    }))
}

/// Each node's limits, then its members, then the requests that are left out.
pub fn tables(instance: &Batching, plan: &Plan, account: &Account) -> String {
    let left: Vec<&str> = (instance.request_ids().zip(&account.latency))
        .filter(|(_, latency)| latency.is_none())
        .map(|(id, _)| instance.request(id).name.as_str())
        .collect();
    let left = match left.is_empty() {
        true => String::new(),
        false => format!("\n\nleft out: {}", left.join(", ")),
    };
    let (nodes, members) = (nodes(instance, plan, account), members(instance, plan, account));
    format!("{nodes}\n\n{members}{left}")
}

fn nodes(instance: &Batching, plan: &Plan, account: &Account) -> Table {
    let columns =
        ["node", "format", "served>", "memory>", "of>", "compute>", "of>", "uplink>", "downlink>"];
    Table::new(columns).with_rows(instance.node_ids().zip(&account.nodes).map(|(id, bill)| {
        let (node, batch) = (instance.node(id), plan.batch(id));
        let idle = batch.members.is_empty();
        [
            node.name.clone(),
            if idle { "-".into() } else { node.format(batch.format).name.clone() },
            batch.members.len().to_string(),
            bill.memory().to_string(),
            node.memory.to_string(),
            bill.time.to_string(),
            time_limit(instance, plan, id).to_string(),
            percent(bill.uplink),
            percent(bill.downlink),
        ]
    }))
}

fn members(instance: &Batching, plan: &Plan, account: &Account) -> Table {
    let mut table = Table::new([
        "request",
        "node",
        "prompt>",
        "answer>",
        "uplink>",
        "downlink>",
        "KV>",
        "answered>",
        "of>",
    ]);
    for (id, latency) in instance.request_ids().zip(&account.latency) {
        let (Some(node), Some(latency)) = (plan.node_of(id), latency) else { continue };
        let request = instance.request(id);
        let (uplink, downlink) = instance.shares(node, id).unwrap_or_default();
        table.row([
            request.name.clone(),
            instance.node(node).name.clone(),
            request.prompt.to_string(),
            request.output.to_string(),
            percent(uplink),
            percent(downlink),
            kv(instance, plan, account, node, id).to_string(),
            latency.to_string(),
            request.deadline.to_string(),
        ]);
    }
    table
}

/// The compute phase, or the least slack of a member where that is shorter.
fn time_limit(instance: &Batching, plan: &Plan, node: NodeId) -> Nanos {
    let members = plan.batch(node).members.iter();
    let slack = members.filter_map(|&id| instance.slack(id)).min();
    slack.map_or(instance.epoch.compute, |slack| slack.min(instance.epoch.compute))
}

/// Bytes of a member's keys and values.
fn kv(instance: &Batching, plan: &Plan, account: &Account, node: NodeId, id: RequestId) -> Bytes {
    let per_token = instance.node(node).format(plan.batch(node).format).kv_per_token;
    let padded = account.nodes[node.index()].padded;
    per_token * (u64::from(padded) + u64::from(instance.request(id).output))
}

fn percent(share: u64) -> String {
    format!("{:.3} %", share as f64 * 100.0 / BAND as f64)
}

/// The bill of a batch. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct BatchBill {
    /// By node.
    pub nodes: Vec<NodeBill>,
    /// Requests that are not served, by name.
    pub left_out: Vec<String>,
}

/// A node's batch, and its limits. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct NodeBill {
    /// The node.
    pub node: String,
    /// The format that its model runs in.
    pub format: String,
    /// Prompt tokens that every member is padded to.
    pub padded_tokens: u32,
    /// Memory in use.
    pub memory_bytes: Bytes,
    /// Memory that there is.
    pub memory_max_bytes: Bytes,
    /// Time of the batch.
    pub compute_ns: Nanos,
    /// Time that it may take.
    pub compute_max_ns: Nanos,
    /// Share of the uplink band.
    pub uplink_share: f64,
    /// Share of the downlink band.
    pub downlink_share: f64,
    /// The members.
    pub served: Vec<MemberBill>,
}

/// A request that is served. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct MemberBill {
    /// The request.
    pub request: String,
    /// From its arrival to its answer.
    pub latency_ns: Option<Nanos>,
    /// What that may be.
    pub deadline_ns: Nanos,
}

impl BatchBill {
    /// Of a batch with that account.
    pub fn new(instance: &Batching, plan: &Plan, account: &Account) -> Self {
        let name = |id: RequestId| instance.request(id).name.clone();
        let member = |&id: &RequestId| MemberBill {
            request: name(id),
            latency_ns: account.latency[id.index()],
            deadline_ns: instance.request(id).deadline,
        };
        let node = |id: NodeId| {
            let (batch, bill) = (plan.batch(id), &account.nodes[id.index()]);
            NodeBill {
                node: instance.node(id).name.clone(),
                format: instance.node(id).format(batch.format).name.clone(),
                padded_tokens: bill.padded,
                memory_bytes: bill.memory(),
                memory_max_bytes: instance.node(id).memory,
                compute_ns: bill.time,
                compute_max_ns: time_limit(instance, plan, id),
                uplink_share: bill.uplink as f64 / BAND as f64,
                downlink_share: bill.downlink as f64 / BAND as f64,
                served: batch.members.iter().map(member).collect(),
            }
        };
        let left = instance.request_ids().filter(|id| account.latency[id.index()].is_none());
        Self { nodes: instance.node_ids().map(node).collect(), left_out: left.map(name).collect() }
    }
}
