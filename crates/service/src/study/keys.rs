//! A study for programs. Field names are stable keys.

use std::collections::BTreeMap;

use edgeplan_problem::scheduling::Tier;
use edgeplan_problem::{Nanos, Problem as _, Share};
use edgeplan_report::bill::Bill;
use serde::Serialize;

use super::{LoadLevels, Study};
use crate::hosting::Worth;
use crate::operation::{Strategy, StrategyRun, rate};
use crate::question::Offered;
use crate::replay::{Batching, Levels};

#[derive(Serialize)]
pub(super) struct StudyKeys<'a> {
    service: &'a str,
    requests: usize,
    requests_per_s: f64,
    expected: ExpectedKeys,
    sites: Vec<SiteKeys<'a>>,
    ways: Vec<WayKeys<'a>>,
    loads: Vec<LoadKeys<'a>>,
    interrupted: bool,
}

/// What the choice of deployments is worth.
#[derive(Serialize)]
struct ExpectedKeys {
    requests: usize,
    requests_per_s: f64,
    satisfied: usize,
    satisfaction_ppb: Share,
    most_satisfaction_ppb: Share,
}

#[derive(Serialize)]
struct SiteKeys<'a> {
    site: &'a str,
    tier: Tier,
    hosts: Option<HostKeys<'a>>,
}

#[derive(Serialize)]
struct HostKeys<'a> {
    services: Vec<ServiceKeys<'a>>,
    batch: u32,
    plan: Bill,
}

#[derive(Serialize)]
struct ServiceKeys<'a> {
    service: &'a str,
    grade: String,
    accuracy_ppb: Share,
    latency_ns: Nanos,
    computation_ns: Option<f64>,
}

#[derive(Serialize)]
struct WayKeys<'a> {
    way: &'a str,
    levels: &'a Levels,
    services: BTreeMap<&'a str, Levels>,
    sites: BTreeMap<&'a str, OperatedKeys>,
}

/// A site under one strategy.
#[derive(Serialize)]
struct OperatedKeys {
    requests: usize,
    satisfied: usize,
    batching: Batching,
    batch_mean: f64,
    /// By device and link.
    utilisation: BTreeMap<String, f64>,
}

#[derive(Serialize)]
struct LoadKeys<'a> {
    load: f64,
    requests_per_s: f64,
    ways: BTreeMap<&'a str, &'a Levels>,
}

impl<'a> StudyKeys<'a> {
    pub(super) fn new(study: &'a Study<'_>) -> Self {
        let Worth { satisfaction, satisfied } = study.chosen.worth;
        let sites = study.platform.sites.iter().enumerate().map(|(index, site)| SiteKeys {
            site: &site.name,
            tier: site.tier,
            hosts: study.chosen.hosting[index].as_ref().map(|offered| hosts(study, offered)),
        });
        let load = |load: &'a LoadLevels| LoadKeys {
            load: load.multiple,
            requests_per_s: load.rate,
            ways: (study.strategies.iter().zip(&load.strategies))
                .map(|((strategy, _), levels)| (strategy.name.as_str(), &levels.all))
                .collect(),
        };
        Self {
            service: &study.platform.name,
            requests: study.requests.len(),
            requests_per_s: rate(study.requests),
            expected: ExpectedKeys {
                requests: study.chosen.question.scheduling.requests.len(),
                requests_per_s: study.expected.rate(),
                satisfied,
                satisfaction_ppb: satisfaction,
                most_satisfaction_ppb: study.chosen.most,
            },
            sites: sites.collect(),
            ways: study
                .strategies
                .iter()
                .map(|(strategy, run)| operated(study, strategy, run))
                .collect(),
            loads: study.loads.iter().map(load).collect(),
            interrupted: study.interrupted,
        }
    }
}

fn hosts<'a>(study: &'a Study<'_>, offered: &Offered<'_>) -> HostKeys<'a> {
    let equipment = offered.equipment;
    let services = equipment.hosted.iter().enumerate().map(|(model, hosted)| ServiceKeys {
        service: &study.platform.services[hosted.service].name,
        grade: hosted.grade.to_string(),
        accuracy_ppb: hosted.accuracy,
        latency_ns: equipment.latency(model),
        computation_ns: study.expected.computation(offered, model),
    });
    let account = equipment.deployment.evaluate(&equipment.plan).account;
    HostKeys {
        services: services.collect(),
        batch: offered.batch,
        plan: Bill::new(&equipment.deployment, &equipment.plan, &account),
    }
}

fn operated<'a>(
    study: &'a Study<'_>,
    strategy: &'a Strategy<'_>,
    run: &'a StrategyRun,
) -> WayKeys<'a> {
    let sites = study.platform.sites.iter().enumerate().filter_map(|(index, site)| {
        let (offered, own) =
            strategy.hosting[index].as_ref().zip(run.replay.sites[index].as_ref())?;
        let equipment = offered.equipment;
        let servers = equipment.layout.servers.iter();
        let servers = servers.map(|server| server.name(&equipment.deployment));
        let keys = OperatedKeys {
            requests: own.requests,
            satisfied: own.satisfied,
            batching: strategy.batching[index],
            batch_mean: own.batch_mean,
            utilisation: servers.zip(own.utilisation.iter().copied()).collect(),
        };
        Some((site.name.as_str(), keys))
    });
    let services = study.platform.services.iter().enumerate();
    WayKeys {
        way: &strategy.name,
        levels: &run.levels,
        services: services
            .map(|(index, service)| (service.name.as_str(), study.of_service(run, index)))
            .collect(),
        sites: sites.collect(),
    }
}
