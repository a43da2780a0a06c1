//! What came of a simulation: tables and JSON.

use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::Deployment;
use edgeplan_report::gantt::Table;
use edgeplan_simulator::{Layout, Quantiles, Request, Server};
use serde_json::{Map, Value, json};

use super::Run;
use crate::report::table;

/// Runs of one trace on one plan.
pub(super) struct Told<'a> {
    pub(super) instance: &'a Deployment,
    pub(super) layout: &'a Layout,
    pub(super) requests: &'a [Request],
    pub(super) runs: &'a [Run],
}

impl Told<'_> {
    /// `laptop`, or `laptop > desktop`.
    pub(super) fn server(&self, server: Server) -> String {
        let name = |device| self.instance.device(device).name.as_str();
        match server {
            Server::Device(device) => name(device).to_owned(),
            Server::Link { from, to } => format!("{} > {}", name(from), name(to)),
        }
    }

    /// Servers that any run uses, by index.
    pub(super) fn used(&self) -> Vec<usize> {
        let busy =
            |&server: &usize| self.runs.iter().any(|run| run.record.busy[server] > Nanos::ZERO);
        (0..self.layout.servers.len()).filter(busy).collect()
    }

    /// `1000 requests arrive within 4786 s; optimal plan of chain-search`.
    pub(super) fn subtitle(&self, origin: &str) -> String {
        let last = self.requests.iter().map(|request| request.arrival).max().unwrap_or_default();
        format!("{} requests arrive within {last}; {origin}", self.requests.len())
    }

    pub(super) fn text(&self, origin: &str) -> String {
        let tables = self.tables().into_iter().map(|content| {
            let numbers: Vec<usize> = (0..content.columns.len())
                .filter(|&column| content.columns[column].ends_with('>'))
                .collect();
            let columns: Vec<&str> =
                content.columns.iter().map(|name| name.trim_end_matches('>')).collect();
            let mut shown = table(&columns, &numbers);
            shown.add_rows(content.rows);
            format!("\n\n{shown}")
        });
        let broken_off: usize = self.runs.iter().map(|run| run.summary.broken_off).sum();
        let note = match broken_off {
            0 => String::new(),
            _ => format!("\n\ninterrupted: {broken_off} requests were not served by then"),
        };
        let tables = tables.collect::<String>();
        format!("{}: {}{tables}{note}", self.instance.name, self.subtitle(origin))
    }

    /// What is printed, and what a page shows.
    pub(super) fn tables(&self) -> Vec<Table> {
        vec![self.rates(), self.latencies(), self.utilisation(), self.caches()]
    }

    fn rates(&self) -> Table {
        let columns = [
            "policy",
            "served>",
            "refused>",
            "missed>",
            "requests/s>",
            "tokens/s>",
            "mean batch>",
            "waiting at most>",
            "events>",
        ];
        let row = |Run { policy, summary, .. }: &Run| {
            vec![
                policy.clone(),
                summary.served.to_string(),
                (summary.too_large + summary.dropped).to_string(),
                summary.missed.to_string(),
                format!("{:.3}", summary.requests_per_s),
                format!("{:.1}", summary.tokens_per_s),
                format!("{:.2}", summary.batch_mean),
                summary.waiting_max.to_string(),
                summary.events.to_string(),
            ]
        };
        self.by_run("Throughput", &columns, row)
    }

    fn latencies(&self) -> Table {
        let columns = ["policy", "time", "mean>", "p50>", "p90>", "p95>", "p99>", "max>"];
        let row = |policy: &str, what: &str, of: &Quantiles| {
            let times = [of.mean, of.p50, of.p90, of.p95, of.p99, of.max];
            let names = [policy.to_owned(), what.to_owned()].into_iter();
            names.chain(times.map(|time| time.to_string())).collect()
        };
        let rows = self.runs.iter().flat_map(|Run { policy, summary, .. }| {
            [
                row(policy, "wait", &summary.wait_ns),
                row(policy, "first token", &summary.first_token_ns),
                row(policy, "per token", &summary.per_token_ns),
                row(policy, "end to end", &summary.end_to_end_ns),
            ]
        });
        let columns = columns.map(String::from).to_vec();
        Table { heading: "Latency".into(), columns, rows: rows.collect() }
    }

    fn utilisation(&self) -> Table {
        let names = self.runs.iter().map(|run| format!("{}>", run.policy));
        let rows = self.used().into_iter().map(|server| {
            let share = |run: &Run| format!("{:.1} %", 100.0 * run.summary.utilisation[server]);
            let name = self.server(self.layout.servers[server]);
            std::iter::once(name).chain(self.runs.iter().map(share)).collect()
        });
        let columns = std::iter::once("busy".to_owned()).chain(names).collect();
        Table { heading: "Busy devices and links".into(), columns, rows: rows.collect() }
    }

    fn caches(&self) -> Table {
        let names = self.runs.iter().map(|run| format!("{}>", run.policy));
        let devices = self.instance.device_ids().map(|device| device.index());
        let holds =
            |&device: &usize| self.runs.iter().any(|run| run.record.cache_peak[device].0 > 0);
        let rows = devices.filter(holds).map(|device| {
            let peak = |run: &Run| run.record.cache_peak[device].to_string();
            let ends = [self.instance.devices[device].name.clone()].into_iter();
            let room = self.layout.room[device].to_string();
            ends.chain(self.runs.iter().map(peak)).chain([room]).collect()
        });
        let columns = std::iter::once("KV cache at most".to_owned()).chain(names);
        let columns = columns.chain(["room>".to_owned()]).collect();
        Table { heading: "KV caches".into(), columns, rows: rows.collect() }
    }

    fn by_run(&self, heading: &str, columns: &[&str], row: impl Fn(&Run) -> Vec<String>) -> Table {
        let columns = columns.iter().map(|&name| name.to_owned()).collect();
        Table { heading: heading.into(), columns, rows: self.runs.iter().map(row).collect() }
    }

    pub(super) fn json(&self, origin: &str) -> Value {
        let run = |Run { policy, summary, .. }: &Run| {
            let mut json = Map::new();
            json.insert("policy".into(), json!(policy));
            if let Value::Object(figures) = json!(summary) {
                json.extend(figures);
            }
            let named = |values: Vec<Value>| -> Map<String, Value> {
                let servers = self.layout.servers.iter().map(|&server| self.server(server));
                servers.zip(values).collect()
            };
            let values = |value: Value| match value {
                Value::Array(values) => values,
                other => vec![other],
            };
            let shares = named(values(json!(summary.utilisation)));
            json.insert("utilisation".into(), Value::Object(shares));
            let caches = named(values(json!(summary.cache_peak_bytes)));
            json.insert("cache_peak_bytes".into(), Value::Object(caches));
            Value::Object(json)
        };
        json!({
            "instance": self.instance.name,
            "plan": origin,
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
        })
    }
}
