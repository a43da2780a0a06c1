//! Planted solvers: one that lies, and others that hang, crash, or take all of the processor or
//! the memory. Each costs a row, none a run. This executable is also the process of its trials,
//! which is why it brings its own `main`.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use edgeplan_harness::registry::{ALL, Registry};
use edgeplan_harness::runner::Bench;
use edgeplan_harness::shard::Shard;
use edgeplan_harness::suite::Suite;
use edgeplan_harness::trial::{Allowance, answer};
use edgeplan_problem::deployment::{Assignment, Deployment, Plan};
use edgeplan_problem::{Answer, Bytes, Cost, Run, Solver, SolverError, Verdict};
use edgeplan_records::folder::{Folder, merge};
use edgeplan_records::row::Record;
use edgeplan_records::summary::{reconciled, summarize};
use edgeplan_solvers::{Entry, Guarantee, find};

/// What a solver can do wrong.
#[derive(Debug, Clone, Copy)]
enum Planted {
    /// Claims a bound that is twice the best plan's cost.
    Liar,
    /// Claims that there is no plan.
    Denier,
    /// Returns a plan that breaks the memory limits.
    Cheat,
    /// Sleeps for ever, whatever the clock says.
    Sleeper,
    /// Computes for ever.
    Burner,
    /// Takes memory for ever.
    Eater,
    /// Dies of a segmentation fault.
    Crasher,
    /// Panics.
    Panicker,
}

impl Solver<Deployment> for Planted {
    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let layers = run.problem().models[0].layers.len();
        let all_on_one = || Plan::single(vec![Assignment::default(); layers]);
        match self {
            Self::Liar => Ok(Answer::Unknown { lower_bound: Some(Cost(1 << 60)) }),
            Self::Denier => Ok(Answer::Infeasible),
            Self::Cheat => Ok(Answer::Plan { plan: all_on_one(), lower_bound: None }),
            Self::Sleeper => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            Self::Burner => {
                let mut value = 1u64;
                loop {
                    value = std::hint::black_box(value.wrapping_mul(3));
                }
            }
            // It writes to none of it: touching pages could take all of its processor time first.
            Self::Eater => {
                let mut eaten: Vec<Vec<u8>> = Vec::new();
                loop {
                    eaten.push(std::hint::black_box(Vec::with_capacity(1 << 24)));
                }
            }
            // The first one only makes Rust's own handler step aside, as after a real fault.
            Self::Crasher => loop {
                let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSEGV);
            },
            Self::Panicker => panic!("planted"),
        }
    }
}

macro_rules! planted {
    ($($name:literal = $kind:ident),*) => {
        [$(Entry {
            name: $name,
            guarantee: Guarantee::Heuristic,
            about: "planted",
            reference: "this test",
            make: &|| Box::new(Planted::$kind),
        }),*]
    };
}

fn entries() -> Vec<Entry> {
    let mut entries = Vec::from(planted![
        "liar" = Liar,
        "denier" = Denier,
        "cheat" = Cheat,
        "sleeper" = Sleeper,
        "burner" = Burner,
        "eater" = Eater,
        "crasher" = Crasher,
        "panicker" = Panicker
    ]);
    let honest = find("chain-exact").expect("registered");
    entries.push(Entry {
        make: honest.make,
        about: honest.about,
        ..planted!["honest" = Liar].into_iter().next().expect("one")
    });
    entries
}

const SUITE: &str = "analysis = \"\"\nsolvers = [\"honest\"]\n[[family]]\nname = \"random\"\n\
                     layers = [4]\ndevices = [3]\nformats = 1\nmemory-percent = 110\n\
                     seeds = [0, 1]";

