//! A plan as a web page: the picture, and every number in tables. One file, no script, no network.

use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Evaluation, Problem as _};

use crate::draw::Tag;
use crate::picture::{Picture, scene, tag};
use crate::scene::Scene;
use crate::table::Table;

const STYLE: &str = "\
    :root{color-scheme:light dark}\
    body{margin:0 auto;max-width:960px;padding:24px;background:#eef1f4;color:#1d232b;\
    font:14px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;\
    font-variant-numeric:tabular-nums}\
    svg{display:block;width:100%;height:auto}\
    .picture{overflow-x:auto}\
    .lead{display:none}\
    section{margin:24px 0;padding:20px 24px;background:#ffffff;border-radius:8px;overflow-x:auto}\
    h2,summary{margin:0 0 12px;font-size:15px;font-weight:600}\
    summary{margin:0;cursor:pointer}\
    table{border-collapse:collapse;width:100%}\
    th,td{padding:4px 16px 4px 0;text-align:left;vertical-align:top;max-width:24em;\
    overflow-wrap:break-word}\
    th:last-child,td:last-child{padding-right:0}\
    th{color:#5b6673;font-weight:400;border-bottom:1px solid #e1e5ea}\
    .n{text-align:right;white-space:nowrap}\
    .bad{color:#b8420f}\
    th:first-child,td:first-child{white-space:nowrap}\
    footer{color:#5b6673;overflow-wrap:anywhere}\
    @media (max-width:700px){\
    body{padding:12px}\
    section{margin:12px 0;padding:16px}\
    .picture svg{min-width:720px}\
    .lead{display:block;margin:4px 4px 16px;font-size:16px}\
    h1{margin:4px;font-size:18px}}\
    @media (prefers-color-scheme:dark){\
    body{background:#0c0e11;color:#e8ebef}\
    section{background:#14171c}\
    th{color:#a3adb9;border-color:#2b323b}\
    .bad{color:#ff9a68}\
    footer{color:#a3adb9}}";

/// The page. `origin` is the command that made it, for the last line.
pub fn html(picture: &Picture<'_>, origin: &str) -> String {
    let evaluation = picture.instance.evaluate(picture.plan);
    // A phone shows the picture a part at a time: what it says comes first, as text.
    let shown = Tag::new("div").class("picture").set("tabindex", "0").set("role", "region");
    let shown = shown.set("aria-label", "Picture of the plan").add(tag(picture, &evaluation));
    let said = picture.said.iter().cloned().chain([format!("{}.", picture.line(&evaluation))]);
    let lead = said.map(|line| Tag::new("p").class("lead").text(&line));
    let heading = Tag::new("h1").class("lead").text(&picture.instance.name);
    let body = Tag::new("body").add(heading).all(lead.collect::<Vec<_>>());
    let mut body = body.add(shown).all(violations(&evaluation));
    if let Some(scene) = scene(picture, &evaluation.account) {
        body = body
            .add(section("Requests", requests(&scene)))
            .add(section("Stages", stages(&scene)))
            .add(section("Devices", devices(&scene)));
        for model in 0..picture.instance.models.len() {
            body = body.add(layers(&scene, model));
        }
    }
    document(&picture.instance.name, body, &format!("{}.", picture.line(&evaluation)), origin)
}

/// A page of its own: `footer` and the command that made it come last.
pub(crate) fn document(title: &str, body: Tag, footer: &str, origin: &str) -> String {
    let made = if origin.is_empty() { String::new() } else { format!(" Made by {origin}.") };
    let footer = format!("{footer}{made}");
    let viewport = Tag::new("meta")
        .set("name", "viewport")
        .set("content", "width=device-width, initial-scale=1");
    let head = Tag::new("head")
        .add(Tag::new("meta").set("charset", "utf-8"))
        .add(viewport)
        .add(Tag::new("title").text(title))
        .add(Tag::new("style").text(STYLE));
    let page = Tag::new("html").set("lang", "en").add(head);
    let page = page.add(body.add(Tag::new("footer").text(footer.trim())));
    format!("<!DOCTYPE html>\n{page}\n")
}

