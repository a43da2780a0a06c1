//! Hosts of several devices: parts of blocks, copies inside a host, offloaded prompts, context.

use edgeplan_machines::cluster::Cluster;
use edgeplan_model::{ModelSpec, load};
use edgeplan_pricing::engine::{EngineTraits, RpcOverhead};
use edgeplan_pricing::workload::{Quality, Workload};
use edgeplan_pricing::{deployment, prompt_alone};
use edgeplan_problem::deployment::{Deployment, HostId, Layer, Part};
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos};

const PC: &str = "source = 'pc'\n[host.pc]\n\
    devices = ['catalog:rtx-3090-24', 'catalog:ryzen-9-5900x']\nram = '64 GiB'\n\
    internal = { bandwidth = '8 GB/s', latency = '10 us' }\n";
const CARD: &str = "source = 'pc'\n[device.pc]\nprofile = 'catalog:rtx-3090-24'\n";
const CPU: usize = 0;
const CUDA: usize = 1;

fn workload() -> Workload {
    let formats = vec![Format::Q4K, Format::Q8_0];
    Workload { quality: Some(Quality::Any), formats, ..Workload::default() }
}

fn priced(cluster: &str, model: &str, workload: &Workload) -> Deployment {
    let cluster = Cluster::parse("c.toml", cluster).unwrap();
    deployment(&[load(model).unwrap()], &cluster, workload).unwrap()
}

fn layer(instance: &Deployment, part: Part) -> &Layer {
    instance.models[0].layers.iter().find(|layer| layer.role == part.into()).unwrap()
}

/// Compute time of the first option that is in that format alone.
fn time(layer: &Layer, format: Format, device: usize) -> Nanos {
    let option = layer.options.iter().find(|option| option.recipe == format.into()).unwrap();
    option.compute[device].unwrap()
}

#[test]
fn a_host_of_several_devices_parts_blocks() {
    let instance = priced(PC, "catalog:qwen3-30b-a3b", &workload());
    assert_eq!(instance.hosts, ["pc"]);
    assert!(instance.devices.iter().all(|device| device.host == Some(HostId(0))));
    let layers = &instance.models[0].layers;
    assert_eq!(layers.len(), 2 + 2 * 48);
    let (attention, experts) =
        (layer(&instance, Part::Attention(7)), layer(&instance, Part::Experts(7)));
    assert!(!attention.joined && experts.joined && !layers[97].joined);
    assert!(attention.kv > Bytes::ZERO && experts.kv == Bytes::ZERO);
    // The embedding stays in RAM: requests enter there.
    assert_eq!(layers[0].pin.map(|pin| pin.index()), Some(CPU));
    // 642 passes: one ubatch of 512 positions, then 128 tokens.
    let message = &instance.models[0].messages[attention.output];
    assert_eq!(message.bytes, Bytes(2048 * 4 * 640));
    let moving = message.bytes.0.div_ceil(8);
    assert_eq!(message.time[CPU * 2 + CUDA], Some(Nanos(129 * 10_000 + moving)));
}

#[test]
fn one_device_per_host_keeps_blocks_whole() {
    let instance = priced(CARD, "catalog:qwen3-30b-a3b", &workload());
    assert!(!instance.has_hosts());
    assert_eq!(instance.models[0].layers.len(), 50);
    let whole = priced(
        PC,
        "catalog:qwen3-30b-a3b",
        &Workload { engine: EngineTraits::PLAIN, ..workload() },
    );
    assert_eq!(whole.models[0].layers.len(), 50);
    assert!(whole.models[0].layers.iter().all(|layer| !layer.joined));
}

#[test]
fn parts_add_up_to_their_block() {
    let decode = Workload { prompt: 1, generate: 1000, ..workload() };
    let parts = priced(PC, "catalog:qwen3-30b-a3b", &decode);
    let whole = Workload { engine: EngineTraits::PLAIN, ..decode };
    let whole = priced(PC, "catalog:qwen3-30b-a3b", &whole);
    for device in [CPU, CUDA] {
        let block = time(layer(&whole, Part::Block(3)), Format::Q4K, device);
        let attention = time(layer(&parts, Part::Attention(3)), Format::Q4K, device);
        let experts = time(layer(&parts, Part::Experts(3)), Format::Q4K, device);
        // Each half has half of the time that starting a block takes, in whole nanoseconds.
        assert!((attention + experts).0.abs_diff(block.0) <= 1, "{device}");
    }
    let bytes = |layer: &Layer| layer.options.iter().map(|option| option.bytes).max().unwrap();
    let both = bytes(layer(&parts, Part::Attention(3))) + bytes(layer(&parts, Part::Experts(3)));
    assert_eq!(both, bytes(layer(&whole, Part::Block(3))));
}

