//! The cluster file of this machine, or of machines that are named.

mod network;

use std::path::{Path, PathBuf};

use edgeplan_files::quantity::{Bandwidth, Time};
use edgeplan_files::{InputError, check_writable, write_atomic};
use edgeplan_machines::cluster::Cluster;
use edgeplan_machines::detect::Detected;
use edgeplan_machines::device::from_catalog;
use serde::Serialize;

pub use self::network::{Network, NetworkMachine};

/// A cluster file that was written. Field names are stable keys.
///
/// See [`init`] for an example.
#[derive(Debug, Clone, Serialize)]
pub struct Initial {
    /// The file.
    pub file: PathBuf,
    /// The devices in it.
    pub devices: Vec<String>,
    /// What is to be known of them.
    pub notes: Vec<String>,
}

impl Initial {
    /// What was written, for people.
    ///
    /// See [`init`] for an example.
    pub fn text(&self) -> String {
        let file = self.file.display();
        let mut lines = vec![format!("{file}: {}", self.devices.join(", "))];
        lines.extend(self.notes.iter().cloned());
        lines.push(format!("next: edgeplan plan --cluster {file} --model catalog:NAME"));
        lines.join("\n")
    }
}

/// Asks a person: a question, and what an empty answer means. None at the end of the input.
///
/// See [`init_asking`] for an example.
pub type Ask<'a> = dyn FnMut(&str, &str) -> Option<String> + 'a;

/// Looks at this machine and writes its cluster file; one that is there is kept, unless by `force`.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("cluster.toml");
/// let initial = edgeplan::init(&path, false)?;
/// println!("{}", initial.text());
/// assert!(edgeplan::init(&path, false).is_err());
/// # Ok::<(), edgeplan::InputError>(())
/// ```
///
/// # Errors
/// A file that is there, or that cannot be written.
pub fn init(out: &Path, force: bool) -> Result<Initial, InputError> {
    init_asking(out, force, &mut |_, _| None)
}

/// As [`init`], and asks for other machines of the network and the links to them.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("cluster.toml");
/// let mut answers = ["apple-m4-24", "mac", "2.5 Gbps", "", "", ""].into_iter();
/// let mut ask = |_: &str, _: &str| answers.next().map(str::to_owned);
/// let initial = edgeplan::init_asking(&path, false, &mut ask)?;
/// assert!(initial.devices.contains(&"mac".to_owned()));
/// # Ok::<(), edgeplan::InputError>(())
/// ```
///
/// # Errors
/// As [`init`].
pub fn init_asking(out: &Path, force: bool, ask: &mut Ask<'_>) -> Result<Initial, InputError> {
    check_new(out, force)?;
    let found = Detected::here();
    let neighbours = neighbours(&found, ask);
    let mut text = found.cluster_toml();
    text.extend(neighbours.iter().map(Neighbour::toml));
    write(out, &text, found.notes)
}

fn check_new(out: &Path, force: bool) -> Result<(), InputError> {
    if out.exists() && !force {
        let file = out.display().to_string();
        return Err(InputError::file(file, "is there already; --force replaces it"));
    }
    check_writable(out)
}

/// Writes a cluster file. It is parsed first, so that one that cannot be read is never left behind.
fn write(out: &Path, text: &str, notes: Vec<String>) -> Result<Initial, InputError> {
    let cluster = Cluster::parse(&out.display().to_string(), text)?;
    for index in 0..cluster.devices.len() {
        cluster.profile(index)?;
    }
    write_atomic(out, text)?;
    let devices = cluster.devices.into_iter().map(|(name, _)| name).collect();
    Ok(Initial { file: out.to_owned(), devices, notes })
}

/// Another machine, and the link from this one to it.
#[derive(Debug)]
struct Neighbour {
    name: String,
    profile: String,
    bandwidth: Bandwidth,
    latency: Time,
}

/// What this machine is called in its file.
const THIS: &str = "pc";

impl Neighbour {
    fn toml(&self) -> String {
        let Self { name, profile, bandwidth, latency } = self;
        format!(
            "\n[device.{name}]\nprofile = \"catalog:{profile}\"\n\n[[link]]\nbetween = \
             [\"{THIS}\", \"{name}\"]\nbandwidth = \"{bandwidth}\"\nlatency = \"{latency}\"\n"
        )
    }
}

