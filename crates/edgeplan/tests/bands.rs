//! Bands of plans on devices without measurements.

use edgeplan::{Quiet, Sources, Task};
use edgeplan_problem::Nanos;

#[test]
fn a_plan_on_published_rates_says_how_far_it_may_be_off() {
    let session = Sources::default().load().unwrap();
    let planned = session.plan(&Task::default(), &mut Quiet);
    let plan = planned.outcome.plan.as_ref().unwrap();
    let summary = &session.summary(plan).unwrap()[0];
    let rate = summary.decode_tokens_per_s.unwrap();
    let (low, high) = summary.decode_interval.unwrap();
    assert!(low < rate && rate < high && high < 3.0 * low, "{low} {rate} {high}");
    let (soonest, latest) = summary.first_token_interval_ns.unwrap();
    assert!(soonest < summary.first_token_ns && summary.first_token_ns < latest);
    assert!(latest < Nanos(3 * soonest.0));
    let sentence = summary.sentence();
    assert_eq!(sentence.matches(" to ").count(), 2, "{sentence}");
    // Ends of a request are those of its prompt and of its generated tokens.
    let ends = session.priced().latency(plan).unwrap()[0];
    let whole = |rate: f64, first: Nanos| first.as_f64() + 1e9 * 128.0 / rate;
    for (end, ours) in [(ends.0, whole(high, soonest)), (ends.1, whole(low, latest))] {
        assert!((end.as_f64() / ours - 1.0).abs() < 1e-6, "{end} {ours}");
    }
}

#[test]
fn a_device_with_an_embedding_alone_was_not_published() {
    let session = Sources::default().load().unwrap();
    let planned = session.plan(&Task::default(), &mut Quiet);
    let plan = planned.outcome.plan.as_ref().unwrap();
    let known = session.priced().confidence(plan);
    let laptop = known.iter().find(|device| device.device == "laptop").unwrap();
    assert_eq!(laptop.basis, "estimated", "it holds the embedding alone");
    // A lookup takes no time.
    for device in known.iter().filter(|device| device.compute_ns > Nanos::ZERO) {
        let (low, high) = (device.low_ns.unwrap(), device.high_ns.unwrap());
        assert!(low < device.compute_ns && device.compute_ns < high, "{device:?}");
    }
}
