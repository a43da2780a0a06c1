//! `edgeplan inspect`: what a model is made of, and how large it is in each format.

use std::process::ExitCode;

use anyhow::Result;
use edgeplan_instances::file::to_json;
use edgeplan_instances::format::Format;
use edgeplan_instances::model::{self, ModelSpec};
use edgeplan_problem::Bytes;
use serde_json::{Value, json};

use crate::report::table;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// `catalog:NAME`, a config.json, or a folder that holds one; without it, the catalog's names
    model: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Some(spec) = &arguments.model else {
        model::names().iter().for_each(|name| println!("catalog:{name}"));
        return Ok(ExitCode::SUCCESS);
    };
    let model = model::load(spec)?;
    if arguments.json {
        let layers: Vec<Value> = model.layers.iter().map(layer_json).collect();
        let sizes: serde_json::Map<String, Value> = Format::ALL
            .iter()
            .map(|format| (format.name().into(), json!(size(&model, *format))))
            .collect();
        let json = json!({
            "name": model.name,
            "parameters": model.parameters(),
            "hidden": model.hidden,
            "vocab": model.vocab,
            "tied": model.tied,
            "bytes": sizes,
            "layers": layers,
        });
        print!("{}", to_json(&json));
        return Ok(ExitCode::SUCCESS);
    }
    let kv: u64 = model.layers.iter().map(|layer| 2 * layer.kv_elements).sum();
    println!(
        "{}: {} parameters, {} layers (embedding and head included), hidden {}, vocabulary {}{}",
        model.name,
        model.parameters(),
        model.layers.len(),
        model.hidden,
        model.vocab,
        if model.tied { ", tied embeddings" } else { "" }
    );
    println!("KV cache in f16: {} per token\n", Bytes(kv));
    let mut sizes = table(&["format", "size"], &[1]);
    for format in Format::ALL {
        let text =
            size(&model, format).map_or("rows are no whole blocks".into(), |s| s.to_string());
        sizes.add_row([format.name().to_owned(), text]);
    }
    println!("{sizes}");
    Ok(ExitCode::SUCCESS)
}

/// Bytes of all tensors in that format, a tied one once.
fn size(model: &ModelSpec, format: Format) -> Option<Bytes> {
    let tensors = model.layers.iter().flat_map(|layer| &layer.tensors);
    let stored = |class| !(model.tied && class == model::TensorClass::Output);
    tensors.filter(|tensor| stored(tensor.class)).map(|tensor| tensor.bytes(format)).sum()
}

fn layer_json(layer: &model::LayerSpec) -> Value {
    let tensors: Vec<Value> = layer
        .tensors
        .iter()
        .map(|tensor| json!({"name": tensor.name, "rows": tensor.rows, "row_len": tensor.row_len}))
        .collect();
    json!({"name": layer.name, "kv_elements": layer.kv_elements, "tensors": tensors})
}
