//! `dftsp`: requests that wait for one node, in the settings of DFTSP.

use edgeplan_batching::Scenario;
use edgeplan_batching::paper::{Band, Setting, formats};
use edgeplan_files::{InputError, within};
use edgeplan_problem::batching::Batching;
use itertools::iproduct;
use schemars::JsonSchema;
use serde::Deserialize;

use super::keys::List;
use super::{Case, Source, parameters};

/// Most waiting requests of an instance.
const REQUESTS_MAX: u64 = 100_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Keys {
    /// Requests.
    requests: List<usize>,
    /// Seeds.
    seeds: List<u64>,
    /// `catalog:NAME`, its blocks cut or repeated to fit.
    #[serde(default = "bloom")]
    model: String,
    /// The radio.
    #[serde(default)]
    band: BandKey,
    /// Whether the node chooses its quantization, too.
    #[serde(default)]
    any_format: bool,
}

fn bloom() -> String {
    "bloom-3b".into()
}

/// The radio.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum BandKey {
    /// So wide that memory binds.
    #[default]
    Wide,
    /// So narrow that the radio binds.
    Narrow,
}

/// An epoch to draw.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Epoch {
    setting: Setting,
    requests: usize,
    seed: u64,
}

impl Epoch {
    /// The instance; `name` is for errors.
    pub(super) fn generate(&self, name: &str) -> Result<Batching, InputError> {
        self.scenario().build(name)
    }

    /// What its file says.
    pub(super) fn scenario(&self) -> Scenario {
        self.setting.scenario(self.requests, self.seed)
    }
}

impl Keys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        let model = &self.model;
        let loaded = if model.contains(':') { model.clone() } else { format!("catalog:{model}") };
        edgeplan_model::load(&loaded)
            .map_err(|error| InputError::key("", "model", error.to_string()))?;
        let mut setting = Setting::of(model);
        let (band, word) = match self.band {
            BandKey::Wide => (Band::Wide, "wide"),
            BandKey::Narrow => (Band::Narrow, "narrow"),
        };
        setting.band = band;
        if self.any_format {
            setting.formats = formats();
        }
        let any = if self.any_format { "-any-format" } else { "" };
        let short = model.strip_prefix("catalog:").unwrap_or(model);
        let mut cases = Vec::new();
        for (&requests, &seed) in iproduct!(self.requests.each(), self.seeds.each()) {
            within("", "requests", requests as u64, &(1..=REQUESTS_MAX))?;
            let own = [("requests", requests as u64), ("formats", setting.formats.len() as u64)];
            let mut parameters = parameters(&format!("dftsp-{word}"), own);
            parameters.insert("model".into(), short.into());
            cases.push(Case {
                name: format!("dftsp-{short}-{requests}-{word}{any}-{seed}"),
                parameters,
                source: Source::Epoch(Epoch { setting: setting.clone(), requests, seed }),
            });
        }
        Ok(cases)
    }
}
