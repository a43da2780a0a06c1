//! What is declared is registered, and every record is of declared solvers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use edgeplan_records::declared::declared;
use edgeplan_records::folder::Folder;
use edgeplan_records::row::Kind;

use super::{files, root, settle};

#[test]
fn every_declared_solver_is_registered() {
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
        // A solver that is tried out needs neither label nor sets.
        settle(declared.difference(&registered).map(|name| format!("{file}: no solver {name}")));
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
