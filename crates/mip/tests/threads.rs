//! HiGHS on several threads. A process keeps the threads of its first call, so this file is one.

mod random;

use std::ops::ControlFlow;

use edgeplan_mip::{Engine as _, Highs, Program, Request, Status};

use random::random;

/// Knapsacks over the same items, whose values follow their weights: so small that the threads end
/// together.
fn knapsacks(seed: u64) -> Program {
    let mut state = seed;
    let mut program = Program::default();
    let items: Vec<_> = (0..10).map(|_| program.binary()).collect();
    let mut weights = vec![vec![0; items.len()]; 4];
    for (i, &item) in items.iter().enumerate() {
        for row in &mut weights {
            row[i] = 100 + random(&mut state) % 900;
        }
        let value = weights.iter().map(|row| row[i]).sum::<u64>() / 4 + random(&mut state) % 50;
        program.add_cost(item, -(value as f64));
    }
    for row in &weights {
        let terms: Vec<_> = items.iter().zip(row).map(|(&item, &w)| (item, w as f64)).collect();
        program.at_most(terms, (row.iter().sum::<u64>() / 2) as f64);
    }
    program
}

#[test]
fn no_bound_on_the_way_is_above_the_optimum() {
    for seed in 0..60 {
        let mut highest = f64::NEG_INFINITY;
        let request = Request { threads: 4, seed: seed as u32, ..Request::default() };
        let program = knapsacks(seed);
        let reply = Highs.solve(&program, &request, &mut |progress| {
            highest = progress.bound.map_or(highest, |bound| highest.max(bound));
            ControlFlow::Continue(())
        });
        let reply = reply.unwrap();
        assert_eq!(reply.status, Status::Optimal);
        let optimum = reply.objective.unwrap();
        assert!(highest <= optimum + 1e-6, "seed {seed}: {highest} above {optimum}");
    }
}
