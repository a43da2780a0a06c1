//! The speed of a machine: the profile of one core with its instructions, as much slower or quicker
//! as `llama-bench` says of the models around the time of a setting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Result, bail};
use edgeplan_cost_model::engine::{EngineModel, EngineProfile, Way};
use edgeplan_engine_profile::{Options, Size, before, profile, with_given};
use edgeplan_files::{read_text, to_json, write_atomic};

use crate::suite::{Class, Instructions};
use crate::trial::median;

/// Profiles of one core, by the instructions that its programs use.
pub(crate) type Machines = BTreeMap<Instructions, EngineProfile>;

/// The profile of one core of this machine by the engine in `programs`, in the formats of these
/// models; what `path` holds of it already is not measured again.
pub(crate) fn profiled(
    programs: &Path,
    models: Vec<PathBuf>,
    path: &Path,
) -> Result<EngineProfile> {
    let known = before(path)?;
    if let Some(known) = known.as_ref().filter(|known| known.complete) {
        return Ok(known.clone());
    }
    let options = Options {
        programs: programs.into(),
        models,
        size: Size::Quick,
        threads: Some(1),
        cpu: true,
    };
    let mut say = |progress: &edgeplan_engine_profile::Progress| {
        println!("{}, {} of {}: {}", path.display(), progress.done, progress.all, progress.now);
    };
    let mut save = |found: &EngineProfile| write_atomic(path, &to_json(found));
    let found = profile(&options, known, &AtomicBool::new(false), &mut say, &mut save)?;
    save(&found)?;
    Ok(found)
}

/// A model's file, and what `llama-bench` printed of it on a class of machines.
#[derive(Debug)]
pub(crate) struct Benched {
    pub(crate) model: PathBuf,
    pub(crate) printed: PathBuf,
}

/// The profile of a class of machines as it is now: passes of one row and of several rows each take
/// so many times as long as when it was made, in the middle of the models.
pub(crate) fn as_now(
    made: &EngineProfile,
    class: Class,
    benches: &[Benched],
) -> Result<EngineProfile> {
    let way = if class.source { Way::Plain } else { Way::AsStored };
    let mut factors = [Vec::new(), Vec::new()];
    for Benched { model, printed } in benches {
        let given = with_given(made, model, &read_text(printed)?, way)?;
        let fitted = EngineModel::fit(&given)?;
        let name = model.file_stem().unwrap_or_default().to_string_lossy();
        for held in fitted.held_out().iter().filter(|held| held.pass.model == name) {
            factors[usize::from(held.pass.rows > 1)].push(held.error.exp());
        }
    }
    let [one, several] = factors;
    if one.is_empty() || several.is_empty() {
        bail!("{}: no model's speed is told by the profile of the machine", class.name());
    }
    Ok(made.slowed(median(one)?, median(several)?))
}
