//! How much one part of the search may do: the words in which `tuning.rs` speaks.

/// A climb of the dual bound on one grid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DualRound {
    /// Steps of the grid of run memory; coarse grids are quick and weak, fine ones slow and strong.
    pub(crate) steps: u64,
    /// Evaluations of a climb, unless it stops rising before.
    pub(crate) evaluations: u32,
    /// Times that ng-sets may grow, each followed by another climb.
    pub(crate) growths: u32,
}

/// How many labels a search keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beam {
    /// A heuristic: labels of a layer, and of each kind (device and used devices).
    Narrow { per_layer: usize, per_kind: usize },
    /// A search that hopes to be complete: all of a kind, so many of a layer.
    Wide { per_layer: usize },
    /// The same, as many as take about the time of the climb before.
    Balanced,
    /// The same, as many as memory allows.
    Unlimited,
}

impl Beam {
    /// Whether it hopes to be complete: then bounds at other prices pay for their tables.
    pub(crate) fn is_wide(self) -> bool {
        !matches!(self, Self::Narrow { .. })
    }
}

/// Climb, search labels, fix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) dual: DualRound,
    pub(crate) beam: Beam,
}

/// The same where the memory of devices is shared by runs or models.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JointRound {
    pub(crate) dual: DualRound,
    /// Labels per layer; as many as memory allows if none.
    pub(crate) per_layer: Option<usize>,
}

/// A size up to which a list is not thinned: the larger of the two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowding {
    /// Labels.
    pub(crate) labels_min: usize,
    /// Labels, times the width of the search.
    pub(crate) widths: usize,
}

impl Crowding {
    /// The most labels for a search of that width.
    pub(crate) fn labels_max(self, width: usize) -> usize {
        self.labels_min.max(self.widths.saturating_mul(width))
    }
}

/// What is tried for one cycle time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CycleEffort {
    /// Searches over whole runs, each with more effort than the one before.
    pub(crate) run_searches: usize,
    /// Rounds layer by layer.
    pub(crate) rounds: usize,
    /// Nodes after them; until all are closed if none.
    pub(crate) nodes: Option<usize>,
}

/// A search over whole runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunSearch {
    /// Labels of each number of layers.
    pub(crate) labels: usize,
    /// Climbs, between which ng-sets grow.
    pub(crate) climbs: u32,
}
