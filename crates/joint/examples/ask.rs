//! Asks the solver one question and prints what happens:
//! `cargo run --release -p edgeplan-joint --example ask -- FILE SECONDS`.

use std::time::Duration;

use edgeplan_files::deployment::read_instance;
use edgeplan_joint::Joint;
use edgeplan_problem::{Cost, Limits, Observer, solve};

struct Print;

impl Observer for Print {
    fn incumbent(&mut self, elapsed: Duration, cost: Cost) {
        println!("{:7.2} s  plan  {:.4}", elapsed.as_secs_f64(), cost.as_f64() / 1e6);
    }
    fn lower_bound(&mut self, elapsed: Duration, bound: Cost) {
        println!("{:7.2} s  bound {:.4}", elapsed.as_secs_f64(), bound.as_f64() / 1e6);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seconds: f64 = arguments[2].parse().expect("seconds");
    let text = std::fs::read_to_string(&arguments[1]).expect("a file");
    let question = read_instance(&arguments[1], &text).expect("an instance");
    let time = Some(Duration::from_secs_f64(seconds));
    let limits = Limits { time, gap: 1e-4, ..Limits::default() };
    let outcome = solve(&question, &Joint::default(), limits, &mut Print);
    println!("{:?} {:?} {:?}", outcome.verdict, outcome.elapsed, outcome.work);
}
