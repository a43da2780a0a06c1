//! What engines cannot run, what the rest costs on them, and the nearest plan.

mod small;

use edgeplan_machines::cluster::Cluster;
use edgeplan_pricing::deployment;
use edgeplan_pricing::workload::Workload;
use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, Placement, Plan};
use edgeplan_problem::{Bytes, Problem as _};
use edgeplan_runtimes::{RUNTIMES, Runtime, nearest, placed};

use small::{DEVICES, plan, question};

fn runtime(name: &str) -> &'static Runtime {
    Runtime::find(name).unwrap()
}

#[test]
fn what_cannot_be_expressed_is_named() {
    let fine = ["q8_0", "q4_K", "q4_K", "q6_K"];
    let cases = [
        ("llama.cpp", "0 0 0 0 1 1 1 1", fine, ""),
        ("llama.cpp", "0 1 1 1 1 2 2 0", fine, ""),
        ("llama.cpp", "1 1 1 1 1 1 1 1", fine, "embedding: on jetson; llama.cpp keeps it on the"),
        ("llama.cpp", "0 1 2 1 1 1 1 1", fine, "jetson holds two separate runs of blocks"),
        ("llama.cpp", "0 1 1 0 0 2 2 2", fine, "laptop: its blocks are not the first"),
        ("llama.cpp", "0 1 1 1 1 1 1 2", fine, "head: on desktop; llama.cpp keeps it on the dev"),
        ("prima.cpp", "0 0 0 0 1 1 1 0", fine, ""),
        ("prima.cpp", "0 0 0 0 1 1 1 1", fine, "head: on jetson; prima.cpp keeps it on the sour"),
        (
            "prima.cpp",
            "0 0 0 0 1 1 1 0",
            ["q8_0", "q4_0", "q5_0", "q6_K"],
            "block 0, block 2, block 4: format q4_0; prima.cpp has q8_0, q6_K, q4_K there",
        ),
        ("mistral.rs", "0 1 2 1 0 1 2 0", ["f16", "q4_K", "q5_0", "q8_0"], ""),
        ("mistral.rs", "0 1 2 1 0 1 2 0", fine, "embedding: format q8_0; mistral.rs has f16 there"),
        (
            "distributed-llama",
            "0 0 1 1 1 0 0 0",
            ["f32", "q4_0", "q4_0", "q4_0"],
            "blocks 1 to 3: away from laptop; distributed-llama cuts every layer into equal slices",
        ),
        ("exo", "2 2 2 1 1 1 1 1", ["bf16"; 4], ""),
        ("exo", "0 2 2 2 1 1 1 1", ["bf16", "bf16", "q8_0", "bf16"], "format q8_0; exo has bf16"),
    ];
    let open = question(6);
    for (engine, devices, recipes, expected) in cases {
        let misfits = runtime(engine).misfits(&open, &plan(&open, devices, recipes)).unwrap();
        let text = misfits.join("; ");
        assert_eq!(text.is_empty(), expected.is_empty(), "{engine}, {devices}: {text}");
        assert!(text.contains(expected), "{engine}, {devices}: {text}");
    }
}

#[test]
fn tied_ends_of_one_file_are_alike() {
    let mut open = question(2);
    let model = &mut open.models[0];
    model.shared = vec![Bytes(500), Bytes(300)];
    for layer in [0, 3] {
        model.layers[layer]
            .options
            .retain(|option| ["q8_0", "q6_K"].contains(&&*option.recipe.to_string()));
        for (index, option) in model.layers[layer].options.iter_mut().enumerate() {
            (option.bytes, option.shared) = (Bytes(0), Some(index));
        }
    }
    let open = open.checked().unwrap();
    let chosen = plan(&open, "0 1 1 1", ["q8_0", "q4_K", "q4_K", "q6_K"]);
    let misfits = runtime("llama.cpp").misfits(&open, &chosen).unwrap();
    assert_eq!(misfits, ["embedding, head: two formats of one tensor"]);
    let within = runtime("llama.cpp").restrict(&open).unwrap();
    for layer in [0, 3] {
        let options = &within.models[0].layers[layer].options;
        assert_eq!(
            options.iter().map(|option| &option.recipe).collect::<Vec<_>>(),
            [&"q6_K".into()]
        );
    }
    // Joined ends may choose, but only one format for both, stored once.
    let within = runtime("prima.cpp").restrict(&open).unwrap();
    let ends = &within.models[0].layers[0].options;
    let found: Vec<(String, Bytes)> =
        ends.iter().map(|option| (option.recipe.to_string(), option.bytes)).collect();
    assert_eq!(found, [("q8_0 & q8_0".into(), Bytes(500)), ("q6_K & q6_K".into(), Bytes(300))]);
}

