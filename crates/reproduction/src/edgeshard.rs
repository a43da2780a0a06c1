//! EdgeShard's times and throughputs, each with logits and with a token id on the way back.

use anyhow::{Context as _, Result, ensure};
use edgeplan_families::published::{
    Evidence, PublishedFigure, edgeshard, edgeshard_70b, published_figures,
};
use edgeplan_pricing::workload::Returns;
use edgeplan_problem::deployment::{Deployment, Objective};
use edgeplan_problem::{Limits, Nanos, Verdict};

use super::throughput::{self, COUNTS, Case, SEQUENCES, Throughput};
use super::{Finding, Mark, Ours, Published, answer, difference};

const PAPER: &str = "EdgeShard, arXiv 2405.14371";
const EVALUATION: &str = "evaluation, through a summary; table not known";
const ABSTRACT: &str = "abstract";
/// Its own scheme, and those it compares with.
const OWN: &str = "chain-exact";
const BASELINES: [&str; 3] = ["edge-solo", "cloud-edge-even", "cloud-edge-opt"];
/// The scripts' fixed time of a transfer.
const FIXED: Nanos = Nanos(2_100_000);
/// Milliseconds per token and tokens per second of Llama2-70B (second-hand).
const LARGE: (f64, f64) = (3086.0, 1.25);

/// What the paper's text supports, then the other reading.
const READINGS: [Returns; 2] = [Returns::Logits, Returns::Token];

fn convention(returns: Returns) -> String {
    match returns {
        Returns::Logits => "logits return (the paper's algorithm and scripts)",
        Returns::Token => "a token id returns (other reading)",
    }
    .into()
}

pub(crate) fn findings() -> Result<Vec<Finding>> {
    let cases = published_figures()?;
    let mut findings = Vec::new();
    for case in &cases {
        for returns in READINGS {
            findings.push(time_per_token(case, returns)?);
        }
    }
    for returns in READINGS {
        findings.push(as_scripts_charge(&cases[0], returns)?);
    }
    for returns in READINGS {
        findings.extend(headlines(&cases[0], returns)?);
    }
    for returns in READINGS {
        findings.extend(throughputs(&cases[0], returns)?);
    }
    for returns in READINGS {
        findings.extend(large(returns)?);
    }
    findings.push(Finding::missing(
        PAPER,
        "Llama2-13B, time per token and tokens per second",
        Published::recalled(EVALUATION),
        "recalled as 173.43 ms and 10.45; its profile was not found either",
    ));
    Ok(findings)
}

/// A known case's testbed in that reading.
fn instance(case: &PublishedFigure, returns: Returns) -> Result<Deployment> {
    let testbed = edgeplan_families::published::EdgeShard { returns, ..case.case };
    Ok(edgeshard(testbed, Objective::Latency)?)
}

/// Time per token by a solver; nothing where that has no plan.
fn time(instance: &Deployment, name: &str) -> Result<Option<Nanos>> {
    let outcome = answer(instance, name, Limits::default())?;
    let answered = match outcome.verdict {
        Verdict::Wrong(_) | Verdict::Unsupported(_) | Verdict::Failed(_) => false,
        Verdict::Optimal { .. } | Verdict::Feasible { .. } => true,
        Verdict::Infeasible | Verdict::Unknown { .. } => true,
    };
    ensure!(answered, "{name}: {}", outcome.verdict.word());
    Ok(outcome.cost().map(|cost| Nanos(cost.0)))
}

fn needed(instance: &Deployment, name: &str) -> Result<Nanos> {
    time(instance, name)?.with_context(|| format!("{name}: no plan for EdgeShard's case"))
}

fn ours(returns: Returns, value: String, difference: String, by: &str, remark: &str) -> Ours {
    Ours {
        convention: convention(returns),
        value,
        difference,
        command: format!("edgeplan reproduce ({by})"),
        remark: remark.into(),
    }
}

