//! Schedules as tables and as JSON. The JSON keys are stable.

use edgeplan_problem::scheduling::{
    Account, Plan, Request, Scheduling, Served, Server, ServerAccount, Tier,
};
use edgeplan_problem::{Evaluation, Outcome, Problem as _, Share, Stop};
use serde_json::{Map, Value, json};

use crate::report::table;
use edgeplan::reason;

/// Longer lists of requests are left to JSON.
const REQUESTS_SHOWN: usize = 40;

/// Users' worth of satisfaction.
fn users(sum: Share) -> String {
    format!("{:.3}", sum.as_f64() / 1e9)
}

/// Satisfaction, the most that is possible, and the relative gap between them.
type Bounds = (Option<Share>, Option<Share>, Option<f64>);

fn bounds(instance: &Scheduling, outcome: &Outcome<Plan>) -> Bounds {
    let has = outcome.cost().map(|cost| instance.satisfaction_of(cost));
    let most = outcome.lower_bound().map(|cost| instance.satisfaction_of(cost));
    let gap = has.zip(most).map(|(has, most)| {
        if most == Share::ZERO { 0.0 } else { most.saturating_sub(has).as_f64() / most.as_f64() }
    });
    (has, most, gap)
}

/// Question, verdict, satisfaction, bound, gap, solver and seconds on one line.
pub(super) fn headline(instance: &Scheduling, solver: &str, outcome: &Outcome<Plan>) -> String {
    let (has, most, gap) = bounds(instance, outcome);
    let has = has.map(|has| format!(": satisfaction {}", users(has))).unwrap_or_default();
    let most = most.zip(gap).map(|(most, gap)| {
        format!(", no schedule has more than {} (gap {:.3} %)", users(most), 100.0 * gap)
    });
    let why = reason(&outcome.verdict).map(|reason| format!(": {reason}"));
    let stopped = outcome.stopped.filter(|&stop| stop != Stop::Gap);
    let stopped = stopped.map(|stop| format!(", stopped: {stop}"));
    format!(
        "{}: {}{has}{}{}{} [{solver}, {:.3} s]",
        instance.name,
        outcome.verdict.word(),
        most.unwrap_or_default(),
        why.unwrap_or_default(),
        stopped.unwrap_or_default(),
        outcome.elapsed.as_secs_f64(),
    )
}

/// What each server carries, who is satisfied, and why others are not served.
pub(super) fn account(instance: &Scheduling, account: &Account) -> String {
    let headings = [
        "server",
        "own users",
        "guests",
        "sent away",
        "unserved",
        "computation",
        "of",
        "communication",
        "of",
    ];
    let mut servers = table(&headings, &[1, 2, 3, 4, 5, 6, 7, 8]);
    for (server, bill) in instance.servers.iter().zip(&account.servers) {
        servers.add_row([
            server.name.clone(),
            bill.own.to_string(),
            bill.guests.to_string(),
            bill.offloaded.to_string(),
            bill.unserved.to_string(),
            bill.computation.to_string(),
            server.computation.to_string(),
            bill.communication.to_string(),
            server.communication.to_string(),
        ]);
    }
    let all = instance.requests.len();
    let mut text = format!(
        "{servers}\n\n{} of {all} users satisfied ({}), {} served",
        account.satisfied,
        account.satisfied_share(),
        account.served
    );
    let impossible = impossible(instance, account);
    let crowded = all - account.served - impossible;
    if impossible > 0 {
        text += &format!("; {impossible} could be served nowhere");
    }
    if crowded > 0 {
        text += &format!("; for {crowded} there is no room, or others gain more from it");
    }
    match all {
        0..=REQUESTS_SHOWN => format!("{text}\n\n{}", requests(instance, account)),
        _ => format!("{text}\n--json lists every request"),
    }
}

/// Unserved requests without any candidate, even on empty servers.
fn impossible(instance: &Scheduling, account: &Account) -> usize {
    let requests = instance.requests.iter().zip(&account.requests);
    let unserved = requests.filter(|(_, served)| served.is_none());
    unserved.filter(|(request, _)| instance.candidates(request).is_empty()).count()
}

/// One line per run of requests that ask and get the same.
fn requests(instance: &Scheduling, account: &Account) -> String {
    let headings = [
        "requests",
        "service",
        "covered by",
        "served by",
        "variant",
        "accuracy",
        "asked",
        "time",
        "deadline",
        "satisfaction",
    ];
    let mut lines = table(&headings, &[5, 6, 7, 8, 9]);
    let pairs: Vec<_> = instance.requests.iter().zip(&account.requests).collect();
    let mut index = 0;
    for run in pairs.chunk_by(|a, b| a == b) {
        let (request, served) = run[0];
        let last = index + run.len() - 1;
        let [server, variant, accuracy, time, satisfaction] =
            cells(instance, served.as_ref(), request);
        lines.add_row([
            if last == index { index.to_string() } else { format!("{index} .. {last}") },
            instance.services[request.service].name.clone(),
            instance.server(request.covered_by).name.clone(),
            server,
            variant,
            accuracy,
            request.accuracy_min.to_string(),
            time,
            request.deadline.to_string(),
            satisfaction,
        ]);
        index += run.len();
    }
    lines.to_string()
}

fn cells(instance: &Scheduling, served: Option<&Served>, request: &Request) -> [String; 5] {
    let Some(Served { by, .. }) = served else {
        return ["nobody", "-", "-", "-", "0.000"].map(String::from);
    };
    [
        instance.server(by.choice.server).name.clone(),
        instance.variants(request)[by.choice.variant.index()].name.clone(),
        by.accuracy.to_string(),
        by.completion.to_string(),
        users(by.satisfaction),
    ]
}

