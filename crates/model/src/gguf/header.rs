//! The header of a GGUF file (ggml-org/ggml, `docs/gguf.md`): metadata, and where each tensor lies
//! in which type. Everything is bounded by the length of the file and by the limits below.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use edgeplan_problem::Bytes;

use super::ALIGNMENT;
use super::reader::Reader;
use crate::stored::StoredType;
use edgeplan_files::InputError;

const PAIRS_MAX: u64 = 1 << 16;
const TENSORS_MAX: u64 = 1 << 16;
/// Longest key, and longest text that is kept; longer texts are passed over.
const TEXT_MAX: u64 = u16::MAX as u64;
/// Longest list of numbers that is kept: one per block, not one per token.
const LIST_MAX: u64 = 4096;
const NESTING_MAX: u32 = 4;
const DIMENSIONS_MAX: u32 = 4;
/// More bytes than this are no model.
const BYTES_MAX: u64 = 1 << 48;
const ALIGNMENT_MAX: u64 = 1 << 20;

/// What a header says.
#[derive(Debug, Clone)]
pub struct Header {
    /// The file, for errors.
    pub file: String,
    /// Where each tensor lies, in the order of the file.
    pub tensors: Vec<Tensor>,
    /// Byte of the file at which the tensors' data begin; `None` if it is a header alone.
    pub data: Option<u64>,
    /// What tensors begin at a multiple of.
    pub alignment: u64,
    /// Where each value of the metadata lies, in the order of the file.
    pub pairs: Vec<Pair>,
    pub(super) metadata: BTreeMap<String, Value>,
}

/// A value of the metadata as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Its key.
    pub key: String,
    /// ggml's number of its type.
    pub kind: u32,
    /// Its bytes in the file.
    pub span: Range<u64>,
}

/// A value of the metadata, of the kinds that are read.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Of any width and sign; a truth value is 0 or 1.
    Integer(i128),
    Integers(Vec<i128>),
    Fraction(f64),
    /// Any other array: its length.
    Array(u64),
    Text(String),
    /// A text that is too long.
    Other,
}

/// Where one tensor lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// `blk.3.attn_q.weight`.
    pub name: String,
    /// Elements of a row, rows, matrices, and blocks of these.
    pub dimensions: [u64; DIMENSIONS_MAX as usize],
    /// How its elements are stored.
    pub stored: StoredType,
    /// All of it.
    pub bytes: Bytes,
    /// Bytes from the start of the data.
    pub offset: u64,
}

impl Tensor {
    /// Rows of all matrices.
    pub fn rows(&self) -> u64 {
        self.dimensions[1..].iter().product()
    }
}

/// Reads the header of a file, and checks that its tensors fit if it holds any data. A file that
/// ends where its data would begin, or earlier, is a header alone.
///
/// # Errors
/// A file that is cut off or is none of this kind, with the byte where reading stopped.
pub fn read(path: &Path) -> Result<Header, InputError> {
    let file = path.display().to_string();
    let mut reader = Reader::open(&file, path)?;
    let magic: [u8; 4] = reader.bytes(&"magic")?;
    if &magic != b"GGUF" {
        let problem = format!("`{}`; a GGUF file starts with `GGUF`", magic.escape_ascii());
        return Err(reader.error(&"magic", problem));
    }
    let version = reader.u32(&"version")?;
    if !(2..=3).contains(&version) {
        let big = (1..=3).contains(&version.swap_bytes());
        let order = if big { " in big-endian order" } else { "" };
        let version = if big { version.swap_bytes() } else { version };
        let problem = format!("{version}{order}; 2 and 3 in little-endian order are allowed");
        return Err(reader.error(&"version", problem));
    }
    let tensors = count(&mut reader, "tensors", TENSORS_MAX)?;
    let pairs = count(&mut reader, "metadata pairs", PAIRS_MAX)?;
    reader.expect(tensors, 24, &"tensors")?;
    reader.expect(pairs, 13, &"metadata pairs")?;
    let (metadata, pairs) = metadata(&mut reader, pairs)?;
    let tensors: Result<_, _> = (0..tensors).map(|index| tensor(&mut reader, index)).collect();
    let (data, alignment) = (None, ALIGNMENT);
    let mut header =
        Header { file: file.clone(), tensors: tensors?, data, alignment, pairs, metadata };
    header.alignment = header.check_alignment()?;
    header.data = header.check(&reader)?;
    Ok(header)
}

fn count(reader: &mut Reader<'_>, what: &str, most: u64) -> Result<u64, InputError> {
    let what = format!("number of {what}");
    let count = reader.u64(&what)?;
    if count > most {
        return Err(reader.error(&what, format!("{count}; up to {most} are allowed")));
    }
    Ok(count)
}

