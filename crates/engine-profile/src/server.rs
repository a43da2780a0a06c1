//! `llama-server`: what it says of the tokens of one answer.

use std::time::Duration;

use edgeplan_problem::Nanos;
use serde::Deserialize;
use serde_json::json;

use crate::programs::EngineError;

const PROGRAM: &str = "llama-server";
/// How long one answer may take.
const LONGEST: Duration = Duration::from_secs(60);

/// Where it listens.
#[derive(Debug)]
pub(crate) struct Server {
    agent: ureq::Agent,
    address: String,
}

#[derive(Deserialize)]
struct Completion {
    timings: Timings,
}

#[derive(Deserialize)]
struct Timings {
    predicted_n: u64,
    predicted_per_token_ms: f64,
}

impl Server {
    pub(crate) fn at(port: u16) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(LONGEST)).build();
        Self { agent: config.into(), address: format!("http://127.0.0.1:{port}") }
    }

    /// Whether it has loaded its model.
    pub(crate) fn ready(&self) -> bool {
        self.agent.get(format!("{}/health", self.address)).call().is_ok()
    }

    /// Time of each of so many tokens after a prompt of one, the most probable ones.
    ///
    /// # Errors
    /// No answer, or one of another length.
    pub(crate) fn ask(&self, tokens: u64) -> Result<Nanos, EngineError> {
        let failed = |problem: String| EngineError::Failed { program: PROGRAM, problem };
        let body = json!({
            "prompt": [1],
            "n_predict": tokens + 1,
            "ignore_eos": true,
            "cache_prompt": false,
            "samplers": ["top_k"],
            "top_k": 1,
        });
        let url = format!("{}/completion", self.address);
        let answer = self.agent.post(url).send_json(body);
        let mut answer = answer.map_err(|error| failed(error.to_string()))?;
        let Completion { timings } =
            answer.body_mut().read_json().map_err(|error| failed(error.to_string()))?;
        if timings.predicted_n != tokens + 1 {
            return Err(failed(format!("{} tokens instead of {tokens}", timings.predicted_n)));
        }
        Ok(Nanos((1e6 * timings.predicted_per_token_ms).round().max(1.0) as u64))
    }
}
