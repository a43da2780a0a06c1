//! Runs suites: every solver on every instance with every seed, each trial in its own process.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use edgeplan_instances::file::InputError;
use edgeplan_instances::instance::fingerprint;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::gap;

use crate::child::{Reply, ask};
use crate::record::{Folder, Record};
use crate::suite::{Suite, known_solver};
use crate::trial::{Allowance, End, Point, PointKind, Question, Word};
use edgeplan_measure::machine::{Machine, REVISION};

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
    /// The executable whose arguments `trial` make it answer a [`Question`].
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
    /// What runs now: instance and solver.
    pub now: (&'a str, &'a str),
}

impl Bench<'_> {
    /// Runs every trial that the folder has no record of, instance by instance, until done or
    /// interrupted; a trial that is interrupted leaves no record.
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
        for name in self.solvers {
            known_solver(name).map_err(|problem| InputError::file("bench", problem))?;
        }
        let machine = Machine::here();
        self.check_folder(folder, &machine)?;
        folder.note(&machine, self.command)?;
        let mut progress = Progress { done: 0, all: self.trials(), now: ("", "") };
        for suite in self.suites {
            let solvers = self.solvers_of(suite);
            for case in &suite.cases {
                let instance = case.generate()?;
                let digest = fingerprint(&instance);
                check_digest(folder, &suite.name, &case.name, &digest)?;
                for (solver, &seed) in product(solvers, self.seeds) {
                    progress.now = (&case.name, solver);
                    show(progress);
                    if interrupt.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    progress.done += 1;
                    let key = (suite.name.as_str(), case.name.as_str(), solver.as_str(), seed);
                    if folder.records().iter().any(|record| record.key() == key) {
                        continue;
                    }
                    let solver = solver.clone();
                    let allowance = self.allowance;
                    let instance = instance.clone();
                    let question = Question { solver, seed, allowance, instance };
                    let mut command = Command::new(&self.executable);
                    let Some(reply) = ask(command.arg("trial"), &question, interrupt) else {
                        return Ok(());
                    };
                    let mut record = record(&question, &reply);
                    record.suite.clone_from(&suite.name);
                    record.fingerprint.clone_from(&digest);
                    record.machine.clone_from(&machine.name());
                    folder.add(record, &reply.points)?;
                }
            }
        }
        Ok(())
    }

    fn solvers_of<'a>(&'a self, suite: &'a Suite) -> &'a [String] {
        if self.solvers.is_empty() { &suite.solvers } else { self.solvers }
    }

    fn trials(&self) -> usize {
        let of = |suite: &Suite| suite.cases.len() * self.solvers_of(suite).len();
        self.suites.iter().map(of).sum::<usize>() * self.seeds.len()
    }

    /// One folder, one machine, one set of limits: its rows can be compared.
    fn check_folder(&self, folder: &Folder, machine: &Machine) -> Result<(), InputError> {
        let mut names = BTreeSet::new();
        if let Some(suite) = self.suites.iter().find(|suite| !names.insert(&suite.name)) {
            let problem = format!("two suites are called {}", suite.name);
            return Err(InputError::file("bench", problem));
        }
        let Some(record) = folder.records().first() else { return Ok(()) };
        let Allowance { time_s, gap, memory, .. } = self.allowance;
        let facts = [
            ("time_limit_s", record.time_limit_s.to_string(), time_s.to_string()),
            ("gap_limit", record.gap_limit.to_string(), gap.to_string()),
            ("memory_limit_bytes", record.memory_limit_bytes.to_string(), memory.0.to_string()),
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

fn product<'a>(
    solvers: &'a [String],
    seeds: &'a [u64],
) -> impl Iterator<Item = (&'a String, &'a u64)> {
    solvers.iter().flat_map(move |solver| seeds.iter().map(move |seed| (solver, seed)))
}

fn check_digest(folder: &Folder, suite: &str, case: &str, now: &str) -> Result<(), InputError> {
    let mut of_case = folder.records().iter().filter(|r| r.suite == suite && r.instance == case);
    match of_case.find(|record| record.fingerprint != now) {
        Some(record) => {
            let there = &record.fingerprint;
            let problem = format!("{case} was {there}, is {now} now: choose another folder");
            Err(InputError::key(folder.file(), "fingerprint", problem))
        }
        None => Ok(()),
    }
}

/// The row of a trial, but for what only the runner knows.
fn record(question: &Question, reply: &Reply) -> Record {
    let Question { instance, allowance, .. } = question;
    let failed = |reason: &String| End {
        verdict: Word::Failed,
        reason: reason.clone(),
        cost: None,
        lower_bound: None,
        elapsed_s: reply.wall.as_secs_f64(),
        stopped: String::new(),
        work: Default::default(),
        peak_memory_bytes: None,
    };
    let end = reply.end.clone().unwrap_or_else(|reason| failed(&reason));
    let first = first_plan(&reply.points, &end);
    let work: Vec<String> =
        end.work.iter().map(|(what, count)| format!("{what}={count}")).collect();
    Record {
        suite: String::new(),
        instance: instance.name.clone(),
        fingerprint: String::new(),
        layers: instance.models.iter().map(|model| model.layers.len()).sum(),
        devices: instance.devices.len(),
        options_max: options_max(instance),
        placement: instance.placement,
        objective: instance.objective,
        solver: question.solver.clone(),
        seed: question.seed,
        verdict: end.verdict,
        // One row, one line: half a row can then be told from a whole one.
        reason: end.reason.replace(['\n', '\r'], " "),
        cost: end.cost,
        lower_bound: end.lower_bound,
        gap: end.cost.zip(end.lower_bound).map(|(cost, bound)| gap(cost, bound)),
        elapsed_s: end.elapsed_s,
        first_plan_s: first.map(|point| point.at_s),
        first_plan_cost: first.map(|point| point.value),
        work: work.join(";"),
        peak_memory_bytes: end.peak_memory_bytes,
        stopped: end.stopped,
        time_limit_s: allowance.time_s,
        gap_limit: allowance.gap,
        memory_limit_bytes: allowance.memory.0,
        revision: REVISION.into(),
        machine: String::new(),
    }
}

/// The first incumbent; the returned plan where a solver told of none on the way.
fn first_plan(points: &[Point], end: &End) -> Option<Point> {
    let told = points.iter().find(|point| point.kind == PointKind::Incumbent).copied();
    let returned =
        end.cost.map(|value| Point { at_s: end.elapsed_s, kind: PointKind::Incumbent, value });
    told.or(returned)
}

fn options_max(instance: &Deployment) -> usize {
    let layers = instance.models.iter().flat_map(|model| &model.layers);
    layers.map(|layer| layer.options.len()).max().unwrap_or(0)
}