/// The stable keys of an outcome, without its schedule.
pub(super) fn outcome_json(
    instance: &Scheduling,
    solver: &str,
    outcome: &Outcome<Plan>,
) -> Map<String, Value> {
    let (has, most, gap) = bounds(instance, outcome);
    let mut json = Map::new();
    json.insert("instance".into(), json!(instance.name));
    json.insert("verdict".into(), json!(outcome.verdict.word()));
    json.insert("reason".into(), json!(reason(&outcome.verdict)));
    json.insert("satisfaction_ppb".into(), json!(has));
    json.insert("most_satisfaction_ppb".into(), json!(most));
    json.insert("gap".into(), json!(gap));
    json.insert("solver".into(), json!(solver));
    json.insert("elapsed_s".into(), json!(outcome.elapsed.as_secs_f64()));
    json.insert("stopped".into(), json!(outcome.stopped.map(|stop| stop.to_string())));
    json.insert("work".into(), json!(outcome.work));
    json
}

/// What a schedule gives and takes: `servers`, `requests` and their counts.
pub(super) fn account_json(instance: &Scheduling, account: &Account) -> Map<String, Value> {
    let server = |(server, bill): (&Server, &ServerAccount)| {
        json!({
            "name": server.name,
            "tier": if server.tier == Tier::Cloud { "cloud" } else { "edge" },
            "own": bill.own,
            "guests": bill.guests,
            "offloaded": bill.offloaded,
            "unserved": bill.unserved,
            "computation": bill.computation,
            "computation_capacity": server.computation,
            "communication": bill.communication,
            "communication_capacity": server.communication,
        })
    };
    let request = |(request, served): (&Request, &Option<Served>)| {
        served.map(|Served { by, satisfied }| {
            json!({
                "server": instance.server(by.choice.server).name,
                "variant": instance.variants(request)[by.choice.variant.index()].name,
                "accuracy_ppb": by.accuracy,
                "completion_ns": by.completion,
                "satisfaction_ppb": by.satisfaction,
                "satisfied": satisfied,
            })
        })
    };
    let servers: Vec<Value> = instance.servers.iter().zip(&account.servers).map(server).collect();
    let requests: Vec<Option<Value>> =
        instance.requests.iter().zip(&account.requests).map(request).collect();
    let mut json = Map::new();
    json.insert("users".into(), json!(instance.requests.len()));
    json.insert("served".into(), json!(account.served));
    json.insert("satisfied".into(), json!(account.satisfied));
    json.insert("impossible".into(), json!(impossible(instance, account)));
    json.insert("servers".into(), json!(servers));
    json.insert("requests".into(), json!(requests));
    json
}

/// A schedule that was read: its bill, or what is wrong with it.
pub(super) fn checked(instance: &Scheduling, evaluation: &Evaluation<Scheduling>) -> String {
    let lines: String =
        evaluation.violations.iter().map(|what| format!("infeasible: {what}\n")).collect();
    if evaluation.account.servers.is_empty() {
        return lines;
    }
    let verdict = match evaluation.is_feasible() {
        true => format!("feasible: satisfaction {}", users(evaluation.account.satisfaction)),
        false => lines,
    };
    format!("{}\n{verdict}", account(instance, &evaluation.account))
}

/// The same for programs.
pub(super) fn checked_json(
    instance: &Scheduling,
    evaluation: &Evaluation<Scheduling>,
) -> Map<String, Value> {
    let violations: Vec<String> = evaluation.violations.iter().map(ToString::to_string).collect();
    let mut json = account_json(instance, &evaluation.account);
    json.insert("instance".into(), json!(instance.name));
    json.insert("feasible".into(), json!(evaluation.is_feasible()));
    json.insert("violations".into(), json!(violations));
    json.insert("satisfaction_ppb".into(), json!(evaluation.account.satisfaction));
    json
}

/// Users satisfied by an outcome's schedule.
fn satisfied(instance: &Scheduling, outcome: &Outcome<Plan>) -> Option<usize> {
    Some(instance.evaluate(outcome.plan.as_ref()?).account.satisfied)
}

/// The table of solvers, in the given order.
pub(super) fn ranking(instance: &Scheduling, outcomes: &[(&str, Outcome<Plan>)]) -> String {
    let headings = ["solver", "verdict", "satisfaction", "at most", "satisfied users", "seconds"];
    let mut rows = table(&headings, &[2, 3, 4, 5]);
    for (name, outcome) in outcomes {
        let (has, most, _) = bounds(instance, outcome);
        let show = |sum: Option<Share>| sum.map_or("-".into(), users);
        let satisfied = satisfied(instance, outcome);
        rows.add_row([
            (*name).to_owned(),
            outcome.verdict.word().to_owned(),
            show(has),
            show(most),
            satisfied.map_or("-".into(), |count| format!("{count} of {}", instance.requests.len())),
            format!("{:.3}", outcome.elapsed.as_secs_f64()),
        ]);
    }
    let mut text = format!("{}\n{rows}\n", instance.name);
    for (name, outcome) in outcomes {
        text.extend(reason(&outcome.verdict).map(|reason| format!("{name}: {reason}\n")));
    }
    text
}

/// The same for programs.
pub(super) fn ranking_json(instance: &Scheduling, outcomes: &[(&str, Outcome<Plan>)]) -> Value {
    let row = |(name, outcome): &(&str, Outcome<Plan>)| {
        let mut row = outcome_json(instance, name, outcome);
        row.insert("satisfied".into(), json!(satisfied(instance, outcome)));
        row
    };
    json!({ "instance": instance.name, "solvers": outcomes.iter().map(row).collect::<Vec<_>>() })
}
