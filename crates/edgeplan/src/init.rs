//! The cluster file of this machine.

use std::path::{Path, PathBuf};

use edgeplan_files::{InputError, check_writable, write_atomic};
use edgeplan_machines::cluster::Cluster;
use edgeplan_machines::detect::Detected;
use serde::Serialize;

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
    let file = out.display().to_string();
    if out.exists() && !force {
        return Err(InputError::file(file, "is there already; --force replaces it"));
    }
    check_writable(out)?;
    let found = Detected::here();
    let text = found.cluster_toml();
    // The written text is parsed here, so that a file that cannot be read is never left behind.
    let cluster = Cluster::parse(&file, &text)?;
    write_atomic(out, &text)?;
    let devices = cluster.devices.into_iter().map(|(name, _)| name).collect();
    Ok(Initial { file: out.to_owned(), devices, notes: found.notes })
}
