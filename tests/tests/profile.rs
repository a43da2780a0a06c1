//! `edgeplan profile` as a user meets it. Nothing here depends on how long anything takes, beyond
//! ending at all.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use edgeplan_cost_model::profile::{Profile, SCHEMA};
use edgeplan_tests::{edgeplan, json, refused, run, text};

fn read(path: &str) -> Profile {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_profile_is_written_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("laptop.json").display().to_string();
    let arguments = ["profile", "--quick", "--time", "4", "--out", &path];
    let output = run(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let profile = read(&path);
    assert_eq!(profile.schema, SCHEMA);
    assert!(profile.machine.cores >= 1 && profile.machine.threads >= 1);
    assert!(profile.machine.engine.starts_with("candle "));
    assert!(!profile.timings.is_empty());
    assert!(profile.timings.iter().all(|timing| timing.median_ns.0 > 0 && timing.repeats > 0));
    assert_eq!(profile.complete, profile.notes.iter().all(|note| !note.contains(" left out, ")));
    let shown = text(&output.stdout);
    for part in ["an empty operation: ", ", candle ", "memory, threads 1: "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn no_time_is_an_empty_profile_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("laptop.json").display().to_string();
    let printed = json(&["profile", "--quick", "--time", "0", "--out", &path]);
    assert_eq!(printed["complete"], false);
    assert_eq!(printed["timings"].as_array().unwrap().len(), 0);
    assert!(printed["notes"][0].as_str().unwrap().contains("not reached within"), "{printed}");
    assert!(!read(&path).complete);
}

#[cfg(unix)]
#[test]
fn an_interrupted_profile_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("laptop.json").display().to_string();
    let mut child = Command::new(edgeplan())
        .args(["profile", "--time", "600", "--out", &path])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    interrupt(&child);
    assert!(child.wait().unwrap().success());
    let profile = read(&path);
    assert!(!profile.complete);
    let said = profile.notes.iter().any(|note| note.contains("before the interruption"));
    assert!(said, "{:?}", profile.notes);
}

/// What Ctrl-C sends.
#[cfg(unix)]
fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn what_cannot_be_written_or_meant_is_refused_before_anything_is_measured() {
    refused(&["profile", "--out", "no/such/folder/laptop.json"], "there is no folder no/such");
    refused(&["profile"], "--out");
    refused(&["profile", "--out", "x.json", "--link", "127.0.0.1:1"], "cannot be used with");
    refused(&["profile", "--out", "x.json", "--time", "soon"], "a number of seconds");
    refused(&["profile", "--link", "nonsense"], "`nonsense`: ");
    refused(&["profile", "--link", "127.0.0.1:1", "--between", "a"], "two different names");
    refused(&["profile", "--serve", "300.1.1.1:0"], "`300.1.1.1:0`: ");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&["profile", "--serve", &address], "a free port");
}

/// A server that ends with the test.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start() -> Self {
        let mut child = Command::new(edgeplan())
            .args(["profile", "--serve", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(';').next());
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, address }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_link_is_measured_and_printed_as_a_cluster_has_it() {
    let mut served = Served::start();
    let link = ["profile", "--link", &served.address, "--between", "laptop,nas"];
    let output = run(&link);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    let cluster = format!(
        "source = \"laptop\"\n[device.laptop]\nprofile = \"catalog:apple-m2\"\n\
         [device.nas]\nprofile = \"catalog:apple-m2\"\n{lines}"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.toml");
    std::fs::write(&path, cluster).unwrap();
    let shown = run(&["inspect", "cluster", &path.display().to_string()]);
    assert!(shown.status.success(), "{lines}\n{}", text(&shown.stderr));
    // A client of another protocol in between disturbs no other client.
    let mut stranger = TcpStream::connect(&served.address).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    drop(stranger);
    std::thread::sleep(std::time::Duration::from_millis(500));
    let printed = json(&link);
    assert!(printed["round_trip_ns"].as_u64().unwrap() > 0, "{printed}");
    assert!(printed["there"]["bits_per_second"].as_u64().unwrap() > 0, "{printed}");
    assert_eq!(printed["links"][0]["between"], serde_json::json!(["laptop", "nas"]));
    assert!(served.child.try_wait().unwrap().is_none(), "the server still runs");
    #[cfg(unix)]
    {
        interrupt(&served.child);
        assert!(served.child.wait().unwrap().success());
    }
}
