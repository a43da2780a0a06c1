//! GGUF files the other way round: a header from what shall be in it, and the data streamed behind.

use std::io::{Error, Result, Write};

use super::ALIGNMENT;
use crate::stored::StoredType;

/// A GGUF file to be written. Nothing is checked: what is read again is.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Of the format; 3 is today's.
    pub version: u32,
    /// What tensors begin at a multiple of; the metadata must say so if it is not 32.
    pub alignment: u64,
    /// Keys and values, in the order of the file.
    pub metadata: Vec<(String, Value)>,
    /// Tensors, in the order of the file.
    pub tensors: Vec<Tensor>,
}

impl Default for Draft {
    fn default() -> Self {
        Self { version: 3, alignment: ALIGNMENT, metadata: Vec::new(), tensors: Vec::new() }
    }
}

/// A value of the metadata.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are ggml's types")]
pub enum Value {
    U32(u32),
    I32(i32),
    U64(u64),
    F32(f32),
    Text(String),
    Numbers(Vec<i32>),
    Truths(Vec<bool>),
    Texts(Vec<String>),
    /// Arrays in an array.
    Arrays(Vec<Value>),
    /// Bytes of another file, with ggml's number of their type.
    Copied(u32, Vec<u8>),
}

/// A tensor of the file.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// `blk.3.attn_q.weight`.
    pub name: String,
    /// Elements of a row, rows, and so on.
    pub dimensions: Vec<u64>,
    /// ggml's number of its type.
    pub kind: u32,
}

impl Tensor {
    /// Bytes of its data; 0 for what has no meaning.
    pub fn bytes(&self) -> u64 {
        let rows = self.dimensions.iter().skip(1).copied().fold(1, u64::saturating_mul);
        let row_len = self.dimensions.first().copied().unwrap_or(1);
        let stored = StoredType::from_ggml_id(self.kind);
        stored.and_then(|stored| stored.bytes(rows, row_len)).map_or(0, |bytes| bytes.0)
    }
}

impl Draft {
    /// Adds or replaces a value.
    pub fn set(&mut self, key: &str, value: Value) {
        self.metadata.retain(|(known, _)| known != key);
        self.metadata.push((key.into(), value));
    }

    /// Magic, counts, metadata and tensors one behind the other, without padding.
    pub fn header(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            text(&mut out, key);
            out.extend(value.kind().to_le_bytes());
            value.write(&mut out);
        }
        let mut offset = 0u64;
        for tensor in &self.tensors {
            text(&mut out, &tensor.name);
            out.extend((tensor.dimensions.len() as u32).to_le_bytes());
            tensor.dimensions.iter().for_each(|each| out.extend(each.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset = (offset + tensor.bytes()).next_multiple_of(self.alignment);
        }
        out
    }

    /// Writes the file: the header, then of each tensor what `data` writes, which must be as much
    /// as its type and dimensions need. Nothing is held in memory but the header.
    ///
    /// # Errors
    /// Those of `out` and `data`, and data of another length.
    pub fn write<W: Write>(
        &self,
        mut out: W,
        mut data: impl FnMut(&Tensor, &mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let header = self.header();
        out.write_all(&header)?;
        self.pad(&mut out, header.len() as u64)?;
        for tensor in &self.tensors {
            let mut counted = Counted { out: &mut out, bytes: 0 };
            data(tensor, &mut counted)?;
            let (found, needed) = (counted.bytes, tensor.bytes());
            if found != needed {
                let name = &tensor.name;
                return Err(Error::other(format!("{name}: {found} bytes instead of {needed}")));
            }
            self.pad(&mut out, needed)?;
        }
        out.flush()
    }

    fn pad(&self, out: &mut impl Write, bytes: u64) -> Result<()> {
        let missing = bytes.next_multiple_of(self.alignment) - bytes;
        out.write_all(&vec![0; missing as usize])
    }
}

struct Counted<'a, W> {
    out: &'a mut W,
    bytes: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush()
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl Value {
    /// ggml's number of the type.
    fn kind(&self) -> u32 {
        match self {
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Text(_) => 8,
            Self::Numbers(_) | Self::Truths(_) | Self::Texts(_) | Self::Arrays(_) => 9,
            Self::U64(_) => 10,
            Self::Copied(kind, _) => *kind,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::U32(value) => out.extend(value.to_le_bytes()),
            Self::I32(value) => out.extend(value.to_le_bytes()),
            Self::F32(value) => out.extend(value.to_le_bytes()),
            Self::U64(value) => out.extend(value.to_le_bytes()),
            Self::Text(value) => text(out, value),
            Self::Copied(_, bytes) => out.extend(bytes),
            Self::Numbers(values) => {
                array(out, 5, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Self::Truths(values) => {
                array(out, 7, values.len());
                out.extend(values.iter().map(|&value| u8::from(value)));
            }
            Self::Texts(values) => {
                array(out, 8, values.len());
                values.iter().for_each(|value| text(out, value));
            }
            Self::Arrays(values) => {
                array(out, 9, values.len());
                values.iter().for_each(|value| value.write(out));
            }
        }
    }
}

fn array(out: &mut Vec<u8>, kind: u32, length: usize) {
    out.extend(kind.to_le_bytes());
    out.extend((length as u64).to_le_bytes());
}
