//! A family as a suite file declares it: its name says which keys it takes.

use std::borrow::Cow;
use std::path::Path;

use edgeplan_families::Network;
use edgeplan_files::{InputError, parse_toml};
use edgeplan_scheduling::Settings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Case, catalog, dftsp, edgeshard, files, frames, hosts, packing, random, reductions};

/// A table `[[family]]`.
#[derive(Debug, Deserialize)]
pub(super) struct Family {
    name: Name,
    /// All other keys. They are decoded in a second step, into the struct that belongs to the name:
    /// serde can do both at once, but then loses the path of a key, which errors are to name.
    #[serde(flatten)]
    keys: toml::Table,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Name {
    Random,
    HomeLab,
    EdgeSites,
    Classes,
    Edgeshard,
    Hosts,
    Packing,
    Gus,
    PiesFinal,
    PiesTriangular,
    PiesUniform,
    Dftsp,
    BinPacking,
    ThreePartition,
    MultipleKnapsack,
    Partition,
    GeneralizedAssignment,
    MultipleChoiceKnapsack,
    Gap,
    TwoResourcePacking,
    Files,
}

impl Family {
    /// The family's cases; paths start in `folder`.
    pub(super) fn cases(&self, folder: &Path) -> Result<Vec<Case>, InputError> {
        let catalog = |network| self.keys::<catalog::Keys>()?.cases(network);
        let frames = |settings| self.keys::<frames::Keys>()?.cases(settings);
        match self.name {
            Name::Random => self.keys::<random::Keys>()?.cases(),
            Name::HomeLab => catalog(Network::HomeLab),
            Name::EdgeSites => catalog(Network::EdgeSites),
            Name::Classes => self.keys::<catalog::ClassesKeys>()?.cases(),
            Name::Edgeshard => self.keys::<edgeshard::Keys>()?.cases(),
            Name::Hosts => self.keys::<hosts::Keys>()?.cases(),
            Name::Packing => self.keys::<packing::Keys>()?.cases(),
            Name::Gus => frames(Settings::Gus),
            Name::PiesFinal => frames(Settings::PiesFinal),
            Name::PiesTriangular => frames(Settings::PiesTriangular),
            Name::PiesUniform => frames(Settings::PiesUniform),
            Name::Dftsp => self.keys::<dftsp::Keys>()?.cases(),
            Name::BinPacking => self.keys::<reductions::BinsKeys>()?.cases(false),
            Name::ThreePartition => self.keys::<reductions::BinsKeys>()?.cases(true),
            Name::MultipleKnapsack => self.keys::<reductions::KnapsackKeys>()?.cases(),
            Name::Partition => self.keys::<reductions::PartitionKeys>()?.cases(),
            Name::GeneralizedAssignment => self.keys::<reductions::AssignmentKeys>()?.cases(),
            Name::MultipleChoiceKnapsack => self.keys::<reductions::ChoiceKeys>()?.cases(),
            Name::Gap => self.keys::<reductions::CostsKeys>()?.cases(),
            Name::TwoResourcePacking => self.keys::<reductions::NodesKeys>()?.cases(),
            Name::Files => self.keys::<files::Keys>()?.cases(folder),
        }
    }

    fn keys<T: DeserializeOwned>(&self) -> Result<T, InputError> {
        decode(&self.keys)
    }
}

impl JsonSchema for Family {
    fn schema_name() -> Cow<'static, str> {
        "Family".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let catalog = ["home-lab", "edge-sites"];
        let frames = ["gus", "pies-final", "pies-triangular", "pies-uniform"];
        let mut classes = catalog::Keys::json_schema(generator);
        let count = json_schema!({
            "type": "integer", "minimum": 1, "default": 3,
            "description": "Classes of identical devices.",
        });
        if let Some(keys) = classes.get_mut("properties").and_then(Value::as_object_mut) {
            keys.insert("classes".into(), count.into());
        }
        let packings = ["bin-packing", "three-partition"];
        let tables = [
            ("random", &["random"][..], random::Keys::json_schema(generator)),
            ("catalog", &catalog, catalog::Keys::json_schema(generator)),
            ("classes", &["classes"], classes),
            ("edgeshard", &["edgeshard"], edgeshard::Keys::json_schema(generator)),
            ("packing", &["packing"], packing::Keys::json_schema(generator)),
            ("frames", &frames, frames::Keys::json_schema(generator)),
            ("dftsp", &["dftsp"], dftsp::Keys::json_schema(generator)),
            ("packings", &packings, reductions::BinsKeys::json_schema(generator)),
            ("knapsacks", &["multiple-knapsack"], reductions::KnapsackKeys::json_schema(generator)),
            ("partition", &["partition"], reductions::PartitionKeys::json_schema(generator)),
            (
                "assignment",
                &["generalized-assignment"],
                reductions::AssignmentKeys::json_schema(generator),
            ),
            (
                "choice",
                &["multiple-choice-knapsack"],
                reductions::ChoiceKeys::json_schema(generator),
            ),
            ("costs", &["gap"], reductions::CostsKeys::json_schema(generator)),
            (
                "two-resources",
                &["two-resource-packing"],
                reductions::NodesKeys::json_schema(generator),
            ),
            ("hosts", &["hosts"], hosts::Keys::json_schema(generator)),
            ("files", &["files"], files::Keys::json_schema(generator)),
        ];
        let choices: Vec<Value> = tables
            .into_iter()
            .map(|(table, names, keys)| {
                let keys = named(keys, names).to_value();
                generator.definitions_mut().insert(table.into(), keys);
                let about = format!("Families {}.", names.join(", "));
                json!({ "$ref": format!("#/$defs/{table}"), "description": about })
            })
            .collect();
        json_schema!({
            "description": "Instances of one family; lists expand to their product.",
            "oneOf": choices,
        })
    }
}

/// The keys of a family, and the name that they go with.
fn named(mut keys: Schema, names: &[&str]) -> Schema {
    let name = json!({ "enum": names, "description": "The family." });
    if let Some(keys) = keys.get_mut("properties").and_then(Value::as_object_mut) {
        keys.insert("name".into(), name);
    }
    match keys.get_mut("required").and_then(Value::as_array_mut) {
        Some(required) => required.push("name".into()),
        None => drop(keys.insert("required".into(), json!(["name"]))),
    }
    keys
}

/// Decodes keys into a struct of them.
///
/// # Errors
/// Unknown and missing keys, and values of another type. They name the key, not the file.
pub(super) fn decode<T: DeserializeOwned>(keys: &toml::Table) -> Result<T, InputError> {
    // As text again, because errors of texts are worded for people already.
    parse_toml("", &keys.to_string())
}
