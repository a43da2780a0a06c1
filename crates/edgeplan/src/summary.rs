//! What a plan means for users: tokens per second, the first token, context,
//! quality.

use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::{Quality, Sensitivity};
use edgeplan_pricing::End;
use edgeplan_problem::deployment::Plan;
use edgeplan_problem::{Loss, Nanos, Problem as _};
use serde::Serialize;

use crate::Error;
use crate::session::Session;

/// A model under a plan, as its users see it.
///
/// See [`Session::summary`] for an example.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The model.
    pub model: String,
    /// Generated tokens per second of each request, after its prompt; none where none is
    /// generated.
    pub decode_tokens_per_s: Option<f64>,
    /// The same at both ends of the plan's interval of times, which holds nine of ten; none where
    /// too little is known to say.
    pub decode_interval: Option<(f64, f64)>,
    /// Time to the first token (TTFT), in nanoseconds.
    pub first_token_ns: Nanos,
    /// The same at both ends; none where too little is known to say.
    pub first_token_interval_ns: Option<(Nanos, Nanos)>,
    /// Prompt tokens of a request.
    pub prompt: u32,
    /// Requests that are served together.
    pub batch: u32,
    /// Tokens of each request that the KV cache is allocated for.
    pub context: u64,
    /// Loss, in the measure of the quality floor.
    pub loss: f64,
    /// The finest usual mix of llama.cpp that loses no less; none where every mix loses less.
    pub like: Option<&'static str>,
}

/// llama.cpp's usual mixes, finest first.
const MIXES: [&str; 8] = ["f16", "q8_0", "q6_K", "q5_K_M", "q4_K_M", "q4_K_S", "q3_K_M", "q2_K"];

impl Session {
    /// What a plan means for the users of each model; nothing for an instance file, which does not
    /// say what a request is.
    ///
    /// ```
    /// use edgeplan::{Quiet, Sources, Task};
    ///
    /// let session = Sources::default().load()?;
    /// let plan = session.plan(&Task::default(), &mut Quiet).outcome.plan.expect("there is one");
    /// let summary = &session.summary(&plan)?[0];
    /// println!("{}: {}", summary.model, summary.sentence());
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Session::requests`].
    pub fn summary(&self, plan: &Plan) -> Result<Vec<Summary>, Error> {
        let (Some(requests), Some(inputs), Some(workload)) =
            (self.requests()?, self.inputs(), self.workload())
        else {
            return Ok(Vec::new());
        };
        let account = self.deployment().evaluate(plan).account;
        let whole = requests.whole.evaluate(plan).account;
        let prompt = requests.prompt.evaluate(plan).account;
        let ends = [self.ends(plan, End::Low)?, self.ends(plan, End::High)?];
        let summary = |(index, model): (usize, &ModelSpec)| {
            let rate = |(whole, first): (Nanos, Nanos)| {
                let decode = whole.saturating_sub(first).as_f64();
                let rate = 1e9 * f64::from(workload.generate) / decode;
                (workload.generate > 0 && decode > 0.0).then_some(rate)
            };
            let middle = (whole.models[index].latency, prompt.models[index].latency);
            let [low, high] = ends.each_ref().map(|end| end.as_ref().map(|end| end[index]));
            let loss = account.models[index].loss;
            Ok(Summary {
                model: model.name.clone(),
                decode_tokens_per_s: rate(middle),
                decode_interval: high.and_then(rate).zip(low.and_then(rate)),
                first_token_ns: middle.1,
                first_token_interval_ns: low.zip(high).map(|(low, high)| (low.1, high.1)),
                prompt: workload.prompt,
                batch: workload.batch,
                context: workload.context(model)?,
                loss: loss.as_f64() / 1e9,
                like: like(model, &workload.floor(), loss),
            })
        };
        inputs.models.iter().enumerate().map(summary).collect()
    }
}

impl Session {
    /// What a plan means for the users of each model, a line each.
    ///
    /// See [`Session::summary`] for an example.
    ///
    /// # Errors
    /// As [`Session::summary`].
    pub fn sentences(&self, plan: &Plan) -> Result<Vec<String>, Error> {
        let line = |model: &Summary| format!("{}: {}", model.model, model.sentence());
        Ok(self.summary(plan)?.iter().map(line).collect())
    }

    /// Of each model: the times of a whole request and of its prompt at one end of their intervals;
    /// none where nothing is known of some device's.
    fn ends(&self, plan: &Plan, end: End) -> Result<Option<Vec<(Nanos, Nanos)>>, Error> {
        let known = self.priced().confidence(plan);
        if known.is_empty() || known.iter().any(|device| device.low_ns.is_none()) {
            return Ok(None);
        }
        let Some(requests) = self.requests_at(Some(end))? else { return Ok(None) };
        let whole = requests.whole.evaluate(plan).account.models;
        let prompt = requests.prompt.evaluate(plan).account.models;
        Ok(Some(
            whole.iter().zip(&prompt).map(|(all, first)| (all.latency, first.latency)).collect(),
        ))
    }
}

/// The finest usual mix that loses no less than this, in the measure of the quality floor.
fn like(model: &ModelSpec, floor: &Quality, loss: Loss) -> Option<&'static str> {
    let sensitivity = Sensitivity::new(model, floor);
    let no_less = |mix: &&str| {
        let budget = sensitivity.budget(model, &Quality::Like((**mix).to_owned()));
        matches!(budget, Ok(Some(budget)) if budget >= loss)
    };
    MIXES.into_iter().find(no_less)
}

impl Summary {
    /// One line for people.
    ///
    /// See [`Session::summary`] for an example.
    pub fn sentence(&self) -> String {
        let mut parts = Vec::new();
        if let Some(rate) = self.decode_tokens_per_s {
            let each = if self.batch > 1 { " for each request" } else { "" };
            parts.push(format!("{} tokens/s{each}", self.rate_text(rate)));
        }
        parts.push(format!("first token in {} after {} tokens", self.first_text(), self.prompt));
        parts.push(format!("{} tokens of context", self.context));
        let like = self.like.map(|mix| format!(" (like {mix})")).unwrap_or_default();
        parts.push(format!("loss {}{like}", digits(self.loss)));
        parts.join(", ")
    }
}

impl Summary {
    /// Generated tokens per second with their band, as far as it is known.
    fn rate_text(&self, rate: f64) -> String {
        match self.decode_interval {
            Some((low, high)) => span(&digits(low), &digits(high)),
            None => digits(rate),
        }
    }

    /// Generated tokens per second for a table; none where none is generated.
    pub(crate) fn rate_cell(&self) -> Option<String> {
        self.decode_tokens_per_s.map(|rate| self.rate_text(rate))
    }

    /// The time to the first token with its band, as far as it is known.
    pub(crate) fn first_text(&self) -> String {
        match self.first_token_interval_ns {
            Some((low, high)) => span(&low.to_string(), &high.to_string()),
            None => self.first_token_ns.to_string(),
        }
    }
}

/// An interval for people: one number where both ends read the same, one unit where they share it.
pub(crate) fn span(low: &str, high: &str) -> String {
    let units = low.split_once(' ').zip(high.split_once(' '));
    match units {
        _ if low == high => low.to_owned(),
        Some(((number, unit), (_, other))) if unit == other => format!("{number} to {high}"),
        _ => format!("{low} to {high}"),
    }
}

/// Three digits, as a person reads a rate.
fn digits(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ if value >= 1.0 => format!("{value:.2}"),
        _ if value >= 1e-3 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}
