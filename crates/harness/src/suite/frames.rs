//! `gus` and `pies-…`: decision frames of requests on edge servers and a cloud.

use edgeplan_files::{InputError, within};
use edgeplan_problem::scheduling::Mode;
use edgeplan_scheduling::{Frame, Settings, frame};
use itertools::iproduct;
use schemars::JsonSchema;
use serde::Deserialize;

use super::keys::{Few, List};
use super::{Case, Source, parameters};

/// More requests than any frame of a paper has.
const REQUESTS_MAX: u64 = 10_000_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Keys {
    /// Requests.
    requests: List<usize>,
    /// Seeds.
    seeds: List<u64>,
    /// Edge servers.
    #[serde(default)]
    edges: Few,
    /// Capacities over the paper's.
    #[serde(default)]
    capacity_percent: Few,
    /// What missed demands mean.
    mode: Option<Mode>,
}

impl Keys {
    pub(super) fn cases(&self, settings: Settings) -> Result<Vec<Case>, InputError> {
        let usual = Frame::new(settings);
        let product = iproduct!(
            self.requests.each(),
            self.edges.each(),
            self.capacity_percent.each(),
            self.seeds.each()
        );
        let mut cases = Vec::new();
        for (&requests, edges, capacity_percent, &seed) in product {
            cases.push(case(Frame {
                requests,
                edges: edges.map_or(usual.edges, |count| count as usize),
                capacity_percent: capacity_percent.unwrap_or(usual.capacity_percent),
                mode: self.mode.unwrap_or(usual.mode),
                seed,
                ..usual.clone()
            })?);
        }
        Ok(cases)
    }
}

fn case(drawn: Frame) -> Result<Case, InputError> {
    let Frame { settings, requests, edges, capacity_percent, seed, mode, .. } = drawn;
    // Drawn only to see whether the numbers are in their range.
    frame(&Frame { requests: requests.min(1), ..drawn.clone() })?;
    within("", "requests", requests as u64, &(1..=REQUESTS_MAX))?;
    let (name, mode) = (settings.name(), if mode == Mode::Hard { "hard" } else { "soft" });
    let own =
        [("requests", requests as u64), ("servers", edges as u64), ("capacity", capacity_percent)];
    Ok(Case {
        name: format!("{name}-{requests}x{edges}-c{capacity_percent}-{mode}-{seed}"),
        parameters: parameters(&format!("{name}-{mode}"), own),
        source: Source::Frame(drawn),
    })
}
