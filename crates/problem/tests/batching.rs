//! Prices and limits of batches, computed by hand.

use edgeplan_problem::batching::{
    Batch, Batching, Channel, Epoch, FormatId, Node, NodeFormat, Plan, Request, RequestId,
    Resources, Violation, Work,
};
use edgeplan_problem::{Bytes, Cost, Nanos, Problem as _};

/// A way to spoil a question.
type Change = fn(&mut Batching);

/// One operation takes a nanosecond; 10 + 4 per token looked at; 100 bytes of weights, 1 per token.
fn node() -> Node {
    let format = |name: &str, weights: u64, time_ppm: u32, accuracy_ppm: u32| NodeFormat {
        name: name.into(),
        weights: Bytes(weights),
        kv_per_token: Bytes(1),
        time_ppm,
        accuracy_ppm,
    };
    Node {
        name: "edge".into(),
        memory: Bytes(120),
        flops: 1_000_000_000,
        devices: 2,
        work: Work { per_token: 10, per_pair: 4 },
        formats: vec![
            format("fine", 100, 1_000_000, 900_000),
            format("half", 50, 500_000, 700_000),
        ],
    }
}

fn request(name: &str, prompt: u32, output: u32) -> Request {
    Request {
        name: name.into(),
        prompt,
        output,
        deadline: Nanos(1_000),
        waited: Nanos(5),
        accuracy_ppm: 800_000,
        weight: 1,
        channels: vec![Some(Channel { uplink: 1_000_000_000, downlink: 2_000_000_000 })],
    }
}

fn question() -> Batching {
    Batching {
        name: "q".into(),
        epoch: Epoch { uplink: Nanos(10), compute: Nanos(400), downlink: Nanos(10) },
        token_bits: 1,
        nodes: vec![node()],
        requests: vec![request("a", 3, 2), request("b", 4, 3)],
    }
}

fn both(format: u16) -> Plan {
    let members = vec![RequestId(0), RequestId(1)];
    Plan { batches: vec![Batch { format: FormatId(format), members }] }
}

/// The violations of serving both, in words.
fn complaints(change: impl FnOnce(&mut Batching)) -> Vec<String> {
    let mut instance = question();
    change(&mut instance);
    let evaluation = instance.checked().expect("it makes sense").evaluate(&both(0));
    evaluation.violations.iter().map(ToString::to_string).collect()
}

#[test]
fn a_batch_is_padded_and_billed() {
    let evaluation = question().checked().unwrap().evaluate(&both(0));
    assert!(evaluation.is_feasible(), "{:?}", evaluation.violations);
    assert_eq!(evaluation.cost, Cost(0));
    let bill = &evaluation.account.nodes[0];
    // Padded to 4: prefill 4 * (10 + 4 * 4) = 104 each; then steps of 10 + 4 * (4 + n / 2).
    assert_eq!(bill.padded, 4);
    assert_eq!(bill.work, 104 + 30 + 104 + 2 * 32);
    assert_eq!(bill.time, Nanos(302));
    assert_eq!((bill.weights, bill.kv), (Bytes(100), Bytes(6 + 7)));
    // 7 bits in 10 ns of 1 bit/ns, 5 bits in 10 ns of 2 bit/ns.
    assert_eq!((bill.uplink, bill.downlink), (700_000_000, 250_000_000));
    assert_eq!(evaluation.account.latency, [Some(Nanos(327)); 2]);
    let half = question().evaluate(&both(1)).account;
    assert_eq!(half.nodes[0].time, Nanos(151));
}

#[test]
fn no_request_is_served_for_free() {
    let mut instance = question();
    instance.nodes[0].memory = Bytes(1);
    instance.requests[1].weight = 7;
    let evaluation = instance.evaluate(&Plan::idle(&instance));
    assert!(evaluation.is_feasible());
    assert_eq!(evaluation.cost, Cost(8));
}

#[test]
fn every_limit_is_named_with_its_numbers() {
    let cases: [(Change, &str); 7] = [
        (|q| q.nodes[0].memory = Bytes(112), "edge needs 113 B of memory and has 112 B (1 bytes"),
        (|q| q.epoch.compute = Nanos(301), "edge computes for 302 ns, its phase is 301 ns"),
        (|q| q.requests[1].deadline = Nanos(326), "b is answered after 327 ns, it allows 326 ns"),
        (|q| q.requests[0].accuracy_ppm = 900_001, "a asks for an accuracy of 0.9000, fine"),
        (|q| q.epoch.uplink = Nanos(6), "edge needs 116.6667 % of its uplink band"),
        (|q| q.epoch.downlink = Nanos(2), "edge needs 125.0000 % of its downlink band"),
        (|q| q.requests[0].channels = vec![None], "a cannot reach edge"),
    ];
    for (change, expected) in cases {
        let found = complaints(change);
        assert_eq!(found.len(), 1, "{expected}: {found:?}");
        assert!(found[0].starts_with(expected), "{found:?} instead of {expected}");
    }
    assert!(complaints(|_| {}).is_empty());
}

#[test]
fn a_plan_of_another_shape_is_refused() {
    let instance = question();
    let plans = [
        Plan { batches: vec![] },
        Plan { batches: vec![Batch { format: FormatId(2), members: vec![] }] },
        Plan { batches: vec![Batch { format: FormatId(0), members: vec![RequestId(2)] }] },
        Plan { batches: vec![Batch { format: FormatId(0), members: vec![RequestId(1); 2] }] },
    ];
    for plan in plans {
        let violations = instance.evaluate(&plan).violations;
        assert!(matches!(violations[..], [Violation::Shape(_)]), "{plan:?}: {violations:?}");
    }
}

/// What solvers add up agrees with what `evaluate()` allows, to the last unit.
#[test]
fn modes_say_what_evaluate_says() {
    let instance = question();
    let mode = instance.modes(instance.node_ids().next().unwrap())[1];
    assert_eq!((mode.format, mode.padded), (FormatId(0), 4));
    let demand: Vec<_> = instance.request_ids().map(|id| instance.demand(mode, id)).collect();
    let sum = demand.into_iter().flatten().fold(Resources::default(), |sum, demand| sum + demand);
    let bill = &instance.evaluate(&both(0)).account.nodes[0];
    assert_eq!(sum.to_array(), [bill.uplink, bill.downlink, bill.kv.0, bill.work]);
    for time in [301, 302] {
        let capacity = instance.capacity(mode, Nanos(time)).unwrap();
        assert_eq!(sum.fits(capacity), bill.time <= Nanos(time), "{time}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cases: [(Change, &str); 9] = [
        (|q| q.nodes.clear(), "0 nodes; 1 to 65535 are allowed"),
        (|q| q.nodes[0].flops = 0, "node edge: at least one device"),
        (|q| q.nodes[0].work.per_pair = 3, "node edge: 3 operations per pair; an even number"),
        (|q| q.nodes[0].formats.clear(), "node edge: 0 formats"),
        (|q| q.nodes[0].formats[1].time_ppm = 0, "node edge: format half takes no time"),
        (|q| q.nodes[0].work.per_token = u64::MAX / 4, "node edge: so many operations"),
        (|q| q.requests[1].output = 0, "request b: output 0; 1 to "),
        (|q| q.requests[1].name = "a".into(), "two requests are called a"),
        (|q| q.requests[0].channels.clear(), "request a: 0 channels; one for each of 1 nodes"),
    ];
    for (change, expected) in cases {
        let mut instance = question();
        change(&mut instance);
        let error = instance.checked().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error} instead of {expected}");
    }
}
