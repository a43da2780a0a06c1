//! Suites on clusters of machines: the script of a job with a task for each shard.
//!
//! A script can be run again: trials that are recorded are not, and a task that was killed goes on.
//! It merges the shards when each of them has ended.

use std::ffi::OsString;
use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use edgeplan_problem::Bytes;
use edgeplan_records::row::Record;
use serde::Serialize;

use crate::runner::{Bench, Count};
use crate::shard::Shard;

/// What starts the tasks of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launcher {
    /// A job array of Slurm.
    Slurm,
    /// GNU parallel, which reaches other machines by ssh; `xargs` where there is none.
    Parallel,
    /// A task array of HyperQueue.
    HyperQueue,
}

/// A bench in shards, one task each.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The program and its first arguments.
    pub program: &'a [OsString],
    /// The words of `bench` with suites and limits, without shard and folder.
    pub bench: &'a [String],
    /// The folder that the merged records go to; those of shards go to a folder beside it.
    pub out: &'a Path,
    /// The folder that paths are relative to.
    pub folder: &'a Path,
    /// Tasks.
    pub shards: usize,
    /// Cores of a task.
    pub cores: usize,
    /// Memory of a task.
    pub memory: Bytes,
    /// What the longest task takes at most.
    pub time: Duration,
}

/// What a bench takes, alone or as the tasks of a job. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct Estimate {
    /// Instances.
    pub instances: usize,
    /// Trials in all.
    pub trials: usize,
    /// Trials that have no record.
    pub left: usize,
    /// Hours if each of these takes all that it may.
    pub hours_at_most: f64,
    /// Hours if every solver goes on as in the records; none without records.
    pub hours_expected: Option<f64>,
    /// Tasks of a job.
    pub tasks: Option<u16>,
    /// Hours of the longest task.
    pub task_hours_at_most: Option<f64>,
    /// The script of a job that was written.
    pub script: Option<PathBuf>,
    #[serde(skip)]
    count: Count,
    /// What the longest task takes at most.
    #[serde(skip)]
    pub task: Option<Duration>,
}

impl Estimate {
    /// Of a bench whose trials are recorded as far as these records say; `shards` are those of a
    /// job.
    pub fn new(bench: &Bench<'_>, records: &[Record], shards: Option<u16>) -> Self {
        let hours = |time: Duration| time.as_secs_f64() / 3600.0;
        let count = bench.count(records);
        let longest = |shards: u16| {
            let shards = (1..=shards).filter_map(|index| {
                let shard: Shard = format!("{index}/{shards}").parse().ok()?;
                Some(Bench { shard, ..bench.clone() }.count(&[]).at_most)
            });
            shards.max()
        };
        let task = shards.and_then(longest);
        Self {
            instances: count.instances,
            trials: count.trials,
            left: count.left,
            hours_at_most: hours(count.at_most),
            hours_expected: count.expected.map(hours),
            tasks: shards,
            task_hours_at_most: task.map(hours),
            script: None,
            count,
            task,
        }
    }
}

impl Display for Estimate {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Count { instances, trials, left, at_most, expected } = self.count;
        let recorded = trials - left;
        let expected = expected.map(|time| format!(", {} at the pace so far", until(time)));
        write!(
            f,
            "{trials} trials on {instances} instances, {recorded} recorded; {left} to run: {} at \
             most{}",
            until(at_most),
            expected.unwrap_or_default()
        )?;
        match self.tasks.zip(self.task) {
            Some((shards, time)) => write!(f, "\n{shards} tasks of at most {} each", until(time)),
            None => Ok(()),
        }
    }
}

