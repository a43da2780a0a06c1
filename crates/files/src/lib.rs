//! Reading and writing files: one error type that names the file, the key and what is allowed;
//! a file is written whole or not at all.

pub mod deployment;
mod folder;
mod missing;
pub mod quantity;
#[cfg(all(test, unix))]
mod seen;
mod write;

use std::borrow::Cow;
use std::fmt::Debug;
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _};
use std::ops::RangeInclusive;
use std::path::Path;

use edgeplan_problem::Bytes;
use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::folder::{check_folder, write_folder_atomic};
pub use self::write::{check_writable, stream_atomic, write_atomic};

/// What is wrong with a file, in one line that a person can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", visible(&self.line()))]
pub struct InputError {
    /// The file (or `catalog:name`, `workload`, …) that the question came from.
    pub file: String,
    /// Dotted path of the key, where there is one (`device.jetson.memory`).
    pub key: Option<String>,
    /// What is wrong, the value included, and what is allowed instead.
    pub problem: String,
}

impl InputError {
    fn line(&self) -> String {
        let Self { file, key, problem } = self;
        match key {
            Some(key) => format!("{file}: {key}: {problem}"),
            None => format!("{file}: {problem}"),
        }
    }

    /// An error about `file` as a whole.
    pub fn file(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { file: file.into(), key: None, problem: problem.into() }
    }

    /// An error about one key of `file`.
    pub fn key(
        file: impl Into<String>,
        key: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self { file: file.into(), key: Some(key.into()), problem: problem.into() }
    }
}

/// Text of a file as it may be shown: what a terminal would obey, or not show, is escaped.
pub fn visible(text: &str) -> Cow<'_, str> {
    // Marks that turn the direction of a text hide what it says.
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
    let hidden = |c: char| c.is_control() || turns(c) || matches!(c, '\u{2066}'..='\u{2069}');
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match hidden(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Bytes of a text that is read: a device has no end, and what is read must fit into memory.
pub const TEXT_MAX: u64 = 256 << 20;

/// The whole text of a file.
///
/// # Errors
/// When it cannot be read, is not UTF-8 or is longer than [`TEXT_MAX`].
pub fn read_text(path: &Path) -> Result<String, InputError> {
    let wrong = |error: Error| failure(path, &error);
    let file = File::open(path).map_err(wrong)?;
    let length = file.metadata().map_err(wrong)?.len();
    let mut bytes = Vec::new();
    if length <= TEXT_MAX {
        // One byte more shows that there is more.
        file.take(TEXT_MAX + 1).read_to_end(&mut bytes).map_err(wrong)?;
    }
    if length > TEXT_MAX || bytes.len() as u64 > TEXT_MAX {
        let most = Bytes(TEXT_MAX);
        let problem = format!("longer than {most}, which is the most that is read");
        return Err(InputError::file(path.display().to_string(), problem));
    }
    String::from_utf8(bytes).map_err(|_| wrong(ErrorKind::InvalidData.into()))
}

/// What went wrong with a file, without the words of the operating system where there are better.
fn failure(path: &Path, error: &Error) -> InputError {
    let problem = match error.kind() {
        ErrorKind::NotFound => "there is no such file".into(),
        ErrorKind::IsADirectory => "this is a folder; a file is needed".into(),
        ErrorKind::InvalidData => "this is no text; UTF-8 is needed".into(),
        _ => error.to_string(),
    };
    InputError::file(path.display().to_string(), problem)
}

/// Parses TOML; `file` is only named in errors.
///
/// # Errors
/// Syntax errors with their line; unknown keys with the nearest known one.
pub fn parse_toml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, InputError> {
    let deserializer =
        toml::Deserializer::parse(text).map_err(|error| at_line(file, text, &error))?;
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| decode_error(file, error.path().to_string(), error.inner().message()))
}

