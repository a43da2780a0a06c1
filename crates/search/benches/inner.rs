//! The inner loops: a pass of the dynamic program, label extension, dominance.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use edgeplan_families::{Random, random};
use edgeplan_search::inner::{Candidates, Inner};

fn inner() -> Inner {
    let family = Random { layers: 42, devices: 12, formats: 8, ..Random::default() };
    Inner::new(&random(&family).checked().expect("the generator makes sense"))
}

fn passes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pass");
    let inner = inner();
    for steps in [64, 256, 1024, 4096] {
        let mut tables = inner.tables(steps);
        group.throughput(Throughput::Elements(tables.work()));
        group.bench_function(BenchmarkId::from_parameter(steps), |b| b.iter(|| tables.pass()));
    }
    group.finish();
}

fn labels(criterion: &mut Criterion) {
    let inner = inner();
    let tables = inner.tables(256);
    let mut group = criterion.benchmark_group("labels");
    group.sample_size(10);
    for width in [100, 1000] {
        group.throughput(Throughput::Elements(tables.beam(width)));
        let id = BenchmarkId::from_parameter(width);
        group.bench_function(id, |b| b.iter(|| tables.beam(black_box(width))));
    }
    group.finish();
}

fn dominance(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dominance");
    for count in [1_000, 100_000] {
        let candidates = Candidates::new(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter_batched(|| candidates.clone(), Candidates::undominated, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, passes, labels, dominance);
criterion_main!(benches);
