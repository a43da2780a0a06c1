//! Every cluster in bench-data/clusters is read, and every profile that it names.

use std::path::Path;

use edgeplan_files::read_text;
use edgeplan_machines::cluster::Cluster;
use edgeplan_problem::{Bytes, Nanos};

fn read(name: &str) -> Cluster {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench-data/clusters");
    Cluster::parse(name, &read_text(&folder.join(name)).unwrap()).unwrap()
}

#[test]
fn every_file_is_read_and_says_where_it_comes_from() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench-data/clusters");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = read_text(&path).unwrap();
            assert!(text.starts_with("# "), "{}", path.display());
            let cluster = Cluster::parse(&path.display().to_string(), &text).unwrap();
            for host in 0..cluster.devices.len() {
                cluster.profile(host).unwrap();
            }
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
}

#[test]
fn edgeshard_has_one_slow_pair_and_no_way_round_it() {
    let cluster = read("edgeshard.toml");
    assert_eq!((cluster.devices.len(), cluster.devices[0].0.as_str()), (15, "agx-01"));
    let cloud = cluster.devices.iter().position(|(name, _)| name == "cloud").unwrap();
    // 125 kB are a megabit.
    for from in 0..15 {
        for to in (0..15).filter(|&to| to != from) {
            let time = cluster.transfer(from, to, 1, Bytes(125_000));
            let pair = (from.min(to), from.max(to));
            let expected = if pair == (0, cloud) { 1_000_000_000 } else { 20_000_000 };
            assert_eq!(time, Some(Nanos(expected)), "{from} to {to}");
        }
    }
}
