//! What `evaluate` charges for a schedule, on an instance small enough to check by hand.

use edgeplan_problem::scheduling::{
    Choice, Host, Message, Mode, Plan, Request, Scheduling, Server, ServerId, Service, Tier,
    Variant, VariantId, Violation,
};
use edgeplan_problem::{Cost, Nanos, Problem as _, Share};

/// An edge server and a cloud, two variants, two requests.
fn tiny(mode: Mode) -> Scheduling {
    let server = |name: &str, tier, computation, communication| Server {
        name: name.into(),
        tier,
        computation,
        communication,
    };
    let host = |processing, computation| Some(Host { processing: Nanos(processing), computation });
    let variant = |name: &str, percent, hosts| Variant {
        name: name.into(),
        accuracy: percent_of(percent),
        message: 0,
        hosts,
    };
    let request = |percent, deadline| Request {
        service: 0,
        covered_by: ServerId(0),
        accuracy_min: percent_of(percent),
        deadline: Nanos(deadline),
        waited: Nanos(5),
        accuracy_weight: percent_of(50),
        time_weight: percent_of(50),
    };
    let way = |time| Some(Nanos(time));
    Scheduling {
        name: "tiny".into(),
        mode,
        accuracy_max: Share::ONE,
        completion_max: Nanos(100),
        servers: vec![server("edge", Tier::Edge, 3, 4), server("cloud", Tier::Cloud, 9, 0)],
        messages: vec![Message { communication: 4, time: vec![way(0), way(20), None, way(0)] }],
        services: vec![Service {
            name: "see".into(),
            variants: vec![
                variant("small", 60, vec![host(15, 3), None]),
                variant("large", 90, vec![host(80, 4), host(10, 4)]),
            ],
        }],
        requests: vec![request(50, 100), request(80, 60)],
    }
}

fn percent_of(percent: u64) -> Share {
    Share(percent * 10_000_000)
}

fn choice(server: u16, variant: u16) -> Option<Choice> {
    Some(Choice { server: ServerId(server), variant: VariantId(variant) })
}

fn plan(choices: [Option<Choice>; 2]) -> Plan {
    Plan { choices: choices.to_vec() }
}

#[test]
fn a_bill_is_itemised() {
    let instance = tiny(Mode::Hard).checked().unwrap();
    let evaluation = instance.evaluate(&plan([choice(0, 0), choice(1, 1)]));
    assert!(evaluation.is_feasible(), "{:?}", evaluation.violations);
    let account = evaluation.account;
    // (60 - 50) / 100 and (100 - 5 - 15) / 100, half each; (90 - 80) / 100 and (60 - 35) / 100.
    let expected = Share(450_000_000 + 175_000_000);
    assert_eq!(account.satisfaction, expected);
    assert_eq!(evaluation.cost, Cost(2_000_000_000 - expected.0));
    assert_eq!(instance.satisfaction_of(evaluation.cost), expected);
    let (edge, cloud) = (account.servers[0], account.servers[1]);
    assert_eq!((edge.own, edge.guests, edge.offloaded, edge.unserved), (1, 0, 1, 0));
    assert_eq!((edge.computation, edge.communication), (3, 4));
    assert_eq!((cloud.own, cloud.guests, cloud.computation), (0, 1, 4));
    assert_eq!((account.served, account.satisfied), (2, 2));
    assert_eq!(account.satisfied_share(), Share::ONE);
    let none = instance.evaluate(&Plan::empty(2));
    assert!(none.is_feasible());
    assert_eq!(none.cost, Cost(2_000_000_000));
    assert_eq!(none.account.servers[0].unserved, 2);
}

#[test]
fn soft_demands_cost_their_shortfall() {
    let instance = tiny(Mode::Soft).checked().unwrap();
    let account = instance.evaluate(&plan([choice(0, 0), None])).account;
    assert_eq!(account.satisfaction, Share::ONE);
    // 20 % short of accuracy, in time.
    let account = instance.evaluate(&plan([None, choice(0, 0)])).account;
    assert_eq!(account.satisfaction, Share(900_000_000));
    assert_eq!((account.served, account.satisfied), (1, 0));
}

