//! Per-tensor measurements of the GGUF Tool Suite, by **Thireus and its contributors**, who must be
//! named wherever the numbers are shown.
//!
//! Their `kld_results.csv` has a column for each tensor and a row for each type: the divergence of
//! the whole model when only that tensor is in that type. What a model loses as a whole in each
//! type stands in `group0/kld_results.csv`. Few types were measured tensor by tensor, so divergence
//! in a format is that of the probe, times what the whole model loses in the format over what it
//! loses in the probe.

use std::collections::BTreeMap;

use edgeplan_problem::format::Format;

use super::measured::{Header, MeasuredSensitivity, Row, SCHEMA};
use crate::ModelSpec;
use edgeplan_files::{InputError, read_text};

/// Whom the numbers are owed to.
pub const CREDIT: &str = "Thireus and the contributors of GGUF Tool Suite";

/// The text of a sensitivity file: of every tensor of the model that was measured in the type
/// `probe`, divergence in every format that the whole model was measured in.
///
/// # Errors
/// Files that cannot be read or are no such tables, a probe that is not in both, a tensor of the
/// model with a choice of formats that was not measured, two rows for one format.
pub fn import(
    model: &ModelSpec,
    tensors: &std::path::Path,
    whole: &std::path::Path,
    probe: &str,
) -> Result<String, InputError> {
    let (by_tensor, whole) = (Table::read(tensors)?, Table::read(whole)?);
    let probes = by_tensor.row(probe)?;
    let total = whole.row(probe)?.values().copied().next().unwrap_or_default();
    if total <= 0.0 {
        let problem = format!("{total:?} in {probe}; more than 0 is needed");
        return Err(InputError::file(&whole.file, problem));
    }
    let formats = whole.formats()?;
    let header = Header {
        schema: SCHEMA.into(),
        model: model.name.clone(),
        source: format!("measured by {CREDIT}, {probe} of every tensor"),
        tokens: 0,
        context: 0,
        loss_nats: None,
        origin: None,
    };
    let mut lines = vec![line(&header)];
    for tensor in model.layers.iter().flat_map(|layer| &layer.tensors) {
        if !tensor.quantizable {
            continue;
        }
        let tied = if model.tied && tensor.name == "output.weight" {
            "token_embd.weight"
        } else {
            &tensor.name
        };
        let Some(kl) = probes.get(tied) else {
            let problem = format!("no column {tied}; {} has that tensor", model.name);
            return Err(InputError::file(&by_tensor.file, problem));
        };
        // The table has one number for both uses of a tied tensor.
        let uses = if model.tied && tied == "token_embd.weight" { 2.0 } else { 1.0 };
        for (&format, value) in &formats {
            if tensor.bytes(format).is_some() {
                lines.push(line(&Row {
                    tensor: tensor.name.clone(),
                    format,
                    norm: None,
                    weight_difference: None,
                    variance: None,
                    kl_nats: Some(kl / uses * value / total),
                    loss_change_nats: None,
                }));
            }
        }
    }
    let text = lines.concat();
    MeasuredSensitivity::parse(&format!("sensitivity file made of {}", by_tensor.file), &text)?;
    Ok(text)
}

