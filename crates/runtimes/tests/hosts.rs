//! llama.cpp on hosts of several devices: one machine, several machines, one card alone.

use std::collections::BTreeMap;

use edgeplan_machines::cluster::Cluster;
use edgeplan_pricing::price;
use edgeplan_pricing::workload::{Quality, Workload};
use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceId, LayerRole, OptionId, Part, Plan,
};
use edgeplan_problem::format::Format;
use edgeplan_problem::{Nanos, Problem as _};
use edgeplan_runtimes::{BlockRuns, Order, Request, Runtime, export};

const PC: &str = "source = 'pc'\n[host.pc]\n\
    devices = ['catalog:rtx-3090', 'catalog:rtx-3060', 'catalog:ryzen-9-5900x']\n\
    ram = '64 GiB'\n";
const BOX: &str = "[host.box]\ndevices = ['catalog:rx-7900-xtx', 'catalog:ryzen-7-7700x']\n\
    [[link]]\nbetween = ['pc', 'box']\nbandwidth = '10 Gbit/s'\nlatency = '0.1 ms'\n";

struct Case {
    runtime: &'static Runtime,
    cluster: Cluster,
    question: Deployment,
}

impl Case {
    fn new(cluster: &str, model: &str) -> Result<Self, String> {
        Self::of("llama.cpp", cluster, model)
    }

    fn of(engine: &str, cluster: &str, model: &str) -> Result<Self, String> {
        let cluster = Cluster::parse("c.toml", cluster).unwrap();
        let runtime = Runtime::find(engine).unwrap();
        let formats = vec![Format::Q4K];
        let asked = Workload { formats, quality: Some(Quality::Any), ..Workload::default() };
        let served = runtime.within(&asked).unwrap();
        let model = edgeplan_model::load(model).unwrap();
        let open = price(&[model], &cluster, &served).unwrap().deployment;
        Ok(Self { runtime, question: runtime.restrict(&open)?, cluster })
    }

    /// A plan that gives each part the device of that name.
    fn plan(&self, device: impl Fn(Part) -> &'static str) -> Plan {
        let place = |role: &LayerRole| {
            let name = device(role.part().unwrap());
            let index = self.question.devices.iter().position(|device| device.name == name);
            DeviceId(index.unwrap() as u16)
        };
        let layers = self.question.models[0].layers.iter();
        Plan::single(
            layers
                .map(|layer| Assignment { device: place(&layer.role), option: OptionId(0) })
                .collect(),
        )
    }

    fn files(&self, plan: &Plan, at: &[(&str, &str)]) -> Result<BTreeMap<String, String>, String> {
        let evaluation = self.question.evaluate(plan);
        assert!(evaluation.is_feasible(), "{:?}", evaluation.violations);
        let addresses: BTreeMap<String, String> =
            at.iter().map(|&(name, at)| (name.to_owned(), at.to_owned())).collect();
        let backends: Vec<_> =
            (0..self.cluster.devices.len()).map(|d| self.cluster.backend(d).unwrap()).collect();
        let order = Order {
            runtime: self.runtime,
            deployment: &self.question,
            plan,
            request: Some(Request {
                prompt: 512,
                generate: 128,
                batch: 1,
                context: 8192,
                kv: Format::F16,
                first_token: Nanos(1),
                whole: Nanos(2),
            }),
            model: None,
            addresses: &addresses,
            backends: &backends,
            kept: &[],
            projector: None,
            remarks: &[],
            command: "edgeplan export",
        };
        Ok(export(&order)?.into_iter().collect())
    }
}

/// The options of a script, one a line.
fn options(script: &str) -> Vec<&str> {
    let lines = script.lines().map(|line| line.trim().trim_end_matches('\\').trim());
    lines.filter(|line| line.starts_with("--") && !line.starts_with("--model")).collect()
}

#[test]
fn one_card_runs_all_layers_and_the_embedding_is_in_ram() {
    let case = Case::new(
        "source = 'pc'\n[device.pc]\nprofile = 'catalog:rtx-3090'\n",
        "catalog:llama-3.1-8b",
    );
    let case = case.unwrap();
    let files = case.files(&case.plan(|_| "pc"), &[]).unwrap();
    let serve = options(&files["serve.sh"]);
    assert_eq!(serve[..2], ["--device CUDA0", "--gpu-layers 33"], "{serve:?}");
    assert!(!files.keys().any(|name| name.starts_with("worker")), "{files:?}");
    // 1 GiB stays free, and the table of 128256 x 4096 weights is not on the card.
    let account = case.question.evaluate(&case.plan(|_| "pc")).account;
    assert!(account.devices[0].weights.as_f64() < 4.4e9, "{:?}", account.devices[0]);
}

