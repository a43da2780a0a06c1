//! Plans for machines that were measured: times come from kernels, and say how well they are known.

use std::path::Path;

use edgeplan_cost_model::profile::{Profile, Resident, Work};
use edgeplan_files::to_json;
use edgeplan_machines::cluster::Cluster;
use edgeplan_machines::device::{self, Measured};
use edgeplan_model::ModelSpec;
use edgeplan_pricing::workload::{Quality, Workload};
use edgeplan_pricing::{PricedDeployment, deployment, price};
use edgeplan_problem::deployment::{Assignment, DeviceId, OptionId, Plan};
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos, Problem as _};

use crate::gguf::experts;
use crate::machine::{BY_BYTES, SLOW_BITS, profile};

/// A laptop of that profile and a twin beside it; `keys` go to the laptop.
fn twins(folder: &Path, profile: &Profile, keys: &str) -> Cluster {
    beside(folder, profile, &format!("profile = 'laptop.json'\n{keys}"))
}

/// A laptop of these keys, and beside it the twin of that profile.
fn beside(folder: &Path, profile: &Profile, laptop: &str) -> Cluster {
    std::fs::write(folder.join("laptop.json"), to_json(profile)).unwrap();
    let text = format!(
        "source = 'laptop'\n[device.laptop]\n{laptop}\n[device.twin]\n\
         profile = 'laptop.json'\n[[link]]\nbetween = ['laptop', 'twin']\n\
         bandwidth = '1 Gbit/s'\nlatency = '1 ms'\n"
    );
    Cluster::parse(&folder.join("cluster.toml").display().to_string(), &text).unwrap()
}

fn workload() -> Workload {
    let formats = vec![Format::Q8_0, Format::Q4K, Format::Q2K];
    Workload { formats, quality: Some(Quality::Any), recipes_max: 3, ..Workload::default() }
}

fn llama() -> ModelSpec {
    edgeplan_model::load("catalog:llama-2-7b").unwrap()
}

fn stated(profile: &Profile, workload: &Workload) -> PricedDeployment {
    let folder = tempfile::tempdir().unwrap();
    price(&[llama()], &twins(folder.path(), profile, ""), workload).unwrap()
}

/// All layers of one recipe on the laptop.
fn uniform(stated: &PricedDeployment, recipe: &str) -> Plan {
    let layers = &stated.deployment.models[0].layers;
    let option = |layer: &edgeplan_problem::deployment::Layer| {
        let found = layer.options.iter().position(|option| option.recipe == recipe.into());
        Assignment { device: DeviceId(0), option: OptionId(found.unwrap() as u16) }
    };
    Plan::single(layers.iter().map(option).collect())
}

#[test]
fn the_fastest_format_is_the_one_that_was_measured_as_such() {
    for (speeds, fastest) in [(SLOW_BITS, "q4_K"), (BY_BYTES, "q2_K")] {
        let decode = Workload { prompt: 1, ..workload() };
        let stated = stated(&profile(&speeds), &decode);
        let time = |recipe: &str| {
            let compute = |layer: &edgeplan_problem::deployment::Layer| {
                let option =
                    layer.options.iter().find(|option| option.recipe == recipe.into()).unwrap();
                option.compute[1].unwrap()
            };
            stated.deployment.models[0].layers.iter().map(compute).sum::<Nanos>()
        };
        for other in ["q8_0", "q4_K", "q2_K"] {
            assert!(time(fastest) <= time(other), "{other}");
        }
    }
}

#[test]
fn times_add_up_from_kernels_and_lie_in_their_interval() {
    let workload = Workload { prompt: 64, generate: 10, ..workload() };
    let stated = stated(&profile(&SLOW_BITS), &workload);
    let plan = uniform(&stated, "q4_K");
    let confidence = stated.confidence(&plan);
    let [laptop] = &confidence[..] else { panic!("{confidence:?}") };
    assert_eq!((laptop.basis.as_str(), laptop.extrapolated), ("measured", false));
    assert!(laptop.origin.starts_with("laptop.json: none 1 on made up, 2026-11-21"));
    // Products alone: 6.6e9 weights, the head's 131e6 only for the last position of the prompt.
    let (blocks, head) = (6.476e9, 131e6);
    let product = blocks * (0.03 + 0.004 * 64.0) + head * 0.034 + 10.0 * (blocks + head) * 0.034;
    let compute = laptop.compute_ns.as_f64();
    assert!(compute > product && compute < 1.15 * product, "{compute} {product}");
    assert!(laptop.low_ns.unwrap() < laptop.compute_ns);
    assert!(laptop.high_ns.unwrap() > laptop.compute_ns);
    let [(low, high)] = stated.latency(&plan).unwrap()[..] else { panic!("one model") };
    let cost = stated.deployment.evaluate(&plan).cost.as_f64();
    assert!(low.as_f64() < cost && cost < high.as_f64() && high.as_f64() < 1.5 * cost);
}

