//! Runs suites: every solver on every instance with every seed, each trial in its own process.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use edgeplan_files::InputError;
use edgeplan_measure::machine::{Machine, load_average};
use edgeplan_records::folder::Folder;
use edgeplan_records::row::{Point, Record, TrialKey};
use edgeplan_solvers::FORMULATION;
use itertools::Itertools as _;

use crate::child::{Reply, ask};
use crate::foreign::Watch;
use crate::limit;
use crate::outcome::record;
use crate::outlook::Outlook;
use crate::pace::Pace;
use crate::registry::Registry;
use crate::shard::Shard;
use crate::suite::{Case, Suite};
use crate::trial::{Allowance, TrialRequest};

/// Runs of a trial beside other programs before what it did counts as it is.
const TRIES: u32 = 3;

/// What to run.
#[derive(Debug, Clone)]
pub struct Bench<'a> {
    /// The suites.
    pub suites: &'a [Suite],
    /// Names of solvers; empty means those of each suite.
    pub solvers: &'a [String],
    /// Seeds of the solvers, at least one.
    pub seeds: &'a [u64],
    /// What each trial may use.
    pub allowance: Allowance,
    /// The part of all instances that is run here.
    pub shard: Shard,
    /// Instances that are worked on at once. Times are only worth comparing with 1, or pinned.
    pub jobs: usize,
    /// Keep each trial on as many cores of its own as it has threads (Linux).
    pub pin: bool,
    /// Cores that other programs may keep busy during a trial, in the mean; a trial beside more is
    /// run again, up to twice. Known for trials of half a second and more on Linux, with 1 at once.
    pub foreign_max: Option<f64>,
    /// The registry that names are looked up in; that of the executable.
    pub registry: Registry<'a>,
    /// An executable and its first arguments, which after `trial` answers a [`TrialRequest`].
    pub program: &'a [OsString],
    /// The command as a person typed it, for the record.
    pub command: &'a str,
}

/// How far a bench is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Trials that have a record.
    pub done: usize,
    /// Trials in all.
    pub all: usize,
    /// The instance of the trial that was started last; empty before the first.
    pub instance: &'a str,
    /// The solver of that trial.
    pub solver: &'a str,
    /// How long the rest takes, if every solver goes on as it did on average.
    pub left: Option<Duration>,
}

/// What a bench would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Instances.
    pub instances: usize,
    /// Trials in all.
    pub trials: usize,
    /// Trials that have no record.
    pub left: usize,
    /// How long those take if each of them takes all that it may.
    pub at_most: Duration,
    /// How long they take if every solver goes on as in the records; none without records.
    pub expected: Option<Duration>,
}

/// An instance and the trials on it that have no record yet.
struct Task<'a> {
    suite: &'a Suite,
    case: &'a Case,
    /// Solvers and their seeds.
    trials: Vec<(&'a str, u64)>,
}

/// What a worker tells the thread that writes the records.
enum Message<'a> {
    /// An instance, and the solver that is started on it.
    Started(&'a str, &'a str),
    Ended(Box<Record>, Vec<Point>, Duration),
    /// The solver of a trial that is not run: the instance is of a size beyond it.
    Skipped(&'a str),
    Failed(InputError),
}

