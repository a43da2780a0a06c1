//! The grid, cell by cell: what was measured before is kept, and every cell is saved at once.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use edgeplan_cost_model::engine::{
    EngineModel, EngineProfile, KernelTiming, Pass, PassTiming, Way,
};
use edgeplan_cost_model::profile::Machine as Described;
use edgeplan_files::InputError;
use edgeplan_measure::machine::load_average;
use edgeplan_problem::format::Format;

use crate::bench::{self, Test, spread};
use crate::device::{Device, device};
use crate::found::{empty, shorter};
use crate::grid::{self, Cells, Size, TINY_STEPS};
use crate::kernels;
use crate::models;
use crate::programs::{EngineError, Programs, free_port, listens};
use crate::server::Server;

const BENCH: &str = "llama-bench";
const OPERATORS: &str = "test-backend-ops";
const REMOTE: &str = "ggml-rpc-server";
const SERVER: &str = "llama-server";

/// Processes per core that other work may take before a note says so.
const IDLE: f64 = 0.2;

/// Logarithm of true over predicted time from which on a model is measured again.
const FAR: f64 = 0.15;

/// How to measure.
#[derive(Debug)]
pub struct Options {
    /// Folder of llama.cpp's programs.
    pub programs: PathBuf,
    /// Files to run beside the models that are made, some of them in the formats of these:
    /// predictions are held against the files.
    pub models: Vec<PathBuf>,
    /// How much.
    pub size: Size,
    /// Threads; as many as the engine takes by itself if none.
    pub threads: Option<u32>,
    /// Whether to measure the processor even where there is an accelerator.
    pub cpu: bool,
}

/// What is done, and what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Runs of programs that are done.
    pub done: usize,
    /// All of them.
    pub all: usize,
    /// What runs now.
    pub now: String,
}

/// One run of a program.
#[derive(Debug)]
enum Task {
    /// A model that is made, in one way.
    Made(Box<grid::Made>, Way),
    /// A file that the user named, in one way.
    Given(PathBuf, Way),
    /// A model in another process.
    Remote(String),
    /// A model behind the engine's server.
    Served(String),
    /// Kernels of an operator.
    Kernels(&'static str, String),
}

/// Measures this machine by the engine's programs, what `before` lacks. `save` is called with all
/// that is known after every run of one of them.
///
/// # Errors
/// A missing `llama-bench`, or one that fails. Programs that only some cells need may be missing:
/// the notes say so.
pub fn profile(
    options: &Options,
    before: Option<EngineProfile>,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(&Progress),
    save: &mut dyn FnMut(&EngineProfile) -> Result<(), InputError>,
) -> Result<EngineProfile, EngineError> {
    let programs = Programs { folder: &options.programs, stop };
    let device = if options.cpu { None } else { device(&programs)? };
    let load = load_average();
    let folder = tempfile::tempdir()?;
    let formats = models::formats(&options.models)?;
    let mut run = Run { options, programs, device, formats, folder: folder.path(), found: before };
    let tasks = run.tasks();
    let all = tasks.len();
    let mut notes = Vec::new();
    for (done, task) in tasks.iter().enumerate() {
        progress(&Progress { done, all, now: task.name() });
        match run.task(task) {
            Err(EngineError::Interrupted) => break,
            Err(error) if !task.is_vital() => {
                // Where models are made for an hour is not what a reader must know.
                let inside = format!("{}/", folder.path().display());
                notes.push(format!("left out: {}", error.to_string().replace(&inside, "")));
            }
            other => other?,
        }
        if let Some(found) = &mut run.found {
            found.complete = done + 1 == all && notes.is_empty();
            save(found)?;
        }
    }
    if !stop.load(Ordering::Relaxed) {
        run.again(&tasks, &mut |now| progress(&Progress { done: all, all, now }))?;
    }
    let mut found = run.found.ok_or(EngineError::Interrupted)?;
    found.complete &= !stop.load(Ordering::Relaxed);
    let cores = found.machine.cores;
    if load > IDLE * f64::from(cores) {
        notes.push(format!(
            "{load:.1} processes ran or waited for {cores} cores in the minute before: other work"
        ));
    }
    notes.sort();
    notes.dedup();
    found.notes = notes;
    Ok(found)
}

impl Task {
    fn name(&self) -> String {
        match self {
            Self::Made(made, Way::AsStored) => format!("{} as stored", made.name),
            Self::Made(made, _) => made.name.clone(),
            Self::Given(path, _) => path.display().to_string(),
            Self::Remote(model) => format!("{model} in another process"),
            Self::Served(model) => format!("{model} behind a server"),
            Self::Kernels(operator, _) => (*operator).to_owned(),
        }
    }

    /// Whether nothing follows without it.
    fn is_vital(&self) -> bool {
        matches!(self, Self::Made(made, Way::Plain) if made.shape.experts.is_none())
            || matches!(self, Self::Given(..))
    }
}

struct Run<'a> {
    options: &'a Options,
    programs: Programs<'a>,
    device: Option<Device>,
    /// Of the files that the user named.
    formats: Vec<Format>,
    folder: &'a Path,
    found: Option<EngineProfile>,
}

