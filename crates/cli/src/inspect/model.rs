//! `edgeplan inspect model`.

use anyhow::Result;
use edgeplan_model::{LayerSpec, ModelSpec, TensorClass};
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;
use serde_json::{Map, Value, json};

use crate::reply::Reply;
use crate::report::table;

/// The models of the catalog.
pub(super) fn catalog(json: bool) -> Result<Reply> {
    let specs = edgeplan_model::names().into_iter().map(|name| format!("catalog:{name}"));
    let models =
        specs.map(|spec| Ok((edgeplan_model::load(&spec)?, spec))).collect::<Result<Vec<_>>>()?;
    if json {
        let row = |(model, spec): &(ModelSpec, String)| {
            let layers = model.layers.len();
            json!({"spec": spec, "parameters": model.parameters(), "layers": layers})
        };
        return Ok(Reply::json(&models.iter().map(row).collect::<Vec<Value>>()));
    }
    let mut rows = table(&["model", "parameters", "layers", "in q4_K", "in f16"], &[1, 2, 3, 4]);
    for (model, spec) in &models {
        rows.add_row([
            spec.clone(),
            format!("{:.2} B", model.parameters() as f64 / 1e9),
            model.layers.len().to_string(),
            size_text(model, Format::Q4K),
            size_text(model, Format::F16),
        ]);
    }
    Ok(Reply::text(&rows.to_string()))
}

/// One model: sizes in each format, and what its file stores.
pub(super) fn one(spec: &str, json: bool) -> Result<Reply> {
    let model = edgeplan_model::load(spec)?;
    if json {
        return Ok(Reply::json(&model_json(&model)));
    }
    let kv: u64 = model.layers.iter().map(|layer| 2 * layer.kv_elements()).sum();
    let head = format!(
        "{}: {} parameters, {} layers (embedding and head included), hidden {}, vocabulary {}{}\n\
         KV cache in f16: {} per token",
        model.name,
        model.parameters(),
        model.layers.len(),
        model.hidden,
        model.vocab,
        if model.tied { ", tied embeddings" } else { "" },
        Bytes(kv)
    );
    let mut sizes = table(&["format", "size"], &[1]);
    for format in Format::ALL {
        sizes.add_row([format.name().to_owned(), size_text(&model, format)]);
    }
    let Some(total) = model.stored_bytes() else {
        return Ok(Reply::text(&format!("{head}\n\n{sizes}")));
    };
    let mut stored = table(&["stored as", "tensors", "size"], &[1, 2]);
    for (name, tensors, bytes) in model.stored_types() {
        stored.add_row([name.to_owned(), tensors.to_string(), bytes.to_string()]);
    }
    let free = model.layers.iter().flat_map(|layer| &layer.tensors).any(|each| each.quantizable);
    if free {
        return Ok(Reply::text(&format!("{head}\n\n{stored}\nin all: {total}\n\n{sizes}")));
    }
    let note = "already quantized: a plan keeps every tensor as it is";
    Ok(Reply::text(&format!("{head}\n\n{stored}\nin all: {total}; {note}")))
}

fn model_json(model: &ModelSpec) -> Value {
    let sizes: Map<String, Value> = Format::ALL
        .iter()
        .map(|format| (format.name().into(), json!(size(model, *format))))
        .collect();
    let stored: Vec<Value> = (model.stored_types().into_iter())
        .map(|(name, tensors, bytes)| json!({"type": name, "tensors": tensors, "bytes": bytes}))
        .collect();
    json!({
        "name": model.name,
        "parameters": model.parameters(),
        "hidden": model.hidden,
        "vocab": model.vocab,
        "tied": model.tied,
        "bytes": sizes,
        "stored": stored,
        "stored_bytes": model.stored_bytes(),
        "layers": model.layers.iter().map(layer_json).collect::<Vec<Value>>(),
    })
}

/// Bytes of all tensors in that format, a tied one once.
fn size(model: &ModelSpec, format: Format) -> Option<Bytes> {
    let tensors = model.layers.iter().flat_map(|layer| &layer.tensors);
    let stored = |class| !(model.tied && class == TensorClass::Output);
    tensors.filter(|tensor| stored(tensor.class)).map(|tensor| tensor.bytes(format)).sum()
}

fn size_text(model: &ModelSpec, format: Format) -> String {
    size(model, format).map_or("rows are no whole blocks".into(), |size| size.to_string())
}

fn layer_json(layer: &LayerSpec) -> Value {
    let tensors: Vec<Value> = layer
        .tensors
        .iter()
        .map(|tensor| {
            json!({
                "name": tensor.name,
                "rows": tensor.rows,
                "row_len": tensor.row_len,
                "stored": tensor.native.map(|stored| stored.name),
            })
        })
        .collect();
    json!({"name": layer.part, "kv_elements": layer.kv_elements(), "tensors": tensors})
}
