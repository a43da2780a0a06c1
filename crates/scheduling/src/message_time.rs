//! Times of messages, as they are written.

use std::borrow::Cow;

use edgeplan_files::quantity::Time;
use edgeplan_problem::Nanos;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time, or `-` where there is no way.
pub(super) struct MessageTime(pub(super) Option<Nanos>);

impl Serialize for MessageTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(time) => Time(time.0).serialize(serializer),
            None => serializer.serialize_str("-"),
        }
    }
}

impl<'de> Deserialize<'de> for MessageTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim() == "-" {
            return Ok(Self(None));
        }
        let time = text.parse::<Time>();
        time.map(|time| Self(Some(Nanos(time.0))))
            .map_err(|error| serde::de::Error::custom(format!("{error}, or `-` for no way")))
    }
}

impl JsonSchema for MessageTime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "MessageTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-allowed": "a time such as `30 ms`, or `-` for no way" })
    }
}