pub(crate) fn section(heading: &str, content: Tag) -> Tag {
    Tag::new("section").add(Tag::new("h2").text(heading)).add(content)
}

fn table<const N: usize>(columns: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Tag {
    Table::new(columns).with_rows(rows).tag()
}

fn violations(evaluation: &Evaluation<Deployment>) -> Option<Tag> {
    let lines = evaluation.violations.iter().map(|what| Tag::new("li").text(&what.to_string()));
    let list = Tag::new("ul").class("bad").all(lines);
    (!evaluation.violations.is_empty()).then(|| section("Broken constraints", list))
}

fn requests(scene: &Scene<'_>) -> Tag {
    let headings = ["model", "per round>", "time>", "there>", "back>", "loss>", "loss allowed>"];
    let rows = scene.instance.models.iter().zip(&scene.account.models).map(|(model, bill)| {
        [
            model.name.clone(),
            model.weight.to_string(),
            bill.latency.to_string(),
            bill.enter.to_string(),
            bill.leave.to_string(),
            bill.loss.to_string(),
            model.loss_max.map_or("any".into(), |max| max.to_string()),
        ]
    });
    table(headings, rows)
}

fn stages(scene: &Scene<'_>) -> Tag {
    let headings = ["model", "device", "layers", "recipes", "compute>", "then hop>", "bytes>"];
    let bills = scene.instance.models.iter().zip(&scene.account.models).enumerate();
    let stages = bills.flat_map(|(index, (model, bill))| {
        bill.stages.iter().map(move |stage| (index, model, stage))
    });
    let rows = stages.map(|(index, model, stage)| {
        let recipes = scene.recipes(index, stage.first..=stage.last);
        let recipes = recipes.iter().map(|(count, recipe)| format!("{count} × {recipe}"));
        [
            model.name.clone(),
            scene.name(stage.device).to_owned(),
            scene.run(index, stage.first, stage.last),
            recipes.collect::<Vec<_>>().join(", "),
            stage.compute.to_string(),
            stage.hop.to_string(),
            stage.bytes.to_string(),
        ]
    });
    table(headings, rows)
}

/// Devices in the order of visits, then those without layers.
fn devices(scene: &Scene<'_>) -> Tag {
    let headings = [
        "device",
        "weights>",
        "KV cache>",
        "activations>",
        "overhead>",
        "used>",
        "capacity>",
        "compute per round>",
        "sending per round>",
    ];
    let idle = scene.instance.device_ids().filter(|id| scene.number(*id).is_none());
    let rows = scene.used.iter().copied().chain(idle).map(|id| {
        let bill = &scene.account.devices[id.index()];
        [
            scene.name(id).to_owned(),
            bill.weights.to_string(),
            bill.kv.to_string(),
            bill.activations.to_string(),
            bill.overhead.to_string(),
            bill.memory().to_string(),
            scene.instance.device(id).memory.to_string(),
            bill.compute.to_string(),
            bill.sending.to_string(),
        ]
    });
    table(headings, rows)
}

/// Every layer of a model, folded away.
fn layers(scene: &Scene<'_>, model: usize) -> Tag {
    let chain = &scene.instance.models[model];
    let rows = chain.layers.iter().enumerate().map(|(index, layer)| {
        let choice = scene.plan.models[model][index];
        let compute = chain.compute(index, choice.device, choice.option);
        [
            layer.role.to_string(),
            scene.name(choice.device).to_owned(),
            scene.recipe(model, index),
            compute.map_or("impossible".into(), |time| time.to_string()),
            chain.bytes(index, choice.option).to_string(),
            scene.account.models[model].loss_by_layer[index].to_string(),
        ]
    });
    let headings = ["layer", "device", "recipe", "compute>", "weights and KV cache>", "loss>"];
    let summary = Tag::new("summary").text(&format!("Layers of {}", chain.name));
    let details = Tag::new("details").add(summary).add(table(headings, rows));
    Tag::new("section").add(details)
}
