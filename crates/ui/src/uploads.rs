//! Model files that were dropped on the page: their beginnings, which describe all tensors.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use edgeplan::InputError;
use tempfile::TempDir;

/// Bytes of a file's beginning that are taken.
pub(crate) const HEAD_MAX: usize = 64 << 20;
/// No model is larger.
const SIZE_MAX: u64 = 1 << 44;
/// Files that are kept; the oldest goes first.
const KEPT: usize = 8;
/// Marks a dropped file in a question.
const MARK: &str = "dropped:";

/// The files, in a folder that goes when the program ends.
#[derive(Debug)]
pub(crate) struct Uploads {
    folder: TempDir,
    kept: Mutex<(u64, VecDeque<(String, PathBuf)>)>,
}

impl Uploads {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { folder: tempfile::tempdir()?, kept: Mutex::default() })
    }

    /// Keeps the beginning of a file of so many bytes; what is not known of it is left empty. The
    /// answer names it in questions.
    pub(crate) fn keep(&self, name: &str, size: u64, head: &[u8]) -> Result<String, InputError> {
        let name = safe(name);
        if size > SIZE_MAX || (head.len() as u64) > size {
            let problem = format!("{} bytes of a file of {size}", head.len());
            return Err(InputError::file(name, problem));
        }
        let wrong = |error: std::io::Error| InputError::file(name.clone(), error.to_string());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        let folder = self.folder.path().join(kept.0.to_string());
        std::fs::create_dir(&folder).map_err(wrong)?;
        let path = folder.join(&name);
        let mut file = File::create(&path).map_err(wrong)?;
        file.write_all(head).map_err(wrong)?;
        // A hole takes no room.
        file.set_len(size).map_err(wrong)?;
        let key = format!("{MARK}{}/{name}", kept.0);
        kept.1.push_back((key.clone(), path));
        if kept.1.len() > KEPT
            && let Some((_, oldest)) = kept.1.pop_front()
            && let Some(folder) = oldest.parent()
        {
            // What cannot be removed goes with the whole folder at the end.
            let _ = std::fs::remove_dir_all(folder);
        }
        Ok(key)
    }

    /// What a question calls a model, as a path where it was dropped.
    pub(crate) fn path(&self, model: &str) -> Result<String, InputError> {
        let Some(name) = model.strip_prefix(MARK) else { return Ok(model.to_owned()) };
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.1.iter().find(|(key, _)| key == model);
        let gone = || {
            let name = name.split_once('/').map_or(name, |(_, name)| name);
            InputError::file(name, "is not here any more; please choose or drop it again")
        };
        Ok(found.ok_or_else(gone)?.1.display().to_string())
    }
}

/// A name that is nothing but a name.
fn safe(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().filter(|c| allowed(*c)).take(120).collect();
    match name.trim_start_matches('.') {
        "" => "model".into(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_file_has_its_size_and_leaves_in_its_turn() {
        let uploads = Uploads::new().unwrap();
        let key = uploads.keep("../m.gguf", 1 << 30, b"GGUF").unwrap();
        let path = uploads.path(&key).unwrap();
        assert!(path.ends_with("/1/m.gguf"), "{path}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 1 << 30);
        for _ in 0..KEPT {
            uploads.keep("n", 4, b"GGUF").unwrap();
        }
        let error = uploads.path(&key).unwrap_err().to_string();
        assert!(error.starts_with("m.gguf: is not here any more"), "{error}");
        assert!(!PathBuf::from(path).exists());
        assert_eq!(uploads.path("catalog:x").unwrap(), "catalog:x");
    }

    #[test]
    fn more_than_the_file_has_is_refused() {
        let uploads = Uploads::new().unwrap();
        assert!(uploads.keep("m", 3, b"GGUF").is_err());
        assert!(uploads.keep("m", u64::MAX, b"GGUF").is_err());
        assert_eq!(safe("...//"), "model");
    }
}
