//! Every file that edgeplan writes can be read again, with unusual names and numbers, too.

use edgeplan::{CertificateFile, Quiet, certify, link_lines, links};
use edgeplan_batching::Scenario;
use edgeplan_cost_model::profile::Profile;
use edgeplan_files::deployment::{PlanFile, read_instance, write_instance};
use edgeplan_files::{parse_json, to_json};
use edgeplan_link::{Direction, Link};
use edgeplan_machines::cluster::Cluster;
use edgeplan_machines::import::{Kind, Options, import};
use edgeplan_model::gguf;
use edgeplan_model::gguf::draft::{Draft, Value};
use edgeplan_model::sensitivity::measured::{Header, Line, MeasuredSensitivity, Row, SCHEMA};
use edgeplan_problem::deployment::{Deployment, LayerRole};
use edgeplan_problem::format::Format;
use edgeplan_problem::scheduling::{Plan as Schedule, Scheduling};
use edgeplan_problem::{Bytes, Cost, Limits, Nanos, Problem as _};
use edgeplan_records::folder::Folder;
use edgeplan_records::row::Record;
use edgeplan_scheduling::{ScheduleFile, parse_schedule, write_schedule};
use edgeplan_tests::{brute_force, small, small_schedule};
use proptest::prelude::*;

use crate::machine::{SLOW_BITS, profile};

const EDGE_NODE: &str = include_str!("../../bench-data/batching/edge-node.toml");

/// Texts with all that files and terminals give a meaning to.
fn name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9 ]{0,6}",
        2 => prop::sample::select(vec![
            "\"", "'", "\\", "\n", "\r", "\t", "\0", "\u{1b}[31m", ",", ";", "=", "|", "#", "[x]",
            "{", "}", "<script>", "&amp;", "`", "%", "\u{202e}", "\u{feff}", "é", "語", "🦀", " & ",
            "native", "block 3", "-", "\u{85}", "\u{2028}", "../..",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// Finite numbers from 0 to a million, the smallest and the odd ones among them.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..1.0,
        0.0..1e6,
        Just(0.0),
        Just(f64::MIN_POSITIVE),
        Just(5e-324),
        Just(0.1 + 0.2),
        Just(1e6),
    ]
}

/// A small instance whose names are those.
fn named(seed: u64, names: &[String]) -> Deployment {
    let mut instance = small(seed);
    let mut names = names.iter().cycle();
    let mut next = || names.next().cloned().unwrap_or_default();
    instance.name = next();
    for device in &mut instance.devices {
        device.name = next();
    }
    for model in &mut instance.models {
        model.name = next();
        for layer in &mut model.layers {
            layer.role = LayerRole::from(next());
        }
    }
    instance
}

