//! EdgeShard's throughput of Llama2-7B: what the bottleneck model promises, and what pipelines with
//! and without bubbles deliver, on the paper's 15 devices.

use anyhow::{Context as _, Result};
use edgeplan_families::published::{EdgeShard, edgeshard};
use edgeplan_pricing::workload::Returns;
use edgeplan_problem::deployment::{Account, Deployment, Objective};
use edgeplan_problem::{Limits, Nanos, Problem as _, Silent, solve};
use edgeplan_report::gantt::{Bar, Chart, Gantt, Row, svg};
use edgeplan_simulator::{
    Hop, Keep, Layout, LinkRate, MicroBatches, Release, Roofline, Run, Server, StageRate, pipeline,
};
use serde_json::{Value, json};

use crate::question::find_solver;
use crate::reply::Reply;
use crate::report::table;

/// Tokens per second that the paper reports (arXiv 2405.14371, Llama2-7B).
pub(super) const PUBLISHED: f64 = 52.45;
/// Requests of a micro-batch: the profile was taken with 4.
pub(super) const SEQUENCES: u32 = 4;
/// Tokens that each request generates (the paper's workload).
const GENERATE: u32 = 96;
/// Micro-batches on their way at once.
pub(super) const COUNTS: [u32; 4] = [1, 2, 4, 8];
const SOLVER: &str = "chain-exact";

/// What the paper leaves open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// What the plan minimises.
    pub(super) objective: Objective,
    /// What returns to the source.
    pub(super) returns: Returns,
    /// Tokens that a message is charged for: those of one request, or of the micro-batch.
    pub(super) message: u64,
}

pub(super) fn run(as_json: bool) -> Result<Reply> {
    let mut header = vec!["plan for".to_owned(), "returns".into(), "message".into()];
    header.extend(["stages".into(), "model".into()]);
    header.extend(COUNTS.map(|count| format!("bubbles {count}")));
    header.extend(COUNTS.map(|count| format!("no bubbles {count}")));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut rows = table(&header, &(3..header.len()).collect::<Vec<_>>());
    let mut json = Vec::new();
    for objective in [Objective::Latency, Objective::Bottleneck] {
        for returns in [Returns::Logits, Returns::Token] {
            for message in [1, u64::from(SEQUENCES)] {
                let case = Case { objective, returns, message };
                let found = Found::of(case)?;
                rows.add_row(found.row(case));
                json.push(found.json(case));
            }
        }
    }
    let text = format!(
        "EdgeShard, Llama2-7B on 12 AGX Orin, 2 Orin NX and an RTX 3090: generated tokens per \
         second.\nThe paper: {PUBLISHED}. {SEQUENCES} requests per micro-batch, {GENERATE} tokens \
         each.\n\n{rows}"
    );
    let json = json!({ "paper_tokens_per_s": PUBLISHED, "cases": json });
    Ok(Reply::either(as_json, &json, &text))
}

/// Tokens per second of a case.
pub(super) struct Found {
    pub(super) stages: usize,
    latency: Nanos,
    bottleneck: Nanos,
    /// What the bottleneck model promises.
    pub(super) model: f64,
    /// By number of micro-batches.
    pub(super) bubbles: Vec<f64>,
    pub(super) no_bubbles: Vec<f64>,
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
        let solver = (find_solver(SOLVER)?.make)();
        let outcome = solve(&instance, solver.as_ref(), Limits::default(), &mut Silent);
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

impl Found {
    pub(super) fn of(case: Case) -> Result<Self> {
        let planned = Planned::of(case)?;
        let (bill, bottleneck) = (&planned.account.models[0], planned.account.bottleneck);
        Ok(Self {
            stages: bill.stages.len(),
            latency: bill.latency,
            bottleneck,
            model: f64::from(SEQUENCES) * 1e9 / bottleneck.as_f64(),
            bubbles: COUNTS.map(|count| planned.speed(count, Release::Bubbles)).to_vec(),
            no_bubbles: COUNTS.map(|count| planned.speed(count, Release::NoBubbles)).to_vec(),
        })
    }

    fn row(&self, case: Case) -> Vec<String> {
        let mut row = vec![
            name(case.objective).to_owned(),
            returned(case.returns).into(),
            format!("{} x", case.message),
            self.stages.to_string(),
            format!("{:.1}", self.model),
        ];
        let speeds = self.bubbles.iter().chain(&self.no_bubbles);
        row.extend(speeds.map(|speed| format!("{speed:.1}")));
        row
    }

    fn json(&self, case: Case) -> Value {
        json!({
            "plan_for": name(case.objective),
            "returns": returned(case.returns),
            "message_tokens": case.message,
            "stages": self.stages,
            "latency_ns": self.latency,
            "bottleneck_ns": self.bottleneck,
            "micro_batches": COUNTS,
            "model_tokens_per_s": self.model,
            "bubbles_tokens_per_s": self.bubbles,
            "no_bubbles_tokens_per_s": self.no_bubbles,
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
pub(super) fn picture() -> Result<String> {
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
