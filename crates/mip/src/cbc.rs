//! CBC, in a process of its own (`edgeplan-cbc`).

use std::env;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Engine, EngineError, Program, Progress, Reply, Request, Status};

/// CBC. Its claims of optimality are sometimes false: judge them against another solver's plan.
///
/// It stops by itself at its limit and has [`Cbc::GRACE`] for its answer before it is killed. When
/// `progress` breaks before that, it is killed at once and there is no answer: coin_cbc has neither
/// callbacks nor a way to end a search. For the same reason `progress` hears of no vector and no
/// bound.
#[derive(Debug, Clone, Default)]
pub struct Cbc {
    /// The executable; where `None`, `edgeplan-cbc` is looked for in `$EDGEPLAN_CBC`, beside this
    /// executable, and on the path.
    pub executable: Option<PathBuf>,
}

const NAME: &str = "CBC";
const EXECUTABLE: &str = "edgeplan-cbc";
/// Limits that are no further apart are the same one, told a moment later.
const SAME: Duration = Duration::from_millis(100);
/// The reply of a run that was interrupted.
const INTERRUPTED: Reply = Reply {
    status: Status::Interrupted,
    values: None,
    objective: None,
    bound: None,
    nodes: None,
    iterations: None,
};
const POLL: Duration = Duration::from_millis(5);

impl Cbc {
    /// The time past its limit that CBC has for its answer: it looks at its clock between nodes.
    pub const GRACE: Duration = Duration::from_secs(8);
}

impl Engine for Cbc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn available(&self) -> Result<(), EngineError> {
        self.find().map(|_| ())
    }

    fn has_own_process(&self) -> bool {
        true
    }

    fn solve(
        &self,
        program: &Program,
        request: &Request,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Reply, EngineError> {
        let started = Instant::now();
        let path = self.find()?;
        if let Some(reply) = Reply::without_columns(program) {
            return Ok(reply);
        }
        if request.relax || !program.columns.iter().any(|column| column.integer) {
            // Its C interface calls an unbounded linear program infeasible (2.10.8).
            let reason = "it is asked for integer programs only".into();
            return Err(EngineError::Refused { engine: NAME, reason });
        }
        let crashed = |reason: String| EngineError::Crashed { engine: NAME, reason };
        let question = serde_json::to_vec(&(program, request))
            .map_err(|error| crashed(format!("cannot be asked: {error}")))?;
        let mut child = Command::new(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| crashed(format!("{} does not start: {error}", path.display())))?;
        let pipes = Pipes::attach(&mut child, question);
        let deadline = request.time.and_then(|time| started.checked_add(time));
        let ended = wait(&mut child, deadline, progress);
        let (answer, complaint) = pipes.join();
        let Some(status) = ended.map_err(crashed)? else { return Ok(INTERRUPTED) };
        let reply = parse(&answer).ok_or_else(|| crashed(death(status, &complaint)))?;
        let (given, columns) = (reply.values.as_ref().map(Vec::len), program.columns.len());
        match given.filter(|&given| given != columns) {
            Some(given) => {
                Err(crashed(format!("answered with {given} values for {columns} columns")))
            }
            None => Ok(reply),
        }
    }
}

impl Cbc {
    fn find(&self) -> Result<PathBuf, EngineError> {
        let name = format!("{EXECUTABLE}{}", env::consts::EXE_SUFFIX);
        let given = self.executable.clone().or_else(|| env::var_os("EDGEPLAN_CBC").map(Into::into));
        let beside = env::current_exe().ok().into_iter().flat_map(|exe| {
            // Test and bench executables live one folder below the one that holds ours.
            exe.ancestors().skip(1).take(2).map(|folder| folder.join(&name)).collect::<Vec<_>>()
        });
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path = env::split_paths(&path).map(|folder| folder.join(&name)).collect::<Vec<_>>();
        let mut places: Vec<PathBuf> = beside.chain(on_path).collect();
        if let Some(given) = given {
            places = vec![given];
        }
        places.into_iter().find(|place| place.is_file()).ok_or_else(|| {
            EngineError::Missing(format!(
                "{NAME} is not installed: no {EXECUTABLE} is beside this program, on the path, or \
                 what $EDGEPLAN_CBC names; `apt-get install coinor-libcbc-dev` (Fedora: \
                 coin-or-Cbc-devel, Homebrew: cbc), then `cargo install --path crates/cbc` in a \
                 checkout of edgeplan"
            ))
        })
    }
}

