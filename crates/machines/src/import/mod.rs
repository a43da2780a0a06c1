//! Importers: what other tools and measurements publish becomes a `cluster.toml` to read and edit.
//!
//! One file per format, each saying what it uses and what it ignores. An importer fills the wire
//! types of `cluster.rs`; nothing is planned here, and nothing is guessed without a comment in the
//! file that comes out.

mod distilp;
mod helix;
mod rtt;

use std::path::Path;

use crate::cluster::Cluster;
use edgeplan_files::quantity::{Bandwidth, Time};
use edgeplan_files::{InputError, TextFile};

/// What the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Device profiles of distilp (JSON), one file per device.
    Distilp,
    /// One square matrix of round-trip times.
    Rtt,
    /// A cluster of Helix (INI) and, if there is one, its machine profiles.
    Helix,
}

/// What the files leave open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Round-trip times: how long a 1 in the matrix is.
    pub unit: Time,
    /// Round-trip times and distilp, which know no bandwidth: that of every link.
    pub bandwidth: Bandwidth,
    /// distilp: time of a message from a device that was not timed.
    pub latency: Time,
    /// Round-trip times: profiles, dealt out to the nodes in turn. Helix: `TYPE=PROFILE` for
    /// machine types that are unknown here or meant otherwise.
    pub devices: Vec<String>,
    /// Round-trip times: rows to take, the source's first; all if empty.
    pub nodes: Vec<usize>,
    /// Round-trip times: keep both directions of a pair apart.
    pub one_way: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            unit: Time(1_000_000),
            bandwidth: Bandwidth(100_000_000),
            latency: Time(1_000_000),
            devices: Vec::new(),
            nodes: Vec::new(),
            one_way: false,
        }
    }
}

/// The text of a `cluster.toml`, its comment saying what was taken for what.
///
/// # Errors
/// Files that cannot be read or make no sense, options that do not fit them, and clusters whose
/// source cannot reach every device.
pub fn import(
    kind: Kind,
    paths: &[impl AsRef<Path>],
    options: &Options,
) -> Result<String, InputError> {
    let files: Vec<TextFile> =
        paths.iter().map(|path| TextFile::read(path.as_ref())).collect::<Result<_, _>>()?;
    let text = convert(kind, &files, options)?;
    Cluster::parse(&format!("cluster made of {}", files[0].name), &text)?;
    Ok(text)
}

/// One-way times in nanoseconds by `[from][to]` of a matrix of round-trip times, `None` where
/// the pair was not timed; `unit` is how long a 1 in it is.
///
/// # Errors
/// A file that cannot be read or is no square matrix.
pub fn latencies(path: &Path, unit: Time) -> Result<Vec<Vec<Option<u64>>>, InputError> {
    rtt::latencies(&TextFile::read(path)?, unit)
}

fn convert(kind: Kind, files: &[TextFile], options: &Options) -> Result<String, InputError> {
    if options.bandwidth.0 == 0 {
        return Err(InputError::key("options", "bandwidth", "0; more than that is needed"));
    }
    match (kind, files) {
        (Kind::Distilp, [_, ..]) => distilp::cluster(files, options),
        (Kind::Rtt, [matrix]) => rtt::cluster(matrix, options),
        (Kind::Helix, [cluster]) => helix::cluster(cluster, None, options),
        (Kind::Helix, [cluster, machines]) => helix::cluster(cluster, Some(machines), options),
        (Kind::Distilp, []) => Err(wrong_count(0, "at least one device profile is")),
        (Kind::Rtt, _) => Err(wrong_count(files.len(), "one matrix is")),
        (Kind::Helix, _) => Err(wrong_count(files.len(), "a cluster and its machines are")),
    }
}

fn wrong_count(count: usize, allowed: &str) -> InputError {
    InputError::file("import", format!("{count} files; {allowed} allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_files_must_fit() {
        let none: [&Path; 0] = [];
        let error = import(Kind::Rtt, &none, &Options::default()).unwrap_err().to_string();
        assert_eq!(error, "import: 0 files; one matrix is allowed");
        let missing = import(Kind::Helix, &["no/such.ini"], &Options::default()).unwrap_err();
        assert!(missing.to_string().starts_with("no/such.ini: "), "{missing}");
    }
}
