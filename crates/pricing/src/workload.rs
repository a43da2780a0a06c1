//! The workload: what is asked of a deployment, as a person writes it in `workload.toml`.

use std::collections::BTreeMap;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cache::CacheFormats;
use crate::engine::EngineTraits;
use crate::pins::Pin;
use edgeplan_files::quantity::Time;
use edgeplan_files::{InputError, parse_table};
use edgeplan_model::ModelSpec;
pub use edgeplan_model::sensitivity::Quality;
use edgeplan_problem::format::Format;

/// One kind of request and what counts as good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Workload {
    /// Prompt tokens of a request.
    pub prompt: u32,
    /// Tokens generated after the prompt.
    pub generate: u32,
    /// Requests run together.
    pub batch: u32,
    /// Tokens of each request that the KV cache is allocated for, prompt and answer. By default the
    /// larger of the request and 8192, but no more than the model was made for.
    pub context: Option<u32>,
    /// What is minimised, or made as good as the limits allow.
    pub objective: Goal,
    /// The quality floor: by default that of q4_K_M, and none where quality is the objective.
    pub quality: Option<Quality>,
    /// No layer may diverge more, in nats per token.
    pub max_layer_kl: Option<f64>,
    /// Whether a device may be visited twice.
    pub placement: Placement,
    /// Layers that must run on one device.
    pub pin: Vec<Pin>,
    /// Requests per round by model; one of each that is not named.
    pub weight: BTreeMap<String, u32>,
    /// The first layer stays on the source, so that no text leaves it (EdgeShard's constraint).
    pub privacy: bool,
    /// Formats to choose from; empty means the usual ones of llama.cpp.
    pub formats: Vec<Format>,
    /// How finely formats are chosen.
    pub granularity: Granularity,
    /// Most recipes per layer, uniform ones included.
    pub recipes_max: usize,
    /// What returns to the source at every step.
    pub returns: Returns,
    /// Format of the activations that move between devices.
    pub activations: Format,
    /// Format of the KV cache, or several to choose from; by default f16, or what the engine has.
    pub kv: CacheFormats,
    /// What a cache in a format loses, in nats per token: measured, in place of published numbers.
    pub kv_loss: BTreeMap<String, f64>,
    /// No request may take longer.
    pub latency_max: Option<Time>,
    /// Generated tokens per second over all batches must be at least this.
    pub throughput_min: Option<f64>,
    /// Generated tokens per second of one request, after its prompt, must be at least this. Times
    /// are those of decode alone then.
    pub decode_min: Option<f64>,
    /// Whether rates may be derived from the specification where none is published or measured.
    pub estimate: bool,
    /// How the engine works; the engine says so, not the file.
    #[serde(skip)]
    pub engine: EngineTraits,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            prompt: 512,
            generate: 128,
            batch: 1,
            context: None,
            objective: Goal::Latency,
            quality: None,
            max_layer_kl: None,
            placement: Placement::Contiguous,
            pin: Vec::new(),
            weight: BTreeMap::new(),
            privacy: true,
            formats: Vec::new(),
            granularity: Granularity::TensorClass,
            recipes_max: 16,
            returns: Returns::Token,
            activations: Format::F32,
            kv: CacheFormats::default(),
            kv_loss: BTreeMap::new(),
            latency_max: None,
            throughput_min: None,
            decode_min: None,
            estimate: true,
            engine: EngineTraits::default(),
        }
    }
}

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Time of one request.
    Latency,
    /// Time between two requests leaving a full pipeline.
    Throughput,
    /// Bytes in use.
    Memory,
    /// Time of the generated tokens of one request, without that of its prompt.
    Decode,
    /// The least loss with which every limit holds, then the time.
    Quality,
    /// The longest context with which every limit holds, then the time.
    Context,
}

