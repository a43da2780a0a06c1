//! Measures a solver that is not in the registry beside those that are, without touching them: the
//! first step of adding one.
//!
//! ```sh
//! cargo build --release --workspace --examples
//! target/release/examples/own_solver bench-data/suites/smoke.toml FOLDER
//! ```

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use edgeplan_files::InputError;
use edgeplan_harness::registry::{ALL, Registry};
use edgeplan_harness::runner::Bench;
use edgeplan_harness::shard::Shard;
use edgeplan_harness::suite::Suite;
use edgeplan_harness::trial::{Allowance, answer};
use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, OptionId, Plan};
use edgeplan_problem::{Answer, Bytes, Run, Solver, SolverError};
use edgeplan_records::folder::Folder;
use edgeplan_records::summary::{reconciled, summarize};
use edgeplan_solvers::{DEPLOYMENT, Entry, Guarantee};

/// Everything on one device, in the first option of each layer: the best device for which that is
/// feasible.
struct OneDevice;

impl Solver<Deployment> for OneDevice {
    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let instance = run.problem();
        for device in instance.device_ids() {
            run.step()?;
            run.incumbent(&everything_on(instance, device));
        }
        // The run keeps the best feasible one that it was told of.
        Ok(match run.best() {
            Some((plan, _)) => Answer::Plan { plan: plan.clone(), lower_bound: None },
            None => Answer::Unknown { lower_bound: None },
        })
    }
}

fn everything_on(instance: &Deployment, device: DeviceId) -> Plan {
    let chosen = Assignment { device, option: OptionId(0) };
    Plan { models: instance.models.iter().map(|m| vec![chosen; m.layers.len()]).collect() }
}

fn main() -> ExitCode {
    let own = Entry {
        name: "one-device",
        guarantee: Guarantee::Heuristic,
        about: "everything on the device that is best for it",
        reference: "this example",
        make: &|| Box::new(OneDevice),
    };
    let like = |entry: &Entry| Entry { make: entry.make, ..*entry };
    let entries: Vec<Entry> = DEPLOYMENT.iter().map(like).chain([own]).collect();
    let registry = Registry { deployment: &entries, ..ALL };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        // The bench below starts this executable again, for every trial.
        ["trial"] => answer(std::io::stdin(), &mut std::io::stdout(), &registry),
        [suite, folder] => measure(Path::new(suite), Path::new(folder), registry),
        _ => Err(InputError::file("own_solver", "a suite and a folder are needed")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn measure(suite: &Path, folder: &Path, registry: Registry<'_>) -> Result<(), InputError> {
    let suite = Suite::read(suite, &registry)?;
    let mut solvers = suite.solvers.clone();
    solvers.push("one-device".into());
    let mut folder = Folder::create(folder)?;
    let no_path = |error: std::io::Error| InputError::file("own_solver", error.to_string());
    let (gap, memory) = (1e-4, Bytes(4 << 30));
    let bench = Bench {
        suites: &[suite],
        solvers: &solvers,
        seeds: &[0],
        allowance: Allowance { time_s: 10.0, grace_s: 5.0, gap, memory, cpu_s: 15.0, threads: 1 },
        shard: Shard::WHOLE,
        jobs: 1,
        pin: false,
        foreign_max: None,
        registry,
        program: &[std::env::current_exe().map_err(no_path)?.into()],
        command: "own_solver",
    };
    bench.run(&mut folder, &AtomicBool::new(false), &mut |_| {})?;
    for suite in summarize(&reconciled(folder.records().to_vec())) {
        for solver in suite.solvers {
            println!("{:>16}: {} plans, {} proven", solver.solver, solver.plans, solver.proven);
        }
    }
    Ok(())
}
