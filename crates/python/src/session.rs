//! A question, loaded and priced once.

use std::sync::Mutex;

use edgeplan::{Document, Plan};
use edgeplan_cli::answers::{self, Documents, Simulated};
use edgeplan_files::deployment::{PlanFile, write_instance};
use edgeplan_files::{TextFile, to_json};
use edgeplan_problem::Nanos;
use edgeplan_simulator::{Outcome, Record, Request};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::{Map, Value, json};

use crate::errors::exception;
use crate::solver::{Callable, read_plan};
use crate::wait::wait;

/// A question, loaded and priced once.
#[pyclass(frozen, module = "edgeplan._edgeplan")]
pub(crate) struct Session {
    session: edgeplan::Session,
}

/// Requests of one simulated policy: name of a column, and its 64-bit numbers.
type Columns<'py> = Vec<(&'static str, Bound<'py, PyBytes>)>;

#[pymethods]
impl Session {
    /// Loads the question of these arguments; `documents` are names and JSON texts of what has no
    /// file: `instance`, `cluster`, `workload`.
    #[new]
    fn new(
        py: Python<'_>,
        arguments: Vec<String>,
        documents: Vec<(String, String)>,
    ) -> PyResult<Self> {
        let session = wait(py, |stop| {
            let mut given = Documents::default();
            for (name, text) in documents {
                match name.as_str() {
                    "instance" => given.instance = Some(Document::Text(TextFile { name, text })),
                    "cluster" => given.cluster = Some(Document::of_json(&name, &text)?),
                    _ => given.workload = Some(Document::of_json("workload", &text)?),
                }
            }
            answers::load(&arguments, given, stop)
        })?;
        Ok(Self { session })
    }

    /// The instance as the text of its file.
    fn instance(&self) -> String {
        write_instance(self.session.deployment())
    }

    /// Plans; the answer as JSON.
    fn plan(&self, py: Python<'_>, arguments: Vec<String>) -> PyResult<String> {
        wait(py, |stop| {
            let (planned, mut json) = answers::plan(&self.session, &arguments, stop)?;
            self.add_plan(&mut json, planned.outcome.plan.as_ref());
            Ok(to_json(&json))
        })
    }

    /// Every solver's answer as JSON.
    fn compare(&self, py: Python<'_>, arguments: Vec<String>) -> PyResult<String> {
        wait(py, |stop| Ok(to_json(&answers::compare(&self.session, &arguments, stop)?)))
    }

    /// What other machines and links would buy, as JSON.
    fn what_if(&self, py: Python<'_>, arguments: Vec<String>) -> PyResult<String> {
        wait(py, |stop| Ok(to_json(&answers::what_if(&self.session, &arguments, stop)?)))
    }

    /// The next plan after something happened, as JSON.
    fn replan(&self, py: Python<'_>, plan: &str, arguments: Vec<String>) -> PyResult<String> {
        wait(py, |stop| {
            let plan = read_plan(&self.session, plan)?;
            Ok(to_json(&answers::replan(&self.session, plan, &arguments, stop)?))
        })
    }

    /// The bill of a plan as JSON.
    fn evaluate(&self, py: Python<'_>, plan: &str) -> PyResult<String> {
        wait(py, |_| {
            let checked = self.session.evaluated(read_plan(&self.session, plan)?);
            Ok(to_json(&answers::checked(&self.session, &checked)))
        })
    }

    /// A plan as the JSON of its file.
    fn plan_file(&self, py: Python<'_>, plan: &str) -> PyResult<String> {
        wait(py, |_| {
            let plan = read_plan(&self.session, plan)?;
            Ok(to_json(&PlanFile::new(self.session.deployment(), &plan)))
        })
    }

    /// Asks a callable for a plan and judges it; the answer as JSON. The callable runs on this
    /// thread, so that Ctrl-C reaches it.
    fn solve_with(
        &self,
        py: Python<'_>,
        function: Py<PyAny>,
        name: &str,
        arguments: Vec<String>,
    ) -> PyResult<String> {
        let callable =
            Callable { function: &function, session: &self.session, raised: Mutex::new(None) };
        let answer = py.detach(|| {
            let never = std::sync::atomic::AtomicBool::new(false);
            answers::solve_with(&self.session, name, &callable, &arguments, &never)
        });
        if let Some(raised) = callable.raised() {
            return Err(raised);
        }
        let (answer, mut json) = answer.map_err(|error| exception(py, &error))?;
        self.add_plan(&mut json, answer.outcome.plan.as_ref());
        Ok(to_json(&json))
    }

    /// Serves requests on a plan: the answer as JSON, and what became of the requests under each
    /// policy.
    fn simulate<'py>(
        &self,
        py: Python<'py>,
        plan: &str,
        arguments: Vec<String>,
    ) -> PyResult<(String, Vec<Columns<'py>>)> {
        let Simulated { answer, requests, records } = wait(py, |stop| {
            let plan = read_plan(&self.session, plan)?;
            answers::simulate(&self.session, &plan, &arguments, stop)
        })?;
        let columns = records.iter().map(|record| columns(py, &requests, record)).collect();
        Ok((to_json(&answer), columns))
    }
}

impl Session {
    fn add_plan(&self, json: &mut Map<String, Value>, plan: Option<&Plan>) {
        let plan = plan.map(|plan| PlanFile::new(self.session.deployment(), plan));
        json.insert("plan".into(), json!(plan));
    }
}

/// Nanoseconds of what was never.
const NEVER: i64 = -1;

/// Arrival, joining, first token and end of each request, in nanoseconds.
fn columns<'py>(py: Python<'py>, requests: &[Request], record: &Record) -> Columns<'py> {
    let nanos = |time: Nanos| i64::try_from(time.0).unwrap_or(i64::MAX);
    let column = |of: &dyn Fn(&Request, &Outcome) -> i64| {
        let pairs = requests.iter().zip(&record.outcomes);
        let bytes: Vec<u8> = pairs.flat_map(|(r, o)| of(r, o).to_ne_bytes()).collect();
        PyBytes::new(py, &bytes)
    };
    let part = |outcome: &Outcome, which: usize| match *outcome {
        Outcome::Served { joined, first, end } => Some([joined, first, end][which]),
        Outcome::Refused(_) => None,
    };
    let at = |which: usize| column(&|_, outcome| part(outcome, which).map_or(NEVER, nanos));
    vec![
        ("arrival_ns", column(&|request, _| nanos(request.arrival))),
        ("joined_ns", at(0)),
        ("first_token_ns", at(1)),
        ("end_ns", at(2)),
        ("prompt_tokens", column(&|request, _| request.size.prompt.into())),
        ("generated_tokens", column(&|request, _| request.size.generate.into())),
    ]
}
