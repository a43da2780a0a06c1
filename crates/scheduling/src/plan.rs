//! The file of a schedule: by name, so that a person can read and edit it.

use edgeplan_problem::scheduling::{Choice, Plan, Scheduling, ServerId, VariantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire::fingerprint;
use edgeplan_files::{InputError, check_schema, nearest, parse_json};

const SCHEMA: &str = "edgeplan-schedule/1";

/// A schedule as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleFile {
    /// `edgeplan-schedule/1`.
    schema: String,
    /// Fingerprint of the question that it answers.
    pub instance: String,
    /// By request, in order of arrival.
    pub requests: Vec<Option<Served>>,
}

/// Who serves a request, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// The server's name.
    pub server: String,
    /// The variant's name.
    pub variant: String,
}

impl ScheduleFile {
    /// The file of a plan that `evaluate()` accepts in shape.
    pub fn new(instance: &Scheduling, plan: &Plan) -> Self {
        let requests = instance.requests.iter().zip(&plan.choices).map(|(request, choice)| {
            choice.map(|choice| Served {
                server: instance.server(choice.server).name.clone(),
                variant: instance.variants(request)[choice.variant.index()].name.clone(),
            })
        });
        let (schema, instance) = (SCHEMA.into(), fingerprint(instance));
        Self { schema, instance, requests: requests.collect() }
    }

    /// Reads a schedule; `file` is only named in errors.
    ///
    /// # Errors
    /// Syntax, unknown keys, another schema.
    pub fn parse(file: &str, text: &str) -> Result<Self, InputError> {
        let schedule: Self = parse_json(file, text)?;
        check_schema(file, &schedule.schema, SCHEMA)?;
        Ok(schedule)
    }

    /// The plan, by index.
    ///
    /// # Errors
    /// When it was made for another question, or names what the question does not have.
    pub fn resolve(&self, file: &str, instance: &Scheduling) -> Result<Plan, InputError> {
        let expected = fingerprint(instance);
        if self.instance != expected {
            let problem = format!("made for instance {}, this is {expected}", self.instance);
            return Err(InputError::key(file, "instance", problem));
        }
        let (has, needs) = (self.requests.len(), instance.requests.len());
        if has != needs {
            return Err(InputError::key(file, "requests", format!("{has} instead of {needs}")));
        }
        let mut plan = Plan::empty(needs);
        for (index, served) in self.requests.iter().enumerate() {
            let Some(served) = served else { continue };
            let key = |what: &str| format!("requests[{index}].{what}");
            let servers: Vec<&str> = instance.servers.iter().map(|s| s.name.as_str()).collect();
            let variants = instance.variants(&instance.requests[index]);
            let variants: Vec<&str> = variants.iter().map(|v| v.name.as_str()).collect();
            let server = position(&servers, &served.server)
                .map_err(|problem| InputError::key(file, key("server"), problem))?;
            let variant = position(&variants, &served.variant)
                .map_err(|problem| InputError::key(file, key("variant"), problem))?;
            plan.choices[index] = Some(Choice {
                server: ServerId(server as u16),
                variant: VariantId(variant as u16),
            });
        }
        Ok(plan)
    }
}

fn position(known: &[&str], name: &str) -> Result<usize, String> {
    known.iter().position(|candidate| *candidate == name).ok_or_else(|| {
        let near = nearest(name, known.iter().copied());
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("there is no `{name}`{hint}")
    })
}
