//! The process of an external solver: a group of its own, whose output is bounded and whose last
//! words are kept.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use edgeplan_files::visible;

/// Bytes of output at most; what writes more is killed.
const OUTPUT_MAX: u64 = 64 << 20;
/// Bytes of the end of the output that are kept.
const TAIL: usize = 4096;
/// Lines of them that a failure shows, and their letters.
const LINES_MAX: usize = 3;
const LETTERS_MAX: usize = 300;
/// How long the output is waited for once the group is dead: a process that left the group may
/// hold it open.
const PATIENCE: Duration = Duration::from_millis(200);

/// A process and all that it starts.
pub(crate) struct Process {
    child: Child,
    output: [Output; 2],
}

impl Process {
    /// Starts a program with its arguments.
    pub(crate) fn start(words: &[String]) -> std::io::Result<Self> {
        let (program, arguments) = words.split_first().map_or(("", words), |(p, a)| (p, a));
        let mut command = Command::new(program);
        command.args(arguments);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let pipes = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn()?;
        let output = [Output::of(child.stdout.take()), Output::of(child.stderr.take())];
        Ok(Self { child, output })
    }

    /// Its id, which is also that of its group.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Whether it has written more than [`OUTPUT_MAX`].
    pub(crate) fn floods(&self) -> bool {
        self.output.iter().any(|output| output.lock().bytes > OUTPUT_MAX)
    }

    /// Kills whatever of its group is left, and waits for it.
    pub(crate) fn kill(&mut self) {
        #[cfg(unix)]
        if let Ok(group) = i32::try_from(self.child.id()) {
            use nix::sys::signal::{Signal, killpg};
            // Already gone is as good as killed.
            let _ = killpg(nix::unistd::Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The last lines that it wrote to its standard error, or else to its standard output, as one.
    pub(crate) fn last_words(&mut self) -> String {
        let patience = Instant::now() + PATIENCE;
        let mut said = self.output.iter_mut().rev().map(|output| output.last_words(patience));
        said.find(|words| !words.is_empty()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What came out of a pipe.
struct Output {
    tail: Arc<Mutex<Tail>>,
    reader: JoinHandle<()>,
}

/// How much there was, and its end.
#[derive(Default)]
struct Tail {
    bytes: u64,
    end: Vec<u8>,
}

impl Output {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let tail = Arc::new(Mutex::new(Tail::default()));
        let of_reader = Arc::clone(&tail);
        let reader = thread::spawn(move || {
            let Some(mut pipe) = pipe else { return };
            let mut buffer = vec![0; 1 << 16];
            // To the end: a closed pipe would kill the program with SIGPIPE, which gives no reason.
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                of_reader.lock().unwrap_or_else(PoisonError::into_inner).add(&buffer[..count]);
            }
        });
        Self { tail, reader }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tail> {
        // Nothing panics while it is held.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its last lines, once all of it was read or patience ends.
    fn last_words(&mut self, patience: Instant) -> String {
        while !self.reader.is_finished() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
        last_lines(&String::from_utf8_lossy(&self.lock().end))
    }
}

impl Tail {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.end.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
        self.end.drain(..self.end.len().saturating_sub(TAIL));
    }
}

/// The last lines of a text that say anything, as one that may be shown.
fn last_lines(text: &str) -> String {
    let mut lines: Vec<&str> =
        text.lines().rev().map(str::trim).filter(|line| !line.is_empty()).take(LINES_MAX).collect();
    lines.reverse();
    let line = lines.join(" | ");
    let skipped = line.chars().count().saturating_sub(LETTERS_MAX);
    visible(&line.chars().skip(skipped).collect::<String>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_lines_are_short_and_paint_nothing() {
        assert_eq!(last_lines("a\n\n b \nc\nd\n\n"), "b | c | d");
        assert_eq!(last_lines(""), "");
        assert_eq!(last_lines("\u{1b}[31mred"), "\\u{1b}[31mred");
        assert_eq!(last_lines(&"ab".repeat(400)), "ab".repeat(150));
    }

    #[test]
    fn of_much_output_the_end_is_kept() {
        let mut tail = Tail::default();
        for index in 0..10_000 {
            tail.add(format!("line {index}\n").as_bytes());
        }
        assert_eq!((tail.end.len(), tail.bytes), (TAIL, 98_890));
        assert_eq!(last_lines(&String::from_utf8_lossy(&tail.end[TAIL - 10..])), "line 9999");
    }
}
