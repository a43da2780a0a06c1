//! Questions of deployment, and plans of them.

use edgeplan_files::deployment::{PlanFile, read_instance, write_instance};
use edgeplan_pricing::workload::Workload;
use edgeplan_problem::Problem as _;
use edgeplan_problem::deployment::{Assignment, Plan};

use crate::samples::{self, ask, evaluate, home, json, model};

pub(crate) fn workload(bytes: &[u8]) {
    if let Ok(workload) = Workload::parse("w.toml", &String::from_utf8_lossy(bytes)) {
        ask(model(), home(), &workload);
    }
}

pub(crate) fn workload_seeds() -> Vec<Vec<u8>> {
    let plain = "prompt = 8\ngenerate = 4\nquality = { like = \"q4_K_M\" }\nkv = \"q8_0\"\n";
    let full = "prompt = 8\ngenerate = 4\nbatch = 2\nobjective = \"throughput\"\n\
        quality = { max-kl = 0.5 }\nmax-layer-kl = 0.2\nplacement = \"free\"\nprivacy = true\n\
        formats = [\"q8_0\", \"q4_K\"]\ngranularity = \"layer\"\nrecipes-max = 3\n\
        returns = \"logits\"\nactivations = \"f16\"\nlatency-max = \"10 s\"\nthroughput-min = 0.5\n\
        estimate = true\n[[pin]]\nlayers = \"1..2\"\ndevice = \"desktop\"\n";
    vec![plain.into(), full.into()]
}

pub(crate) fn instance(bytes: &[u8]) {
    if let Ok(instance) = read_instance("i.json", &String::from_utf8_lossy(bytes)) {
        let again = read_instance("i.json", &write_instance(&instance));
        assert_eq!(again.as_ref(), Ok(&instance), "an instance changes when it is written");
        evaluate(&instance);
    }
}

pub(crate) fn instance_seeds() -> Vec<Vec<u8>> {
    [0, 1].map(|seed| write_instance(&samples::instance(seed)).into_bytes()).into()
}

pub(crate) fn plan(bytes: &[u8]) {
    let instance = samples::instance(0);
    let file = PlanFile::parse("p.json", &String::from_utf8_lossy(bytes));
    let Ok(file) = file else { return };
    let again = PlanFile::parse("p.json", &String::from_utf8_lossy(&json(&file)));
    assert_eq!(again.as_ref(), Ok(&file), "a plan changes when it is written");
    if let Ok(plan) = file.resolve("p.json", &instance) {
        assert!(!instance.evaluate(&plan).account.devices.is_empty());
        let again = PlanFile::new(&instance, &plan).resolve("p.json", &instance);
        assert_eq!(again, Ok(plan), "a plan changes when it is named");
    }
}

pub(crate) fn plan_seeds() -> Vec<Vec<u8>> {
    let instance = samples::instance(0);
    let plan = Plan::single(vec![Assignment::default(); instance.models[0].layers.len()]);
    vec![json(&PlanFile::new(&instance, &plan))]
}
