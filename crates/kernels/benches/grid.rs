//! The grid of `edgeplan profile` under criterion: products as operations a second, what moves
//! memory as bytes a second. With `EDGEPLAN_GRID=quick` that of `edgeplan profile --quick`: all of
//! it takes half an hour or more.

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use edgeplan_kernels::engine::{Candle, Engine as _, Kernel};
use edgeplan_kernels::grid::{Scope, Size, Task, grid};
use edgeplan_kernels::{cold_bytes, threads};
use edgeplan_measure::machine::Machine;
use edgeplan_problem::Bytes;

fn kernels(criterion: &mut Criterion) {
    let machine = Machine::here();
    let cold_bytes = cold_bytes(&machine);
    let size = match std::env::var("EDGEPLAN_GRID").as_deref() {
        Ok("quick") => Size::Quick,
        Ok(other) => panic!("EDGEPLAN_GRID: {other}; quick is allowed"),
        Err(_) => Size::Standard,
    };
    let scope = Scope { size, threads: threads(), cold_bytes };
    let accelerated = cfg!(feature = "cuda");
    let mut candle = Candle::new(accelerated, cold_bytes).expect("the device works");
    let tasks = grid(&scope).expect("the embedded catalog");
    let mut group = criterion.benchmark_group("kernels");
    group.sample_size(10).warm_up_time(Duration::from_millis(200));
    // From nanoseconds to seconds: growing numbers of runs would take minutes.
    group.measurement_time(Duration::from_millis(800)).sampling_mode(SamplingMode::Flat);
    for task in tasks {
        let Task::Time(work) = task else { continue };
        if candle.needs(&task) > Bytes(machine.free_bytes / 2) {
            eprintln!("{}: needs more memory than there is", work.name());
            continue;
        }
        group.throughput(match work.flops() {
            0 => Throughput::Bytes(work.bytes().0),
            flops => Throughput::Elements(flops),
        });
        // Prepared once, and only where the filter wants it.
        let mut kernel: Option<Kernel> = None;
        group.bench_function(work.name(), |bencher| {
            let kernel = kernel
                .get_or_insert_with(|| candle.prepare(&work).expect("candle runs every format"));
            bencher.iter(|| kernel().expect("it ran before"));
        });
    }
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
