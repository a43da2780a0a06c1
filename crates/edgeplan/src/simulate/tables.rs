//! Runs of a simulation for people.

use edgeplan_report::table::{Table, headed};
use edgeplan_simulator::Quantiles;

use super::{PolicyRun, Simulated};

pub(super) fn text(simulated: &Simulated<'_>) -> String {
    let plain = tables(simulated).into_iter().map(|table| table.headed("")).collect::<Vec<_>>();
    let broken_off: usize = simulated.runs.iter().map(|run| run.summary.broken_off).sum();
    let note = match broken_off {
        0 => String::new(),
        _ => format!("\n\ninterrupted: {broken_off} requests were not served by then"),
    };
    let (name, subtitle) = (&simulated.deployment.name, simulated.subtitle());
    format!("{name}: {subtitle}{}{note}", headed(&plain))
}

pub(super) fn tables(simulated: &Simulated<'_>) -> Vec<Table> {
    vec![simulated.rates(), simulated.latencies(), simulated.utilisation(), simulated.caches()]
}

impl Simulated<'_> {
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
        let row = |PolicyRun { policy, summary, .. }: &PolicyRun| {
            [
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
        Table::new(columns).headed("Throughput").with_rows(self.runs.iter().map(row))
    }

    fn latencies(&self) -> Table {
        let columns = ["policy", "time", "mean>", "p50>", "p90>", "p95>", "p99>", "max>"];
        let row = |policy: &str, what: &str, of: &Quantiles| {
            let times = [of.mean, of.p50, of.p90, of.p95, of.p99, of.max];
            let names = [policy.to_owned(), what.to_owned()].into_iter();
            names.chain(times.map(|time| time.to_string())).collect::<Vec<_>>()
        };
        let rows = self.runs.iter().flat_map(|PolicyRun { policy, summary, .. }| {
            [
                row(policy, "wait", &summary.wait_ns),
                row(policy, "first token", &summary.first_token_ns),
                row(policy, "per token", &summary.per_token_ns),
                row(policy, "end to end", &summary.end_to_end_ns),
            ]
        });
        Table::new(columns).headed("Latency").with_rows(rows)
    }

    fn utilisation(&self) -> Table {
        let names = self.runs.iter().map(|run| format!("{}>", run.policy));
        let rows = self.used().into_iter().map(|server| {
            let share =
                |run: &PolicyRun| format!("{:.1} %", 100.0 * run.summary.utilisation[server]);
            let name = self.server(server);
            std::iter::once(name).chain(self.runs.iter().map(share)).collect::<Vec<_>>()
        });
        let columns = std::iter::once("busy".to_owned()).chain(names);
        Table::new(columns).headed("Busy devices and links").with_rows(rows)
    }

    fn caches(&self) -> Table {
        let names = self.runs.iter().map(|run| format!("{}>", run.policy));
        let devices = self.deployment.device_ids().map(|device| device.index());
        let holds =
            |&device: &usize| self.runs.iter().any(|run| run.record.cache_peak[device].0 > 0);
        let rows = devices.filter(holds).map(|device| {
            let peak = |run: &PolicyRun| run.record.cache_peak[device].to_string();
            let ends = [self.deployment.devices[device].name.clone()].into_iter();
            let room = self.layout.room[device].to_string();
            ends.chain(self.runs.iter().map(peak)).chain([room]).collect::<Vec<_>>()
        });
        let columns = std::iter::once("KV cache at most".to_owned()).chain(names);
        let columns = columns.chain(["room>".to_owned()]);
        Table::new(columns).headed("KV caches").with_rows(rows)
    }
}
