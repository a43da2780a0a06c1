//! Schedules, batches, traces, and records of benchmarks.

use edgeplan_batching::Scenario;
use edgeplan_problem::Problem as _;
use edgeplan_problem::scheduling::{Plan, Scheduling};
use edgeplan_records::folder::Folder;
use edgeplan_scheduling::{ScheduleFile, parse_schedule, write_schedule};
use edgeplan_simulator::trace::parse;

use crate::place::{folder, with_file};
use crate::samples::json;

const CAMPUS: &str = include_str!("../../../bench-data/schedules/campus.toml");
const EDGE_NODE: &str = include_str!("../../../bench-data/batching/edge-node.toml");

/// Evaluates the plan that serves no request.
fn evaluated(instance: &Scheduling) {
    let evaluation = instance.evaluate(&Plan::empty(instance.requests.len()));
    assert!(evaluation.is_feasible(), "{:?}", evaluation.violations);
}

pub(crate) fn schedule_toml(bytes: &[u8]) {
    if let Ok(instance) = parse_schedule("s.toml", &String::from_utf8_lossy(bytes), true) {
        evaluated(&instance);
    }
}

pub(crate) fn schedule_toml_seeds() -> Vec<Vec<u8>> {
    vec![CAMPUS.into()]
}

pub(crate) fn schedule_json(bytes: &[u8]) {
    if let Ok(instance) = parse_schedule("s.json", &String::from_utf8_lossy(bytes), false) {
        evaluated(&instance);
        let again = parse_schedule("s.json", &write_schedule(&instance), false);
        assert_eq!(again, Ok(instance), "a decision frame changes when it is written");
    }
}

fn campus() -> Scheduling {
    parse_schedule("campus", CAMPUS, true).expect("the example is valid")
}

pub(crate) fn schedule_json_seeds() -> Vec<Vec<u8>> {
    vec![write_schedule(&campus()).into_bytes()]
}

thread_local! {
    static FRAME: Scheduling = campus();
}

pub(crate) fn schedule_plan(bytes: &[u8]) {
    let Ok(file) = ScheduleFile::parse("p.json", &String::from_utf8_lossy(bytes)) else { return };
    FRAME.with(|instance| {
        if let Ok(plan) = file.resolve("p.json", instance) {
            let again = ScheduleFile::new(instance, &plan).resolve("p.json", instance);
            assert_eq!(again.as_ref(), Ok(&plan), "a schedule changes when it is named");
            instance.evaluate(&plan);
        }
    });
}

pub(crate) fn schedule_plan_seeds() -> Vec<Vec<u8>> {
    let instance = campus();
    let mut plan = Plan::empty(instance.requests.len());
    let first = instance.candidates(&instance.requests[0]).into_iter().next();
    plan.choices[0] = first.map(|candidate| candidate.choice);
    vec![json(&ScheduleFile::new(&instance, &plan))]
}

pub(crate) fn batch(bytes: &[u8]) {
    let Ok(scenario) = Scenario::parse("b.toml", &String::from_utf8_lossy(bytes)) else { return };
    let text = scenario.to_toml().expect("numbers of files can be written");
    let again = Scenario::parse("b.toml", &text);
    assert_eq!(again.as_ref(), Ok(&scenario), "a scenario changes when it is written");
    // Other models would be files of the machine.
    if scenario.node.values().all(|node| node.model.starts_with("catalog:")) {
        drop(scenario.build("b.toml"));
    }
}

pub(crate) fn batch_seeds() -> Vec<Vec<u8>> {
    vec![EDGE_NODE.into()]
}

pub(crate) fn trace(bytes: &[u8]) {
    if let Ok(requests) = parse("t.csv", &String::from_utf8_lossy(bytes)) {
        assert!(requests.windows(2).all(|pair| pair[0].arrival <= pair[1].arrival));
    }
}

pub(crate) fn trace_seeds() -> Vec<Vec<u8>> {
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-02-28 23:59:59.5000000,300,7\n\
        2024-02-29 00:00:01.0000001+00:00,12,0\n";
    let burst = "Timestamp,Model,Request tokens,Response tokens\n5,x,4,6\n5.25,\"a,b\",1,2\n";
    let moon = "{\"timestamp\": 27482, \"input_length\": 6955, \"output_length\": 52}\n\n\
        {\"timestamp\": 30535.5, \"input_length\": 6472, \"output_length\": 26}\n";
    [azure, burst, moon].map(|text| text.as_bytes().to_vec()).into()
}

/// What is read is added to a folder, and read again.
pub(crate) fn records(bytes: &[u8]) {
    let read = with_file("records.csv", bytes, |path| Folder::read(path.parent()?).ok());
    let Some(records) = read.filter(|records| records.len() < 8) else { return };
    let folder = folder();
    let mut written = Folder::create(folder.path()).expect("an empty folder");
    for record in &records {
        written.add(record.clone(), &[]).expect("a record can be written");
    }
    drop(written);
    if !records.is_empty() {
        let again = Folder::read(folder.path());
        assert_eq!(again.as_ref(), Ok(&records), "records change when they are written");
    }
}

pub(crate) fn records_seeds() -> Vec<Vec<u8>> {
    let header = "suite,instance,fingerprint,layers,devices,options_max,placement,objective,solver,\
        seed,verdict,reason,cost,lower_bound,gap,elapsed_s,first_plan_s,first_plan_cost,work,\
        peak_memory_bytes,stopped,time_limit_s,gap_limit,memory_limit_bytes,revision,machine,\
        problem,parameters,cpu_s,cpu_limit_s";
    let rows = [
        "s,i,a6a0943ec4a0dab5,,,,,,batch-search,0,optimal,,6,6,0.0,0.000139567,0.000011176,8,\
         nodes=0;trees=0,16945152,,5.0,0.0001,4294967296,0217faf,m,batching,\
         family=dftsp-wide;requests=8,0.005445,15.0",
        "s,j,b6a0943ec4a0dab5,3,2,2,contiguous,latency,chain-search,0,feasible,,9,6,0.333,0.1,,,\
         labels=9,16945152,time,5.0,0.0001,4294967296,0217faf,m,deployment,family=random,0.1,15.0",
    ];
    vec![format!("{header}\n{}\n", rows.join("\n")).into()]
}