fn time_per_token(case: &PublishedFigure, returns: Returns) -> Result<Finding> {
    let found = needed(&instance(case, returns)?, &case.solver)?;
    let published = case.published.to_string();
    let (value, mark, off, remark) = match case.evidence {
        Evidence::Recalled => {
            let remark = format!("recalled as {published}, not compared");
            ("not found".to_owned(), Mark::R, "-".to_owned(), remark)
        }
        known => {
            let mark = if known == Evidence::Read { Mark::V } else { Mark::V2 };
            let off = difference(found.as_f64(), case.published.as_f64());
            (published, mark, off, String::new())
        }
    };
    let remark = match case.solver.as_str() {
        "edge-solo" => remark + "; nothing is sent, so that the readings agree",
        "cloud-edge-opt" => remark + "; every cut is slower than the source alone",
        OWN => "messages of one token, nothing fixed per message".into(),
        _ => remark,
    };
    let what = format!("Llama2-7B, {}", case.what);
    let ours = ours(returns, found.to_string(), off, &case.solver, &remark);
    let published = Published { value: "", mark, source: EVALUATION };
    Ok(Finding { published: value, ..Finding::new(PAPER, &what, published, ours) })
}

/// The headline with messages as in the scripts that the profile comes from: of four tokens, and
/// 2.1 ms each.
fn as_scripts_charge(case: &PublishedFigure, returns: Returns) -> Result<Finding> {
    let mut instance = instance(case, returns)?;
    let devices = instance.devices.len();
    // The last kind is the prompt's way in, which the source has already.
    for message in &mut instance.models[0].messages[..2] {
        message.bytes = message.bytes * u64::from(SEQUENCES);
        for (pair, time) in message.time.iter_mut().enumerate() {
            if pair / devices != pair % devices {
                *time = time.map(|time| time * u64::from(SEQUENCES) + FIXED);
            }
        }
    }
    let found = needed(&instance, OWN)?;
    let published = Published { value: "75.88 ms", mark: Mark::V2, source: EVALUATION };
    let off = difference(found.as_f64(), case.published.as_f64());
    let mut ours = ours(
        returns,
        found.to_string(),
        off,
        OWN,
        "the scripts' charge of a transfer: four tokens' states, and 2.1 ms; in the other rows one \
         token's, and nothing fixed",
    );
    ours.convention += ", messages as in the scripts";
    Ok(Finding::new(PAPER, "Llama2-7B, EdgeShard, time per token", published, ours))
}

/// The abstract's claims, and what the summary says of Edge-Solo.
fn headlines(case: &PublishedFigure, returns: Returns) -> Result<Vec<Finding>> {
    let instance = instance(case, returns)?;
    let own = needed(&instance, OWN)?.as_f64();
    let mut baselines = Vec::new();
    for name in BASELINES {
        baselines.push(needed(&instance, name)?.as_f64());
    }
    let (solo, best) = (baselines[0], baselines.iter().copied().fold(f64::INFINITY, f64::min));
    let (less, faster) = (1.0 - own / best, best / own);
    let by = "chain-exact and three baselines";
    let setting = "over the fastest baseline of Llama2-7B in one setting; the paper's figure is \
                   the best of all its settings, and of which is not said";
    let row = |what: &str, value, mark, source, (shown, off): (String, String), remark: &str| {
        let published = Published { value, mark, source };
        Finding::new(PAPER, what, published, ours(returns, shown, off, by, remark))
    };
    let reaches = |enough: bool| if enough { "reached" } else { "not reached" }.to_owned();
    let solo_times = format!("{:.2}x", solo / own);
    Ok(vec![
        row(
            "less time per token than baselines",
            "up to 50 %",
            Mark::V,
            ABSTRACT,
            (format!("{:.1} %", 100.0 * less), reaches(less >= 0.5)),
            setting,
        ),
        row(
            "throughput over baselines",
            "up to 2x",
            Mark::V,
            ABSTRACT,
            (format!("{faster:.2}x"), reaches(faster >= 2.0)),
            setting,
        ),
        row(
            "Llama2-7B, time per token, faster than Edge-Solo",
            "1.85x",
            Mark::V2,
            EVALUATION,
            (solo_times.clone(), difference(solo / own, 1.85)),
            "the profile is of micro-batch 4: Edge-Solo is slower in it than one request",
        ),
        row(
            "Llama2-7B, throughput over Edge-Solo",
            "2.2x",
            Mark::V2,
            EVALUATION,
            (solo_times, difference(solo / own, 2.2)),
            "as many requests per micro-batch in both, one micro-batch at a time",
        ),
    ])
}

