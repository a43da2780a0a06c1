//! Certificate files: a lower bound that anybody can check without the solver.

use std::path::Path;

use anyhow::Result;
use edgeplan_certificate::{Certificate, check};
use edgeplan_files::{InputError, parse_json, read_text, to_json, write_atomic};
use edgeplan_files::deployment::fingerprint;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Cost, Run, Silent};
use edgeplan_search::{ChainSearch, Climbing};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::question::Question;
use crate::report::amount;
use crate::watch;

const SCHEMA: &str = "edgeplan-certificate/1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    /// Fingerprint of the instance.
    instance: String,
    certificate: Certificate,
}

/// What came of a certificate that was asked for.
pub(crate) enum Written {
    /// The file is there, and the checker accepts it.
    Proven(Cost),
    /// Nothing was written, for that reason.
    Missing(String),
}

/// Climbs the whole instance's relaxation and writes what proves its bound; `known` is the cost of
/// a feasible plan.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(
    path: &Path,
    instance: &Deployment,
    question: &Question,
    known: Option<Cost>,
) -> Result<Written> {
    let _line = watch::busy("writing the certificate");
    let mut silent = Silent;
    let mut run = Run::new(instance, watch::limits(question), &mut silent);
    let certificate = match ChainSearch::default().certify(&mut run, Climbing::Thorough) {
        Ok(certificate) => certificate,
        Err(error) => return Ok(Written::Missing(error.to_string())),
    };
    let bound = match check(instance, &certificate, known) {
        Ok(bound) => bound,
        Err(rejected) => {
            return Ok(Written::Missing(format!("the checker refuses it: {rejected}")));
        }
    };
    // What is written is what was checked.
    let certificate = Certificate { lower_bound: bound, ..certificate };
    let file = File { schema: SCHEMA.into(), instance: fingerprint(instance), certificate };
    write_atomic(path, &to_json(&file))?;
    Ok(Written::Proven(bound))
}

impl Written {
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }

    pub(crate) fn json(&self) -> Map<String, Value> {
        match self {
            Self::Proven(bound) => bound_json(*bound),
            Self::Missing(reason) => {
                Map::from_iter([("certificate_missing".to_owned(), json!(reason))])
            }
        }
    }

    pub(crate) fn text(&self, instance: &Deployment) -> String {
        match self {
            Self::Proven(bound) => bound_text(instance, *bound),
            Self::Missing(reason) => format!("no certificate was written: {reason}"),
        }
    }
}

/// A certified bound: `certified_lower_bound`, or `certified_infeasible` where it is above all.
pub(crate) fn bound_json(bound: Cost) -> Map<String, Value> {
    let entry = match bound {
        Cost::MAX => ("certified_infeasible".to_owned(), json!(true)),
        bound => ("certified_lower_bound".to_owned(), json!(bound)),
    };
    Map::from_iter([entry])
}

/// A certified bound, for people.
pub(crate) fn bound_text(instance: &Deployment, bound: Cost) -> String {
    match bound {
        Cost::MAX => "certified: there is no plan".into(),
        bound => format!("certified: no plan is below {}", amount(instance, bound)),
    }
}

/// The bound that a certificate file proves of the instance; `known` is the cost of a feasible
/// plan.
pub(crate) fn proven(path: &Path, instance: &Deployment, known: Option<Cost>) -> Result<Cost> {
    let name = path.display().to_string();
    let file: File = parse_json(&name, &read_text(path)?)?;
    let wrong = |key: &str, found: &str, expected: &str| {
        Err(InputError::key(&name, key, format!("`{found}`; `{expected}` is expected")).into())
    };
    if file.schema != SCHEMA {
        return wrong("schema", &file.schema, SCHEMA);
    }
    let expected = fingerprint(instance);
    if file.instance != expected {
        return wrong("instance", &file.instance, &expected);
    }
    check(instance, &file.certificate, known)
        .map_err(|rejected| InputError::key(&name, "certificate", rejected.to_string()).into())
}
