//! `edgeshard`: the testbed of EdgeShard in several sizes.

use edgeplan_families::published::{EdgeShard, edgeshard};
use edgeplan_files::InputError;
use edgeplan_pricing::workload::Returns;
use edgeplan_problem::deployment::{Objective, Placement};
use itertools::iproduct;
use schemars::JsonSchema;
use serde::Deserialize;

use super::deployments::{Choice, Generator, Variations};
use super::keys::{Few, List};
use super::{Case, parameters};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Keys {
    /// Jetsons AGX Orin; there is one RTX 3090.
    agx: List<usize>,
    /// Jetsons Orin NX.
    nx: List<usize>,
    /// Memory scaled to this percentage of what the best uniform format needs.
    #[serde(default)]
    tight_percent: Few,
    /// What is minimised.
    objective: Option<Objective>,
    /// Where layers may lie.
    placement: Option<Placement>,
}

impl Keys {
    pub(super) fn cases(&self) -> Result<Vec<Case>, InputError> {
        let objective = self.objective.unwrap_or(Objective::Latency);
        let mut choices = Vec::new();
        for (&agx, &nx) in iproduct!(self.agx.each(), self.nx.each()) {
            let testbed = EdgeShard { agx, nx, returns: Returns::Token };
            // Drawn only to see whether the numbers are in their range.
            edgeshard(testbed, objective)?;
            choices.push(Choice {
                stem: format!("edgeshard-{agx}-{nx}"),
                seed: None,
                parameters: parameters("edgeshard", [("models", 1)]),
                generator: Generator::EdgeShard(testbed),
            });
        }
        let variations = Variations {
            objective,
            placement: self.placement.unwrap_or(Placement::Contiguous),
            usual_placement: Placement::Contiguous,
            tight_percent: &self.tight_percent,
            quality_percent: &Few::default(),
        };
        variations.cases(choices)
    }
}
