//! What `config.json` says of how a model computes, beside the lengths of its parts.

use candle_core::Result as Computed;
use edgeplan_files::{InputError, parse_json};
use edgeplan_model::Shape;
use edgeplan_reference_llama::turns;
use serde::Deserialize;

use super::names::{LLAMA, Names, OPT};
use crate::architecture::{Architecture, Gate, Norm, Pairs, Sight, Turns};
use crate::decoder::POSITIONS_BEFORE;

/// Families that can be run.
const FAMILIES: [&str; 4] = ["llama", "mistral", "qwen2", "opt"];

/// Keys that matter; every family has dozens of others. Defaults are those of transformers.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    model_type: String,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<Rope>,
    /// What newer versions have instead of the two.
    rope_parameters: Option<Rope>,
    partial_rotary_factor: Option<f64>,
    hidden_act: Option<String>,
    activation_function: Option<String>,
    do_layer_norm_before: Option<bool>,
    enable_bias: Option<bool>,
    layer_norm_elementwise_affine: Option<bool>,
    max_position_embeddings: Option<u64>,
}

/// How positions are turned.
#[derive(Debug, Clone, Deserialize)]
struct Rope {
    rope_type: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

impl Config {
    /// Reads what can be run.
    ///
    /// # Errors
    /// A family, or a variant of one, that cannot be.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let config: Self = parse_json(file, text)?;
        let family = config.model_type.as_str();
        if !FAMILIES.contains(&family) {
            let known = FAMILIES.join(", ");
            let problem = format!("`{family}` cannot be run; {known} are allowed");
            return Err(InputError::key(file, "model_type", problem));
        }
        let (key, found, needed) = match config.is_opt() {
            true => ("activation_function", &config.activation_function, "relu"),
            false => ("hidden_act", &config.hidden_act, "silu"),
        };
        if let Some(found) = found.as_ref().filter(|found| *found != needed) {
            let problem = format!("`{found}` cannot be run; `{needed}` is allowed");
            return Err(InputError::key(file, key, problem));
        }
        let truths = [
            ("enable_bias", config.enable_bias),
            ("layer_norm_elementwise_affine", config.layer_norm_elementwise_affine),
        ];
        if let Some((key, _)) = truths.into_iter().find(|(_, truth)| *truth == Some(false)) {
            return Err(InputError::key(file, key, "false cannot be run; true is allowed"));
        }
        let positive = |key: &str, value: Option<f64>, most: f64| match value {
            Some(value) if !(value > 0.0 && value <= most) => {
                let problem = format!("{value:?}; more than 0 and up to {most:?} is allowed");
                Err(InputError::key(file, key, problem))
            }
            _ => Ok(()),
        };
        positive("rms_norm_eps", config.rms_norm_eps, 1.0)?;
        positive("rope_theta", Some(config.base()), 1e12)?;
        if config.partial_rotary_factor.is_some_and(|share| share != 1.0) {
            let problem = "only 1.0 can be run";
            return Err(InputError::key(file, "partial_rotary_factor", problem));
        }
        for rope in [&config.rope_scaling, &config.rope_parameters].into_iter().flatten() {
            rope.check(file)?;
        }
        Ok(config)
    }

    /// Whether it is an OPT; else it is a llama.
    pub(super) fn is_opt(&self) -> bool {
        self.model_type == "opt"
    }

    pub(super) fn names(&self) -> &'static Names {
        if self.is_opt() { &OPT } else { &LLAMA }
    }

    pub(super) fn epsilon(&self) -> f32 {
        match self.is_opt() {
            // That of PyTorch's LayerNorm, which no config has.
            true => 1e-5,
            false => self.rms_norm_eps.unwrap_or(1e-6) as f32,
        }
    }

    /// Positions that it was trained for.
    pub(super) fn context(&self) -> u64 {
        self.max_position_embeddings.unwrap_or(2048)
    }

    /// What angles are powers of.
    pub(super) fn base(&self) -> f64 {
        let newer = self.rope_parameters.as_ref().and_then(|rope| rope.rope_theta);
        self.rope_theta.or(newer).unwrap_or(1e4)
    }

    /// What divides the angle of each pair, where anything does.
    pub(super) fn factors(&self, dims: usize) -> Option<Vec<f32>> {
        let rope = self.rope_scaling.as_ref().or(self.rope_parameters.as_ref())?;
        let angle = |pair: usize| self.base().powf(-2.0 * pair as f64 / dims as f64);
        let factors = (0..dims / 2).map(|pair| rope.factor(angle(pair)) as f32);
        (rope.kind() != "default").then(|| factors.collect())
    }

    /// With room for that many positions.
    ///
    /// # Errors
    /// Those of candle.
    pub(super) fn architecture(&self, shape: &Shape, room: usize) -> Computed<Architecture> {
        let head_dim = shape.head_dim as usize;
        let turned = || -> Computed<Turns> {
            let factors = self.factors(head_dim);
            let (cos, sin) = turns(self.base(), head_dim, factors.as_deref(), room)?;
            Ok(Turns { cos, sin, pairs: Pairs::Neighbours })
        };
        let window = shape.window.map(|window| window as usize);
        let turns = if self.is_opt() { None } else { Some(turned()?) };
        Ok(Architecture {
            blocks: shape.blocks as usize,
            heads: shape.heads as usize,
            kv_heads: shape.kv_heads as usize,
            head_dim,
            norm: if self.is_opt() { Norm::Layer } else { Norm::Rms },
            epsilon: self.epsilon(),
            norm_first: !self.is_opt() || self.do_layer_norm_before.unwrap_or(true),
            embedding_scale: 1.0,
            attention_scale: (head_dim as f64).powf(-0.5),
            gate: Gate::Silu,
            experts_used: 0,
            sights: vec![Sight { window, turns }; shape.blocks as usize],
        })
    }

    /// Positions that there are; any number where they are not learned.
    pub(super) fn positions(shape: &Shape) -> Option<usize> {
        (shape.positions > 0).then(|| (shape.positions as usize).saturating_sub(POSITIONS_BEFORE))
    }
}

