//! Small models, made by the engine's own generator.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edgeplan_engine::random::Random;
use edgeplan_formats::Format;
use edgeplan_instances::model::{Shape, TensorClass};
use tempfile::TempDir;

/// A folder with a model in it.
pub(crate) struct Made {
    folder: TempDir,
}

impl Made {
    pub(crate) fn new(shape: &Shape, format: Format, exceptions: &[(TensorClass, Format)]) -> Self {
        let made = Self { folder: tempfile::tempdir().unwrap() };
        let exceptions: BTreeMap<_, _> = exceptions.iter().copied().collect();
        let random =
            Random { name: "tiny".into(), shape: shape.clone(), format, exceptions, seed: 7 };
        random.write(&made.path(), |_| {}).unwrap();
        made
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("tiny.gguf")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Three query heads for each of two key and value heads.
pub(crate) fn tiny(tied: bool) -> Shape {
    Shape {
        blocks: 2,
        hidden: 96,
        ffn: 160,
        heads: 6,
        kv_heads: 2,
        head_dim: 16,
        vocab: 50,
        tied,
        ..Shape::default()
    }
}

/// Rows that every format fits.
pub(crate) fn wide() -> Shape {
    Shape {
        blocks: 1,
        hidden: 256,
        ffn: 512,
        heads: 4,
        kv_heads: 2,
        head_dim: 64,
        vocab: 64,
        ..Shape::default()
    }
}

/// Tokens that look random.
pub(crate) fn tokens(count: usize, vocab: u32) -> Vec<u32> {
    (0..count as u32).map(|n| (n * n * 7 + 3 * n + 1) % vocab).collect()
}
