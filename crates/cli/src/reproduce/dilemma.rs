//! DILEMMA's quantization ratio: how few bits keep OPT-350m's loss.

use anyhow::{Context as _, Result};
use edgeplan_instances::build::build;
use edgeplan_instances::cluster::Cluster;
use edgeplan_instances::model;
use edgeplan_instances::workload::{Goal, Quality, Workload};
use edgeplan_problem::{Limits, Problem as _, Silent, solve};

use super::{Finding, difference};
use crate::question::find_solver;

const PAPER: &str = "DILEMMA, arXiv 2503.01704";
const MODEL: &str = "catalog:opt-350m";
/// Bits used over original ones, of 32 each.
const RATIO: f64 = 0.1275;
/// The evaluation loss of its most quantized model, less that of the original, in nats.
const LOSS: f64 = 0.0014;
const ORIGINAL_BYTES: f64 = 4.0;
const CLUSTER: &str = "source = \"a\"\n[device.a]\nprofile = \"catalog:ryzen-7950x-64\"\n";

pub(super) fn findings() -> Result<Vec<Finding>> {
    let strict = ratio(LOSS)?;
    let same = ratio(0.03)?;
    let percent = |ratio: f64| format!("{:.2} %", 100.0 * ratio);
    let found = |what: &str, ours: f64, remark: &str| Finding {
        paper: PAPER.into(),
        what: what.into(),
        published: percent(RATIO),
        known: "read".into(),
        ours: percent(ours),
        difference: difference(ours, RATIO),
        command: "edgeplan reproduce (chain-search)".into(),
        remark: remark.into(),
    };
    Ok(vec![
        found(
            "quantization ratio of OPT-350m, at its loss",
            strict,
            "fewest bytes over 4 a weight, with a divergence of 0.0014 nats at most, the paper's \
             rise in loss; ours are estimated for models without fine-tuning, and GGML's formats \
             store scales, too",
        ),
        found(
            "quantization ratio of OPT-350m, at 0.03 nats",
            same,
            "the divergence at which 4 to 5 bits are enough for a model without fine-tuning",
        ),
        Finding::missing(
            PAPER,
            "latency with and without quantization",
            ("significantly reduced", "second-hand"),
            "servers, capacities and bandwidths were not found",
        ),
    ])
}

/// Weights' bytes of the smallest plan over four bytes a weight.
fn ratio(loss: f64) -> Result<f64> {
    let opt = model::load(MODEL)?;
    let cluster = Cluster::parse("reproduce", CLUSTER)?;
    let workload =
        Workload { objective: Goal::Memory, quality: Quality::MaxKl(loss), ..Workload::default() };
    let instance = build(&[opt], &cluster, &workload)?;
    let solver = (find_solver("chain-search")?.make)();
    let outcome = solve(&instance, solver.as_ref(), Limits::default(), &mut Silent);
    let plan = outcome.plan.with_context(|| format!("{MODEL}: no plan"))?;
    let account = instance.evaluate(&plan).account;
    let used: u64 = account.devices.iter().map(|device| device.weights.0).sum();
    let unquantized = build_unquantized(&cluster)?;
    Ok(used as f64 / (unquantized as f64 / 2.0 * ORIGINAL_BYTES))
}

/// Bytes of the model in 16 bits, which has no scales.
fn build_unquantized(cluster: &Cluster) -> Result<u64> {
    let formats = vec![edgeplan_formats::Format::F16];
    let workload = Workload { formats, quality: Quality::Any, ..Workload::default() };
    let instance = build(&[model::load(MODEL)?], cluster, &workload)?;
    let model = &instance.models[0];
    let layers = model.layers.iter().map(|layer| layer.options[0].bytes.0).sum::<u64>();
    Ok(layers + model.shared.iter().map(|shared| shared.0).sum::<u64>())
}
