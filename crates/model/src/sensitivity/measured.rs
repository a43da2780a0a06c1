//! Sensitivity files: what each format does to each tensor of one model, measured.
//!
//! A file is JSON, a line each, so that a measurement can be broken off and taken up again: first
//! the [`Header`], then [`Row`]s, [`Mix`]es, [`CacheRow`]s and [`Routing`]s in any order. A last
//! line that is cut off counts as not written.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_problem::Loss;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ModelSpec, TensorSpec};
use edgeplan_files::check_schema;
use edgeplan_files::{InputError, parse_json};
use edgeplan_problem::format::Format;

/// What a file says of itself in `schema`.
pub const SCHEMA: &str = "edgeplan-sensitivity/1";

/// Divergences below this are rounding, and no power of them means anything.
const LEAST: f64 = 1e-9;

const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// `edgeplan-sensitivity/1`.
    pub schema: String,
    /// The model's name.
    pub model: String,
    /// Where the numbers come from: a text, or another project's measurements.
    pub source: String,
    /// Tokens that were measured; 0 where that is unknown.
    pub tokens: u64,
    /// Tokens of a window.
    pub context: u64,
    /// Loss of the original on them, in nats per token.
    pub loss_nats: Option<f64>,
    /// The engine whose rounding and products were measured, `llama.cpp`; none where this project
    /// rounded with candle and multiplied in f32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// What one format does to one tensor, everything else as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name; a tied head is `output.weight`.
    pub tensor: String,
    /// The format.
    pub format: Format,
    /// Norm of the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm: Option<f64>,
    /// Norm of the difference over that of the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_difference: Option<f64>,
    /// Variance of the error of the outputs over that of the outputs, inputs as in the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variance: Option<f64>,
    /// Mean divergence from the original, in nats per token; none if only the above was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl_nats: Option<f64>,
    /// Change of the loss, in nats per token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_change_nats: Option<f64>,
}

/// A random recipe, to hold the sum over its tensors against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Its number, which is its seed.
    pub mix: u64,
    /// Bits per weight that it was drawn for; none where any size was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<f64>,
    /// Mean divergence from the original, in nats per token.
    pub kl_nats: f64,
    /// Change of the loss, in nats per token.
    pub loss_change_nats: f64,
}

/// What a KV cache in these formats does, weights as they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheRow {
    /// Format of the keys.
    pub keys: Format,
    /// Format of the values.
    pub values: Format,
    /// Mean divergence from the original, in nats per token.
    pub kl_nats: f64,
    /// Change of the loss, in nats per token.
    pub loss_change_nats: f64,
}

/// How often the experts of a block are used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// The block, from 0 on.
    pub block: u64,
    /// Tokens that each of its experts is used for: of the text, or of that of the importance
    /// matrix where an engine measured.
    pub routed: Vec<u64>,
}

/// A line after the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Line {
    /// One tensor in one format.
    Row(Row),
    /// All tensors, in a mix of formats.
    Mix(Mix),
    /// A KV cache.
    Cache(CacheRow),
    /// Experts of a block.
    Routing(Routing),
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredSensitivity {
    /// For errors.
    pub file: String,
    /// What it is about.
    pub header: Header,
    /// Mixes.
    pub mixes: Vec<Mix>,
    /// KV caches.
    pub caches: Vec<CacheRow>,
    /// Experts, by block.
    pub routings: Vec<Routing>,
    rows: Vec<Row>,
    /// The rows of each tensor, one for each of the few formats: a file has tens of thousands.
    of_tensor: BTreeMap<String, Vec<usize>>,
}