#[test]
fn cards_of_one_machine_need_no_rpc() {
    let case = Case::new(PC, "catalog:llama-3.1-8b").unwrap();
    let plan = case.plan(|part| match part {
        Part::Embedding => "pc/cpu",
        Part::Head => "pc/cuda1",
        part if part.block() < Some(20) => "pc/cuda0",
        _ => "pc/cuda1",
    });
    let files = case.files(&plan, &[]).unwrap();
    let serve = options(&files["serve.sh"]);
    let expected =
        ["--device CUDA0,CUDA1", "--gpu-layers 33", "--split-mode layer", "--tensor-split 20,13"];
    assert_eq!(serve[..4], expected, "{serve:?}");
    assert!(!files["serve.sh"].contains("override"), "{}", files["serve.sh"]);
}

#[test]
fn experts_in_ram_are_a_number_of_blocks_or_a_list() {
    let case = Case::new(PC, "catalog:qwen3-30b-a3b").unwrap();
    let with = |in_ram: fn(usize) -> bool| {
        let plan = case.plan(|part| match part {
            Part::Embedding => "pc/cpu",
            Part::Experts(block) if in_ram(block) => "pc/cpu",
            _ => "pc/cuda0",
        });
        case.files(&plan, &[]).unwrap()["serve.sh"].clone()
    };
    assert!(options(&with(|block| block < 10)).contains(&"--n-cpu-moe 10"));
    assert!(options(&with(|_| true)).contains(&"--n-cpu-moe 48"));
    let last = with(|block| block >= 46);
    let expected = r"--override-tensor 'blk\.(46|47)\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU'";
    assert!(options(&last).contains(&expected), "{last}");
    // A card that holds experts alone gets no layer, but is known.
    let plan = case.plan(|part| match part {
        Part::Embedding => "pc/cpu",
        Part::Experts(block) if block < 10 => "pc/cuda1",
        _ => "pc/cuda0",
    });
    let serve = case.files(&plan, &[]).unwrap()["serve.sh"].clone();
    let serve = options(&serve);
    assert_eq!(serve[0], "--device CUDA0,CUDA1");
    assert!(serve.contains(&"--tensor-split 49,0"), "{serve:?}");
    assert!(serve.iter().any(|line| line.ends_with("exps=CUDA1'")), "{serve:?}");
}

#[test]
fn dense_blocks_of_the_processor_come_first() {
    let case = Case::new(PC, "catalog:llama-3.1-8b").unwrap();
    let first = case.plan(|part| match part {
        Part::Embedding => "pc/cpu",
        part if part.block() < Some(4) && part != Part::Head => "pc/cpu",
        Part::FeedForward(4) => "pc/cpu",
        _ => "pc/cuda0",
    });
    let serve = case.files(&first, &[]).unwrap()["serve.sh"].clone();
    assert!(options(&serve).contains(&"--gpu-layers 29"), "{serve}");
    assert!(serve.contains(r"blk\.(4)\.ffn_(up|down|gate)\.=CPU"), "{serve}");
    let last = case.plan(|part| match part {
        Part::Embedding => "pc/cpu",
        part if part.block() >= Some(28) => "pc/cpu",
        _ => "pc/cuda0",
    });
    let error = case.files(&last, &[]).unwrap_err();
    assert!(error.contains("pc/cpu: its blocks are not the first; llama.cpp wants"), "{error}");
    // The same numbers of blocks in an order that can be said.
    let runtime = Runtime::find("llama.cpp").unwrap();
    let arranged = runtime.arranged(&case.question, &last);
    let serve = case.files(&arranged, &[]).unwrap()["serve.sh"].clone();
    assert!(options(&serve).contains(&"--gpu-layers 29"), "{serve}");
    let cost = |plan: &Plan| case.question.evaluate(plan).cost;
    assert!(cost(&arranged) <= cost(&last));
}

