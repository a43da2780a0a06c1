//! What came of a service: tables and JSON. The JSON keys are stable.

use edgeplan_problem::Share;
use edgeplan_problem::scheduling::Tier;
use edgeplan_report::gantt::Table;
use edgeplan_service::{Levels, Offered, Run, Way, Worth};
use edgeplan_simulator::Server;
use serde_json::{Map, Value, json};

use super::Told;
use crate::report::{account_json, table};
use edgeplan_problem::Problem as _;

pub(super) fn text(told: &Told<'_>) -> String {
    let shown = tables(told).into_iter().map(|content| {
        let numbers: Vec<usize> = (0..content.columns.len())
            .filter(|&column| content.columns[column].ends_with('>'))
            .collect();
        let columns: Vec<&str> =
            content.columns.iter().map(|name| name.trim_end_matches('>')).collect();
        let mut shown = table(&columns, &numbers);
        shown.add_rows(content.rows);
        format!("\n\n{}\n{shown}", content.heading)
    });
    let mut text = format!("{}{}\n\n{}", headline(told), shown.collect::<String>(), bound(told));
    if told.interrupted {
        let (ways, loads) = (told.ways.len(), told.loads.len());
        text +=
            &format!("\n\ninterrupted: {ways} ways and {loads} loads were simulated to the end");
    }
    text
}

