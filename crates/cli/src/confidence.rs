//! How well the times of a plan are known: measured with an interval, published, or estimated.

use edgeplan_cost_model::COVERAGE;
use edgeplan_pricing::{PricedDeployment, TimeConfidence};
use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::Plan;
use serde_json::{Map, Value, json};

use crate::report::table;

/// How well the times of one plan are known.
pub(crate) struct Confidence<'a> {
    priced: &'a PricedDeployment,
    devices: Vec<TimeConfidence>,
    /// Ends of each model's latency, where anything was measured.
    latency: Option<Vec<(Nanos, Nanos)>>,
}

impl<'a> Confidence<'a> {
    pub(crate) fn of(priced: &'a PricedDeployment, plan: &Plan) -> Self {
        let (devices, latency) = (priced.confidence(plan), priced.latency(plan));
        Self { priced, devices, latency }
    }

    /// A line per device; nothing for an instance file, which does not say.
    pub(crate) fn text(&self) -> String {
        if self.devices.is_empty() {
            return String::new();
        }
        let inside = format!("{} %", 100.0 * COVERAGE);
        let header = ["device", "times", "compute", &inside, "from"];
        let mut rows = table(&header, &[2, 3]);
        for device in &self.devices {
            let interval = device.low_ns.zip(device.high_ns);
            rows.add_row([
                device.device.clone(),
                format!("{}{}", device.basis, if device.extrapolated { " *" } else { "" }),
                device.compute_ns.to_string(),
                interval.map_or("-".into(), |(low, high)| span(low, high)),
                device.origin.clone(),
            ]);
        }
        let mut lines = vec![String::new(), rows.to_string()];
        if self.devices.iter().any(|device| device.extrapolated) {
            lines
                .push("* passes of more rows, or layers of other sizes, than were measured".into());
        }
        let models = self.priced.deployment.models.iter();
        for (model, &(low, high)) in models.zip(self.latency.iter().flatten()) {
            let span = span(low, high);
            lines.push(format!("{}: {span} per request, as far as measured", model.name));
        }
        lines.extend(self.priced.notes.iter().cloned());
        lines.join("\n")
    }

    /// The keys `times`, `latency_interval_ns` and `notes`.
    pub(crate) fn json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        json.insert("times".into(), json!(self.devices));
        json.insert("latency_interval_ns".into(), json!(self.latency));
        json.insert("notes".into(), json!(self.priced.notes));
        json
    }
}

/// An interval for people.
pub(crate) fn span(low: Nanos, high: Nanos) -> String {
    if high == Nanos::MAX { "unknown".into() } else { format!("{low} to {high}") }
}
