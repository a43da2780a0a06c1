//! The event loop: a trace of 20,000 requests within an hour, under each policy.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use edgeplan_families::{Random, random};
use edgeplan_problem::deployment::{Assignment, DeviceId, OptionId, Plan};
use edgeplan_simulator::trace::Poisson;
use edgeplan_simulator::{
    Continuous, Keep, Layout, Policy, Setup, Shares, Size, StaticBatch, operate,
};

/// The request that the instance is taken to be priced for.
const SIZE: Size = Size { prompt: 512, generate: 128 };

fn policies(criterion: &mut Criterion) {
    let family = Random { layers: 32, devices: 4, memory_percent: 400, ..Random::default() };
    let instance = random(&family).checked().expect("the generator makes sense");
    let stages =
        (0..32).map(|layer| Assignment { device: DeviceId(layer / 8), option: OptionId(0) });
    let mut roomy = instance.clone();
    roomy.models[0].loss_max = None;
    roomy.devices.iter_mut().for_each(|device| device.memory.0 *= 100);
    // So slow that the queue grows from the first minute to the last.
    let options = roomy.models[0].layers.iter_mut().flat_map(|layer| &mut layer.options);
    options.flat_map(|option| option.compute.iter_mut().flatten()).for_each(|t| t.0 *= 1000);
    let layout = Layout::new(&roomy, &Plan::single(stages.collect())).expect("feasible");
    let times = Shares::even(&layout, SIZE);
    let requests = Poisson {
        rate: 20_000.0 / 3_600.0,
        count: 20_000,
        prompts: vec![128, 512, 1024, 3072],
        generates: vec![32, 128, 256, 400],
        seed: 1,
    }
    .requests();
    let setup =
        Setup { layout: &layout, times: &times, size: SIZE, lanes: None, keep: Keep::default() };
    let mut group = criterion.benchmark_group("20000 requests");
    group.sample_size(10);
    let policies: [(&str, &mut dyn Policy); 3] = [
        ("one by one", &mut StaticBatch { size: 1 }),
        ("static 8", &mut StaticBatch { size: 8 }),
        ("continuous 8", &mut Continuous { size: 8 }),
    ];
    for (name, policy) in policies {
        let record = operate(&setup, &requests, policy);
        assert!(record.waiting_max > 10_000, "{} wait at most", record.waiting_max);
        group.throughput(Throughput::Elements(record.events));
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| operate(&setup, black_box(&requests), policy));
        });
    }
    group.finish();
}

criterion_group!(benches, policies);
criterion_main!(benches);