/// `campus: 600 requests at 1.50/s; 93.1 % satisfied by planned, ..; 60.2 % by ..`.
fn headline(told: &Told<'_>) -> String {
    let count = told.requests.len();
    let rate = edgeplan_service::rate(told.requests);
    let mut line = format!("{}: {count} requests at {rate:.2}/s", told.platform.name);
    let uniform = told.ways.iter().filter(|(way, _)| way.name.starts_with("uniform"));
    let best = uniform.max_by_key(|(_, run)| run.levels.satisfied);
    for (way, run) in told.ways.first().into_iter().chain(best) {
        line += &format!("; {} satisfied by {}", percent(run.levels.satisfied_share), way.name);
    }
    line
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// How good the choice of deployments is.
fn bound(told: &Told<'_>) -> String {
    let users = |share: Share| share.as_f64() / 1e9;
    let Worth { satisfaction, satisfied } = told.chosen.worth;
    let most = told.chosen.most;
    let gap = most.saturating_sub(satisfaction).as_f64() / most.as_f64().max(1.0);
    let expected = told.chosen.question.scheduling.requests.len();
    format!(
        "expected load: {expected} requests at {:.2}/s, {} % headroom: {satisfied} satisfied, \
         satisfaction {:.2}; no choice among the planned deployments has more than {:.2} ({})",
        told.expected.rate(),
        told.platform.headroom_percent,
        users(satisfaction),
        users(most),
        percent(gap),
    )
}

/// What is printed, and what a page shows.
pub(super) fn tables(told: &Told<'_>) -> Vec<Table> {
    let mut tables = vec![told.sites()];
    tables.extend(told.ways.first().map(|(way, run)| told.flows(way, run)));
    tables.extend([told.levels(), told.first_by_service(), told.busy(), told.loads()]);
    tables
}

fn of(heading: &str, columns: &[&str], rows: Vec<Vec<String>>) -> Table {
    let columns = columns.iter().map(|&name| name.to_owned()).collect();
    Table { heading: heading.into(), columns, rows }
}

impl Told<'_> {
    /// What runs where, what it bears, and what there would be instead.
    fn sites(&self) -> Table {
        let columns = [
            "site",
            "hosts",
            "layers",
            "accuracy>",
            "alone>",
            "batch>",
            "batches",
            "bears>",
            "next best",
        ];
        let mut rows = Vec::new();
        for (index, site) in self.platform.sites.iter().enumerate() {
            let tier = if site.tier == Tier::Cloud { " (cloud)" } else { "" };
            let mut name = format!("{}{tier}", site.name);
            let mut instead = self.instead(index);
            let Some(offered) = &self.chosen.hosting[index] else {
                let dashes = std::iter::repeat_n("-".to_owned(), 6);
                let cells = [name, "nothing".into()].into_iter().chain(dashes);
                rows.push(cells.chain([instead]).collect());
                continue;
            };
            let batching = self.ways.first().map_or("-", |(way, _)| way.batching[index].name());
            for (model, hosted) in offered.equipment.hosted.iter().enumerate() {
                let bears = self.expected.computation(offered, model);
                rows.push(vec![
                    std::mem::take(&mut name),
                    self.hosted(offered, model),
                    stages(offered, model),
                    hosted.accuracy.to_string(),
                    offered.equipment.latency(model).to_string(),
                    offered.batch.to_string(),
                    batching.to_owned(),
                    bears.map_or("-".into(), |time| format!("{:.2}/s", 1e9 / time.max(1.0))),
                    std::mem::take(&mut instead),
                ]);
            }
        }
        of(
            "What runs where, and what each deployment bears if it does nothing else",
            &columns,
            rows,
        )
    }

    /// `chat >= q5_K_M`.
    fn hosted(&self, offered: &Offered<'_>, model: usize) -> String {
        let hosted = &offered.equipment.hosted[model];
        format!("{} {}", self.platform.services[hosted.service].name, hosted.grade)
    }

    /// The best other equipment of a site, and what of satisfaction it costs.
    fn instead(&self, site: usize) -> String {
        let Some((worth, offered)) = &self.chosen.next[site] else { return "-".into() };
        let what = match offered {
            None => "nothing".into(),
            Some(offered) => {
                let all = (0..offered.equipment.hosted.len()).map(|m| self.hosted(offered, m));
                all.collect::<Vec<_>>().join(" and ")
            }
        };
        let less = self.chosen.worth.satisfaction.as_f64() - worth.satisfaction.as_f64();
        let share = 100.0 * less / self.chosen.worth.satisfaction.as_f64().max(1.0);
        format!("{what} ({:+.1} %)", -share)
    }

    /// Who serves whose users.
    fn flows(&self, way: &Way<'_>, run: &Run) -> Table {
        let sites = &self.platform.sites;
        let served = sites.iter().map(|site| format!("by {}>", site.name));
        let columns = ["users of".to_owned(), "ask for".to_owned()].into_iter();
        let columns = columns.chain(served).chain(["turned away>".into(), "satisfied>".into()]);
        let mut rows = Vec::new();
        for (site, place) in sites.iter().enumerate() {
            for (service, asked_for) in self.platform.services.iter().enumerate() {
                let mine: Vec<usize> = (0..self.requests.len())
                    .filter(|&index| {
                        let asked = &self.requests[index];
                        (asked.site, asked.service) == (site, service)
                    })
                    .collect();
                if mine.is_empty() {
                    continue;
                }
                let sent = |to| {
                    let there = |&&index: &&usize| run.tickets[index].map(|t| t.site) == to;
                    mine.iter().filter(there).count()
                };
                let happy =
                    |&&index: &&usize| run.replay.served[index].is_some_and(|s| s.satisfied);
                let happy = mine.iter().filter(happy).count() as f64 / mine.len() as f64;
                let mut row = vec![place.name.clone(), asked_for.name.clone()];
                row.extend((0..sites.len()).map(|to| sent(Some(to)).to_string()));
                row.extend([sent(None).to_string(), percent(happy)]);
                rows.push(row);
            }
        }
        Table {
            heading: format!("Who serves whom ({})", way.name),
            columns: columns.collect(),
            rows,
        }
    }

    fn levels(&self) -> Table {
        let rows = self.ways.iter().map(|(way, run)| cells(&way.name, &run.levels));
        of("Service levels at this load", &LEVELS, rows.collect())
    }

    fn first_by_service(&self) -> Table {
        let rows = self.platform.services.iter().enumerate().flat_map(|(index, service)| {
            self.ways.iter().map(move |(way, run)| {
                let levels = run.replay.levels(self.requests, |asked| asked.service == index);
                cells(&format!("{}: {}", service.name, way.name), &levels)
            })
        });
        of("By service", &LEVELS, rows.collect())
    }

    /// Busy devices and links, ours beside the rule of thumb that satisfies most.
    fn busy(&self) -> Table {
        let names = self.ways.iter().map(|(way, _)| format!("{}>", way.name));
        let columns = std::iter::once("busy".to_owned()).chain(names).collect();
        let mut rows = Vec::new();
        for (index, site) in self.platform.sites.iter().enumerate() {
            for (device, (name, _)) in site.cluster.devices.iter().enumerate() {
                let mut row = vec![format!("{} {name}", site.name)];
                row.extend(self.ways.iter().map(|(_, run)| {
                    let site = run.replay.sites[index].as_ref();
                    site.map_or("-".into(), |site| percent(site.utilisation[device]))
                }));
                rows.push(row);
            }
        }
        Table { heading: "Busy devices".into(), columns, rows }
    }

    /// Satisfied users by load, and the highest load that is borne.
    fn loads(&self) -> Table {
        let rates = self.loads.iter().map(|(_, rate, _)| format!("{rate:.2}/s>"));
        let target = percent(self.platform.target.as_f64() / 1e9);
        let last = format!("bears ({target})>");
        let columns = std::iter::once("satisfied at".to_owned()).chain(rates).chain([last]);
        let rows = self.ways.iter().enumerate().map(|(index, (way, _))| {
            let share = |(_, _, levels): &(f64, f64, Vec<super::Levels>)| {
                percent(levels[index].all.satisfied_share)
            };
            let borne = self.borne(index).map_or("less".into(), |rate| format!("{rate:.2}/s"));
            let cells = std::iter::once(way.name.clone()).chain(self.loads.iter().map(share));
            cells.chain([borne]).collect()
        });
        let rows = rows.collect();
        Table { heading: "Satisfied users by load".into(), columns: columns.collect(), rows }
    }

    /// The highest tried rate that leaves the target's share satisfied, as all lower ones do.
    fn borne(&self, way: usize) -> Option<f64> {
        let mut tried: Vec<(f64, f64)> = (self.loads.iter())
            .map(|(_, rate, levels)| (*rate, levels[way].all.satisfied_share))
            .collect();
        tried.sort_by(|a, b| a.0.total_cmp(&b.0));
        let target = self.platform.target.as_f64() / 1e9;
        tried.iter().take_while(|(_, share)| *share >= target).last().map(|(rate, _)| *rate)
    }
}

