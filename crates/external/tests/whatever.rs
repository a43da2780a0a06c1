//! Whatever a program does is a verdict, in time, and leaves nothing behind.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use edgeplan_external::External;
use edgeplan_families::{Random, random};
use edgeplan_files::deployment::PlanFile;
use edgeplan_files::to_json;
use edgeplan_problem::deployment::{Assignment, Deployment, Plan};
use edgeplan_problem::{
    Contradiction, Cost, Limits, Outcome, Problem as _, Silent, Verdict, solve,
};

/// A question, a plan of it and its cost, and a folder for scripts.
struct Place {
    folder: tempfile::TempDir,
    instance: Deployment,
    cost: Cost,
}

const CLAIM: &str = "\"schema\": \"edgeplan-claim/1\"";

impl Place {
    fn new() -> Self {
        let instance = random(&Random { layers: 4, devices: 3, ..Random::default() });
        let folder = tempfile::tempdir().unwrap();
        let (cost, plan) = instance.brute_force().expect("it has a plan");
        let text = to_json(&PlanFile::new(&instance, &plan));
        std::fs::write(folder.path().join("good.json"), text).unwrap();
        let wrong = Plan::single(vec![Assignment::default(); 4]);
        assert!(!instance.evaluate(&wrong).is_feasible(), "not all layers fit one device");
        let text = to_json(&PlanFile::new(&instance, &wrong));
        std::fs::write(folder.path().join("wrong.json"), text).unwrap();
        Self { cost, instance, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A script that is told its folder as `$here`, and its files as `$instance`, `$plan` and
    /// `$claim`.
    fn script(&self, name: &str, text: &str) -> External {
        let head = "here=$0 instance=$1 plan=$2 claim=$3\necho \"$plan\" > \"$here/where\"\n";
        std::fs::write(self.path(name), format!("{head}{text}\n")).unwrap();
        let here = self.folder.path().display();
        let script = self.path(name);
        let text = format!("sh -c '. {}' {here} {{instance}} {{plan}} {{claim}}", script.display());
        External::new(&text, Path::new(".")).expect("a command")
    }

    /// Runs a script, and checks that its folder is gone.
    fn run(&self, text: &str, time: f64) -> Outcome<Plan> {
        self.run_until(
            text,
            Limits { time: Some(Duration::from_secs_f64(time)), ..Limits::default() },
        )
    }

    fn run_until(&self, text: &str, limits: Limits<'_>) -> Outcome<Plan> {
        let external = self.script("script.sh", text);
        let outcome = solve(&self.instance, &external, limits, &mut Silent);
        let plan = std::fs::read_to_string(self.path("where")).expect("the script ran");
        let folder = Path::new(plan.trim()).parent().expect("a plan is in a folder");
        assert!(!folder.exists(), "{} is left behind", folder.display());
        outcome
    }

    fn failure(&self, text: &str, time: f64) -> String {
        match self.run(text, time).verdict {
            Verdict::Failed(reason) => reason,
            verdict => panic!("{text}: {verdict:?}"),
        }
    }
}

const LONG: f64 = 60.0;

#[test]
fn a_plan_and_a_claim_are_judged() {
    let place = Place::new();
    let cost = place.cost;
    let outcome = place.run("cp \"$here/good.json\" \"$plan\"", LONG);
    assert_eq!(outcome.verdict, Verdict::Feasible { cost, lower_bound: None });

    let bound = |bound: u64| {
        format!(
            "cp \"$here/good.json\" \"$plan\"; echo '{{{CLAIM}, \"lower_bound\": {bound}, \
                 \"nodes\": 7, \"iterations\": 8}}' > \"$claim\""
        )
    };
    let outcome = place.run(&bound(cost.0), LONG);
    assert_eq!(outcome.verdict, Verdict::Optimal { cost, lower_bound: cost });
    assert_eq!((outcome.work["nodes"], outcome.work["iterations"]), (7, 8));
    let outcome = place.run(&bound(cost.0 + 1), LONG);
    let why =
        Contradiction::BoundAboveCost { bound: Cost(cost.0 + 1), cost, by: "its own plan".into() };
    assert_eq!(outcome.verdict, Verdict::Wrong(why));

    let outcome = place.run(&format!("echo '{{{CLAIM}, \"lower_bound\": 3}}' > \"$claim\""), LONG);
    assert_eq!(outcome.verdict, Verdict::Unknown { lower_bound: Some(Cost(3)) });
    let none = format!("echo '{{{CLAIM}, \"infeasible\": true}}' > \"$claim\"");
    assert_eq!(place.run(&none, LONG).verdict, Verdict::Infeasible);
    let both = place.run(&format!("cp \"$here/good.json\" \"$plan\"; {none}"), LONG);
    assert!(
        matches!(both.verdict, Verdict::Wrong(Contradiction::NotInfeasible { .. })),
        "{both:?}"
    );

    // Of a plan without a fingerprint only the names count.
    let bare = "grep -v '\"instance\":' \"$here/good.json\" > \"$plan\"";
    assert_eq!(place.run(bare, LONG).verdict.cost(), Some(cost));
    // A feasible plan in between does not excuse an infeasible one at the end.
    let wrong = "cp \"$here/good.json\" \"$plan\"; sleep 0.5; cp \"$here/wrong.json\" \"$plan\"";
    let outcome = place.run(wrong, LONG);
    let infeasible = matches!(outcome.verdict, Verdict::Wrong(Contradiction::InfeasiblePlan(_)));
    assert!(infeasible, "{outcome:?}");
}

#[test]
fn failures_name_the_command_the_status_and_the_last_words() {
    let place = Place::new();
    let cases = [
        ("exit 0", "ended without a plan and without a claim"),
        ("echo 'all is well'", "ended without a plan and without a claim: all is well"),
        ("echo a >&2; echo b >&2; echo c >&2; echo d >&2; exit 3", "exit status: 3: b | c | d"),
        (
            "cp \"$here/good.json\" \"$plan\"; echo no licence >&2; exit 1",
            "exit status: 1: no licence",
        ),
        ("kill -s SEGV $$", "signal: 11"),
        ("head -c 150 \"$here/good.json\" > \"$plan\"", "layers[0]: EOF while parsing"),
        ("printf '\\377' > \"$plan\"", "plan: this is no text; UTF-8 is needed"),
        ("echo '[]' > \"$plan\"", "plan: "),
        (": > \"$plan\"", "plan: EOF while parsing"),
        ("mkdir \"$plan\"", "plan: is no file"),
        ("mkfifo \"$plan\"", "plan: is no file"),
        ("truncate -s 65M \"$plan\"", "longer than 64"),
        (
            "sed 's/\"instance\": \"[0-9a-f]*/\"instance\": \"00/' \"$here/good.json\" > \"$plan\"",
            "plan: instance: made for instance 00, this is ",
        ),
        ("sed 's/device-0/unknown/' \"$here/good.json\" > \"$plan\"", "no device unknown"),
        (
            "echo '{\"schema\": \"edgeplan-claim/1\", \"lower_bound\": 1e3}' > \"$claim\"",
            "claim: lower_bound",
        ),
        ("echo '{\"lower_bound\": 3}' > \"$claim\"", "claim: missing field `schema`"),
    ];
    for (text, expected) in cases {
        let reason = place.failure(text, LONG);
        assert!(reason.starts_with("`sh -c '. ") && reason.contains(expected), "{text}: {reason}");
    }
    let missing = External::new("no-such-program {instance} {plan}", Path::new(".")).unwrap();
    let outcome = solve(&place.instance, &missing, Limits::default(), &mut Silent);
    let Verdict::Failed(reason) = outcome.verdict else { panic!("{outcome:?}") };
    let expected = "`no-such-program {instance} {plan}`: no-such-program does not start: ";
    assert!(reason.starts_with(expected), "{reason}");
}

#[test]
fn what_hangs_is_killed_and_what_it_had_found_counts() {
    let place = Place::new();
    let started = Instant::now();
    let reason = place.failure("echo still thinking >&2; sleep 1000", 0.3);
    let expected = "killed 2 s past its limit, without a feasible plan: still thinking";
    assert!(reason.contains(expected), "{reason}");
    let outcome = place.run(
        &format!(
            "cp \"$here/good.json\" \"$plan\"; echo '{{{CLAIM}, \"lower_bound\": 3}}' \
                  > \"$claim\"; trap '' TERM INT; sleep 1000 & wait"
        ),
        0.3,
    );
    let lower_bound = Some(Cost(3));
    assert_eq!(outcome.verdict, Verdict::Feasible { cost: place.cost, lower_bound });
    assert_eq!(outcome.stopped, Some(edgeplan_problem::Stop::Time));
    // Half a plan at the end takes nothing from the whole one before.
    let halved = "cp \"$here/good.json\" \"$plan\"; sleep 0.5; \
                  head -c 99 \"$here/good.json\" > \"$plan\"; sleep 1000";
    assert_eq!(place.run(halved, 1.0).verdict.cost(), Some(place.cost));
    assert!(started.elapsed() < Duration::from_secs(50), "{:?}", started.elapsed());
}

#[test]
fn output_without_end_is_not_kept() {
    let place = Place::new();
    for text in ["yes", "yes >&2", "yes >&2 & yes"] {
        let reason = place.failure(text, LONG);
        assert!(reason.contains("killed: it wrote more than 64 MiB of output"), "{reason}");
    }
    let reason = place.failure("truncate -s 1G \"$plan\"; sleep 1000", LONG);
    assert!(reason.contains("killed: its plan or claim is longer than 64 MiB"), "{reason}");
    // Less is no harm.
    let outcome = place.run("yes | head -c 20000000; cp \"$here/good.json\" \"$plan\"", LONG);
    assert_eq!(outcome.verdict.cost(), Some(place.cost));
}

/// Whether a process is there, and no zombie.
fn alive(id: &str) -> bool {
    let state = std::process::Command::new("ps").args(["-o", "stat=", "-p", id]).output().unwrap();
    let state = String::from_utf8_lossy(&state.stdout).into_owned();
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

fn dies(id: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while alive(id) {
        assert!(Instant::now() < deadline, "process {id} is left behind");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn no_child_of_a_program_outlives_it() {
    let place = Place::new();
    // It holds the pipes open after its parent has ended well.
    let text = "sleep 1000 & echo $! > \"$here/child\"; cp \"$here/good.json\" \"$plan\"";
    let started = Instant::now();
    assert_eq!(place.run(text, LONG).verdict.cost(), Some(place.cost));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    dies(std::fs::read_to_string(place.path("child")).unwrap().trim());
}

#[test]
fn an_interrupt_ends_it_with_what_it_had_found() {
    let place = Place::new();
    let interrupt = AtomicBool::new(false);
    let limits = Limits { interrupt: Some(&interrupt), ..Limits::default() };
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !place.path("ready").exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            interrupt.store(true, Ordering::Relaxed);
        });
        place.run_until("cp \"$here/good.json\" \"$plan\"; : > \"$here/ready\"; sleep 1000", limits)
    });
    assert_eq!(outcome.verdict, Verdict::Feasible { cost: place.cost, lower_bound: None });
    assert_eq!(outcome.stopped, Some(edgeplan_problem::Stop::Interrupted));
}
