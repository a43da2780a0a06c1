//! What steers the search over hosts and proves nothing.

/// Hosts of several devices. Set when the method came, on one host of three devices and four hosts
/// of three with 94 blocks of experts in four formats; not measured one by one.
#[derive(Debug)]
pub(crate) struct HostTuning {
    /// Layers up to which labels are tried before nodes.
    pub(crate) enumerated_layers_max: usize,
    /// Evaluations of the first climb, and of one after a decision.
    pub(crate) root_evaluations: u32,
    pub(crate) node_evaluations: u32,
    /// The gain that the model must predict, relative to the target, for a climb to go on: a tenth
    /// of the gap that people ask for.
    pub(crate) predicted_gain_min: f64,
    /// Nodes of a search near a plan, and layers by which borders of hosts may lie elsewhere there.
    pub(crate) near_nodes: u32,
    pub(crate) near_layers: usize,
    /// Hosts up to which paths remember all that they entered: 16 subsets each of five.
    pub(crate) remembered_max: usize,
    /// Times that ng-sets of hosts may grow, and rows that they may grow to.
    pub(crate) growths: u32,
    pub(crate) rows_max: usize,
    /// How much of the best prices is in those that are tried next (Wentges, Int. Trans. Opl. Res.
    /// 4, 1997).
    pub(crate) smoothing: f64,
    /// The highest price of what is allowed of a row, in target costs.
    pub(crate) price_max: f64,
    /// One mixture in so many is rounded to a plan: at the root of evaluations, below of depths.
    pub(crate) rounded_every: u32,
    /// Counts nearer to a whole number than this are as good as whole.
    pub(crate) whole: f64,
    /// Rounds of moves that may mend a path.
    pub(crate) mending_rounds: usize,
    /// How much dearer than the best a plan may be for pairs of moves to be tried, and for its
    /// borders to be shifted.
    pub(crate) exchanged_near: f64,
    pub(crate) shifted_near: f64,
    /// Blocks by which a border between hosts is shifted at most.
    pub(crate) shifted_blocks: usize,
    /// Moves that do the same, of which this many are tried in pairs.
    pub(crate) alike_moves: usize,
}

/// The tuning in use.
pub(crate) const HOSTS: HostTuning = HostTuning {
    enumerated_layers_max: 20,
    root_evaluations: 300,
    node_evaluations: 60,
    predicted_gain_min: 1e-5,
    near_nodes: 60,
    near_layers: 10,
    remembered_max: 5,
    growths: 4,
    rows_max: 1 << 12,
    smoothing: 0.6,
    price_max: 8.0,
    rounded_every: 4,
    whole: 0.02,
    mending_rounds: 12,
    exchanged_near: 1e-2,
    shifted_near: 0.0,
    shifted_blocks: 3,
    alike_moves: 3,
};
