//! Plans for engines, and their exports, as a user meets them.

use std::path::Path;
use std::process::Command;

use edgeplan_tests::{generate, json, refused, run, text};

const ENGINES: [&str; 10] = [
    "llama.cpp",
    "koboldcpp",
    "lm-studio",
    "mistral.rs",
    "mistral.rs-gguf",
    "prima.cpp",
    "distributed-llama",
    "exo",
    "exo-8bit",
    "exo-4bit",
];

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name).display().to_string();
    std::fs::write(&path, text).unwrap();
    path
}

/// A workload that every engine can serve on the example cluster: an engine without f16 caches
/// takes what it has.
fn workload(folder: &Path, engine: &str) -> String {
    write(folder, &format!("{engine}.toml"), "quality = 'any'\n")
}

#[test]
fn a_plan_for_an_engine_is_exported_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for engine in ENGINES {
        let workload = workload(folder.path(), engine);
        let plan = folder.path().join("plan.json").display().to_string();
        let model = ["--model", "catalog:tinyllama-1.1b", "--workload", &workload];
        let answer = json(&[&["plan", "--for", engine, "--out", &plan], &model[..]].concat());
        assert_eq!(answer["verdict"], "optimal", "{engine}: {answer}");
        let out = folder.path().join(engine);
        let path = out.display().to_string();
        let at = ["laptop=cuda[0]", "desktop=cuda[1]", "jetson-a=cuda[2]", "jetson-b=cpu"];
        let at: Vec<&str> = match engine {
            "mistral.rs" | "mistral.rs-gguf" => {
                at.into_iter().flat_map(|pair| ["--at", pair]).collect()
            }
            _ => Vec::new(),
        };
        let export = ["export", "--to", engine, "--plan", &plan, "--out", &path];
        let told = json(&[&export[..], &model[..], &at[..]].concat());
        assert_eq!(told["latency_ns"], answer["cost_ns"], "{engine}");
        assert!(told["first_token_ns"].as_u64() < told["latency_ns"].as_u64(), "{told}");
        let readme = std::fs::read_to_string(out.join("README.md")).unwrap();
        for words in ["TTFT", "TPOT", "KV cache", "laptop", "tinyllama-1.1b"] {
            assert!(readme.contains(words), "{engine}: no {words} in\n{readme}");
        }
        for file in std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension == "sh") {
                let shell = Command::new("sh").arg("-n").arg(&file).status().unwrap();
                assert!(shell.success(), "{}", file.display());
            }
        }
        // Without a file, the plan is made on the way.
        std::fs::remove_dir_all(&out).unwrap();
        let export = ["export", "--to", engine, "--out", &path];
        let again = json(&[&export[..], &model[..], &at[..]].concat());
        assert_eq!(again["latency_ns"], told["latency_ns"], "{engine}");
    }
}

#[test]
fn a_plan_for_no_engine_is_exported_or_what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json").display().to_string();
    let out = folder.path().join("out").display().to_string();
    assert!(run(&["plan", "--out", &plan]).status.success());
    let told = json(&["export", "--to", "llama.cpp", "--plan", &plan, "--out", &out]);
    assert!(told["remarks"][0].as_str().unwrap().contains("as planned"), "{told}");
    let other = folder.path().join("other").display().to_string();
    let export = ["export", "--to", "prima.cpp", "--plan", &plan, "--out", &other];
    refused(&export, "head: on desktop; prima.cpp keeps it on the source, laptop");
    assert!(!Path::new(&other).exists());
    let told = json(&[&export[..], &["--nearest"]].concat());
    let remark = told["remarks"][0].as_str().unwrap();
    assert!(remark.contains("for the nearest plan that prima.cpp can run"), "{remark}");
    assert!(Path::new(&other).join("README.md").exists());
}

#[test]
fn wrong_questions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out").display().to_string();
    let instance = generate(folder.path(), "instance.json", "3");
    let kv = write(folder.path(), "kv.toml", "kv = 'q2_K'");
    let formats = write(folder.path(), "formats.toml", "formats = ['q4_1']");
    let models = ["--model", "catalog:smollm2-135m", "--model", "catalog:tinyllama-1.1b"];
    let cases: [(Vec<&str>, &str); 7] = [
        (vec!["--to", "vllm"], "no engine is called `vllm`; known are llama.cpp"),
        (vec!["--to", "exo", "--nearest"], "--plan"),
        (vec!["--to", "llama.cpp", &instance], "instance.json: for llama.cpp: layer 0 is called"),
        (
            vec!["--to", "llama.cpp", "--workload", &kv],
            "kv.toml: kv: q2_K; no loss of a cache in q2_K is published",
        ),
        (vec!["--to", "exo", "--workload", &formats], "formats.toml: formats: q4_1; exo has bf16"),
        (vec!["--to", "llama.cpp", "--at", "desktop"], "DEVICE=ADDRESS is needed"),
        ([&["--to", "llama.cpp"], &models[..]].concat(), "2 models (smollm2-135m, tinyllama-1.1b)"),
    ];
    for (arguments, expected) in cases {
        refused(&[&["export", "--out", &out], &arguments[..]].concat(), expected);
        assert!(!Path::new(&out).exists(), "{arguments:?}");
    }
    let full = folder.path().display().to_string();
    refused(&["export", "--to", "llama.cpp", "--out", &full], "is not empty; a new or an empty");
    let error = text(&run(&["plan", "--for", "lama.cpp"]).stderr);
    assert!(error.contains("known are llama.cpp"), "{error}");
}