impl MeasuredSensitivity {
    /// Reads a file; `file` is only named in errors.
    ///
    /// # Errors
    /// Syntax with its line, unknown keys, another schema, two rows for the same, numbers out of
    /// range.
    ///
    /// # Complexity
    /// O(n log n) for n rows.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut lines = whole.lines();
        let Some(first) = lines.next() else {
            let problem = "is empty; a file of `edgeplan sensitivity` is needed";
            return Err(InputError::file(file, problem));
        };
        let header: Header = parse_json(&at(file, 0), first)?;
        check_schema(file, &header.schema, SCHEMA)?;
        let mut sensed = Self::empty(file, header);
        for (index, line) in lines.enumerate() {
            let place = at(file, index + 1);
            // By hand, because serde does not say what is wrong with an untagged enum.
            match line {
                _ if line.contains("\"mix\"") => sensed.mixes.push(parse_json(&place, line)?),
                _ if line.contains("\"keys\":") => {
                    let row: CacheRow = parse_json(&place, line)?;
                    check(&place, "kl_nats", Some(row.kl_nats), 0.0)?;
                    sensed.caches.push(row);
                }
                _ if line.contains("\"routed\":") => {
                    sensed.routings.push(parse_json(&place, line)?);
                }
                _ => sensed.add(&place, parse_json(&place, line)?)?,
            }
        }
        Ok(sensed)
    }

    fn empty(file: &str, header: Header) -> Self {
        let (mixes, caches, routings) = (Vec::new(), Vec::new(), Vec::new());
        let (rows, of_tensor) = (Vec::new(), BTreeMap::new());
        Self { file: file.into(), header, mixes, caches, routings, rows, of_tensor }
    }

    /// The same with one tensor for a tied embedding and head, under the embedding's name, as GGUF
    /// files store them: what both uses lose is added up. Of other models it is the same.
    pub fn as_in_file(&self, model: &ModelSpec) -> Self {
        if !model.tied {
            return self.clone();
        }
        let mut joined = Self::empty(&self.file, self.header.clone());
        (joined.mixes, joined.caches) = (self.mixes.clone(), self.caches.clone());
        joined.routings.clone_from(&self.routings);
        for row in self.rows.iter().filter(|row| row.tensor != HEAD) {
            let mut row = row.clone();
            let head = (row.tensor == EMBEDDING).then(|| self.row(HEAD, row.format)).flatten();
            if let Some(head) = head {
                let add = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a + b);
                row.kl_nats = add(row.kl_nats, head.kl_nats);
                row.loss_change_nats = add(row.loss_change_nats, head.loss_change_nats);
            }
            joined.of_tensor.entry(row.tensor.clone()).or_default().push(joined.rows.len());
            joined.rows.push(row);
        }
        joined
    }

    /// What a KV cache in one format for keys and values loses, in nats per token; none where that
    /// was not measured.
    pub fn cache(&self, format: Format) -> Option<f64> {
        let found = self.caches.iter().find(|row| row.keys == format && row.values == format);
        found.map(|row| row.kl_nats)
    }

    fn add(&mut self, place: &str, row: Row) -> Result<(), InputError> {
        let numbers = [
            ("norm", row.norm, 0.0),
            ("weight_difference", row.weight_difference, 0.0),
            ("variance", row.variance, 0.0),
            ("kl_nats", row.kl_nats, 0.0),
            ("loss_change_nats", row.loss_change_nats, -1e6),
        ];
        for (key, value, least) in numbers {
            check(place, key, value, least)?;
        }
        if self.row(&row.tensor, row.format).is_some() {
            let problem = format!("a second row for {} in {}", row.tensor, row.format);
            return Err(InputError::file(place, problem));
        }
        self.of_tensor.entry(row.tensor.clone()).or_default().push(self.rows.len());
        self.rows.push(row);
        Ok(())
    }

    /// Rows, in the order of the file.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of a tensor in a format.
    pub fn row(&self, tensor: &str, format: Format) -> Option<&Row> {
        self.of_tensor(tensor).find(|row| row.format == format)
    }

    /// The rows of a tensor, in the order of the file.
    fn of_tensor(&self, tensor: &str) -> impl Iterator<Item = &Row> {
        self.of_tensor.get(tensor).into_iter().flatten().map(|&index| &self.rows[index])
    }

    /// Divergence of a tensor in a format: as it was measured, or else on the curve of this tensor
    /// through the formats that were: divergence goes with the variance of the error, and between
    /// two measured formats with a power of it. None where nothing of the kind was measured.
    pub fn divergence(&self, tensor: &str, format: Format) -> Option<f64> {
        let row = self.row(tensor, format)?;
        if let Some(kl) = row.kl_nats {
            return Some(kl);
        }
        let variance = row.variance?;
        let mut known: Vec<(f64, f64)> = (self.of_tensor(tensor))
            .filter_map(|row| Some((row.variance?, row.kl_nats?)))
            .filter(|&(variance, kl)| variance > 0.0 && kl > LEAST)
            .collect();
        known.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (first, last) = (known.first()?, known.last()?);
        if variance <= first.0 {
            return Some(first.1 * variance / first.0);
        }
        if variance >= last.0 {
            return Some(last.1 * variance / last.0);
        }
        let above = known.iter().position(|known| known.0 >= variance)?;
        let ((x0, y0), (x1, y1)) = (known[above - 1], known[above]);
        let share = (variance / x0).ln() / (x1 / x0).ln();
        Some(y0 * (y1 / y0).powf(share))
    }

    /// The model with these measurements on its tensors.
    ///
    /// # Errors
    /// A tensor that a plan may choose a format for, but of which nothing was measured; a row about
    /// a tensor that the model does not have, or may not be quantized.
    pub fn attach(&self, mut model: ModelSpec) -> Result<ModelSpec, InputError> {
        let chosen = |tensor: &&mut TensorSpec| tensor.quantizable;
        let count = model.layers.iter().flat_map(|l| &l.tensors).filter(|t| t.quantizable).count();
        let norms: f64 = (model.layers.iter().flat_map(|layer| &layer.tensors))
            .filter_map(|tensor| self.of_tensor(&tensor.name).next()?.norm)
            .sum();
        let mut left: BTreeSet<&str> = self.of_tensor.keys().map(String::as_str).collect();
        for tensor in model.layers.iter_mut().flat_map(|l| &mut l.tensors).filter(chosen) {
            tensor.measured = (self.of_tensor(&tensor.name))
                .filter_map(|row| {
                    let share = row.norm.map(|norm| norm / norms);
                    let difference = row.weight_difference.zip(share).map(|(d, s)| d * s);
                    Some(Measured {
                        format: row.format,
                        divergence: nano(self.divergence(&tensor.name, row.format)?),
                        weight_difference: difference.map(nano),
                        variance: row.variance.map(|variance| nano(variance / count as f64)),
                    })
                })
                .collect();
            if tensor.measured.is_empty() {
                let problem = format!("nothing was measured of {}", tensor.name);
                return Err(InputError::file(&self.file, problem));
            }
            left.remove(tensor.name.as_str());
        }
        model.caches = (self.caches.iter().filter(|row| row.keys == row.values))
            .map(|row| (row.keys, nano(row.kl_nats)))
            .collect();
        match left.first() {
            None => Ok(model),
            Some(name) => {
                let problem = format!("{name} is no tensor of {} with a choice", model.name);
                Err(InputError::file(&self.file, problem))
            }
        }
    }
}

/// What a format costs in one tensor, as its share of what it costs in the whole model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// The format.
    pub format: Format,
    /// KL divergence, in nats per token.
    pub divergence: Loss,
    /// Norm of the difference over the sum of the norms of all matrices.
    pub weight_difference: Option<Loss>,
    /// Variance of the error of the outputs, over the number of matrices.
    pub variance: Option<Loss>,
}

fn check(place: &str, key: &str, value: Option<f64>, least: f64) -> Result<(), InputError> {
    match value.filter(|value| !(least..=1e6).contains(value)) {
        None => Ok(()),
        Some(value) => {
            let problem = format!("{value:?}; {least:?} to 1000000.0 are allowed");
            Err(InputError::key(place, key, problem))
        }
    }
}

fn nano(value: f64) -> Loss {
    Loss((value * 1e9).round() as u64)
}

fn at(file: &str, index: usize) -> String {
    format!("{file}: line {}", index + 1)
}

#[cfg(test)]
mod tests;
