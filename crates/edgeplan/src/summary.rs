//! What a plan means for users: tokens per second, the first token, context,
//! quality.

use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::{Quality, Sensitivity};
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
    /// The same at both ends of the plan's interval of times; none where nothing was measured.
    pub decode_interval: Option<(f64, f64)>,
    /// Time to the first token (TTFT), in nanoseconds.
    pub first_token_ns: Nanos,
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
        let ends = self.priced().latency(plan);
        let summary = |(index, model): (usize, &ModelSpec)| {
            let (whole, first) = (whole.models[index].latency, prompt.models[index].latency);
            let each = whole.saturating_sub(first).as_f64() / f64::from(workload.generate.max(1));
            let rate = (workload.generate > 0 && each > 0.0).then(|| 1e9 / each);
            let middle = account.models[index].latency.as_f64();
            let (low, high) = ends.as_ref().map(|ends| ends[index]).unzip();
            let at = |end: Option<Nanos>| {
                let end = end.filter(|&end| end != Nanos::MAX && end.0 > 0)?;
                Some(rate? * middle / end.as_f64())
            };
            let loss = account.models[index].loss;
            Ok(Summary {
                model: model.name.clone(),
                decode_tokens_per_s: rate,
                decode_interval: at(high).zip(at(low)),
                first_token_ns: first,
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
            let span = match self.decode_interval {
                Some((low, high)) => format!("{} to {}", digits(low), digits(high)),
                None => digits(rate),
            };
            parts.push(format!("{span} tokens/s{each}"));
        }
        parts.push(format!("first token in {} after {} tokens", self.first_token_ns, self.prompt));
        parts.push(format!("{} tokens of context", self.context));
        let like = self.like.map(|mix| format!(" (like {mix})")).unwrap_or_default();
        parts.push(format!("loss {}{like}", digits(self.loss)));
        parts.join(", ")
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
