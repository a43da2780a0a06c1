//! Sensitivity files that grow by whole lines, so that a measurement may be broken off and go on.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use edgeplan_files::{InputError, read_text};
use edgeplan_model::sensitivity::measured::{Header, MeasuredSensitivity};

/// What is there already, if it is about the same.
///
/// # Errors
/// A file that cannot be read, or one about another model, text or context.
pub fn read(out: &Path, header: &Header) -> Result<Option<MeasuredSensitivity>, InputError> {
    if !out.exists() {
        return Ok(None);
    }
    let sensed = MeasuredSensitivity::parse(&out.display().to_string(), &read_text(out)?)?;
    let there = Header { loss_nats: None, ..sensed.header.clone() };
    if there != *header {
        let says = |header: &Header| {
            let Header { model, tokens, source, context, origin, .. } = header;
            let origin = origin.as_deref().unwrap_or("candle");
            format!("{model} on {tokens} tokens of {source} in windows of {context} by {origin}")
        };
        let problem = format!("is about {}; this is {}", says(&there), says(header));
        return Err(InputError::file(out.display().to_string(), problem));
    }
    Ok(Some(sensed))
}

/// A file that grows by whole lines.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens a file, cuts off what is no whole line, and begins with the header.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn open(path: &Path, header: &Header) -> Result<Self, InputError> {
        let error =
            |error: std::io::Error| InputError::file(path.display().to_string(), error.to_string());
        let there = match std::fs::read(path) {
            Err(none) if none.kind() == ErrorKind::NotFound => Vec::new(),
            // What cannot be read must not be cut off.
            there => there.map_err(error)?,
        };
        let whole = there.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(error)?;
        file.set_len(whole as u64).map_err(error)?;
        let mut journal = Self { path: path.into(), file };
        if whole == 0 {
            journal.add(header)?;
        }
        Ok(journal)
    }

    /// Appends a line, which outlasts a power cut.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn add(&mut self, line: &impl serde::Serialize) -> Result<(), InputError> {
        let error = |error: String| InputError::file(self.path.display().to_string(), error);
        let mut line = serde_json::to_vec(line).map_err(|e| error(e.to_string()))?;
        line.push(b'\n');
        // A line is minutes of work on a large model; it is to outlast a power cut.
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|e| error(e.to_string()))
    }
}
