//! A model that is run for its times.

use edgeplan_pricing::Runs;
use edgeplan_problem::format::Format;
use edgeplan_problem::{Bytes, Nanos};
use edgeplan_reference_llama::Device;
use edgeplan_reference_llama::measure::measure;

use crate::made::{Made, tiny};

#[test]
fn every_layer_takes_time_and_all_of_them_no_more_than_the_pass() {
    let made = Made::new(&tiny(false), Format::Q8_0, &[]);
    let (mut passes, runs) = (0, Runs { prompt: 20, generate: 3, repeats: 4 });
    let found = measure(&made.path(), &Device::Cpu, runs, &mut || passes += 1).unwrap();
    assert_eq!((passes, found.layers.len()), (runs.passes(), 4));
    for layer in &found.layers {
        assert!(layer.prompt > Nanos::ZERO && layer.token.unwrap() > Nanos::ZERO, "{found:?}");
    }
    assert!(found.resident.is_none_or(|resident| resident < Bytes(1 << 30)));
}

#[test]
fn nothing_generated_has_no_time() {
    let made = Made::new(&tiny(true), Format::F16, &[]);
    let runs = Runs { prompt: 1, generate: 0, repeats: 1 };
    let found = measure(&made.path(), &Device::Cpu, runs, &mut || {}).unwrap();
    assert_eq!(found.passes.token, None);
    assert_eq!(found.passes.prompt.mad, Nanos::ZERO);
}
