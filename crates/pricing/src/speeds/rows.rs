//! The table of public speeds.

use edgeplan_files::InputError;
use edgeplan_machines::device::{Device, Stage, from_catalog};
use edgeplan_model::ModelSpec;
use serde::{Deserialize, Serialize};

use super::alone::Request;

const FILE: &str = "bench-data/devices/public-speeds.csv";
const TEXT: &str = include_str!("../../../../bench-data/devices/public-speeds.csv");

/// Tokens where a source does not say how many: those of `llama-bench`.
const USUAL: (u64, u64) = (512, 128);

/// A published speed: of one model alone on one device of the catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicSpeed {
    /// The device, by its name in the catalog.
    pub device: String,
    /// The model, by its name in the catalog.
    pub model: String,
    /// The format of its weights, or one of llama.cpp's mixes.
    pub format: String,
    /// Prompt tokens per second.
    pub prefill: Option<f64>,
    /// Generated tokens per second at batch 1.
    pub decode: Option<f64>,
    /// Tokens of the prompt, where that was said.
    pub prompt: Option<u64>,
    /// Tokens that were generated, where that was said.
    pub generate: Option<u64>,
    /// The backend that it was measured with.
    pub backend: String,
    /// Who published it.
    pub source: String,
}

/// The table of this build.
///
/// # Errors
/// None that is known: a test reads it.
pub fn public_speeds() -> Result<Vec<PublicSpeed>, InputError> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(TEXT.as_bytes());
    let rows: Result<_, csv::Error> = reader.deserialize().collect();
    rows.map_err(|error| InputError::file(FILE, error.to_string()))
}

impl PublicSpeed {
    /// The speed of one stage, where it was published.
    pub fn speed(&self, stage: Stage) -> Option<f64> {
        match stage {
            Stage::Prefill => self.prefill,
            Stage::Decode => self.decode,
        }
    }

    pub(super) fn request(&self) -> Request<'_> {
        Request {
            format: &self.format,
            prompt: self.prompt.unwrap_or(USUAL.0),
            generate: self.generate.unwrap_or(USUAL.1),
        }
    }

    pub(super) fn model(&self) -> Result<ModelSpec, InputError> {
        edgeplan_model::load(&format!("catalog:{}", self.model))
    }

    /// The device as if nothing had been published of it.
    pub(super) fn bare(&self) -> Result<Device, InputError> {
        Ok(Device { speed: Vec::new(), ..from_catalog(&self.device)? })
    }

    /// The device less what this very row says of the stage; none where nothing else is published.
    pub(super) fn otherwise_known(&self, stage: Stage) -> Result<Option<Device>, InputError> {
        let mut device = from_catalog(&self.device)?;
        let mut left = false;
        for speed in &mut device.speed {
            let value = match stage {
                Stage::Prefill => &mut speed.prefill,
                Stage::Decode => &mut speed.decode,
            };
            let same = |(a, b): (f64, f64)| (a / b - 1.0).abs() < 1e-3;
            if speed.model == self.model && value.zip(self.speed(stage)).is_some_and(same) {
                *value = None;
            }
            left |= value.is_some();
        }
        Ok(left.then_some(device))
    }

    /// The machine, whatever memory it has: `rtx-3080` of `rtx-3080-12`.
    pub(super) fn machine(&self) -> &str {
        match self.device.rsplit_once('-') {
            Some((machine, size)) if size.parse::<u32>().is_ok() => machine,
            _ => &self.device,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_names_what_the_catalogs_hold_and_is_within_reach() {
        let rows = public_speeds().unwrap();
        let pairs: BTreeSet<_> = rows.iter().map(|row| (&row.device, &row.model)).collect();
        let devices: BTreeSet<_> = rows.iter().map(|row| &row.device).collect();
        assert!(pairs.len() >= 60 && devices.len() >= 25, "{} {}", pairs.len(), devices.len());
        for row in &rows {
            let device = from_catalog(&row.device).unwrap();
            let model = row.model().unwrap();
            edgeplan_model::sensitivity::formats_of(&model, &row.format).unwrap();
            assert!(!row.source.is_empty() && !row.backend.is_empty(), "{row:?}");
            assert!(row.decode.is_some() || row.prefill.is_some(), "{row:?}");
            for speed in [row.prefill, row.decode].into_iter().flatten() {
                assert!((0.1..1e5).contains(&speed), "{row:?}");
            }
            // No token without what it uses of the weights; two bits at least.
            let uses = |tensor: &edgeplan_model::TensorSpec| {
                let (used, experts) = tensor.experts.unwrap_or((1, 1));
                tensor.elements() as f64 * used as f64 / experts as f64
            };
            let tensors = model.layers.iter().skip(1).flat_map(|layer| &layer.tensors);
            let active: f64 = tensors.map(uses).sum();
            let bytes = row.decode.unwrap_or_default() * active / 4.0;
            assert!(bytes < 1e9 * device.bandwidth_gb_s, "{row:?}");
        }
    }
}