fn metadata(
    reader: &mut Reader<'_>,
    count: u64,
) -> Result<(BTreeMap<String, Value>, Vec<Pair>), InputError> {
    let (mut metadata, mut pairs) = (BTreeMap::new(), Vec::new());
    for index in 0..count {
        let key = name(reader, &format!("metadata key {index}"))?;
        let kind = reader.u32(&format_args!("type of {key}"))?;
        let begin = reader.at;
        let value = value(reader, &key, kind)?;
        pairs.push(Pair { key: key.clone(), kind, span: begin..reader.at });
        if metadata.contains_key(&key) {
            return Err(reader.error(&key, "a second value"));
        }
        metadata.insert(key, value);
    }
    Ok((metadata, pairs))
}

fn name(reader: &mut Reader<'_>, what: &str) -> Result<String, InputError> {
    let name = reader.text(TEXT_MAX, &what)?;
    name.ok_or_else(|| reader.error(&what, format!("more than {TEXT_MAX} bytes")))
}

/// Bytes of a number or truth value of that type.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

const TEXT: u32 = 8;
const ARRAY: u32 = 9;

fn value(reader: &mut Reader<'_>, key: &str, kind: u32) -> Result<Value, InputError> {
    match kind {
        TEXT => Ok(reader.text(TEXT_MAX, &key)?.map_or(Value::Other, Value::Text)),
        ARRAY => array(reader, key, NESTING_MAX),
        6 => Ok(Value::Fraction(f32::from_le_bytes(reader.bytes(&key)?).into())),
        12 => Ok(Value::Fraction(f64::from_le_bytes(reader.bytes(&key)?))),
        _ => Ok(number(reader, key, kind)?.map_or(Value::Other, Value::Integer)),
    }
}

/// A number; `None`, and passed over, if it is a fraction.
fn number(reader: &mut Reader<'_>, key: &str, kind: u32) -> Result<Option<i128>, InputError> {
    Ok(match kind {
        0 | 7 => Some(u8::from_le_bytes(reader.bytes(&key)?).into()),
        1 => Some(i8::from_le_bytes(reader.bytes(&key)?).into()),
        2 => Some(u16::from_le_bytes(reader.bytes(&key)?).into()),
        3 => Some(i16::from_le_bytes(reader.bytes(&key)?).into()),
        4 => Some(reader.u32(&key)?.into()),
        5 => Some(i32::from_le_bytes(reader.bytes(&key)?).into()),
        6 => reader.skip(4, &key).map(|()| None)?,
        10 => Some(reader.u64(&key)?.into()),
        11 => Some(i64::from_le_bytes(reader.bytes(&key)?).into()),
        12 => reader.skip(8, &key).map(|()| None)?,
        _ => return Err(reader.error(&key, format!("type {kind}; 0 to 12 are allowed"))),
    })
}

fn array(reader: &mut Reader<'_>, key: &str, depth: u32) -> Result<Value, InputError> {
    let kind = reader.u32(&key)?;
    let length = reader.u64(&key)?;
    let Some(width) = width(kind) else {
        match kind {
            TEXT => {
                reader.expect(length, 8, &key)?;
                for _ in 0..length {
                    reader.text(0, &key)?;
                }
            }
            ARRAY if depth > 1 => {
                reader.expect(length, 12, &key)?;
                for _ in 0..length {
                    array(reader, key, depth - 1)?;
                }
            }
            ARRAY => {
                let problem = format!("arrays in arrays; up to {NESTING_MAX} levels are allowed");
                return Err(reader.error(&key, problem));
            }
            _ => {
                let problem = format!("an array of type {kind}; 0 to 12 are allowed");
                return Err(reader.error(&key, problem));
            }
        }
        return Ok(Value::Array(length));
    };
    reader.expect(length, width, &key)?;
    if length > LIST_MAX || matches!(kind, 6 | 12) {
        reader.skip(length * width, &key)?;
        return Ok(Value::Array(length));
    }
    let mut integers = Vec::with_capacity(length as usize);
    for _ in 0..length {
        integers.extend(number(reader, key, kind)?);
    }
    Ok(Value::Integers(integers))
}

