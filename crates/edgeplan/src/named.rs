//! Solvers by name.

use edgeplan_files::nearest;
use edgeplan_problem::Problem;
use edgeplan_solvers::Entry;

use crate::Error;

/// The entry of that name; otherwise an error that says of what kind there is none, with the
/// nearest name or else `instead`.
///
/// ```
/// use edgeplan_solvers::DEPLOYMENT;
///
/// let solver = edgeplan::solver_named(DEPLOYMENT, "highs", "solver", "")?;
/// assert_eq!(solver.name, "highs");
/// let error = edgeplan::solver_named(DEPLOYMENT, "hihgs", "solver", "").expect_err("misspelt");
/// assert!(error.to_string().contains("did you mean `highs`?"));
/// # Ok::<(), edgeplan::Error>(())
/// ```
///
/// # Errors
/// A name that there is none of.
pub fn solver_named<P: Problem + 'static>(
    entries: &'static [Entry<P>],
    name: &str,
    kind: &str,
    instead: &str,
) -> Result<&'static Entry<P>, Error> {
    entries.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let near = nearest(name, entries.iter().map(|entry| entry.name));
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        let hint = hint.unwrap_or_else(|| instead.into());
        Error::Impossible(format!("no {kind} is called `{name}`; {hint}"))
    })
}
