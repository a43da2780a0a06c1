//! DILEMMA's quantization ratio: how few bits keep OPT-350m's loss.

use anyhow::{Context as _, Result};
use edgeplan_machines::cluster::Cluster;
use edgeplan_pricing::deployment;
use edgeplan_pricing::workload::{Goal, Quality, Workload};
use edgeplan_problem::{Limits, Problem as _};

use super::{Finding, Mark, Ours, Published, answer};

pub(crate) const PAPER: &str = "DILEMMA, arXiv 2503.01704";
pub(crate) const MODEL: &str = "catalog:opt-350m";
/// The evaluation loss of its most quantized model, less that of the original, in nats.
const LOSS: f64 = 0.0014;
const ORIGINAL_BYTES: f64 = 4.0;
const CLUSTER: &str = "source = \"a\"\n[device.a]\nprofile = \"catalog:ryzen-7950x-64\"\n";

/// Bits used over original ones, of 32 each.
pub(crate) const RATIO: Published =
    Published { value: "up to 12.75 %", mark: Mark::V, source: "abstract" };

pub(crate) fn findings() -> Result<Vec<Finding>> {
    let rows = [(LOSS, "the paper's rise in loss, 0.0591 to 0.0605"), (0.03, "a bound of ours")];
    let mut findings = Vec::new();
    for (loss, why) in rows {
        let ours = Ours {
            convention: format!("fewest bytes with {loss} nats of divergence at most, {why}"),
            value: format!("{:.2} %", 100.0 * ratio(loss)?),
            difference: "not comparable".into(),
            command: "edgeplan reproduce (chain-search)".into(),
            remark: "the divergence of each format is borrowed: Llama-3-8B's, as llama.cpp \
                     publishes it, shared out over OPT-350m's tensors; OPT-350m's own was never \
                     measured here, nor fine-tuned; GGML's formats store scales. Measured on other \
                     models: reports/quality"
                .into(),
        };
        findings.push(Finding::new(PAPER, "quantization ratio of OPT-350m, our plan", RATIO, ours));
    }
    findings.push(Finding::missing(
        PAPER,
        "evaluation loss of OPT-350m on SQuAD, original and most quantized",
        Published { value: "0.0591 and 0.0605", mark: Mark::V2, source: "evaluation, a summary" },
        "neither the checkpoint nor the fine-tuning was found; no loss of another model stands in",
    ));
    Ok(findings)
}

/// Weights' bytes of the smallest plan over four bytes a weight.
fn ratio(loss: f64) -> Result<f64> {
    let opt = edgeplan_model::load(MODEL)?;
    let cluster = Cluster::parse("reproduce", CLUSTER)?;
    let workload = Workload {
        objective: Goal::Memory,
        quality: Some(Quality::MaxKl(loss)),
        ..Workload::default()
    };
    let instance = deployment(&[opt], &cluster, &workload)?;
    let outcome = answer(&instance, "chain-search", Limits::default())?;
    let plan = outcome.plan.with_context(|| format!("{MODEL}: no plan"))?;
    let account = instance.evaluate(&plan).account;
    let used: u64 = account.devices.iter().map(|device| device.weights.0).sum();
    let unquantized = build_unquantized(&cluster)?;
    Ok(used as f64 / (unquantized as f64 / 2.0 * ORIGINAL_BYTES))
}

/// Bytes of the model in 16 bits, which has no scales.
fn build_unquantized(cluster: &Cluster) -> Result<u64> {
    let formats = vec![edgeplan_problem::format::Format::F16];
    let workload = Workload { formats, quality: Some(Quality::Any), ..Workload::default() };
    let instance = deployment(&[edgeplan_model::load(MODEL)?], cluster, &workload)?;
    let model = &instance.models[0];
    let layers = model.layers.iter().map(|layer| layer.options[0].bytes.0).sum::<u64>();
    Ok(layers + model.shared.iter().map(|shared| shared.0).sum::<u64>())
}
