//! A model in several files, as `llama-gguf-split` cuts it: `NAME-00001-of-00003.gguf` and so on.

use std::path::{Path, PathBuf};

use super::{Header, read};
use edgeplan_files::InputError;

/// More files than this are no model.
const PARTS_MAX: u64 = 1000;

/// The header of a file, or the first header of a split model with the tensors of all its files.
///
/// # Errors
/// As [`read`]; the files that are missing; files that do not belong together.
pub(super) fn read_all(path: &Path) -> Result<Header, InputError> {
    let header = read(path)?;
    let parts = header.number("split.count", 0..=u16::MAX.into())?.unwrap_or(1);
    if parts <= 1 {
        return Ok(header);
    }
    if parts > PARTS_MAX {
        let problem = format!("{parts}; up to {PARTS_MAX} are allowed");
        return Err(header.error("split.count", problem));
    }
    let paths = siblings(path, parts).ok_or_else(|| {
        let problem = format!(
            "{parts}; files named NAME-00001-of-{parts:05}.gguf are needed, all in one folder"
        );
        header.error("split.count", problem)
    })?;
    let missing: Vec<String> = paths
        .iter()
        .filter(|path| !path.is_file())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    if !missing.is_empty() {
        let verb = if missing.len() == 1 { "is" } else { "are" };
        let problem = format!("{parts} files, of which {} {verb} missing", missing.join(", "));
        return Err(header.error("split.count", problem));
    }
    joined(&paths, parts)
}

fn joined(paths: &[PathBuf], parts: u64) -> Result<Header, InputError> {
    let mut whole = read(&paths[0])?;
    for (index, path) in paths.iter().enumerate() {
        let part = read(path)?;
        let number = part.number("split.no", 0..=u16::MAX.into())?;
        if number != Some(index as u64) {
            let found = number.map_or("nothing".into(), |number| number.to_string());
            return Err(part.error("split.no", format!("{found}; {index} is needed")));
        }
        let count = part.number("split.count", 0..=u16::MAX.into())?;
        if count != Some(parts) {
            let found = count.map_or("nothing".into(), |count| count.to_string());
            return Err(part.error("split.count", format!("{found}; {parts} is needed")));
        }
        if index > 0 {
            whole.tensors.extend(part.tensors.iter().cloned());
        }
    }
    let mut names: Vec<&str> = whole.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(whole.error(pair[0], "is in two of the files"));
    }
    let all = whole.number("split.tensors.count", 0..=1 << 16)?;
    if let Some(all) = all.filter(|&all| all != whole.tensors.len() as u64) {
        let problem = format!("{all}; the files hold {}", whole.tensors.len());
        return Err(whole.error("split.tensors.count", problem));
    }
    Ok(whole)
}

/// The paths of all parts, from the path of any of them.
fn siblings(path: &Path, parts: u64) -> Option<Vec<PathBuf>> {
    let stem = path.file_stem()?.to_str()?;
    let name = stem.strip_suffix(&format!("-of-{parts:05}"))?;
    let (name, number) = name.rsplit_once('-')?;
    let known = number.len() == 5 && number.bytes().all(|byte| byte.is_ascii_digit());
    let extension = path.extension()?.to_str()?;
    known.then(|| {
        let file = |part| format!("{name}-{part:05}-of-{parts:05}.{extension}");
        (1..=parts).map(|part| path.with_file_name(file(part))).collect()
    })
}
