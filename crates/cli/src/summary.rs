//! The first lines of an answer: what a plan means for whoever waits for it.

use anyhow::Result;
use edgeplan::{Aim, Session, Sought};
use edgeplan_problem::deployment::Plan;
use serde_json::{Value, json};

/// A line per model; nothing for an instance file.
pub(crate) fn lines(session: &Session, plan: &Plan) -> Result<Vec<String>> {
    let summaries = session.summary(plan)?;
    Ok(summaries.iter().map(|model| format!("{}: {}", model.model, model.sentence())).collect())
}

fn nats(loss: u64) -> f64 {
    loss as f64 / 1e9
}

/// What the objective looked for, and what is proven of it; nothing where it looked for nothing.
pub(crate) fn sought(session: &Session) -> Option<String> {
    let Sought { aim, value, bound } = session.sought()?;
    let models = session.inputs().map_or(&[][..], |inputs| &inputs.models);
    let is_models_own = models.iter().any(|model| model.context_max == Some(value));
    Some(match aim {
        Aim::Loss if bound == value => {
            format!("least loss: {:.6}, no plan loses less", nats(value))
        }
        Aim::Loss => {
            format!("least loss: {:.6}, no plan is below {:.6}", nats(value), nats(bound))
        }
        Aim::Context if is_models_own => {
            format!("longest context: {value} tokens, all that the model was made for")
        }
        Aim::Context if bound == value => {
            format!("longest context: {value} tokens, no plan has room for more")
        }
        Aim::Context => {
            format!("longest context: {value} tokens, no plan has room for more than {bound}")
        }
    })
}

/// The same for programs.
pub(crate) fn sought_json(sought: Sought) -> Value {
    let Sought { aim, value, bound } = sought;
    match aim {
        Aim::Loss => json!({ "objective": "quality", "loss": nats(value), "bound": nats(bound) }),
        Aim::Context => json!({ "objective": "context", "tokens": value, "bound": bound }),
    }
}
