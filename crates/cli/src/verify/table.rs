//! Predicted beside measured, for people and for programs.

use edgeplan::{Expectation, Predicted};
use edgeplan_engine::measure::{Measured, Runs};
use edgeplan_measure::sample::Sample;
use edgeplan_model::ModelSpec;
use edgeplan_pricing::PhaseTimes;
use edgeplan_problem::{Bytes, Nanos};
use serde_json::{Value, json};

use crate::report::table;

/// A prediction and what came of it.
pub(super) struct Comparison<'a> {
    pub(super) spec: &'a ModelSpec,
    pub(super) runs: Runs,
    pub(super) predicted: &'a Expectation,
    pub(super) measured: Measured,
    pub(super) notes: Vec<String>,
}

/// Predicted over measured, less one; none where nothing was measured.
fn off(predicted: u64, measured: u64) -> Option<f64> {
    (measured > 0).then(|| predicted as f64 / measured as f64 - 1.0)
}

fn off_text(predicted: u64, measured: u64) -> String {
    off(predicted, measured).map_or("-".into(), |off| format!("{:+.1} %", 100.0 * off))
}

impl Comparison<'_> {
    pub(super) fn text(&self) -> String {
        let Runs { prompt, generate, repeats } = self.runs;
        let mut text = format!(
            "{}: a prompt of {prompt} tokens and {generate} generated, medians of {repeats}\n\
             expected by {}\n\n{}\n\n{}\n",
            self.spec.name,
            self.predicted.origin,
            self.layers(),
            self.sums(),
        );
        for note in &self.notes {
            text += &format!("note: {note}\n");
        }
        text
    }

    fn layers(&self) -> String {
        let header = ["layer", "prompt", "measured", "off", "token", "measured", "off"];
        let mut rows = table(&header, &[1, 2, 3, 4, 5, 6]);
        for (index, layer) in self.spec.layers.iter().enumerate() {
            let (predicted, measured) = (self.predicted.layers[index], self.measured.layers[index]);
            let pair = |predicted: Predicted, measured: Nanos| {
                let median = predicted.median;
                [median.to_string(), measured.to_string(), off_text(median.0, measured.0)]
            };
            let token = predicted.token.zip(measured.token);
            let token = token.map_or(["-"; 3].map(Into::into), |(a, b)| pair(a, b));
            let name = vec![layer.part.to_string()];
            rows.add_row(
                [name, pair(predicted.prompt, measured.prompt).into(), token.into()].concat(),
            );
        }
        rows.to_string()
    }

    fn sums(&self) -> String {
        let header = ["", "predicted", "interval", "measured", "off", "quick", "off"];
        let mut rows = table(&header, &[1, 2, 3, 4, 5, 6]);
        let mut time = |what: &str, predicted: Predicted, measured: Sample, quick: Nanos| {
            let ends = predicted.ends.map(|(low, high)| format!("{low} .. {high}"));
            rows.add_row([
                what.to_owned(),
                predicted.median.to_string(),
                ends.unwrap_or("-".into()),
                format!("{} +- {}", measured.median, measured.mad),
                off_text(predicted.median.0, measured.median.0),
                quick.to_string(),
                off_text(predicted.median.0, quick.0),
            ]);
        };
        let (predicted, measured) = (self.predicted.passes, self.measured.passes);
        let quick = self.measured.quick;
        time("first token", predicted.prompt, measured.prompt, quick.prompt);
        let tokens = predicted.token.zip(measured.token).zip(quick.token);
        if let Some(((predicted, measured), quick)) = tokens {
            time("each further token", predicted, measured, quick);
        }
        let needed = self.predicted.memory;
        let account = &self.predicted.account;
        let grown = self.measured.resident;
        rows.add_row([
            "memory".to_owned(),
            needed.to_string(),
            format!("{needed} .. {}", account.memory()),
            grown.map_or("-".into(), |grown| grown.to_string()),
            grown.map_or("-".into(), |grown| off_text(needed.0, grown.0)),
            "-".into(),
            "-".into(),
        ]);
        let parts = [("weights", account.weights), ("cache", account.kv)];
        let parts = parts.map(|(what, bytes)| format!("{what} {bytes}")).join(", ");
        let rest =
            format!("activations {}, runtime up to {}", account.activations, account.overhead);
        format!(
            "{rows}\nquick is every layer in the tenth of its runs that other work slowed least\n\
             memory is {parts}, {rest}"
        )
    }

    pub(super) fn json(&self) -> Value {
        let Runs { prompt, generate, repeats } = self.runs;
        let layer = |(index, layer): (usize, &edgeplan_model::LayerSpec)| {
            let (predicted, measured) = (self.predicted.layers[index], self.measured.layers[index]);
            let PhaseTimes { prompt, token } = pairs(predicted, measured, time_json);
            json!({"name": layer.part, "prompt": prompt, "token": token})
        };
        let layers: Vec<Value> = self.spec.layers.iter().enumerate().map(layer).collect();
        let sample = |predicted: Predicted, (measured, quick): (Sample, Nanos)| {
            let mut json = time_json(predicted, measured.median);
            json["measured_mad_ns"] = json!(measured.mad);
            json["quick_ns"] = json!(quick);
            json["quick_off"] = json!(off(predicted.median.0, quick.0));
            json
        };
        let measured = pairs(self.measured.passes, self.measured.quick, |a, b| (a, b));
        let passes = pairs(self.predicted.passes, measured, sample);
        let account = &self.predicted.account;
        let grown = self.measured.resident;
        json!({
            "model": self.spec.name,
            "prompt": prompt,
            "generate": generate,
            "repeats": repeats,
            "profile": self.predicted.origin,
            "layers": layers,
            "first_token": passes.prompt,
            "each_further_token": passes.token,
            "memory": {
                "predicted_bytes": self.predicted.memory,
                "predicted_weights_bytes": account.weights,
                "predicted_cache_bytes": account.kv,
                "predicted_activations_bytes": account.activations,
                "predicted_with_runtime_bytes": account.memory(),
                "measured_bytes": grown,
                "off": grown.and_then(|Bytes(grown)| off(self.predicted.memory.0, grown)),
            },
            "notes": self.notes,
        })
    }
}

/// Both halves of two times.
fn pairs<A, B, C>(a: PhaseTimes<A>, b: PhaseTimes<B>, both: impl Fn(A, B) -> C) -> PhaseTimes<C> {
    PhaseTimes {
        prompt: both(a.prompt, b.prompt),
        token: a.token.zip(b.token).map(|(a, b)| both(a, b)),
    }
}

fn time_json(predicted: Predicted, measured: Nanos) -> Value {
    json!({
        "predicted_ns": predicted.median,
        "predicted_low_ns": predicted.ends.map(|(low, _)| low),
        "predicted_high_ns": predicted.ends.map(|(_, high)| high),
        "measured_ns": measured,
        "off": off(predicted.median.0, measured.0),
    })
}
