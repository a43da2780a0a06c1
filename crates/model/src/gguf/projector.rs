//! Vision and audio projectors: GGUF files of the architecture `clip`, beside a language model.

use std::path::Path;

use edgeplan_files::InputError;
use edgeplan_problem::Bytes;

/// What ggml calls the architecture of projectors.
pub(super) const CLIP: &str = "clip";

/// A projector: what turns images or sounds into hidden states of a language model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projector {
    /// The file.
    pub file: String,
    /// Bytes of its tensors.
    pub bytes: Bytes,
}

impl Projector {
    /// Reads the header of a projector.
    ///
    /// # Errors
    /// A file that is cut off, or of another architecture.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let header = super::read(path)?;
        let architecture = header.named_architecture()?;
        if architecture != CLIP {
            let problem = format!("`{architecture}`; a projector is of the architecture `{CLIP}`");
            return Err(header.error("general.architecture", problem));
        }
        let bytes = header.tensors.iter().map(|tensor| tensor.bytes).sum();
        Ok(Self { file: path.display().to_string(), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::super::draft::{Draft, Tensor, Value};
    use super::*;

    #[test]
    fn a_projector_is_a_file_of_its_own_architecture() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, architecture: &str| {
            let mut draft = Draft::default();
            draft.set("general.architecture", Value::Text(architecture.into()));
            let dimensions = vec![64, 10];
            draft.tensors.push(Tensor { name: "mm.0.weight".into(), dimensions, kind: 1 });
            let path = folder.path().join(name);
            std::fs::write(&path, draft.header()).unwrap();
            path
        };
        let clip = write("mmproj.gguf", "clip");
        let projector = Projector::read(&clip).unwrap();
        assert_eq!(projector.bytes, Bytes(64 * 10 * 2));
        let error = crate::load(&clip.display().to_string()).unwrap_err().to_string();
        assert!(error.contains("`clip` is a projector; `--mmproj`"), "{error}");
        let error = Projector::read(&write("m.gguf", "llama")).unwrap_err().to_string();
        assert!(error.contains("`llama`; a projector is of the architecture `clip`"), "{error}");
    }
}
