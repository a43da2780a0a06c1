//! `edgeplan schedule` as a user meets it.

use edgeplan_tests::{json, refused, run, text};

fn written(folder: &std::path::Path, name: &str, content: &str) -> String {
    let path = folder.join(name).display().to_string();
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn the_example_is_scheduled_written_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let [question, plan] =
        ["question.json", "plan.json"].map(|name| folder.path().join(name).display().to_string());
    let answer = json(&["schedule", "--solver", "highs", "--write", &question, "--out", &plan]);
    assert_eq!(answer["verdict"], "optimal");
    assert_eq!(answer["requests"].as_array().unwrap().len(), 20);
    assert_eq!(answer["satisfied"], answer["served"]);
    for server in answer["servers"].as_array().unwrap() {
        for what in ["computation", "communication"] {
            let capacity = &server[format!("{what}_capacity")];
            assert!(server[what].as_u64() <= capacity.as_u64(), "{server}");
        }
    }
    let checked = json(&["schedule", &question, "--check", &plan]);
    assert_eq!(checked["feasible"], true);
    assert_eq!(checked["satisfaction_ppb"], answer["satisfaction_ppb"]);
    // All requests on one small server exceed its capacity.
    let crowded = std::fs::read_to_string(&plan).unwrap().replace("\"cloud\"", "\"library\"");
    std::fs::write(&plan, crowded).unwrap();
    let output = run(&["schedule", &question, "--check", &plan]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("infeasible: library computes"), "{output:?}");
    refused(&["schedule", "--family", "gus", "--check", &plan], "made for instance");
}

#[test]
fn solvers_are_compared() {
    let answer = json(&["schedule", "--compare"]);
    let rows = answer["solvers"].as_array().unwrap();
    assert_eq!(rows.len(), edgeplan_solvers::SCHEDULING.len());
    let of = |name: &str| {
        let row = rows.iter().find(|row| row["solver"] == name).unwrap();
        row["satisfaction_ppb"].as_u64().unwrap()
    };
    assert_eq!(of("highs"), of("cbc"));
    assert!(of("gus") < of("schedule-search") && of("schedule-search") <= of("highs"));
    let output = run(&["schedule", "--compare"]);
    assert!(text(&output.stdout).contains("happy-communication"), "{output:?}");
}

#[test]
fn families_are_drawn_on_given_places() {
    let folder = tempfile::tempdir().unwrap();
    let sites: String = (0..12).map(|i| format!("-37.8{i:02},144.9\n")).collect();
    let sites = written(folder.path(), "sites.csv", &format!("LATITUDE,LONGITUDE\n{sites}"));
    let users = written(folder.path(), "users.csv", "Latitude,Longitude\n-37.805,144.91\n");
    let rows: String = (0..12).map(|_| "0.2 ".repeat(12) + "\n").collect();
    let matrix = written(folder.path(), "rtt.txt", &rows);
    let gus = ["schedule", "--family", "gus", "--requests", "40", "--time", "20"];
    for places in [&["--places", &sites, &users][..], &["--rtt", &matrix, "--rtt-unit", "1 s"]] {
        let answer = json(&[&gus[..], places].concat());
        assert_eq!(answer["users"], 40);
        assert!(answer["satisfied"].as_u64().unwrap() > 0, "{answer}");
    }
    let soft = json(&[&gus[..], &["--mode", "soft"]].concat());
    assert!(soft["served"].as_u64() > soft["satisfied"].as_u64(), "{soft}");
    let few = [&gus[..], &["--rtt", &matrix, "--edges", "30"]].concat();
    refused(&few, "31 servers are asked for, the files have 12");
    refused(&["schedule", "--solver", "gas"], "did you mean `gus`?");
    refused(&["schedule", "no/such.toml"], "no/such.toml: there is no such file");
    refused(&["schedule", "--requests", "3"], "--family");
}
