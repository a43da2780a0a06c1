//! How well the times of a plan are known: measured with an interval, published, or estimated.

use edgeplan_cost_model::COVERAGE;
use edgeplan_pricing::{PricedDeployment, TimeConfidence};
use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::Plan;
use edgeplan_report::table::{Table, or_dash};
use serde::Serialize;

/// How well the times of one plan are known. Field names are stable keys.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Confidence {
    /// By device; empty for an instance file, which does not say.
    times: Vec<TimeConfidence>,
    /// Ends of each model's latency, where anything was measured.
    latency_interval_ns: Option<Vec<(Nanos, Nanos)>>,
    /// What a reader must know.
    notes: Vec<String>,
    #[serde(skip)]
    models: Vec<String>,
}

impl Confidence {
    pub(crate) fn of(priced: &PricedDeployment, plan: &Plan) -> Self {
        let models = priced.deployment.models.iter().map(|model| model.name.clone());
        Self {
            times: priced.confidence(plan),
            latency_interval_ns: priced.latency(plan),
            notes: priced.notes.clone(),
            models: models.collect(),
        }
    }

    /// A row for each device, and the interval of each model; nothing for an instance file.
    pub(crate) fn text(&self) -> String {
        if self.times.is_empty() {
            return String::new();
        }
        let inside = format!("{} %>", 100.0 * COVERAGE);
        let table = Table::new(["device", "times", "compute>", &inside, "from"]);
        let table = table.with_rows(self.times.iter().map(|device| {
            let interval = device.low_ns.zip(device.high_ns);
            [
                device.device.clone(),
                format!("{}{}", device.basis, if device.extrapolated { " *" } else { "" }),
                device.compute_ns.to_string(),
                or_dash(interval.map(|(low, high)| span(low, high))),
                device.origin.clone(),
            ]
        }));
        let mut lines = vec![String::new(), table.to_string()];
        if self.times.iter().any(|device| device.extrapolated) {
            lines
                .push("* passes of more rows, or layers of other sizes, than were measured".into());
        }
        for (model, &(low, high)) in
            self.models.iter().zip(self.latency_interval_ns.iter().flatten())
        {
            lines.push(format!("{model}: {} per request", span(low, high)));
        }
        lines.extend(self.notes.iter().cloned());
        lines.join("\n")
    }
}

/// An interval for people.
fn span(low: Nanos, high: Nanos) -> String {
    if high == Nanos::MAX { "unknown".into() } else { format!("{low} to {high}") }
}
