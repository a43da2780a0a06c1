//! llama.cpp's programs, run one at a time and ended by their ids.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use edgeplan_files::InputError;
use edgeplan_programs::{Running, last_lines};

use super::EngineError;

const QUANTIZE: &str = "llama-quantize";
const IMATRIX: &str = "llama-imatrix";
const PERPLEXITY: &str = "llama-perplexity";

/// Lines of a program's last words that an error repeats.
const LAST_LINES: usize = 3;

/// When to end early.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// From when on.
    pub until: Option<Instant>,
    /// Set by Ctrl-C.
    pub flag: &'static AtomicBool,
}

impl Stop {
    /// After that time, or when the flag is set.
    pub fn after(time: Option<Duration>, flag: &'static AtomicBool) -> Self {
        // A time beyond what clocks can say is none.
        Self { until: time.and_then(|time| Instant::now().checked_add(time)), flag }
    }

    /// Whether it is time.
    pub fn is_due(&self) -> bool {
        self.flag.load(Ordering::Relaxed) || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// Programs of llama.cpp.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
    threads: usize,
    stop: Stop,
}

impl Programs {
    /// The programs in that folder, each on so many threads (0 for as many as it takes itself).
    ///
    /// # Errors
    /// A folder that lacks one of the programs.
    pub fn in_folder(folder: &Path, threads: usize, stop: Stop) -> Result<Self, InputError> {
        let lacks = |name: &&str| !folder.join(name).is_file();
        let missing: Vec<&str> =
            [QUANTIZE, IMATRIX, PERPLEXITY].into_iter().filter(|name| lacks(name)).collect();
        if missing.is_empty() {
            return Ok(Self { folder: folder.into(), threads, stop });
        }
        let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let problem = format!("no {names} here; `./x fetch llama.cpp` builds them and says where");
        Err(InputError::file(folder.display().to_string(), problem))
    }

    /// Whether it is time to end.
    pub fn is_due(&self) -> bool {
        self.stop.is_due()
    }

    /// Quantizes: `arguments` before the files are the quantizer's own.
    pub(super) fn quantize(
        &self,
        arguments: &[String],
        [from, to]: [&Path; 2],
        kind: &str,
    ) -> Result<(), EngineError> {
        let part = to.with_extension("part");
        let mut all = arguments.to_vec();
        all.extend([from, &part].map(|path| path.display().to_string()));
        all.push(kind.to_owned());
        if self.threads > 0 {
            all.push(self.threads.to_string());
        }
        self.run(QUANTIZE, &all, to)?;
        // Whole or not at all.
        std::fs::rename(&part, to).map_err(|error| {
            let problem = format!("{QUANTIZE} has not written it: {error}");
            InputError::file(to.display().to_string(), problem).into()
        })
    }

    /// Makes an importance matrix.
    pub(super) fn imatrix(&self, arguments: &[String], to: &Path) -> Result<String, EngineError> {
        self.run(IMATRIX, &self.with_threads(arguments), to)
    }

    /// Measures; the answer is what it says.
    pub(super) fn perplexity(
        &self,
        arguments: &[String],
        file: &Path,
    ) -> Result<String, EngineError> {
        self.run(PERPLEXITY, &self.with_threads(arguments), file)
    }

    fn with_threads(&self, arguments: &[String]) -> Vec<String> {
        let mut all = arguments.to_vec();
        if self.threads > 0 {
            all.extend(["--threads".into(), self.threads.to_string()]);
        }
        all
    }

    /// What a program says, standard output behind standard error; `about` is named in errors.
    fn run(&self, name: &str, arguments: &[String], about: &Path) -> Result<String, EngineError> {
        let program = self.folder.join(name);
        let wrong = |problem: String| InputError::file(program.display().to_string(), problem);
        let failed = |error: std::io::Error| wrong(error.to_string());
        let running = Running::start(&program, arguments).map_err(failed)?;
        let ended = running.wait(|| self.is_due()).map_err(failed)?;
        let ended = ended.ok_or(EngineError::Stopped)?;
        let said = ended.err + &ended.out;
        if ended.status.success() {
            return Ok(said);
        }
        // Ctrl-C reaches the program, too.
        if self.is_due() {
            return Err(EngineError::Stopped);
        }
        let last = last_lines(&said, LAST_LINES);
        Err(wrong(format!("{} at {}: {last}", ended.status, about.display())).into())
    }
}