/// As [`parse_toml`], for files that people write: all keys that a table lacks are named at once.
///
/// # Errors
/// As [`parse_toml`].
pub fn parse_table<T: DeserializeOwned + JsonSchema>(
    file: &str,
    text: &str,
) -> Result<T, InputError> {
    let deserializer =
        toml::Deserializer::parse(text).map_err(|error| at_line(file, text, &error))?;
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let message = error.inner().message();
        let first = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let all =
            first.and_then(|first| missing::message(&schema_for!(T), text, error.path(), first));
        decode_error(file, error.path().to_string(), all.as_deref().unwrap_or(message))
    })
}

/// Parses JSON; `file` is only named in errors.
///
/// # Errors
/// Syntax errors with their line; unknown keys with the nearest known one.
pub fn parse_json<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, InputError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        decode_error(file, error.path().to_string(), &error.inner().to_string())
    })?;
    deserializer.end().map_err(|error| InputError::file(file, error.to_string()))?;
    Ok(value)
}

/// Lines of text as comments of TOML, which allow no control characters.
pub fn toml_comment(text: &str) -> String {
    text.lines().map(|line| format!("# {}\n", visible(line))).collect()
}

/// Pretty JSON with a final newline.
///
/// # Panics
/// Never for the types of this crate: their keys are strings and their numbers finite.
pub fn to_json<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain data serializes");
    text.push('\n');
    text
}

/// The candidate that a person most likely meant by `word`, if any is close.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= 1 + word.len().max(candidate.len()) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// An error about a name that a catalog lacks, with the nearest one it has, or all of them.
pub fn not_in_catalog<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> InputError {
    let hint = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `catalog:{near}`?"),
        None => format!("it has {}", known.collect::<Vec<_>>().join(", ")),
    };
    InputError::file(format!("catalog:{name}"), format!("no such {what} in the catalog; {hint}"))
}

/// Checks the schema that a file names.
///
/// # Errors
/// When it is not the expected one.
pub fn check_schema(file: &str, found: &str, expected: &str) -> Result<(), InputError> {
    if found == expected {
        return Ok(());
    }
    Err(InputError::key(file, "schema", format!("`{found}`; `{expected}` is expected")))
}

/// FNV-1a of a text, as 16 hexadecimal digits.
pub fn digest(text: &str) -> String {
    let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{digest:016x}")
}

/// Checks that a number is in its range; `file` is only named in errors.
///
/// # Errors
/// When it is not; the error names the key, the value and what is allowed.
pub fn within<T: PartialOrd + Debug>(
    file: &str,
    key: &str,
    value: T,
    allowed: &RangeInclusive<T>,
) -> Result<(), InputError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let (least, most) = (allowed.start(), allowed.end());
    let problem = format!("{value:?}; {least:?} to {most:?} are allowed");
    Err(InputError::key(file, key, problem))
}

/// A text file that was read, and the name by which errors call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFile {
    /// The path as it was given.
    pub name: String,
    /// What it holds.
    pub text: String,
}

impl TextFile {
    /// Reads a file of at most [`TEXT_MAX`] bytes.
    ///
    /// # Errors
    /// As [`read_text`].
    pub fn read(path: &Path) -> Result<Self, InputError> {
        Ok(Self { name: path.display().to_string(), text: read_text(path)? })
    }

    /// The name without its folder: what is made of the file may go elsewhere.
    pub fn short_name(&self) -> &str {
        Path::new(&self.name).file_name().and_then(|name| name.to_str()).unwrap_or("a file")
    }
}

fn at_line(file: &str, text: &str, error: &toml::de::Error) -> InputError {
    let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
    let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    InputError::file(file, format!("{place}{}", error.message().trim()))
}

/// Adds "did you mean" to serde's "unknown field" and "unknown variant" messages.
fn decode_error(file: &str, path: String, message: &str) -> InputError {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let suggestion = match (message.starts_with("unknown"), quoted.next()) {
        (true, Some(word)) => nearest(word, quoted)
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default(),
        _ => String::new(),
    };
    // "?" is what a path ends in that broke off in the middle of a key.
    let path = path.trim_end_matches('?').trim_end_matches('.');
    let key = (!path.is_empty()).then(|| path.to_owned());
    let problem = format!("{}{suggestion}", plain(message.trim()));
    InputError { file: file.into(), key, problem }
}

