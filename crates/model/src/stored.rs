//! How tensors lie in files: every ggml tensor type, also those that no plan chooses.

use edgeplan_problem::Bytes;

use edgeplan_problem::format::Format;

/// A ggml tensor type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredType {
    /// As llama.cpp spells it.
    pub name: &'static str,
    /// ggml's number of the type.
    pub ggml_id: u32,
    /// Elements per block.
    pub block_elements: u64,
    /// Bytes per block.
    pub block_bytes: u64,
}

/// The types that are no [`Format`]: names, ids and sizes as in ggml (ggml-org/llama.cpp,
/// `gguf-py/gguf/constants.py`).
const OTHERS: [StoredType; 5] = [
    other("i8", 24, 1, 1),
    other("i16", 25, 1, 2),
    other("i32", 26, 1, 4),
    other("i64", 27, 1, 8),
    other("f64", 28, 1, 8),
];

const fn other(
    name: &'static str,
    ggml_id: u32,
    block_elements: u64,
    block_bytes: u64,
) -> StoredType {
    StoredType { name, ggml_id, block_elements, block_bytes }
}

impl From<Format> for StoredType {
    fn from(format: Format) -> Self {
        let (elements, bytes) = (format.block_elements(), format.block_bytes());
        other(format.name(), format.ggml_id(), elements, bytes)
    }
}

impl StoredType {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Format::ALL.into_iter().map(Self::from).chain(OTHERS)
    }

    /// The type of that ggml number.
    pub fn from_ggml_id(id: u32) -> Option<Self> {
        Self::all().find(|stored| stored.ggml_id == id)
    }

    /// The type that llama.cpp spells so.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|stored| stored.name == name)
    }

    /// Whether weights were quantized to get there; floats and integers have no blocks.
    pub fn is_quantized(self) -> bool {
        self.block_elements > 1
    }

    /// Bytes of `rows` rows of `row_len` elements; `None` where a row is not a whole number of
    /// blocks, or the size has no meaning.
    pub fn bytes(self, rows: u64, row_len: u64) -> Option<Bytes> {
        let whole = row_len.is_multiple_of(self.block_elements);
        let row = (row_len / self.block_elements).checked_mul(self.block_bytes)?;
        row.checked_mul(rows).filter(|_| whole).map(Bytes)
    }

    /// The format whose speed stands in for this type's: its own where that is timed
    /// ([`Format::COMPUTED`]), or else the one with the nearest bits per weight, of two as near the
    /// first. An estimate: bytes are exact, but speeds are not published for every type.
    pub fn rated_as(self) -> Format {
        // Bytes of 256 elements, the least common multiple of all block sizes.
        let size = |elements: u64, bytes: u64| 256 / elements * bytes;
        let own = size(self.block_elements, self.block_bytes);
        let distance =
            |format: &Format| size(format.block_elements(), format.block_bytes()).abs_diff(own);
        let same = Format::from_ggml_id(self.ggml_id).filter(|format| format.is_computed());
        same.or_else(|| Format::COMPUTED.into_iter().min_by_key(distance)).unwrap_or(Format::F32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_unique_and_blocks_divide_256() {
        let all: Vec<StoredType> = StoredType::all().collect();
        for (index, stored) in all.iter().enumerate() {
            let same =
                |other: &StoredType| other.ggml_id == stored.ggml_id || other.name == stored.name;
            assert_eq!(all.iter().position(same), Some(index), "{stored:?}");
            assert_eq!(256 % stored.block_elements, 0, "{stored:?}");
        }
    }

    #[test]
    fn speeds_come_from_the_nearest_format() {
        let cases = [
            ("iq1_s", Format::Q2K),
            ("iq3_s", Format::Q3K),
            ("iq4_xs", Format::Q4_0),
            ("mxfp4", Format::Q4_0),
            ("q5_K", Format::Q5K),
            ("i8", Format::Q8_0),
            ("bf16", Format::BF16),
            ("f64", Format::F32),
        ];
        for (name, format) in cases {
            let stored = StoredType::named(name).unwrap();
            assert_eq!(stored.rated_as(), format, "{name}");
        }
    }

    #[test]
    fn bytes_are_exact() {
        let stored = StoredType::from_ggml_id(23).unwrap();
        assert_eq!(stored.bytes(3, 512), Some(Bytes(3 * 2 * 136)));
        assert_eq!(stored.bytes(3, 300), None);
        assert_eq!(stored.bytes(u64::MAX, 512), None);
    }
}
