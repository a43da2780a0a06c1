//! Formats of the KV cache to choose from, and what one of them loses.

use std::borrow::Cow;
use std::fmt;

use edgeplan_files::InputError;
use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::{Quality, cache};
use edgeplan_problem::Loss;
use edgeplan_problem::format::Format;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::workload::{Goal, Workload};

/// Formats of the KV cache: in files one, or a list to choose from. None by default: f16, or what
/// the engine has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheFormats(Vec<Format>);

impl CacheFormats {
    /// The formats, as often as they were named.
    pub fn all(&self) -> &[Format] {
        &self.0
    }

    /// The one that a question is priced with: the first, f16 where none is named.
    pub fn used(&self) -> Format {
        self.0.first().copied().unwrap_or(Format::F16)
    }
}

impl From<Format> for CacheFormats {
    fn from(format: Format) -> Self {
        Self(vec![format])
    }
}

impl From<Vec<Format>> for CacheFormats {
    /// Each format once.
    fn from(formats: Vec<Format>) -> Self {
        let mut once: Vec<Format> = Vec::new();
        for format in formats {
            if !once.contains(&format) {
                once.push(format);
            }
        }
        Self(once)
    }
}

impl fmt::Display for CacheFormats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|format| format.name()).collect();
        if names.is_empty() { f.write_str("f16") } else { f.write_str(&names.join(", ")) }
    }
}

impl Serialize for CacheFormats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [format] => format.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for CacheFormats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrSeveral)
    }
}

/// By hand, because serde does not say what is wrong with an untagged enum.
struct OneOrSeveral;

impl<'de> Visitor<'de> for OneOrSeveral {
    type Value = CacheFormats;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a format such as \"q8_0\", or a list of formats")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<CacheFormats, E> {
        text.parse::<Format>().map(CacheFormats::from).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, formats: A) -> Result<CacheFormats, A::Error> {
        Vec::<Format>::deserialize(SeqAccessDeserializer::new(formats)).map(CacheFormats::from)
    }
}

impl JsonSchema for CacheFormats {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "CacheFormats".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Format::ALL.map(Format::name);
        json_schema!({
            "anyOf": [
                { "type": "string", "enum": names },
                { "type": "array", "items": { "type": "string", "enum": names } },
            ],
            "x-allowed": "a format such as `\"q8_0\"`, or a list such as `[\"f16\", \"q8_0\"]`",
        })
    }
}

impl Workload {
    /// What the cache adds to a model's divergence, and what a reader must know of that number.
    /// Weight difference and variance are of weights: there a cache costs nothing.
    ///
    /// # Errors
    /// A format that no row of the model's cache is a whole number of blocks of; one of which no
    /// loss is known, where there is a floor or the loss is what is made least.
    pub fn cache_loss(&self, model: &ModelSpec) -> Result<(Loss, Option<String>), InputError> {
        let format = self.kv.used();
        let error = |problem: String| InputError::key("workload", "kv", problem);
        if !model.caches_in(format) {
            let (name, block) = (&model.name, format.block_elements());
            return Err(error(format!(
                "{format}; rows of {name}'s KV cache are no whole number of blocks of {block}"
            )));
        }
        let own = self.kv_loss.iter().find(|(name, _)| name.parse() == Ok(format));
        if let Some((_, nats)) = own {
            let loss = Loss((nats * 1e9).round() as u64);
            return Ok((loss, Some(format!("a cache in {format} loses {nats} nats (`kv-loss`)"))));
        }
        if matches!(self.floor(), Quality::MaxWeightDifference(_) | Quality::MaxVariance(_)) {
            return Ok((Loss::ZERO, None));
        }
        if let Some((_, loss)) = model.caches.iter().find(|(known, _)| *known == format) {
            let note = format!("a cache in {format} loses {loss} nats, measured of this model");
            return Ok((*loss, Some(note)));
        }
        match cache::published(model, format) {
            Ok(Loss::ZERO) => Ok((Loss::ZERO, None)),
            Ok(loss) => {
                let note = format!("a cache in {format} loses {loss} nats: {}", cache::SOURCE);
                Ok((loss, Some(note)))
            }
            Err(problem) if self.floor() == Quality::Any && self.objective != Goal::Quality => {
                Ok((Loss::ZERO, Some(format!("the loss of the cache is not counted: {problem}"))))
            }
            Err(problem) => Err(error(format!(
                "{format}; {problem}; `kv-loss = {{ {format} = NATS }}` says what was measured"
            ))),
        }
    }

