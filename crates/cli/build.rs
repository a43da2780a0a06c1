//! Bakes the revision that records name into the build.

use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn main() {
    // Sources without a repository, such as those of a container, have their revision from here.
    let told = std::env::var("EDGEPLAN_REVISION").ok().filter(|told| !told.is_empty());
    println!("cargo::rerun-if-env-changed=EDGEPLAN_REVISION");
    let revision = told.or_else(|| git(&["describe", "--always", "--dirty", "--exclude=*"]));
    println!("cargo::rustc-env=EDGEPLAN_REVISION={}", revision.as_deref().unwrap_or("unknown"));
    // A commit or checkout writes the log; an edit of any crate makes the tree dirty.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rerun-if-changed=..");
}
