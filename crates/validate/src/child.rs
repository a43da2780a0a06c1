//! Processes of engines, ended by their ids.

use std::fs::File;
use std::path::Path;
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use edgeplan_measure::machine;

/// A process that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    what: String,
    log: String,
}

impl Child {
    /// Starts a command; what it says goes to a file.
    pub(crate) fn start(what: &str, command: &[&str], setup: Setup) -> Result<Self> {
        let log = File::create(setup.log).with_context(|| setup.log.display().to_string())?;
        // It ends with this program, too, however that ends.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(command)
            .envs(setup.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| what.to_owned())?;
        Ok(Self { process, what: what.into(), log: setup.log.display().to_string() })
    }

    /// Fails if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}; see {}", self.what, self.log),
        }
    }

    /// Waits until it has ended well.
    pub(crate) fn finish(mut self, most: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("{} ended with {status}; see {}", self.what, self.log),
                None if start.elapsed() > most => {
                    bail!("{} takes more than {} s; see {}", self.what, most.as_secs(), self.log)
                }
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Bytes in memory; `None` where the system does not tell.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        machine::resident_bytes_of(self.process.id())
    }
}

/// Where a process writes, and what is set for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup<'a> {
    pub(crate) log: &'a Path,
    pub(crate) variables: &'a [(&'a str, String)],
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself; no other error can be reported from here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_ends_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let setup = Setup { log: &log, variables: &[("WORD", "seen".into())] };
        let script = ["sh", "-c", "echo $WORD; exec sleep 60"];
        let mut child = Child::start("sleep", &script, setup).unwrap();
        let id = child.process.id();
        child.check().unwrap();
        assert!(child.resident_bytes().unwrap() > 0);
        while std::fs::read_to_string(&log).unwrap() != "seen\n" {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(child);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
        let mut gone = Child::start("false", &["false"], setup).unwrap();
        let error = loop {
            if let Err(error) = gone.check() {
                break error.to_string();
            }
        };
        assert!(error.starts_with("false ended with exit status: 1; see "), "{error}");
    }
}
