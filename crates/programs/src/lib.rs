//! Programs of an engine, run to their end or until they are stopped.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often a running program is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// A program that runs; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Readers of both outputs, so that no pipe fills.
    readers: [Option<JoinHandle<String>>; 2],
}

/// What a program that ended has written.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Running {
    /// Starts a program without input.
    ///
    /// # Errors
    /// Those of the system: no such program, no right to run it.
    pub fn start(program: &Path, words: &[String]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let readers = [child.stdout.take().map(all), child.stderr.take().map(all)];
        Ok(Self { child, readers })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// Those of the system.
    pub fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end; none, and the program killed, where `is_due` says so before, which is
    /// asked every 10 ms.
    ///
    /// # Errors
    /// Those of the system.
    pub fn wait(mut self, is_due: impl Fn() -> bool) -> io::Result<Option<Ended>> {
        let status = loop {
            if let Some(status) = self.status()? {
                break status;
            }
            if is_due() {
                return Ok(None);
            }
            thread::sleep(PAUSE);
        };
        let text = |reader: &mut Option<JoinHandle<String>>| {
            reader.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
        };
        let [out, err] = self.readers.each_mut().map(text);
        Ok(Some(Ended { status, out, err }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is no matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of a text that say anything, joined by semicolons.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("; ")
}

/// Reads all that comes out of a pipe.
fn all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error still tells something.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_lines_say_something() {
        assert_eq!(last_lines("a\n\nb\n  \nc\n", 2), "b; c");
        assert_eq!(last_lines("a", 3), "a");
        assert_eq!(last_lines("\n", 3), "");
    }

    #[cfg(unix)]
    #[test]
    fn outputs_are_read_apart_and_waiting_can_be_given_up() {
        let shell =
            |line: &str| Running::start(Path::new("/bin/sh"), &["-c".into(), line.into()]).unwrap();
        let ended = shell("echo out; echo err >&2; exit 3").wait(|| false).unwrap().unwrap();
        assert_eq!((ended.out.as_str(), ended.err.as_str()), ("out\n", "err\n"));
        assert_eq!(ended.status.code(), Some(3));
        // More than a pipe holds.
        let much = shell("head -c 300000 /dev/zero").wait(|| false).unwrap().unwrap();
        assert_eq!(much.out.len(), 300_000);
        assert!(shell("exec sleep 60").wait(|| true).unwrap().is_none());
    }
}
