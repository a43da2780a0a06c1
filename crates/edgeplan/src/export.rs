//! A plan as files and commands for an engine that runs it.

use std::collections::BTreeMap;
use std::path::Path;

use edgeplan_files::deployment::{PlanFile, fingerprint};
use edgeplan_files::{InputError, read_text};
use edgeplan_problem::deployment::{Account, Deployment, DeviceId, Placement, Plan};
use edgeplan_problem::{Bytes, Cost, Nanos, Problem as _, Verdict};
use edgeplan_report::answer::headline;
use edgeplan_runtimes::{Order, Request, Runtime, export, latency, nearest};
use serde::Serialize;

use crate::Error;
use crate::answer::{Progress, Task, believed};
use crate::cache::CacheChoice;
use crate::runs::answer_in_runs;
use crate::session::{Inputs, Session, View};

/// What is to be exported, and for whom.
///
/// See [`Session::export`] for an example.
#[derive(Debug, Clone, Copy)]
pub struct Export<'a> {
    /// The engine.
    pub engine: &'static Runtime,
    /// A plan file of the question, with or without the engine's restriction; the task's solver
    /// plans if none.
    pub plan: Option<&'a Path>,
    /// Whether the nearest plan that the engine can express may stand for the given one.
    pub nearest: bool,
    /// Where the engine finds devices, by name.
    pub addresses: &'a BTreeMap<String, String>,
    /// The command that the files name as their origin.
    pub command: &'a str,
}

/// The files of an export, and what they promise.
///
/// See [`Session::export`] for an example.
#[derive(Debug)]
pub struct Exported {
    /// Text by name; scripts end in `.sh`.
    pub files: Vec<(String, String)>,
    /// The problem, priced as the engine works.
    pub deployment: Deployment,
    /// Its plan.
    pub plan: Plan,
    /// Who does what under that plan, and what it takes.
    pub account: Account,
    /// What one request is; none for an instance file.
    pub request: Option<Request>,
    /// What a person must know of the plan, a line each.
    pub remarks: Vec<String>,
}

/// What an export promises. Field names are stable keys.
#[derive(Serialize)]
struct ExportKeys<'a> {
    engine: &'static str,
    folder: String,
    files: Vec<&'a str>,
    latency_ns: Nanos,
    first_token_ns: Option<Nanos>,
    memory_bytes: Bytes,
    devices: BTreeMap<&'a str, DeviceKeys>,
    remarks: &'a [String],
}

#[derive(Serialize)]
struct DeviceKeys {
    weights_bytes: Bytes,
    kv_bytes: Bytes,
    activations_bytes: Bytes,
    overhead_bytes: Bytes,
}

impl Exported {
    /// The names of the files.
    ///
    /// See [`Session::export`] for an example.
    pub fn names(&self) -> Vec<&str> {
        self.files.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// What it promises, under stable keys; `folder` is where the files lie.
    ///
    /// See [`Session::export`] for an example.
    pub fn keys(&self, engine: &'static Runtime, folder: &Path) -> impl Serialize {
        let bills = self.deployment.devices.iter().zip(&self.account.devices);
        let devices = bills.map(|(device, bill)| {
            let keys = DeviceKeys {
                weights_bytes: bill.weights,
                kv_bytes: bill.kv,
                activations_bytes: bill.activations,
                overhead_bytes: bill.overhead,
            };
            (device.name.as_str(), keys)
        });
        ExportKeys {
            engine: engine.name,
            folder: folder.display().to_string(),
            files: self.names(),
            latency_ns: latency(&self.deployment, &self.plan),
            first_token_ns: self.request.map(|request| request.first_token),
            memory_bytes: self.account.memory(),
            devices: devices.collect(),
            remarks: &self.remarks,
        }
    }
}

/// A plan that the engine can express, and how it is priced.
struct Chosen {
    session: Session,
    /// The session's problem, where the plan may split what a search for it may not.
    deployment: Deployment,
    plan: Plan,
    remarks: Vec<String>,
}

impl Chosen {
    /// The same, with what was changed to make it.
    fn changing(mut self, misfits: &[String]) -> Self {
        self.remarks.extend(misfits.iter().map(|misfit| format!("changed: {misfit}")));
        self
    }
}

/// A plan of a file, and its question.
#[derive(Clone, Copy)]
struct Given<'a> {
    deployment: &'a Deployment,
    plan: &'a Plan,
}

