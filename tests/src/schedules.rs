//! Random small schedules with every degeneracy that a solver could trip over, and the oracle that
//! tries every plan.

use edgeplan_problem::scheduling::{
    Choice, Host, Message, Mode, Plan, Request, Scheduling, Server, ServerId, Service, Tier,
    Variant, VariantId,
};
use edgeplan_problem::{Cost, Nanos, Problem as _, Share};

use crate::random::Random;

/// Plans to try stay below this, so that the oracle is quick.
const PLANS_MAX: u64 = 8_000;
/// The unit of times.
const COMPLETION_MAX: u64 = 20;

/// The question of that seed. Small numbers, so that ties abound; both modes, no request, one
/// server, capacities of zero and without end, free work, missing ways, unhosted variants,
/// identical servers, weights of zero, demands that nothing meets.
pub fn small_schedule(seed: u64) -> Scheduling {
    let mut random = Random::seeded(seed);
    loop {
        let instance = random.scheduling(seed);
        let ways = |request: &Request| {
            1 + (instance.variants(request).len() * instance.servers.len()) as u64
        };
        let plans = instance.requests.iter().map(ways).fold(1, u64::saturating_mul);
        if plans <= PLANS_MAX {
            return instance.checked().expect("the generator makes sense");
        }
    }
}

/// The cost of the best plan; the empty plan is always feasible. O(candidates^requests)
/// evaluations.
pub fn best_schedule(instance: &Scheduling) -> Cost {
    let mut plan = Plan::empty(instance.requests.len());
    let mut best = Cost::MAX;
    descend(instance, 0, &mut plan, &mut best);
    best
}

fn descend(instance: &Scheduling, index: usize, plan: &mut Plan, best: &mut Cost) {
    let Some(request) = instance.requests.get(index) else {
        let evaluation = instance.evaluate(plan);
        if evaluation.is_feasible() {
            *best = evaluation.cost.min(*best);
        }
        return;
    };
    let variants = instance.variants(request).len() as u16;
    plan.choices[index] = None;
    descend(instance, index + 1, plan, best);
    for server in instance.server_ids() {
        for variant in (0..variants).map(VariantId) {
            plan.choices[index] = Some(Choice { server, variant });
            descend(instance, index + 1, plan, best);
        }
    }
}

impl Random {
    /// A share in steps of a tenth.
    fn share(&mut self, tenths: u64) -> Share {
        Share(100_000_000 * self.up_to(tenths))
    }

    fn scheduling(&mut self, seed: u64) -> Scheduling {
        let servers = 1 + self.up_to(2) as usize;
        let services = 1 + self.up_to(1) as usize;
        let requests = if self.chance(3) { 0 } else { 1 + self.up_to(4) };
        let identical = self.chance(25);
        Scheduling {
            name: format!("small-schedule-{seed}"),
            mode: [Mode::Hard, Mode::Soft][seed as usize % 2],
            accuracy_max: Share::ONE,
            completion_max: Nanos(COMPLETION_MAX),
            servers: self.servers(servers, identical),
            messages: (0..2).map(|_| self.message_between(servers)).collect(),
            services: (0..services).map(|index| self.service(index, servers, identical)).collect(),
            requests: (0..requests).map(|_| self.request(services, servers)).collect(),
        }
    }

    fn servers(&mut self, count: usize, identical: bool) -> Vec<Server> {
        let common = (self.up_to(8), self.up_to(6));
        let mut servers = Vec::new();
        for index in 0..count {
            let own = (self.up_to(10), self.up_to(8));
            let (mut computation, communication) = if identical { common } else { own };
            if self.chance(10) {
                computation = [0, 1 << 40][self.up_to(1) as usize];
            }
            servers.push(Server {
                name: format!("s{index}"),
                tier: if index + 1 == count { Tier::Cloud } else { Tier::Edge },
                computation,
                communication,
            });
        }
        servers
    }

    fn message_between(&mut self, servers: usize) -> Message {
        let missing = if self.chance(20) { 30 } else { 0 };
        let mut time = Vec::new();
        for from in 0..servers {
            for to in 0..servers {
                let way = Some(Nanos(self.up_to(6)));
                let gone = self.chance(missing);
                time.push(match from == to {
                    true => Some(Nanos::ZERO),
                    false => way.filter(|_| !gone),
                });
            }
        }
        Message { communication: self.up_to(4), time }
    }

    fn service(&mut self, index: usize, servers: usize, identical: bool) -> Service {
        let variants = 1 + self.up_to(2);
        let variant = |this: &mut Self, index| {
            let common = this.host();
            let mut hosts = Vec::new();
            for _ in 0..servers {
                let own = if identical { common } else { this.host() };
                let gone = this.chance(20);
                hosts.push(if gone { None } else { Some(own) });
            }
            let message = this.up_to(1) as usize;
            Variant { name: format!("v{index}"), accuracy: this.share(10), message, hosts }
        };
        let variants = (0..variants).map(|index| variant(self, index)).collect();
        Service { name: format!("k{index}"), variants }
    }

    fn host(&mut self) -> Host {
        Host { processing: Nanos(self.up_to(10)), computation: self.up_to(6) }
    }

    fn request(&mut self, services: usize, servers: usize) -> Request {
        let weights = [(5, 5), (10, 0), (0, 10), (3, 7), (0, 0)][self.up_to(4) as usize];
        let demanding = if self.chance(50) { 4 } else { 10 };
        Request {
            service: self.up_to(services as u64 - 1) as usize,
            covered_by: ServerId(self.up_to(servers as u64 - 1) as u16),
            accuracy_min: self.share(demanding),
            deadline: Nanos(self.up_to(COMPLETION_MAX)),
            waited: Nanos(self.up_to(3)),
            accuracy_weight: Share(100_000_000 * weights.0),
            time_weight: Share(100_000_000 * weights.1),
        }
    }
}
