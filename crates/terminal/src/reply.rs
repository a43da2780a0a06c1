//! What a command has to say, and how that reaches the terminal.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use edgeplan_files::{check_writable, to_json, visible, write_atomic};
use edgeplan_problem::Outcome;
use serde::Serialize;

use crate::paint::{error_label, painted};
pub use crate::started::command_line;

/// What a command prints, and how it ends.
#[derive(Debug)]
pub struct Reply {
    text: String,
    /// Whether it is for people, who see colours.
    painted: bool,
    ending: Ending,
}

/// How a command ends: its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// With what was asked for: 0.
    Found = 0,
    /// Without: 1. An error ends with 2.
    NotFound = 1,
    /// With a solver's answer that contradicts itself or another one: 3.
    Wrong = 3,
}

/// The exit code of an error.
fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        Some(edgeplan::Error::Wrong { .. }) => Ending::Wrong as u8,
        _ => 2,
    }
}

/// Writes a record to a file, if one is asked for, below the command that made it.
///
/// # Errors
/// A file that cannot be written.
pub fn write_record(out: Option<&Path>, text: &str) -> Result<()> {
    match out {
        Some(path) => Ok(write_atomic(path, &format!("# {}\n{text}", command_line()))?),
        None => Ok(()),
    }
}

/// Refuses files that could not be written, before long work.
///
/// # Errors
/// The first of them.
pub fn check_all<'a>(paths: impl IntoIterator<Item = Option<&'a PathBuf>>) -> Result<()> {
    Ok(paths.into_iter().flatten().try_for_each(|path| check_writable(path))?)
}

impl Reply {
    /// Text for people. Names come from files, so control characters in them are made visible.
    pub fn text(text: &str) -> Self {
        let lines = text.trim_end().split('\n').flat_map(|line| [visible(line), "\n".into()]);
        Self { painted: true, ..Self::raw(lines.collect()) }
    }

    /// Data for programs.
    pub fn json(value: &impl Serialize) -> Self {
        Self::raw(to_json(value))
    }

    /// JSON if that was asked for, else text.
    pub fn either(json: bool, value: &impl Serialize, text: &str) -> Self {
        if json { Self::json(value) } else { Self::text(text) }
    }

    /// The same of a value that is both.
    pub fn shown(json: bool, value: &(impl Serialize + Display)) -> Self {
        if json { Self::json(value) } else { Self::text(&value.to_string()) }
    }

    /// A file's text: printed as it is, or written to `out`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn file(text: String, out: Option<&Path>) -> Result<Self> {
        match out {
            Some(path) => write_atomic(path, &text)?,
            None => return Ok(Self::raw(text)),
        }
        Ok(Self::raw(String::new()))
    }

    /// Exactly this text.
    pub fn raw(text: String) -> Self {
        Self { text, painted: false, ending: Ending::Found }
    }

    /// Ends as a solver's answer says.
    pub fn of<P>(self, outcome: &Outcome<P>) -> Self {
        self.found(outcome.cost().is_some()).wrong(outcome.verdict.is_wrong())
    }

    /// Ends as the best of solvers' answers says, and as the worst one does if that is wrong.
    pub fn of_all<P>(self, outcomes: &[(&str, Outcome<P>)]) -> Self {
        let found = outcomes.iter().any(|(_, outcome)| outcome.cost().is_some());
        self.found(found).wrong(outcomes.iter().any(|(_, outcome)| outcome.verdict.is_wrong()))
    }

    /// Says whether there was an answer; the exit code is 1 if not.
    pub fn found(self, found: bool) -> Self {
        Self { ending: if found { Ending::Found } else { Ending::NotFound }, ..self }
    }

    /// Says whether some solver's answer is wrong, whatever else was found; the exit code is 3 if
    /// so.
    pub fn wrong(self, wrong: bool) -> Self {
        if wrong { Self { ending: Ending::Wrong, ..self } } else { self }
    }

    /// Prints it, and returns the exit code.
    ///
    /// # Errors
    /// When standard output takes no more, unless the reader has closed it.
    pub fn print(self) -> Result<u8> {
        let written = match self.painted {
            true => {
                let mut out = anstream::stdout().lock();
                out.write_all(painted(&self.text).as_bytes()).and_then(|()| out.flush())
            }
            false => {
                let mut out = std::io::stdout().lock();
                out.write_all(self.text.as_bytes()).and_then(|()| out.flush())
            }
        };
        match written {
            // A closed pipe is no error: the reader has what it wanted.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(error).context("standard output")
            }
            _ => Ok(self.ending as u8),
        }
    }
}

/// Prints an error, and returns its exit code.
pub fn print_error(error: &anyhow::Error) -> u8 {
    // If this fails, too, there is no other place to report to.
    let text = format!("{error:#}");
    // Some errors quote files, and a terminal obeys what it is shown.
    let lines: Vec<_> = text.lines().map(visible).collect();
    let _ = writeln!(anstream::stderr(), "{} {}", error_label(), lines.join("\n"));
    exit_code(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan::believed;
    use edgeplan_problem::{Contradiction, Cost, Verdict};

    #[test]
    fn a_wrong_answer_ends_otherwise_than_none_and_than_an_error() {
        let ending = |reply: Reply| reply.ending as u8;
        let reply = || Reply::text("");
        assert_eq!(ending(reply().found(true).wrong(false)), 0);
        assert_eq!(ending(reply().found(false).wrong(false)), 1);
        assert_eq!(ending(reply().found(true).wrong(true)), 3);
        assert_eq!(ending(reply().found(false).wrong(true)), 3);
        let by = "its own plan".to_owned();
        let why = Contradiction::BoundAboveCost { bound: Cost(2), cost: Cost(1), by };
        let outcome = |verdict| Outcome::<()> {
            verdict,
            plan: Some(()),
            elapsed: std::time::Duration::ZERO,
            stopped: None,
            work: std::collections::BTreeMap::new(),
        };
        let error = believed("s", outcome(Verdict::Wrong(why))).map(|_| ()).expect_err("is wrong");
        let error = anyhow::Error::from(error);
        assert_eq!(exit_code(&error.context("more words")), 3);
        assert_eq!(exit_code(&anyhow::anyhow!("another error")), 2);
        assert!(believed("s", outcome(Verdict::Infeasible)).is_ok());
    }

    #[test]
    fn names_cannot_paint_the_terminal() {
        assert_eq!(Reply::text("a\u{1b}[31mb\n\n").text, "a\\u{1b}[31mb\n");
    }
}