#[test]
fn long_prompts_multiply_weights_of_the_ram_on_the_accelerator() {
    let prompt = |prompt: u32, offload: bool| {
        let engine = EngineTraits { offload, ..EngineTraits::default() };
        let workload = Workload { prompt, generate: 0, engine, ..workload() };
        let instance = priced(PC, "catalog:llama-3.1-8b", &workload);
        let ffn = layer(&instance, Part::FeedForward(3));
        [CPU, CUDA].map(|device| time(ffn, Format::Q4K, device))
    };
    let (with, without) = (prompt(512, true), prompt(512, false));
    assert!(with[CPU] < without[CPU], "{with:?} {without:?}");
    assert_eq!(with[CUDA], without[CUDA]);
    // Three matrices of 14336 x 4096 weights of 144 bytes by 256, copied at 8 GB/s.
    let copies = 3 * (10_000 + 14_336 * 4096 / 256 * 144 / 8);
    // Time to start a block is each device's own: a hundredth of the whole here.
    let there = with[CUDA].0 + copies;
    assert!(with[CPU].0.abs_diff(there) <= there / 100, "{with:?} {copies}");
    // Fewer rows than 32 are not worth a copy.
    assert_eq!(prompt(31, true), prompt(31, false));
}

#[test]
fn a_server_of_the_host_is_read_a_tensor_at_a_time() {
    let served = "source = 'pc'\n[host.pc]\ndevices = ['catalog:ryzen-9-5900x']\n\
        ram = '64 GiB'\ninternal = { bandwidth = '8 GB/s', latency = '10 us' }\n\
        [[host.pc.device]]\nprofile = 'catalog:rtx-3090-24'\nbackend = 'rpc'\n";
    let rpc = RpcOverhead { reads: 4, states: 2, ..RpcOverhead::NONE };
    let engine = EngineTraits { rpc, ..EngineTraits::default() };
    let instance = priced(served, "catalog:qwen3-30b-a3b", &Workload { engine, ..workload() });
    assert_eq!(instance.devices[1].name, "pc/rpc0");
    // 129 passes; 8 GB/s are 8 bytes in a nanosecond.
    let moving = (2048 * 4 * 640u64).div_ceil(8);
    let message = |part: Part, from: usize, to: usize| {
        let output = layer(&instance, part).output;
        instance.models[0].messages[output].time[from * 2 + to].unwrap()
    };
    let (attention, experts) = (Part::Attention(7), Part::Experts(7));
    assert_eq!(message(attention, CPU, 1), Nanos(129 * 10_000 + moving));
    assert_eq!(message(attention, 1, CPU), Nanos(129 * 7 * 10_000 + moving));
    assert_eq!(message(experts, 1, CPU), Nanos(129 * 3 * 10_000 + moving));
    // What the eight experts of a token make is weighed and added on the next device.
    assert_eq!(message(experts, CPU, 1), Nanos(129 * 10_000 + 8 * moving));
    // A block in two parts sends the graphs again: of half of 48 blocks, 1.25 ns a byte at both
    // ends.
    let graph = RpcOverhead { graph: 1000, ..rpc };
    let engine = EngineTraits { rpc: graph, ..engine };
    let again = priced(served, "catalog:qwen3-30b-a3b", &Workload { engine, ..workload() });
    let hop = |instance: &Deployment, part: Part, from: usize, to: usize| {
        let output = layer(instance, part).output;
        instance.models[0].messages[output].time[from * 2 + to].unwrap().0
    };
    let bytes = 24 * 1000 * 129;
    let more = |part, from, to| hop(&again, part, from, to) - hop(&instance, part, from, to);
    for (from, to) in [(CPU, 1), (1, CPU)] {
        assert!(more(attention, from, to).abs_diff(bytes / 8 + bytes * 5 / 4 + 129 * 270_000) <= 1);
        assert_eq!(more(experts, from, to), 0);
    }
    // Weights in RAM stay there.
    let alone = EngineTraits { offload: false, ..engine };
    let alone = priced(served, "catalog:qwen3-30b-a3b", &Workload { engine: alone, ..workload() });
    let at = |instance: &Deployment| time(layer(instance, experts), Format::Q4K, CPU);
    assert_eq!(at(&instance), at(&alone));
}

