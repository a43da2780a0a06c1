//! Certificate files: a lower bound that anybody can check without the solver.

use std::path::Path;

use anyhow::{Result, anyhow};
use edgeplan_certificate::{Certificate, check};
use edgeplan_instances::file::{InputError, parse_json, read_text, to_json, write_atomic};
use edgeplan_instances::instance::fingerprint;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::{Cost, Run, Silent};
use edgeplan_search::ChainSearch;
use serde::{Deserialize, Serialize};

use crate::question::Question;
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

/// Climbs the whole instance's relaxation and writes what proves its bound; returns the bound.
pub(crate) fn write(path: &Path, instance: &Deployment, question: &Question) -> Result<Cost> {
    let _line = watch::busy("writing the certificate");
    let mut silent = Silent;
    let mut run = Run::new(instance, watch::limits(question), &mut silent);
    let certificate = ChainSearch::default()
        .certify(&mut run)
        .map_err(|error| anyhow!("no certificate: {error}"))?;
    let bound = certificate.lower_bound;
    let file = File { schema: SCHEMA.into(), instance: fingerprint(instance), certificate };
    write_atomic(path, &to_json(&file))?;
    Ok(bound)
}

/// The bound that a certificate file proves of the instance.
pub(crate) fn proven(path: &Path, instance: &Deployment) -> Result<Cost> {
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
    check(instance, &file.certificate)
        .map_err(|rejected| InputError::key(&name, "certificate", rejected.to_string()).into())
}
