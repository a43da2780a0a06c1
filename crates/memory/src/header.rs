//! Files that a dry run takes: whole ones as they are, headers and shapes made long enough.

use std::path::{Path, PathBuf};

use edgeplan_files::InputError;
use edgeplan_model::gguf::{self, draft::Draft};
use edgeplan_problem::recipe::FormatMix;

/// The file of a model that the engine's dry run can read: the GGUF file itself if it has weights,
/// else a sparse file in `folder` whose weights are a hole.
///
/// # Errors
/// A model that cannot be read, a shape whose header cannot be written, a folder that is full.
pub fn runnable(spec: &str, recipe: &FormatMix, folder: &Path) -> Result<PathBuf, InputError> {
    let path = Path::new(spec);
    let out = folder.join("model.gguf");
    let wrong = |error: std::io::Error| InputError::file(spec, error.to_string());
    if path.is_file() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf")) {
        let header = gguf::read(path)?;
        if header.data.is_some() {
            return Ok(path.to_path_buf());
        }
        let mut draft = Draft::around(&header, path).map_err(wrong)?;
        draft.without_vocabulary();
        draft.write_sparse(&out).map_err(wrong)?;
        return Ok(out);
    }
    let shape = edgeplan_model::shape(spec)?;
    let draft = Draft::stored(spec.trim_start_matches("catalog:"), &shape, recipe)?;
    draft.write_sparse(&out).map_err(wrong)?;
    Ok(out)
}
