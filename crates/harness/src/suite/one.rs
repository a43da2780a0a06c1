//! One instance of a family, by keys that a person types.

use std::path::Path;

use edgeplan_files::InputError;
use edgeplan_files::deployment::write_instance;
use edgeplan_records::known::{ANSWER, WITHIN};
use serde_json::Value;

use super::family::Family;
use super::{Case, Source, suite_schema};
use crate::instance::Instance;

/// The text of the file of an instance of that family, which any suite can draw, too, and a
/// sentence on its answer where that is known. Keys are `KEY=VALUE` as in a suite; a list has one
/// value.
///
/// # Errors
/// As [`super::Suite::parse`]; keys that stand for several instances; batches that no `batch.toml`
/// describes.
pub fn written(family: &str, keys: &[String]) -> Result<(String, Option<String>), InputError> {
    let case = one(family, keys)?;
    let text = match (&case.source, case.generate()?) {
        (_, Instance::Deployment(instance)) => write_instance(&instance),
        (_, Instance::Scheduling(instance)) => edgeplan_scheduling::write_schedule(&instance),
        (Source::Epoch(epoch), Instance::Batching(_)) => epoch.scenario().to_toml()?,
        (Source::Reduction(reduction), Instance::Batching(_)) => {
            let scenario = reduction.scenario(&case.name)?;
            scenario.map_or(Ok(String::new()), |scenario| scenario.to_toml())?
        }
        (Source::Deployment(_) | Source::Frame(_) | Source::File(..), Instance::Batching(_)) => {
            return Err(InputError::file(family, "a file of its own; read that"));
        }
    };
    let parameter = |name: &str| case.parameters.get(name).map(ToString::to_string);
    let known = parameter(ANSWER).zip(parameter(WITHIN)).map(|(answer, within)| {
        let there = if answer == "yes" { "there is a plan" } else { "there is no plan" };
        format!("{}: {there} within a cost of {within}, by construction", case.name)
    });
    Ok((text, known))
}

fn one(family: &str, keys: &[String]) -> Result<Case, InputError> {
    let mut table = toml::Table::from_iter([("name".to_owned(), family.into())]);
    let schema = suite_schema();
    for pair in keys {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| InputError::file(pair, "KEY=VALUE is needed, such as `seeds=0`"))?;
        // What is no TOML is a word.
        let read = format!("value = {value}").parse::<toml::Table>().ok();
        let read = read.and_then(|mut table| table.remove("value"));
        let value = read.unwrap_or_else(|| value.into());
        let list = is_list(schema.as_value(), family, key) && !value.is_array();
        let value = if list { toml::Value::Array(vec![value]) } else { value };
        table.insert(key.to_owned(), value);
    }
    let text = toml::Table::from_iter([("family".to_owned(), table.into())]).to_string();
    let read: Families = edgeplan_files::parse_toml(family, &text)?;
    let mut cases = read.family.cases(Path::new("")).map_err(|error| {
        let key = error.key.unwrap_or_default();
        InputError::key(family, key, error.problem)
    })?;
    match (cases.pop(), cases.len()) {
        (Some(case), 0) => Ok(case),
        (_, more) => {
            let problem = format!("{} instances; keys of one are needed", more + 1);
            Err(InputError::file(family, problem))
        }
    }
}

/// A family, in a table of its own.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Families {
    family: Family,
}

/// Whether the family takes a list, and nothing else, for that key.
fn is_list(schema: &Value, family: &str, key: &str) -> bool {
    let tables = schema.get("$defs").and_then(Value::as_object);
    tables.into_iter().flat_map(|tables| tables.values()).any(|table| {
        let keys = table.get("properties");
        let names = keys.and_then(|keys| keys.get("name")?.get("enum")?.as_array());
        let kind = keys.and_then(|keys| keys.get(key)?.get("type")).and_then(Value::as_str);
        kind == Some("array") && names.is_some_and(|names| names.iter().any(|name| name == family))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn every_kind_of_question_can_be_written() {
        let (text, known) =
            written("three-partition", &keys(&["bins=4", "answer=no", "seeds=7"])).unwrap();
        assert!(text.contains("three-partition-models-4x1000-no-7"), "{text}");
        let expected = "three-partition-models-4x1000-no-7: there is no plan within a cost of \
                        12000000, by construction";
        assert_eq!(known.as_deref(), Some(expected));
        let layers = keys(&["bins=2", "answer=open", "seeds=1", "items=layers"]);
        let (text, known) = written("bin-packing", &layers).unwrap();
        assert!(text.contains("bin-packing-layers-2x1000-open-1") && known.is_none(), "{text}");
        let partition = keys(&["items=5", "bits=9", "answer=yes", "seeds=1"]);
        assert!(written("partition", &partition).unwrap().1.unwrap().contains("there is a plan"));
        let assignment = keys(&["requests=5", "servers=2", "answer=yes", "seeds=1"]);
        let (text, known) = written("generalized-assignment", &assignment).unwrap();
        assert!(text.contains("service-4") && known.unwrap().contains("there is a plan within"));
        let nodes = keys(&["nodes=2", "each=3", "answer=yes", "seeds=1"]);
        let (text, _) = written("two-resource-packing", &nodes).unwrap();
        let scenario = edgeplan_batching::Scenario::parse("b.toml", &text).unwrap();
        assert_eq!(scenario.build("b.toml").unwrap().requests.len(), 6);
        let (text, known) = written("dftsp", &keys(&["requests=4", "seeds=0"])).unwrap();
        assert!(text.contains("bloom-3b") && known.is_none(), "{text}");
        let (text, _) = written("gus", &keys(&["requests=4", "seeds=0"])).unwrap();
        assert!(text.contains("gus-4x9"), "{text}");
    }

    #[test]
    fn mistakes_are_named() {
        let refused = |family: &str, given: &[&str], expected: &str| {
            let error = written(family, &keys(given)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused("tree-partition", &["bins=4"], "did you mean `three-partition`?");
        refused("partition", &["items=9", "bits=4", "seeds=0"], "missing field `answer`");
        refused("partition", &["items"], "items: KEY=VALUE is needed");
        let all = ["items=9", "bits=4", "answer=maybe", "seeds=0"];
        refused("partition", &all, "unknown variant `maybe`, expected one of `yes`, `no`, `open`");
        refused("gus", &["requests=4", "seeds=[0, 1]"], "gus: 2 instances; keys of one are needed");
        refused("gus", &["requests=0", "seeds=0"], "gus: requests: 0; 1 to");
    }
}
