//! Every solver on a handful of fixed instances: first what it answers (cost, bound, gap), then how
//! long that takes.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use edgeplan_families::published::{EdgeShard, edgeshard};
use edgeplan_families::{Random, random};
use edgeplan_machines::cluster::Cluster;
use edgeplan_pricing::deployment;
use edgeplan_pricing::workload::{Returns, Workload};
use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_problem::{Cost, Limits, Outcome, Silent, gap, reconcile, solve};
use edgeplan_solvers::DEPLOYMENT;

const HOME_LAB: &str = include_str!("../../../bench-data/clusters/home-lab.toml");

/// Seconds that a solver may think on one instance.
const TIME: Duration = Duration::from_secs(10);
/// Runs that take longer than this are in the table only: criterion would repeat them ten times.
const TIMED_MAX: Duration = Duration::from_secs(2);

fn limits() -> Limits<'static> {
    Limits { time: Some(TIME), gap: 1e-4, ..Limits::default() }
}

fn instances() -> Vec<Deployment> {
    let home = Cluster::parse("home-lab.toml", HOME_LAB).expect("embedded");
    let llama = edgeplan_model::load("catalog:llama-3.1-8b").expect("in the catalog");
    let example = deployment(&[llama], &home, &Workload::default()).expect("the example");
    let family = |layers, devices, objective, placement| {
        let family = Random {
            layers,
            devices,
            formats: 4,
            memory_percent: 143,
            objective,
            placement,
            seed: 0,
        };
        random(&family).checked().expect("the generator makes sense")
    };
    let testbed = EdgeShard { agx: 12, nx: 2, returns: Returns::Token };
    let pipeline = edgeshard(testbed, Objective::Bottleneck).expect("embedded");
    vec![
        example,
        family(26, 5, Objective::Latency, Placement::Contiguous),
        family(26, 5, Objective::Latency, Placement::Free),
        family(12, 4, Objective::Bottleneck, Placement::Contiguous),
        pipeline,
    ]
}

fn solvers(criterion: &mut Criterion) {
    for instance in instances() {
        let what = format!("{} {:?} {:?}", instance.name, instance.objective, instance.placement);
        let answers = answers(&instance);
        println!("\n{what}\n{}\n", summary(&answers));
        let mut group = criterion.benchmark_group(what.to_lowercase().replace(' ', "/"));
        group.sample_size(10).warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(1));
        for (name, outcome) in &answers {
            let answered = outcome.cost().is_some() && outcome.stopped.is_none();
            if !answered || outcome.elapsed > TIMED_MAX {
                continue;
            }
            let entry = edgeplan_solvers::find(name).expect("registered");
            let solver = (entry.make)();
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter(|| solve(&instance, solver.as_ref(), limits(), &mut Silent));
            });
        }
        group.finish();
    }
}

/// What every solver answers, the best first.
fn answers(instance: &Deployment) -> Vec<(&'static str, Outcome<Plan>)> {
    let mut answers: Vec<(&str, Outcome<Plan>)> = DEPLOYMENT
        .iter()
        .map(|entry| (entry.name, solve(instance, (entry.make)().as_ref(), limits(), &mut Silent)))
        .collect();
    reconcile(&mut answers);
    answers.sort_by_key(|(_, outcome)| (outcome.cost().is_none(), outcome.cost(), outcome.elapsed));
    answers
}

/// Cost, bound and gap to the best bound of every answer.
fn summary(answers: &[(&str, Outcome<Plan>)]) -> Table {
    let best: Option<Cost> = answers.iter().filter_map(|(_, outcome)| outcome.lower_bound()).max();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["solver", "verdict", "cost", "bound", "gap to best bound", "once, s"]);
    for column in 2..=5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for (name, outcome) in answers {
        let show = |cost: Option<Cost>| cost.map_or("-".into(), |cost| cost.0.to_string());
        let gap = outcome.cost().zip(best).map(|(cost, best)| 100.0 * gap(cost, best));
        table.add_row([
            (*name).to_owned(),
            outcome.verdict.word().to_owned(),
            show(outcome.cost()),
            show(outcome.lower_bound()),
            gap.map_or("-".into(), |gap| format!("{gap:.3} %")),
            format!("{:.4}", outcome.elapsed.as_secs_f64()),
        ]);
    }
    table
}

criterion_group!(benches, solvers);
criterion_main!(benches);