/// A time to come, to the minute or second.
pub fn until(left: Duration) -> String {
    let seconds = left.as_secs();
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// What any launcher's script does: a task, and the end.
const COMMON: &str = r#"
task() {
    mkdir -p "$parts"
    code=0
    bench --shard "$1/$shards" --out "$parts/$1" || code=$?
    # 3 tells of a wrong answer, which is recorded as one.
    [ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code"
    : >"$parts/$1.done"
}

# Every task has ended; the records are joined once.
merge() {
    set --
    for shard in $(seq "$shards"); do
        if [ ! -e "$parts/$shard.done" ]; then
            echo "shard $shard of $shards has not ended: run this script again" >&2
            exit 1
        fi
        # The last shards of a few instances are empty.
        [ ! -e "$parts/$shard/records.csv" ] || set -- "$@" "$parts/$shard"
    done
    [ -e "$out/records.csv" ] || edgeplan bench --merge "$@" --out "$out"
    edgeplan bench --summary "$out"
}
"#;

const SLURM: &str = r#"
if [ -n "${SLURM_ARRAY_TASK_ID-}" ]; then
    task "$SLURM_ARRAY_TASK_ID"
elif [ "${1-}" = merge ]; then
    merge
else
    mkdir -p "$parts"
    array=$(sbatch --parsable --output="$parts/%a.txt" "$script")
    sbatch --array= --dependency="afterok:${array%%;*}" --kill-on-invalid-dep=yes \
        --output="$parts/merge.txt" "$script" merge
fi
"#;

const PARALLEL: &str = r#"
case "${1-}" in
task) task "$2" ;;
merge) merge ;;
*)
    # $PARALLEL may name machines that share this folder: --sshloginfile nodes.txt
    if parallel --version 2>/dev/null | grep -q GNU; then
        seq "$shards" | parallel --quote --jobs "${JOBS:-1}" sh "$script" task '{}'
    else
        seq "$shards" | xargs -n 1 -P "${JOBS:-1}" sh "$script" task
    fi
    merge
    ;;
esac
"#;

impl Launcher {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Slurm, Self::Parallel, Self::HyperQueue];

    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Slurm => "slurm",
            Self::Parallel => "parallel",
            Self::HyperQueue => "hyperqueue",
        }
    }

    /// What a person types to start the script in that file.
    pub fn command(self, script: &str) -> String {
        match self {
            Self::Slurm | Self::HyperQueue => format!("sh {script}"),
            Self::Parallel => format!("JOBS=1 sh {script}"),
        }
    }
}

impl Job<'_> {
    /// The script, for any POSIX shell. `script` is the path that it is written to.
    pub fn script(&self, launcher: Launcher, script: &Path) -> String {
        let Self { program, bench, out, folder, shards, .. } = *self;
        let words = |words: &[OsString]| {
            let words: Vec<String> = words.iter().map(|w| quoted(&w.to_string_lossy())).collect();
            words.join(" ")
        };
        let bench: Vec<String> = bench.iter().map(|word| quoted(word)).collect();
        let path = |path: &Path| quoted(&folder.join(path).display().to_string());
        let parts = {
            let mut parts = folder.join(out).into_os_string();
            parts.push(".shards");
            parts
        };
        let head = match launcher {
            Launcher::Slurm => self.slurm(),
            Launcher::Parallel | Launcher::HyperQueue => String::new(),
        };
        let tail = match launcher {
            Launcher::Slurm => SLURM.to_owned(),
            Launcher::Parallel => PARALLEL.to_owned(),
            Launcher::HyperQueue => self.hyperqueue(),
        };
        format!(
            "#!/bin/sh\n{head}# {} in {shards} shards. Run it again where a task was killed: what \
             is recorded stays.\nset -eu\ncd {}\nscript={}\nout={}\nparts={}\nshards={shards}\n\n\
             edgeplan() {{\n    {} \"$@\"\n}}\n\nbench() {{\n    edgeplan bench {} \"$@\"\n}}\n\
             {COMMON}{tail}",
            self.name,
            path(Path::new("")),
            path(script),
            path(out),
            quoted(&parts.to_string_lossy()),
            words(program),
            bench.join(" "),
        )
    }

    fn slurm(&self) -> String {
        let Self { name, shards, cores, memory, time, .. } = *self;
        let mebibytes = memory.0.div_ceil(1 << 20);
        // In whole minutes, the unit of a bare number.
        let minutes = time.as_secs().div_ceil(60).max(1);
        let lines = [
            format!("job-name={name}"),
            format!("array=1-{shards}"),
            "ntasks=1".into(),
            format!("cpus-per-task={cores}"),
            format!("mem={mebibytes}M"),
            format!("time={minutes}"),
            "requeue".into(),
        ];
        lines.iter().map(|line| format!("#SBATCH --{line}\n")).collect()
    }

    fn hyperqueue(&self) -> String {
        let Self { name, shards, cores, time, .. } = *self;
        let seconds = time.as_secs().max(1);
        format!(
            "\ncase \"${{1-}}\" in\ntask) task \"$HQ_TASK_ID\" ;;\nmerge) merge ;;\n*)\n    \
             hq submit --name {} --array 1-{shards} --cpus {cores} --time-limit {seconds}s \
             --wait \\\n        -- sh \"$script\" task\n    merge\n    ;;\nesac\n",
            quoted(name)
        )
    }
}

/// A word of a shell: as it is where nothing in it means anything to a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
