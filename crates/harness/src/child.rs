//! Starts the process of a trial: whatever happens there, the answer is a value here.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use edgeplan_records::row::Point;

use crate::limit::{in_a_group, kill};
use crate::trial::{Event, TrialEnd, TrialRequest};

const POLL: Duration = Duration::from_millis(5);
/// Letters of a complaint that are kept.
const COMPLAINT_MAX: usize = 300;

/// What came back: the curve as far as it got, and the end or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) points: Vec<Point>,
    pub(crate) end: Result<TrialEnd, String>,
    /// Wall-clock time of the whole process.
    pub(crate) wall: Duration,
}

/// Asks; `None` when interrupted.
pub(crate) fn ask(
    command: &mut Command,
    request: &TrialRequest,
    interrupt: &AtomicBool,
) -> Option<Reply> {
    let started = Instant::now();
    let lost = |problem: String| Reply { points: vec![], end: Err(problem), wall: Duration::ZERO };
    in_a_group(command);
    // What went wrong is wanted, not where.
    command.env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let program = Path::new(command.get_program()).display();
            return Some(lost(format!("{program} does not start: {error}")));
        }
    };
    let text = serde_json::to_vec(request).expect("plain data serializes");
    let feed = feed(child.stdin.take(), text);
    let listen = listen(child.stdout.take());
    let complaint = drain(child.stderr.take());
    let allowance = request.allowance;
    let limit = Duration::try_from_secs_f64(allowance.time_s + allowance.grace_s).ok();
    // A limit beyond all clocks is none.
    let deadline = limit.and_then(|limit| started.checked_add(limit));
    let ended = wait(&mut child, deadline, interrupt);
    let wall = started.elapsed();
    // Threads end when the process has closed its pipes; none of them panics.
    let _ = feed.join();
    let (points, end) = listen.join().unwrap_or_default();
    let complaint = complaint.join().unwrap_or_default();
    let end = match ended {
        Ended::Interrupted => return None,
        Ended::Overdue => {
            Err(format!("killed {} s past its limit of {} s", allowance.grace_s, allowance.time_s))
        }
        Ended::Lost(problem) => Err(problem),
        Ended::Alone(status) => end.ok_or_else(|| death(status, &complaint)),
    };
    Some(Reply { points, end, wall })
}

enum Ended {
    Alone(ExitStatus),
    Overdue,
    Interrupted,
    Lost(String),
}

fn wait(child: &mut Child, deadline: Option<Instant>, interrupt: &AtomicBool) -> Ended {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ended::Alone(status),
            Ok(None) => {}
            Err(error) => {
                kill(child);
                return Ended::Lost(format!("cannot be waited for: {error}"));
            }
        }
        let interrupted = interrupt.load(Ordering::Relaxed);
        if interrupted || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            kill(child);
            return if interrupted { Ended::Interrupted } else { Ended::Overdue };
        }
        thread::sleep(POLL);
    }
}

fn feed(stdin: Option<ChildStdin>, text: Vec<u8>) -> JoinHandle<()> {
    thread::spawn(move || {
        // A process that dies early closes the pipe; its exit status tells why.
        let _ = stdin.map(|mut stdin| stdin.write_all(&text));
    })
}

fn listen(stdout: Option<ChildStdout>) -> JoinHandle<(Vec<Point>, Option<TrialEnd>)> {
    thread::spawn(move || {
        let (mut points, mut end) = (Vec::new(), None);
        let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
        for line in lines.map_while(Result::ok) {
            // Engines may print between the events.
            match serde_json::from_str(&line) {
                Ok(Event::Point(point)) => points.push(point),
                Ok(Event::End(last)) => end = Some(last),
                Err(_) => {}
            }
        }
        (points, end)
    })
}

fn drain(stderr: Option<ChildStderr>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What arrived before an error is all there is.
        let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn death(status: ExitStatus, complaint: &str) -> String {
    let words: Vec<&str> = complaint.split_whitespace().collect();
    let words: String = words.join(" ").chars().take(COMPLAINT_MAX).collect();
    let words = if words.is_empty() { words } else { format!(": {words}") };
    match status.success() {
        true => format!("ended without an answer{words}"),
        false => format!("died ({status}){words}"),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::instance::Instance;
    use crate::trial::Allowance;
    use edgeplan_families::{Random, random};
    use edgeplan_problem::{Bytes, Cost};
    use edgeplan_records::row::PointKind;

    fn reply(script: &str, interrupt: bool) -> Option<Reply> {
        let (memory, cpu_s) = (Bytes(1 << 30), 9.0);
        let allowance =
            Allowance { time_s: 0.1, grace_s: 0.2, gap: 0.0, memory, cpu_s, threads: 1 };
        let instance = random(&Random { layers: 3, devices: 2, ..Random::default() });
        let instance = Instance::Deployment(instance);
        let request = TrialRequest {
            solver: "any".into(),
            external: None,
            seed: 0,
            allowance,
            cores: vec![],
            instance,
        };
        let mut command = Command::new("sh");
        ask(command.args(["-c", script]), &request, &AtomicBool::new(interrupt))
    }

    #[test]
    fn whatever_happens_is_a_value() {
        let cases = [
            ("echo 'out of luck' >&2; kill -ABRT $$", "died (signal: 6"),
            ("echo 'out of luck' >&2; exit 3", "died (exit status: 3): out of luck"),
            ("echo hello", "ended without an answer"),
            // Its own child holds the pipes open, and goes with it.
            ("sleep 100 & sleep 100", "killed 0.2 s past its limit of 0.1 s"),
        ];
        for (script, expected) in cases {
            let reply = reply(script, false).unwrap();
            assert!(reply.wall < Duration::from_secs(50));
            let problem = reply.end.unwrap_err();
            assert!(problem.starts_with(expected), "{script}: {problem}");
        }
        assert_eq!(reply("sleep 100", true), None);
    }

    #[test]
    fn the_curve_outlives_the_process() {
        let line = r#"echo '{"point":{"at_s":0.5,"kind":"incumbent","value":7}}'; kill -KILL $$"#;
        let reply = reply(line, false).unwrap();
        let point = Point { at_s: 0.5, kind: PointKind::Incumbent, value: Cost(7) };
        assert_eq!(reply.points, [point]);
        assert!(reply.end.unwrap_err().contains("signal: 9"));
    }
}