#[test]
fn a_longer_prompt_than_was_measured_is_extrapolated_and_says_so() {
    let stated = stated(&profile(&SLOW_BITS), &workload());
    let confidence = stated.confidence(&uniform(&stated, "q4_K"));
    assert!(confidence[0].extrapolated, "{confidence:?}");
}

#[test]
fn memory_is_a_share_of_all_or_what_was_free_unless_the_cluster_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut roomy = profile(&SLOW_BITS);
    let memory = |profile: &Profile, keys: &str| {
        let cluster = twins(folder.path(), profile, keys);
        deployment(&[llama()], &cluster, &workload()).unwrap().devices[0].memory
    };
    assert_eq!(memory(&roomy, ""), Bytes(12 << 30));
    assert_eq!(memory(&roomy, "memory = '5 GiB'"), Bytes(5 << 30));
    roomy.machine.free_bytes = roomy.machine.memory_bytes;
    assert_eq!(memory(&roomy, ""), Bytes((16 << 30) / 100 * 85));
}

/// 2.5 times its file: 16 rows of a block of 144 bytes.
fn copied() -> Resident {
    let (format, resident_bytes) = (Format::Q4K, Bytes(16 * 144 * 5 / 2));
    Resident { format, rows: 16, row_len: 256, batch: 1, resident_bytes }
}

#[test]
fn packed_copies_take_memory_and_vectors_and_tables_have_none() {
    let mut packed = profile(&SLOW_BITS);
    packed.resident.push(copied());
    let (plain, packed) = (stated(&profile(&SLOW_BITS), &workload()), stated(&packed, &workload()));
    let bytes = |stated: &PricedDeployment, layer: usize, recipe: &str| {
        let options = &stated.deployment.models[0].layers[layer].options;
        options.iter().find(|option| option.recipe == recipe.into()).unwrap().bytes.as_f64()
    };
    for (layer, recipe, factor) in [(0, "q4_K", 1.0), (1, "q4_K", 2.5), (1, "q8_0", 1.0)] {
        let share = bytes(&packed, layer, recipe) / bytes(&plain, layer, recipe);
        assert!((share / factor - 1.0).abs() < 1e-3, "{layer} {recipe}: {share}");
    }
    assert_eq!(packed.notes[0], "laptop, twin: large weights in memory are q4_K 2.50 x their file");
    // Twins are alike, so nothing has to be made up for.
    assert_eq!(packed.deployment.devices[1].memory, Bytes(12 << 30));
    assert!(plain.notes.is_empty());
}

#[test]
fn copies_of_one_engine_do_not_burden_other_devices() {
    let mut packed = profile(&SLOW_BITS);
    packed.resident.push(copied());
    let folder = tempfile::tempdir().unwrap();
    let cluster = beside(folder.path(), &packed, "profile = 'catalog:l4-24'");
    let ask = |formats: Vec<Format>| {
        price(&[llama()], &cluster, &Workload { formats, ..workload() }).unwrap()
    };
    let both = ask(vec![Format::Q8_0, Format::Q4K]);
    let [laptop, twin] = &both.deployment.devices[..] else { panic!("two devices") };
    // 98 % of 24 GiB
    assert_eq!(laptop.memory, Bytes(25_254_407_700));
    // 256 MiB of overhead, and the rest of 12 GiB by 2.5.
    let weights = (12 << 30) - (256 << 20);
    assert_eq!(twin.memory, Bytes((256 << 20) + weights * 2 / 5));
    let block = &both.deployment.models[0].layers[1];
    let q4 = block.options.iter().find(|option| option.recipe == Format::Q4K.into()).unwrap();
    assert!(q4.bytes.as_f64() < 0.58 * 202.5e6, "{}", q4.bytes);
    assert!(both.notes[0].starts_with("twin: 12.00 GiB count as 4.95 GiB, "), "{:?}", both.notes);
    let plain = ask(vec![Format::Q8_0]);
    assert_eq!(plain.deployment.devices[1].memory, Bytes(12 << 30));
}