#[test]
fn every_broken_constraint_is_named() {
    let instance = tiny(Mode::Hard).checked().unwrap();
    let broken = |choices| -> Vec<String> {
        let violations = instance.evaluate(&plan(choices)).violations;
        violations.iter().map(Violation::to_string).collect()
    };
    assert_eq!(
        broken([choice(1, 1), choice(1, 1)]),
        ["edge sends 8 in a frame, its capacity is 4"]
    );
    assert_eq!(
        broken([choice(0, 1), choice(0, 0)]),
        [
            "request 1 gets an accuracy of 60.00 % and demands 80.00 %",
            "edge computes 7 in a frame, its capacity is 3"
        ]
    );
    assert_eq!(
        broken([choice(1, 0), choice(0, 1)]),
        [
            "request 0 is served by cloud, which does not host see small",
            "request 1 takes 85 ns, its deadline is 60 ns",
            "edge computes 4 in a frame, its capacity is 3"
        ]
    );
    let shape = |plan: &Plan| instance.evaluate(plan).violations[0].to_string();
    assert!(shape(&Plan::empty(3)).ends_with("3 requests instead of 2"));
    assert!(shape(&plan([choice(7, 0), None])).ends_with("request 0: no server 7"));
    assert!(shape(&plan([None, choice(0, 7)])).ends_with("request 1: no variant 7"));
    let mut cut_off = tiny(Mode::Hard);
    cut_off.requests[0].covered_by = ServerId(1);
    let violations = cut_off.evaluate(&plan([choice(0, 0), None])).violations;
    assert_eq!(
        violations[0].to_string(),
        "request 0 is served by edge, which cloud does not reach"
    );
}

#[test]
fn what_is_beaten_or_cannot_be_is_no_candidate() {
    let mut instance = tiny(Mode::Soft);
    // Slower and less accurate than the small one for the same room.
    let mut worse = instance.services[0].variants[0].clone();
    worse.name = "worse".into();
    worse.accuracy = percent_of(40);
    instance.services[0].variants.push(worse);
    let instance = instance.checked().unwrap();
    let request = &instance.requests[1];
    // The edge has no room for the large one.
    let all: Vec<_> = instance.candidates(request).iter().map(|c| Some(c.choice)).collect();
    assert_eq!(all, [choice(0, 0), choice(0, 2), choice(1, 1)]);
    let front = instance.front(request);
    let kept: Vec<_> = front.iter().map(|c| Some(c.choice)).collect();
    assert_eq!(kept, [choice(0, 0), choice(1, 1)]);
    assert_eq!(instance.at_least(&front, 1, choice(0, 2).unwrap()), Some(0));
    assert_eq!(instance.at_least(&front, 1, choice(1, 0).unwrap()), None);
}

#[test]
fn nonsense_is_refused_by_place() {
    type Spoil = fn(&mut Scheduling);
    let cases: [(Spoil, &str); 12] = [
        (|i| i.servers.clear(), "0 servers; 1 to 65535 are allowed"),
        (|i| i.servers[1].name = "edge".into(), "two servers are called edge"),
        (|i| i.accuracy_max = Share::ZERO, "accuracy_max is 0.00 %"),
        (|i| i.completion_max = Nanos::ZERO, "completion_max is 0 ns"),
        (|i| i.messages[0].time.truncate(3), "message 0: 3 times for 2 servers"),
        (|i| i.messages[0].time[3] = None, "message 0: cloud sends to itself"),
        (|i| i.services[0].variants.clear(), "service see: 0 variants"),
        (|i| i.services[0].variants[0].message = 1, "variant small: sends message 1"),
        (|i| i.requests[1].service = 1, "request 1: asks for service 1, there is none"),
        (|i| i.requests[0].time_weight = Share::ONE, "request 0: its weights sum to 150.00 %"),
        (|i| i.requests[0].deadline = Nanos(101), "request 0: deadline is 101 ns; up to"),
        (|i| i.servers[0].computation = 1 << 62, "edge has a capacity of 2^62 or more"),
    ];
    for (spoil, expected) in cases {
        let mut instance = tiny(Mode::Hard);
        spoil(&mut instance);
        let error = instance.checked().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
