//! CBC, in a process of its own (`edgeplan-cbc`).

use std::env;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Engine, EngineError, Program, Progress, Reply, Request};

/// CBC. Its claims of optimality are sometimes false: judge them against another solver's plan.
#[derive(Debug, Clone, Default)]
pub struct Cbc {
    /// The executable; where `None`, `edgeplan-cbc` is looked for in `$EDGEPLAN_CBC`, beside this
    /// executable, and on the path.
    pub executable: Option<PathBuf>,
}

const NAME: &str = "CBC";
const EXECUTABLE: &str = "edgeplan-cbc";
/// CBC checks its clock rarely; after this long past its limit it is killed.
const GRACE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

impl Engine for Cbc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn available(&self) -> Result<(), EngineError> {
        self.find().map(|_| ())
    }

    fn solve(
        &self,
        program: &Program,
        request: &Request,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Reply, EngineError> {
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
        let ended = wait(&mut child, request, progress);
        let (answer, complaint) = pipes.join();
        let status = ended.map_err(crashed)?;
        parse(&answer).ok_or_else(|| crashed(death(status, &complaint)))
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
                "{NAME} is not installed: `apt-get install coinor-libcbc-dev`, then `cargo build \
                 --release --workspace` builds {EXECUTABLE} beside edgeplan"
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

/// Waits for the child; kills it when interrupted or far past its limit.
fn wait(
    child: &mut Child,
    request: &Request,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<ExitStatus, String> {
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
        let overdue = request.time.is_some_and(|time| started.elapsed() > time + GRACE);
        let interrupted = progress(Progress { incumbent: None, bound: None }).is_break();
        if overdue || interrupted {
            // Already gone is as good as killed.
            let _ = child.kill();
            let _ = child.wait();
            return Err(match overdue {
                true => "did not stop at its time limit and was killed".into(),
                false => "was interrupted".into(),
            });
        }
        thread::sleep(POLL);
    }
}

/// The reply is the last line; CBC itself prints above it.
fn parse(answer: &[u8]) -> Option<Reply> {
    let text = String::from_utf8_lossy(answer);
    serde_json::from_str(text.lines().next_back()?).ok()
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