fn tensor(reader: &mut Reader<'_>, index: u64) -> Result<Tensor, InputError> {
    let name = name(reader, &format!("name of tensor {index}"))?;
    let count = reader.u32(&format_args!("number of dimensions of {name}"))?;
    if count > DIMENSIONS_MAX {
        let problem = format!("{count} dimensions; up to {DIMENSIONS_MAX} are allowed");
        return Err(reader.error(&name, problem));
    }
    let mut dimensions = [1; DIMENSIONS_MAX as usize];
    for dimension in dimensions.iter_mut().take(count as usize) {
        *dimension = reader.u64(&format_args!("dimensions of {name}"))?;
    }
    let elements = dimensions.iter().try_fold(1u64, |all, &each| all.checked_mul(each));
    if elements.is_none_or(|elements| elements == 0) {
        let problem = format!("dimensions {dimensions:?}; 1 to 2^64 elements are allowed");
        return Err(reader.error(&name, problem));
    }
    let id = reader.u32(&format_args!("type of {name}"))?;
    let Some(stored) = StoredType::from_ggml_id(id) else {
        return Err(reader.error(&name, format!("tensor type {id} is unknown")));
    };
    let bytes = stored.bytes(dimensions[1..].iter().product(), dimensions[0]);
    let Some(bytes) = bytes.filter(|&bytes| bytes <= Bytes(BYTES_MAX)) else {
        let problem = format!(
            "rows of {} in {}; whole blocks of {}, and up to 2^48 bytes in all, are allowed",
            dimensions[0], stored.name, stored.block_elements
        );
        return Err(reader.error(&name, problem));
    };
    let offset = reader.u64(&format_args!("offset of {name}"))?;
    Ok(Tensor { name, dimensions, stored, bytes, offset })
}

impl Header {
    /// An error about one key, or the tensor of that name.
    pub fn error(&self, key: &str, problem: impl Into<String>) -> InputError {
        InputError::key(&self.file, key, problem)
    }

    /// The text under a key.
    ///
    /// # Errors
    /// When the value is not a string.
    pub fn text(&self, key: &str) -> Result<Option<&str>, InputError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.error(key, "a text of up to 65535 bytes is allowed")),
        }
    }

    /// The whole number under a key.
    ///
    /// # Errors
    /// When the value is not a number, or out of range.
    pub fn number(&self, key: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, InputError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Integer(value)) => self.within(key, *value, &range).map(Some),
            Some(_) => Err(self.error(key, "a whole number is allowed")),
        }
    }

    /// The whole number under a key that must be there.
    ///
    /// # Errors
    /// When it is not, or is out of range.
    pub fn needed(&self, key: &str, range: RangeInclusive<u64>) -> Result<u64, InputError> {
        self.number(key, range)?.ok_or_else(|| self.error(key, "is missing"))
    }

    /// The number under a key, whole or not.
    ///
    /// # Errors
    /// When the value is not a number, or out of range.
    pub fn fraction(
        &self,
        key: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, InputError> {
        let value = match self.metadata.get(key) {
            None => return Ok(None),
            Some(Value::Fraction(value)) => *value,
            Some(Value::Integer(value)) => *value as f64,
            Some(_) => return Err(self.error(key, "a number is allowed")),
        };
        if range.contains(&value) {
            return Ok(Some(value));
        }
        let (least, most) = (range.start(), range.end());
        Err(self.error(key, format!("{value:?}; {least:?} to {most:?} are allowed")))
    }

    pub(super) fn within(
        &self,
        key: &str,
        value: i128,
        range: &RangeInclusive<u64>,
    ) -> Result<u64, InputError> {
        u64::try_from(value).ok().filter(|value| range.contains(value)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            self.error(key, format!("{value}; {least} to {most} are allowed"))
        })
    }

    fn check_alignment(&self) -> Result<u64, InputError> {
        let alignment = match self.metadata.get("general.alignment") {
            Some(Value::Integer(value)) => u64::try_from(*value).unwrap_or(0),
            Some(_) => 0,
            None => ALIGNMENT,
        };
        if !alignment.is_power_of_two() || alignment > ALIGNMENT_MAX {
            let problem = format!("a power of two up to {ALIGNMENT_MAX} is allowed");
            return Err(self.error("general.alignment", problem));
        }
        Ok(alignment)
    }

    /// Refuses names that occur twice, and data that is cut off; where the data begin, if there
    /// are any.
    fn check(&self, reader: &Reader<'_>) -> Result<Option<u64>, InputError> {
        let alignment = self.alignment;
        let start = reader.at.next_multiple_of(alignment);
        let data = reader.len.saturating_sub(start);
        let (mut names, mut total) = (BTreeSet::new(), Bytes::ZERO);
        for tensor in &self.tensors {
            let error = |problem: String| Err(self.error(&tensor.name, problem));
            if !names.insert(&tensor.name) {
                return error("a second tensor of that name".into());
            }
            total += tensor.bytes;
            if total > Bytes(BYTES_MAX) {
                return error("more than 2^48 bytes up to here".into());
            }
            if !tensor.offset.is_multiple_of(alignment) {
                let offset = tensor.offset;
                return error(format!("offset {offset}; multiples of {alignment} are allowed"));
            }
            let end = u128::from(tensor.offset) + u128::from(tensor.bytes.0);
            if data > 0 && end > u128::from(data) {
                let (end, len) = (u128::from(start) + end, reader.len);
                return error(format!("would end at byte {end}, but the file ends at {len}"));
            }
        }
        Ok((data > 0).then_some(start))
    }
}
