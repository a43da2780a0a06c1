//! Arguments of commands that measure with llama.cpp's programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edgeplan_files::InputError;
use edgeplan_quality::engine::{Programs, Stop, Work};
use edgeplan_records::lock::Lock;

use crate::argument::seconds;
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Engine {
    /// Measure what llama.cpp rounds and multiplies, on any architecture that it runs: folder of
    /// its programs, as `./x fetch llama.cpp` prints it
    #[arg(long)]
    engine: Option<PathBuf>,
    /// engine: folder for what is made once of the model [default: MODEL.work]
    #[arg(long, requires = "engine")]
    work: Option<PathBuf>,
    /// engine: text of the importance matrix [default: the text]
    #[arg(long, requires = "engine")]
    pub(crate) calibration: Option<PathBuf>,
    /// engine: threads of each program; 0 for as many as it takes itself
    #[arg(long, default_value_t = 0, requires = "engine")]
    threads: usize,
    /// engine: seconds after which it ends with what it has
    #[arg(long, requires = "engine", value_parser = seconds)]
    time: Option<f64>,
}

impl Engine {
    /// Programs and folder for a float model, if they were asked for; the lock keeps other
    /// processes out of the folder.
    pub(crate) fn open(
        &self,
        model: &Path,
        text: &Path,
    ) -> Result<Option<(Programs, Work, Lock)>, InputError> {
        let Some(folder) = &self.engine else { return Ok(None) };
        let stop = Stop::after(self.time.map(Duration::from_secs_f64), watch::flag());
        let programs = Programs::in_folder(folder, self.threads, stop)?;
        let calibration = self.calibration.as_deref().unwrap_or(text);
        let work = Work::open(model, self.work.as_deref(), calibration)?;
        let lock = Lock::hold(&work.file(""))?;
        watch::listen();
        Ok(Some((programs, work, lock)))
    }
}
