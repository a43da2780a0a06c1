//! Runs of commands that are killed at any moment, and what is left of their files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::command::edgeplan;

/// A command whose runs are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// `bench`, which adds to a folder of records.
    Bench,
    /// `sensitivity`, which adds lines to a file.
    Sensitivity,
    /// `quantize`, which replaces a model.
    Quantize,
    /// `schedule`, which replaces a schedule and a decision frame.
    Schedule,
    /// `report`, which replaces pages.
    Report,
}

impl Victim {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Bench, Self::Sensitivity, Self::Quantize, Self::Schedule, Self::Report];

    /// The command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bench => "bench",
            Self::Sensitivity => "sensitivity",
            Self::Quantize => "quantize",
            Self::Schedule => "schedule",
            Self::Report => "report",
        }
    }

    /// Whether a run goes on where another one was killed.
    fn goes_on(self) -> bool {
        matches!(self, Self::Bench | Self::Sensitivity)
    }

    fn arguments(self, place: &Path) -> Vec<String> {
        let at = |name: &str| place.join(name).display().to_string();
        let data = |name: &str| format!("{}/../bench-data/{name}", env!("CARGO_MANIFEST_DIR"));
        let teacher = data("teacher/teacher.gguf");
        let words: Vec<String> = match self {
            Self::Bench => {
                let suite = data("suites/smoke.toml");
                let solvers = ["--solver", "fastest-first,chain-exact", "--time", "5", "--out"];
                let solvers = solvers.map(str::to_owned);
                [vec!["bench".into(), suite], solvers.to_vec(), vec![at("record")]].concat()
            }
            Self::Sensitivity => {
                let rest = ["--tokens", "128", "--context", "64", "--formats", "q4_0", "--out"];
                let rest = rest.map(str::to_owned).to_vec();
                let text = data("teacher/romans.txt");
                let first = vec!["sensitivity".into(), teacher, "--text".into(), text];
                [first, rest, vec![at("sensitivity.jsonl")]].concat()
            }
            Self::Quantize => {
                let rest = ["--recipe", "q4_K", "--out"].map(str::to_owned).to_vec();
                [vec!["quantize".into(), teacher], rest, vec![at("model.gguf")]].concat()
            }
            Self::Schedule => vec![
                "schedule".into(),
                "--out".into(),
                at("schedule.json"),
                "--write".into(),
                at("frame.json"),
            ],
            Self::Report => vec!["report".into(), place.display().to_string()],
        };
        words
    }
}

/// What became of the files of a command that was killed so many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The command.
    pub victim: Victim,
    /// Runs that were killed before their end.
    pub kills: u32,
    /// Runs that were faster.
    pub ended: u32,
    /// Longest time from a kill to the end of all processes.
    pub gone_ms: u128,
}

