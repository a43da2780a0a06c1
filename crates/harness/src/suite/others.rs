//! Families of schedules and of batches.

use edgeplan_batching::paper::{Band, Setting, formats};
use edgeplan_files::InputError;
use edgeplan_problem::batching::Batching;
use edgeplan_problem::scheduling::Mode;
use edgeplan_scheduling::{Frame, Settings, frame};

use super::family::{BandName, Family, few, required, within};
use super::{Case, Source};

/// Requests that wait for one node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Epoch {
    setting: Setting,
    requests: usize,
    seed: u64,
}

/// Requests of a batch that anybody would try to choose among.
const WAITING_MAX: u64 = 100_000;

impl Epoch {
    /// The instance; `name` is for errors.
    pub(super) fn generate(&self, name: &str) -> Result<Batching, InputError> {
        self.setting.scenario(self.requests, self.seed).build(name)
    }
}

impl Family {
    /// The cases of a family of decision frames.
    pub(super) fn frames(&self) -> Result<Vec<Case>, InputError> {
        let word = self.name.word();
        let known = Settings::ALL.iter().find(|(name, _)| *name == word);
        let settings = known.expect("families of frames are named for their settings").1;
        let usual =
            Frame { mode: self.mode.unwrap_or(Frame::new(settings).mode), ..Frame::new(settings) };
        let mut cases = Vec::new();
        for &requests in required("requests", &self.requests)? {
            for edges in few("edges", &self.edges)? {
                for capacity in few("capacity-percent", &self.capacity_percent)? {
                    for &seed in required("seeds", &self.seeds)? {
                        let edges = edges.map_or(usual.edges, |count| count as usize);
                        let capacity_percent = capacity.unwrap_or(usual.capacity_percent);
                        let frame =
                            Frame { requests, edges, capacity_percent, seed, ..usual.clone() };
                        cases.push(frame_case(word, frame)?);
                    }
                }
            }
        }
        Ok(cases)
    }

    /// The cases of a family of waiting requests.
    pub(super) fn epochs(&self) -> Result<Vec<Case>, InputError> {
        let model = self.model.as_deref().unwrap_or("bloom-3b");
        let mut setting = Setting::of(model);
        let loaded = if model.contains(':') { model.into() } else { format!("catalog:{model}") };
        edgeplan_model::load(&loaded)
            .map_err(|error| InputError::key("", "model", error.to_string()))?;
        let narrow = self.band == Some(BandName::Narrow);
        setting.band = if narrow { Band::Narrow } else { Band::Wide };
        if self.any_format == Some(true) {
            setting.formats = formats();
        }
        let band = if narrow { "narrow" } else { "wide" };
        let any = if self.any_format == Some(true) { "-any-format" } else { "" };
        let short = model.strip_prefix("catalog:").unwrap_or(model);
        let mut cases = Vec::new();
        for &requests in required("requests", &self.requests)? {
            within("requests", requests as u64, (1, WAITING_MAX))?;
            for &seed in required("seeds", &self.seeds)? {
                cases.push(Case {
                    name: format!("dftsp-{short}-{requests}-{band}{any}-{seed}"),
                    parameters: format!(
                        "family=dftsp-{band};model={short};requests={requests};formats={}",
                        setting.formats.len()
                    ),
                    source: Source::Epoch(Epoch { setting: setting.clone(), requests, seed }),
                });
            }
        }
        Ok(cases)
    }
}

fn frame_case(word: &str, parameters: Frame) -> Result<Case, InputError> {
    let Frame { requests, edges, capacity_percent, seed, mode, .. } = parameters;
    let mode = if mode == Mode::Hard { "hard" } else { "soft" };
    // Drawn only to see whether the numbers are in their range.
    frame(&Frame { requests: requests.min(1), ..parameters.clone() })
        .map_err(|error| InputError { file: String::new(), ..error })?;
    within("requests", requests as u64, (1, 10_000_000))?;
    Ok(Case {
        name: format!("{word}-{requests}x{edges}-c{capacity_percent}-{mode}-{seed}"),
        parameters: format!(
            "family={word}-{mode};requests={requests};servers={edges};capacity={capacity_percent}"
        ),
        source: Source::Frame(parameters),
    })
}
