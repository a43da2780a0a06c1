//! What climbs of one chain leave to later ones.

use super::grid::References;
use super::ng_sets::NgSets;
use super::path::Mixture;
use super::prices::Prices;
use crate::chain::Chain;

/// What one climb leaves to the next, on any chain with the same layers and devices: nothing here
/// depends on which choices have left.
#[derive(Debug, Clone)]
pub(crate) struct DualState {
    pub(crate) prices: Prices,
    pub(crate) ng_sets: NgSets,
    pub(crate) references: References,
    /// The paths that attain the bound together.
    pub(crate) mixture: Mixture,
}

impl DualState {
    /// Nothing is known yet.
    pub(crate) fn new(chain: &Chain) -> Self {
        Self {
            prices: Prices::zero(chain.devices),
            ng_sets: NgSets::empty(chain.devices),
            references: References::unknown(chain),
            mixture: Mixture::new(),
        }
    }
}
