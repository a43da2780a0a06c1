//! A question, and how well its times are known.

use edgeplan_cost_model::Prediction;
use edgeplan_problem::deployment::{Deployment, DeviceId, Plan};
use edgeplan_problem::{Nanos, Problem as _};
use serde::Serialize;

/// Times by [option][device].
pub(super) type Times = Vec<Vec<Option<Prediction>>>;

/// A deployment problem with intervals of its times.
#[derive(Debug, Clone)]
pub struct Stated {
    /// The question, with the times in the middle of their intervals.
    pub deployment: Deployment,
    /// Where the times of each device come from.
    pub(super) origins: Vec<Origin>,
    /// [model][layer] times.
    pub(super) times: Vec<Vec<Times>>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Where the times of a device come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// Whether it was measured; published otherwise.
    pub(super) measured: bool,
    pub(super) text: String,
}

/// How well the times of a plan are known on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confidence {
    /// The device.
    pub device: String,
    /// `measured`, `published` or `estimated`, or one of the first two with `partly estimated`.
    pub basis: String,
    /// By whom or what.
    pub origin: String,
    /// Compute time of one request of every model.
    pub compute_ns: Nanos,
    /// Lower end of its interval; none where it was not measured, or too little to say.
    pub low_ns: Option<Nanos>,
    /// Upper end.
    pub high_ns: Option<Nanos>,
    /// Whether passes have more rows, or layers other sizes, than were measured.
    pub extrapolated: bool,
}

/// An end of the intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All times as short as they may be.
    Low,
    /// All times as long as they may be.
    High,
}

impl From<Deployment> for Stated {
    /// A question of whose times nothing more is known, as from an instance file.
    fn from(deployment: Deployment) -> Self {
        Self { deployment, origins: Vec::new(), times: Vec::new(), notes: Vec::new() }
    }
}

impl Stated {
    /// The question with all times at one end of their intervals; those that were not measured stay
    /// as they are, because nobody knows their error.
    pub fn at(&self, end: End) -> Deployment {
        let mut deployment = self.deployment.clone();
        for (model, times) in deployment.models.iter_mut().zip(&self.times) {
            for (layer, times) in model.layers.iter_mut().zip(times) {
                for (option, times) in layer.options.iter_mut().zip(times) {
                    let times = times.iter().map(|time| {
                        time.map(|time| if end == End::Low { time.low } else { time.high })
                    });
                    option.compute = times.collect();
                }
            }
        }
        deployment
    }

    /// Latency of each model under `plan` at both ends of the intervals; `None` if nothing that the
    /// plan uses was measured.
    pub fn latency(&self, plan: &Plan) -> Option<Vec<(Nanos, Nanos)>> {
        self.confidence(plan).iter().find(|device| device.low_ns.is_some())?;
        let ends = [End::Low, End::High].map(|end| self.at(end).evaluate(plan).account.models);
        Some(ends[0].iter().zip(&ends[1]).map(|(low, high)| (low.latency, high.latency)).collect())
    }

    /// How well the times of a plan are known, by device that it uses.
    pub fn confidence(&self, plan: &Plan) -> Vec<Confidence> {
        let of = |device: DeviceId| {
            let mut times = Vec::new();
            for (model, layers) in plan.models.iter().zip(&self.times) {
                for (assignment, options) in model.iter().zip(layers) {
                    if assignment.device == device {
                        times.push(options[assignment.option.index()][device.index()]?);
                    }
                }
            }
            (!times.is_empty()).then(|| self.on(device, &times))
        };
        self.deployment.device_ids().filter_map(of).collect()
    }

    /// How well these times, all on one device, are known.
    fn on(&self, device: DeviceId, times: &[Prediction]) -> Confidence {
        let Origin { measured, text } = &self.origins[device.index()];
        let estimated = times.iter().filter(|time| time.estimated).count();
        let known = if *measured { "measured" } else { "published" };
        let sum: Prediction = times.iter().copied().sum();
        let bounded = *measured && sum.high < Nanos::MAX;
        Confidence {
            device: self.deployment.device(device).name.clone(),
            basis: match estimated {
                0 => known.into(),
                some if some == times.len() && !measured => "estimated".into(),
                _ => format!("{known}, partly estimated"),
            },
            origin: text.clone(),
            compute_ns: sum.median,
            low_ns: bounded.then_some(sum.low),
            high_ns: bounded.then_some(sum.high),
            extrapolated: sum.extrapolated,
        }
    }
}
