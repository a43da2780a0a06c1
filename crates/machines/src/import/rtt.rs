//! A square matrix of round-trip times, as the Seattle testbed and other latency studies publish
//! them: one row per line, entries parted by white space or commas, the entry in row i and column j
//! the round trip from i to j.
//!
//! Used: half a round trip is a latency. Where both directions of a pair were timed, a link gets
//! their mean, or each its own with `one_way`. Zero, negative and absent entries (``, `-`, `nan`)
//! mean that the pair was not timed: no link. Bandwidth and devices are not in such files and come
//! from the caller. Nodes do not forward for each other, so those that the source has no link to
//! are left out, and a comment names them.

use std::collections::BTreeSet;

use super::Options;
use crate::cluster::{ClusterDevice, ClusterFile, Link};
use edgeplan_files::quantity::Time;
use edgeplan_files::{InputError, TextFile};

/// A round trip above this is a wrong unit.
const LONGEST: Time = Time(3_600_000_000_000);

/// Half round trips in nanoseconds.
pub(super) type Matrix = Vec<Vec<Option<u64>>>;

pub(super) fn cluster(file: &TextFile, options: &Options) -> Result<String, InputError> {
    if options.unit.0 == 0 {
        return Err(InputError::key("options", "unit", "0; more than that is needed"));
    }
    let matrix = parse(file, options.unit)?;
    let nodes = nodes(file, options, matrix.len())?;
    if options.devices.is_empty() {
        let problem = "none; at least one profile such as `catalog:apple-m2` is needed";
        return Err(InputError::key("options", "devices", problem));
    }
    let latency = |from: usize, to: usize| match (matrix[from][to], matrix[to][from]) {
        (there, _) if options.one_way => there,
        (there, back) => mean(there, back),
    };
    let source = nodes[0];
    let reached = |&&node: &&usize| node == source || latency(source, node).is_some();
    let (kept, lost): (Vec<usize>, Vec<usize>) = nodes.iter().partition(|node| reached(node));
    let width = (matrix.len() - 1).to_string().len();
    let name = |node: usize| format!("node-{node:0width$}");
    let link = |from: usize, to: usize, one_way: bool| {
        let between = [name(from), name(to)];
        let time = latency(from, to).map(Time);
        time.map(|latency| Link { between, bandwidth: options.bandwidth, latency, one_way })
    };
    let pairs = kept.iter().enumerate().flat_map(|(index, &from)| {
        kept[index + 1..].iter().flat_map(move |&to| {
            [Some((from, to)), options.one_way.then_some((to, from))].into_iter().flatten()
        })
    });
    let profiles = options.devices.iter().cycle();
    let wire = ClusterFile {
        source: name(source),
        device: kept
            .iter()
            .zip(profiles)
            .map(|(&node, spec)| (name(node), ClusterDevice::new(spec)))
            .collect(),
        link: pairs.filter_map(|(from, to)| link(from, to, options.one_way)).collect(),
        ..ClusterFile::default()
    };
    let mut comment = format!(
        "Made from the round-trip times of {}: latency is half a round trip. Bandwidth and\n\
         profiles were not in it.",
        file.short_name()
    );
    if !lost.is_empty() {
        let names: Vec<String> = lost.iter().map(|&node| name(node)).collect();
        comment += &format!("\nLeft out, with no time from the source: {}.", names.join(", "));
    }
    Ok(wire.text(&comment))
}

fn nodes(file: &TextFile, options: &Options, count: usize) -> Result<Vec<usize>, InputError> {
    let error = |problem: String| Err(InputError::key(&file.name, "nodes", problem));
    let mut seen = BTreeSet::new();
    for &node in &options.nodes {
        if node >= count {
            return error(format!("{node}; 0 to {} are allowed", count - 1));
        }
        if !seen.insert(node) {
            return error(format!("{node} twice"));
        }
    }
    Ok(if options.nodes.is_empty() { (0..count).collect() } else { options.nodes.clone() })
}

/// The mean of both directions, or the one that was timed.
fn mean(there: Option<u64>, back: Option<u64>) -> Option<u64> {
    match (there, back) {
        (Some(there), Some(back)) => Some((there + back) / 2),
        (there, back) => there.or(back),
    }
}

/// One-way times between the nodes of such a matrix, by [from][to]: half round trips, and the mean
/// of both directions where both were timed.
pub(super) fn latencies(file: &TextFile, unit: Time) -> Result<Matrix, InputError> {
    let matrix = parse(file, unit)?;
    let both = |from: usize, to: usize| mean(matrix[from][to], matrix[to][from]);
    Ok((0..matrix.len()).map(|from| (0..matrix.len()).map(|to| both(from, to)).collect()).collect())
}