/// A message of serde without the names of Rust's types.
fn plain(message: &str) -> String {
    let types = [
        (" as i128", String::new()),
        ("expected u8", format!("expected a whole number from 0 to {}", u8::MAX)),
        ("expected u16", format!("expected a whole number from 0 to {}", u16::MAX)),
        ("expected u32", format!("expected a whole number from 0 to {}", u32::MAX)),
        ("expected u64", "expected a whole number from 0".into()),
        ("expected usize", "expected a whole number from 0".into()),
        ("expected f64", "expected a number".into()),
        ("expected a map", "expected keys and values".into()),
    ];
    let message = types.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to));
    let Some((before, after)) = message.split_once("expected struct ") else { return message };
    let rest = after.trim_start_matches(|c: char| c.is_alphanumeric());
    format!("{before}expected keys and values{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its name matters")]
        bandwidth: u32,
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let error = parse_toml::<Sample>("c.toml", "bandwith = 3").unwrap_err();
        assert!(error.to_string().starts_with("c.toml: bandwith: unknown field"), "{error}");
        assert!(error.to_string().ends_with("did you mean `bandwidth`?"), "{error}");
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let error = parse_toml::<Sample>("c.toml", "bandwidth = 1\nx = = 2").unwrap_err();
        assert!(error.to_string().starts_with("c.toml: line 2: "), "{error}");
    }

    #[test]
    fn a_wrong_type_is_named_in_plain_words() {
        let error = parse_toml::<Sample>("c.toml", "bandwidth = 'fast'").unwrap_err().to_string();
        assert!(error.ends_with("expected a whole number from 0 to 4294967295"), "{error}");
        let error = parse_json::<Sample>("c.json", "3").unwrap_err().to_string();
        assert!(error.contains("expected keys and values at line 1"), "{error}");
        let error = parse_json::<Sample>("c.json", "{\"bandwidth\": 3").unwrap_err().to_string();
        assert!(error.starts_with("c.json: EOF while parsing"), "{error}");
    }

    #[test]
    fn a_folder_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out/");
        let file = |name: &str| (name.to_owned(), "text".to_owned());
        let halfway = [file("a.sh"), file("no/such/folder")];
        assert!(write_folder_atomic(&path, &halfway).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        std::fs::create_dir(&path).unwrap();
        write_folder_atomic(&path, &[file("a.sh"), file("b.md")]).unwrap();
        assert_eq!(std::fs::read_to_string(path.join("b.md")).unwrap(), "text");
        let error = write_folder_atomic(&path, &halfway).unwrap_err().to_string();
        assert!(error.ends_with("is not empty; a new or an empty folder is needed"), "{error}");
        let error = check_folder(&path.join("b.md")).unwrap_err().to_string();
        assert!(error.ends_with("is no folder; a new or an empty one is needed"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_has_no_end_is_not_read_to_the_end() {
        let error = read_text(Path::new("/dev/zero")).unwrap_err().to_string();
        assert_eq!(error, "/dev/zero: longer than 256.0 MiB, which is the most that is read");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse.toml");
        File::create(&path).unwrap().set_len(TEXT_MAX + 1).unwrap();
        let error = read_text(&path).unwrap_err().to_string();
        assert!(error.contains("sparse.toml: longer than 256.0 MiB"), "{error}");
        std::fs::write(&path, [0xff]).unwrap();
        let error = read_text(&path).unwrap_err().to_string();
        assert!(error.ends_with("this is no text; UTF-8 is needed"), "{error}");
    }

    #[test]
    fn errors_do_not_paint_the_terminal() {
        let text = "\"\\u001b[31mx\" = 1";
        let error = parse_toml::<Sample>("\u{202e}c.toml", text).unwrap_err().to_string();
        assert!(error.starts_with("\\u{202e}c.toml: \\u{1b}[31mx: unknown field"), "{error}");
        let hidden = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!error.contains(hidden), "{error}");
    }
}