impl Given<'_> {
    fn cost(&self) -> Cost {
        self.deployment.evaluate(self.plan).cost
    }
}

impl Session {
    /// Writes a plan down for an engine; none where there is no plan for it.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// use edgeplan::{Export, Quiet, Runtime, Sources, Task};
    ///
    /// let models = vec!["catalog:tinyllama-1.1b".into()];
    /// let session = Sources { models, ..Sources::default() }.load()?;
    /// let export = Export {
    ///     engine: Runtime::find("llama.cpp").map_err(edgeplan::Error::Impossible)?,
    ///     plan: None,
    ///     nearest: false,
    ///     addresses: &BTreeMap::new(),
    ///     command: "a program of mine",
    /// };
    /// let exported = session.export(&export, &Task::default(), &mut Quiet)?;
    /// let exported = exported.expect("it has a plan");
    /// assert!(exported.names().contains(&"README.md"));
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the engine cannot express, with the nearest way out; an unusable address; several
    /// models.
    pub fn export(
        &self,
        export_to: &Export<'_>,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Option<Exported>, Error> {
        let engine = export_to.engine;
        let chosen = match export_to.plan {
            Some(path) => self.given(export_to, path, task, progress)?,
            None => self.planned_for(engine, task, progress)?,
        };
        let Some(Chosen { session, deployment, plan, mut remarks }) = chosen else {
            return Ok(None);
        };
        let evaluation = deployment.evaluate(&plan);
        if !evaluation.is_feasible() {
            let broken: Vec<String> =
                evaluation.violations.iter().map(ToString::to_string).collect();
            let (name, broken) = (engine.name, broken.join("; "));
            return Err(Error::Impossible(format!(
                "as {name} runs it, the plan is infeasible: {broken}"
            )));
        }
        let said = session.summary(&plan)?.into_iter().map(|model| model.sentence());
        remarks.extend(said.map(|said| format!("Predicted: {said}")));
        let requests = session.requests()?;
        let (mut request, mut backends) = (None, Vec::new());
        if let (Some(inputs), Some(workload), Some(requests)) =
            (session.inputs(), session.workload(), requests)
        {
            backends = inputs.backends()?;
            request = Some(Request {
                prompt: workload.prompt,
                generate: workload.generate,
                batch: workload.batch,
                context: workload.context(&inputs.models[0])?,
                kv: workload.kv.used(),
                first_token: latency(&requests.prompt, &plan),
                whole: latency(&requests.whole, &plan),
            });
        }
        let kept = session.inputs().map(|inputs| inputs.models[0].kept()).unwrap_or_default();
        let projector = match session.inputs() {
            Some(Inputs { projector: Some(known), .. }) => {
                let device = session.inputs().map_or(Ok(0), Inputs::projector_device)?;
                Some((known.file.clone(), DeviceId(device as u16)))
            }
            _ => None,
        };
        let order = Order {
            runtime: engine,
            deployment: &deployment,
            plan: &plan,
            request,
            model: self.inputs().map(|inputs| inputs.names[0].as_str()),
            addresses: export_to.addresses,
            backends: &backends,
            kept: &kept,
            projector: projector.as_ref().map(|(file, device)| (file.as_str(), *device)),
            remarks: &remarks,
            command: export_to.command,
        };
        let files = export(&order)
            .map_err(|problem| Error::Impossible(format!("{}: {problem}", engine.name)))?;
        let account = evaluation.account;
        Ok(Some(Exported { files, deployment, plan, account, request, remarks }))
    }

    /// The solver's plan of the question within the engine.
    fn planned_for(
        &self,
        engine: &'static Runtime,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Option<Chosen>, Error> {
        let session = self.viewed(View::Within(engine))?.resolved(task, progress)?;
        let deployment = session.deployment().clone();
        one_model(&deployment)?;
        let ((outcome, _), in_runs) = answer_in_runs(&deployment, Some(engine), task, progress);
        let solver = task.solver(&deployment).name;
        let outcome = believed(solver, outcome)?;
        let mut remarks = vec![headline(&deployment, solver, &outcome)];
        remarks.extend(session.cache_choice().map(CacheChoice::text));
        let in_runs = in_runs.zip(outcome.cost());
        remarks.extend(in_runs.map(|(in_runs, cost)| in_runs.text(&deployment, cost)));
        Ok(outcome.plan.map(|plan| Chosen { session, deployment, plan, remarks }))
    }

