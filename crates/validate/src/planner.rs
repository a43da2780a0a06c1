//! Profiles, plans and exports for a setting, made by the library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use edgeplan::{Export, Limits, Quiet, Runtime, Session, Sources, Task, headline};
use edgeplan_files::deployment::PlanFile;
use edgeplan_files::{to_json, write_atomic, write_folder_atomic};
use edgeplan_problem::Bytes;
use edgeplan_solvers::find;

/// Seconds for a plan.
const TIME: Duration = Duration::from_secs(60);

/// A question: one model on a setting's machines.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) model: PathBuf,
    pub(crate) cluster: PathBuf,
    pub(crate) workload: PathBuf,
}

/// What an export promises.
#[derive(Debug, Clone)]
pub(crate) struct Prediction {
    pub(crate) latency_ns: u64,
    pub(crate) first_token_ns: u64,
    pub(crate) devices: BTreeMap<String, Bill>,
}

/// Bytes on one device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bill {
    pub(crate) weights: Bytes,
    pub(crate) kv: Bytes,
    pub(crate) activations: Bytes,
}

/// What llama.cpp leaves free of each memory.
pub(crate) fn margin() -> Result<Bytes> {
    Ok(engine()?.margin)
}

fn engine() -> Result<&'static Runtime> {
    Runtime::find("llama.cpp").map_err(anyhow::Error::msg)
}

impl Question {
    fn sources(&self) -> Sources {
        Sources {
            models: vec![self.model.display().to_string()],
            cluster: Some(self.cluster.clone().into()),
            workload: Some(self.workload.clone().into()),
            ..Sources::default()
        }
    }

    fn task(solver: &str) -> Result<Task<'static>> {
        let solver = find(solver).with_context(|| format!("no solver is called {solver}"))?;
        let limits = Limits { time: Some(TIME), ..Task::default().limits };
        Ok(Task { solver: Some(solver), limits, ..Task::default() })
    }

    /// Writes a plan for llama.cpp; without one, the reason.
    pub(crate) fn plan(&self, solver: &str, out: &Path) -> Result<Result<(), String>> {
        let session = Sources { engine: Some(engine()?), ..self.sources() }.load()?;
        let planned = session.plan(&Self::task(solver)?, &mut Quiet);
        let deployment = session.deployment();
        let Some(plan) = &planned.outcome.plan else {
            let why = planned.diagnosis.map(|diagnosis| format!(" {}", diagnosis.sentence()));
            let head = headline(deployment, planned.solver, &planned.outcome);
            return Ok(Err(format!("{head}{}", why.unwrap_or_default())));
        };
        if planned.outcome.verdict.is_wrong() {
            bail!("{}", headline(deployment, planned.solver, &planned.outcome));
        }
        write_atomic(out, &to_json(&PlanFile::new(deployment, plan)))?;
        Ok(Ok(()))
    }

    /// Writes the files that run a plan, with the addresses of devices, and says what it predicts.
    pub(crate) fn export(
        &self,
        plan: &Path,
        out: &Path,
        at: &[(String, String)],
    ) -> Result<Prediction> {
        let session: Session = self.sources().load()?;
        let addresses: BTreeMap<String, String> = at.iter().cloned().collect();
        let export = Export {
            engine: engine()?,
            plan: Some(plan),
            nearest: false,
            addresses: &addresses,
            command: "edgeplan-validate",
        };
        let exported = session.export(&export, &Self::task("chain-search")?, &mut Quiet)?;
        let exported = exported.context("a given plan is exported or refused")?;
        write_folder_atomic(out, &exported.files)?;
        let bills = exported.deployment.devices.iter().zip(&exported.account.devices);
        let devices = bills.map(|(device, bill)| {
            let bill = Bill { weights: bill.weights, kv: bill.kv, activations: bill.activations };
            (device.name.clone(), bill)
        });
        Ok(Prediction {
            latency_ns: exported.request.map_or(0, |request| request.whole.0),
            first_token_ns: exported.request.map_or(0, |request| request.first_token.0),
            devices: devices.collect(),
        })
    }
}

impl Prediction {
    /// Of each generated token after the first.
    pub(crate) fn token_ms(&self, generate: u32) -> f64 {
        self.latency_ns.saturating_sub(self.first_token_ns) as f64 / 1e6 / f64::from(generate)
    }
}