type Test = fn(&Registry<'_>);

fn main() -> ExitCode {
    let entries = entries();
    let registry = Registry { deployment: &entries, ..ALL };
    if std::env::args().nth(1).as_deref() == Some("trial") {
        answer(std::io::stdin(), &mut std::io::stdout(), &registry).expect("a request");
        return ExitCode::SUCCESS;
    }
    if std::env::args().nth(1).as_deref() == Some("bench") {
        let folder = std::env::args().nth(2).expect("a folder");
        bench(Path::new(&folder), &registry, &["sleeper"], (20.0, Shard::WHOLE));
        return ExitCode::SUCCESS;
    }
    let tests: [(&str, Test); 5] = [
        ("whatever_a_solver_does_costs_one_row", whatever_a_solver_does_costs_one_row),
        ("a_wrong_answer_is_never_ranked", a_wrong_answer_is_never_ranked),
        ("shards_are_the_whole", shards_are_the_whole),
        ("sizes_beyond_a_solver_are_left_out", sizes_beyond_a_solver_are_left_out),
        ("a_killed_bench_leaves_no_process_and_goes_on", a_killed_bench_leaves_no_process),
    ];
    for (name, test) in tests {
        test(&registry);
        println!("test {name} ... ok");
    }
    own_solver_is_measured();
    ExitCode::SUCCESS
}

/// Runs solvers on the suite with so many seconds, and as little grace.
fn bench(
    path: &Path,
    registry: &Registry<'_>,
    solvers: &[&str],
    (time_s, shard): (f64, Shard),
) -> Vec<Record> {
    bench_on(SUITE, path, registry, solvers, (time_s, shard))
}

/// The same on another suite.
fn bench_on(
    suite: &str,
    path: &Path,
    registry: &Registry<'_>,
    solvers: &[&str],
    (time_s, shard): (f64, Shard),
) -> Vec<Record> {
    let suite = Suite::parse("planted.toml", suite, registry).expect("it makes sense");
    let solvers: Vec<String> = solvers.iter().map(|&name| name.to_owned()).collect();
    let mut folder = Folder::create(path).expect("a new folder");
    let memory = Bytes(512 << 20);
    let bench = Bench {
        suites: &[suite],
        solvers: &solvers,
        seeds: &[0],
        allowance: Allowance { time_s, grace_s: 1.5, gap: 0.0, memory, cpu_s: 1.0, threads: 1 },
        shard,
        jobs: 1,
        pin: cfg!(target_os = "linux"),
        foreign_max: None,
        registry: *registry,
        program: &[std::env::current_exe().expect("this test has a path").into()],
        command: "planted",
    };
    bench.run(&mut folder, &AtomicBool::new(false), &mut |_| {}).expect("every trial is a row");
    folder.records().to_vec()
}

fn whatever_a_solver_does_costs_one_row(registry: &Registry<'_>) {
    let place = tempfile::tempdir().expect("a folder");
    let names = ["burner", "eater", "crasher", "panicker", "honest"];
    // These end by themselves, however busy the machine is.
    let mut records = bench(&place.path().join("all"), registry, &names, (60.0, Shard::WHOLE));
    records.extend(bench(
        &place.path().join("sleeper"),
        registry,
        &["sleeper"],
        (0.5, Shard::WHOLE),
    ));
    assert_eq!(records.len(), 2 * names.len() + 2);
    for record in &records {
        let expected = match record.solver.as_str() {
            "sleeper" => "killed 1.5 s past its limit of 0.5 s",
            "burner" => "died (signal: 24 (SIGXCPU)",
            "eater" => "memory allocation of",
            "crasher" => "died (signal: 11 (SIGSEGV)",
            "panicker" => "planted",
            _ => {
                assert!(matches!(record.verdict, Verdict::Optimal { .. }), "{record:?}");
                assert_eq!(record.cores.is_empty(), cfg!(not(target_os = "linux")), "{record:?}");
                continue;
            }
        };
        assert!(matches!(record.verdict, Verdict::Failed(_)), "{record:?}");
        assert!(record.reason().contains(expected), "{record:?}");
    }
}

fn a_wrong_answer_is_never_ranked(registry: &Registry<'_>) {
    let place = tempfile::tempdir().expect("a folder");
    let names = ["liar", "denier", "cheat", "honest"];
    let records = bench(&place.path().join("all"), registry, &names, (5.0, Shard::WHOLE));
    let summary = summarize(&reconciled(records)).remove(0);
    for solver in &summary.solvers {
        let expected = if solver.solver == "honest" { (0, 2, 2) } else { (2, 0, 0) };
        assert_eq!((solver.wrong, solver.proven, solver.plans), expected, "{solver:?}");
    }
    assert_eq!(summary.solvers[0].solver, "honest");
}

fn shards_are_the_whole(registry: &Registry<'_>) {
    let place = tempfile::tempdir().expect("a folder");
    let path = |name: &str| place.path().join(name);
    let part = |text: &str, name: &str| {
        let shard: Shard = text.parse().expect("a shard");
        bench(&path(name), registry, &["honest", "crasher"], (5.0, shard)).len()
    };
    assert_eq!((part("1/2", "one"), part("2/2", "two")), (2, 2));
    assert_eq!(merge(&[path("one"), path("two")], &path("merged")).expect("disjoint"), 4);
    // Going on from there, nothing is left to do.
    let whole = bench(&path("merged"), registry, &["honest", "crasher"], (5.0, Shard::WHOLE));
    assert_eq!(whole.len(), 4);
}

fn sizes_beyond_a_solver_are_left_out(registry: &Registry<'_>) {
    let place = tempfile::tempdir().expect("a folder");
    let text = "analysis = \"why\"\nsolvers = [\"honest\"]\ngrows = \"layers\"\n\
                [[family]]\nname = \"random\"\nlayers = [2, 3, 4, 5]\ndevices = [2]\n\
                seeds = [0, 1]\n";
    let run =
        || bench_on(text, place.path(), registry, &["sleeper", "honest"], (0.1, Shard::WHOLE));
    let layers = |records: &[Record], solver: &str| -> Vec<usize> {
        let own = records.iter().filter(|record| record.solver == solver);
        own.filter_map(|record| record.layers).collect()
    };
    let records = run();
    assert_eq!(layers(&records, "honest"), [2, 2, 3, 3, 4, 4, 5, 5]);
    assert_eq!(layers(&records, "sleeper"), [2, 2, 3, 3]);
    // Going on from there, they still are.
    assert_eq!(run().len(), records.len());
}

/// Starts a bench of its own process, kills it as `kill -9` does while a trial sleeps, and goes on.
fn a_killed_bench_leaves_no_process(registry: &Registry<'_>) {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("killed");
    let this = std::env::current_exe().expect("this test has a path");
    let mut started = Command::new(this).arg("bench").arg(&path).spawn().expect("it starts");
    let children = |id: u32| -> Vec<u32> {
        let list = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        // Children are listed by the thread that started them.
        let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
        let lists = threads.filter_map(|t| std::fs::read_to_string(t.path().join("children")).ok());
        lists
            .chain(list)
            .flat_map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|id| id.parse().ok())
            .collect()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut trial = children(started.id());
    while trial.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
        trial = children(started.id());
    }
    // While it runs, its folder is locked for other processes.
    let refused = Folder::create(&path).expect_err("it is locked").to_string();
    assert!(refused.contains(&format!("locked by process {} since", started.id())), "{refused}");
    // So that it has read its request, and asked to die with its parent.
    std::thread::sleep(Duration::from_millis(300));
    started.kill().expect("it runs");
    started.wait().expect("it ended");
    if cfg!(target_os = "linux") {
        let id = *trial.first().expect("a trial was running");
        let alive = || {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            !status.is_empty() && !status.contains("State:\tZ")
        };
        while alive() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(!alive(), "the trial outlives the bench that was killed");
    }
    assert!(Folder::create(&path).expect("readable").records().is_empty());
    let records = bench(&path, registry, &["honest"], (5.0, Shard::WHOLE));
    assert_eq!(records.len(), 2);
}

/// The example of the README: a solver that no registry has, beside those that it has.
fn own_solver_is_measured() {
    let this = std::env::current_exe().expect("this test has a path");
    let folder = this.ancestors().nth(2).expect("target/release");
    let example = folder.join("examples").join("own_solver");
    assert!(example.exists(), "cargo build --release --workspace --examples makes own_solver");
    let place = tempfile::tempdir().expect("a folder");
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench-data/suites/smoke.toml");
    let output = Command::new(example).arg(suite).arg(place.path()).output().expect("it starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("one-device: ") && printed.contains("fastest-first: "), "{printed}");
    let records = Folder::read(place.path()).expect("records");
    let own = records.iter().filter(|record| record.solver == "one-device");
    assert_eq!(own.filter(|record| record.counts()).count(), 4);
    println!("test own_solver_is_measured ... ok");
}
