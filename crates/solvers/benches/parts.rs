//! What every solver stands on: pricing a plan, stating an integer program, reading a model.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use edgeplan_batching::paper::Setting;
use edgeplan_families::{Random, random};
use edgeplan_ilp::Formulation;
use edgeplan_model::gguf::draft::{Draft, Tensor, Value};
use edgeplan_problem::batching::Batching;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::scheduling::Scheduling;
use edgeplan_problem::{Limits, Problem, Silent, solve};
use edgeplan_scheduling::{Frame, Settings, frame};
use edgeplan_solvers::{Entry, find, find_batching, find_scheduling};

fn chain(layers: usize, devices: usize) -> Deployment {
    let family = Random { layers, devices, formats: 8, memory_percent: 400, ..Random::default() };
    random(&family).checked().expect("the generator makes sense")
}

fn requests(requests: usize) -> Scheduling {
    frame(&Frame { requests, ..Frame::new(Settings::Gus) }).expect("the generator makes sense")
}

fn epoch(requests: usize) -> Batching {
    Setting::of("bloom-3b").scenario(requests, 0).build("bench").expect("it makes sense")
}

/// Times the pricing of the plan that a solver finds at once.
fn price<P: Problem + 'static>(
    criterion: &mut Criterion,
    (name, size): (&str, usize),
    problem: &P,
    entry: &Entry<P>,
) {
    let solver = (entry.make)();
    let plan = solve(problem, solver.as_ref(), Limits::default(), &mut Silent).plan;
    let plan = plan.expect("there is a plan");
    let mut group = criterion.benchmark_group("evaluate");
    group.throughput(Throughput::Elements(size as u64));
    group.bench_function(BenchmarkId::new(name, size), |bencher| {
        bencher.iter(|| problem.evaluate(black_box(&plan)));
    });
    group.finish();
}

fn evaluate(criterion: &mut Criterion) {
    let policy = find("fastest-first").expect("registered");
    for (layers, devices) in [(34, 6), (128, 64)] {
        price(criterion, ("layers", layers), &chain(layers, devices), policy);
    }
    let gus = find_scheduling("gus").expect("registered");
    for count in [100, 10_000] {
        price(criterion, ("scheduled requests", count), &requests(count), gus);
    }
    let first = find_batching("first-come").expect("registered");
    price(criterion, ("waiting requests", 64), &epoch(64), first);
}

/// Times the statement of a program; throughput is in coefficients.
fn state<P: Formulation>(criterion: &mut Criterion, name: &str, problem: &P) {
    let stated = || problem.formulate(usize::MAX).expect("there is no limit");
    let program = stated().program;
    let coefficients: usize = program.rows.iter().map(|row| row.terms.len()).sum();
    let mut group = criterion.benchmark_group("lp-build");
    group.sample_size(20).throughput(Throughput::Elements(coefficients as u64));
    group.bench_function(BenchmarkId::from_parameter(name), |bencher| bencher.iter(stated));
    group.finish();
}

fn lp_build(criterion: &mut Criterion) {
    state(criterion, "34 layers on 6 devices", &chain(34, 6));
    state(criterion, "82 layers on 20 devices", &chain(82, 20));
    state(criterion, "100 scheduled requests", &requests(100));
    state(criterion, "64 waiting requests", &epoch(64));
}

/// A header with the tensors of a model of the catalog, and a tokenizer of that many tokens.
fn header(name: &str, tokens: usize) -> Vec<u8> {
    let model = edgeplan_model::load(name).expect("in the catalog");
    let mut draft = Draft { version: 3, ..Draft::default() };
    draft.set("general.architecture", Value::Text("llama".into()));
    draft.set("llama.block_count", Value::U32(model.layers.len() as u32 - 2));
    draft.set("llama.embedding_length", Value::U32(model.hidden as u32));
    draft.set("llama.attention.head_count", Value::U32(32));
    draft.set("llama.attention.head_count_kv", Value::U32(8));
    let words = (0..tokens).map(|token| format!("token {token}")).collect();
    draft.set("tokenizer.ggml.tokens", Value::Texts(words));
    let tensors = model.layers.iter().flat_map(|layer| &layer.tensors);
    let place = |tensor: &edgeplan_model::TensorSpec| Tensor {
        name: tensor.name.clone(),
        dimensions: vec![tensor.row_len, tensor.rows],
        kind: 0,
    };
    draft.tensors = tensors.map(place).collect();
    draft.header()
}

fn gguf_parse(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.gguf");
    let bytes = header("catalog:llama-3.1-8b", 128_256);
    std::fs::write(&path, &bytes).expect("it can be written");
    let spec = path.display().to_string();
    let mut group = criterion.benchmark_group("gguf-parse");
    group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(20);
    group.bench_function("llama-3.1-8b, 128256 tokens", |bencher| {
        bencher.iter(|| edgeplan_model::load(black_box(&spec)).expect("it was just written"));
    });
    group.finish();
}

criterion_group!(benches, evaluate, lp_build, gguf_parse);
criterion_main!(benches);
