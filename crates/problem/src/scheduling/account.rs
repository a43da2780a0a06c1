//! The bill: the one definition of what a plan is worth and whether it is feasible.

use super::{Candidate, Choice, Mode, Plan, Scheduling, Violation};
use crate::{Cost, Evaluation, Problem, Share};

/// What a plan gives the users and takes from the servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// By request; `None` for the unserved.
    pub requests: Vec<Option<Served>>,
    /// By server.
    pub servers: Vec<ServerAccount>,
    /// Sum over all users; an unserved one has none.
    pub satisfaction: Share,
    /// Requests that are served.
    pub served: usize,
    /// Requests that get all that they demand; the same number in hard mode.
    pub satisfied: usize,
}

/// A request that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// How.
    pub by: Candidate,
    /// Whether both demands are met.
    pub satisfied: bool,
}

/// What a plan does to one server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerAccount {
    /// Computation in use.
    pub computation: u64,
    /// Communication in use.
    pub communication: u64,
    /// Requests of covered users served here.
    pub own: usize,
    /// Requests of other users served here.
    pub guests: usize,
    /// Requests of covered users served elsewhere.
    pub offloaded: usize,
    /// Requests of covered users served nowhere.
    pub unserved: usize,
}

impl Account {
    /// Satisfied users among all, in billionths; all of them if there is none.
    pub fn satisfied_share(&self) -> Share {
        match self.requests.len() as u64 {
            0 => Share::ONE,
            all => Share(self.satisfied as u64 * Share::ONE.0 / all),
        }
    }
}

impl Problem for Scheduling {
    type Plan = Plan;
    type Violation = Violation;
    type Account = Account;

    /// Prices a plan in O(requests + servers). The cost is what the users miss: the sum of
    /// one less their satisfaction, so that the least cost is the greatest satisfaction.
    fn evaluate(&self, plan: &Plan) -> Evaluation<Self> {
        if let Err(what) = self.fits(plan) {
            let violations = vec![Violation::Shape(what)];
            return Evaluation { cost: Cost::MAX, violations, account: Account::default() };
        }
        let mut bill = Bill { instance: self, account: Account::default(), violations: Vec::new() };
        bill.account.servers = vec![ServerAccount::default(); self.servers.len()];
        for (index, choice) in plan.choices.iter().enumerate() {
            bill.add(index, *choice);
        }
        bill.check_servers();
        let Bill { account, violations, .. } = bill;
        Evaluation { cost: self.cost_of(account.satisfaction), violations, account }
    }
}

impl Scheduling {
    /// The cost of a sum of satisfaction.
    pub fn cost_of(&self, satisfaction: Share) -> Cost {
        Cost((Share::ONE * self.requests.len() as u64).saturating_sub(satisfaction).0)
    }

    /// The sum of satisfaction that a cost means.
    pub fn satisfaction_of(&self, cost: Cost) -> Share {
        (Share::ONE * self.requests.len() as u64).saturating_sub(Share(cost.0))
    }

    /// Whether the plan has the instance's shape.
    fn fits(&self, plan: &Plan) -> Result<(), String> {
        if plan.choices.len() != self.requests.len() {
            let (has, needs) = (plan.choices.len(), self.requests.len());
            return Err(format!("{has} requests instead of {needs}"));
        }
        for (index, (request, choice)) in self.requests.iter().zip(&plan.choices).enumerate() {
            let Some(choice) = choice else { continue };
            if choice.server.index() >= self.servers.len() {
                return Err(format!("request {index}: no server {}", choice.server.0));
            }
            if choice.variant.index() >= self.variants(request).len() {
                return Err(format!("request {index}: no variant {}", choice.variant.0));
            }
        }
        Ok(())
    }
}

/// A bill in the making.
struct Bill<'a> {
    instance: &'a Scheduling,
    account: Account,
    violations: Vec<Violation>,
}

impl Bill<'_> {
    fn add(&mut self, index: usize, choice: Option<Choice>) {
        let request = &self.instance.requests[index];
        let covering = request.covered_by.index();
        let candidate = choice.and_then(|choice| {
            let candidate = self.instance.candidate(request, choice);
            if candidate.is_none() {
                self.violations.push(self.impossible(index, choice));
            }
            candidate
        });
        let Some(by) = candidate else {
            self.account.servers[covering].unserved += 1;
            self.account.requests.push(None);
            return;
        };
        let local = by.choice.server == request.covered_by;
        let server = &mut self.account.servers[by.choice.server.index()];
        server.computation = server.computation.saturating_add(by.computation);
        server.own += usize::from(local);
        server.guests += usize::from(!local);
        let sender = &mut self.account.servers[covering];
        sender.communication = sender.communication.saturating_add(by.communication);
        sender.offloaded += usize::from(!local);
        if self.instance.mode == Mode::Hard {
            self.check_demands(index, &by);
        }
        let satisfied = self.instance.meets_demands(request, &by);
        self.account.satisfaction += by.satisfaction;
        self.account.served += 1;
        self.account.satisfied += usize::from(satisfied);
        self.account.requests.push(Some(Served { by, satisfied }));
    }

    /// Why a choice means nothing.
    fn impossible(&self, index: usize, choice: Choice) -> Violation {
        let request = &self.instance.requests[index];
        let service = &self.instance.services[request.service];
        let variant = &service.variants[choice.variant.index()];
        let server = self.instance.server(choice.server).name.clone();
        match variant.hosts[choice.server.index()] {
            None => Violation::NotHosted {
                request: index,
                server,
                variant: format!("{} {}", service.name, variant.name),
            },
            Some(_) => Violation::Unreachable {
                request: index,
                from: self.instance.server(request.covered_by).name.clone(),
                to: server,
            },
        }
    }

    fn check_demands(&mut self, index: usize, by: &Candidate) {
        let request = &self.instance.requests[index];
        if by.accuracy < request.accuracy_min {
            let (accuracy, needed) = (by.accuracy, request.accuracy_min);
            self.violations.push(Violation::Accuracy { request: index, accuracy, needed });
        }
        if by.completion > request.deadline {
            let (completion, deadline) = (by.completion, request.deadline);
            self.violations.push(Violation::Deadline { request: index, completion, deadline });
        }
    }

    fn check_servers(&mut self) {
        for (server, bill) in self.instance.servers.iter().zip(&self.account.servers) {
            let (needed, available) = (bill.computation, server.computation);
            if needed > available {
                let server = server.name.clone();
                self.violations.push(Violation::Computation { server, needed, available });
            }
            let (needed, available) = (bill.communication, server.communication);
            if needed > available {
                let server = server.name.clone();
                self.violations.push(Violation::Communication { server, needed, available });
            }
        }
    }
}
