//! What `llama-bench -o jsonl` prints (ggml-org/llama.cpp, tools/llama-bench): one test a line.

use edgeplan_cost_model::engine::{Pass, PassTiming, Spread, Way};
use edgeplan_measure::sample::Sample;
use edgeplan_problem::Nanos;
use edgeplan_problem::format::Format;
use serde::Deserialize;

use crate::programs::EngineError;

/// A test, as far as it is used.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Test {
    pub(crate) build_commit: String,
    pub(crate) n_threads: u32,
    type_k: String,
    n_prompt: u64,
    n_gen: u64,
    #[serde(default)]
    n_depth: u64,
    samples_ns: Vec<u64>,
}

/// The tests that a run printed.
///
/// # Errors
/// A line that is no test.
pub(crate) fn tests(printed: &str) -> Result<Vec<Test>, EngineError> {
    let line = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| EngineError::Printed {
            program: "llama-bench",
            problem: format!("line {}: {error}", index + 1),
        })
    };
    let lines = printed.lines().enumerate();
    lines.filter(|(_, text)| text.trim_start().starts_with('{')).map(line).collect()
}

impl Test {
    /// The cell of a test of prompts or of generating alone.
    ///
    /// # Errors
    /// Both at once or neither, an unknown cache, no times.
    pub(crate) fn timing(&self, model: &str, way: Way) -> Result<PassTiming, EngineError> {
        let wrong = |problem: String| EngineError::Printed { program: "llama-bench", problem };
        let (rows, passes) = match (self.n_prompt, self.n_gen) {
            (rows @ 1.., 0) => (rows, 1),
            (0, steps @ 1..) => (1, steps),
            (rows, steps) => {
                let problem = format!("n_prompt {rows} and n_gen {steps}; one of them is needed");
                return Err(wrong(problem));
            }
        };
        let cache = self.type_k.parse::<Format>().map_err(|error| wrong(error.to_string()))?;
        let times: Vec<Nanos> =
            self.samples_ns.iter().map(|time| Nanos(time / passes).max(Nanos(1))).collect();
        let time = spread(&times).ok_or_else(|| wrong("samples_ns is empty".into()))?;
        let pass = Pass { model: model.into(), rows, depth: self.n_depth, passes, cache, way };
        Ok(PassTiming { pass, time })
    }
}

/// The middle of repeated times, and their noise; none of no times.
pub(crate) fn spread(times: &[Nanos]) -> Option<Spread> {
    let Sample { median, mad, repeats } = Sample::of(times)?;
    Some(Spread { min_ns: *times.iter().min()?, median_ns: median, mad_ns: mad, repeats })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\n\
        {\"build_commit\": \"abc1234\", \"gpu_info\": \"\", \"backends\": \"CPU,RPC\", \
        \"n_threads\": 2, \"type_k\": \"f16\", \"n_prompt\": 128, \"n_gen\": 0, \"n_depth\": 0, \
        \"avg_ns\": 80, \"samples_ns\": [90, 70, 80]}\n\
        {\"build_commit\": \"abc1234\", \"gpu_info\": \"\", \"backends\": \"CPU,RPC\", \
        \"n_threads\": 2, \"type_k\": \"q8_0\", \"n_prompt\": 0, \"n_gen\": 8, \"n_depth\": 512, \
        \"samples_ns\": [800, 1600, 880, 960]}\n";

    #[test]
    fn a_test_is_a_pass_with_its_noise() {
        let found = tests(PRINTED).unwrap();
        let prompt = found[0].timing("m", Way::Plain).unwrap();
        assert_eq!((prompt.pass.rows, prompt.pass.passes, prompt.pass.depth), (128, 1, 0));
        let wanted =
            Spread { min_ns: Nanos(70), median_ns: Nanos(80), mad_ns: Nanos(10), repeats: 3 };
        assert_eq!(prompt.time, wanted);
        let step = found[1].timing("m", Way::AsStored).unwrap();
        assert_eq!((step.pass.rows, step.pass.passes, step.pass.depth), (1, 8, 512));
        assert_eq!(step.pass.cache, Format::Q8_0);
        // The middle of an even number lies between two.
        assert_eq!((step.time.min_ns, step.time.median_ns), (Nanos(100), Nanos(115)));
    }

    #[test]
    fn what_is_no_test_is_said() {
        let error = tests("{\"n_prompt\": 3}").unwrap_err().to_string();
        assert!(error.starts_with("llama-bench printed: line 1: missing field"), "{error}");
        let mut both = tests(PRINTED).unwrap().remove(0);
        both.n_gen = 4;
        let error = both.timing("m", Way::Plain).unwrap_err().to_string();
        assert!(error.contains("n_prompt 128 and n_gen 4"), "{error}");
    }
}
