//! A study for people: tables, and what they mean in two sentences.

use edgeplan_problem::scheduling::Tier;
use edgeplan_problem::{Problem as _, Share};
use edgeplan_report::table::{Table, headed, or_dash};

use super::{LoadLevels, Study};
use crate::hosting::Worth;
use crate::operation::{Strategy, StrategyRun, rate};
use crate::question::Offered;
use crate::replay::Levels;

pub(super) fn text(study: &Study<'_>) -> String {
    let tables = headed(&tables(study));
    let mut text = format!("{}{tables}\n\n{}", headline(study), bound(study));
    if study.interrupted {
        let (strategies, loads) = (study.strategies.len(), study.loads.len());
        text += &format!(
            "\n\ninterrupted: {strategies} ways and {loads} loads were simulated to the end"
        );
    }
    text
}

/// `campus: 600 requests at 1.50/s; 93.1 % satisfied by planned, ..; 60.2 % by ..`.
fn headline(study: &Study<'_>) -> String {
    let count = study.requests.len();
    let rate = rate(study.requests);
    let mut line = format!("{}: {count} requests at {rate:.2}/s", study.platform.name);
    let uniform =
        study.strategies.iter().filter(|(strategy, _)| strategy.name.starts_with("uniform"));
    let best = uniform.max_by_key(|(_, run)| run.levels.satisfied);
    for (strategy, run) in study.strategies.first().into_iter().chain(best) {
        line +=
            &format!("; {} satisfied by {}", percent(run.levels.satisfied_share), strategy.name);
    }
    line
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// How good the choice of deployments is.
fn bound(study: &Study<'_>) -> String {
    let users = |share: Share| share.as_f64() / 1e9;
    let Worth { satisfaction, satisfied } = study.chosen.worth;
    let most = study.chosen.most;
    let gap = most.saturating_sub(satisfaction).as_f64() / most.as_f64().max(1.0);
    let expected = study.chosen.question.scheduling.requests.len();
    format!(
        "expected load: {expected} requests at {:.2}/s, {} % headroom: {satisfied} satisfied, \
         satisfaction {:.2}; no choice among the planned deployments has more than {:.2} ({})",
        study.expected.rate(),
        study.platform.headroom_percent,
        users(satisfaction),
        users(most),
        percent(gap),
    )
}

/// What is printed, and what a page shows.
pub(super) fn tables(study: &Study<'_>) -> Vec<Table> {
    let mut tables = vec![study.sites()];
    tables.extend(study.strategies.first().map(|(strategy, run)| study.flows(strategy, run)));
    tables.extend([study.levels(), study.first_by_service(), study.busy(), study.loads()]);
    tables
}

impl Study<'_> {
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
        let heading = "What runs where, and what each deployment bears if it does nothing else";
        let mut table = Table::new(columns).headed(heading);
        for (index, site) in self.platform.sites.iter().enumerate() {
            let tier = if site.tier == Tier::Cloud { " (cloud)" } else { "" };
            let mut name = format!("{}{tier}", site.name);
            let mut instead = self.instead(index);
            let Some(offered) = &self.chosen.hosting[index] else {
                let dashes = std::iter::repeat_n("-".to_owned(), 6);
                let cells = [name, "nothing".into()].into_iter().chain(dashes);
                table.row(cells.chain([instead]));
                continue;
            };
            let batching = self
                .strategies
                .first()
                .map_or("-", |(strategy, _)| strategy.batching[index].name());
            for (model, hosted) in offered.equipment.hosted.iter().enumerate() {
                let bears = self.expected.computation(offered, model);
                table.row([
                    std::mem::take(&mut name),
                    self.hosted(offered, model),
                    stages(offered, model),
                    hosted.accuracy.to_string(),
                    offered.equipment.latency(model).to_string(),
                    offered.batch.to_string(),
                    batching.to_owned(),
                    or_dash(bears.map(|time| format!("{:.2}/s", 1e9 / time.max(1.0)))),
                    std::mem::take(&mut instead),
                ]);
            }
        }
        table
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
    fn flows(&self, strategy: &Strategy<'_>, run: &StrategyRun) -> Table {
        let sites = &self.platform.sites;
        let served = sites.iter().map(|site| format!("by {}>", site.name));
        let columns = ["users of".to_owned(), "ask for".to_owned()].into_iter();
        let columns = columns.chain(served).chain(["turned away>".into(), "satisfied>".into()]);
        let mut table = Table::new(columns).headed(&format!("Who serves whom ({})", strategy.name));
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
                table.row(row);
            }
        }
        table
    }

    fn levels(&self) -> Table {
        let rows = self.strategies.iter().map(|(strategy, run)| cells(&strategy.name, &run.levels));
        Table::new(LEVELS).headed("Service levels at this load").with_rows(rows)
    }

    fn first_by_service(&self) -> Table {
        let rows = self.platform.services.iter().enumerate().flat_map(|(index, service)| {
            self.strategies.iter().map(move |(strategy, run)| {
                let name = format!("{}: {}", service.name, strategy.name);
                cells(&name, &self.of_service(run, index))
            })
        });
        Table::new(LEVELS).headed("By service").with_rows(rows)
    }

    /// Busy devices and links, ours beside the rule of thumb that satisfies most.
    fn busy(&self) -> Table {
        let names = self.strategies.iter().map(|(strategy, _)| format!("{}>", strategy.name));
        let columns = std::iter::once("busy".to_owned()).chain(names);
        let mut table = Table::new(columns).headed("Busy devices");
        for (index, site) in self.platform.sites.iter().enumerate() {
            for (device, (name, _)) in site.cluster.devices.iter().enumerate() {
                let mut row = vec![format!("{} {name}", site.name)];
                row.extend(self.strategies.iter().map(|(_, run)| {
                    let site = run.replay.sites[index].as_ref();
                    or_dash(site.map(|site| percent(site.utilisation[device])))
                }));
                table.row(row);
            }
        }
        table
    }

    /// Satisfied users by load, and the highest load that is borne.
    fn loads(&self) -> Table {
        let rates = self.loads.iter().map(|load| format!("{:.2}/s>", load.rate));
        let target = percent(self.platform.target.as_f64() / 1e9);
        let last = format!("bears ({target})>");
        let columns = std::iter::once("satisfied at".to_owned()).chain(rates).chain([last]);
        let rows = self.strategies.iter().enumerate().map(|(index, (strategy, _))| {
            let share = |load: &LoadLevels| percent(load.strategies[index].all.satisfied_share);
            let borne = self.borne(index).map_or("less".into(), |rate| format!("{rate:.2}/s"));
            let cells = std::iter::once(strategy.name.clone()).chain(self.loads.iter().map(share));
            cells.chain([borne]).collect::<Vec<_>>()
        });
        Table::new(columns).headed("Satisfied users by load").with_rows(rows)
    }

    /// The highest tried rate that leaves the target's share satisfied, as all lower ones do.
    fn borne(&self, strategy: usize) -> Option<f64> {
        let mut tried: Vec<(f64, f64)> = (self.loads.iter())
            .map(|load| (load.rate, load.strategies[strategy].all.satisfied_share))
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

fn cells(name: &str, levels: &Levels) -> [String; 11] {
    [
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
