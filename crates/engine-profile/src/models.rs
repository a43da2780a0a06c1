//! Models that are made to be measured, and files that the user named.

use std::path::{Path, PathBuf};

use edgeplan_cost_model::engine::{BenchModel, Way};
use edgeplan_files::InputError;
use edgeplan_pricing::bench_model;
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::FormatMix;
use edgeplan_reference_llama::random::Random;

use crate::grid::{Cells, Made, STEPS, Size};

/// Writes a model of random weights.
///
/// # Errors
/// A folder that cannot be written.
pub(crate) fn make(made: &Made, folder: &Path) -> Result<PathBuf, InputError> {
    let path = folder.join(format!("{}.gguf", made.name));
    if !path.is_file() {
        let recipe = FormatMix::from(made.format);
        let random = Random { name: made.name.clone(), shape: made.shape.clone(), recipe, seed: 0 };
        random.write(&path, |_| {})?;
    }
    Ok(path)
}

/// What the profile says of a file.
///
/// # Errors
/// A file that is no model.
pub(crate) fn describe(name: &str, path: &Path, given: bool) -> Result<BenchModel, InputError> {
    let model = edgeplan_model::load(&path.display().to_string())?.as_stored();
    Ok(bench_model(name, &model, given))
}

/// The formats of these files' matrices that models can be made in.
///
/// # Errors
/// A file that is no model.
pub(crate) fn formats(paths: &[PathBuf]) -> Result<Vec<Format>, InputError> {
    let mut found = Vec::new();
    for path in paths {
        let weights = describe("", path, true)?.weights;
        found.extend(weights.iter().map(|weights| weights.format).filter(|f| f.is_computed()));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What is timed of a file that the user named.
pub(crate) fn cells(size: Size, cpu: bool) -> Cells {
    Cells {
        prompts: if size == Size::Quick { vec![128] } else { vec![16, 128, 512] },
        steps: STEPS,
        depths: if size == Size::Quick { vec![0] } else { vec![0, 1024] },
        caches: vec![Format::F16],
        ways: if cpu { vec![Way::Plain, Way::AsStored] } else { vec![Way::Plain] },
    }
}