impl Goal {
    /// All of them, with their words in files and arguments.
    const ALL: [(&'static str, Self); 6] = [
        ("latency", Self::Latency),
        ("decode", Self::Decode),
        ("throughput", Self::Throughput),
        ("memory", Self::Memory),
        ("quality", Self::Quality),
        ("context", Self::Context),
    ];
}

impl FromStr for Goal {
    type Err = String;

    /// Errs with the words that are allowed.
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(name, _)| *name == text).map(|&(_, goal)| goal);
        known.ok_or_else(|| format!("{} are allowed", Self::ALL.map(|(name, _)| name).join(", ")))
    }
}

/// Whether a device may be visited twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Each device holds one run of consecutive layers.
    Contiguous,
    /// Any device may hold any layers.
    Free,
}

/// How finely formats are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Granularity {
    /// One format per tensor class of a layer.
    TensorClass,
    /// One format per layer.
    Layer,
}

/// What returns to the source at every step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Returns {
    /// A token id: the sampler lives where the head is.
    Token,
    /// All logits: the sampler lives at the source.
    Logits,
}

/// More tokens than this in one request is a typing error.
const TOKENS_MAX: u32 = 10_000_000;

/// Tokens of a conversation, where the workload sets no `context`.
const USUAL_CONTEXT: u64 = 8192;

/// More requests than this in one round is one, too.
const WEIGHT_MAX: u32 = 1_000_000;

