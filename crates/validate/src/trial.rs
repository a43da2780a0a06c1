//! One cut of one model on the engine: workers behind their links, the server, requests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use edgeplan_link::Limits;
use edgeplan_machines::cluster::Link;
use statrs::statistics::{Data, Median as _};

use crate::child::{Child, Setup};
use crate::relay::Relay;
use crate::server::{Server, Timings};
use crate::suite::{self, Instructions, Model, SOURCE, Setting};

/// Where the first worker listens, and its relay on another address of this machine.
const WORKER_PORT: u16 = 50_070;
const SERVER_PORT: u16 = 50_060;
/// How long a model may load.
const LOADING: Duration = Duration::from_secs(90);
/// Requests beyond the first are not started after that long.
const ENOUGH: Duration = Duration::from_secs(12);
const REQUESTS_MIN: usize = 2;
const REQUESTS_MAX: usize = 5;

/// A model that is served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'a> {
    pub(crate) model: &'a Model,
    /// Its file, quantized for the plan.
    pub(crate) file: &'a Path,
}

/// Where programs and files are.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Of llama.cpp's programs for this machine.
    pub(crate) programs: PathBuf,
    /// Of the models that settings name.
    pub(crate) models: PathBuf,
    /// Of the record.
    pub(crate) out: PathBuf,
    /// Of logs, profiles and exports.
    pub(crate) work: PathBuf,
}

impl Places {
    /// The folder of programs for an instruction set.
    pub(crate) fn programs(&self, instructions: Instructions) -> PathBuf {
        match instructions {
            Instructions::Native => self.programs.clone(),
            older => {
                let mut name = self.programs.clone().into_os_string();
                name.push(format!("-{}", older.name()));
                name.into()
            }
        }
    }

    pub(crate) fn program(&self, instructions: Instructions, name: &str) -> String {
        self.programs(instructions).join(name).display().to_string()
    }
}

/// The result of a trial.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    pub(crate) timings: Vec<Timings>,
    /// Bytes that all workers hold more than before loading.
    pub(crate) workers_bytes: u64,
    /// Bytes through all relays for one request.
    pub(crate) wire_bytes: u64,
}

/// What serves the model.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Command<'a> {
    /// The scripts of an export.
    Export(&'a Path),
    /// llama.cpp with its list of servers alone, and what else it is told.
    Plain(&'a [String]),
}

impl Command<'_> {
    /// Whether a worker must run: llama.cpp waits for all servers that it was told of, even if
    /// nothing is placed there.
    fn wants(self, name: &str, used: &[&str]) -> bool {
        matches!(self, Self::Plain(_)) || used.contains(&name)
    }
}

/// The address of a worker as the source sees it, which is that of its relay if it has one.
pub(crate) fn address(worker: &suite::Worker, index: usize) -> String {
    let host = if worker.link.is_some() { "127.0.0.2" } else { "127.0.0.1" };
    format!("{host}:{}", WORKER_PORT as usize + index)
}

struct Worker {
    child: Child,
    relay: Option<Relay>,
}

/// Runs requests; whatever was started has ended when this returns.
pub(crate) fn run(
    places: &Places,
    setting: &Setting,
    served: Served<'_>,
    command: Command,
    used: &[&str],
) -> Result<Trial> {
    let mut workers = Vec::new();
    for (index, name) in setting.worker.keys().enumerate() {
        if command.wants(&setting.device(name), used) {
            workers.push(worker(places, setting, command, index, name)?);
        }
    }
    thread::sleep(Duration::from_millis(300));
    let resident = |workers: &[Worker]| -> u64 {
        workers.iter().filter_map(|worker| worker.child.resident_bytes()).sum()
    };
    let before = resident(&workers);
    let program = places.program(setting.source.instructions, "llama-server");
    let endpoints = endpoints(setting, command, used);
    let mut serving = serve(places, served, command, program, &endpoints)?;
    let server = Server::at(SERVER_PORT);
    let mut children: Vec<&mut Child> =
        workers.iter_mut().map(|worker| &mut worker.child).collect();
    server.wait(&mut serving, &mut children, LOADING)?;
    workers.iter().filter_map(|worker| worker.relay.as_ref()).for_each(|relay| relay.shape(true));
    let (timings, wire_bytes) = requests(&server, served.model, &workers)?;
    let workers_bytes = resident(&workers).saturating_sub(before);
    serving.check()?;
    drop(serving);
    Ok(Trial { timings, workers_bytes, wire_bytes })
}

fn worker(
    places: &Places,
    setting: &Setting,
    command: Command,
    index: usize,
    name: &str,
) -> Result<Worker> {
    let shape = setting.worker[name];
    let port = WORKER_PORT + u16::try_from(index)?;
    let program = places.program(shape.instructions, "ggml-rpc-server");
    let variables = [
        ("RPC_SERVER", program.clone()),
        ("RPC_HOST", "127.0.0.1".to_owned()),
        ("RPC_THREADS", "1".to_owned()),
        ("LLAMA_CACHE", places.work.join("rpc-cache").display().to_string()),
    ];
    let log = places.work.join(format!("worker-{name}.log"));
    let setup = Setup { log: &log, variables: &variables };
    let port_word = port.to_string();
    let script = match command {
        Command::Export(folder) => folder.join(setting.script(name)).display().to_string(),
        Command::Plain(_) => String::new(),
    };
    let words = match command {
        Command::Export(_) => vec!["sh", script.as_str()],
        Command::Plain(_) => {
            vec![&*program, "--port", &*port_word, "--threads", "1", "--cache"]
        }
    };
    let child = Child::start(name, &words, setup)?;
    let relay = relay(index, port, &shape)?;
    Ok(Worker { child, relay })
}

