//! EdgeShard's pipelines take as long as closed formulas say.

use edgeplan_problem::Nanos;
use edgeplan_simulator::{
    Keep, Layout, LinkRate, MicroBatches, Release, Roofline, StageRate, pipeline,
};
use proptest::prelude::*;

use crate::support::chain;

/// Stages on devices 1, 2, ..: each is followed by a hop, and one leads to the first.
fn makespan(stages: &[u64], hop: u64, batches: MicroBatches) -> Nanos {
    let layers: Vec<(u16, u64, u64)> =
        stages.iter().enumerate().map(|(index, &time)| (index as u16 + 1, time, 0)).collect();
    let (instance, plan) = chain(&layers, hop, 0);
    let layout = Layout::new(&instance, &plan).unwrap();
    let rate = |&time: &u64| StageRate { pass: Nanos(time), ..StageRate::default() };
    let times = Roofline {
        stages: stages.iter().map(rate).collect(),
        hops: vec![LinkRate { message: Nanos(hop), token_ps: 0 }; stages.len() + 1],
    };
    let run = pipeline(&layout, 0, &times, &batches, Keep::ALL);
    let bars = (stages.len() * 2 + 1) * batches.count as usize * batches.generate as usize;
    assert_eq!(run.spans.len(), bars);
    assert_eq!(run.ends.len(), batches.count as usize);
    let busy = |time: u64| Nanos(time) * u64::from(batches.count) * u64::from(batches.generate);
    assert!(run.busy.iter().skip(1).zip(stages).all(|(&found, &time)| found == busy(time)));
    run.makespan()
}

proptest! {
    #[test]
    fn makespans_are_closed_formulas(
        stages in proptest::collection::vec(0..100u64, 1..6),
        hop in 0..60u64,
        count in 1..9u32,
        generate in 1..12u32,
    ) {
        let sum = stages.iter().sum::<u64>() + hop * (stages.len() as u64 + 1);
        let longest = stages.iter().copied().max().unwrap_or(0).max(hop);
        let (m, p) = (u64::from(count), u64::from(generate));
        let batches = MicroBatches {
            count, sequences: 1, prompt: 0, generate, release: Release::Bubbles,
        };
        let bubbles = makespan(&stages, hop, batches);
        prop_assert_eq!(bubbles, Nanos(p * (sum + (m - 1) * longest)));
        let batches = MicroBatches { release: Release::NoBubbles, ..batches };
        let without = makespan(&stages, hop, batches);
        let expected = (p * sum + (m - 1) * longest).max(sum + (m * p - 1) * longest);
        prop_assert_eq!(without, Nanos(expected));
        prop_assert!(without <= bubbles);
    }
}

#[test]
fn a_prompt_is_read_in_a_pass_of_its_own() {
    let (instance, plan) = chain(&[(0, 1, 0)], 5, 0);
    let layout = Layout::new(&instance, &plan).unwrap();
    let stages = vec![StageRate { pass: Nanos(10), token_ps: 4_000, context_ps: 1_000 }];
    let times = Roofline { stages, hops: vec![LinkRate::default(); 2] };
    let batches = MicroBatches {
        count: 1,
        sequences: 2,
        prompt: 8,
        generate: 2,
        release: Release::NoBubbles,
    };
    // 16 tokens at 4 ns; then 2 tokens within 10 ns, and 1 ns for each of 16 and 18 in the caches
    assert_eq!(
        pipeline(&layout, 0, &times, &batches, Keep::default()).makespan(),
        Nanos(64 + 26 + 28)
    );
}

#[test]
fn nothing_to_do_takes_no_time() {
    let (instance, plan) = chain(&[(0, 7, 0)], 5, 0);
    let layout = Layout::new(&instance, &plan).unwrap();
    let times = edgeplan_simulator::Shares::even(
        &layout,
        edgeplan_simulator::Size { prompt: 1, generate: 0 },
    );
    for (count, generate) in [(0, 3), (3, 0)] {
        for release in [Release::Bubbles, Release::NoBubbles] {
            let batches = MicroBatches { count, sequences: 1, prompt: 0, generate, release };
            assert_eq!(pipeline(&layout, 0, &times, &batches, Keep::ALL).makespan(), Nanos::ZERO);
        }
    }
}
