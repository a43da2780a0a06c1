//! The bill of a deployment's plan: stages, memory and loss, as tables and as stable keys.

use std::collections::BTreeMap;

use edgeplan_problem::deployment::{Account, Deployment, LayerRole, Plan, Stage};
use edgeplan_problem::{Bytes, Nanos};
use serde::Serialize;

use crate::scene::Scene;
use crate::table::Table;

/// The bill of a plan. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct Bill {
    /// Model by model, in the order in which a request passes them.
    pub stages: Vec<StageBill>,
    /// Bytes in use by device.
    pub memory_bytes: BTreeMap<String, Bytes>,
    /// Loss over all models, in the measure of the quality floor.
    pub loss: f64,
    /// Time of one request, by model.
    pub latency_ns: Vec<Nanos>,
    /// The busiest device or sender per round of requests.
    pub bottleneck_ns: Nanos,
}

/// Consecutive layers on one device. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub struct StageBill {
    /// The model.
    pub model: String,
    /// The device.
    pub device: String,
    /// The first layer's name.
    pub first_layer: LayerRole,
    /// The last layer's name.
    pub last_layer: LayerRole,
    /// `12 x q4_K`: recipes with how many layers use each, commonest first.
    pub recipes: Vec<String>,
    /// Time of one request's compute.
    pub compute_ns: Nanos,
    /// Time to move the output to the next stage.
    pub hop_ns: Nanos,
    /// Bytes of weights and KV cache.
    pub bytes: Bytes,
}

impl Bill {
    /// Of a plan; `account` is what it costs.
    pub fn new(deployment: &Deployment, plan: &Plan, account: &Account) -> Self {
        let scene = Scene::new(deployment, plan, account);
        let bill = |index: usize, stage: &Stage| {
            let model = &deployment.models[index];
            StageBill {
                model: model.name.clone(),
                device: scene.name(stage.device).to_owned(),
                first_layer: model.layers[stage.first].role.clone(),
                last_layer: model.layers[stage.last].role.clone(),
                recipes: recipes(&scene, index, &[stage]),
                compute_ns: stage.compute,
                hop_ns: stage.hop,
                bytes: stage.bytes,
            }
        };
        let stages = account.models.iter().enumerate();
        let stages = stages.flat_map(|(model, own)| own.stages.iter().map(move |s| (model, s)));
        let memory = deployment.devices.iter().zip(&account.devices);
        Self {
            stages: stages.map(|(model, stage)| bill(model, stage)).collect(),
            memory_bytes: memory.map(|(of, own)| (of.name.clone(), own.memory())).collect(),
            loss: account.models.iter().map(|model| model.loss.as_f64() / 1e9).sum(),
            latency_ns: account.models.iter().map(|model| model.latency).collect(),
            bottleneck_ns: account.bottleneck,
        }
    }
}

/// Recipes of the layers of stages with how many layers use each, commonest first.
fn recipes(scene: &Scene<'_>, model: usize, stages: &[&Stage]) -> Vec<String> {
    let layers = stages.iter().flat_map(|stage| stage.first..=stage.last);
    let counts = scene.recipes(model, layers).into_iter();
    counts.map(|(count, recipe)| format!("{count} x {recipe}")).collect()
}

/// Stages, memory, and a line for each model. A host that is visited has a row for each device.
pub fn text(deployment: &Deployment, plan: &Plan, account: &Account) -> String {
    let lines = deployment.models.iter().zip(&account.models).map(|(model, own)| {
        let budget = model.loss_max.map(|max| format!(" of {max} allowed")).unwrap_or_default();
        format!(
            "{}: {} per request (enter {}, return {}), loss {}{budget}\n",
            model.name, own.latency, own.enter, own.leave, own.loss
        )
    });
    format!(
        "{}\n\n{}\n\n{}bottleneck: {}",
        stages(&Scene::new(deployment, plan, account)),
        memory(deployment, account),
        lines.collect::<String>(),
        account.bottleneck
    )
}

fn stages(scene: &Scene<'_>) -> Table {
    let columns = ["device", "layers", "formats", "compute>", "then hop>", "bytes>"];
    let mut table = Table::new(columns);
    for (model, own) in scene.account.models.iter().enumerate() {
        for visit in scene.visits(model) {
            for &device in &visit.devices {
                let here = own.stages[visit.stages.clone()].iter();
                let here: Vec<&Stage> = here.filter(|stage| stage.device == device).collect();
                table.row([
                    scene.name(device).to_owned(),
                    match here[..] {
                        [stage] => scene.run(model, stage.first, stage.last),
                        _ => scene.parts(model, &here),
                    },
                    recipes(scene, model, &here).join(", "),
                    here.iter().map(|stage| stage.compute).sum::<Nanos>().to_string(),
                    here.iter().map(|stage| stage.hop).sum::<Nanos>().to_string(),
                    here.iter().map(|stage| stage.bytes).sum::<Bytes>().to_string(),
                ]);
            }
        }
    }
    table
}

fn memory(deployment: &Deployment, account: &Account) -> Table {
    let columns = ["device", "weights>", "KV>", "activations>", "overhead>", "used>", "of>"];
    let bills = deployment.devices.iter().zip(&account.devices);
    Table::new(columns).with_rows(bills.map(|(device, bill)| {
        let bytes = [bill.weights, bill.kv, bill.activations, bill.overhead, bill.memory()];
        let bytes = bytes.into_iter().chain([device.memory]).map(|bytes| bytes.to_string());
        std::iter::once(device.name.clone()).chain(bytes).collect::<Vec<_>>()
    }))
}
