//! A model runs on this machine, and is held against what plans expect of it.

mod comparison;
mod expectation;

use std::path::Path;

use edgeplan_files::InputError;
use edgeplan_machines::device::{self, DeviceProfile};
use edgeplan_measure::machine::{Machine, load_average};
use edgeplan_model::ModelSpec;
use edgeplan_pricing::{MeasuredPasses, Runs};
use edgeplan_problem::Bytes;

pub use expectation::{Expectation, Predicted, expectation};

use crate::Error;

/// From this many processes per core on, other work disturbs times.
const IDLE: f64 = 0.25;

/// Predictions for a model beside measurements. See [`verify`] for an example.
#[derive(Debug)]
pub struct Verified {
    /// The model.
    pub model: ModelSpec,
    /// What it was run on.
    pub runs: Runs,
    /// What plans expect.
    pub predicted: Expectation,
    /// What it took.
    pub measured: MeasuredPasses,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// Predicts times and memory of a GGUF file on the machine of a profile (`catalog:NAME` or a file),
/// has `measure` run it here, and puts the two together.
///
/// ```no_run
/// use edgeplan::{MeasuredPasses, Runs, verify};
/// # fn run(_: Runs) -> Result<MeasuredPasses, edgeplan::Error> {
/// #     Err(edgeplan::Error::Impossible("a sample runs no engine".into()))
/// # }
/// let runs = Runs { prompt: 128, generate: 32, repeats: 5 };
/// let verified = verify("tiny.gguf".as_ref(), "laptop.json", runs, run)?;
/// println!("{}", verified.text());
/// # Ok::<(), edgeplan::Error>(())
/// ```
///
/// # Errors
/// A profile or a model that cannot be read, a model without weights or too large for what memory
/// is free; those of `measure`.
pub fn verify<E: From<Error>>(
    path: &Path,
    profile: &str,
    runs: Runs,
    measure: impl FnOnce(Runs) -> Result<MeasuredPasses, E>,
) -> Result<Verified, E> {
    let Prepared { model, predicted, machine, known } = prepared(path, profile, runs)?;
    // Before anything runs here.
    let load = load_average();
    let measured = measure(runs)?;
    let mut notes = predicted.notes.clone();
    notes.extend(stranger(&known, &machine));
    if load > IDLE * f64::from(machine.cores) {
        notes.push(format!(
            "{load:.1} processes ran or waited for {} cores in the minute before: other work",
            machine.cores
        ));
    }
    Ok(Verified { model, runs, predicted, measured, notes })
}

/// What is known before anything runs.
struct Prepared {
    model: ModelSpec,
    predicted: Expectation,
    /// This machine.
    machine: Machine,
    /// The profile that predictions come from.
    known: DeviceProfile,
}

fn prepared(path: &Path, profile: &str, runs: Runs) -> Result<Prepared, Error> {
    let known = device::load(profile)?;
    let file = path.display().to_string();
    let model = edgeplan_model::load(&file)?.as_stored();
    let refused = |problem: String| InputError::file(&file, problem);
    if model.stored_bytes().is_none() {
        return Err(refused("a GGUF file with its weights is needed".into()).into());
    }
    let tokens = [runs.prompt, runs.generate].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let predicted = expectation(&model, profile, tokens[0], tokens[1])?;
    let machine = Machine::here();
    let (needed, free) = (predicted.memory, Bytes(machine.free_bytes));
    if needed > free {
        let problem = format!("takes {needed} of memory, but only {free} is free");
        return Err(refused(problem).into());
    }
    Ok(Prepared { model, predicted, machine, known })
}

/// Says so if the profile is another machine's.
fn stranger(known: &DeviceProfile, here: &Machine) -> Option<String> {
    let told = match known {
        DeviceProfile::Measured(measured) => {
            let there = &measured.profile.machine;
            if let Some(accelerator) = &there.accelerator {
                return Some(format!(
                    "the profile is that of {accelerator}; this ran on the processor"
                ));
            }
            &there.processor
        }
        DeviceProfile::Engine(measured) => {
            let engine = &measured.profile.machine.engine;
            return Some(format!("the profile is that of {engine}; this ran on candle"));
        }
        DeviceProfile::Published(_) => {
            return Some("the profile was published, not measured here".into());
        }
    };
    (*told != here.processor)
        .then(|| format!("the profile was measured on {told}; this is {}", here.processor))
}