/// A plan of the open question as the engine prices it.
fn priced(engine: &str, open: &Deployment, chosen: &Plan) -> (Deployment, Plan) {
    let mut priced = runtime(engine).price(open).unwrap();
    priced.placement = Placement::Free;
    let plan = runtime(engine).translate(open, chosen, &priced).unwrap();
    (priced, plan)
}

#[test]
fn ends_joined_into_one_layer_cost_what_they_cost_apart() {
    let recipes = ["f16", "q4_K", "q5_0", "q8_0"];
    for devices in ["0 0 0 0 0 0 0 0", "0 0 1 1 2 2 2 0", "0 1 1 1 2 2 2 0", "0 2 0 1 2 0 1 0"] {
        let open = question(6);
        let chosen = plan(&open, devices, recipes);
        let (joined, same) = priced("mistral.rs", &open, &chosen);
        let (apart, together) = (open.evaluate(&chosen), joined.evaluate(&same));
        assert_eq!(apart.cost, together.cost, "{devices}");
        let memory = |account: &edgeplan_problem::deployment::Account| {
            account.devices.iter().map(|device| device.memory()).collect::<Vec<_>>()
        };
        assert_eq!(memory(&apart.account), memory(&together.account), "{devices}");
        assert_eq!(apart.account.models[0].loss, together.account.models[0].loss);
        let layers = |deployment, plan| placed(deployment, plan).unwrap();
        assert_eq!(layers(&open, &chosen), layers(&joined, &same), "{devices}");
    }
}

#[test]
fn rpc_servers_talk_through_the_source() {
    let open = question(6);
    let chosen = plan(&open, "0 1 1 1 2 2 2 2", ["f16", "q4_K", "q4_K", "q6_K"]);
    let (star, same) = priced("llama.cpp", &open, &chosen);
    let (direct, relayed) = (open.evaluate(&chosen), star.evaluate(&same));
    // 400 bytes from device 1 to 2 (pair 5) go from 1 to 0 (pair 3) and from 0 to 2 (pair 2).
    let detour = 400 * (4 + 3) - 400 * 6;
    assert_eq!(relayed.cost.0, direct.cost.0 + detour);
    // Each device in use leaves free what llama.cpp leaves free.
    assert_eq!(relayed.account.devices[1].overhead, runtime("llama.cpp").margin);
    assert!(relayed.is_feasible(), "{:?}", relayed.violations);
}

#[test]
fn a_restricted_question_has_only_plans_that_can_be_run() {
    for engine in RUNTIMES {
        let within = engine.restrict(&question(6)).unwrap();
        for layer in &within.models[0].layers {
            assert!(!layer.options.is_empty(), "{}: {}", engine.name, layer.role);
        }
        // On every device each, with whatever is first: what is feasible can be run.
        let (layers, devices) = (within.models[0].layers.len(), within.devices.len());
        let mut feasible = 0;
        for word in 0..devices.pow(layers as u32) {
            let device = |layer: usize| word / devices.pow(layer as u32) % devices;
            let assignment = (0..layers).map(|layer| Assignment {
                device: DeviceId(device(layer) as u16),
                ..Assignment::default()
            });
            let plan = Plan::single(assignment.collect());
            if within.evaluate(&plan).is_feasible() {
                let misfits = engine.misfits(&within, &plan).unwrap();
                assert_eq!(misfits, Vec::<String>::new(), "{}: {plan:?}", engine.name);
                feasible += 1;
            }
        }
        assert!(feasible > 0, "{}", engine.name);
    }
}