#[test]
fn another_host_serves_its_devices_at_one_address() {
    let case = Case::new(&format!("{PC}{BOX}"), "catalog:qwen3-30b-a3b").unwrap();
    let plan = case.plan(|part| match part {
        Part::Embedding => "pc/cpu",
        Part::Experts(block) if block >= 40 => "box/cpu",
        Part::Head => "box/vulkan0",
        part if part.block() < Some(30) => "pc/cuda0",
        _ => "box/vulkan0",
    });
    let files = case.files(&plan, &[("box", "10.0.0.7:50055")]).unwrap();
    let serve = options(&files["serve.sh"]);
    assert_eq!(serve[..2], ["--rpc 10.0.0.7:50055", "--device CUDA0,RPC0,RPC1"], "{serve:?}");
    assert!(serve.contains(&"--tensor-split 30,19,0"), "{serve:?}");
    assert!(serve.iter().any(|line| line.ends_with("exps=RPC1[10.0.0.7:50055]'")), "{serve:?}");
    let worker = options(&files["worker-box.sh"]);
    assert!(worker.contains(&"--device Vulkan0,CPU"), "{worker:?}");
    assert!(worker.contains(&"--port 50055"), "{worker:?}");
}

const SERVED: &str = "source = 'pc'\n[host.pc]\ndevices = ['catalog:ryzen-9-5900x']\n\
    ram = '64 GiB'\n[[host.pc.device]]\nprofile = 'catalog:rtx-3090'\nbackend = 'rpc'\n";

#[test]
fn a_server_may_be_an_accelerator_of_the_source() {
    let case = Case::new(SERVED, "catalog:qwen3-30b-a3b").unwrap();
    let plan = case.plan(|part| match part {
        Part::Embedding => "pc/cpu",
        Part::Experts(block) if block >= 40 => "pc/cpu",
        _ => "pc/rpc0",
    });
    let error = case.files(&plan, &[]).unwrap_err();
    assert!(error.contains("`--at 'pc/rpc0=HOST:PORT'`"), "{error}");
    let files = case.files(&plan, &[("pc/rpc0", "10.0.0.7:50055")]).unwrap();
    let serve = options(&files["serve.sh"]);
    assert_eq!(serve[..3], ["--rpc 10.0.0.7:50055", "--device RPC0", "--gpu-layers 49"]);
    assert!(serve.iter().any(|line| line.ends_with("exps=CPU'")), "{serve:?}");
    assert!(options(&files["worker-pc_rpc0.sh"]).contains(&"--port 50055"), "{files:?}");
    // Parts of the first block on the processor, others on the server by its memory's name.
    let reverse = case.plan(|part| match part {
        Part::Experts(block) if block >= 40 => "pc/rpc0",
        _ => "pc/cpu",
    });
    let files = case.files(&reverse, &[("pc/rpc0", "10.0.0.7:50055")]).unwrap();
    let serve = options(&files["serve.sh"]);
    assert!(serve.iter().any(|line| line.ends_with("exps=RPC0[10.0.0.7:50055]'")), "{serve:?}");
    let other = Case::of("koboldcpp", SERVED, "catalog:qwen3-30b-a3b").unwrap();
    let error = other.files(&plan, &[]).unwrap_err();
    assert!(error.contains("its backend is rpc; koboldcpp has none"), "{error}");
}

#[test]
fn two_servers_at_one_address_are_refused() {
    let mini = "[device.mini]\nprofile = 'catalog:apple-m4'\n\
        [device.maxi]\nprofile = 'catalog:apple-m4-max'\n\
        [[link]]\nbetween = ['pc', 'mini']\nbandwidth = '1 Gbit/s'\nlatency = '0.1 ms'\n\
        [[link]]\nbetween = ['pc', 'maxi']\nbandwidth = '1 Gbit/s'\nlatency = '0.1 ms'\n";
    let case = Case::new(&format!("{PC}{mini}"), "catalog:llama-3.1-8b").unwrap();
    let plan = case.plan(|part| match part {
        Part::Embedding => "pc/cpu",
        part if part.block() < Some(20) && part != Part::Head => "mini",
        _ => "maxi",
    });
    let error = case.files(&plan, &[("mini", "10.0.0.7:1"), ("maxi", "10.0.0.7:1")]).unwrap_err();
    assert!(error.contains("mini and maxi are both at 10.0.0.7:1"), "{error}");
    assert!(case.files(&plan, &[("mini", "10.0.0.7:1"), ("maxi", "10.0.0.7:2")]).is_ok());
}