fn parse(file: &TextFile, unit: Time) -> Result<Matrix, InputError> {
    let lines = file.text.lines().filter(|line| !line.trim().is_empty());
    let mut matrix = Matrix::new();
    for (row, line) in lines.enumerate() {
        let entries: Vec<&str> = match line.contains(',') {
            true => line.split(',').map(str::trim).collect(),
            false => line.split_whitespace().collect(),
        };
        let entries = entries.iter().enumerate().map(|(column, text)| {
            half(text, unit).map_err(|problem| {
                let key = format!("row {row}, column {column}");
                InputError::key(&file.name, key, format!("`{text}`; {problem}"))
            })
        });
        matrix.push(entries.collect::<Result<_, _>>()?);
    }
    if matrix.is_empty() {
        return Err(InputError::file(&file.name, "no rows; a square matrix is needed"));
    }
    let size = matrix.len();
    if let Some(row) = matrix.iter().position(|row| row.len() != size) {
        let problem =
            format!("{} entries; {size}, one for each row, are needed", matrix[row].len());
        return Err(InputError::key(&file.name, format!("row {row}"), problem));
    }
    Ok(matrix)
}

/// Half of a round trip; `None` if it was not timed.
fn half(text: &str, unit: Time) -> Result<Option<u64>, String> {
    if matches!(text, "" | "-") {
        return Ok(None);
    }
    let Ok(trip) = text.parse::<f64>() else {
        return Err("a number is allowed, or `-` where there is none".into());
    };
    let nanos = trip * unit.0 as f64;
    if nanos > LONGEST.0 as f64 && nanos.is_finite() {
        return Err(format!("times {unit} is more than an hour; another unit may be meant"));
    }
    Ok((nanos > 0.0 && nanos.is_finite()).then(|| (nanos / 2.0).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use edgeplan_files::quantity::Bandwidth;
    use edgeplan_problem::{Bytes, Nanos};

    fn imported(text: &str, options: &Options) -> Result<(String, Cluster), InputError> {
        let file = TextFile { name: "folder/rtt.txt".into(), text: text.into() };
        let text = cluster(&file, options)?;
        let cluster = Cluster::parse("cluster.toml", &text)?;
        Ok((text, cluster))
    }

    fn options() -> Options {
        let devices = vec!["catalog:apple-m2".to_owned(), "catalog:raspberry-pi-5-16".to_owned()];
        Options { devices, bandwidth: Bandwidth(8_000_000), ..Options::default() }
    }

    // 0 to 3 was never timed, 1 to 2 only in one direction.
    const FOUR: &str = "0\t10\t20\t0\n 30 0 -1 5\n\n20 8 0 5\n0 5 nan 0\n";

    #[test]
    fn a_link_has_half_of_the_mean_round_trip() {
        let (text, cluster) = imported(FOUR, &options()).unwrap();
        assert!(text.contains("round-trip times of rtt.txt:"), "{text}");
        assert!(text.contains("# Left out, with no time from the source: node-3.\n"), "{text}");
        let names: Vec<&str> = cluster.devices.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["node-0", "node-1", "node-2"]);
        assert_eq!(cluster.devices[1].1.profile, "catalog:raspberry-pi-5-16");
        assert_eq!(cluster.devices[2].1.profile, "catalog:apple-m2");
        let latency = |from, to| cluster.transfer(from, to, 1, Bytes(0));
        assert_eq!(latency(0, 1), Some(Nanos(10_000_000)));
        assert_eq!(latency(2, 1), Some(Nanos(4_000_000)));
        // 1 kB at 8 Mbit/s
        assert_eq!(cluster.transfer(0, 1, 1, Bytes(1000)), Some(Nanos(11_000_000)));
    }

    #[test]
    fn directions_and_nodes_can_be_chosen() {
        let text = FOUR.replace(['\t', ' '], ",").replace(",30", "30");
        let some = Options { nodes: vec![1, 3, 2, 0], one_way: true, ..options() };
        let (_, cluster) = imported(&text, &some).unwrap();
        let names: Vec<&str> = cluster.devices.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["node-1", "node-0", "node-3"]);
        let latency = |from, to| cluster.transfer(from, to, 1, Bytes(0));
        assert_eq!(latency(0, 1), Some(Nanos(15_000_000)));
        assert_eq!(latency(1, 0), Some(Nanos(5_000_000)));
        assert_eq!(latency(1, 2), None);
    }

    #[test]
    fn what_is_no_matrix_is_refused_by_place() {
        let with = |nodes: &[usize]| Options { nodes: nodes.to_vec(), ..options() };
        let cases = [
            ("", options(), "folder/rtt.txt: no rows"),
            ("0 1\n1\n", options(), "row 1: 1 entries; 2, one for each row, are needed"),
            ("0 1\nfast 0\n", options(), "row 1, column 0: `fast`; a number is allowed"),
            ("0 1\n1e9 0\n", options(), "row 1, column 0: `1e9`; times 1 ms is more than an hour"),
            (FOUR, with(&[4]), "nodes: 4; 0 to 3 are allowed"),
            (FOUR, with(&[1, 1]), "nodes: 1 twice"),
            (FOUR, Options { devices: Vec::new(), ..options() }, "devices: none; at least one"),
        ];
        for (text, options, expected) in cases {
            let error = imported(text, &options).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