#[test]
fn memory_comes_from_the_context_and_time_from_the_positions_in_use() {
    let with = |context: Option<u32>| {
        priced(CARD, "catalog:llama-3.1-8b", &Workload { context, ..workload() })
    };
    let kv = |instance: &Deployment| layer(instance, Part::Block(0)).kv;
    assert_eq!(kv(&with(None)), Bytes(4096 * 8192));
    assert_eq!(kv(&with(Some(32_768))), Bytes(4096 * 32_768));
    // Cells come in multiples of 256.
    assert_eq!(kv(&with(Some(641))), Bytes(4096 * 768));
    let compute = |instance: &Deployment| {
        let options = layer(instance, Part::Block(0)).options.clone();
        options.into_iter().map(|option| option.compute).collect::<Vec<_>>()
    };
    assert_eq!(compute(&with(None)), compute(&with(Some(131_072))));
    let long = Workload { prompt: 20_000, ..workload() };
    assert_eq!(kv(&priced(CARD, "catalog:llama-3.1-8b", &long)), Bytes(4096 * 20_224));
}

#[test]
fn a_context_beyond_the_models_own_limit_is_named() {
    let spec = |name: &str| load(&format!("catalog:{name}")).unwrap();
    let context = |model: &ModelSpec, workload: &Workload| workload.context(model);
    // OPT was made for 2048 tokens: less than the usual context.
    assert_eq!(context(&spec("opt-350m"), &workload()).unwrap(), 2048);
    let asked = Workload { context: Some(4096), ..workload() };
    let error = context(&spec("opt-350m"), &asked).unwrap_err().to_string();
    assert_eq!(error, "workload: context: 4096; opt-350m was made for 2048 tokens");
    let asked = Workload { prompt: 3000, ..workload() };
    let error = context(&spec("opt-350m"), &asked).unwrap_err().to_string();
    assert!(error.contains("prompt: 3128 with the generated tokens; opt-350m"), "{error}");
    let short = Workload::parse("w.toml", "context = 600").unwrap_err().to_string();
    assert!(
        short.contains("w.toml: context: 600; 640, prompt and generated tokens, to"),
        "{short}"
    );
}

#[test]
fn working_buffers_are_those_of_a_ubatch() {
    let long = Workload { prompt: 100_000, ..workload() };
    let instance = priced(CARD, "catalog:llama-3.1-8b", &long);
    assert_eq!(instance.models[0].activation, Bytes(2 * 4096 * 4 * 512));
}

#[test]
fn an_engine_keeps_logits_and_the_embedding_where_it_does() {
    let engine =
        EngineTraits { embedding_in_ram: true, logits_rows: 512, ..EngineTraits::default() };
    let served = Workload { engine, ..workload() };
    let card = priced(CARD, "catalog:llama-3.1-8b", &served);
    assert_eq!(layer(&card, Part::Head).kv, Bytes(128_256 * 4 * 512));
    // RAM that the cluster does not know of has room for the table.
    assert!(card.models[0].layers[0].options.iter().all(|option| option.bytes == Bytes::ZERO));
    let pc = priced(PC, "catalog:llama-3.1-8b", &served);
    assert!(pc.models[0].layers[0].options.iter().all(|option| option.bytes > Bytes::ZERO));
}

#[test]
fn a_block_is_pinned_with_all_of_its_parts() {
    let pin = "[[pin]]\nlayers = 'block 3 .. block 4'\ndevice = 'pc/cuda0'\n\
        [[pin]]\nlayers = 'block 7 ffn'\ndevice = 'pc/cpu'\n";
    let pinned = Workload { pin: Workload::parse("w.toml", pin).unwrap().pin, ..workload() };
    let instance = priced(PC, "catalog:tinyllama-1.1b", &pinned);
    let at = |part: Part| layer(&instance, part).pin.map(|pin| pin.index());
    assert_eq!(at(Part::Attention(3)), Some(CUDA));
    assert_eq!(at(Part::FeedForward(3)), Some(CUDA));
    assert_eq!(at(Part::FeedForward(4)), Some(CUDA));
    assert_eq!((at(Part::Attention(5)), at(Part::Attention(7))), (None, None));
    assert_eq!(at(Part::FeedForward(7)), Some(CPU));
}

#[test]
fn a_prompt_alone_is_priced_by_parts_as_well() {
    let cluster = Cluster::parse("c.toml", PC).unwrap();
    let models = [load("catalog:tinyllama-1.1b").unwrap()];
    let whole = deployment(&models, &cluster, &workload()).unwrap();
    let alone = prompt_alone(&models, &cluster, &workload(), &whole, None).unwrap();
    for (whole, alone) in whole.models[0].layers.iter().zip(&alone.models[0].layers) {
        for (whole, alone) in whole.options.iter().zip(&alone.options) {
            assert!(alone.compute <= whole.compute, "{}", whole.recipe);
        }
    }
}
