//! Instance and plan files: JSON with a schema version.

use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, LayerRole, OptionId, Plan};
use edgeplan_problem::recipe::Recipe;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use crate::{InputError, check_schema, digest, parse_json, to_json};

const INSTANCE_SCHEMA: &str = "edgeplan-instance/1";
const PLAN_SCHEMA: &str = "edgeplan-plan/1";

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WireInstance {
    /// `edgeplan-instance/1`.
    schema: String,
    /// The problem.
    deployment: Deployment,
}

/// A plan as it is written: by name, so that a person can read and edit it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// `edgeplan-plan/1`.
    schema: String,
    /// Fingerprint of the instance that it answers. A plan without one, as other programs write,
    /// is one of any instance that has its names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// By model.
    pub models: Vec<PlannedModel>,
}

/// The layers of one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedModel {
    /// The model's name.
    pub name: String,
    /// The chain, first to last.
    pub layers: Vec<PlannedLayer>,
}

/// Where one layer runs and how it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedLayer {
    /// The layer, by its role.
    pub layer: LayerRole,
    /// The device's name.
    pub device: String,
    /// The recipe of one of its options.
    pub recipe: Recipe,
}

/// What may stand in an instance file.
pub fn instance_schema() -> Schema {
    schema_for!(WireInstance)
}

/// The text of an instance file.
pub fn write_instance(instance: &Deployment) -> String {
    to_json(&WireInstance { schema: INSTANCE_SCHEMA.into(), deployment: instance.clone() })
}

/// Reads an instance file; `file` is only named in errors.
///
/// # Errors
/// Syntax, unknown keys with the nearest known one, another schema, or an instance that makes no
/// sense.
pub fn read_instance(file: &str, text: &str) -> Result<Deployment, InputError> {
    let wire: WireInstance = parse_json(file, text)?;
    check_schema(file, &wire.schema, INSTANCE_SCHEMA)?;
    wire.deployment
        .checked()
        .map_err(|error| InputError::key(file, "deployment", error.to_string()))
}

/// A stable digest of everything that makes an instance what it is (FNV-1a of its JSON).
pub fn fingerprint(instance: &Deployment) -> String {
    digest(&serde_json::to_string(instance).unwrap_or_default())
}

impl PlanFile {
    /// The file of a plan that `evaluate()` accepts in shape.
    pub fn new(instance: &Deployment, plan: &Plan) -> Self {
        let models = instance.models.iter().zip(&plan.models).map(|(model, layers)| {
            let planned = model.layers.iter().zip(layers).map(|(layer, choice)| PlannedLayer {
                layer: layer.role.clone(),
                device: instance.device(choice.device).name.clone(),
                recipe: layer.options[choice.option.index()].recipe.clone(),
            });
            PlannedModel { name: model.name.clone(), layers: planned.collect() }
        });
        Self {
            schema: PLAN_SCHEMA.into(),
            instance: Some(fingerprint(instance)),
            models: models.collect(),
        }
    }

    /// Reads a plan file; `file` is only named in errors.
    ///
    /// # Errors
    /// Syntax, unknown keys, another schema.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let plan: Self = parse_json(file, text)?;
        check_schema(file, &plan.schema, PLAN_SCHEMA)?;
        Ok(plan)
    }

    /// The plan, by index.
    ///
    /// # Errors
    /// When it says that it was made for another instance, or names what the instance does not
    /// have.
    pub fn resolve(&self, file: &str, instance: &Deployment) -> Result<Plan, InputError> {
        if let Some(given) = &self.instance {
            let expected = fingerprint(instance);
            if *given != expected {
                let problem = format!(
                    "made for instance {given}, this is {expected}; ask with the model, machines \
                     and other options that it was made with"
                );
                return Err(InputError::key(file, "instance", problem));
            }
        }
        let (has, needs) = (self.models.len(), instance.models.len());
        if has != needs {
            return Err(InputError::key(file, "models", format!("{has} instead of {needs}")));
        }
        let mut models = Vec::new();
        for (index, model) in instance.models.iter().enumerate() {
            let key = format!("models[{index}]");
            let planned = self.models.get(index).filter(|planned| planned.name == model.name);
            let planned = planned.ok_or_else(|| {
                InputError::key(file, &key, format!("model {} is missing", model.name))
            })?;
            if planned.layers.len() != model.layers.len() {
                let (has, needs) = (planned.layers.len(), model.layers.len());
                return Err(InputError::key(file, key, format!("{has} layers instead of {needs}")));
            }
            let mut layers = Vec::new();
            for (layer, planned) in planned.layers.iter().enumerate() {
                let assignment =
                    assignment(instance, index, layer, planned).map_err(|problem| {
                        InputError::key(file, format!("{key}.layers[{layer}]"), problem)
                    })?;
                layers.push(assignment);
            }
            models.push(layers);
        }
        Ok(Plan { models })
    }
}

fn assignment(
    instance: &Deployment,
    model: usize,
    layer: usize,
    planned: &PlannedLayer,
) -> Result<Assignment, String> {
    let layer = &instance.models[model].layers[layer];
    if planned.layer != layer.role {
        return Err(format!("{} instead of {}", planned.layer, layer.role));
    }
    let device = instance.devices.iter().position(|device| device.name == planned.device);
    let device = device.ok_or_else(|| format!("no device {}", planned.device))?;
    let option = layer.options.iter().position(|option| option.recipe == planned.recipe);
    let option =
        option.ok_or_else(|| format!("{} has no recipe {}", layer.role, planned.recipe))?;
    Ok(Assignment { device: DeviceId(device as u16), option: OptionId(option as u16) })
}