/// Threads that feed and drain the child, so that neither side waits for the other's pipe.
struct Pipes {
    threads: [thread::JoinHandle<Vec<u8>>; 3],
}

impl Pipes {
    fn attach(child: &mut Child, question: Vec<u8>) -> Self {
        let stdin = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let feed = thread::spawn(move || {
            // A child that dies early closes the pipe; its exit status tells why.
            let _ = stdin.map(|mut stdin| stdin.write_all(&question));
            Vec::new()
        });
        Self { threads: [feed, drain(stdout), drain(stderr)] }
    }

    fn join(self) -> (Vec<u8>, Vec<u8>) {
        let [_, answer, complaint] = self.threads.map(|thread| thread.join().unwrap_or_default());
        (answer, complaint)
    }
}

fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What arrived before an error is all there is.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        bytes
    })
}

/// Waits for the child; `None` where `progress` broke before its deadline and it was killed.
fn wait(
    child: &mut Child,
    deadline: Option<Instant>,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Option<ExitStatus>, String> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Some(status)),
            Ok(None) => {}
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
        let now = Instant::now();
        // A caller with the same limit breaks at it, and gets the answer that CBC is writing.
        let early = deadline.is_none_or(|deadline| now + SAME < deadline);
        let interrupted =
            progress(Progress { incumbent: None, bound: None, wanted: None }).is_break() && early;
        let overdue = deadline.is_some_and(|deadline| now >= deadline + Cbc::GRACE);
        if interrupted || overdue {
            // Already gone is as good as killed.
            let _ = child.kill();
            let _ = child.wait();
            let grace = Cbc::GRACE.as_secs();
            return match overdue {
                true => Err(format!("gave no answer within {grace} s of its limit and was killed")),
                false => Ok(None),
            };
        }
        thread::sleep(POLL);
    }
}

/// The reply is the one line that is a reply. Around it stands CBC's log, in which alone nodes and
/// iterations are read: coin_cbc hides the pointer that CBC's own count of nodes needs.
fn parse(answer: &[u8]) -> Option<Reply> {
    let text = String::from_utf8_lossy(answer);
    let mut before = String::new();
    let mut lines = text.split_inclusive('\n');
    let mut reply: Reply = lines.find_map(|line| {
        // Half a line would read as an answer that is cut off: it ends in no newline.
        let reply = serde_json::from_str(line.strip_suffix('\n')?).ok();
        if reply.is_none() {
            before.push_str(line);
        }
        reply
    })?;
    // The log comes in blocks, so that the reply may stand inside one of its lines.
    let log =
        format!("{}{}", before.strip_suffix('\n').unwrap_or(&before), lines.collect::<String>());
    reply.nodes = logged(&log, "Enumerated nodes:");
    reply.iterations = logged(&log, "Total iterations:");
    Some(reply)
}

/// The last number under that name in CBC's log; none where it was not printed.
fn logged(log: &str, name: &str) -> Option<u64> {
    log.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.trim().parse().ok())
}

fn death(status: ExitStatus, complaint: &[u8]) -> String {
    let complaint = String::from_utf8_lossy(complaint);
    let last = complaint.lines().rfind(|line| !line.trim().is_empty());
    let last = last.map(|line| format!(": {}", line.trim())).unwrap_or_default();
    match status.success() {
        true => format!("ended without a readable answer{last}"),
        false => format!("died ({status}){last}"),
    }
}
