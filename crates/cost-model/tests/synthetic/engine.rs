//! An engine whose times are known: what was put into them comes out again.

use edgeplan_cost_model::engine::{AttentionWork, EngineModel, EngineProduct, EngineProfile, Way};
use edgeplan_problem::Nanos;
use edgeplan_problem::format::Format;

use crate::engine_machine::{
    ATTENTION, BLOCK, LEVEL, REMOTE, SERVED, model, product, profile, timing,
};

fn near(found: Nanos, wanted: f64, within: f64) {
    let ratio = found.as_f64() / wanted;
    assert!((ratio - 1.0).abs() < within, "{found} instead of {wanted}");
}

#[test]
fn every_term_is_recovered() {
    let model = EngineModel::fit(&profile()).unwrap();
    let product_of = |format: Format, rows: u64, as_stored: bool| {
        let elements = 1 << 24;
        model.product(EngineProduct { format, elements, rows, experts: None, as_stored }).unwrap()
    };
    let elements = f64::from(1 << 24);
    for (format, as_stored) in [(Format::Q8_0, false), (Format::Q4_0, true), (Format::F16, false)] {
        for rows in [1, 16, 128] {
            let wanted = LEVEL * elements * product(format, as_stored, rows);
            near(product_of(format, rows, as_stored).median, wanted, 0.05);
        }
    }
    near(model.block(1024, 1).median, LEVEL * (BLOCK[0] + 1024.0 * BLOCK[1]), 0.1);
    let work = AttentionWork {
        heads: 16,
        kv_heads: 4,
        head_dim: 64,
        context: 4096,
        rows: 1,
        cache: Format::F16,
    };
    let wanted = LEVEL * 4096.0 * (1024.0 * ATTENTION[0] + 256.0 * ATTENTION[1]);
    near(model.attention(work).median, wanted, 0.05);
    near(model.attention(AttentionWork { cache: Format::Q8_0, ..work }).median, 1.3 * wanted, 0.05);
    near(model.remote_pass().median, LEVEL * REMOTE[0], 0.1);
    near(model.remote_block().median, LEVEL * REMOTE[1], 0.1);
    // One vocabulary only: all of it counts as the vocabulary's or the token's.
    near(model.served(4096).median, LEVEL * (SERVED[0] + 4096.0 * SERVED[1]), 0.1);
    assert!((model.level() - LEVEL).abs() < 1e-3);
}

#[test]
fn a_format_by_its_kernel_follows_one_that_was_run_whole() {
    let model = EngineModel::fit(&profile()).unwrap();
    let asked = EngineProduct {
        format: Format::IQ4XS,
        elements: 1 << 24,
        rows: 1,
        experts: None,
        as_stored: false,
    };
    let found = model.product(asked).unwrap();
    let wanted = LEVEL * 0.8 * f64::from(1 << 24) * product(Format::Q8_0, true, 1);
    near(found.median, wanted, 0.05);
    assert!(found.estimated && model.by_kernel(Format::IQ4XS));
    let unknown = EngineProduct { format: Format::Q2K, ..asked };
    assert!(model.product(unknown).is_err());
    assert!(model.estimate(unknown).is_some_and(|time| time.estimated));
}

#[test]
fn passes_that_were_not_seen_are_predicted_within_their_bands() {
    let mut known = profile();
    // A file of the user, in several formats: in no fit.
    let mut given = model("given", 10, 1024, Format::Q8_0);
    given.given = true;
    given.weights[0].format = Format::Q4_0;
    known.passes.push(timing(&given, 1, 0, Format::F16, Way::Plain));
    known.models.push(given.clone());
    let model = EngineModel::fit(&known).unwrap();
    let held = model.held_out().iter().find(|held| held.pass.model == "given").unwrap();
    assert!(held.error.abs() < 0.05, "{held:?}");
    let [one, several] = model.accuracy();
    assert!(one.points > 20 && several.points > 40, "{one:?} {several:?}");
    assert!(one.ours.unwrap().median < 0.03 && several.ours.unwrap().median < 0.05, "{one:?}");
    let product = EngineProduct {
        format: Format::Q4_0,
        elements: 1 << 24,
        rows: 1,
        experts: None,
        as_stored: false,
    };
    let found = model.product(product).unwrap();
    assert!(found.low < found.median && found.median < found.high && found.high < Nanos::MAX);
}

#[test]
fn what_makes_no_sense_is_refused_by_key() {
    type Edit = fn(&mut EngineProfile);
    let cases: [(Edit, &str); 6] = [
        (|p| p.schema = 9, "schema: 9; 2 is allowed"),
        (|p| p.passes[0].pass.rows = 0, "passes[0].pass.rows: 0;"),
        (|p| p.passes[1].pass.model = "x".into(), "passes[1].pass.model: `x`; these are there:"),
        (|p| p.passes[0].time.median_ns = Nanos(1), "passes[0].time.median-ns: 1;"),
        (|p| p.models[1].name = "deep".into(), "models[1].name: `deep` twice"),
        (|p| p.models[0].weights.clear(), "models[0].weights: none"),
    ];
    for (edit, expected) in cases {
        let mut wrong = profile();
        edit(&mut wrong);
        let error = EngineModel::fit(&wrong).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let mut none = profile();
    none.passes.clear();
    let error = EngineModel::fit(&none).unwrap_err().to_string();
    assert!(error.starts_with("passes: none of a model in one format"), "{error}");
}
