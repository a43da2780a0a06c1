//! Mixes put together from files of one format each.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use edgeplan_files::InputError;
use edgeplan_model::gguf::draft::{Draft, Tensor as Place, Value};
use edgeplan_problem::format::Format;

use crate::apply::Formats;
use crate::checkpoint::Checkpoint;

/// Bytes that are copied at once.
const COPIED: u64 = 1 << 22;
const FILE_TYPE: &str = "general.file_type";
const VERSION: &str = "general.quantization_version";

/// The float model, and files with its tensors in formats.
#[derive(Debug)]
pub struct Parts {
    /// The float model.
    base: Checkpoint,
    files: BTreeMap<Format, Checkpoint>,
}

impl Parts {
    /// Opens all of them.
    ///
    /// # Errors
    /// A file that is no GGUF file with its data.
    pub fn open(base: &Path, files: &BTreeMap<Format, PathBuf>) -> Result<Self, InputError> {
        let open = |(&format, path): (&Format, &PathBuf)| Ok((format, Checkpoint::open(path)?));
        let files = files.iter().map(open).collect::<Result<_, InputError>>()?;
        Ok(Self { base: Checkpoint::open(base)?, files })
    }

    /// Writes the float model with these tensors in these formats: the bytes that llama-quantize
    /// makes of the whole with a type for each.
    ///
    /// # Errors
    /// A format of which there is no file, a file without that tensor in it, those of writing.
    pub fn write(&mut self, formats: &Formats, out: &Path) -> Result<(), InputError> {
        let mut draft = self.metadata()?;
        let mut steps = Vec::new();
        for tensor in self.base.header.tensors.clone() {
            let own = tensor.stored.ggml_id;
            let format = formats.get(&tensor.name).filter(|format| format.ggml_id() != own);
            let kind = format.map_or(own, |format| format.ggml_id());
            let used = tensor.dimensions.iter().rposition(|&length| length > 1).unwrap_or(0);
            let dimensions = tensor.dimensions[..=used].to_vec();
            draft.tensors.push(Place { name: tensor.name.clone(), dimensions, kind });
            steps.push((tensor, format.copied()));
        }
        let here =
            |error: std::io::Error| InputError::file(out.display().to_string(), error.to_string());
        let file = BufWriter::new(File::create(out).map_err(here)?);
        let mut failed = None;
        let mut left = steps.into_iter();
        let written = draft.write(file, |_, file| {
            let Some((tensor, format)) = left.next() else { return Ok(()) };
            self.copy(&tensor.name, format, file).map_err(|problem| {
                let text = problem.to_string();
                failed = Some(problem);
                std::io::Error::other(text)
            })
        });
        match failed {
            Some(problem) => Err(problem),
            None => written.map_err(here),
        }
    }

    /// That of the float model, but for what is not true of mixes.
    fn metadata(&mut self) -> Result<Draft, InputError> {
        let alignment = self.base.header.alignment;
        let mut draft = Draft { alignment, ..Draft::default() };
        for pair in self.base.header.pairs.clone() {
            if pair.key != FILE_TYPE {
                let bytes = self.base.metadata(&pair)?;
                draft.metadata.push((pair.key, Value::Copied(pair.kind, bytes)));
            }
        }
        draft.set(VERSION, Value::U32(2));
        Ok(draft)
    }

    fn copy(
        &mut self,
        name: &str,
        format: Option<Format>,
        out: &mut dyn Write,
    ) -> Result<(), InputError> {
        let from = match format {
            None => &mut self.base,
            Some(format) => self.files.get_mut(&format).ok_or_else(|| {
                let problem = format!("{name} in {format}, of which no file was made");
                InputError::file("mix", problem)
            })?,
        };
        let tensor = from.tensor(name)?.clone();
        if let Some(format) = format.filter(|format| format.ggml_id() != tensor.stored.ggml_id) {
            let problem = format!("is in {}, not in {format}", tensor.stored.name);
            return Err(from.header.error(name, problem));
        }
        for first in (0..tensor.bytes.0).step_by(COPIED as usize) {
            let bytes = from.bytes(&tensor, first, COPIED.min(tensor.bytes.0 - first))?;
            let written = out.write_all(&bytes);
            written.map_err(|error| InputError::file("output", error.to_string()))?;
        }
        Ok(())
    }
}
