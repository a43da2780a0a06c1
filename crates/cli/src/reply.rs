//! What a command has to say, and how that reaches the terminal.

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use edgeplan_instances::file::{to_json, visible, write_atomic};
use serde::Serialize;

/// What a command prints, and whether it found what was asked for.
pub(crate) struct Reply {
    text: String,
    found: bool,
}

impl Reply {
    /// Text for people. Names come from files, so control characters in them are made visible.
    pub(crate) fn text(text: &str) -> Self {
        Self::raw(
            text.trim_end().split('\n').flat_map(|line| [visible(line), "\n".into()]).collect(),
        )
    }

    /// Data for programs.
    pub(crate) fn json(value: &impl Serialize) -> Self {
        Self::raw(to_json(value))
    }

    /// JSON if that was asked for, else text.
    pub(crate) fn either(json: bool, value: &impl Serialize, text: &str) -> Self {
        if json { Self::json(value) } else { Self::text(text) }
    }

    /// A file's text: printed as it is, or written to `out`.
    pub(crate) fn file(text: String, out: Option<&Path>) -> Result<Self> {
        match out {
            Some(path) => write_atomic(path, &text)?,
            None => return Ok(Self::raw(text)),
        }
        Ok(Self::raw(String::new()))
    }

    /// Exactly this text.
    pub(crate) fn raw(text: String) -> Self {
        Self { text, found: true }
    }

    /// Says whether there was an answer; the exit code is 1 if not.
    pub(crate) fn found(self, found: bool) -> Self {
        Self { found, ..self }
    }

    /// Prints it.
    pub(crate) fn print(self) -> Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        match out.write_all(self.text.as_bytes()).and_then(|()| out.flush()) {
            // Whoever closed the pipe has read enough.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(error).context("standard output")
            }
            _ => Ok(if self.found { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_paint_the_terminal() {
        assert_eq!(Reply::text("a\u{1b}[31mb\n\n").text, "a\\u{1b}[31mb\n");
    }
}
