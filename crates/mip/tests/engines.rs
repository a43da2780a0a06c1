//! What both engines owe, and how a child that misbehaves is reported.

mod random;

use std::ops::ControlFlow;
use std::time::Duration;

use edgeplan_mip::{
    Cbc, Engine, EngineError, Highs, Program, Progress, Reply, Request, Status, Variable, from_mps,
};

use random::random;

fn solve(engine: &dyn Engine, program: &Program, request: &Request) -> Reply {
    engine.solve(program, request, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn exact(engine: &dyn Engine, program: &Program) -> Reply {
    solve(engine, program, &Request::default())
}

/// `min 10 - sum(value * x)` subject to one capacity: value 2 and weight 2 per item, best is 3.
fn knapsack() -> (Program, Vec<Variable>) {
    let mut program = Program { constant: 10.0, ..Program::default() };
    let items: Vec<Variable> = (0..5).map(|_| program.binary()).collect();
    for &item in &items {
        program.add_cost(item, -2.0);
    }
    program.at_most(items.iter().map(|&item| (item, 2.0)), 7.0);
    (program, items)
}

#[test]
fn the_constant_is_in_objective_and_bound() {
    let (program, _) = knapsack();
    for engine in [&Highs as &dyn Engine, &Cbc::default()] {
        let reply = exact(engine, &program);
        assert_eq!(reply.status, Status::Optimal, "{}", engine.name());
        assert!((reply.objective.unwrap() - 4.0).abs() < 1e-6);
        assert!((reply.bound.unwrap() - 4.0).abs() < 1e-6);
        assert!(program.accepts(&reply.values.unwrap(), 1e-6));
    }
}

#[test]
fn a_relaxation_bounds_from_below() {
    let (program, _) = knapsack();
    let request = Request { relax: true, ..Request::default() };
    let reply = solve(&Highs, &program, &request);
    assert!((reply.bound.unwrap() - 3.0).abs() < 1e-6, "{reply:?}");
    let refused = Cbc::default().solve(&program, &request, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(refused, Err(EngineError::Refused { .. })));
}

#[test]
fn nothing_to_decide_is_decided() {
    let mut program = Program { constant: 3.0, ..Program::default() };
    program.at_most([], 0.0);
    for engine in [&Highs as &dyn Engine, &Cbc::default()] {
        let reply = exact(engine, &program);
        assert_eq!((reply.status, reply.bound), (Status::Optimal, Some(3.0)), "{}", engine.name());
        assert_eq!(reply.values, Some(Vec::new()));
    }
    let relaxed = solve(&Highs, &program, &Request { relax: true, ..Request::default() });
    assert_eq!(relaxed.objective, Some(3.0));
    program.at_least([], 1.0);
    assert_eq!(exact(&Highs, &program).status, Status::Infeasible);
}

#[test]
fn infeasible_and_unbounded_are_told_apart() {
    let mut infeasible = Program::default();
    let x = infeasible.binary();
    infeasible.at_least([(x, 1.0)], 2.0);
    let mut unbounded = Program::default();
    let y = unbounded.continuous(0.0, None);
    unbounded.add_cost(y, -1.0);
    for engine in [&Highs as &dyn Engine, &Cbc::default()] {
        assert_eq!(exact(engine, &infeasible).status, Status::Infeasible, "{}", engine.name());
    }
    let status = exact(&Highs, &unbounded).status;
    assert!(matches!(status, Status::Unbounded | Status::InfeasibleOrUnbounded), "{status:?}");
}

#[test]
fn a_start_is_kept_when_there_is_no_time() {
    let (program, _) = hard(24);
    let start = greedy(&program);
    let request = Request { time: Some(Duration::ZERO), start: Some(start), ..Request::default() };
    let reply = solve(&Highs, &program, &request);
    assert_ne!(reply.status, Status::Infeasible);
    assert!(reply.bound.is_none_or(f64::is_finite));
    assert!(reply.values.is_none_or(|values| program.accepts(&values, 1e-6)));
}

#[test]
fn breaking_interrupts() {
    let (program, _) = hard(40);
    for engine in [&Highs as &dyn Engine, &Cbc::default()] {
        let mut calls = 0;
        let mut stop = |_: Progress<'_>| {
            calls += 1;
            if calls > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match engine.solve(&program, &Request::default(), &mut stop) {
            Ok(reply) => assert_eq!(reply.status, Status::Interrupted),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A market split: hard for any branch and bound although small.
fn hard(items: usize) -> (Program, Vec<Variable>) {
    let mut program = Program::default();
    let x: Vec<Variable> = (0..items).map(|_| program.binary()).collect();
    let mut state = 7u64;
    for _ in 0..5 {
        let weights: Vec<f64> = (0..items).map(|_| (random(&mut state) % 100) as f64).collect();
        let half = (weights.iter().sum::<f64>() / 2.0).floor();
        let (over, under) = (program.continuous(0.0, None), program.continuous(0.0, None));
        program.add_cost(over, 1.0);
        program.add_cost(under, 1.0);
        let terms = x.iter().copied().zip(weights).chain([(over, -1.0), (under, 1.0)]);
        program.equal(terms, half);
    }
    (program, x)
}

/// Zeros, with the slack that makes them feasible.
fn greedy(program: &Program) -> Vec<f64> {
    let mut values = vec![0.0; program.columns.len()];
    for row in &program.rows {
        let under = row.terms.last().unwrap().0;
        values[under as usize] = row.upper.unwrap();
    }
    values
}

/// Assign jobs to machines with capacities at least cost, in small integers.
fn assignment(seed: u64) -> Program {
    let mut state = seed;
    let mut program = Program::default();
    let (jobs, machines) = (8, 3);
    let x: Vec<Vec<Variable>> =
        (0..jobs).map(|_| (0..machines).map(|_| program.binary()).collect()).collect();
    for row in &x {
        program.equal(row.iter().map(|&v| (v, 1.0)), 1.0);
        for &v in row {
            program.add_cost(v, (random(&mut state) % 30) as f64);
        }
    }
    for machine in 0..machines {
        let terms: Vec<(Variable, f64)> =
            x.iter().map(|row| (row[machine], (1 + random(&mut state) % 9) as f64)).collect();
        program.at_most(terms, 16.0);
    }
    program
}

#[test]
fn engines_agree_on_small_assignments() {
    for seed in 0..40 {
        let program = assignment(seed);
        let (highs, cbc) = (exact(&Highs, &program), exact(&Cbc::default(), &program));
        assert_eq!(highs.status, cbc.status, "seed {seed}");
        let round = |reply: &Reply| reply.objective.map(f64::round);
        assert_eq!(round(&highs), round(&cbc), "seed {seed}");
    }
}

const WRONG: &str = include_str!("../../../tests/data/cbc_wrong_optimum/model.mps");

#[test]
fn highs_finds_the_optimum_that_cbc_denies() {
    let program = from_mps(WRONG).unwrap();
    let highs = exact(&Highs, &program);
    assert_eq!(highs.status, Status::Optimal);
    assert!((highs.objective.unwrap() - 209.116_497).abs() < 1e-4, "{highs:?}");
    assert!(program.accepts(&highs.values.unwrap(), 1e-6));
    let cbc = exact(&Cbc::default(), &program);
    // Not an assertion on CBC's answer, which another version may mend: on what it may claim.
    let claim = cbc.bound.unwrap();
    if claim > 209.116_497 + 1e-3 {
        assert_eq!(cbc.status, Status::Optimal, "a false bound, without a claim of optimality");
    }
}

#[test]
fn mps_errors_name_the_line() {
    let error = from_mps("ROWS\n N cost\n L a\nCOLUMNS\n x nowhere 1\n").unwrap_err();
    assert_eq!(error.to_string(), "line 5: no row nowhere");
    assert!(from_mps("ROWS\n N cost\n L a\nCOLUMNS\n x a one\n").is_err());
    assert!(from_mps("\u{0} \n x\n").is_err());
}

#[test]
fn a_missing_executable_says_how_to_install_it() {
    let cbc = Cbc { executable: Some("/no/such/edgeplan-cbc".into()) };
    let error = cbc.available().unwrap_err().to_string();
    assert!(error.contains("apt-get install coinor-libcbc-dev"), "{error}");
}