/// Asks for machines until an empty answer; an answer that is not understood is asked for again,
/// with what is allowed.
fn neighbours(found: &Detected, ask: &mut Ask<'_>) -> Vec<Neighbour> {
    let mut known = Vec::new();
    let here: Vec<&str> = found.accelerators.iter().map(String::as_str).collect();
    let mut before = match here.is_empty() {
        true => "Found this machine's processor. ".to_owned(),
        false => format!("Found {} and what belongs to it. ", here.join(", ")),
    };
    loop {
        let question = format!(
            "{before}Another machine on the network, such as apple-m4-24 (empty: no more)?"
        );
        let Some(profile) = ask(&question, "").filter(|answer| !answer.is_empty()) else {
            return known;
        };
        let profile = profile.trim_start_matches("catalog:").to_owned();
        before = match from_catalog(&profile) {
            Err(error) => format!("{error}. "),
            Ok(_) => match neighbour(profile, &known, ask) {
                Some(neighbour) => {
                    known.push(neighbour);
                    String::new()
                }
                None => return known,
            },
        };
    }
}

/// Asks for the name of a machine and the link to it.
fn neighbour(profile: String, known: &[Neighbour], ask: &mut Ask<'_>) -> Option<Neighbour> {
    let (mut name, mut count) = (profile.clone(), 1);
    let taken = |name: &str| name == THIS || known.iter().any(|each| each.name == name);
    while taken(&name) {
        count += 1;
        name = format!("{profile}-{count}");
    }
    let free = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        match text.chars().all(plain) && !taken(text) {
            true => Ok(text.to_owned()),
            false => Err(format!("`{text}`: letters, digits, - and _, and no name twice")),
        }
    };
    let name = asked("What is it called?", &name, free, ask)?;
    let parsed = |text: &str| text.parse::<Bandwidth>().map_err(|error| error.to_string());
    let bandwidth = asked("Bandwidth of the link to it?", "1 Gbit/s", parsed, ask)?;
    let parsed = |text: &str| text.parse::<Time>().map_err(|error| error.to_string());
    let latency = asked("Latency of the link, one way?", "0.5 ms", parsed, ask)?;
    Some(Neighbour { name, profile, bandwidth, latency })
}

/// Asks until the answer is understood.
fn asked<T>(
    question: &str,
    usual: &str,
    read: impl Fn(&str) -> Result<T, String>,
    ask: &mut Ask<'_>,
) -> Option<T> {
    let mut before = String::new();
    loop {
        let answer = ask(&format!("{before}{question}"), usual)?;
        match read(if answer.is_empty() { usual } else { &answer }) {
            Ok(value) => return Some(value),
            Err(problem) => before = format!("{problem}. "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answers: &[&str]) -> (String, Initial) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.toml");
        let mut answers = answers.iter();
        let mut ask = |_: &str, _: &str| answers.next().map(|answer| (*answer).to_owned());
        let initial = init_asking(&path, false, &mut ask).unwrap();
        (std::fs::read_to_string(path).unwrap(), initial)
    }

    #[test]
    fn answers_become_machines_and_links() {
        let answers = ["apple-m4-24", "", "10GbE", "100 us", "apple-m4-24", "", "", "", ""];
        let (text, initial) = written(&answers);
        assert!(text.contains("[device.apple-m4-24]\nprofile = \"catalog:apple-m4-24\""), "{text}");
        assert!(text.contains("bandwidth = \"10 Gbit/s\"\nlatency = \"100 us\""), "{text}");
        assert!(initial.devices.contains(&"apple-m4-24-2".to_owned()), "{initial:?}");
    }

    #[test]
    fn wrong_answers_are_asked_again_and_the_end_ends_nothing() {
        let (text, _) = written(&["aple", "apple-m4-24", "a b", "mac", "fast", "1 Gbps"]);
        // The latency was not given.
        assert!(!text.contains("[device.mac]"), "{text}");
        let (text, _) = written(&["aple", "apple-m4-24", "a b", "mac", "fast", "1 Gbps", ""]);
        assert!(text.contains("[device.mac]"), "{text}");
    }
}
