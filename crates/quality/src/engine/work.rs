//! A folder of what is made once of a model and used again: importance matrix, logits, and a file
//! for each format.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use edgeplan_files::{InputError, write_atomic};
use edgeplan_model::{ModelSpec, gguf};
use edgeplan_problem::format::Format;

use super::{EngineError, Programs, chosen};
use crate::fidelity::Excerpt;
use crate::squad;

/// Tokens of a window of the importance matrix, and windows at most.
const CONTEXT: usize = 512;
const WINDOWS: usize = 32;
/// What else a file holds, which no mix takes from it: any type that all rows have.
const OTHERS: &str = "Q8_0";

/// The folder, and the text that weights matter for.
#[derive(Debug, Clone)]
pub struct Work {
    /// The float model, a GGUF file.
    pub model: PathBuf,
    folder: PathBuf,
    /// The text of the importance matrix.
    calibration: PathBuf,
    /// Its name in names of files.
    key: String,
}

impl Work {
    /// A folder for a model, `MODEL.work` if none is named; it is made if it is not there.
    ///
    /// # Errors
    /// A folder that cannot be made, or is another model's; a text that cannot be read.
    pub fn open(
        model: &Path,
        folder: Option<&Path>,
        calibration: &Path,
    ) -> Result<Self, InputError> {
        let key = named(calibration)?;
        let beside = model.with_added_extension("work");
        let folder = folder.unwrap_or(&beside).to_path_buf();
        let here = |path: &Path, error: std::io::Error| {
            InputError::file(path.display().to_string(), error.to_string())
        };
        let meta = std::fs::metadata(model).map_err(|error| here(model, error))?;
        if meta.is_dir() {
            let problem = "is a folder; llama.cpp reads GGUF files, which `edgeplan quantize \
                           --recipe f16` makes of it";
            return Err(InputError::file(model.display().to_string(), problem));
        }
        std::fs::create_dir_all(&folder).map_err(|error| here(&folder, error))?;
        let modified = meta.modified().ok().and_then(|time| {
            time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_nanos())
        });
        let own = format!("{} bytes, modified {}\n", meta.len(), modified.unwrap_or_default());
        let owner = folder.join("model.txt");
        match std::fs::read_to_string(&owner) {
            Ok(known) if known == own => {}
            Ok(_) => {
                let problem = format!("is of another model than {}", model.display());
                return Err(InputError::file(folder.display().to_string(), problem));
            }
            Err(_) => write_atomic(&owner, &own)?,
        }
        Ok(Self { model: model.into(), folder, calibration: calibration.into(), key })
    }

    /// A file of that name in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where the float model's logits on a text are.
    pub(super) fn logits(&self, excerpt: Excerpt<'_>) -> Result<PathBuf, InputError> {
        let Excerpt { text, tokens, context } = excerpt;
        Ok(self.file(&format!("logits-{}-{tokens}-{context}.bin", named(text)?)))
    }

    /// The importance matrix, made if it is not there.
    ///
    /// # Errors
    /// A program that fails; the end of the time.
    pub fn importance(&self, programs: &Programs) -> Result<PathBuf, EngineError> {
        let path = self.file(&format!("imatrix-{}.gguf", self.key));
        if path.exists() {
            return Ok(path);
        }
        let part = self.file(&format!("imatrix-{}.part.gguf", self.key));
        let words = [
            ("--model", self.model.display().to_string()),
            ("--file", self.calibration.display().to_string()),
            ("--output-file", part.display().to_string()),
            ("--ctx-size", CONTEXT.to_string()),
            ("--batch-size", CONTEXT.to_string()),
            ("--chunks", WINDOWS.to_string()),
        ];
        let words: Vec<String> =
            words.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        let said = programs.imatrix(&words, &self.model)?;
        std::fs::rename(&part, &path).map_err(|_| {
            let last = said.lines().rfind(|line| line.contains("need at least"));
            let problem = format!(
                "llama-imatrix makes no importance matrix of it: {}",
                last.unwrap_or("it says no more").trim()
            );
            InputError::file(self.calibration.display().to_string(), problem)
        })?;
        Ok(path)
    }

    /// The file of all chosen tensors in that format, made if it is not there.
    ///
    /// # Errors
    /// A program that fails; the end of the time.
    pub fn in_format(
        &self,
        programs: &Programs,
        model: &ModelSpec,
        format: Format,
    ) -> Result<PathBuf, EngineError> {
        let path = self.file(&format!("{format}-{}.gguf", self.key));
        if path.exists() {
            return Ok(path);
        }
        let matrix = self.importance(programs)?;
        let weighted = weighted(&matrix)?;
        let types = self.file("types.txt");
        let fitting = chosen(model).filter(|tensor| fits(&weighted, tensor, format));
        let lines = fitting.map(|tensor| format!("{}={format}\n", pattern(&tensor.name)));
        write_atomic(&types, &lines.collect::<String>())?;
        let words = ["--imatrix".to_owned(), matrix.display().to_string()];
        let types = ["--tensor-type-file".to_owned(), types.display().to_string()];
        programs.quantize(&[words, types].concat(), [&self.model, &path], OTHERS)?;
        Ok(path)
    }

    /// A file in one of llama.cpp's own mixes, made if it is not there.
    ///
    /// # Errors
    /// A program that fails; the end of the time.
    pub fn in_mix(&self, programs: &Programs, mix: &str) -> Result<PathBuf, EngineError> {
        let path = self.file(&format!("mix-{mix}-{}.gguf", self.key));
        if path.exists() {
            return Ok(path);
        }
        let matrix = self.importance(programs)?;
        let words = ["--imatrix".to_owned(), matrix.display().to_string()];
        programs.quantize(&words, [&self.model, &path], mix)?;
        Ok(path)
    }

    /// The weights of a file in floats, at another path.
    pub(super) fn widen(&self, programs: &Programs, file: &Path) -> Result<PathBuf, EngineError> {
        let path = self.file("widened.gguf");
        programs.quantize(&["--allow-requantize".into()], [file, &path], "F32")?;
        Ok(path)
    }
}