/// What was wrong with the files.
#[derive(Debug)]
pub struct Damage(String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Damage {
    fn from(what: String) -> Self {
        Self(what)
    }
}

/// The files below a folder, by path; folders are not among them.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files(folder: &Path) -> Files {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap().to_path_buf();
            (path, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn restore(folder: &Path, before: &Files) {
    std::fs::remove_dir_all(folder).unwrap();
    std::fs::create_dir(folder).unwrap();
    for (path, bytes) in before {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// What a run begins with: the records of a report, an older model or schedule, or nothing.
fn begin(victim: Victim, folder: &Path) -> Files {
    if victim == Victim::Report {
        let page = "# Smoke\n\n<!-- BEGIN: summary record/r -->\n<!-- END -->\n\n\
                    <!-- BEGIN: profile plot=smoke record/r -->\n<!-- END -->\n";
        let mut bench = Victim::Bench.arguments(folder);
        *bench.last_mut().unwrap() = folder.join("record/r").display().to_string();
        assert!(whole(folder, &bench).success(), "a record to make pages of");
        std::fs::write(folder.join("README.md"), page).unwrap();
    }
    if victim == Victim::Quantize {
        std::fs::write(folder.join("model.gguf"), "an older model").unwrap();
    }
    files(folder)
}

/// Runs to the end.
fn whole(folder: &Path, arguments: &[String]) -> std::process::ExitStatus {
    spawn(folder, arguments).wait().unwrap()
}

/// The mark of all processes of a campaign.
const MARK: &str = "EDGEPLAN_KILLS";

fn spawn(folder: &Path, arguments: &[String]) -> Child {
    let mut command = Command::new(edgeplan());
    command.args(arguments).env(MARK, folder).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("edgeplan starts")
}

/// Whether a process of a campaign is still there.
fn is_alive(folder: &Path) -> bool {
    let mark = format!("{MARK}={}", folder.display());
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|pair| pair == mark.as_bytes())
    })
}

/// Kills runs of a command at random moments and looks at all files after each; runs that go on
/// where another one was killed are brought to their end now and then.
///
/// # Errors
/// What was lost, doubled or left behind, and after how many kills.
///
/// # Panics
/// When files of the campaign itself cannot be written.
pub fn campaign(victim: Victim, kills: u32, seed: u64) -> Result<Tally, Damage> {
    let place = tempfile::tempdir().expect("a folder for temporary files");
    // A name that cannot be part of another campaign's.
    let folder = place.path().join("place");
    std::fs::create_dir(&folder).expect("a folder");
    let before = begin(victim, &folder);
    let arguments = victim.arguments(&folder);
    let clock = Instant::now();
    assert!(whole(&folder, &arguments).success(), "{} works when left alone", victim.name());
    let time = clock.elapsed();
    let after = files(&folder);
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut tally = Tally { victim, kills: 0, ended: 0, gone_ms: 0 };
    restore(&folder, &before);
    let mut last = before.clone();
    while tally.kills < kills {
        let mut child = spawn(&folder, &arguments);
        std::thread::sleep(time.mul_f64(1.1 * rng.random::<f64>()));
        let done = child.try_wait().expect("a child").is_some();
        child.kill().expect("a child");
        child.wait().expect("a child");
        let killed = Instant::now();
        while is_alive(&folder) {
            if killed.elapsed() > Duration::from_secs(5) {
                return Err(format!("a process is left after {} kills", tally.kills).into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        tally.gone_ms = tally.gone_ms.max(killed.elapsed().as_millis());
        if done {
            tally.ended += 1
        } else {
            tally.kills += 1
        }
        let now = files(&folder);
        let found = match victim.goes_on() {
            true => grown(victim, [&last, &now, &after], done),
            false => replaced(&before, &after, &now, done),
        };
        found.map_err(|problem| format!("after {} kills: {problem}", tally.kills))?;
        last = now;
        if done || !victim.goes_on() {
            restore(&folder, &before);
            last.clone_from(&before);
        }
    }
    Ok(tally)
}

/// Every file is the one before or the one after, and no other is there.
fn replaced(before: &Files, after: &Files, now: &Files, done: bool) -> Result<(), String> {
    for (path, bytes) in now {
        let known = [before, after].into_iter().filter_map(|files| files.get(path));
        if known.clone().next().is_none() {
            return Err(format!("{} is left behind", path.display()));
        }
        if !known.into_iter().any(|known| known == bytes) {
            return Err(format!("{} is neither the old nor the new file", path.display()));
        }
    }
    let lost = before.keys().find(|path| !now.contains_key(*path));
    match lost {
        Some(path) => Err(format!("{} is lost", path.display())),
        None if done && now != after => Err("a run that ended wrote another file".into()),
        None => Ok(()),
    }
}

/// Whole lines were added to those of the `last` look, none twice, nothing else is there, and a run
/// that ended has as many as one that was left alone.
fn grown(victim: Victim, [last, now, whole]: [&Files; 3], done: bool) -> Result<(), String> {
    let (names, locks): (&[&str], &str) = match victim {
        Victim::Bench => {
            (&["record/records.csv", "record/curve.csv", "record/machine.txt"], "record/.lock")
        }
        _ => (&["sensitivity.jsonl"], ".sensitivity.jsonl.lock"),
    };
    for path in now.keys() {
        let name = path.display().to_string();
        let lock = name == locks && !done;
        if !lock && !names.contains(&name.as_str()) {
            return Err(format!("{name} is left behind"));
        }
    }
    let (old, new) = (lines(last, names[0]), lines(now, names[0]));
    if !new.starts_with(&old) {
        return Err(format!("lines of {} are lost", names[0]));
    }
    let distinct: BTreeSet<String> = new.iter().map(|line| key(victim, line)).collect();
    if distinct.len() != new.len() {
        return Err(format!("lines of {} are doubled", names[0]));
    }
    if done && new.len() != lines(whole, names[0]).len() {
        return Err(format!("{} has {} lines at the end", names[0], new.len()));
    }
    // A curve is written before its record: the next run removes one that has none.
    let curve = names.get(1).filter(|_| done).map(|name| lines(now, name)).unwrap_or_default();
    let owner = |line: &String| line.split(',').take(4).collect::<Vec<_>>().join(",");
    match curve.iter().find(|line| !distinct.contains(&owner(line))) {
        Some(line) => Err(format!("{line}: a curve without a record")),
        None => Ok(()),
    }
}

/// The whole lines of a file. The last one may be cut off; the next run removes it.
fn lines(files: &Files, name: &str) -> Vec<String> {
    let text = files.get(Path::new(name)).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let text = text.unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole.lines().map(str::to_owned).collect()
}

/// What a line is about.
fn key(victim: Victim, line: &str) -> String {
    match victim {
        // Suite, instance; solver, seed.
        Victim::Bench => {
            let cells: Vec<&str> = line.split(',').collect();
            [&cells[..2], &cells[8..10]].concat().join(",")
        }
        _ => line.split("\"norm\"").next().unwrap_or_default().to_owned(),
    }
}
