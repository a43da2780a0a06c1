//! Runs suites: every solver on every instance with every seed, each trial in its own process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use edgeplan_files::InputError;
use edgeplan_measure::machine::{Machine, load_average};
use edgeplan_records::folder::Folder;
use edgeplan_records::row::{Point, Record, TrialKey};
use edgeplan_solvers::FORMULATION;

use crate::child::ask;
use crate::limit;
use crate::outcome::record;
use crate::registry::Registry;
use crate::shard::Shard;
use crate::suite::{Case, Suite};
use crate::trial::{Allowance, TrialRequest};

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
    /// The registry that names are looked up in; that of the executable.
    pub registry: Registry<'a>,
    /// The executable whose arguments `trial` make it answer a [`TrialRequest`].
    pub executable: PathBuf,
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
        for suite in self.suites {
            for name in self.solvers {
                suite
                    .check(name, &self.registry)
                    .map_err(|problem| InputError::file("bench", problem))?;
            }
        }
        let machine = Machine::here();
        self.check_folder(folder, &machine)?;
        let cores = self.cores()?;
        folder.note(self.command, &format!("{}{}", machine.description(), self.load()))?;
        let (tasks, all) = self.tasks(folder);
        let mut estimate = Estimate::of(&tasks, folder.records());
        let known = digests(folder);
        let next = AtomicUsize::new(0);
        // An error here stops the workers, as an interrupt does.
        let stop = AtomicBool::new(false);
        let mut result = Ok(());
        std::thread::scope(|scope| {
            let (sender, messages) = channel();
            for cores in cores {
                let (sender, tasks, next, known) = (sender.clone(), &tasks, &next, &known);
                let worker = Worker {
                    bench: self,
                    file: folder.file(),
                    known,
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
            let done = all - estimate.left;
            let mut progress = Progress { done, all, instance: "", solver: "", left: None };
            for message in messages {
                let added = match message {
                    Message::Started(instance, solver) => {
                        (progress.instance, progress.solver) = (instance, solver);
                        Ok(())
                    }
                    Message::Ended(mut record, points, wall) => {
                        record.machine = machine.name();
                        estimate.tell(&record.solver, wall);
                        progress.done += 1;
                        folder.add(*record, &points)
                    }
                    Message::Failed(error) => Err(error),
                };
                if let (Err(error), true) = (added, result.is_ok()) {
                    result = Err(error);
                    stop.store(true, Ordering::Relaxed);
                }
                progress.left = estimate.rest(self.jobs.max(1));
                show(progress);
            }
        });
        result
    }

    fn solvers_of<'a>(&'a self, suite: &'a Suite) -> &'a [String] {
        if self.solvers.is_empty() { &suite.solvers } else { self.solvers }
    }

    /// What is left to do, and how many trials there are in all.
    fn tasks<'a>(&'a self, folder: &Folder) -> (Vec<Task<'a>>, usize) {
        let known: BTreeSet<TrialKey<'_>> = folder.records().iter().map(Record::key).collect();
        let cases =
            self.suites.iter().flat_map(|suite| suite.cases.iter().map(move |c| (suite, c)));
        let (mut tasks, mut all) = (Vec::new(), 0);
        for (_, (suite, case)) in cases.enumerate().filter(|(index, _)| self.shard.has(*index)) {
            let solvers = self.solvers_of(suite).iter();
            let product = solvers.flat_map(|name| self.seeds.iter().map(move |&seed| (name, seed)));
            let trials: Vec<(&str, u64)> =
                product.map(|(name, seed)| (name.as_str(), seed)).collect();
            all += trials.len();
            let missing = trials.into_iter().filter(|&(solver, seed)| {
                let (suite, instance) = (&suite.name, &case.name);
                !known.contains(&TrialKey { suite, instance, solver, seed })
            });
            tasks.push(Task { suite, case, trials: missing.collect() });
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
        let externals = self.suites.iter().flat_map(|suite| &suite.externals);
        let commands: String = externals
            .map(|(name, external)| format!("solver_{name}: {}\n", external.command()))
            .collect();
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
            sender.send(Message::Started(&case.name, solver)).ok()?;
            request.solver = solver.to_owned();
            request.external = suite.externals.get(solver).cloned();
            request.seed = seed;
            let mut command = Command::new(&self.bench.executable);
            let reply = ask(command.arg("trial"), &request, self.interrupt)?;
            let mut record = record(&request, &reply);
            record.suite.clone_from(&suite.name);
            record.fingerprint.clone_from(&digest);
            record.parameters.clone_from(&case.parameters);
            sender.send(Message::Ended(Box::new(record), reply.points, reply.wall)).ok()?;
        }
        Some(())
    }
}

/// An estimate of when all is done, from how long each solver took so far.
struct Estimate {
    /// Trials to run, by solver.
    to_run: BTreeMap<String, usize>,
    /// Seconds and trials so far, by solver.
    spent: BTreeMap<String, (f64, u32)>,
    /// Trials to run in all.
    left: usize,
}

impl Estimate {
    fn of(tasks: &[Task<'_>], records: &[Record]) -> Self {
        let mut to_run: BTreeMap<String, usize> = BTreeMap::new();
        for &(solver, _) in tasks.iter().flat_map(|task| &task.trials) {
            *to_run.entry(solver.to_owned()).or_default() += 1;
        }
        let mut estimate = Self { left: to_run.values().sum(), to_run, spent: BTreeMap::new() };
        for record in records {
            estimate.spend(&record.solver, record.elapsed_s);
        }
        estimate
    }

    fn spend(&mut self, solver: &str, seconds: f64) {
        let spent = self.spent.entry(solver.to_owned()).or_default();
        *spent = (spent.0 + seconds, spent.1 + 1);
    }

    /// A trial has ended.
    fn tell(&mut self, solver: &str, wall: Duration) {
        self.spend(solver, wall.as_secs_f64());
        self.left = self.left.saturating_sub(1);
        if let Some(count) = self.to_run.get_mut(solver) {
            *count = count.saturating_sub(1);
        }
    }

    /// The time that is left; none before any trial has ended.
    fn rest(&self, jobs: usize) -> Option<Duration> {
        let (seconds, trials) =
            self.spent.values().fold((0.0, 0), |sum, spent| (sum.0 + spent.0, sum.1 + spent.1));
        // A solver that was not yet run is taken for an average one.
        let usual = (trials > 0).then(|| seconds / f64::from(trials))?;
        let mean = |solver: &String| {
            self.spent.get(solver).map_or(usual, |(seconds, trials)| seconds / f64::from(*trials))
        };
        let rest: f64 = self.to_run.iter().map(|(name, &count)| mean(name) * count as f64).sum();
        Duration::try_from_secs_f64(rest / jobs as f64).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_guessed_by_solver() {
        let to_run = BTreeMap::from([("slow".to_owned(), 3), ("quick".to_owned(), 4)]);
        let mut estimate = Estimate { to_run, spent: BTreeMap::new(), left: 7 };
        assert_eq!(estimate.rest(1), None);
        estimate.tell("slow", Duration::from_secs(10));
        // Two more slow ones, and four that are taken for such.
        assert_eq!(estimate.rest(1), Some(Duration::from_secs(60)));
        estimate.tell("quick", Duration::from_secs(1));
        assert_eq!((estimate.rest(1), estimate.left), (Some(Duration::from_secs(23)), 5));
        assert_eq!(estimate.rest(2), Some(Duration::from_secs_f64(11.5)));
    }
}
