//! Predicted beside measured, for people and for programs.

use edgeplan_measure::sample::Sample;
use edgeplan_pricing::{PhaseTimes, Runs};
use edgeplan_problem::deployment::Part;
use edgeplan_problem::{Bytes, Nanos};
use edgeplan_report::table::{Table, or_dash};
use serde::Serialize;

use super::{Predicted, Verified};

/// Predicted over measured, less one; none where nothing was measured.
fn off(predicted: u64, measured: u64) -> Option<f64> {
    (measured > 0).then(|| predicted as f64 / measured as f64 - 1.0)
}

fn off_text(predicted: u64, measured: u64) -> String {
    or_dash(off(predicted, measured).map(|off| format!("{:+.1} %", 100.0 * off)))
}

impl Verified {
    /// Predicted beside measured, for people.
    ///
    /// See [`verify`](crate::verify()) for an example.
    pub fn text(&self) -> String {
        let Runs { prompt, generate, repeats } = self.runs;
        let mut text = format!(
            "{}: a prompt of {prompt} tokens and {generate} generated, medians of {repeats}\n\
             expected by {}\n\n{}\n\n{}\n",
            self.model.name,
            self.predicted.origin,
            self.layers(),
            self.sums(),
        );
        for note in &self.notes {
            text += &format!("note: {note}\n");
        }
        text
    }

    fn layers(&self) -> Table {
        let columns = ["layer", "prompt>", "measured>", "off>", "token>", "measured>", "off>"];
        let mut table = Table::new(columns);
        for (index, layer) in self.model.layers.iter().enumerate() {
            let (predicted, measured) = (self.predicted.layers[index], self.measured.layers[index]);
            let pair = |predicted: Predicted, measured: Nanos| {
                let median = predicted.median;
                [median.to_string(), measured.to_string(), off_text(median.0, measured.0)]
            };
            let token = predicted.token.zip(measured.token);
            let token = token.map_or(["-"; 3].map(Into::into), |(a, b)| pair(a, b));
            let name = vec![layer.part.to_string()];
            let prompt = pair(predicted.prompt, measured.prompt);
            table.row([name, prompt.into(), token.into()].concat());
        }
        table
    }

    fn sums(&self) -> String {
        let columns = ["", "predicted>", "interval>", "measured>", "off>", "quick>", "off>"];
        let mut table = Table::new(columns);
        let mut time = |what: &str, predicted: Predicted, measured: Sample, quick: Nanos| {
            let ends = predicted.ends.map(|(low, high)| format!("{low} .. {high}"));
            table.row([
                what.to_owned(),
                predicted.median.to_string(),
                or_dash(ends),
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
        table.row([
            "memory".to_owned(),
            needed.to_string(),
            format!("{needed} .. {}", account.memory()),
            or_dash(grown),
            or_dash(grown.map(|grown| off_text(needed.0, grown.0))),
            "-".into(),
            "-".into(),
        ]);
        let parts = [("weights", account.weights), ("cache", account.kv)];
        let parts = parts.map(|(what, bytes)| format!("{what} {bytes}")).join(", ");
        let rest =
            format!("activations {}, runtime up to {}", account.activations, account.overhead);
        format!(
            "{table}\nquick is every layer in the tenth of its runs that other work slowed least\n\
             memory is {parts}, {rest}"
        )
    }
}

/// A verified model. Field names are stable keys.
#[derive(Serialize)]
struct VerifiedKeys<'a> {
    model: &'a str,
    prompt: usize,
    generate: usize,
    repeats: usize,
    /// Where the predictions come from.
    profile: &'a str,
    layers: Vec<LayerKeys>,
    first_token: PassKeys,
    each_further_token: Option<PassKeys>,
    memory: MemoryKeys,
    notes: &'a [String],
}

#[derive(Serialize)]
struct LayerKeys {
    name: Part,
    prompt: TimeKeys,
    token: Option<TimeKeys>,
}

#[derive(Serialize)]
struct TimeKeys {
    predicted_ns: Nanos,
    predicted_low_ns: Option<Nanos>,
    predicted_high_ns: Option<Nanos>,
    measured_ns: Nanos,
    /// Predicted over measured, less one.
    off: Option<f64>,
}

#[derive(Serialize)]
struct PassKeys {
    #[serde(flatten)]
    time: TimeKeys,
    measured_mad_ns: Nanos,
    quick_ns: Nanos,
    quick_off: Option<f64>,
}

#[derive(Serialize)]
struct MemoryKeys {
    predicted_bytes: Bytes,
    predicted_weights_bytes: Bytes,
    predicted_cache_bytes: Bytes,
    predicted_activations_bytes: Bytes,
    predicted_with_runtime_bytes: Bytes,
    measured_bytes: Option<Bytes>,
    off: Option<f64>,
}

impl TimeKeys {
    fn new(predicted: Predicted, measured: Nanos) -> Self {
        Self {
            predicted_ns: predicted.median,
            predicted_low_ns: predicted.ends.map(|(low, _)| low),
            predicted_high_ns: predicted.ends.map(|(_, high)| high),
            measured_ns: measured,
            off: off(predicted.median.0, measured.0),
        }
    }
}

impl PassKeys {
    fn new(predicted: Predicted, measured: Sample, quick: Nanos) -> Self {
        Self {
            time: TimeKeys::new(predicted, measured.median),
            measured_mad_ns: measured.mad,
            quick_ns: quick,
            quick_off: off(predicted.median.0, quick.0),
        }
    }
}

impl Verified {
    /// Predicted beside measured for programs, under stable keys.
    ///
    /// See [`verify`](crate::verify()) for an example.
    pub fn keys(&self) -> impl Serialize {
        let Runs { prompt, generate, repeats } = self.runs;
        let times = self.predicted.layers.iter().zip(&self.measured.layers);
        let layers = self.model.layers.iter().zip(times).map(|(layer, (predicted, measured))| {
            let PhaseTimes { prompt, token } = predicted.with(*measured, TimeKeys::new);
            LayerKeys { name: layer.part, prompt, token }
        });
        let measured =
            self.measured.passes.with(self.measured.quick, |sample, quick| (sample, quick));
        let passes = self.predicted.passes.with(measured, |predicted, (measured, quick)| {
            PassKeys::new(predicted, measured, quick)
        });
        let account = &self.predicted.account;
        let grown = self.measured.resident;
        VerifiedKeys {
            model: &self.model.name,
            prompt,
            generate,
            repeats,
            profile: &self.predicted.origin,
            layers: layers.collect(),
            first_token: passes.prompt,
            each_further_token: passes.token,
            memory: MemoryKeys {
                predicted_bytes: self.predicted.memory,
                predicted_weights_bytes: account.weights,
                predicted_cache_bytes: account.kv,
                predicted_activations_bytes: account.activations,
                predicted_with_runtime_bytes: account.memory(),
                measured_bytes: grown,
                off: grown.and_then(|grown| off(self.predicted.memory.0, grown.0)),
            },
            notes: &self.notes,
        }
    }
}
