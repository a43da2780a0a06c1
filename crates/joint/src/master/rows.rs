//! The rows of the master.

use edgeplan_problem::deployment::Objective;

use crate::question::Question;

/// Positions of rows.
pub(super) struct Rows {
    /// By model.
    pub(super) unit: Vec<usize>,
    pub(super) begin: Vec<usize>,
    /// None where devices send.
    pub(super) end: Vec<usize>,
    /// By device.
    pub(super) device: Vec<usize>,
    /// By model: loss and latency, where limited.
    pub(super) loss: Vec<Option<usize>>,
    pub(super) latency: Vec<Option<usize>>,
    /// By device: compute within the bottleneck, sending within it or its limit, bytes sent.
    pub(super) compute: Vec<Option<usize>>,
    pub(super) sending: Vec<Option<usize>>,
    pub(super) traffic: Vec<Option<usize>>,
}

impl Rows {
    /// Their bounds and positions.
    pub(super) fn new(question: &Question<'_>, routed: bool) -> (Vec<(f64, f64)>, Self) {
        let deployment = question.deployment;
        let mut bounds = Vec::new();
        let mut row = |lower: f64, upper: f64| {
            bounds.push((lower, upper));
            bounds.len() - 1
        };
        let most = |limit: u64| if limit == 0 { 0.0 } else { 1.0 };
        let least = f64::NEG_INFINITY;
        let models = &deployment.models;
        let devices = &deployment.devices;
        let bottleneck = deployment.objective == Objective::Bottleneck;
        let places = question.choices.len();
        let sending = match (bottleneck, deployment.bottleneck_max) {
            (true, _) => Some(0.0),
            (false, limit) => limit.map(|limit| most(limit.0)),
        };
        let rows = Self {
            unit: models.iter().map(|_| row(1.0, 1.0)).collect(),
            begin: (0..places).map(|_| row(0.0, 0.0)).collect(),
            end: (0..if routed { 0 } else { places }).map(|_| row(0.0, 0.0)).collect(),
            device: devices.iter().map(|_| row(least, 1.0)).collect(),
            loss: (models.iter())
                .map(|model| model.loss_max.map(|limit| row(least, most(limit.0))))
                .collect(),
            latency: (models.iter())
                .map(|_| deployment.latency_max.map(|limit| row(least, most(limit.0))))
                .collect(),
            compute: devices.iter().map(|_| bottleneck.then(|| row(least, 0.0))).collect(),
            sending: devices.iter().map(|_| sending.map(|limit| row(least, limit))).collect(),
            traffic: (devices.iter())
                .map(|device| device.traffic_max.map(|limit| row(least, most(limit.0))))
                .collect(),
        };
        (bounds, rows)
    }
}