    /// A file's plan, of the question within the engine or of the question as it is.
    fn given(
        &self,
        export_to: &Export<'_>,
        path: &Path,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Option<Chosen>, Error> {
        let engine = export_to.engine;
        let name = path.display().to_string();
        let file = PlanFile::parse(&name, &read_text(path)?)?;
        let open = self.viewed(View::Open)?;
        one_model(open.deployment())?;
        let is_of_open = match &file.instance {
            Some(instance) => *instance == fingerprint(open.deployment()),
            None => file.resolve(&name, open.deployment()).is_ok(),
        };
        if !is_of_open {
            // What the engine cannot do of the question counts only if the plan is of no other.
            let session = self.viewed(View::Within(engine))?;
            let deployment = session.deployment().clone();
            let plan = engine.arranged(&deployment, &file.resolve(&name, &deployment)?);
            let cost = deployment.objective.amount(deployment.evaluate(&plan).cost);
            let remarks = vec![format!("{cost} as planned for {}", engine.name)];
            return Ok(Some(Chosen { session, deployment, plan, remarks }));
        }
        let plan = engine.arranged(open.deployment(), &file.resolve(&name, open.deployment())?);
        let given = Given { deployment: open.deployment(), plan: &plan };
        let misfits = engine.misfits(given.deployment, given.plan);
        let misfits = misfits.map_err(|text| InputError::file(&name, text))?;
        match (misfits.is_empty(), export_to.nearest) {
            (true, _) => self.translated(engine, given).map(Some),
            (false, true) => {
                let nearest = self.nearest(engine, given, task, progress)?;
                Ok(nearest.map(|nearest| nearest.changing(&misfits)))
            }
            (false, false) => {
                let (list, name) = (misfits.join("\n  "), engine.name);
                Err(Error::Impossible(format!(
                    "{name} cannot run this plan:\n  {list}\n`--nearest` exports the nearest plan \
                     that it can run; `edgeplan plan --for {name}` makes one for it"
                )))
            }
        }
    }

    /// The same plan, priced as the engine works.
    fn translated(&self, engine: &'static Runtime, given: Given<'_>) -> Result<Chosen, Error> {
        let session = self.viewed(View::PricedFor(engine))?;
        let mut deployment = session.deployment().clone();
        // The plan may split what the engine can split and a search for it does not.
        deployment.placement = Placement::Free;
        let plan = engine.translate(given.deployment, given.plan, &deployment);
        let plan = plan.map_err(Error::Impossible)?;
        let amount = |cost| given.deployment.objective.amount(cost);
        let before = amount(given.cost());
        let after = amount(deployment.evaluate(&plan).cost);
        let remarks = vec![format!("{after} as {} runs it; {before} as planned", engine.name)];
        Ok(Chosen { session, deployment, plan, remarks })
    }

    /// The plan with the fewest changes that the engine can run.
    fn nearest(
        &self,
        engine: &'static Runtime,
        given: Given<'_>,
        task: &Task<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Option<Chosen>, Error> {
        let session = self.viewed(View::Within(engine))?;
        let deployment = session.deployment().clone();
        let near = nearest(&deployment, given.deployment, given.plan).map_err(Error::Impossible)?;
        let ((outcome, _), _) = answer_in_runs(&near, Some(engine), task, progress);
        let outcome = believed(task.solver(&near).name, outcome)?;
        let proven = matches!(outcome.verdict, Verdict::Optimal { .. });
        let Some(plan) = outcome.plan else { return Ok(None) };
        let (before, after) = (given.cost(), deployment.evaluate(&plan).cost);
        let change = 100.0 * (after.as_f64() / before.as_f64().max(1.0) - 1.0);
        let [before, after] = [before, after].map(|cost| given.deployment.objective.amount(cost));
        let found = if proven { "nearest plan" } else { "nearest plan found" };
        let remarks = vec![format!(
            "{after} for the {found} that {} can run; {before} for the plan given ({change:+.1} %)",
            engine.name
        )];
        Ok(Some(Chosen { session, deployment, plan, remarks }))
    }
}

fn one_model(deployment: &Deployment) -> Result<(), Error> {
    let names: Vec<&str> = deployment.models.iter().map(|model| model.name.as_str()).collect();
    match names.len() {
        1 => Ok(()),
        count => Err(Error::Impossible(format!(
            "{count} models ({}); one at a time can be exported",
            names.join(", ")
        ))),
    }
}
