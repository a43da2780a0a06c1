//! Models: layers, tensors and sizes.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use edgeplan_files::InputError;
use edgeplan_model::{LayerSpec, ModelSpec, StoredSum, TensorClass};
use edgeplan_problem::Bytes;
use edgeplan_problem::deployment::Part;
use edgeplan_problem::format::Format;
use edgeplan_report::table::Table;
use serde::Serialize;

/// The models of the catalog. See [`models`](super::models) for an example.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct ModelCatalog {
    /// By name.
    pub models: Vec<CatalogModel>,
}

/// A model of the catalog. Field names are stable keys. See [`models`](super::models) for an
/// example.
#[derive(Debug, Serialize)]
pub struct CatalogModel {
    /// `catalog:NAME`.
    pub spec: String,
    /// Parameters.
    pub parameters: u64,
    /// Embedding, blocks and head.
    pub layers: usize,
    /// Bytes in q4_K, where every row is whole blocks of it.
    #[serde(skip)]
    pub in_q4_k: Option<Bytes>,
    /// Bytes in f16.
    #[serde(skip)]
    pub in_f16: Option<Bytes>,
}

impl ModelCatalog {
    pub(super) fn new() -> Result<Self, InputError> {
        let names = edgeplan_model::names().into_iter().map(|name| format!("catalog:{name}"));
        let one = |spec: String| {
            let model = edgeplan_model::load(&spec)?;
            Ok(CatalogModel {
                parameters: model.parameters(),
                layers: model.layers.len(),
                in_q4_k: size(&model, Format::Q4K),
                in_f16: size(&model, Format::F16),
                spec,
            })
        };
        Ok(Self { models: names.map(one).collect::<Result<_, InputError>>()? })
    }
}

impl Display for ModelCatalog {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let table = Table::new(["model", "parameters>", "layers>", "in q4_K>", "in f16>"]);
        let rows = self.models.iter().map(|model| {
            [
                model.spec.clone(),
                format!("{:.2} B", model.parameters as f64 / 1e9),
                model.layers.to_string(),
                size_text(model.in_q4_k),
                size_text(model.in_f16),
            ]
        });
        table.with_rows(rows).fmt(f)
    }
}

/// What is known of a model. Field names are stable keys. See the [module](super) for an example.
#[derive(Debug, Serialize)]
pub struct ModelFacts {
    name: String,
    parameters: u64,
    hidden: u64,
    vocab: u64,
    /// Whether embedding and head are one tensor.
    tied: bool,
    /// Size by format; none where a row is no whole number of its blocks.
    bytes: BTreeMap<&'static str, Option<Bytes>>,
    stored: Vec<StoredType>,
    stored_bytes: Option<Bytes>,
    layers: Vec<LayerFacts>,
    /// KV cache of a token in f16.
    #[serde(skip)]
    kv_per_token: Bytes,
    /// Whether a plan may choose any format.
    #[serde(skip)]
    quantizable: bool,
}

/// Tensors of a file that are stored alike.
#[derive(Debug, Serialize)]
struct StoredType {
    #[serde(rename = "type")]
    name: &'static str,
    tensors: usize,
    bytes: Bytes,
}

#[derive(Debug, Serialize)]
struct LayerFacts {
    name: Part,
    kv_elements: u64,
    tensors: Vec<TensorFacts>,
}

#[derive(Debug, Serialize)]
struct TensorFacts {
    name: String,
    rows: u64,
    row_len: u64,
    stored: Option<&'static str>,
}

impl ModelFacts {
    pub(super) fn new(model: &ModelSpec) -> Self {
        let stored = model.stored_types().into_iter().map(|sum| {
            let StoredSum { name, tensors, bytes } = sum;
            StoredType { name, tensors, bytes }
        });
        let mut tensors = model.layers.iter().flat_map(|layer| &layer.tensors);
        Self {
            name: model.name.clone(),
            parameters: model.parameters(),
            hidden: model.hidden,
            vocab: model.vocab,
            tied: model.tied,
            bytes: Format::ALL.iter().map(|&of| (of.name(), size(model, of))).collect(),
            stored: stored.collect(),
            stored_bytes: model.stored_bytes(),
            layers: model.layers.iter().map(LayerFacts::new).collect(),
            kv_per_token: Bytes(model.layers.iter().map(|layer| 2 * layer.kv_elements()).sum()),
            quantizable: tensors.any(|tensor| tensor.quantizable),
        }
    }
}

impl LayerFacts {
    fn new(layer: &LayerSpec) -> Self {
        let tensors = layer.tensors.iter().map(|tensor| TensorFacts {
            name: tensor.name.clone(),
            rows: tensor.rows,
            row_len: tensor.row_len,
            stored: tensor.native.map(|stored| stored.name),
        });
        Self { name: layer.part, kv_elements: layer.kv_elements(), tensors: tensors.collect() }
    }
}

impl Display for ModelFacts {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: {} parameters, {} layers (embedding and head included), hidden {}, vocabulary \
             {}{}\nKV cache in f16: {} per token\n\n",
            self.name,
            self.parameters,
            self.layers.len(),
            self.hidden,
            self.vocab,
            if self.tied { ", tied embeddings" } else { "" },
            self.kv_per_token
        )?;
        let sizes = Format::ALL.map(|of| [of.name().to_owned(), size_text(self.bytes[of.name()])]);
        let sizes = Table::new(["format", "size>"]).with_rows(sizes);
        let Some(total) = self.stored_bytes else { return sizes.fmt(f) };
        let stored = self.stored.iter();
        let stored =
            stored.map(|of| [of.name.to_owned(), of.tensors.to_string(), of.bytes.to_string()]);
        let stored = Table::new(["stored as", "tensors>", "size>"]).with_rows(stored);
        write!(f, "{stored}\nin all: {total}")?;
        match self.quantizable {
            true => write!(f, "\n\n{sizes}"),
            false => write!(f, "; already quantized: a plan keeps every tensor as it is"),
        }
    }
}

/// Bytes of all tensors in that format, a tied one once.
fn size(model: &ModelSpec, format: Format) -> Option<Bytes> {
    let tensors = model.layers.iter().flat_map(|layer| &layer.tensors);
    let stored = |class| !(model.tied && class == TensorClass::Output);
    tensors.filter(|tensor| stored(tensor.class)).map(|tensor| tensor.bytes(format)).sum()
}

fn size_text(size: Option<Bytes>) -> String {
    size.map_or("rows are no whole blocks".into(), |size| size.to_string())
}
