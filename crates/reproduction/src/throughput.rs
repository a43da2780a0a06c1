//! EdgeShard's throughput of Llama2-7B: what the bottleneck model promises, and what pipelines with
//! and without bubbles deliver, on the paper's 15 devices.

use std::fmt::{Display, Formatter};

use anyhow::{Context as _, Result};
use edgeplan_families::published::{EdgeShard, edgeshard};
use edgeplan_pricing::workload::Returns;
use edgeplan_problem::deployment::{Account, Deployment, Objective};
use edgeplan_problem::{Limits, Nanos, Problem as _};
use edgeplan_report::gantt::{Bar, Chart, Gantt, Row, svg};
use edgeplan_report::table::Table;
use edgeplan_simulator::{
    Hop, Keep, Layout, LinkRate, MicroBatches, Release, Roofline, Run, Server, StageRate, pipeline,
};
use serde::Serialize;

use super::answer;

/// Tokens per second that the paper reports (arXiv 2405.14371, Llama2-7B).
pub(crate) const PUBLISHED: f64 = 52.45;
/// Requests of a micro-batch: the profile was taken with 4.
pub(crate) const SEQUENCES: u32 = 4;
/// Tokens that each request generates (the paper's workload).
pub(crate) const GENERATE: u32 = 96;
/// Micro-batches on their way at once.
pub(crate) const COUNTS: [u32; 4] = [1, 2, 4, 8];
const SOLVER: &str = "chain-exact";

/// What the paper leaves open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// What the plan minimises.
    pub(crate) objective: Objective,
    /// What returns to the source.
    pub(crate) returns: Returns,
    /// Tokens that a message is charged for: those of one request, or of the micro-batch.
    pub(crate) message: u64,
}

/// Both plans, whatever returns, and messages charged either way.
///
/// # Errors
/// A case without a plan.
pub fn every_reading() -> Result<Throughputs> {
    let mut cases = Vec::new();
    for objective in [Objective::Latency, Objective::Bottleneck] {
        for returns in [Returns::Logits, Returns::Token] {
            for message in [1, u64::from(SEQUENCES)] {
                cases.push(Throughput::of(Case { objective, returns, message })?);
            }
        }
    }
    Ok(Throughputs { paper_tokens_per_s: PUBLISHED, cases })
}

/// EdgeShard's throughput in every reading. Field names are the keys of JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Throughputs {
    /// As published.
    pub paper_tokens_per_s: f64,
    /// By reading.
    pub cases: Vec<Throughput>,
}

impl Display for Throughputs {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let columns = ["plan for", "returns", "message", "stages>", "model>"].map(String::from);
        let bubbles = COUNTS.map(|count| format!("bubbles {count}>"));
        let none = COUNTS.map(|count| format!("no bubbles {count}>"));
        let table = Table::new(columns.into_iter().chain(bubbles).chain(none));
        let table = table.with_rows(self.cases.iter().map(|case| {
            let first = [case.plan_for, case.returns].map(str::to_owned);
            let numbers = [format!("{} x", case.message_tokens), case.stages.to_string()];
            let speeds = case.bubbles_tokens_per_s.iter().chain(&case.no_bubbles_tokens_per_s);
            let speeds = std::iter::once(&case.model_tokens_per_s).chain(speeds);
            let speeds = speeds.map(|speed| format!("{speed:.1}"));
            first.into_iter().chain(numbers).chain(speeds).collect::<Vec<_>>()
        }));
        write!(
            f,
            "EdgeShard, Llama2-7B on 12 AGX Orin, 2 Orin NX and an RTX 3090: generated tokens per \
             second.\nThe paper: {PUBLISHED}. {SEQUENCES} requests per micro-batch, {GENERATE} \
             tokens each.\n\n{table}"
        )
    }
}

/// Tokens per second of a case. The names are the keys of JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Throughput {
    /// What the plan minimises.
    pub plan_for: &'static str,
    /// What returns to the source.
    pub returns: &'static str,
    /// Tokens that a message is charged for.
    pub message_tokens: u64,
    /// Stages of the pipeline.
    pub stages: usize,
    /// Time of one pass.
    pub latency_ns: Nanos,
    /// Time of the slowest stage or link.
    pub bottleneck_ns: Nanos,
    /// Numbers of micro-batches, of the following two lists.
    pub micro_batches: [u32; 4],
    /// What the bottleneck model promises.
    pub model_tokens_per_s: f64,
    /// Every micro-batch waits for the slowest.
    pub bubbles_tokens_per_s: Vec<f64>,
    /// No micro-batch waits for another one.
    pub no_bubbles_tokens_per_s: Vec<f64>,
}

/// A plan of a case, ready to run.
struct Planned {
    instance: Deployment,
    account: Account,
    layout: Layout,
    times: Roofline,
}

