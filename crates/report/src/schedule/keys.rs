//! Schedules for programs. Field names are stable keys.

use edgeplan_problem::scheduling::{
    Account, Plan, Request, Scheduling, Served, Server, ServerAccount, Tier,
};
use edgeplan_problem::{Evaluation, Nanos, Outcome, Share};
use serde::Serialize;

use super::{Attained, impossible, satisfied};
use crate::answer::Answered;

/// What is known of an answer to a decision frame, without its schedule.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduleAnswer {
    /// What any answer has.
    #[serde(flatten)]
    pub answered: Answered,
    /// Satisfaction of the schedule, in billionths of a user.
    pub satisfaction_ppb: Option<Share>,
    /// No schedule has more.
    pub most_satisfaction_ppb: Option<Share>,
    /// Relative gap between the two.
    pub gap: Option<f64>,
}

impl ScheduleAnswer {
    /// Of that solver's answer.
    pub fn new(instance: &Scheduling, solver: &str, outcome: &Outcome<Plan>) -> Self {
        let Attained { satisfaction, most, gap } = Attained::by(instance, outcome);
        let answered = Answered::new(&instance.name, solver, outcome);
        Self { answered, satisfaction_ppb: satisfaction, most_satisfaction_ppb: most, gap }
    }
}

/// An answer among those of other solvers.
#[derive(Debug, Clone, Serialize)]
pub struct RankedSchedule {
    /// The answer.
    #[serde(flatten)]
    pub answer: ScheduleAnswer,
    /// Users that its schedule satisfies.
    pub satisfied: Option<usize>,
}

impl RankedSchedule {
    /// Of that solver's answer.
    pub fn new(instance: &Scheduling, solver: &str, outcome: &Outcome<Plan>) -> Self {
        let answer = ScheduleAnswer::new(instance, solver, outcome);
        Self { answer, satisfied: satisfied(instance, outcome) }
    }
}

/// What a schedule gives and takes.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduleBill {
    /// Requests.
    pub users: usize,
    /// Requests that are served.
    pub served: usize,
    /// Requests that are served as they demand.
    pub satisfied: usize,
    /// Requests that no server could serve, even alone.
    pub impossible: usize,
    /// By server.
    pub servers: Vec<ServerBill>,
    /// By request; none of one that is not served.
    pub requests: Vec<Option<RequestBill>>,
}

/// What a server carries.
#[derive(Debug, Clone, Serialize)]
pub struct ServerBill {
    /// The server.
    pub name: String,
    /// `cloud` or `edge`.
    pub tier: &'static str,
    /// Served users that it covers.
    pub own: usize,
    /// Served users that others cover.
    pub guests: usize,
    /// Users that it covers and others serve.
    pub offloaded: usize,
    /// Users that it covers and no server serves.
    pub unserved: usize,
    /// Computation in use.
    pub computation: u64,
    /// Computation that there is.
    pub computation_capacity: u64,
    /// Communication in use.
    pub communication: u64,
    /// Communication that there is.
    pub communication_capacity: u64,
}

/// How a request is served.
#[derive(Debug, Clone, Serialize)]
pub struct RequestBill {
    /// Who serves it.
    pub server: String,
    /// With which variant of its service.
    pub variant: String,
    /// Accuracy of that variant.
    pub accuracy_ppb: Share,
    /// Time until the answer is there.
    pub completion_ns: Nanos,
    /// Satisfaction of its user.
    pub satisfaction_ppb: Share,
    /// Whether every demand is met.
    pub satisfied: bool,
}

impl ScheduleBill {
    /// Of a schedule with that account.
    pub fn new(instance: &Scheduling, account: &Account) -> Self {
        let servers = instance.servers.iter().zip(&account.servers);
        let requests = instance.requests.iter().zip(&account.requests);
        Self {
            users: instance.requests.len(),
            served: account.served,
            satisfied: account.satisfied,
            impossible: impossible(instance, account),
            servers: servers.map(|(server, bill)| ServerBill::new(server, bill)).collect(),
            requests: requests
                .map(|(request, served)| Some(RequestBill::new(instance, request, &(*served)?)))
                .collect(),
        }
    }
}

impl ServerBill {
    fn new(server: &Server, bill: &ServerAccount) -> Self {
        Self {
            name: server.name.clone(),
            tier: if server.tier == Tier::Cloud { "cloud" } else { "edge" },
            own: bill.own,
            guests: bill.guests,
            offloaded: bill.offloaded,
            unserved: bill.unserved,
            computation: bill.computation,
            computation_capacity: server.computation,
            communication: bill.communication,
            communication_capacity: server.communication,
        }
    }
}

impl RequestBill {
    fn new(instance: &Scheduling, request: &Request, served: &Served) -> Self {
        let by = &served.by;
        Self {
            server: instance.server(by.choice.server).name.clone(),
            variant: instance.variants(request)[by.choice.variant.index()].name.clone(),
            accuracy_ppb: by.accuracy,
            completion_ns: by.completion,
            satisfaction_ppb: by.satisfaction,
            satisfied: served.satisfied,
        }
    }
}

/// A schedule that was read: its bill, and what is wrong with it.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedSchedule {
    /// The bill.
    #[serde(flatten)]
    pub bill: ScheduleBill,
    /// The instance.
    pub instance: String,
    /// Whether nothing is wrong.
    pub feasible: bool,
    /// What is wrong, in sentences.
    pub violations: Vec<String>,
    /// Satisfaction, in billionths of a user.
    pub satisfaction_ppb: Share,
}

impl CheckedSchedule {
    /// Of an evaluated schedule.
    pub fn new(instance: &Scheduling, evaluation: &Evaluation<Scheduling>) -> Self {
        Self {
            bill: ScheduleBill::new(instance, &evaluation.account),
            instance: instance.name.clone(),
            feasible: evaluation.is_feasible(),
            violations: evaluation.violations.iter().map(ToString::to_string).collect(),
            satisfaction_ppb: evaluation.account.satisfaction,
        }
    }
}
