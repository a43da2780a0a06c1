//! A command opens every file of its question once: here they are pipes, which are empty for a
//! second reader, so that the command would wait for a second writer.

#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use edgeplan_tests::{edgeplan, text};

const CLUSTER: &str = "source = 'laptop'\n\
    [device.laptop]\nprofile = 'own.toml'\nmemory = '2 GiB'\n\
    [device.desktop]\nprofile = 'own.toml'\n\
    [host.pc]\ndevices = ['card.toml', 'card.toml']\n\
    [[link]]\nbetween = ['laptop', 'desktop']\nbandwidth = '1 Gbit/s'\nlatency = '1 ms'\n\
    [[link]]\nbetween = ['laptop', 'pc']\nbandwidth = '1 Gbit/s'\nlatency = '1 ms'\n";
const OWN: &str = "memory-gb = 8\nusable-percent = 75\nbandwidth-gb-s = 60\ntflops = 2\n\
    backend = 'cpu'\nsource = 'a test'\nstatus = 'estimated'\n";
const CARD: &str = "memory-gb = 8\nusable-percent = 90\nbandwidth-gb-s = 300\ntflops = 20\n\
    backend = 'cuda'\nsource = 'a test'\nstatus = 'estimated'\n";
const WORKLOAD: &str = "prompt = 64\ngenerate = 16\n";
const PIPES: [(&str, &str); 4] = [
    ("cluster.toml", CLUSTER),
    ("own.toml", OWN),
    ("card.toml", CARD),
    ("workload.toml", WORKLOAD),
];

/// Far more than any of these commands takes.
const LONGEST: Duration = Duration::from_secs(120);

fn run_on_pipes(folder: &Path, arguments: &[&str]) {
    let writers = PIPES.map(|(name, content)| {
        let pipe = folder.join(name);
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        thread::spawn(move || std::fs::write(pipe, content).unwrap())
    });
    let mut child = Command::new(edgeplan())
        .args(arguments)
        .args(["--model", "catalog:tinyllama-1.1b", "--cluster", "cluster.toml"])
        .args(["--workload", "workload.toml", "--time", "2"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > LONGEST {
            child.kill().unwrap();
            panic!("{arguments:?} waits: it opens a file again");
        }
        thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    // Each was opened, too.
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

#[test]
fn every_file_of_a_question_is_opened_once() {
    let commands: [&[&str]; 5] = [
        &["plan"],
        &["plan", "--for", "llama.cpp"],
        &["explain"],
        &["export", "--to", "llama.cpp", "--out", "deploy"],
        &["simulate", "--requests", "20"],
    ];
    for arguments in commands {
        let folder = tempfile::tempdir().unwrap();
        run_on_pipes(folder.path(), arguments);
    }
}