#[test]
fn what_was_not_measured_is_an_error_or_an_explicit_estimate() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = twins(folder.path(), &profile(&SLOW_BITS), "");
    let mut wanted = Workload { formats: vec![Format::Q4K, Format::Q5_0], ..workload() };
    let plan = |recipe: &str, wanted: &Workload| {
        let stated = price(&[llama()], &cluster, wanted).unwrap();
        stated.confidence(&uniform(&stated, recipe))[0].clone()
    };
    assert_eq!(plan("q4_K", &wanted).basis, "measured");
    let guess = plan("q5_0", &wanted);
    assert_eq!(guess.basis, "measured, partly estimated");
    assert!(guess.low_ns.unwrap().as_f64() < 0.5 * guess.compute_ns.as_f64(), "{guess:?}");
    wanted.estimate = false;
    let error = deployment(&[llama()], &cluster, &wanted).unwrap_err().to_string();
    let expected = "workload: estimate: laptop: matrix products in q5_0 were not measured; ";
    assert!(error.starts_with(expected), "{error}");

    let mut short = profile(&SLOW_BITS);
    short.timings.retain(|timing| !matches!(timing.work, Work::Attention { .. }));
    let cluster = twins(folder.path(), &short, "");
    let error = deployment(&[llama()], &cluster, &Workload { estimate: false, ..workload() });
    assert!(error.unwrap_err().to_string().contains("attention was not measured"));
    assert!(deployment(&[llama()], &cluster, &workload()).is_ok());
    short.timings.retain(|timing| !matches!(timing.work, Work::Triad { .. }));
    let cluster = twins(folder.path(), &short, "");
    let error = deployment(&[llama()], &cluster, &workload()).unwrap_err().to_string();
    assert!(error.contains("laptop.json: timings: memory bandwidth was not measured"), "{error}");
}

#[test]
fn every_model_can_be_asked_and_experts_cost_what_a_token_uses() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = twins(folder.path(), &profile(&SLOW_BITS), "");
    for name in edgeplan_model::names() {
        let model = edgeplan_model::load(&format!("catalog:{name}")).unwrap();
        let wanted = Workload { recipes_max: 3, formats: vec![Format::F16], ..workload() };
        let layers = &deployment(&[model], &cluster, &wanted).unwrap().models[0].layers;
        assert!(layers.iter().all(|layer| layer.options[0].compute[1].is_some()), "{name}");
    }
    for prompt in [1, 512] {
        let wanted = Workload { prompt, ..Workload::default() };
        let time = |used| {
            let deployment = deployment(&[experts(used)], &cluster, &wanted).unwrap();
            deployment.models[0].layers[1].options[0].compute[0].unwrap()
        };
        assert!(time(2) < time(8), "{prompt}");
    }
}

#[test]
fn a_profile_is_refused_by_file_and_key() {
    let good = to_json(&profile(&SLOW_BITS[..1]));
    let cases = [
        ("\"schema\": 2", "\"schema\": 1", "laptop.json: schema: 1; 2 is allowed"),
        ("\"cores\"", "\"core\"", "did you mean `cores`?"),
        ("\"median-ns\": 1000,", "\"median-ns\": 0,", "timings[1].median-ns: 0; 1 to"),
        ("\"q8_0\"", "\"q9_0\"", "`q9_0` is no format"),
        ("\"triad\"", "\"tried\"", "did you mean `triad`?"),
        ("\"free-bytes\": 12884901888", "\"free-bytes\": 0", "machine.free-bytes: 0; 1 to"),
    ];
    for (from, to, expected) in cases {
        assert!(good.contains(from), "{from}");
        let error = Measured::parse("laptop.json", &good.replacen(from, to, 1)).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("laptop.json: ") && error.contains(expected), "{to}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("laptop.json").display().to_string();
    std::fs::write(&path, &good).unwrap();
    assert!(device::load(&path).unwrap().published().is_none());
}
