//! Which crate may know which, from the manifests.

use std::collections::BTreeSet;

use super::{Member, manifest, members, settle};

const SOLVERS: [&str; 8] =
    ["batch-search", "dp", "greedy", "ilp", "joint", "rounding", "schedule-search", "search"];

/// Checks that none but these folders' manifests mention a dependency of which `which` is true.
fn only(folders: &[&str], which: impl Fn(&str) -> bool) {
    let allowed: Vec<String> = folders.iter().map(|folder| manifest(folder)).collect();
    let strangers = members().into_iter().filter(|(file, _)| !allowed.contains(file));
    settle(strangers.flat_map(|(file, member)| {
        let found = member.all.into_iter().filter(|name| which(name)).collect::<Vec<_>>();
        found.into_iter().map(move |name| format!("{file}: `{name}` is not for this crate"))
    }));
}

fn member_name(folder: &str) -> String {
    format!("edgeplan-{folder}")
}

#[test]
fn the_problem_depends_on_no_member() {
    let members = members();
    let own = members[&manifest("problem")].all.iter().filter(|n| n.starts_with("edgeplan"));
    settle(own.map(|name| format!("{}: `{name}`; no member is allowed", manifest("problem"))));
}

#[test]
fn rooms_know_only_those_below() {
    let members = members();
    let rooms = [
        ("cost-model", &["problem"][..]),
        ("files", &["problem"][..]),
        ("model", &["problem", "files"][..]),
        ("machines", &["problem", "files", "model", "measure", "cost-model"][..]),
        ("pricing", &["problem", "files", "model", "measure", "cost-model", "machines"][..]),
        ("records", &["problem", "files"][..]),
        ("report", &["problem", "files", "records"][..]),
        ("simulator", &["problem", "files"][..]),
        ("runtimes", &["problem", "files", "model", "machines", "pricing"][..]),
    ];
    for (folder, below) in rooms {
        let below: Vec<String> = below.iter().map(|name| member_name(name)).collect();
        let known = members[&manifest(folder)].normal.iter();
        let others = known.filter(|n| n.starts_with("edgeplan") && !below.contains(n));
        settle(others.map(|name| format!("{}: `{name}` is not for it", manifest(folder))));
    }
    only(&["runtimes"], |name| name.contains("yaml") || name.contains("saphyr"));
}

#[test]
fn validation_is_a_user_of_the_library() {
    let members = members();
    let known = &members[&manifest("validate")].normal;
    assert!(known.contains("edgeplan"));
    let solvers = SOLVERS.iter().filter(|name| known.contains(&member_name(name)));
    settle(solvers.map(|name| format!("{}: knows {name}", manifest("validate"))));
    only(&["validate", "engine-profile"], |name| name == "ureq");
}

#[test]
fn nothing_builds_on_the_service_but_the_command_line_and_tests() {
    let knows = |member: &Member| member.normal.contains(&member_name("service"));
    let members = members();
    let who: Vec<&String> =
        members.iter().filter(|(_, member)| knows(member)).map(|(file, _)| file).collect();
    assert_eq!(who, [&manifest("cli"), &manifest("fuzz"), "tests/Cargo.toml"]);
}

#[test]
fn solvers_know_neither_each_other_nor_files() {
    let members = members();
    let present = SOLVERS.iter().filter(|name| members.contains_key(&manifest(name)));
    assert!(present.clone().count() >= 4);
    settle(present.flat_map(|name| {
        let forbidden = |other: &&&str| **other != *name && (*name, **other) != ("rounding", "ilp");
        let others = SOLVERS.iter().filter(move |other| forbidden(other));
        let others = others.chain(&["files", "model", "pricing", "harness", "solvers"]);
        let found = others.filter(|n| members[&manifest(name)].normal.contains(&member_name(n)));
        found.map(move |other| format!("{}: knows {other}", manifest(name)))
    }));
}

#[test]
fn native_engines_have_one_door_each() {
    only(&["mip"], |name| name.starts_with("highs") || name == "good_lp");
    only(&["cbc"], |name| name.starts_with("coin_cbc"));
}

#[test]
fn candle_stays_with_those_that_run_kernels() {
    let own = ["reference-llama", "kernels", "quality"];
    only(&own, |name| name.starts_with("candle"));
    // And only the command line, the sweep of bits for loss, profiles of engines, whose models are
    // made, and fuzzing reach it through these.
    let through = ["pareto", "engine-profile", "cli", "fuzz"];
    only(&[&own[..], &through].concat(), |name| own.iter().any(|o| name == member_name(o)));
}

/// What building a member builds: the members among it, itself included, and all other crates that
/// these name.
fn builds(folder: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let members = members();
    let (mut own, mut foreign) = (BTreeSet::new(), BTreeSet::new());
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        if !own.insert(folder.clone()) {
            continue;
        }
        for name in &members[&manifest(&folder)].normal {
            let member = name.strip_prefix("edgeplan-");
            match member.or((name == "edgeplan").then_some("edgeplan")) {
                Some(member) => open.push(member.to_owned()),
                None => drop(foreign.insert(name.clone())),
            }
        }
    }
    (own, foreign)
}

#[test]
fn who_needs_no_engine_builds_none() {
    let engine = |name: &&String| {
        ["candle", "highs", "good_lp", "coin_cbc"].iter().any(|engine| name.starts_with(engine))
    };
    // Else this test would find nothing.
    assert!(builds("kernels").1.iter().any(|name| name.starts_with("candle")));
    assert!(builds("ilp").1.iter().any(|name| name.starts_with("highs")));
    let engineless = [
        "search",
        "batch-search",
        "schedule-search",
        "dp",
        "greedy",
        "files",
        "pricing",
        "families",
        "link",
        "records",
        "report",
    ];
    for folder in engineless.into_iter().chain(["runtimes"]) {
        let (own, foreign) = builds(folder);
        settle(foreign.iter().filter(engine).map(|name| {
            let members = own.iter().cloned().collect::<Vec<_>>().join(", ");
            format!("{}: builds `{name}`, through one of {members}", manifest(folder))
        }));
    }
    // Nor do solvers and kernels build each other: a profile needs no HiGHS, a plan no candle.
    for (folder, engine) in [("kernels", "highs"), ("solvers", "candle")] {
        let foreign = builds(folder).1.into_iter().filter(|name| name.starts_with(engine));
        settle(foreign.map(|name| format!("{folder}: {name}")));
    }
}