const LEVELS: [&str; 11] = [
    "way",
    "satisfied>",
    "served>",
    "missed>",
    "inaccurate>",
    "first token p50>",
    "p95>",
    "per token p50>",
    "p95>",
    "end to end p95>",
    "tokens/s>",
];

fn cells(name: &str, levels: &Levels) -> Vec<String> {
    vec![
        name.to_owned(),
        percent(levels.satisfied_share),
        levels.served.to_string(),
        levels.missed.to_string(),
        levels.inaccurate.to_string(),
        levels.first_token_ns.p50.to_string(),
        levels.first_token_ns.p95.to_string(),
        levels.per_token_ns.p50.to_string(),
        levels.per_token_ns.p95.to_string(),
        levels.end_to_end_ns.p95.to_string(),
        format!("{:.1}", levels.tokens_per_s),
    ]
}

/// `node-a 21, node-b 13`.
fn stages(offered: &Offered<'_>, model: usize) -> String {
    let equipment = offered.equipment;
    let account = equipment.deployment.evaluate(&equipment.plan).account;
    let stages = account.models[model].stages.iter().map(|stage| {
        let name = &equipment.deployment.device(stage.device).name;
        format!("{name} {}", stage.last + 1 - stage.first)
    });
    stages.collect::<Vec<_>>().join(", ")
}

pub(super) fn json(told: &Told<'_>) -> Value {
    let sites = told.platform.sites.iter().enumerate().map(|(index, site)| {
        let hosts = told.chosen.hosting[index].as_ref().map(|offered| hosts(told, offered));
        json!({ "site": site.name, "tier": site.tier, "hosts": hosts })
    });
    let ways = told.ways.iter().map(|(way, run)| way_json(told, way, run));
    let loads = told.loads.iter().map(|(load, rate, levels)| {
        let ways = told
            .ways
            .iter()
            .zip(levels)
            .map(|((way, _), levels)| (way.name.clone(), json!(levels.all)));
        json!({ "load": load, "requests_per_s": rate, "ways": ways.collect::<Map<_, _>>() })
    });
    let Worth { satisfaction, satisfied } = told.chosen.worth;
    json!({
        "service": told.platform.name,
        "requests": told.requests.len(),
        "requests_per_s": edgeplan_service::rate(told.requests),
        "expected": {
            "requests": told.chosen.question.scheduling.requests.len(),
            "requests_per_s": told.expected.rate(),
            "satisfied": satisfied,
            "satisfaction_ppb": satisfaction,
            "most_satisfaction_ppb": told.chosen.most,
        },
        "sites": sites.collect::<Vec<_>>(),
        "ways": ways.collect::<Vec<_>>(),
        "loads": loads.collect::<Vec<_>>(),
        "interrupted": told.interrupted,
    })
}

fn hosts(told: &Told<'_>, offered: &Offered<'_>) -> Value {
    let equipment = offered.equipment;
    let account = equipment.deployment.evaluate(&equipment.plan).account;
    let services = equipment.hosted.iter().enumerate().map(|(model, hosted)| {
        json!({
            "service": told.platform.services[hosted.service].name,
            "grade": hosted.grade.to_string(),
            "accuracy_ppb": hosted.accuracy,
            "latency_ns": equipment.latency(model),
            "computation_ns": told.expected.computation(offered, model),
        })
    });
    let plan = account_json(&equipment.deployment, &account, &equipment.plan);
    json!({ "services": services.collect::<Vec<_>>(), "batch": offered.batch, "plan": plan })
}

fn way_json(told: &Told<'_>, way: &Way<'_>, run: &Run) -> Value {
    let sites = told.platform.sites.iter().enumerate().filter_map(|(index, site)| {
        let (offered, run) = way.hosting[index].as_ref().zip(run.replay.sites[index].as_ref())?;
        let deployment = &offered.equipment.deployment;
        let name = |server: &Server| match *server {
            Server::Device(device) => deployment.device(device).name.clone(),
            Server::Link { from, to } => {
                format!("{} > {}", deployment.device(from).name, deployment.device(to).name)
            }
        };
        let servers = offered.equipment.layout.servers.iter().map(name);
        let busy: Map<String, Value> =
            servers.zip(run.utilisation.iter().map(|share| json!(share))).collect();
        let json = json!({
            "requests": run.requests,
            "satisfied": run.satisfied,
            "batching": way.batching[index],
            "batch_mean": run.batch_mean,
            "utilisation": busy,
        });
        Some((site.name.clone(), json))
    });
    let services = told.platform.services.iter().enumerate().map(|(index, service)| {
        let levels = run.replay.levels(told.requests, |asked| asked.service == index);
        (service.name.clone(), json!(levels))
    });
    json!({
        "way": way.name,
        "levels": run.levels,
        "services": services.collect::<Map<_, _>>(),
        "sites": sites.collect::<Map<_, _>>(),
    })
}
