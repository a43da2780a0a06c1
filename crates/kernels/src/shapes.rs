//! Shapes of real matrices: what the catalog's models multiply by.

use std::collections::BTreeSet;

use edgeplan_cost_model::profile::whole_tiles;
use edgeplan_files::InputError;
use edgeplan_model::{Part, TensorSpec};

/// A matrix: outputs and inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Shape {
    pub(crate) rows: u64,
    pub(crate) row_len: u64,
}

impl Shape {
    pub(crate) fn elements(self) -> u64 {
        self.rows.saturating_mul(self.row_len)
    }

    /// Distance of two shapes: of the logarithms of their sides.
    fn distance(self, other: Self) -> f64 {
        let step = |a: u64, b: u64| (a as f64 / b as f64).ln();
        step(self.rows, other.rows).hypot(step(self.row_len, other.row_len))
    }
}

/// Distinct shapes of the catalog's models.
#[derive(Default)]
pub(crate) struct Catalog {
    /// Of projections in blocks, where these are whole tiles.
    pub(crate) blocks: BTreeSet<Shape>,
    /// Of heads, the same.
    pub(crate) heads: BTreeSet<Shape>,
    /// Those of both that are not.
    pub(crate) uneven: BTreeSet<Shape>,
}

impl Catalog {
    /// All models.
    ///
    /// # Errors
    /// When the embedded catalog cannot be read.
    pub(crate) fn load() -> Result<Self, InputError> {
        let mut found = Self::default();
        for name in edgeplan_model::names() {
            for layer in edgeplan_model::load(&format!("catalog:{name}"))?.layers {
                let matrices = layer.tensors.iter().filter(|tensor| tensor.quantizable);
                for &TensorSpec { rows, row_len, experts, .. } in matrices {
                    // Experts are multiplied one by one.
                    let rows = rows / experts.map_or(1, |(_, experts)| experts);
                    let shapes = match (layer.part, whole_tiles(rows, row_len)) {
                        (Part::Embedding, _) => continue,
                        (Part::Head, true) => &mut found.heads,
                        (_, true) => &mut found.blocks,
                        (_, false) => &mut found.uneven,
                    };
                    shapes.insert(Shape { rows, row_len });
                }
            }
        }
        Ok(found)
    }
}

/// `count` of the candidates, or all if there are fewer: first the one nearest to `anchor`, then
/// always the one farthest from those that were taken, so that any beginning covers the range.
/// Greedy k-center (Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5). O(count * n).
pub(crate) fn spread(
    candidates: impl Iterator<Item = Shape>,
    anchor: Shape,
    count: usize,
) -> Vec<Shape> {
    let mut rest: Vec<Shape> = candidates.collect();
    let mut taken: Vec<Shape> = Vec::new();
    while taken.len() < count {
        let gap = |shape: &Shape| {
            let gaps = taken.iter().map(|other| shape.distance(*other));
            gaps.min_by(f64::total_cmp).unwrap_or_else(|| -shape.distance(anchor))
        };
        let next = (0..rest.len()).max_by(|&a, &b| gap(&rest[a]).total_cmp(&gap(&rest[b])));
        let Some(next) = next else { break };
        taken.push(rest.remove(next));
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_has_every_kind_of_projection() {
        let catalog = Catalog::load().unwrap();
        // Llama-3.1-8B: queries, keys, the feed-forward part both ways; its head.
        for (rows, row_len) in [(4096, 4096), (1024, 4096), (14_336, 4096), (4096, 14_336)] {
            assert!(catalog.blocks.contains(&Shape { rows, row_len }), "{rows}x{row_len}");
        }
        assert!(catalog.heads.contains(&Shape { rows: 128_256, row_len: 4096 }));
        assert!(catalog.blocks.iter().all(|shape| shape.row_len.is_multiple_of(256)));
        // SmolLM2-135M.
        assert!(catalog.uneven.contains(&Shape { rows: 1536, row_len: 576 }));
    }

    #[test]
    fn shapes_spread() {
        let line = (0..9).map(|n| Shape { rows: 1 << n, row_len: 1 });
        let anchor = Shape { rows: 15, row_len: 1 };
        let rows = |count| spread(line.clone(), anchor, count).iter().map(|s| s.rows).collect();
        let taken: Vec<u64> = rows(3);
        assert_eq!(taken, [16, 256, 1]);
        let all: Vec<u64> = rows(100);
        assert_eq!(all.len(), 9);
        assert_eq!(spread(std::iter::empty(), anchor, 3), []);
    }
}
