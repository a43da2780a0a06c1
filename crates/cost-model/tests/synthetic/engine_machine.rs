//! An engine whose times are known, because they are made up.

use edgeplan_cost_model::engine::{
    BenchModel, ENGINE_SCHEMA, EngineKernel, EngineName, EngineProfile, KernelTiming, Pass,
    PassTiming, Share, Spread, Way, Weights,
};
use edgeplan_cost_model::profile::Machine;
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos};

/// What a graph, a block, and each element of a row in it take, in nanoseconds.
pub(crate) const GRAPH: f64 = 40_000.0;
pub(crate) const BLOCK: [f64; 2] = [60_000.0, 0.2];
/// What an element of a query and of a key takes per position.
pub(crate) const ATTENTION: [f64; 2] = [0.02, 0.05];
pub(crate) const EXPERTS: f64 = 1.4;
pub(crate) const REMOTE: [f64; 2] = [150_000.0, 9_000.0];
pub(crate) const SERVED: [f64; 2] = [50_000.0, 3.0];
/// A usual time over the shortest one.
pub(crate) const LEVEL: f64 = 1.1;

/// Nanoseconds per element of the weights.
pub(crate) fn product(format: Format, as_stored: bool, rows: u64) -> f64 {
    let bits = format.block_bytes() as f64 / format.block_elements() as f64;
    let slower = if as_stored && format == Format::Q4_0 { 1.5 } else { 1.0 };
    slower * (0.06 * bits).max(0.004 * rows as f64)
}

pub(crate) fn model(name: &str, blocks: u64, hidden: u64, format: Format) -> BenchModel {
    let weights =
        |elements: u64, head: bool| Weights { format, elements, head, last: false, experts: None };
    BenchModel {
        name: name.into(),
        given: false,
        layers: blocks,
        hidden,
        heads: hidden / 64,
        kv_heads: 4,
        head_dim: 64,
        weights: vec![weights(blocks * hidden * hidden * 11, false), weights(hidden * 4096, true)],
    }
}

fn with_experts(name: &str) -> BenchModel {
    let mut model = model(name, 4, 1024, Format::Q8_0);
    model.weights[0].elements /= 3;
    let experts = Some(Share { used: 4, of: 16 });
    let elements = 4 * 16 * 3 * 1024 * 512;
    model.weights.push(Weights {
        format: Format::Q8_0,
        elements,
        head: false,
        last: false,
        experts,
    });
    model
}

/// The time that was put in.
fn nanos(model: &BenchModel, pass: &Pass) -> f64 {
    let as_stored = matches!(pass.way, Way::AsStored | Way::Remote);
    let layers = model.layers as f64;
    let mut sum = GRAPH;
    sum += layers * (BLOCK[0] + BLOCK[1] * (model.hidden * pass.rows) as f64);
    for weights in &model.weights {
        let rows = if weights.head { 1 } else { pass.rows };
        let (elements, rows, slower) = match weights.experts {
            None => (weights.elements as f64, rows, 1.0),
            Some(Share { used, of }) => {
                let tokens = used * rows;
                let active = tokens.min(of);
                let elements = weights.elements as f64 / of as f64 * active as f64;
                (elements, tokens.div_ceil(active), EXPERTS)
            }
        };
        sum += elements * slower * product(weights.format, as_stored, rows);
    }
    let context = (pass.depth + pass.rows * pass.passes.div_ceil(2)) as f64;
    let rows = pass.rows as f64;
    let pairs = rows * (context - (rows - 1.0) / 2.0).max(1.0);
    let heavier = if pass.cache == Format::Q8_0 { 1.3 } else { 1.0 };
    let queries = pairs * (model.heads * model.head_dim) as f64;
    let keys = context * (model.kv_heads * model.head_dim) as f64;
    sum += layers * heavier * (ATTENTION[0] * queries + ATTENTION[1] * keys);
    sum + match pass.way {
        Way::Plain | Way::AsStored => 0.0,
        Way::Remote => REMOTE[0] + layers * REMOTE[1],
        Way::Served => SERVED[0] + 4096.0 * SERVED[1],
    }
}

fn spread(nanos: f64) -> Spread {
    let min_ns = Nanos(nanos as u64);
    Spread { min_ns, median_ns: Nanos((LEVEL * nanos) as u64), mad_ns: Nanos(9), repeats: 5 }
}

pub(crate) fn timing(
    model: &BenchModel,
    rows: u64,
    depth: u64,
    cache: Format,
    way: Way,
) -> PassTiming {
    let passes = if rows == 1 { 8 } else { 1 };
    let pass = Pass { model: model.name.clone(), rows, depth, passes, cache, way };
    let time = spread(nanos(model, &pass));
    PassTiming { pass, time }
}

/// All of it, as a profile.
pub(crate) fn profile() -> EngineProfile {
    let mut models = vec![
        model("deep", 24, 256, Format::Q8_0),
        model("short", 4, 256, Format::Q8_0),
        with_experts("experts"),
    ];
    for format in [Format::Q8_0, Format::Q4_0, Format::F16] {
        for (blocks, hidden) in [(6, 1024), (2, 2048), (12, 768)] {
            models.push(model(&format!("{hidden}-{format}"), blocks, hidden, format));
        }
    }
    let mut passes = Vec::new();
    for model in &models {
        for rows in [1, 16, 128] {
            passes.push(timing(model, rows, 0, Format::F16, Way::Plain));
            passes.push(timing(model, rows, 0, Format::F16, Way::AsStored));
            for cache in [Format::F16, Format::Q8_0] {
                passes.push(timing(model, rows, 2048, cache, Way::Plain));
            }
        }
    }
    for model in &models[..2] {
        passes.push(timing(model, 1, 0, Format::F16, Way::Remote));
        passes.push(timing(model, 1, 0, Format::F16, Way::Served));
    }
    let kernels = [(Format::Q8_0, 1.0), (Format::IQ4XS, 0.8)].map(|(format, factor)| {
        let kernel = EngineKernel::Product { format, rows: 4096, row_len: 14336, batch: 1 };
        let elements = 4096.0 * 14336.0;
        // Alone, kernels take less than in a pass.
        let alone = 0.9 * factor * elements * product(Format::Q8_0, true, 1);
        KernelTiming { kernel, time: spread(alone) }
    });
    EngineProfile {
        schema: ENGINE_SCHEMA,
        engine: EngineName::LlamaCpp,
        machine: Machine {
            processor: "p".into(),
            features: Vec::new(),
            accelerator: None,
            cores: 2,
            threads: 2,
            memory_bytes: Bytes(1 << 34),
            free_bytes: Bytes(1 << 33),
            system: "s".into(),
            engine: "llama.cpp abc".into(),
            revision: "r".into(),
            date: "2026-11-30".into(),
        },
        backend: "CPU".into(),
        complete: true,
        notes: Vec::new(),
        models,
        passes,
        kernels: kernels.into(),
    }
}
