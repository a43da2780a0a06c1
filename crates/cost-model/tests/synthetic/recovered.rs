//! What a noisy clock hides is found again, on shapes that it has not seen.

use edgeplan_cost_model::profile::Work;
use edgeplan_cost_model::{COVERAGE, CostModel};
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;
use statrs::distribution::{Binomial, DiscreteCDF as _};

use crate::machine::{BATCHES, Clock, KERNELS, SHAPES, Truth, timing};

/// Shapes that no grid holds, with their batches; the last ones lie between those of the grid.
fn unseen() -> Vec<(u64, u64, u64)> {
    let shapes =
        [(768, 2048), (1536, 1536), (2560, 2560), (3072, 3072), (5120, 5120), (9728, 2560)];
    let batches = [1, 2, 3, 8, 24, 100, 128];
    shapes.iter().flat_map(|&(rows, len)| batches.map(|batch| (rows, len, batch))).collect()
}

fn predicted(
    model: &CostModel,
    truth: &Truth,
    (rows, row_len, batch): (u64, u64, u64),
) -> [f64; 3] {
    let work = Work::Matmul { format: truth.format, rows, row_len, batch };
    let found = model.time(&work).unwrap();
    assert!(!found.estimated && found.low <= found.median && found.median <= found.high);
    [found.low.as_f64(), found.median.as_f64(), found.high.as_f64()]
}

#[test]
fn unseen_shapes_are_predicted_within_the_noise_despite_outliers() {
    for seed in 0..5 {
        let model = CostModel::fit(&Clock::new(seed, 0.05, 0.05).grid(&SHAPES, &BATCHES)).unwrap();
        for truth in &KERNELS {
            let error = |&(rows, row_len, batch): &(u64, u64, u64)| {
                let [_, median, _] = predicted(&model, truth, (rows, row_len, batch));
                (median / truth.nanos(rows, row_len, batch)).ln().abs()
            };
            let errors: Vec<f64> = unseen().iter().map(error).collect();
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            let worst = errors.iter().copied().fold(0.0, f64::max);
            assert!(mean < 0.05 && worst < 0.20, "{seed} {}: {mean} {worst}", truth.format);
        }
    }
}

#[test]
fn intervals_enclose_the_share_that_they_state() {
    let (mut inside, mut all) = (0, 0);
    for seed in 0..10 {
        let mut clock = Clock::new(seed, 0.1, 0.0);
        let model = CostModel::fit(&clock.grid(&SHAPES, &BATCHES)).unwrap();
        for truth in &KERNELS {
            for work in unseen() {
                let [low, _, high] = predicted(&model, truth, work);
                let shown = clock.read(truth.nanos(work.0, work.1, work.2));
                inside += u64::from((low..=high).contains(&shown));
                all += 1;
            }
        }
    }
    // Too few inside: intervals are too narrow. Too many: they are too wide to be of use.
    let least = Binomial::new(COVERAGE - 0.03, all).unwrap().inverse_cdf(0.001);
    assert!(inside >= least, "{inside} of {all}, {least} at least");
    assert!(inside * 1000 <= all * 985, "{inside} of {all}");
}

#[test]
fn the_rule_of_thumb_is_far_off_where_kernels_are_slow() {
    let model = CostModel::fit(&Clock::new(7, 0.05, 0.05).grid(&SHAPES, &BATCHES)).unwrap();
    for format in [Format::Q4K, Format::Q3K, Format::Q4_1] {
        for rows in model.accuracy(format).unwrap() {
            let (ours, naive) = (rows.ours.unwrap().median, rows.naive.unwrap().median);
            assert!(rows.points >= 12 && ours < 0.08 && ours < naive, "{format}: {rows:?}");
        }
    }
    let [_, several] = model.accuracy(Format::Q4_1).unwrap();
    assert!(several.naive.unwrap().median > 10.0, "{several:?}");
}

#[test]
fn longer_prompts_go_on_from_the_largest_batch_and_say_so() {
    let model = CostModel::fit(&Clock::new(1, 0.02, 0.0).grid(&SHAPES, &BATCHES)).unwrap();
    for truth in &KERNELS {
        let [low, median, high] = predicted(&model, truth, (4096, 4096, 2000));
        let true_nanos = truth.nanos(4096, 4096, 2000);
        assert!((median / true_nanos - 1.0).abs() < 0.1, "{median} {true_nanos}");
        assert!(low < true_nanos && true_nanos < high);
        let work = |batch| Work::Matmul { format: truth.format, rows: 4096, row_len: 4096, batch };
        assert!(model.time(&work(2000)).unwrap().extrapolated);
        assert!(!model.time(&work(100)).unwrap().extrapolated);
    }
    assert_eq!(model.batch_max(Format::Q4K), Some(128));
}

#[test]
fn other_kinds_of_work_have_times_of_their_own() {
    let mut profile = Clock::new(1, 0.02, 0.0).grid(&SHAPES, &BATCHES);
    let attention = |context: u64, batch: u64| Work::Attention {
        heads: 32,
        kv_heads: 8,
        head_dim: 128,
        context,
        batch,
    };
    let cached = |context: u64, batch: u64| (20.0 + 7.0 * batch as f64) * context as f64 + 4e4;
    for context in [128, 256, 512, 1024, 2048, 4096] {
        for batch in [1, 128] {
            profile.timings.push(timing(attention(context, batch), cached(context, batch)));
        }
    }
    for width in [1024, 2048, 4096] {
        for batch in [1, 16, 128] {
            let nanos = 800.0 + 0.4 * (width * batch) as f64;
            profile.timings.push(timing(Work::Norm { width, batch }, nanos));
        }
    }
    let model = CostModel::fit(&profile).unwrap();
    let near = |work: Work, nanos: f64| {
        let found = model.time(&work).unwrap().median.as_f64();
        assert!((found / nanos).ln().abs() < 0.1, "{work:?}: {found}, {nanos}");
    };
    near(attention(700, 1), cached(700, 1));
    near(attention(512, 512), cached(512, 512));
    near(Work::Norm { width: 3072, batch: 64 }, 800.0 + 0.4 * (3072.0 * 64.0));
    near(Work::Triad { threads: 2, bytes: Bytes(1 << 20) }, (1 << 20) as f64 / 20.0);
    near(Work::Dispatch {}, 1500.0);
}

#[test]
fn a_packed_copy_is_counted() {
    let model = CostModel::fit(&Clock::new(1, 0.02, 0.0).grid(&SHAPES, &BATCHES)).unwrap();
    let factor = |format: Format, (rows, row_len): (u64, u64), batch: u64| {
        let file = format.bytes(rows, row_len).unwrap();
        model.resident(format, rows, row_len, batch).as_f64() / file.as_f64()
    };
    assert_eq!(factor(Format::Q4K, (4096, 4096), 1), 2.0);
    assert_eq!(factor(Format::Q4K, (4096, 4096), 2), 3.0);
    assert_eq!(factor(Format::Q4K, (4096, 4096), 500), 3.0);
    assert_eq!(factor(Format::Q4K, (4095, 4096), 500), 1.0);
    assert_eq!(factor(Format::Q3K, (4096, 4096), 500), 1.0);
    assert_eq!(model.resident(Format::Q4K, 4096, 100, 1), Bytes(0));
}