/// Tokens per second of the same plans: micro-batches of four, one at a time.
fn throughputs(case: &PublishedFigure, returns: Returns) -> Result<Vec<Finding>> {
    let instance = instance(case, returns)?;
    let speed = |time: Nanos| f64::from(SEQUENCES) * 1e9 / time.as_f64();
    let published = Published { value: "52.45", mark: Mark::V2, source: EVALUATION };
    let own = speed(needed(&instance, OWN)?);
    let mut findings = vec![Finding::new(
        PAPER,
        "Llama2-7B, EdgeShard, tokens per second",
        published,
        ours(
            returns,
            format!("{own:.2}"),
            difference(own, throughput::PUBLISHED),
            OWN,
            "the plan of least time, four requests in a micro-batch, one micro-batch at a time",
        ),
    )];
    let recalled =
        [("Edge-Solo", "24.36"), ("Cloud-Edge-Even", "7.56"), ("Cloud-Edge-Opt", "24.36")];
    for (solver, (name, value)) in BASELINES.into_iter().zip(recalled) {
        let found = speed(needed(&instance, solver)?);
        let remark = format!("recalled as {value}, not compared");
        findings.push(Finding::new(
            PAPER,
            &format!("Llama2-7B, {name}, tokens per second"),
            Published::recalled(EVALUATION),
            ours(returns, format!("{found:.2}"), "-".into(), solver, &remark),
        ));
    }
    findings.push(pipelined(returns, published)?);
    Ok(findings)
}

/// The plan of the paper's throughput objective, with as many micro-batches as were simulated.
fn pipelined(returns: Returns, published: Published) -> Result<Finding> {
    let case = Case { objective: Objective::Bottleneck, returns, message: 1 };
    let found = Throughput::of(case)?;
    let (most, filled) =
        (COUNTS[COUNTS.len() - 1], found.no_bubbles_tokens_per_s[COUNTS.len() - 1]);
    let remark = format!(
        "the plan of the least bottleneck on all 15 devices, {} stages, {most} micro-batches of \
         {SEQUENCES} on their way without bubbles; with 1 it is {:.1}, and the bottleneck model \
         says {:.1}; how many the paper had on their way was not found",
        found.stages, found.bubbles_tokens_per_s[0], found.model_tokens_per_s
    );
    Ok(Finding::new(
        PAPER,
        "Llama2-7B, EdgeShard, tokens per second of a pipeline",
        published,
        Ours {
            command: format!("edgeplan reproduce --throughput ({OWN})"),
            ..ours(
                returns,
                format!("{filled:.2}"),
                difference(filled, throughput::PUBLISHED),
                OWN,
                &remark,
            )
        },
    ))
}

/// Llama2-70B, of which no profile was published.
fn large(returns: Returns) -> Result<Vec<Finding>> {
    let instance = edgeshard_70b(returns)?;
    let found = needed(&instance, OWN)?;
    let speed = f64::from(SEQUENCES) * 1e9 / found.as_f64();
    let scaled = "not the paper's profile, which was not found: the 7B model's, scaled by the \
                  parameters of a layer; 11 AGX Orin and the RTX 3090";
    let published = |value| Published { value, mark: Mark::V2, source: EVALUATION };
    let mut findings = vec![
        Finding::new(
            PAPER,
            "Llama2-70B, EdgeShard, time per token",
            published("3086 ms"),
            ours(
                returns,
                found.to_string(),
                difference(found.as_f64() / 1e6, LARGE.0),
                OWN,
                scaled,
            ),
        ),
        Finding::new(
            PAPER,
            "Llama2-70B, EdgeShard, tokens per second",
            published("1.25"),
            ours(returns, format!("{speed:.2}"), difference(speed, LARGE.1), OWN, scaled),
        ),
    ];
    let mut fits = Vec::new();
    for name in BASELINES {
        if time(&instance, name)?.is_some() {
            fits.push(name);
        }
    }
    let shown = if fits.is_empty() { "out of memory".to_owned() } else { fits.join(", ") };
    findings.push(Finding::new(
        PAPER,
        "Llama2-70B, baselines",
        published("out of memory"),
        ours(
            returns,
            shown,
            super::verdict(fits.is_empty()),
            "edge-solo, cloud-edge-even, cloud-edge-opt",
            "no plan of any of the three fits its devices",
        ),
    ));
    Ok(findings)
}
