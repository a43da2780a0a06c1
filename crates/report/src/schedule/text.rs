//! Schedules for people.

use edgeplan_problem::scheduling::{Account, Plan, Request, Scheduling, Served};
use edgeplan_problem::{Evaluation, Outcome, Share};

use super::{Attained, impossible, satisfied};
use crate::answer::line;
use crate::table::{Table, or_dash};

/// Longer lists of requests are left to JSON.
const REQUESTS_SHOWN: usize = 40;

/// Users' worth of satisfaction.
fn users(sum: Share) -> String {
    format!("{:.3}", sum.as_f64() / 1e9)
}

/// Instance, verdict, satisfaction, bound, gap, solver and seconds on one line.
pub fn headline(instance: &Scheduling, solver: &str, outcome: &Outcome<Plan>) -> String {
    let Attained { satisfaction, most, gap } = Attained::by(instance, outcome);
    let has = satisfaction.map(|has| format!(": satisfaction {}", users(has))).unwrap_or_default();
    let most = most.zip(gap).map(|(most, gap)| {
        format!(", no schedule has more than {} (gap {:.3} %)", users(most), 100.0 * gap)
    });
    line(&instance.name, solver, &(has + &most.unwrap_or_default()), outcome, "")
}

/// The load of each server, the satisfied requests, and why others are not served.
pub fn tables(instance: &Scheduling, account: &Account) -> String {
    let columns = [
        "server",
        "own users>",
        "guests>",
        "sent away>",
        "unserved>",
        "computation>",
        "of>",
        "communication>",
        "of>",
    ];
    let bills = instance.servers.iter().zip(&account.servers);
    let servers = Table::new(columns).with_rows(bills.map(|(server, bill)| {
        [
            server.name.clone(),
            bill.own.to_string(),
            bill.guests.to_string(),
            bill.offloaded.to_string(),
            bill.unserved.to_string(),
            bill.computation.to_string(),
            server.computation.to_string(),
            bill.communication.to_string(),
            server.communication.to_string(),
        ]
    }));
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

/// A row for each run of requests that ask and get the same.
fn requests(instance: &Scheduling, account: &Account) -> Table {
    let mut table = Table::new([
        "requests",
        "service",
        "covered by",
        "served by",
        "variant",
        "accuracy>",
        "asked>",
        "time>",
        "deadline>",
        "satisfaction>",
    ]);
    let pairs: Vec<_> = instance.requests.iter().zip(&account.requests).collect();
    let mut index = 0;
    for run in pairs.chunk_by(|a, b| a == b) {
        let (request, served) = run[0];
        let last = index + run.len() - 1;
        let [server, variant, accuracy, time, satisfaction] =
            cells(instance, served.as_ref(), request);
        table.row([
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
    table
}

fn cells(instance: &Scheduling, served: Option<&Served>, request: &Request) -> [String; 5] {
    let Some(Served { by, .. }) = served else {
        return ["none", "-", "-", "-", "0.000"].map(String::from);
    };
    [
        instance.server(by.choice.server).name.clone(),
        instance.variants(request)[by.choice.variant.index()].name.clone(),
        by.accuracy.to_string(),
        by.completion.to_string(),
        users(by.satisfaction),
    ]
}

/// A schedule that was read: its bill, or what is wrong with it.
pub fn checked(instance: &Scheduling, evaluation: &Evaluation<Scheduling>) -> String {
    let lines: String =
        evaluation.violations.iter().map(|what| format!("infeasible: {what}\n")).collect();
    if evaluation.account.servers.is_empty() {
        return lines;
    }
    let verdict = match evaluation.is_feasible() {
        true => format!("feasible: satisfaction {}", users(evaluation.account.satisfaction)),
        false => lines,
    };
    format!("{}\n{verdict}", tables(instance, &evaluation.account))
}

/// Solvers' answers as a table, in the given order.
pub fn ranking(instance: &Scheduling, outcomes: &[(&str, Outcome<Plan>)]) -> Table {
    let columns =
        ["solver", "verdict", "satisfaction>", "at most>", "satisfied users>", "seconds>"];
    Table::new(columns).with_rows(outcomes.iter().map(|(name, outcome)| {
        let Attained { satisfaction, most, .. } = Attained::by(instance, outcome);
        let satisfied = satisfied(instance, outcome);
        [
            (*name).to_owned(),
            outcome.verdict.word().to_owned(),
            or_dash(satisfaction.map(users)),
            or_dash(most.map(users)),
            or_dash(satisfied.map(|count| format!("{count} of {}", instance.requests.len()))),
            format!("{:.3}", outcome.elapsed.as_secs_f64()),
        ]
    }))
}
