//! Style is a test: which crate may know which, sizes of files, READMEs, and who calls solvers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use edgeplan_records::declared::declared;
use edgeplan_records::folder::Folder;
use edgeplan_records::row::Kind;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use walkdir::{DirEntry, WalkDir};

const LINES_MAX: usize = 450;
const COLUMNS_MAX: usize = 100;
const SOLVERS: [&str; 8] =
    ["batch-search", "dp", "greedy", "ilp", "joint", "rounding", "schedule-search", "search"];
/// Nothing that is not source lives here, so the parent's README speaks for them.
const CODE_FOLDERS: [&str; 4] = ["src", "tests", "benches", "examples"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace")
}

/// Every file of the workspace but hidden and built ones, by its path from the root.
fn files() -> Vec<PathBuf> {
    let wanted = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || entry.depth() == 1 && name == "target")
    };
    let entries = WalkDir::new(root()).into_iter().filter_entry(wanted).map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().strip_prefix(root()).unwrap().to_path_buf()).collect()
}

/// The files with one of these endings, and their text.
fn texts(endings: &[&str]) -> Vec<(String, String)> {
    let ending = |file: &Path| file.extension().is_some_and(|e| endings.iter().any(|n| e == *n));
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        (file.display().to_string(), text)
    };
    files().into_iter().filter(|file| ending(file)).map(read).collect()
}

/// What a member's manifest asks for.
struct Member {
    /// To build it.
    normal: BTreeSet<String>,
    /// To build or test it.
    all: BTreeSet<String>,
}

/// The members by manifest; their own crates are called `edgeplan-FOLDER`.
fn members() -> BTreeMap<String, Member> {
    let mut members = BTreeMap::new();
    for (file, text) in texts(&["toml"]) {
        if !file.ends_with("/Cargo.toml") {
            continue;
        }
        let manifest: toml::Table = text.parse().unwrap();
        let mut tables = vec![&manifest];
        if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
            tables.extend(targets.values().filter_map(toml::Value::as_table));
        }
        let names = |kinds: &[&str]| -> BTreeSet<String> {
            let found = tables.iter().flat_map(|t| kinds.iter().filter_map(|kind| t.get(*kind)));
            found.filter_map(toml::Value::as_table).flat_map(|t| t.keys().cloned()).collect()
        };
        let normal = names(&["dependencies", "build-dependencies"]);
        let all = names(&["dependencies", "build-dependencies", "dev-dependencies"]);
        members.insert(file, Member { normal, all });
    }
    members
}

fn manifest(folder: &str) -> String {
    format!("crates/{folder}/Cargo.toml")
}

