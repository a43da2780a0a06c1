//! A solver that is written in Python, and plans as programs write them.

use std::sync::{Mutex, PoisonError};

use edgeplan::{Deployment, Plan, Session};
use edgeplan_files::deployment::PlanFile;
use edgeplan_files::{InputError, nearest, parse_json};
use edgeplan_problem::deployment::{Assignment, DeviceId, Layer, OptionId};
use edgeplan_problem::{Answer, Cost, Run, Solver, SolverError};
use pyo3::prelude::*;
use serde::Deserialize;

use crate::errors::input;

/// What a plan is blamed on that has no file.
const PLAN: &str = "plan";

/// A callable that takes nothing and returns the text of a [`Said`]: the Python side hands the
/// instance over.
pub(crate) struct Callable<'a> {
    pub(crate) function: &'a Py<PyAny>,
    pub(crate) session: &'a Session,
    /// What it raised, or why its answer cannot be read.
    pub(crate) raised: Mutex<Option<PyErr>>,
}

/// What a solver says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    /// A plan, and a lower bound where it has one.
    Plan { plan: Given, lower_bound: Option<u64> },
    /// That there is no plan.
    Infeasible,
    /// Nothing but a bound, perhaps.
    Unknown { lower_bound: Option<u64> },
}

/// A plan as a program writes it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Given {
    /// As in a plan file.
    File(Box<PlanFile>),
    /// By model, by layer: a device and a recipe.
    Choices(Vec<Vec<(Choice, Choice)>>),
}

/// A device or a recipe, by name or by its place in the instance.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Choice {
    Place(u16),
    Name(String),
}

impl Callable<'_> {
    /// What was raised, if anything was.
    pub(crate) fn raised(self) -> Option<PyErr> {
        self.raised.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, py: Python<'_>) -> PyResult<Answer<Plan>> {
        let text: String = self.function.call0(py)?.extract(py)?;
        let said = parse_json(PLAN, &text).map_err(|error| input(py, &error))?;
        Ok(match said {
            Said::Plan { plan, lower_bound } => Answer::Plan {
                plan: plan.resolve(self.session).map_err(|error| input(py, &error))?,
                lower_bound: lower_bound.map(Cost),
            },
            Said::Infeasible => Answer::Infeasible,
            Said::Unknown { lower_bound } => Answer::Unknown { lower_bound: lower_bound.map(Cost) },
        })
    }
}

impl Solver<Deployment> for Callable<'_> {
    fn solve(&self, _run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        Python::attach(|py| self.ask(py)).map_err(|error| {
            let text = error.to_string();
            *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            SolverError::Engine(text)
        })
    }
}

/// Reads a plan that a program wrote.
///
/// # Errors
/// Syntax, and names and places that the instance does not have.
pub(crate) fn read_plan(session: &Session, text: &str) -> Result<Plan, InputError> {
    parse_json::<Given>(PLAN, text)?.resolve(session)
}

impl Given {
    fn resolve(&self, session: &Session) -> Result<Plan, InputError> {
        let deployment = session.deployment();
        match self {
            Self::File(file) => file.resolve(PLAN, deployment),
            Self::Choices(models) => by_layer(deployment, models),
        }
    }
}

fn by_layer(deployment: &Deployment, models: &[Vec<(Choice, Choice)>]) -> Result<Plan, InputError> {
    let counted = |key: String, has: usize, needs: usize| match has == needs {
        true => Ok(()),
        false => Err(InputError::key(PLAN, key, format!("{has} instead of {needs}"))),
    };
    counted("models".into(), models.len(), deployment.models.len())?;
    let mut plan = Plan { models: Vec::with_capacity(models.len()) };
    for (index, (model, choices)) in deployment.models.iter().zip(models).enumerate() {
        counted(format!("models[{index}]"), choices.len(), model.layers.len())?;
        let one = |(place, (layer, (device, recipe))): (usize, (&Layer, &(Choice, Choice)))| {
            let wrong =
                |problem| InputError::key(PLAN, format!("models[{index}][{place}]"), problem);
            assignment(deployment, layer, device, recipe).map_err(wrong)
        };
        let layers = model.layers.iter().zip(choices).enumerate();
        plan.models.push(layers.map(one).collect::<Result<_, _>>()?);
    }
    Ok(plan)
}

fn assignment(
    deployment: &Deployment,
    layer: &Layer,
    device: &Choice,
    recipe: &Choice,
) -> Result<Assignment, String> {
    let devices: Vec<String> = deployment.devices.iter().map(|d| d.name.clone()).collect();
    let recipes: Vec<String> = layer.options.iter().map(|o| o.recipe.to_string()).collect();
    Ok(Assignment {
        device: DeviceId(device.among("device", &devices)?),
        option: OptionId(recipe.among("recipe", &recipes)?),
    })
}

impl Choice {
    /// Its place in the list.
    fn among(&self, what: &str, names: &[String]) -> Result<u16, String> {
        let place = match self {
            Self::Place(place) => Some(usize::from(*place)).filter(|&place| place < names.len()),
            Self::Name(name) => names.iter().position(|known| known == name),
        };
        place.and_then(|place| place.try_into().ok()).ok_or_else(|| match self {
            Self::Place(place) => format!("{what} {place}; 0 to {} are allowed", names.len() - 1),
            Self::Name(name) => match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("no {what} `{name}`; did you mean `{near}`?"),
                None => format!("no {what} `{name}`; there are {}", names.join(", ")),
            },
        })
    }
}
