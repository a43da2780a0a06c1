//! Little-endian numbers and texts of a file, never more of them than the file holds.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use edgeplan_files::InputError;

/// A position in a file, and what was read last, for errors.
pub(super) struct Reader<'a> {
    file: &'a str,
    input: BufReader<File>,
    /// Bytes of the file.
    pub(super) len: u64,
    /// Byte to read next.
    pub(super) at: u64,
    /// Where the last item began.
    last: u64,
}

impl<'a> Reader<'a> {
    /// Opens a file; `file` is its name in errors.
    pub(super) fn open(file: &'a str, path: &Path) -> Result<Self, InputError> {
        let error = |error: std::io::Error| InputError::file(file, error.to_string());
        let input = File::open(path).map_err(error)?;
        let len = input.metadata().map_err(error)?.len();
        Ok(Self { file, input: BufReader::new(input), len, at: 0, last: 0 })
    }

    /// An error about the item that was read last.
    pub(super) fn error(&self, what: &dyn Display, problem: impl Display) -> InputError {
        InputError::key(self.file, format!("byte {}", self.last), format!("{what}: {problem}"))
    }

    /// Refuses `count` items of at least `each` bytes if the rest of the file is shorter.
    pub(super) fn expect(
        &self,
        count: u64,
        each: u64,
        what: &dyn Display,
    ) -> Result<(), InputError> {
        let left = self.len - self.at;
        if count.checked_mul(each).is_some_and(|bytes| bytes <= left) {
            return Ok(());
        }
        let needed = match each {
            1 => format!("{count} bytes are needed"),
            _ => format!("{count} of {each} bytes or more are needed"),
        };
        let problem = format!("{needed}, but the file ends after {left}");
        Err(self.error(what, problem))
    }

    /// The next bytes.
    pub(super) fn bytes<const N: usize>(
        &mut self,
        what: &dyn Display,
    ) -> Result<[u8; N], InputError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    /// A number of 4 bytes.
    pub(super) fn u32(&mut self, what: &dyn Display) -> Result<u32, InputError> {
        self.bytes(what).map(u32::from_le_bytes)
    }

    /// A number of 8 bytes.
    pub(super) fn u64(&mut self, what: &dyn Display) -> Result<u64, InputError> {
        self.bytes(what).map(u64::from_le_bytes)
    }

    /// A text: its length, then its bytes. `None`, and skipped, if longer than `most`.
    pub(super) fn text(
        &mut self,
        most: u64,
        what: &dyn Display,
    ) -> Result<Option<String>, InputError> {
        let length = self.u64(what)?;
        self.expect(length, 1, what)?;
        if length > most {
            self.skip(length, what)?;
            return Ok(None);
        }
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes, what)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Passes over bytes without reading them.
    pub(super) fn skip(&mut self, bytes: u64, what: &dyn Display) -> Result<(), InputError> {
        self.last = self.at;
        self.expect(bytes, 1, what)?;
        // A file's length fits `i64` on every system that has files.
        let moved = self.input.seek_relative(bytes as i64);
        moved.map_err(|error| self.error(what, error))?;
        self.at += bytes;
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8], what: &dyn Display) -> Result<(), InputError> {
        self.last = self.at;
        let (needed, left) = (bytes.len() as u64, self.len - self.at);
        if needed > left {
            let problem = format!("{needed} bytes are needed, but the file ends after {left}");
            return Err(self.error(what, problem));
        }
        self.input.read_exact(bytes).map_err(|error| self.error(what, error))?;
        self.at += needed;
        Ok(())
    }
}