/// A small decision frame whose names are those.
fn frame(seed: u64, names: &[String]) -> Scheduling {
    let mut instance = small_schedule(seed);
    let mut names = names.iter().cycle();
    let mut next = || names.next().cloned().unwrap_or_default();
    instance.name = next();
    for server in &mut instance.servers {
        server.name = next();
    }
    for service in &mut instance.services {
        service.name = next();
        for variant in &mut service.variants {
            variant.name = next();
        }
    }
    instance
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(name(), 12..20)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn instances_and_plans(seed: u64, names in names()) {
        // Names that are not unique are refused before anything is written.
        let Ok(instance) = named(seed, &names).checked() else { return Ok(()) };
        let again = read_instance("i", &write_instance(&instance));
        prop_assert_eq!(again.as_ref(), Ok(&instance));
        if let Some((_, plan)) = instance.brute_force() {
            let file = PlanFile::new(&instance, &plan);
            let again = PlanFile::parse("p", &to_json(&file));
            prop_assert_eq!(again.as_ref(), Ok(&file));
            let resolved = again.unwrap().resolve("p", &instance);
            let cost = |plan| instance.evaluate(plan).cost;
            prop_assert_eq!(resolved.as_ref().map(cost), Ok(cost(&plan)));
        }
    }

    #[test]
    fn certificates(seed: u64) {
        let instance = small(seed);
        let optimum = brute_force(&instance).cost();
        let made = certify(&instance, Limits::default(), optimum, &mut Quiet);
        // Not every kind of instance has certificates.
        let Ok((file, bound)) = made else { return Ok(()) };
        let again = CertificateFile::parse("c", &to_json(&file)).unwrap();
        prop_assert_eq!(again.proven("c", &instance, optimum), Ok(bound));
        prop_assert!(bound <= optimum.unwrap_or(Cost::MAX));
    }

    #[test]
    fn decision_frames_and_schedules(seed: u64, names in names()) {
        let Ok(instance) = frame(seed, &names).checked() else { return Ok(()) };
        let again = parse_schedule("s", &write_schedule(&instance), false);
        prop_assert_eq!(again.as_ref(), Ok(&instance));
        let mut plan = Schedule::empty(instance.requests.len());
        for (index, request) in instance.requests.iter().enumerate() {
            plan.choices[index] = instance.candidates(request).first().map(|found| found.choice);
        }
        let file = to_json(&ScheduleFile::new(&instance, &plan));
        let again = ScheduleFile::parse("p", &file).unwrap().resolve("p", &instance);
        prop_assert_eq!(again, Ok(plan));
    }

    #[test]
    fn scenarios_of_batches(name in name(), node in name(), kl in number()) {
        let Ok(mut scenario) = Scenario::parse("b", EDGE_NODE) else {
            return Err(TestCaseError::fail("the scenario is valid"));
        };
        scenario.name = name;
        let mut first = scenario.node.remove("edge").unwrap();
        first.format.iter_mut().for_each(|format| format.kl = kl);
        for request in &mut scenario.request {
            let gains: Vec<f64> = request.gain_db.values().copied().collect();
            request.gain_db = gains.into_iter().map(|gain| (node.clone(), gain)).collect();
        }
        scenario.node.insert(node, first);
        let Ok(text) = scenario.to_toml() else { return Ok(()) };
        let same = |read: Scenario| read == scenario;
        // What is out of range is refused in the same words, not misread.
        let check = Scenario::parse("b", &text);
        prop_assert!(check.as_ref().map_or_else(|error| error.key.is_some(), |r| same(r.clone())));
    }

    #[test]
    fn sensitivity_files(model in name(), tensor in name(), values in [number(), number()]) {
        let header = Header {
            schema: SCHEMA.into(),
            model,
            source: tensor.clone(),
            tokens: u64::MAX,
            context: 0,
            loss_nats: Some(values[0]),
            origin: None,
        };
        let row = |format, kl| Row {
            tensor: tensor.clone(),
            format,
            norm: Some(values[1]),
            weight_difference: None,
            variance: Some(values[0]),
            kl_nats: kl,
            loss_change_nats: Some(-values[1]),
        };
        let rows = [row(Format::Q4K, Some(values[1])), row(Format::F16, None)];
        let line = |line: &Row| serde_json::to_string(&Line::Row(line.clone())).unwrap();
        let text = [serde_json::to_string(&header).unwrap(), line(&rows[0]), line(&rows[1])];
        let read = MeasuredSensitivity::parse("s", &(text.join("\n") + "\n"));
        let read = read.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!((&read.header.model, &read.header.source), (&header.model, &header.source));
        // JSON numbers are read to the last but one binary digit.
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= 2.0 * f64::EPSILON * a.abs(),
            (a, b) => a == b,
        };
        prop_assert_eq!(read.rows().len(), rows.len());
        for (read, row) in read.rows().iter().zip(&rows) {
            prop_assert_eq!((&read.tensor, read.format), (&row.tensor, row.format));
            prop_assert!(near(read.norm, row.norm) && near(read.kl_nats, row.kl_nats));
            prop_assert!(near(read.loss_change_nats, row.loss_change_nats));
        }
    }

    #[test]
    fn profiles(processor in name(), note in name(), median: u64) {
        let mut profile = profile(&SLOW_BITS);
        (profile.machine.processor, profile.notes) = (processor, vec![note]);
        profile.timings[0].median_ns = Nanos(median);
        let again: Result<Profile, _> = parse_json("p", &to_json(&profile));
        prop_assert_eq!(again, Ok(profile));
    }

    #[test]
    fn metadata_of_models(names in names(), value: f32) {
        let keys = names.iter().enumerate().map(|(index, name)| format!("{index}.{name}"));
        let mut metadata: Vec<(String, Value)> =
            keys.zip(&names).map(|(key, name)| (key, Value::Text(name.clone()))).collect();
        metadata.push(("texts".into(), Value::Texts(names.clone())));
        metadata.push(("float".into(), Value::F32(value)));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        let bytes = Draft { metadata: metadata.clone(), ..Draft::default() }.header();
        std::fs::write(&path, &bytes).unwrap();
        match gguf::read(&path) {
            Ok(header) => {
                let keys: Vec<&str> = header.pairs.iter().map(|pair| pair.key.as_str()).collect();
                let expected: Vec<&str> = metadata.iter().map(|(key, _)| key.as_str()).collect();
                prop_assert_eq!(keys, expected);
                for (pair, name) in header.pairs.iter().zip(&names) {
                    let span = pair.span.start as usize..pair.span.end as usize;
                    prop_assert!(bytes[span].ends_with(name.as_bytes()));
                }
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }

    #[test]
    fn records(names in names(), elapsed in number()) {
        let header = "suite,instance,fingerprint,layers,devices,options_max,placement,objective,\
            solver,seed,verdict,reason,cost,lower_bound,gap,elapsed_s,first_plan_s,\
            first_plan_cost,work,peak_memory_bytes,stopped,time_limit_s,gap_limit,\
            memory_limit_bytes,revision,machine,problem,parameters,cpu_s,cpu_limit_s\n\
            s,i,f,3,2,2,free,memory,x,0,feasible,,9,6,0.333,0.1,,,labels=9,1,time,5.0,0.0001,1,r,\
            m,deployment,family=random,0.1,15.0\n";
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("records.csv"), header).unwrap();
        let mut record: Record = Folder::read(place.path()).unwrap().remove(0);
        record.suite.clone_from(&names[0]);
        record.instance.clone_from(&names[1]);
        record.solver.clone_from(&names[2]);
        record.stopped.clone_from(&names[3]);
        record.machine.clone_from(&names[4]);
        record.elapsed_s = elapsed;
        let out = place.path().join("out");
        let mut folder = Folder::create(&out).unwrap();
        folder.add(record.clone(), &[]).unwrap();
        drop(folder);
        prop_assert_eq!(Folder::read(&out), Ok(vec![record]));
    }

    /// The measured link of any two machines can be pasted into a cluster.
    #[test]
    fn links_of_clusters(there: u64, back: u64, round_trip: u64, bytes in 1..(64_u64 << 20)) {
        use edgeplan_measure::sample::Sample;
        let sample = |median| Sample { median: Nanos(median), mad: Nanos(1), repeats: 9 };
        // No transfer takes more than the time after which it is given up.
        const LATE: u64 = 15_000_000_000;
        let way = |time: u64| Direction { bytes: Bytes(bytes), time: sample(time % LATE) };
        let round_trip = sample(round_trip % LATE);
        let link = Link { round_trip, there: way(there), back: way(back) };
        let lines = link_lines(&link, &links(&link, &["a".into(), "b".into()]));
        let devices = "source = 'a'\n[device.a]\nprofile = 'catalog:l4-24'\n[device.b]\n\
            profile = 'catalog:l4-24'\n";
        let cluster = Cluster::parse("c.toml", &format!("{devices}{lines}"));
        prop_assert!(cluster.is_ok(), "{:?}: {}", cluster.err(), lines);
    }

    /// An importer checks its cluster; names of devices come from elsewhere.
    #[test]
    fn imported_clusters(name in name(), latency in number()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.json");
        let device = serde_json::json!({
            "name": name, "is_head": true, "os_type": "mac_metal",
            "scpu": {"F16": {"b_1": 1e12}}, "T_cpu": 4e10, "t_comm": latency,
            "d_avail_ram": 8_000_000_000_u64, "sgpu_cuda": null,
            "sgpu_metal": {"Q4_K": {"b_1": 5e11}, "F16": {"b_1": 3e12}}, "T_metal": 2e11,
            "d_avail_metal": 8_000_000_000_u64,
        });
        std::fs::write(&path, device.to_string()).unwrap();
        match import(Kind::Distilp, &[&path], &Options::default()) {
            Ok(text) => prop_assert!(Cluster::parse("c.toml", &text).is_ok(), "{text}"),
            Err(error) => prop_assert!(!error.to_string().contains("cluster made of"), "{error}"),
        }
    }
}