impl Planned {
    fn of(case: Case) -> Result<Self> {
        let instance = instance(case)?;
        let outcome = answer(&instance, SOLVER, Limits::default())?;
        let plan = outcome.plan.context("EdgeShard's case: no plan")?;
        let account = instance.evaluate(&plan).account;
        let layout = Layout::new(&instance, &plan)?;
        let line = &layout.lines[0];
        let stage = |&time: &Nanos| StageRate { pass: time, ..StageRate::default() };
        let hop = |hop: &Hop| LinkRate { message: hop.time, token_ps: 0 };
        let times = Roofline {
            stages: line.compute.iter().map(stage).collect(),
            hops: line.hops.iter().map(hop).collect(),
        };
        Ok(Self { instance, account, layout, times })
    }

    fn run(&self, count: u32, release: Release, keep: Keep) -> Run {
        let batches =
            MicroBatches { count, sequences: SEQUENCES, prompt: 0, generate: GENERATE, release };
        pipeline(&self.layout, 0, &self.times, &batches, keep)
    }

    /// Generated tokens per second.
    fn speed(&self, count: u32, release: Release) -> f64 {
        speed(count, &self.run(count, release, Keep::default()))
    }
}

fn speed(count: u32, run: &Run) -> f64 {
    f64::from(count * SEQUENCES * GENERATE) * 1e9 / run.makespan().as_f64()
}

impl Throughput {
    pub(crate) fn of(case: Case) -> Result<Self> {
        let planned = Planned::of(case)?;
        let (bill, bottleneck) = (&planned.account.models[0], planned.account.bottleneck);
        let speeds = |release| COUNTS.map(|count| planned.speed(count, release)).to_vec();
        Ok(Self {
            plan_for: name(case.objective),
            returns: returned(case.returns),
            message_tokens: case.message,
            stages: bill.stages.len(),
            latency_ns: bill.latency,
            bottleneck_ns: bottleneck,
            micro_batches: COUNTS,
            model_tokens_per_s: f64::from(SEQUENCES) * 1e9 / bottleneck.as_f64(),
            bubbles_tokens_per_s: speeds(Release::Bubbles),
            no_bubbles_tokens_per_s: speeds(Release::NoBubbles),
        })
    }
}

/// The paper's testbed; messages are proportional to their bits.
fn instance(case: Case) -> Result<Deployment> {
    let testbed = EdgeShard { agx: 12, nx: 2, returns: case.returns };
    let mut instance = edgeshard(testbed, case.objective)?;
    for message in &mut instance.models[0].messages {
        message.bytes = message.bytes * case.message;
        for time in message.time.iter_mut().flatten() {
            *time = *time * case.message;
        }
    }
    Ok(instance)
}

fn name(objective: Objective) -> &'static str {
    match objective {
        Objective::Latency => "latency",
        Objective::Bottleneck => "throughput",
        Objective::Memory => "memory",
    }
}

fn returned(returns: Returns) -> &'static str {
    match returns {
        Returns::Token => "token",
        Returns::Logits => "logits",
    }
}

/// The first passes of the fastest plan for a single request with as many micro-batches as it has
/// stages and links, with and without bubbles.
///
/// # Errors
/// A case without a plan.
pub fn picture() -> Result<String> {
    const COUNT: u32 = 4;
    const PASSES: u64 = 5;
    let case = Case { objective: Objective::Latency, returns: Returns::Token, message: 1 };
    let planned = Planned::of(case)?;
    let name = |server: &Server| {
        let device = |id| planned.instance.device(id).name.as_str();
        match *server {
            Server::Device(id) => device(id).to_owned(),
            Server::Link { from, to } => format!("{} > {}", device(from), device(to)),
        }
    };
    let shown = (Nanos::ZERO, planned.account.models[0].latency * PASSES);
    let chart = |(heading, release): (&str, Release)| {
        let run = planned.run(COUNT, release, Keep::ALL);
        let used: Vec<usize> = (0..run.busy.len()).filter(|&s| run.busy[s].0 > 0).collect();
        let row = |&server: &usize| Row {
            name: name(&planned.layout.servers[server]),
            busy: run.busy[server].as_f64() / run.makespan().as_f64(),
        };
        let bars = run.spans.iter().filter_map(|span| {
            let row = used.iter().position(|&server| server == span.server)?;
            let (batch, start, end) = (span.job, span.start, span.end);
            (start < shown.1).then_some(Bar { row, batch, prompt: span.prompt, start, end })
        });
        Chart {
            heading: heading.into(),
            remark: format!("{:.1} tokens/s", speed(COUNT, &run)),
            rows: used.iter().map(row).collect(),
            bars: bars.collect(),
            shown,
        }
    };
    let charts =
        [("EdgeShard-Bubbles", Release::Bubbles), ("EdgeShard-No-bubbles", Release::NoBubbles)];
    Ok(svg(&Gantt {
        title: "EdgeShard's pipelines".into(),
        subtitle: format!(
            "Llama2-7B, plan of the least latency; {COUNT} micro-batches of {SEQUENCES} requests"
        ),
        charts: charts.map(chart).to_vec(),
    }))
}
