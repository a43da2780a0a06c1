//! The page of file formats, and the schemas beside it, are what the types say.

use std::fs;
use std::path::{Path, PathBuf};

use edgeplan::CertificateFile;
use edgeplan_batching::Scenario;
use edgeplan_cost_model::engine::EngineProfile;
use edgeplan_cost_model::profile::Profile;
use edgeplan_external::Claim;
use edgeplan_files::deployment::{PlanFile, instance_schema};
use edgeplan_harness::suite::suite_schema;
use edgeplan_machines::cluster::ClusterFile;
use edgeplan_machines::device::Device;
use edgeplan_model::sensitivity::measured::{Header, Line};
use edgeplan_pricing::workload::Workload;
use edgeplan_scheduling::{ScheduleFile, frame_schema};
use edgeplan_service::platform::Platform;
use edgeplan_tests::formats::FileFormat;
use schemars::schema_for;

const HEAD: &str = "# File formats\n\n\
    Every file that edgeplan reads, key by key. This page and the JSON schemas beside it are made\n\
    from the types that read the files. This command writes them again:\n\n\
    ```sh\nBLESS=1 cargo test --release --workspace --test all formats\n```\n\n\
    A key that is not listed is refused, with the nearest listed one.\n\n";

/// A line is the header or one of the lines after it.
fn sensitivity_schema() -> schemars::Schema {
    #[derive(schemars::JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is of use")]
    enum AnyLine {
        /// The first line.
        Header(Header),
        /// A line after the first.
        Line(Line),
    }
    schema_for!(AnyLine)
}

fn file(name: &'static str, about: &'static str, schema: schemars::Schema) -> FileFormat {
    FileFormat { name, about, schema: schema.to_value() }
}

fn formats() -> Vec<FileFormat> {
    let mut formats = of_deployments();
    formats.extend(of_requests());
    formats
}

/// Files of machines, deployments and plans.
fn of_deployments() -> Vec<FileFormat> {
    vec![
        file(
            "cluster.toml",
            "The machines of a question, their links, and where requests enter.",
            schema_for!(ClusterFile),
        ),
        file(
            "workload.toml",
            "What is asked of a deployment: tokens, objective, quality floor, limits.",
            schema_for!(Workload),
        ),
        file("device.toml", "Published numbers of one machine.", schema_for!(Device)),
        file(
            "profile.json",
            "What `edgeplan profile` measured on a machine; a cluster names it like a device file.",
            schema_for!(Profile),
        ),
        file(
            "engine-profile.json",
            "What an engine's own programs measured on a machine (`edgeplan profile --engine \
             llama.cpp`); a cluster names it like a device file.",
            schema_for!(EngineProfile),
        ),
        file(
            "instance.json",
            "A deployment problem with all its numbers; `edgeplan generate` writes some.",
            instance_schema(),
        ),
        file(
            "plan.json",
            "A plan by name: `edgeplan plan --out` writes it, `check` and `export` read it.",
            schema_for!(PlanFile),
        ),
        file(
            "claim.json",
            "What a solver that is a program claims beside its plan: `docs/external-solvers.md`.",
            schema_for!(Claim),
        ),
    ]
}

/// Files of requests, proofs and experiments.
fn of_requests() -> Vec<FileFormat> {
    vec![
        file(
            "service.toml",
            "Sites, services and load, for `edgeplan service`.",
            Platform::schema(),
        ),
        file(
            "batch.toml",
            "Edge nodes and waiting requests, for `edgeplan batch`.",
            schema_for!(Scenario),
        ),
        file(
            "scheduling.toml",
            "A decision frame for `edgeplan schedule`, as TOML or as JSON with the same keys.",
            frame_schema(),
        ),
        file(
            "schedule.json",
            "A schedule by name: `edgeplan schedule --out` writes it, `--check` reads it.",
            schema_for!(ScheduleFile),
        ),
        file(
            "certificate.json",
            "A lower bound: `plan --certificate` writes it, `check --certificate` reads it.",
            schema_for!(CertificateFile),
        ),
        file(
            "sensitivity.jsonl",
            "JSON lines of `edgeplan sensitivity`, for `plan --sensitivity`: a header, then a \
             row or a mix per line.",
            sensitivity_schema(),
        ),
        file("suite.toml", "Instances and solvers, for `edgeplan bench`.", suite_schema()),
    ]
}

/// Compares a generated file with the one that is committed, or writes it.
fn settle(path: &Path, text: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, text).unwrap();
    }
    let there = fs::read_to_string(path).unwrap_or_default();
    let same = there.lines().eq(text.lines());
    assert!(same, "{} is not what the types say; BLESS=1 writes it again", path.display());
}

#[test]
fn pages_of_file_formats_are_what_the_types_say() {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats");
    let mut page = HEAD.to_owned();
    for format in formats() {
        let schema = serde_json::to_string_pretty(&format.schema).unwrap() + "\n";
        settle(&folder.join(format.schema_file()), &schema);
        page += &format.section();
    }
    settle(&folder.join("README.md"), &(page.trim_end().to_owned() + "\n"));
}

#[test]
fn every_key_of_a_file_has_a_meaning() {
    for format in formats() {
        for row in format.section().lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
            assert!(!cells.last().unwrap().trim().is_empty(), "{}: {row}", format.name);
        }
    }
}