impl Rope {
    fn kind(&self) -> &str {
        self.rope_type.as_deref().or(self.kind.as_deref()).unwrap_or("default")
    }

    fn check(&self, file: &str) -> Result<(), InputError> {
        let wrong = |key: &str, problem: String| {
            Err(InputError::key(file, format!("rope_scaling.{key}"), problem))
        };
        let needed: &[(&str, Option<f64>)] = match self.kind() {
            "default" => &[],
            "linear" => &[("factor", self.factor)],
            "llama3" => &[
                ("factor", self.factor),
                ("low_freq_factor", self.low_freq_factor),
                ("high_freq_factor", self.high_freq_factor),
                ("original_max_position_embeddings", self.original_max_position_embeddings),
            ],
            other => {
                let problem = format!("`{other}`; default, linear and llama3 are allowed");
                return wrong("rope_type", problem);
            }
        };
        for (key, value) in needed {
            match value {
                None => return wrong(key, "is missing".into()),
                Some(value) if !(1e-3..=1e9).contains(value) => {
                    return wrong(key, format!("{value:?}; 0.001 to 1e9 is allowed"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// What divides that angle per position. `llama3`: fast pairs are left alone, slow ones are
    /// divided, with a line between (`transformers/modeling_rope_utils.py`,
    /// `_compute_llama3_parameters`).
    fn factor(&self, angle: f64) -> f64 {
        let factor = self.factor.unwrap_or(1.0);
        let slow_and_fast = self.low_freq_factor.zip(self.high_freq_factor);
        let (Some((slow, fast)), "llama3") = (slow_and_fast, self.kind()) else { return factor };
        let context = self.original_max_position_embeddings.unwrap_or(8192.0);
        let times = context * angle / (2.0 * std::f64::consts::PI);
        if times > fast {
            return 1.0;
        }
        if times < slow {
            return factor;
        }
        let kept = (times - slow) / (fast - slow).max(1e-9);
        1.0 / ((1.0 - kept) / factor + kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LLAMA: &str = r#"{"model_type": "llama", "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
        "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "hidden_act": "silu"}"#;

    #[test]
    fn llama3_stretches_slow_pairs() {
        let factors = Config::parse("c", LLAMA).unwrap().factors(128).unwrap();
        // Pair 28 turns 8192 * 5e5^(-28/64) / 2 pi = 4.19 times, pair 29 3.41 times, and pair 35
        // less than once; 1 / (0.2 / 8 + 0.8) is where it turns 3.41 times.
        assert!(factors[..29].iter().all(|factor| *factor == 1.0), "{factors:?}");
        let kept = (8192.0 * 5e5f64.powf(-29.0 / 64.0) / std::f64::consts::TAU - 1.0) / 3.0;
        let expected = 1.0 / ((1.0 - kept) / 8.0 + kept);
        assert!((f64::from(factors[29]) - expected).abs() < 1e-6, "{factors:?} {expected}");
        assert!(factors[35..].iter().all(|factor| *factor == 8.0), "{factors:?}");
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_key() {
        let cases = [
            ("\"llama\"", "\"gemma3_text\"", "c: model_type: `gemma3_text` cannot be run; llama,"),
            ("\"silu\"", "\"gelu\"", "c: hidden_act: `gelu` cannot be run; `silu` is allowed"),
            ("\"llama3\"", "\"yarn\"", "c: rope_scaling.rope_type: `yarn`; default, linear"),
            ("\"factor\": 8.0, ", "", "c: rope_scaling.factor: is missing"),
            ("\"factor\": 8.0", "\"factor\": -1", "c: rope_scaling.factor: -1.0; 0.001 to"),
            ("500000.0", "0", "c: rope_theta: 0.0; more than 0"),
        ];
        for (from, to, expected) in cases {
            let error = Config::parse("c", &LLAMA.replace(from, to)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