    /// Checks the losses of caches.
    pub(crate) fn check_cache(&self, file: &str) -> Result<(), InputError> {
        for (name, nats) in &self.kv_loss {
            let key = format!("kv-loss.{name}");
            name.parse::<Format>()
                .map_err(|error| InputError::key(file, &key, error.to_string()))?;
            if !(0.0..=100.0).contains(nats) {
                let problem = format!("{nats:?}; 0 to 100 nats are allowed");
                return Err(InputError::key(file, &key, problem));
            }
        }
        Ok(())
    }
}

/// The loss of a cache by layer, shared out by what a token adds to the cache of each.
pub(crate) fn shares(model: &ModelSpec, loss: Loss) -> Vec<Loss> {
    let elements = |layer: &edgeplan_model::LayerSpec| u128::from(layer.kv_elements());
    let total: u128 = model.layers.iter().map(elements).sum();
    let (mut sum, mut given) = (0, 0);
    let share = |layer| {
        sum += elements(layer);
        let so_far = (u128::from(loss.0) * sum / total.max(1)) as u64;
        let own = so_far - given;
        given = so_far;
        Loss(own)
    };
    model.layers.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_loss() {
        let model = edgeplan_model::load("catalog:llama-3.1-8b").unwrap();
        let shares = shares(&model, Loss(1_000_003));
        assert_eq!(shares.iter().copied().sum::<Loss>(), Loss(1_000_003));
        assert_eq!((shares[0], shares[33]), (Loss::ZERO, Loss::ZERO));
        assert!(shares[1..33].iter().all(|share| share.0.abs_diff(31_250) <= 1));
    }

    #[test]
    fn a_workload_names_one_format_or_several() {
        let kv = |text: &str| Workload::parse("w", text).map(|workload| workload.kv);
        assert_eq!(kv("").unwrap(), CacheFormats::default());
        assert_eq!(kv("kv = \"Q8_0\"").unwrap().all(), [Format::Q8_0]);
        let several = kv("kv = [\"f16\", \"q8_0\", \"f16\"]").unwrap();
        assert_eq!(
            (several.all(), several.used()),
            (&[Format::F16, Format::Q8_0][..], Format::F16)
        );
        assert_eq!(several.to_string(), "f16, q8_0");
        for (text, expected) in [
            ("kv = \"q9\"", "w: kv: `q9` is no format; known are "),
            ("kv = [\"q9\"]", "`q9` is no format; known are "),
            ("kv = 8", "a format such as"),
            ("kv-loss = { q9 = 0.1 }", "w: kv-loss.q9: `q9` is no format"),
            ("kv-loss = { q8_0 = -1.0 }", "w: kv-loss.q8_0: -1.0; 0 to 100 nats"),
        ] {
            let error = kv(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_loss_is_given_published_not_needed_or_refused() {
        let load = |name: &str| edgeplan_model::load(&format!("catalog:{name}")).unwrap();
        let (llama, oss) = (load("llama-3.1-8b"), load("gpt-oss-20b"));
        let loss = |text: &str, model: &ModelSpec| {
            let workload = Workload::parse("w", text).unwrap();
            workload.cache_loss(model).map_err(|error| error.to_string())
        };
        assert_eq!(loss("", &oss), Ok((Loss::ZERO, None)));
        assert_eq!(loss("kv = \"q4_0\"", &llama).unwrap().0, Loss(4_673_000));
        let own = "kv = \"q8_0\"\nkv-loss = { q8_0 = 0.25 }";
        assert_eq!(loss(own, &oss).unwrap().0, Loss(250_000_000));
        let refused = loss("kv = \"q8_0\"", &oss).unwrap_err();
        assert!(refused.contains("`kv-loss = { q8_0 = NATS }`"), "{refused}");
        let measured = ModelSpec { caches: vec![(Format::Q8_0, Loss(700_000))], ..oss.clone() };
        let (found, note) = loss("kv = \"q8_0\"", &measured).unwrap();
        assert!(found == Loss(700_000) && note.unwrap().contains("measured of this model"));
        assert_eq!(loss(own, &measured).unwrap().0, Loss(250_000_000));
        let uncounted = loss("kv = \"q8_0\"\nquality = \"any\"", &oss).unwrap();
        assert!(uncounted.0 == Loss::ZERO && uncounted.1.unwrap().contains("not counted"));
    }
}