/// The tensors that an importance matrix speaks of.
///
/// # Errors
/// A file that is no importance matrix.
pub fn weighted(matrix: &Path) -> Result<BTreeSet<String>, InputError> {
    let header = gguf::read(matrix)?;
    let names = header.tensors.iter().filter_map(|tensor| tensor.name.strip_suffix(SQUARES));
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    match names.is_empty() {
        true => Err(InputError::file(header.file, "is no importance matrix in GGUF")),
        false => Ok(names),
    }
}

/// What the names of sums of squares in an importance matrix end with.
pub(super) const SQUARES: &str = ".in_sum2";

/// Whether the quantizer makes that format of a tensor.
pub fn fits(
    weighted: &BTreeSet<String>,
    tensor: &edgeplan_model::TensorSpec,
    format: Format,
) -> bool {
    let known = !format.needs_importance_matrix() || weighted.contains(&tensor.name);
    known && tensor.bytes(format).is_some()
}

/// A regular expression that matches the name and nothing else.
fn pattern(name: &str) -> String {
    format!("^{}$", name.replace('.', "\\."))
}

/// Refuses questions and answers: llama.cpp's programs read text as it stands.
fn plain(text: &Path) -> Result<(), InputError> {
    let name = text.display().to_string();
    match squad::is_kind_of(&name) {
        true => Err(InputError::file(
            name,
            "questions and answers are read without `--engine` alone; with it plain text is needed",
        )),
        false => Ok(()),
    }
}

/// A text's name and length.
fn named(text: &Path) -> Result<String, InputError> {
    plain(text)?;
    let meta = std::fs::metadata(text)
        .map_err(|error| InputError::file(text.display().to_string(), error.to_string()))?;
    let stem = text.file_stem().unwrap_or_default().to_string_lossy();
    Ok(format!("{stem}-{}", meta.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_are_no_plain_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("m.gguf"), "").unwrap();
        std::fs::write(file("squad.json"), "{}").unwrap();
        let error = Work::open(&file("m.gguf"), None, &file("squad.json")).unwrap_err();
        assert!(error.to_string().contains("squad.json: questions and answers"), "{error}");
        assert!(!file("m.gguf.work").exists());
    }
}