fn line(value: &impl serde::Serialize) -> String {
    // Numbers are finite and keys are texts, so this cannot fail.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

/// A table with types down and tensors across.
#[derive(Debug)]
pub struct Table {
    file: String,
    rows: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Table {
    /// Reads a table; what was not measured is left out.
    ///
    /// # Errors
    /// A file that cannot be read, another first column, numbers out of range, a row twice.
    pub fn read(path: &std::path::Path) -> Result<Self, InputError> {
        let file = path.display().to_string();
        let text = read_text(path)?;
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let refused = |error: csv::Error| InputError::file(&file, error.to_string());
        let header = reader.headers().map_err(refused)?.clone();
        if header.get(0) != Some("QTYPE") {
            let problem = format!("begins with `{}`; `QTYPE` is", header.get(0).unwrap_or(""));
            return Err(InputError::file(&file, problem));
        }
        let mut rows = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(refused)?;
            let name = record.get(0).unwrap_or_default().to_owned();
            let mut values = BTreeMap::new();
            for (column, text) in header.iter().zip(&record).skip(1) {
                // What was not measured says 404, or nothing.
                if text.is_empty() || text == "404" {
                    continue;
                }
                let value = text.parse::<f64>().ok().filter(|value| (0.0..1e6).contains(value));
                let value = value.ok_or_else(|| {
                    let problem = format!("`{text}`; a number of nats from 0 is allowed");
                    InputError::key(&file, format!("{name}, {column}"), problem)
                })?;
                values.insert(column.to_owned(), value);
            }
            if rows.contains_key(&name) {
                return Err(InputError::file(&file, format!("two rows {name}; one is allowed")));
            }
            rows.insert(name, values);
        }
        Ok(Self { file, rows })
    }

    /// The first number of each row whose type is a format.
    fn formats(&self) -> Result<BTreeMap<Format, f64>, InputError> {
        let mut found: BTreeMap<Format, (&str, f64)> = BTreeMap::new();
        for (name, values) in &self.rows {
            let (Ok(format), Some(&value)) = (name.parse::<Format>(), values.values().next())
            else {
                continue;
            };
            // Names of formats are read in any case.
            if let Some((other, _)) = found.insert(format, (name, value)) {
                let problem = format!("rows {other} and {name}; one row of {format} is allowed");
                return Err(InputError::file(&self.file, problem));
            }
        }
        Ok(found.into_iter().map(|(format, (_, value))| (format, value)).collect())
    }

    /// Divergence by tensor in a type, in nats.
    ///
    /// # Errors
    /// A type of which nothing was measured.
    pub fn row(&self, name: &str) -> Result<&BTreeMap<String, f64>, InputError> {
        let found = self.rows.get(name).filter(|values| !values.is_empty());
        found.ok_or_else(|| {
            let known: Vec<&str> = self.rows.keys().map(String::as_str).collect();
            InputError::file(&self.file, format!("no row {name}; it has {}", known.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_scaled_to_every_format() {
        let folder = tempfile::tempdir().unwrap();
        let model = crate::load("catalog:smollm2-135m").unwrap();
        let tensors = || model.layers.iter().flat_map(|layer| &layer.tensors);
        let names: Vec<&str> = tensors()
            .filter(|tensor| tensor.quantizable && tensor.name != "output.weight")
            .map(|tensor| tensor.name.as_str())
            .collect();
        let (table, whole) = (folder.path().join("t.csv"), folder.path().join("w.csv"));
        let values = vec!["0.5"; names.len()].join(",");
        let missing = vec!["404"; names.len()].join(",");
        let text = format!("QTYPE,{}\nq2_k_r4,{values}\niq1_kt,{missing}\n", names.join(","));
        std::fs::write(&table, &text).unwrap();
        std::fs::write(&whole, "QTYPE,group0\nbf16,0\nq2_k_r4,0.8\nq4_0,0.08\nq4_K,0.04\n")
            .unwrap();
        let made = import(&model, &table, &whole, "q2_k_r4").unwrap();
        let sensed = MeasuredSensitivity::parse("s", &made).unwrap();
        assert!(sensed.header.source.contains("Thireus"));
        let row = |name: &str, format| sensed.divergence(name, format);
        for (name, format, expected) in [
            ("blk.3.attn_q.weight", Format::Q4_0, 0.05),
            ("output.weight", Format::Q4_0, 0.025),
            ("blk.3.ffn_down.weight", Format::Q4K, 0.025),
        ] {
            let found = row(name, format).unwrap();
            assert!((found - expected).abs() < 1e-12, "{name}: {found}");
        }
        assert_eq!(row("blk.3.attn_q.weight", Format::Q4K), None);
        sensed.attach(model.clone()).unwrap();
        let error = import(&model, &table, &whole, "iq1_kt").unwrap_err().to_string();
        assert!(error.contains("no row iq1_kt; it has iq1_kt, q2_k_r4"), "{error}");
        for (rows, expected) in [
            ("q4_K,0.04\nq4_k,0.05\n", "w.csv: rows q4_K and q4_k; one row of q4_K is allowed"),
            ("q4_K,0.04\nq4_K,0.04\n", "w.csv: two rows q4_K; one is allowed"),
        ] {
            std::fs::write(&whole, format!("QTYPE,group0\nq2_k_r4,0.8\n{rows}")).unwrap();
            let error = import(&model, &table, &whole, "q2_k_r4").unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        }
        // Every number is in range, and what follows from them is not.
        std::fs::write(&whole, "QTYPE,group0\nq2_k_r4,1e-9\nq4_0,9e5\n").unwrap();
        let error = import(&model, &table, &whole, "q2_k_r4").unwrap_err().to_string();
        assert!(error.starts_with("sensitivity file made of "), "{error}");
        assert!(error.contains("kl_nats: "), "{error}");
        std::fs::write(&table, text.replace("0.5", "x")).unwrap();
        let error = import(&model, &table, &whole, "q2_k_r4").unwrap_err().to_string();
        assert!(error.contains("t.csv: q2_k_r4, "), "{error}");
        assert!(error.contains("`x`; a number of nats"), "{error}");
    }
}