/// Fails with one line per complaint.
fn settle(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Checks that none but these folders' manifests mention a dependency of which `which` is true.
fn only(folders: &[&str], which: impl Fn(&str) -> bool) {
    let allowed: Vec<String> = folders.iter().map(|folder| manifest(folder)).collect();
    let strangers = members().into_iter().filter(|(file, _)| !allowed.contains(file));
    settle(strangers.flat_map(|(file, member)| {
        let found = member.all.into_iter().filter(|name| which(name)).collect::<Vec<_>>();
        found.into_iter().map(move |name| format!("{file}: `{name}` is not for this crate"))
    }));
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
fn every_solver_is_declared_and_no_other() {
    let registered = [
        (Kind::Deployment, edgeplan_solvers::DEPLOYMENT.iter().map(|e| e.name).collect()),
        (Kind::Scheduling, edgeplan_solvers::SCHEDULING.iter().map(|e| e.name).collect()),
        (Kind::Batching, edgeplan_solvers::BATCHING.iter().map(|e| e.name).collect::<Vec<_>>()),
    ];
    for (kind, registered) in registered {
        let declared = declared().solver.iter().filter(|solver| solver.problem == kind);
        let declared: BTreeSet<&str> = declared.map(|solver| solver.name.as_str()).collect();
        let registered: BTreeSet<&str> = registered.into_iter().collect();
        let file = format!("bench-data/solvers.toml, {}", kind.word());
        settle(registered.symmetric_difference(&declared).map(|name| {
            let there = if declared.contains(name) { "is not registered" } else { "is missing" };
            format!("{file}: {name} {there}")
        }));
    }
}

#[test]
fn every_record_can_be_read_and_is_of_declared_solvers() {
    let folders: BTreeSet<PathBuf> = files()
        .into_iter()
        .filter(|file| file.starts_with("reports/record") && file.ends_with("records.csv"))
        .filter_map(|file| file.parent().map(Path::to_path_buf))
        .collect();
    assert!(folders.len() >= 2, "{folders:?}");
    for folder in folders {
        let records = Folder::read(&root().join(&folder)).unwrap();
        let unknown = records.iter().filter(|row| {
            declared().place(row.problem, &row.solver) >= declared().of(row.problem).count()
        });
        let unknown: BTreeSet<&str> = unknown.map(|row| row.solver.as_str()).collect();
        settle(unknown.into_iter().map(|name| format!("{}: {name}", folder.display())));
        let file = folder.join("machine.txt");
        let machine = std::fs::read_to_string(root().join(&file)).unwrap();
        assert!(machine.contains("command: ") && machine.contains("processor: "), "{file:?}");
    }
}

#[test]
fn validation_is_a_user_of_the_library() {
    let members = members();
    let known = &members[&manifest("validate")].normal;
    assert!(known.contains("edgeplan"));
    let solvers = SOLVERS.iter().filter(|name| known.contains(&member_name(name)));
    settle(solvers.map(|name| format!("{}: knows {name}", manifest("validate"))));
    only(&["validate"], |name| name == "ureq");
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

fn member_name(folder: &str) -> String {
    format!("edgeplan-{folder}")
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
    // And only the command line, the sweep of bits for loss, and fuzzing reach it through these.
    only(&["reference-llama", "kernels", "quality", "pareto", "cli", "fuzz"], |name| {
        own.iter().any(|o| name == member_name(o))
    });
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

#[test]
fn sources_are_short_and_narrow() {
    settle(texts(&["rs"]).into_iter().flat_map(|(file, text)| {
        let lines = text.lines().count();
        let long = (lines > LINES_MAX).then(|| format!("{file}: {lines} lines"));
        let wide = text.lines().enumerate().filter_map(|(index, line)| {
            let columns = line.chars().count();
            (columns > COLUMNS_MAX).then(|| format!("{file}:{}: {columns} columns", index + 1))
        });
        long.into_iter().chain(wide).collect::<Vec<_>>()
    }));
}

/// Arguments, progress and files, and commands as functions for other languages; what else the
/// command line did is a library's.
const LINES_OF_CLI_MAX: usize = 4000;

#[test]
fn the_command_line_is_thin() {
    let sources = texts(&["rs"]).into_iter().filter(|(file, _)| file.starts_with("crates/cli/src"));
    let lines: usize = sources.map(|(_, text)| text.lines().count()).sum();
    assert!((1000..=LINES_OF_CLI_MAX).contains(&lines), "crates/cli/src: {lines} lines");
}

#[test]
fn every_public_item_of_the_library_has_an_example_or_a_link_to_one() {
    let library = |file: &str| file.starts_with("crates/edgeplan/src");
    let mut seen = 0;
    settle(texts(&["rs"]).into_iter().filter(|(file, _)| library(file)).flat_map(
        |(file, text)| {
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let (mut doc, mut bare) = (String::new(), Vec::new());
            for line in text.lines().map(str::trim) {
                let kinds = ["fn ", "struct ", "enum ", "trait ", "type ", "const "];
                let item = line
                    .strip_prefix("pub ")
                    .filter(|rest| kinds.iter().any(|k| rest.starts_with(k)));
                if line.starts_with("///") {
                    doc += line;
                } else if let Some(item) = item {
                    seen += 1;
                    if !["```", "See [", "See the ["].iter().any(|sign| doc.contains(sign)) {
                        bare.push(format!("{file}: {item}"));
                    }
                }
                // Attributes stand between an item and its words.
                if !line.starts_with("///") && !line.starts_with("#[") {
                    doc.clear();
                }
            }
            bare
        },
    ));
    assert!(seen > 100, "the test finds items: {seen}");
}

#[test]
fn every_folder_says_what_it_is_for() {
    let files = files();
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let code = |folder: &Path| {
        // The first part is left out: the folder `tests` of the workspace is a member.
        folder.iter().skip(1).any(|part| CODE_FOLDERS.iter().any(|name| part == *name))
    };
    let silent = folders.into_iter().filter(|folder| !code(folder));
    let silent = silent.filter(|folder| !files.contains(&folder.join("README.md")));
    settle(silent.map(|folder| format!("{}: no README.md", folder.display())));
}

#[test]
fn links_of_pages_lead_somewhere() {
    let mut seen = 0;
    let mut lost = Vec::new();
    for (file, text) in texts(&["md"]) {
        let folder = root().join(&file).parent().expect("files are in folders").to_path_buf();
        for (target, _) in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let path = target.split('#').next().unwrap_or(target);
            if path.is_empty() || path.contains("://") {
                continue;
            }
            seen += 1;
            if !folder.join(path).exists() {
                lost.push(format!("{file}: {path} is not there"));
            }
        }
    }
    assert!(seen > 100, "the test finds links: {seen}");
    settle(lost);
}

#[test]
fn nothing_is_left_to_do() {
    // In halves, because this file is read too.
    let words =
        [["TO", "DO"], ["FIX", "ME"], ["to", "do!"], ["unimpl", "emented!"], ["#[ig", "nore"]];
    let words = words.map(|halves| halves.concat());
    settle(texts(&["rs", "toml", "md"]).into_iter().flat_map(|(file, text)| {
        let found = words.iter().filter(|word| text.contains(*word));
        found.map(|word| format!("{file}: {word}")).collect::<Vec<_>>()
    }));
}

#[test]
fn only_the_judge_runs_solvers() {
    // The judge, and the race of several solvers, whose answer it judges.
    let judge = "crates/problem/src/verdict.rs";
    let race = "crates/problem/src/race.rs";
    let tried =
        |file: &str| Path::new(file).iter().any(|part| part == "tests" || part == "benches");
    let sources = texts(&["rs"]);
    let callers: Vec<&str> = (sources.iter().filter(|(file, _)| !tried(file)))
        .filter(|(_, text)| calls_a_solver(text.parse().expect("the compiler read it")))
        .map(|(file, _)| file.as_str())
        .collect();
    assert!(callers.contains(&judge), "{judge}: calls no solver, so this test finds nothing");
    let others = callers.into_iter().filter(|file| ![judge, race].contains(file));
    settle(
        others.map(|file| format!("{file}: calls Solver::solve; `edgeplan_problem::solve` judges")),
    );
}

/// Whether `.solve(run)` or `Type::solve(solver, run)` is called anywhere, in macros too. Engines
/// are not meant: their `solve` takes three arguments, or none.
fn calls_a_solver(tokens: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let inside = tokens.iter().any(|token| match token {
        TokenTree::Group(group) => calls_a_solver(group.stream()),
        _ => false,
    });
    inside || (0..tokens.len()).any(|index| is_call(&tokens[..index], &tokens[index..]))
}

/// Whether a call of a solver stands between these tokens and those.
fn is_call(before: &[TokenTree], after: &[TokenTree]) -> bool {
    let [TokenTree::Ident(name), TokenTree::Group(group), ..] = after else { return false };
    if name != "solve" || group.delimiter() != Delimiter::Parenthesis {
        return false;
    }
    let before: Vec<String> = before.iter().rev().take(3).map(ToString::to_string).collect();
    match before.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [".", ..] => arguments(group) == 1,
        // A type or a trait, not a module.
        [":", ":", owner] => {
            arguments(group) == 2 && (owner == ">" || owner.starts_with(char::is_uppercase))
        }
        _ => false,
    }
}

/// How many arguments a call has.
fn arguments(group: &Group) -> usize {
    let tokens: Vec<String> = group.stream().into_iter().map(|token| token.to_string()).collect();
    let commas = tokens.iter().filter(|token| *token == ",").count();
    let trailing = usize::from(tokens.last().is_some_and(|token| token == ","));
    if tokens.is_empty() { 0 } else { 1 + commas - trailing }
}

#[test]
fn calls_of_solvers_are_recognised() {
    let cases = [
        ("solver.solve(&mut run)", true),
        ("assert!(self.inner . solve(run,).is_ok())", true),
        ("let x = Solver::solve(&inner, run);", true),
        ("<T as Solver<P>>::solve(inner, run)", true),
        ("engine.solve(&program, &request, &mut watch)", false),
        ("model.solve()", false),
        ("callback::solve(model, &mut listener)", false),
        ("solve(problem, solver, limits, observer)", false),
        ("fn solve(&self, run: &mut Run<'_, P>) {}", false),
        ("// solver.solve(run)", false),
    ];
    for (code, expected) in cases {
        assert_eq!(calls_a_solver(code.parse().unwrap()), expected, "{code}");
    }
}
