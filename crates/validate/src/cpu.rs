//! A slower processor: a share of a core's time (Linux's CFS bandwidth control,
//! `Documentation/scheduler/sched-bwc.rst`). No core is fixed: machines of a pipeline take turns,
//! and so move away from whatever else runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A period must be short beside a token, and a quota may not be below a millisecond.
const PERIOD_US: u64 = 4_000;

/// A part of the processor; the limit is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Cpu {
    group: Option<Group>,
    percent: u64,
}

#[derive(Debug)]
struct Group {
    folder: PathBuf,
    /// One file for quota and period (version 2 of cgroups), or two.
    unified: bool,
}

impl Cpu {
    /// All of it.
    pub(crate) fn whole() -> Self {
        Self { group: None, percent: 100 }
    }

    /// That many percent of a core's time once [`Cpu::limit`] says so.
    ///
    /// # Errors
    /// Where groups of processes cannot be made: that needs root.
    pub(crate) fn part(name: &str, percent: u64) -> Result<Self> {
        if percent >= 100 {
            return Ok(Self { group: None, percent });
        }
        let root = Path::new("/sys/fs/cgroup");
        let unified = root.join("cgroup.controllers").exists();
        let parent = if unified { root.to_path_buf() } else { root.join("cpu") };
        let folder = parent.join(format!("edgeplan-{name}"));
        // What an interrupted run left is empty, or in use and said to be there.
        let _ = fs::remove_dir(&folder);
        fs::create_dir(&folder)
            .with_context(|| format!("{}: a share of a core needs root", folder.display()))?;
        // Whatever else runs shall not make the share smaller: a group is weighed as one process.
        let (file, weight) = if unified { ("cpu.weight", 10_000) } else { ("cpu.shares", 262_144) };
        let path = folder.join(file);
        fs::write(&path, weight.to_string()).with_context(|| path.display().to_string())?;
        Ok(Self { group: Some(Group { folder, unified }), percent })
    }

    /// What a command must follow to run on this part.
    pub(crate) fn prefix(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(group) = &self.group {
            let join = "echo $$ >\"$0/cgroup.procs\" && exec \"$@\"";
            words.extend(["sh".into(), "-c".into(), join.into()]);
            words.push(group.folder.display().to_string());
        }
        words
    }

    /// Puts the limit into force, or lifts it.
    pub(crate) fn limit(&self, on: bool) -> Result<()> {
        let Some(Group { folder, unified }) = &self.group else { return Ok(()) };
        for (file, text) in limits(*unified, on.then_some(self.percent)) {
            let path = folder.join(file);
            fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

/// The files that hold a limit, and what they then say.
fn limits(unified: bool, percent: Option<u64>) -> Vec<(&'static str, String)> {
    let quota = percent.map(|percent| (PERIOD_US * percent / 100).max(1_000));
    match unified {
        true => {
            let quota = quota.map_or("max".to_owned(), |quota| quota.to_string());
            vec![("cpu.max", format!("{quota} {PERIOD_US}"))]
        }
        false => {
            let quota = quota.map_or("-1".to_owned(), |quota| quota.to_string());
            vec![("cpu.cfs_period_us", PERIOD_US.to_string()), ("cpu.cfs_quota_us", quota)]
        }
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            // Processes of the group were waited for; what they leave takes a moment.
            for _ in 0..50 {
                if fs::remove_dir(&group.folder).is_ok() {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_groups_say_the_same() {
        assert_eq!(limits(true, Some(25)), [("cpu.max", "1000 4000".to_owned())]);
        assert_eq!(limits(true, None), [("cpu.max", "max 4000".to_owned())]);
        let two = limits(false, Some(50)).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(two, ["4000", "2000"]);
        assert_eq!(limits(false, None)[1], ("cpu.cfs_quota_us", "-1".to_owned()));
    }

    #[test]
    fn a_whole_core_needs_no_group() {
        let cpu = Cpu::part("a", 100).unwrap();
        assert!(cpu.prefix().is_empty());
        cpu.limit(true).unwrap();
        assert!(Cpu::whole().prefix().is_empty());
    }
}
