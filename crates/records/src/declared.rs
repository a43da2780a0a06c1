//! The solvers as reports and suites know them: `bench-data/solvers.toml`.

use std::sync::LazyLock;

use edgeplan_files::{InputError, parse_toml};
use serde::Deserialize;

use crate::row::{Kind, Record};

const FILE: &str = "bench-data/solvers.toml";
const TEXT: &str = include_str!("../../../bench-data/solvers.toml");

/// All declared solvers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// In the order of tables and colours.
    pub solver: Vec<DeclaredSolver>,
    /// Rows that are to be recorded again.
    #[serde(default)]
    pub superseded: Vec<Superseded>,
}

/// Rows of solvers that have become better since in what they are given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Superseded {
    /// Of these questions.
    pub problem: Kind,
    /// Of these solvers.
    pub solvers: Vec<String>,
    /// Of these revisions, changed ones (`-dirty`) included.
    pub revisions: Vec<String>,
    /// What is wrong with the rows; follows "These rows".
    pub why: String,
}

impl Superseded {
    /// Whether a row is one of them.
    pub fn holds(&self, row: &Record) -> bool {
        row.problem == self.problem
            && self.solvers.contains(&row.solver)
            && self.revisions.iter().any(|revision| row.revision.starts_with(revision))
    }
}

/// A solver of one kind of question.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredSolver {
    /// Its name in the registry and in records.
    pub name: String,
    /// What it solves.
    pub problem: Kind,
    /// What a report calls it.
    pub label: String,
    /// Sets that suites name instead of all their members.
    #[serde(default)]
    pub sets: Vec<String>,
}

impl Declared {
    /// Parses such a file; `file` is named in errors.
    ///
    /// # Errors
    /// Syntax, unknown keys, and what is there twice; a set that is called like a solver.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let all: Self = parse_toml(file, text)?;
        for (index, solver) in all.solver.iter().enumerate() {
            let wrong = |key: &str, what: String| {
                Err(InputError::key(file, format!("solver[{index}].{key}"), what))
            };
            let same = |other: &&DeclaredSolver| {
                (&other.name, other.problem) == (&solver.name, solver.problem)
            };
            if all.solver[..index].iter().any(|other| same(&other)) {
                return wrong("name", format!("{} is there already", solver.name));
            }
            if let Some(set) =
                solver.sets.iter().find(|set| all.solver.iter().any(|s| s.name == **set))
            {
                return wrong("sets", format!("{set} is a solver's name; a set needs its own"));
            }
        }
        for (index, old) in all.superseded.iter().enumerate() {
            let known = |name: &String| all.of(old.problem).any(|solver| solver.name == *name);
            if let Some(name) = old.solvers.iter().find(|name| !known(name)) {
                let what = format!("{name} is no solver of {} questions", old.problem.word());
                return Err(InputError::key(file, format!("superseded[{index}].solvers"), what));
            }
        }
        Ok(all)
    }

    /// The solvers of that kind of question, in order.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &DeclaredSolver> + Clone {
        self.solver.iter().filter(move |solver| solver.problem == kind)
    }

    /// The members of a set for that kind of question, in order; none where there is no such set.
    pub fn set(&self, kind: Kind, set: &str) -> Vec<&str> {
        let member = |solver: &&DeclaredSolver| {
            solver.problem == kind && solver.sets.iter().any(|s| s == set)
        };
        self.solver.iter().filter(member).map(|solver| solver.name.as_str()).collect()
    }

    /// What a report calls a solver; its name where nothing is declared.
    pub fn label<'a>(&'a self, kind: Kind, name: &'a str) -> &'a str {
        let found = self.solver.iter().find(|solver| solver.problem == kind && solver.name == name);
        found.map_or(name, |solver| &solver.label)
    }

    /// Its place in the order, for tables and colours; undeclared ones come last.
    pub fn place(&self, kind: Kind, name: &str) -> usize {
        let mut own = self.of(kind);
        own.position(|solver| solver.name == name).unwrap_or(self.of(kind).count())
    }
}

/// The declared solvers of the workspace.
///
/// # Panics
/// When the embedded file makes no sense, which a test would have found.
pub fn declared() -> &'static Declared {
    static ALL: LazyLock<Declared> =
        LazyLock::new(|| Declared::parse(FILE, TEXT).expect("the embedded file is tested"));
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::row;

    #[test]
    fn mistakes_are_named() {
        let solver = "[[solver]]\nname = \"a\"\nproblem = \"deployment\"\nlabel = \"A\"\n";
        let old = "[[superseded]]\nproblem = \"deployment\"\nsolvers = [\"a\"]\nrevisions = []\n\
                   why = \"\"\n";
        assert!(Declared::parse("s.toml", &format!("{solver}{old}")).is_ok());
        let cases = [
            (format!("{solver}{solver}"), "s.toml: solver[1].name: a is there already"),
            (format!("{solver}sets = [\"a\"]"), "solver[0].sets: a is a solver's name"),
            (solver.replace("deployment", "deploymnt"), "did you mean `deployment`?"),
            (format!("{solver}set = []"), "did you mean `sets`?"),
            (
                format!("{solver}{}", old.replace("[\"a\"]", "[\"b\"]")),
                "superseded[0].solvers: b is no solver of deployment questions",
            ),
        ];
        for (text, expected) in cases {
            let error = Declared::parse("s.toml", &text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn superseded_rows_are_of_old_revisions_alone() {
        let old = &declared().superseded[0];
        let mut row = row("i", "highs");
        row.revision = "a60ca2e-dirty".into();
        assert!(old.holds(&row));
        let newer = Record { revision: "1234567".into(), ..row.clone() };
        let ours = Record { solver: "chain-search".into(), ..row.clone() };
        let other = Record { problem: Kind::Batching, ..row };
        assert!(![newer, ours, other].iter().any(|row| old.holds(row)));
    }

    #[test]
    fn sets_keep_their_order_and_kind() {
        let exact = declared().set(Kind::Deployment, "exact");
        assert!(exact.starts_with(&["chain-search", "highs", "cbc"]), "{exact:?}");
        assert_eq!(declared().label(Kind::Scheduling, "gus"), "GUS");
        assert_eq!(declared().label(Kind::Scheduling, "mine"), "mine");
        assert!(declared().set(Kind::Batching, "none").is_empty());
        assert!(
            declared().place(Kind::Deployment, "mine") > declared().place(Kind::Deployment, "cbc")
        );
    }
}