#[test]
fn what_no_engine_runs_is_refused() {
    let mut open = question(2);
    open.models[0].layers[1].role = "layer 1".into();
    let error = runtime("llama.cpp").restrict(&open).unwrap_err();
    assert!(error.contains("layer 1 is called `layer 1`"), "{error}");
    let mut open = question(2);
    open.models[0].layers[2].options.retain(|option| option.recipe == "q4_0".into());
    let error = runtime("prima.cpp").restrict(&open).unwrap_err();
    assert_eq!(error, "block 1: no recipe is in a format of prima.cpp; it has q8_0, q6_K, q4_K");
    let error = Runtime::find("vllm").unwrap_err();
    assert!(error.starts_with("no engine is called `vllm`; known are llama.cpp, "), "{error}");
}

#[test]
fn no_plan_is_nearer_than_the_nearest() {
    let open = question(4);
    // Embedding off the source, and a device visited twice.
    let given = plan(&open, "1 1 2 1 2 2", ["q8_0", "q4_K", "q4_K", "q6_K"]);
    let within = runtime("llama.cpp").restrict(&open).unwrap();
    let near = nearest(&within, &open, &given).unwrap();
    let recipes = ["q8_0", "q4_K", "q4_K", "q6_K"];
    let mut best: Option<(u64, usize, String)> = None;
    for code in 0..3_usize.pow(6) {
        let digits: Vec<String> =
            (0..6).map(|place| (code / 3_usize.pow(place) % 3).to_string()).collect();
        let devices = digits.join(" ");
        let plan = plan(&within, &devices, recipes);
        let evaluation = near.evaluate(&plan);
        if !evaluation.is_feasible() {
            continue;
        }
        let there = placed(&within, &plan).unwrap();
        let here = placed(&open, &given).unwrap();
        let moved = there.iter().zip(&here).filter(|(a, b)| a.device != b.device).count();
        let found = (evaluation.cost.0, moved, devices);
        best = Some(best.map_or(found.clone(), |best| best.min(found)));
    }
    let (_, moved, devices) = best.unwrap();
    // The embedding moves to the laptop; one block leaves the jetson's second run.
    assert_eq!(moved, 2, "{devices}");
    assert_eq!(DEVICES[0], "laptop");
    assert!(devices.starts_with("0 1 "), "{devices}");
}

#[test]
fn what_rpc_servers_get_is_priced() {
    let llama = runtime("llama.cpp");
    let asked = Workload { prompt: 100, generate: 4, ..Workload::default() };
    let served = llama.serving(&asked).unwrap();
    let text = "source = 'a'\n[device.a]\nprofile = 'catalog:apple-m2'\n[device.b]\nprofile = \
                'catalog:apple-m2'\n[device.c]\nprofile = 'catalog:apple-m2'\n[switch.s]\n";
    let link = |name: &str| {
        format!("[[link]]\nbetween = ['{name}', 's']\nbandwidth = '8 Mbit/s'\nlatency = '1 ms'\n")
    };
    let text = format!("{text}{}{}{}", link("a"), link("b"), link("c"));
    let cluster = Cluster::parse("cluster.toml", &text).unwrap();
    let models = [edgeplan_model::load("catalog:tinyllama-1.1b").unwrap()];
    let built = |workload: &Workload| deployment(&models, &cluster, workload).unwrap();
    let priced = llama.price(&built(&served)).unwrap();
    let model = &priced.models[0];
    let time = |layer: usize, from: usize, to: usize| {
        model.messages[model.layers[layer].output].time[3 * from + to].unwrap().0
    };
    // A byte takes a microsecond, a message two milliseconds: 5 of them, 104 hidden states in f32.
    let (latency, state) = (5 * 2_000_000, 104 * 4 * 2048 * 1000);
    // 2000 bytes a pass, 20 a position, a mask in f16 over 256 positions.
    let along = (5 * 2000 + 104 * 20 + 104 * 2 * 256) * 1000;
    assert_eq!(time(0, 0, 1), latency + state + along);
    assert_eq!(time(1, 0, 1), latency + 2 * state + along);
    assert_eq!(time(1, 1, 0), latency + state);
    assert_eq!(time(1, 1, 2), time(1, 1, 0) + time(0, 0, 2));
    // Graphs of prefill and decode are sent to every device but the source.
    let compute = |deployment: &Deployment, device: usize| {
        deployment.models[0].layers[1].options[0].compute[device].unwrap().0
    };
    let open = built(&asked);
    assert_eq!(compute(&priced, 1), compute(&open, 1) + 2 * 13_500 * 1000);
    assert_eq!(compute(&priced, 0), compute(&open, 0));
}