impl Run<'_> {
    /// All runs, in an order that tells most first.
    fn tasks(&self) -> Vec<Task> {
        let (size, cpu) = (self.options.size, self.device.is_none());
        let mut tasks = Vec::new();
        for made in grid::models(size, cpu, &self.formats) {
            let ways = made.cells.ways.clone();
            tasks.extend(ways.into_iter().map(|way| Task::Made(Box::new(made.clone()), way)));
        }
        tasks.extend(grid::remote().map(Task::Remote));
        tasks.extend(grid::served().map(Task::Served));
        let ways = models::cells(size, cpu).ways;
        for path in &self.options.models {
            tasks.extend(ways.iter().map(|&way| Task::Given(path.clone(), way)));
        }
        let operators = kernels::asked(size).into_iter();
        tasks.extend(operators.map(|(operator, filter)| Task::Kernels(operator, filter)));
        tasks
    }

    fn task(&mut self, task: &Task) -> Result<(), EngineError> {
        match task {
            Task::Made(made, way) => {
                let cells = Cells { ways: vec![*way], ..made.cells.clone() };
                if self.missing(&cells.passes(&made.name)) {
                    let path = models::make(made, self.folder)?;
                    self.bench(&made.name, &path, &cells)?;
                }
                Ok(())
            }
            Task::Given(path, way) => {
                let cells = models::cells(self.options.size, self.device.is_none());
                let cells = Cells { ways: vec![*way], ..cells };
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                if self.missing(&cells.passes(&name)) {
                    self.bench(&name, path, &cells)?;
                }
                Ok(())
            }
            Task::Remote(model) => self.remote(model),
            Task::Served(model) => self.served(model),
            Task::Kernels(operator, filter) => self.kernels(operator, filter),
        }
    }

    /// Measures models again whose times are far from what all others tell: other work may have
    /// come between. The shorter times count.
    fn again(&mut self, tasks: &[Task], now: &mut dyn FnMut(String)) -> Result<(), EngineError> {
        let Some(model) = self.found.as_ref().and_then(|found| EngineModel::fit(found).ok()) else {
            return Ok(());
        };
        let far = |name: &str, way: Way| {
            model.held_out().iter().any(|held| {
                held.pass.model == name && held.pass.way == way && held.error.abs() > FAR
            })
        };
        for task in tasks {
            let Task::Made(made, way) = task else { continue };
            if self.programs.stop.load(Ordering::Relaxed) || !far(&made.name, *way) {
                continue;
            }
            now(format!("{} again", task.name()));
            let path = models::make(made, self.folder)?;
            let cells = Cells { ways: vec![*way], ..made.cells.clone() };
            self.bench(&made.name, &path, &cells)?;
        }
        Ok(())
    }

    /// Whether any of these passes is not measured yet.
    fn missing(&self, passes: &[Pass]) -> bool {
        let known: HashSet<&Pass> =
            self.found.iter().flat_map(|found| &found.passes).map(|one| &one.pass).collect();
        passes.iter().any(|pass| !known.contains(pass))
    }

    /// What every run of `llama-bench` is told.
    fn words(&self, path: &Path) -> Vec<String> {
        let repeats = if self.options.size == Size::Quick { 5 } else { 7 };
        let mut words: Vec<String> = ["-o", "jsonl", "-fa", "on", "-r"].map(Into::into).into();
        words.push(format!("{repeats}"));
        words.extend(["-m".into(), path.display().to_string()]);
        if let Some(threads) = self.options.threads {
            words.extend(["-t".into(), threads.to_string()]);
        }
        words
    }

    /// Words that say where it computes.
    fn on(&self) -> [String; 2] {
        ["-dev".into(), self.device.as_ref().map_or("none", |device| &device.name).into()]
    }

    /// The passes of one model, in one way.
    fn bench(&mut self, name: &str, path: &Path, cells: &Cells) -> Result<(), EngineError> {
        let list = |values: &[u64]| values.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let way = cells.ways[0];
        let mut tests = Vec::new();
        // Types of keys and values are told together.
        for cache in &cells.caches {
            let mut words = self.words(path);
            words.extend(self.on());
            let prompts = if cells.prompts.is_empty() { "0".into() } else { list(&cells.prompts) };
            let (steps, depths) = (cells.steps.to_string(), list(&cells.depths));
            let repack = if way == Way::Plain { "1" } else { "0" };
            for (name, value) in [
                ("-p", prompts.as_str()),
                ("-n", &steps),
                ("-d", &depths),
                ("-ctk", cache.name()),
                ("-ctv", cache.name()),
                ("--repack", repack),
            ] {
                words.extend([name.to_owned(), value.to_owned()]);
            }
            tests.extend(bench::tests(&self.programs.run(BENCH, &words)?)?);
        }
        self.add(name, path, &tests, way)
    }

    /// Puts tests of a model into the profile, in place of what was there.
    fn add(
        &mut self,
        name: &str,
        path: &Path,
        tests: &[Test],
        way: Way,
    ) -> Result<(), EngineError> {
        let timed: Vec<PassTiming> =
            tests.iter().map(|test| test.timing(name, way)).collect::<Result<_, _>>()?;
        let Some(first) = tests.first() else {
            let problem = "no test".into();
            return Err(EngineError::Printed { program: BENCH, problem });
        };
        let given = self.options.models.iter().any(|known| known == path);
        let model = models::describe(name, path, given)?;
        let device = self.device.as_ref();
        let new = empty(first, device);
        let found = self.found.get_or_insert_with(|| new.clone());
        let of = |one: &EngineProfile| {
            let Described { engine, processor, threads, .. } = &one.machine;
            format!("{engine}, {threads} threads on {processor}, {}", one.backend)
        };
        if of(found) != of(&new) {
            let problem = format!("{}; this is {}: name another file", of(found), of(&new));
            return Err(InputError::file("the profile to go on with", problem).into());
        }
        if !found.models.contains(&model) {
            found.models.retain(|known| known.name != model.name);
            found.models.push(model);
        }
        for new in timed {
            match found.passes.iter_mut().find(|known| known.pass == new.pass) {
                Some(known) => known.time = shorter(known.time, new.time),
                None => found.passes.push(new),
            }
        }
        Ok(())
    }

    /// The file of a model that was made, or is made now.
    fn made(&self, name: &str) -> Result<PathBuf, EngineError> {
        let all = grid::models(self.options.size, self.device.is_none(), &self.formats);
        let made = all.into_iter().find(|made| made.name == name);
        let made = made.ok_or(EngineError::Failed { program: BENCH, problem: name.into() })?;
        Ok(models::make(&made, self.folder)?)
    }

    /// One row in another process on this machine.
    fn remote(&mut self, model: &str) -> Result<(), EngineError> {
        if !self.missing(&[grid::step(model, Way::Remote)]) {
            return Ok(());
        }
        let path = self.made(model)?;
        let port = free_port()?;
        let threads = self.found.as_ref().map_or(1, |found| found.machine.threads);
        let words = ["-p", &port.to_string(), "-t", &threads.to_string()].map(Into::into);
        let _server = self.programs.serve(REMOTE, &words, &|| listens(port))?;
        let mut words = self.words(&path);
        let (address, steps) = (format!("127.0.0.1:{port}"), TINY_STEPS.to_string());
        for word in ["-rpc", &address, "-dev", "RPC0", "-p", "0", "-n", &steps] {
            words.push(word.to_owned());
        }
        let tests = bench::tests(&self.programs.run(BENCH, &words)?)?;
        self.add(model, &path, &tests, Way::Remote)
    }

    /// One row behind the engine's server.
    fn served(&mut self, model: &str) -> Result<(), EngineError> {
        let pass = grid::step(model, Way::Served);
        if !self.missing(std::slice::from_ref(&pass)) {
            return Ok(());
        }
        let path = self.made(model)?;
        let port = free_port()?;
        let mut words: Vec<String> =
            ["-c", "512", "-np", "1", "-fa", "on", "--no-warmup"].map(Into::into).into();
        words.extend(self.on());
        for (name, value) in [("-m", path.display().to_string()), ("--port", port.to_string())] {
            words.extend([name.to_owned(), value]);
        }
        if let Some(threads) = self.options.threads {
            words.extend(["-t".into(), threads.to_string()]);
        }
        let server = Server::at(port);
        let _process = self.programs.serve(SERVER, &words, &|| server.ready())?;
        // The first answer warms caches.
        server.ask(TINY_STEPS)?;
        let repeats = if self.options.size == Size::Quick { 5 } else { 11 };
        let times = (0..repeats).map(|_| server.ask(TINY_STEPS)).collect::<Result<Vec<_>, _>>()?;
        let time = spread(&times);
        if let Some((found, time)) = self.found.as_mut().zip(time) {
            found.passes.retain(|known| known.pass != pass);
            found.passes.push(PassTiming { pass, time });
        }
        Ok(())
    }

    /// Kernels of one operator; kept where some of it are there.
    fn kernels(&mut self, operator: &str, filter: &str) -> Result<(), EngineError> {
        let backend = self.device.as_ref().map_or("CPU", |device| &device.name);
        let words: Vec<String> =
            ["perf", "--output", "sql", "-b", backend, "-o", operator, "-p", filter]
                .map(Into::into)
                .into();
        let named = |timing: &KernelTiming| kernels::operator(&timing.kernel) == operator;
        if self.found.iter().flat_map(|found| &found.kernels).any(named) {
            return Ok(());
        }
        let printed = self.programs.run(OPERATORS, &words)?;
        for (kernel, nanos) in kernels::kernels(&printed)? {
            let time = spread(&[nanos]);
            if let Some((found, time)) = self.found.as_mut().zip(time) {
                found.kernels.push(KernelTiming { kernel, time });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
