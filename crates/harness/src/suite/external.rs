//! Solvers of a suite that are programs of their own.

use std::collections::BTreeMap;
use std::path::Path;

use edgeplan_external::External;
use edgeplan_files::InputError;
use edgeplan_records::declared::declared;
use edgeplan_records::row::Kind;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::registry::Registry;

/// A table `[solver.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExternalKeys {
    /// The program and its arguments, such as `python3 {here}/mine.py {instance} {plan} {claim}
    /// {time} {threads}`; `{here}` is the suite's folder.
    command: String,
}

/// The solvers that a suite brings; `folder` is the suite's.
pub(super) fn externals(
    kind: Kind,
    tables: &BTreeMap<String, ExternalKeys>,
    folder: &Path,
    registry: &Registry<'_>,
) -> Result<BTreeMap<String, External>, InputError> {
    let mut externals = BTreeMap::new();
    for (name, keys) in tables {
        let key = format!("solver.{name}");
        let wrong = |problem: String| Err(InputError::key("", &key, problem));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return wrong("small letters, digits and `-` make a name".into());
        }
        if registry.names(kind).contains(&name.as_str()) {
            return wrong(format!("{name} is a solver of the registry; another name is needed"));
        }
        if !declared().set(kind, name).is_empty() {
            return wrong(format!("{name} is a set of solvers; another name is needed"));
        }
        if kind != Kind::Deployment {
            return wrong(format!(
                "programs solve deployments, and this suite is of {}",
                kind.word()
            ));
        }
        // `.` stands for the folder of a suite that is named without one.
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let external = External::new(&keys.command, here)
            .map_err(|problem| InputError::key("", format!("{key}.command"), problem))?;
        externals.insert(name.clone(), external);
    }
    Ok(externals)
}