impl Workload {
    /// Parses `workload.toml`; what it leaves out keeps its default.
    ///
    /// # Errors
    /// Unknown keys with the nearest known one, wrong units, numbers out of range.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let workload: Self = parse_table(file, text)?;
        workload.check(file)?;
        Ok(workload)
    }

    /// Checks numbers that may also come from the command line.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn check(&self, file: &str) -> Result<(), InputError> {
        let error = |key: &str, problem: String| Err(InputError::key(file, key, problem));
        let tokens =
            [("prompt", self.prompt, 1), ("generate", self.generate, 0), ("batch", self.batch, 1)];
        for (key, value, least) in tokens {
            if !(least..=TOKENS_MAX).contains(&value) {
                return error(key, format!("{value}; {least} to {TOKENS_MAX} are allowed"));
            }
        }
        if u64::from(self.batch) * (u64::from(self.prompt) + u64::from(self.generate))
            > u64::from(TOKENS_MAX)
        {
            return error("batch", format!("more than {TOKENS_MAX} tokens in one batch"));
        }
        let request = self.request();
        if let Some(context) = self.context
            && !(request..=TOKENS_MAX).contains(&context)
        {
            let problem = format!(
                "{context}; {request}, prompt and generated tokens, to {TOKENS_MAX} are allowed"
            );
            return error("context", problem);
        }
        if u64::from(self.batch) * u64::from(self.context.unwrap_or(0)) > u64::from(TOKENS_MAX) {
            return error("context", format!("more than {TOKENS_MAX} tokens in one batch"));
        }
        if self.recipes_max == 0 || self.recipes_max > 1024 {
            return error("recipes-max", format!("{}; 1 to 1024 are allowed", self.recipes_max));
        }
        match self.quality {
            Some(Quality::MaxKl(kl)) if !(0.0..=100.0).contains(&kl) => {
                return error("quality.max-kl", format!("{kl:?}; 0 to 100 nats are allowed"));
            }
            _ => {}
        }
        if let Some(Quality::MaxVariance(variance)) = self.quality
            && !(0.0..=1e3).contains(&variance)
        {
            return error("quality.max-variance", format!("{variance:?}; 0 to 1000 are allowed"));
        }
        for (model, &weight) in &self.weight {
            if !(1..=WEIGHT_MAX).contains(&weight) {
                let problem = format!("{weight}; 1 to {WEIGHT_MAX} are allowed");
                return error(&format!("weight.{model}"), problem);
            }
        }
        match (self.max_layer_kl, &self.quality) {
            (Some(kl), _) if !(0.0..=100.0).contains(&kl) => {
                return error("max-layer-kl", format!("{kl:?}; 0 to 100 nats are allowed"));
            }
            (Some(_), Some(Quality::MaxWeightDifference(_) | Quality::MaxVariance(_))) => {
                return error("max-layer-kl", "needs a quality floor in nats".into());
            }
            _ => {}
        }
        let rates = [("throughput-min", self.throughput_min), ("decode-min", self.decode_min)];
        for (key, rate) in rates {
            if let Some(rate) = rate.filter(|&rate| !(rate > 0.0 && rate < 1e9)) {
                let problem = format!(
                    "{rate:?}; a number of tokens per second from above 0 to below 1e9 is allowed"
                );
                return error(key, problem);
            }
        }
        self.check_cache(file)?;
        self.check_goal(file)
    }

    /// Checks what the objective excludes.
    fn check_goal(&self, file: &str) -> Result<(), InputError> {
        let error = |key: &str, problem: &str| Err(InputError::key(file, key, problem));
        if self.objective == Goal::Context && self.context.is_some() {
            return error("context", "is what the objective `context` looks for; leave it out");
        }
        if !self.is_decode_alone() {
            return Ok(());
        }
        if self.generate == 0 {
            return error("generate", "0; decode needs at least 1");
        }
        if self.latency_max.is_some() {
            return error("latency-max", "limits whole requests; decode alone has `decode-min`");
        }
        if self.throughput_min.is_some() {
            return error("throughput-min", "is of whole requests; decode alone has `decode-min`");
        }
        match self.objective {
            Goal::Latency | Goal::Throughput => {
                error("decode-min", "needs the objective decode, quality, context or memory")
            }
            _ => Ok(()),
        }
    }

    /// Whether times are those of the generated tokens alone.
    pub fn is_decode_alone(&self) -> bool {
        self.objective == Goal::Decode || self.decode_min.is_some()
    }

    /// The quality floor.
    pub fn floor(&self) -> Quality {
        match (&self.quality, self.objective) {
            (Some(quality), _) => quality.clone(),
            (None, Goal::Quality) => Quality::Any,
            (None, _) => Quality::Like("q4_K_M".into()),
        }
    }

    /// The same workload with whole requests timed, prompts included, whatever its objective.
    pub fn of_whole_requests(&self) -> Self {
        Self { objective: Goal::Latency, decode_min: None, ..self.clone() }
    }

    /// Tokens of a request: those of its prompt and those generated.
    pub fn request(&self) -> u32 {
        self.prompt.saturating_add(self.generate)
    }

    /// Tokens of each request that caches of this model are allocated for.
    ///
    /// # Errors
    /// More than the model was made for.
    pub fn context(&self, model: &ModelSpec) -> Result<u64, InputError> {
        let request = u64::from(self.request());
        let most = model.context_max.unwrap_or(u64::MAX);
        let wanted = self.context.map_or(request, u64::from);
        if wanted > most {
            let key = if self.context.is_some() { "context" } else { "prompt" };
            let what = if self.context.is_some() { "" } else { " with the generated tokens" };
            let problem = format!("{wanted}{what}; {} was made for {most} tokens", model.name);
            return Err(InputError::key("workload", key, problem));
        }
        Ok(self.context.map_or(request.max(USUAL_CONTEXT.min(most)), u64::from))
    }

    /// The formats to choose from.
    pub fn formats(&self) -> Vec<Format> {
        if self.formats.is_empty() { USUAL_FORMATS.to_vec() } else { self.formats.clone() }
    }
}

/// What llama.cpp's users choose among, finest first.
pub const USUAL_FORMATS: [Format; 10] = [
    Format::F16,
    Format::Q8_0,
    Format::Q6K,
    Format::Q5K,
    Format::Q5_0,
    Format::Q4K,
    Format::Q4_1,
    Format::Q4_0,
    Format::Q3K,
    Format::Q2K,
];
