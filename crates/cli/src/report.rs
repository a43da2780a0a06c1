//! Plans and verdicts as JSON and as tables. The JSON keys are stable.

use comfy_table::{CellAlignment, Table, presets};
use edgeplan::reason;
use edgeplan_problem::deployment::{Account, Deployment, Objective, Part, Plan, Stage, part_names};
use edgeplan_problem::{Bytes, Nanos, Outcome, gap};
use serde_json::{Map, Value, json};

/// The command as it was typed, without the folder of the executable.
pub(crate) fn command_line() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    format!("edgeplan {}", words.join(" "))
}

/// The key of a cost, which ends in its unit.
pub(crate) fn cost_key(instance: &Deployment) -> &'static str {
    match instance.objective {
        Objective::Latency | Objective::Bottleneck => "cost_ns",
        Objective::Memory => "cost_bytes",
    }
}

/// The stable keys of an outcome, without its plan.
pub(crate) fn outcome_json(
    instance: &Deployment,
    solver: &str,
    outcome: &Outcome<Plan>,
) -> Map<String, Value> {
    let (cost, bound) = (outcome.cost(), outcome.lower_bound());
    let bound_key = match instance.objective {
        Objective::Latency | Objective::Bottleneck => "lower_bound_ns",
        Objective::Memory => "lower_bound_bytes",
    };
    let mut json = Map::new();
    json.insert("instance".into(), json!(instance.name));
    json.insert("verdict".into(), json!(outcome.verdict.word()));
    json.insert("reason".into(), json!(reason(&outcome.verdict)));
    json.insert(cost_key(instance).into(), json!(cost));
    json.insert(bound_key.into(), json!(bound));
    json.insert("gap".into(), json!(cost.zip(bound).map(|(cost, bound)| gap(cost, bound))));
    json.insert("solver".into(), json!(solver));
    json.insert("elapsed_s".into(), json!(outcome.elapsed.as_secs_f64()));
    json.insert("stopped".into(), json!(outcome.stopped.map(|stop| stop.to_string())));
    json.insert("work".into(), json!(outcome.work));
    json
}

/// The bill of a plan: `stages`, `memory_bytes` by device, `loss`.
pub(crate) fn account_json(
    instance: &Deployment,
    account: &Account,
    plan: &Plan,
) -> Map<String, Value> {
    let stage = |model: usize, stage: &Stage| {
        json!({
            "model": instance.models[model].name,
            "device": instance.device(stage.device).name,
            "first_layer": instance.models[model].layers[stage.first].role,
            "last_layer": instance.models[model].layers[stage.last].role,
            "recipes": recipes(instance, plan, model, stage.first..=stage.last),
            "compute_ns": stage.compute,
            "hop_ns": stage.hop,
            "bytes": stage.bytes,
        })
    };
    let stages: Vec<Value> = (account.models.iter().enumerate())
        .flat_map(|(model, bill)| bill.stages.iter().map(move |s| (model, s)))
        .map(|(model, s)| stage(model, s))
        .collect();
    let memory: Map<String, Value> = (instance.devices.iter().zip(&account.devices))
        .map(|(device, bill)| (device.name.clone(), json!(bill.memory())))
        .collect();
    let loss: f64 = account.models.iter().map(|bill| bill.loss.as_f64() / 1e9).sum();
    let latency: Vec<Nanos> = account.models.iter().map(|bill| bill.latency).collect();
    let mut json = Map::new();
    json.insert("stages".into(), json!(stages));
    json.insert("memory_bytes".into(), Value::Object(memory));
    json.insert("loss".into(), json!(loss));
    json.insert("latency_ns".into(), json!(latency));
    json.insert("bottleneck_ns".into(), json!(account.bottleneck));
    json
}

/// The recipes of these layers with how many use each, commonest first.
fn recipes(
    instance: &Deployment,
    plan: &Plan,
    model: usize,
    layers: impl IntoIterator<Item = usize>,
) -> Vec<String> {
    let mut counts: Vec<(usize, String)> = Vec::new();
    for layer in layers {
        let option = plan.models[model][layer].option.index();
        let recipe = instance.models[model].layers[layer].options[option].recipe.to_string();
        match counts.iter_mut().find(|(_, known)| *known == recipe) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, recipe)),
        }
    }
    counts.sort_by(|a, b| b.cmp(a));
    counts.into_iter().map(|(count, recipe)| format!("{count} x {recipe}")).collect()
}

/// A table in the house style: no lines between rows, numbers to the right.
pub(crate) fn table(header: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    for &column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The layers of a device's stages: first and last of one, kinds and ranges of several.
fn layer_names(instance: &Deployment, model: usize, stages: &[&Stage]) -> String {
    let layers = &instance.models[model].layers;
    match stages {
        [stage] if stage.first == stage.last => layers[stage.first].role.to_string(),
        [stage] => format!("{} .. {}", layers[stage.first].role, layers[stage.last].role),
        stages => {
            let here = stages.iter().flat_map(|stage| &layers[stage.first..=stage.last]);
            let parts: Option<Vec<Part>> = here.map(|layer| layer.role.part()).collect();
            parts.map_or_else(|| format!("{} runs", stages.len()), |parts| part_names(&parts))
        }
    }
}

/// Stages and memory, for people: of a host that is visited a row for each device.
pub(crate) fn account_tables(instance: &Deployment, account: &Account, plan: &Plan) -> String {
    let mut stages =
        table(&["device", "layers", "formats", "compute", "then hop", "bytes"], &[3, 4, 5]);
    for (model, bill) in account.models.iter().enumerate() {
        for visit in instance.visits(&bill.stages) {
            for &device in &visit.devices {
                let here = bill.stages[visit.stages.clone()].iter();
                let here: Vec<&Stage> = here.filter(|stage| stage.device == device).collect();
                let layers = || here.iter().flat_map(|stage| stage.first..=stage.last);
                stages.add_row([
                    instance.device(device).name.clone(),
                    layer_names(instance, model, &here),
                    recipes(instance, plan, model, layers()).join(", "),
                    here.iter().map(|stage| stage.compute).sum::<Nanos>().to_string(),
                    here.iter().map(|stage| stage.hop).sum::<Nanos>().to_string(),
                    here.iter().map(|stage| stage.bytes).sum::<Bytes>().to_string(),
                ]);
            }
        }
    }
    let mut memory = table(
        &["device", "weights", "KV", "activations", "overhead", "used", "of"],
        &[1, 2, 3, 4, 5, 6],
    );
    for (device, bill) in instance.devices.iter().zip(&account.devices) {
        memory.add_row([
            device.name.clone(),
            bill.weights.to_string(),
            bill.kv.to_string(),
            bill.activations.to_string(),
            bill.overhead.to_string(),
            bill.memory().to_string(),
            device.memory.to_string(),
        ]);
    }
    let lines = instance.models.iter().zip(&account.models).map(|(model, bill)| {
        let budget = model.loss_max.map(|max| format!(" of {max} allowed")).unwrap_or_default();
        format!(
            "{}: {} per request (enter {}, return {}), loss {}{budget}\n",
            model.name, bill.latency, bill.enter, bill.leave, bill.loss
        )
    });
    format!(
        "{stages}\n\n{memory}\n\n{}bottleneck: {}",
        lines.collect::<String>(),
        account.bottleneck
    )
}