impl Bench<'_> {
    /// Runs every trial of the shard that the folder has no record of, instance by instance, until
    /// done or interrupted; a trial that is interrupted leaves no record.
    ///
    /// # Errors
    /// Unknown solvers; a folder with records made under other limits, on another machine or of
    /// instances that are generated otherwise now; what cannot be written.
    pub fn run(
        &self,
        folder: &mut Folder,
        interrupt: &AtomicBool,
        show: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), InputError> {
        self.check_solvers()?;
        let machine = Machine::here();
        self.check_folder(folder, &machine)?;
        let cores = self.cores()?;
        folder.note(self.command, &format!("{}{}", machine.description(), self.load()))?;
        let outlook = Outlook::of(self.suites, folder.records());
        let (tasks, all) = self.tasks(folder.records(), &outlook);
        let mut pace = Pace::of(solvers(&tasks), folder.records());
        let outlook = Mutex::new(outlook);
        let known = digests(folder);
        let next = AtomicUsize::new(0);
        // An error here stops the workers, as an interrupt does.
        let stop = AtomicBool::new(false);
        let mut result = Ok(());
        std::thread::scope(|scope| {
            let (sender, messages) = channel();
            for cores in cores {
                let (sender, tasks, next, known) = (sender.clone(), &tasks, &next, &known);
                let outlook = &outlook;
                let worker = Worker {
                    bench: self,
                    file: folder.file(),
                    known,
                    outlook,
                    interrupt,
                    stop: &stop,
                    cores,
                };
                scope.spawn(move || {
                    while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if worker.is_over() || worker.work(task, &sender).is_none() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let done = all - pace.left;
            let mut progress = Progress { done, all, instance: "", solver: "", left: None };
            for message in messages {
                let added = match message {
                    Message::Started(instance, solver) => {
                        (progress.instance, progress.solver) = (instance, solver);
                        Ok(())
                    }
                    Message::Ended(mut record, points, wall) => {
                        record.machine = machine.name();
                        pace.tell(&record.solver, wall);
                        progress.done += 1;
                        folder.add(*record, &points)
                    }
                    Message::Skipped(solver) => {
                        pace.skip(solver);
                        progress.done += 1;
                        Ok(())
                    }
                    Message::Failed(error) => Err(error),
                };
                if let (Err(error), true) = (added, result.is_ok()) {
                    result = Err(error);
                    stop.store(true, Ordering::Relaxed);
                }
                progress.left = pace.rest(self.jobs.max(1));
                show(progress);
            }
        });
        result
    }

    /// What a run would do, beside what these records hold.
    pub fn count(&self, records: &[Record]) -> Count {
        let (tasks, trials) = self.tasks(records, &Outlook::of(self.suites, records));
        let left: usize = tasks.iter().map(|task| task.trials.len()).sum();
        let Allowance { time_s, grace_s, .. } = self.allowance;
        // An instance's trials follow each other; a worker takes the next instance when it is free.
        let each = |trials: usize| trials as f64 * (time_s + grace_s);
        let longest = tasks.iter().map(|task| each(task.trials.len())).fold(0.0, f64::max);
        let most = each(left) / self.jobs.max(1) as f64 + longest;
        let seconds = if self.jobs > 1 { most.min(each(left)) } else { each(left) };
        let at_most = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let expected = Pace::of(solvers(&tasks), records).rest(self.jobs.max(1));
        Count { instances: tasks.len(), trials, left, at_most, expected }
    }

    /// Refuses solvers that a suite does not know, and a bench without a program.
    fn check_solvers(&self) -> Result<(), InputError> {
        for suite in self.suites {
            for name in self.solvers {
                suite
                    .check(name, &self.registry)
                    .map_err(|problem| InputError::file("bench", problem))?;
            }
        }
        match self.program.is_empty() {
            true => Err(InputError::file("bench", "no program is named that runs trials")),
            false => Ok(()),
        }
    }

    fn solvers_of<'a>(&'a self, suite: &'a Suite) -> &'a [String] {
        if self.solvers.is_empty() { &suite.solvers } else { self.solvers }
    }

    /// What is left to do, and how many trials there are in all.
    fn tasks<'a>(&'a self, records: &[Record], outlook: &Outlook) -> (Vec<Task<'a>>, usize) {
        let known: BTreeSet<TrialKey<'_>> = records.iter().map(Record::key).collect();
        let cases =
            self.suites.iter().flat_map(|suite| suite.cases.iter().map(move |c| (suite, c)));
        let (mut tasks, mut all) = (Vec::new(), 0);
        for (_, (suite, case)) in cases.enumerate().filter(|(index, _)| self.shard.has(*index)) {
            let solvers = self.solvers_of(suite).iter();
            let product = solvers.flat_map(|name| self.seeds.iter().map(move |&seed| (name, seed)));
            let trials: Vec<(&str, u64)> =
                product.map(|(name, seed)| (name.as_str(), seed)).collect();
            let is_known = |solver, seed| {
                let (suite, instance) = (&suite.name, &case.name);
                known.contains(&TrialKey { suite, instance, solver, seed })
            };
            let (done, missing): (Vec<_>, Vec<_>) =
                trials.into_iter().partition(|&(solver, seed)| is_known(solver, seed));
            let beyond = |solver: &str| outlook.is_beyond(suite, case, solver);
            let missing = missing.into_iter().filter(|&(solver, _)| !beyond(solver));
            let trials: Vec<(&str, u64)> = missing.collect();
            all += done.len() + trials.len();
            tasks.push(Task { suite, case, trials });
        }
        (tasks, all)
    }

    /// The cores of each worker, none each where trials are not pinned.
    fn cores(&self) -> Result<Vec<Vec<usize>>, InputError> {
        let jobs = self.jobs.max(1);
        if !self.pin {
            return Ok(vec![Vec::new(); jobs]);
        }
        let cores = limit::cores().map_err(|problem| InputError::key("bench", "pin", problem))?;
        let each = self.allowance.threads.max(1) as usize;
        match cores.len() / each >= jobs {
            true => Ok(cores.chunks(each).take(jobs).map(<[usize]>::to_vec).collect()),
            false => {
                let (has, needed) = (cores.len(), jobs.saturating_mul(each));
                let problem =
                    format!("{jobs} jobs of {each} threads need {needed} cores, has {has}");
                Err(InputError::key("bench", "pin", problem))
            }
        }
    }

    /// What else the machine did and was to do, one `key: value` a line.
    fn load(&self) -> String {
        let Allowance { threads, .. } = self.allowance;
        let cores = if self.pin { "one trial per core and thread, pinned" } else { "not pinned" };
        let jobs = self.jobs.max(1);
        let load = load_average();
        let of = |suite: &Suite| -> Vec<String> {
            let own =
                suite.externals.iter().filter(|(name, _)| self.solvers_of(suite).contains(name));
            own.map(|(name, external)| format!("solver_{name}: {}\n", external.command())).collect()
        };
        let commands: String = self.suites.iter().flat_map(of).unique().collect();
        format!(
            "trials_at_once: {jobs}\nthreads_of_engines: {threads}\ncores: {cores}\n\
             load_average_before: {load:.2}\nformulation: {FORMULATION}\n{commands}"
        )
    }

    /// One folder, one machine, one set of limits: its rows can be compared.
    fn check_folder(&self, folder: &Folder, machine: &Machine) -> Result<(), InputError> {
        let mut names = BTreeSet::new();
        if let Some(suite) = self.suites.iter().find(|suite| !names.insert(&suite.name)) {
            let problem = format!("two suites are called {}", suite.name);
            return Err(InputError::file("bench", problem));
        }
        let Some(record) = folder.records().first() else { return Ok(()) };
        let Allowance { time_s, gap, memory, cpu_s, threads, .. } = self.allowance;
        let number = |value: Option<u32>| value.map_or("none".into(), |value| value.to_string());
        let cpu = record.cpu_limit_s.map_or("none".into(), |seconds| seconds.to_string());
        let facts = [
            ("time_limit_s", record.time_limit_s.to_string(), time_s.to_string()),
            ("gap_limit", record.gap_limit.to_string(), gap.to_string()),
            ("memory_limit_bytes", record.memory_limit_bytes.to_string(), memory.0.to_string()),
            ("cpu_limit_s", cpu, cpu_s.to_string()),
            ("threads", number(record.threads), threads.to_string()),
            ("formulation", number(record.formulation), FORMULATION.to_string()),
            ("cores", pinned(record.cores.is_empty()), pinned(!self.pin)),
            ("machine", record.machine.clone(), machine.name()),
        ];
        for (column, there, here) in facts {
            if there != here {
                let problem = format!("{there} there, {here} now: choose another folder");
                return Err(InputError::key(folder.file(), column, problem));
            }
        }
        Ok(())
    }
}

/// The solver of each trial.
fn solvers<'a>(tasks: &'a [Task<'a>]) -> impl Iterator<Item = &'a str> {
    tasks.iter().flat_map(|task| &task.trials).map(|&(solver, _)| solver)
}

fn pinned(free: bool) -> String {
    if free { "any core" } else { "cores of its own" }.into()
}

/// Digests of the instances that a folder has, by suite and name.
fn digests(folder: &Folder) -> BTreeMap<(String, String), String> {
    let of = |r: &Record| ((r.suite.clone(), r.instance.clone()), r.fingerprint.clone());
    folder.records().iter().map(of).collect()
}

/// One that takes tasks and runs their trials, one after the other.
struct Worker<'a> {
    bench: &'a Bench<'a>,
    /// The file of the records, for messages.
    file: String,
    known: &'a BTreeMap<(String, String), String>,
    outlook: &'a Mutex<Outlook>,
    interrupt: &'a AtomicBool,
    stop: &'a AtomicBool,
    /// Cores that its trials are kept on; none where the system chooses.
    cores: Vec<usize>,
}

impl Worker<'_> {
    fn is_over(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed)
    }

    /// Runs the trials of a task; `None` once the run is interrupted.
    fn work<'a>(&self, task: &'a Task<'a>, sender: &Sender<Message<'a>>) -> Option<()> {
        let Task { suite, case, trials } = task;
        let instance = match case.generate() {
            Ok(instance) => instance,
            Err(error) => return sender.send(Message::Failed(error)).ok(),
        };
        let digest = instance.fingerprint();
        let key = (suite.name.clone(), case.name.clone());
        if let Some(there) = self.known.get(&key).filter(|there| **there != digest) {
            let name = &case.name;
            let problem = format!("{name} was {there}, is {digest} now: choose another folder");
            let error = InputError::key(self.file.clone(), "fingerprint", problem);
            return sender.send(Message::Failed(error)).ok();
        }
        let allowance = self.bench.allowance;
        let cores = self.cores.clone();
        let mut request = TrialRequest {
            solver: String::new(),
            external: None,
            seed: 0,
            allowance,
            cores,
            instance,
        };
        for &(solver, seed) in trials {
            if self.is_over() {
                return None;
            }
            if self.outlook.lock().ok()?.is_beyond(suite, case, solver) {
                sender.send(Message::Skipped(solver)).ok()?;
                continue;
            }
            sender.send(Message::Started(&case.name, solver)).ok()?;
            request.solver = solver.to_owned();
            request.external = suite.externals.get(solver).cloned();
            request.seed = seed;
            let (reply, foreign) = self.ask(&request)?;
            let mut record = record(&request, &reply);
            record.foreign = foreign;
            record.suite.clone_from(&suite.name);
            record.fingerprint.clone_from(&digest);
            record.parameters.clone_from(&case.parameters);
            self.outlook.lock().ok()?.add(suite, case, &record);
            sender.send(Message::Ended(Box::new(record), reply.points, reply.wall)).ok()?;
        }
        Some(())
    }

    /// Runs a trial, again where the machine did too much else; and the cores of that.
    fn ask(&self, request: &TrialRequest) -> Option<(Reply, Option<f64>)> {
        let (executable, arguments) = self.bench.program.split_first()?;
        let mut left = TRIES;
        loop {
            let mut command = Command::new(executable);
            let watch = Watch::start();
            let reply = ask(command.args(arguments).arg("trial"), request, self.interrupt)?;
            // What a killed trial had started was not waited for, and would count as foreign.
            let is_known = self.bench.jobs <= 1 && reply.end.is_ok();
            let foreign = watch.cores().filter(|_| is_known);
            left -= 1;
            let limit = foreign.zip(self.bench.foreign_max);
            if left == 0 || limit.is_none_or(|(foreign, most)| foreign <= most) {
                return Some((reply, foreign));
            }
        }
    }
}