/// The links as `edgeplan profile` measures them: delays of relays, of threads that wake up, and of
/// whatever else runs on this machine are part of them.
pub(crate) fn links(setting: &Setting) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    for (index, (name, worker)) in setting.worker.iter().enumerate() {
        let port = WORKER_PORT + u16::try_from(index)?;
        let server = edgeplan_link::Server::bind(&format!("127.0.0.1:{port}"), Limits::default())?;
        let relay = relay(index, port, worker)?;
        if let Some(relay) = &relay {
            relay.shape(true);
        }
        let stop = AtomicBool::new(false);
        let measured = thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve(&stop, &|_| {}));
            let measured = edgeplan_link::measure(&address(worker, index), &AtomicBool::new(false));
            stop.store(true, Ordering::Relaxed);
            serving.join().map_err(|_| anyhow!("the server of links ended early"))??;
            Ok::<_, anyhow::Error>(measured?)
        })?;
        links.extend(edgeplan::links(&measured, &[SOURCE.into(), name.clone()]));
    }
    Ok(links)
}

/// The link to a worker, at full speed by default; none where that is this machine's own.
fn relay(index: usize, port: u16, worker: &suite::Worker) -> Result<Option<Relay>> {
    let listen = address(worker, index).parse()?;
    let start = |shape| Relay::start(listen, ([127, 0, 0, 1], port).into(), shape);
    worker.link.map(start).transpose()
}

/// Addresses of the servers that llama.cpp gets where it gets no export.
fn endpoints(setting: &Setting, command: Command, used: &[&str]) -> String {
    let all = setting
        .worker
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| command.wants(&setting.device(name), used));
    all.map(|(index, (_, worker))| address(worker, index)).collect::<Vec<_>>().join(",")
}

fn serve(
    places: &Places,
    Served { model, file }: Served<'_>,
    command: Command,
    program: String,
    endpoints: &str,
) -> Result<Child> {
    let variables = [
        ("LLAMA_SERVER", program.clone()),
        ("LLAMA_ARG_HOST", "127.0.0.1".into()),
        ("LLAMA_ARG_PORT", SERVER_PORT.to_string()),
        ("LLAMA_ARG_THREADS", "1".into()),
        ("LLAMA_ARG_CACHE_RAM", "0".into()),
    ];
    let log = places.work.join("source.log");
    let setup = Setup { log: &log, variables: &variables };
    let (file, context) = (file.display().to_string(), model.context().to_string());
    let script = match command {
        Command::Export(folder) => folder.join("serve.sh").display().to_string(),
        Command::Plain(_) => String::new(),
    };
    let words = match command {
        Command::Export(_) => vec!["sh", &*script, &*file],
        Command::Plain(options) => {
            let mut words = vec![&*program, "--model", &*file, "--rpc", endpoints];
            words.extend(["--ctx-size", &*context, "--parallel", "1"]);
            words.extend(options.iter().map(String::as_str));
            words
        }
    };
    Child::start(SOURCE, &words, setup)
}

/// A request to warm up, then some that count; bytes through all links for the last one.
fn requests(server: &Server, model: &Model, workers: &[Worker]) -> Result<(Vec<Timings>, u64)> {
    let relays = || workers.iter().filter_map(|worker| worker.relay.as_ref());
    let bytes = || relays().map(|relay| relay.bytes().iter().sum::<u64>()).sum::<u64>();
    let start = Instant::now();
    let (mut timings, mut wire) = (Vec::new(), 0);
    server.ask(&tokens(model, 0)[..2], 2).context("the first request")?;
    while timings.len() < REQUESTS_MIN || timings.len() < REQUESTS_MAX && start.elapsed() < ENOUGH {
        let before = bytes();
        timings.push(server.ask(&tokens(model, timings.len() + 1), model.generate)?);
        wire = bytes() - before;
    }
    Ok((timings, wire))
}

/// A prompt of tokens that look like random ones.
fn tokens(model: &Model, request: usize) -> Vec<u32> {
    let token = |index: u32| {
        let mixed = (index + 1_000 * request as u32).wrapping_mul(2_654_435_761) >> 7;
        10 + mixed % (model.vocab - 10).max(1)
    };
    (0..model.prompt).map(token).collect()
}

/// The median of a few numbers.
///
/// # Errors
/// There is none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Result<f64> {
    let values: Vec<f64> = values.into_iter().collect();
    ensure!(!values.is_empty(), "nothing was measured");
    Ok(Data::new(values).median())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_differ_and_stay_in_the_vocabulary() {
        let model = Model {
            file: String::new(),
            prompt: 50,
            generate: 2,
            vocab: 300,
            bench: Vec::new(),
            context: None,
            workload: String::new(),
        };
        let (one, two) = (tokens(&model, 1), tokens(&model, 2));
        assert_ne!(one, two);
        assert!(one.iter().chain(&two).all(|token| (10..300).contains(token)));
    }

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]).unwrap(), 2.0);
        assert_eq!(median([4.0, 1.0]).unwrap(), 2.5);
        assert!(median([]).is_err());
    }
}