#[test]
fn an_accelerator_of_unknown_backend_is_asked_for() {
    let profile = "[profile.mine]\nmemory-gb = 24\nusable-percent = 90\nbandwidth-gb-s = 900\n\
        tflops = 70\nsource = 'me'\nstatus = 'estimated'\n";
    let text = format!("source = 'pc'\n[device.pc]\nprofile = 'cluster:mine'\n{profile}");
    let case = Case::new(&text, "catalog:llama-3.1-8b").unwrap();
    let plan = case.plan(|_| "pc");
    let error = case.files(&plan, &[]).unwrap_err();
    assert!(error.contains("device `pc`: its backend is unknown"), "{error}");
    let files = case.files(&plan, &[("pc", "SYCL0")]).unwrap();
    assert!(options(&files["serve.sh"]).contains(&"--device SYCL0"));
}

#[test]
fn ollama_counts_layers_of_one_accelerator() {
    let case = Case::of("ollama", PC, "catalog:llama-3.1-8b").unwrap();
    assert!(case.question.hosts.is_empty());
    let plan = case.plan(|part| match part {
        Part::Embedding => "pc/cpu",
        Part::Block(block) if block < 4 => "pc/cpu",
        _ => "pc/cuda0",
    });
    let modelfile = case.files(&plan, &[]).unwrap()["Modelfile"].clone();
    assert!(modelfile.contains("PARAMETER num_gpu 29\n"), "{modelfile}");
    assert!(modelfile.contains("PARAMETER num_ctx 8192\n"), "{modelfile}");
    // The second card is not for this engine.
    let other = case.plan(|part| if part == Part::Embedding { "pc/cpu" } else { "pc/cuda1" });
    assert!(!case.question.evaluate(&other).is_feasible());
}

#[test]
fn an_engine_of_options_gets_layers_and_context() {
    let case = Case::of("llamafile", PC, "catalog:llama-3.1-8b").unwrap();
    let plan = case.plan(|part| match part {
        Part::Embedding => "pc/cpu",
        Part::Block(block) if block < 4 => "pc/cpu",
        _ => "pc/cuda0",
    });
    let files = case.files(&plan, &[]).unwrap();
    let serve = &files["serve.sh"];
    assert!(serve.contains("exec \"${LLAMAFILE:-llamafile}\""), "{serve}");
    assert!(serve.contains("-m \"$1\""), "{serve}");
    for option in ["-ngl 29", "-c 8192", "--server"] {
        assert!(serve.contains(option), "{option} is not in {serve}");
    }
}

#[test]
fn engines_of_one_device_per_host_refuse_others() {
    let cluster = Cluster::parse("c.toml", PC).unwrap();
    let runtime = Runtime::find("exo").unwrap();
    let served =
        runtime.within(&Workload { quality: Some(Quality::Any), ..Workload::default() }).unwrap();
    let model = edgeplan_model::load("catalog:tinyllama-1.1b").unwrap();
    let open = price(&[model], &cluster, &served).unwrap().deployment;
    assert_eq!(open.models[0].layers.len(), 24);
    let error = runtime.restrict(&open).unwrap_err();
    assert_eq!(error, "host pc: several devices; exo runs one device per host");
}

#[test]
fn runs_are_pinned_and_have_neighbours() {
    let case = Case::new(PC, "catalog:llama-3.1-8b").unwrap();
    let last = case.plan(|part| match part {
        Part::Embedding => "pc/cpu",
        part if part.block() >= Some(30) && part != Part::Head => "pc/cpu",
        _ => "pc/cuda0",
    });
    let runs = BlockRuns::of(&case.question, &last);
    let pinned = |runs: &BlockRuns| {
        let question = runs.question(&case.question).unwrap();
        let layers = question.models[0].layers.iter();
        let attention = layers.filter(|l| matches!(l.role.part(), Some(Part::Attention(_))));
        attention.filter(|layer| layer.pin == Some(question.source)).count()
    };
    assert_eq!(pinned(&runs), 2);
    // 1 or 2 of two blocks to the card; 1, 2, 4, 8 or 16 of 30 from it.
    let mut near: Vec<usize> = runs.near().iter().map(pinned).collect();
    near.sort_unstable();
    assert_eq!(near, [0, 1, 3, 4, 6, 10, 18]);
    let question = runs.question(&case.question).unwrap();
    assert!(runs.near()[0].question(&question).is_none(), "pinned elsewhere");
}
