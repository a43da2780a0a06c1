//! The programs of llama.cpp: where they are, what they print, how they are ended.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use edgeplan_files::InputError;
use edgeplan_programs::{Running, last_lines};

/// How long a program may take for one model.
const LONGEST: Duration = Duration::from_secs(600);
/// How long a server may load.
const LOADING: Duration = Duration::from_secs(60);

/// What stopped a measurement.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A program that is not there.
    #[error(
        "{}: `{program}` is missing; `./x fetch llama.cpp` builds the programs and prints their \
         folder, or `--programs FOLDER` names another", folder.display()
    )]
    Missing {
        /// Where it was sought.
        folder: PathBuf,
        /// Its name.
        program: &'static str,
    },
    /// A program that cannot be run, or failed.
    #[error("{program}: {problem}")]
    Failed {
        /// Its name.
        program: &'static str,
        /// What the system or its last lines say.
        problem: String,
    },
    /// Output that is not understood.
    #[error("{program} printed: {problem}")]
    Printed {
        /// Its name.
        program: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A model that cannot be made or read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A folder for models that cannot be made.
    #[error("folder for models: {0}")]
    Folder(#[from] std::io::Error),
    /// The user ended it.
    #[error("interrupted")]
    Interrupted,
}

/// Where the programs lie, and whether to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Programs<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) stop: &'a AtomicBool,
}

impl Programs<'_> {
    /// Whether it is there.
    pub(crate) fn has(&self, program: &str) -> bool {
        self.path(program).is_file()
    }

    fn path(&self, program: &str) -> PathBuf {
        let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
        self.folder.join(name)
    }

    fn start(&self, program: &'static str, words: &[String]) -> Result<Running, EngineError> {
        if !self.has(program) {
            return Err(EngineError::Missing { folder: self.folder.into(), program });
        }
        Running::start(&self.path(program), words)
            .map_err(|error| EngineError::Failed { program, problem: error.to_string() })
    }

    /// Runs a program to its end: what it printed.
    ///
    /// # Errors
    /// A program that is missing, fails, takes too long, or is interrupted.
    pub(crate) fn run(
        &self,
        program: &'static str,
        words: &[String],
    ) -> Result<String, EngineError> {
        let start = Instant::now();
        let is_stopped = || self.stop.load(Ordering::Relaxed);
        let ended =
            self.start(program, words)?.wait(|| is_stopped() || start.elapsed() > LONGEST)?;
        let Some(ended) = ended else {
            if is_stopped() {
                return Err(EngineError::Interrupted);
            }
            let problem = format!("not ready after {} s", LONGEST.as_secs());
            return Err(EngineError::Failed { program, problem });
        };
        if !ended.status.success() {
            let problem = format!("{}: {}", ended.status, last_lines(&ended.err, 1));
            return Err(EngineError::Failed { program, problem });
        }
        Ok(ended.out)
    }

    /// A program that serves on a port of this machine until it is dropped; `ready` says when it
    /// does.
    ///
    /// # Errors
    /// A program that is missing, ends, or is not ready in time.
    pub(crate) fn serve(
        &self,
        program: &'static str,
        words: &[String],
        ready: &dyn Fn() -> bool,
    ) -> Result<Running, EngineError> {
        let mut running = self.start(program, words)?;
        let start = Instant::now();
        while !ready() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(EngineError::Interrupted);
            }
            let problem = match running.status()? {
                Some(status) => format!("ended before it served: {status}"),
                None if start.elapsed() > LOADING => "does not serve".to_owned(),
                None => {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
            };
            return Err(EngineError::Failed { program, problem });
        }
        Ok(running)
    }
}

/// A port of this machine that is free now.
///
/// # Errors
/// A system that has none.
pub(crate) fn free_port() -> Result<u16, EngineError> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether something listens there.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_the_way_to_it() {
        let stop = AtomicBool::new(false);
        let programs = Programs { folder: Path::new("/nowhere"), stop: &stop };
        let error = programs.run("llama-bench", &[]).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere: `llama-bench` is missing; `./x fetch llama.cpp`"));
    }

    #[cfg(unix)]
    #[test]
    fn what_a_program_prints_last_says_why_it_failed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("llama-bench");
        std::fs::write(&path, "#!/bin/sh\necho \"$1\"; echo no model >&2; exit $2\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let stop = AtomicBool::new(false);
        let programs = Programs { folder: folder.path(), stop: &stop };
        let run = |code: &str| programs.run("llama-bench", &["word".into(), code.into()]);
        assert_eq!(run("0").unwrap(), "word\n");
        let error = run("3").unwrap_err().to_string();
        assert!(error.contains("no model") && error.contains('3'), "{error}");
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(
            programs.serve("llama-bench", &["a".into(), "0".into()], &|| false),
            Err(EngineError::Interrupted | EngineError::Failed { .. })
        ));
    }
}
