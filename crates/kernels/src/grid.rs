//! What is worth timing, the most valuable first: a run that ends early is a coarser profile.

use std::collections::{BTreeSet, HashSet};

use edgeplan_cost_model::profile::Work;
use edgeplan_files::InputError;
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;

use crate::shapes::{Catalog, Shape, spread};

/// One step of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Time this.
    Time(Work),
    /// Measure what weights in this format take in memory.
    Resident(Format),
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Every format on small matrices, at three batches.
    Quick,
    /// Small matrices to large ones, batches of 1 to 128.
    Standard,
}

/// What the grid must know of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// How much is measured.
    pub size: Size,
    /// Threads that kernels use.
    pub threads: u32,
    /// More than this does not stay in a cache.
    pub cold_bytes: Bytes,
}

/// The formats, those that models are published in first.
const FORMATS: [Format; 15] = [
    Format::Q4K,
    Format::Q6K,
    Format::Q8_0,
    Format::F16,
    Format::Q5K,
    Format::Q4_0,
    Format::F32,
    Format::Q3K,
    Format::Q2K,
    Format::BF16,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q4_1,
    Format::Q8K,
    Format::Q8_1,
];

/// The shapes and batches of one size of grid.
struct Plan {
    /// In every format, at the most batches.
    anchor: Shape,
    /// Larger matrices are left to the cost model.
    elements_max: u64,
    /// Matrices of blocks, the anchor included.
    blocks: usize,
    /// Those that are no whole tiles.
    uneven: usize,
    heads: usize,
    /// Of the anchor, round by round.
    rounds: &'static [&'static [u64]],
    /// Of the other matrices, up to [`Plan::LARGE`] elements: small ones often have many rows.
    others: &'static [u64],
    contexts: &'static [u64],
    attention_batches: &'static [u64],
}

impl Plan {
    /// From here on a matrix is timed at few rows only, where slow formats do not take a second.
    const LARGE: u64 = 8 << 20;
    const FEW: [u64; 2] = [1, 8];
    /// No whole tiles in any format, as the head of a vocabulary to which a word was added; two,
    /// because one says nothing of the next.
    const ODD: [Shape; 2] =
        [Shape { rows: 2049, row_len: 2048 }, Shape { rows: 1025, row_len: 1024 }];

    fn of(size: Size) -> Self {
        match size {
            Size::Quick => Self {
                anchor: Shape { rows: 2048, row_len: 2048 },
                elements_max: 12 << 20,
                blocks: 2,
                uneven: 1,
                heads: 0,
                rounds: &[&[1, 8, 128]],
                others: &[1, 32],
                contexts: &[128, 2048],
                attention_batches: &[1, 32],
            },
            Size::Standard => Self {
                anchor: Shape { rows: 4096, row_len: 4096 },
                elements_max: 65 << 20,
                blocks: 8,
                uneven: 3,
                heads: 2,
                rounds: &[&[1, 8, 128], &[2, 32], &[4, 16, 64]],
                others: &[1, 8, 128],
                contexts: &[128, 256, 512, 1024, 2048, 4096],
                attention_batches: &[1, 16, 128],
            },
        }
    }
}

/// The tasks in order: the machine itself, every format on one matrix at one row and at many,
/// memory of formats, then attention and the rest of a layer, then other matrices and batches. No
/// task is in it twice.
///
/// # Errors
/// When the embedded catalog cannot be read.
pub fn grid(scope: &Scope) -> Result<Vec<Task>, InputError> {
    let (catalog, plan) = (Catalog::load()?, Plan::of(scope.size));
    let fits = |shapes: &BTreeSet<Shape>| {
        let all: Vec<Shape> = shapes.iter().copied().collect();
        all.into_iter().filter(|shape| shape.elements() <= plan.elements_max)
    };
    let blocks = spread(fits(&catalog.blocks), plan.anchor, plan.blocks);
    let heads = spread(fits(&catalog.heads), plan.anchor, plan.heads);
    let mut uneven = spread(fits(&catalog.uneven), plan.anchor, plan.uneven);
    uneven.extend(Plan::ODD);
    let mut works = machine(scope);
    let mut rounds = plan.rounds.iter();
    works.extend(rounds.next().into_iter().flat_map(|batches| matmuls(blocks[0], batches)));
    works.extend(attention(&plan));
    works.extend(elementwise());
    works.extend(
        blocks[1..].iter().chain(&uneven).chain(&heads).flat_map(|shape| others(*shape, &plan)),
    );
    works.extend(rounds.flat_map(|batches| matmuls(blocks[0], batches)));
    let mut tasks: Vec<Task> = works.into_iter().map(Task::Time).collect();
    let memory = tasks.iter().position(|task| matches!(task, Task::Time(Work::Attention { .. })));
    let at = memory.unwrap_or(tasks.len());
    tasks.splice(at..at, FORMATS.map(Task::Resident));
    let mut seen = HashSet::new();
    tasks.retain(|task| match task {
        Task::Time(work) => seen.insert(*work),
        Task::Resident(_) => true,
    });
    Ok(tasks)
}

fn machine(scope: &Scope) -> Vec<Work> {
    // Each of the three arrays is more than the caches hold.
    let bytes = Bytes(scope.cold_bytes.0.saturating_mul(3) / 24 * 24);
    let triad = |threads| Work::Triad { threads, bytes };
    vec![Work::Dispatch {}, triad(1), triad(scope.threads.max(1))]
}

/// A matrix in every format that can hold it, so that each is loaded once for all the batches.
fn matmuls(shape: Shape, batches: &[u64]) -> Vec<Work> {
    let Shape { rows, row_len } = shape;
    let mut batches = batches.to_vec();
    // The first run at few rows warms the later ones up.
    batches.sort_unstable();
    let at =
        |format| batches.iter().map(move |&batch| Work::Matmul { format, rows, row_len, batch });
    let able = FORMATS.into_iter().filter(|format| format.bytes(rows, row_len).is_some());
    able.flat_map(at).collect()
}

fn others(shape: Shape, plan: &Plan) -> Vec<Work> {
    let large = shape.elements() > Plan::LARGE;
    matmuls(shape, if large { &Plan::FEW } else { plan.others })
}

/// Grouped queries, one key for every query, and small heads.
fn attention(plan: &Plan) -> Vec<Work> {
    let kinds = [(32, 8, 128), (32, 32, 128), (16, 8, 64)]; // heads, key and value heads, length
    let mut works = Vec::new();
    for (heads, kv_heads, head_dim) in kinds {
        for &batch in plan.attention_batches {
            let contexts = plan.contexts.iter().filter(|&&context| context >= batch);
            works.extend(contexts.map(|&context| Work::Attention {
                heads,
                kv_heads,
                head_dim,
                context,
                batch,
            }));
        }
    }
    works
}

/// Hidden lengths and inner lengths of small, middling and large models.
fn elementwise() -> Vec<Work> {
    let each = |widths: [u64; 3], work: fn(u64, u64) -> Work| {
        widths.into_iter().flat_map(move |width| [1, 16, 128].map(|batch| work(width, batch)))
    };
    let norms = each([1024, 4096, 8192], |width, batch| Work::Norm { width, batch });
    norms
        .chain(each([3072, 14_336, 28_672], |width, batch| Work::Activation { width, batch }))
        .collect()
}

#[cfg(test)]
mod tests {
    use edgeplan_cost_model::profile::whole_tiles;

    use super::*;

    fn tasks(size: Size) -> Vec<Task> {
        grid(&Scope { size, threads: 2, cold_bytes: Bytes(64 << 20) }).unwrap()
    }

    fn works(tasks: &[Task]) -> Vec<Work> {
        let work = |task: &Task| match task {
            Task::Time(work) => Some(*work),
            Task::Resident(_) => None,
        };
        tasks.iter().filter_map(work).collect()
    }

    #[test]
    fn every_format_is_timed_at_every_batch() {
        assert_eq!(FORMATS.iter().collect::<BTreeSet<_>>(), Format::COMPUTED.iter().collect());
        let works = works(&tasks(Size::Standard));
        for format in Format::COMPUTED {
            for batch in [1, 2, 4, 8, 16, 32, 64, 128] {
                let work = Work::Matmul { format, rows: 4096, row_len: 4096, batch };
                assert!(works.contains(&work), "{work:?}");
            }
        }
    }

    #[test]
    fn small_and_large_matrices_heads_and_contexts_are_in_it() {
        let tasks = tasks(Size::Standard);
        let works = works(&tasks);
        let shapes: BTreeSet<(u64, u64)> = (works.iter())
            .filter_map(|work| match *work {
                Work::Matmul { rows, row_len, .. } => Some((rows, row_len)),
                _ => None,
            })
            .collect();
        assert_eq!(shapes.len(), 14, "{shapes:?}");
        assert!(shapes.iter().any(|(rows, row_len)| rows * row_len <= 1 << 20), "{shapes:?}");
        assert!(shapes.iter().any(|(rows, row_len)| rows * row_len >= 60 << 20), "{shapes:?}");
        assert!(shapes.iter().any(|(rows, row_len)| rows > &(4 * row_len)), "{shapes:?}");
        assert!(shapes.iter().any(|(rows, row_len)| row_len > &(2 * rows)), "{shapes:?}");
        assert!(shapes.iter().any(|(rows, _)| *rows >= 32_000), "a head: {shapes:?}");
        for format in Format::COMPUTED {
            let uneven = |work: &Work| match *work {
                Work::Matmul { format: of, rows, row_len, .. } => {
                    of == format && !whole_tiles(rows, row_len)
                }
                _ => false,
            };
            assert!(works.iter().any(uneven), "{format}");
        }
        let contexts: BTreeSet<u64> = (works.iter())
            .filter_map(|work| match *work {
                Work::Attention { context, .. } => Some(context),
                _ => None,
            })
            .collect();
        assert_eq!((contexts.first(), contexts.last()), (Some(&128), Some(&4096)));
        for format in Format::COMPUTED {
            assert!(tasks.contains(&Task::Resident(format)), "{format}");
        }
    }

    #[test]
    fn nothing_is_timed_twice_and_all_of_it_makes_sense() {
        for size in [Size::Quick, Size::Standard] {
            let works = works(&tasks(size));
            assert_eq!(works.iter().collect::<HashSet<_>>().len(), works.len());
            for work in works {
                match work {
                    Work::Matmul { format, rows, row_len, .. } => {
                        assert!(format.bytes(rows, row_len).is_some(), "{work:?}");
                    }
                    Work::Attention { heads, kv_heads, context, batch, .. } => {
                        assert!(heads % kv_heads == 0 && batch <= context, "{work:?}");
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_beginning_is_a_profile() {
        let tasks = tasks(Size::Standard);
        let table = tasks.iter().rposition(|task| {
            matches!(task, Task::Time(Work::Matmul { rows: 4096, row_len: 4096, batch: 128, .. }))
        });
        let table = table.unwrap();
        assert!(table < 50, "all formats at 1 and 128 rows by task {table}");
        assert_eq!(tasks[0], Task::Time(Work::Dispatch {}));
        let part = works(&tasks[..tasks.len() / 3]);
        assert!(part.iter().any(|work| matches!(work, Work::Attention { .. })));
        assert!(part.iter().any(|work| matches!(work, Work::Norm { .. })));
        assert!(part.iter().any(|work| matches!(work, Work::Triad { threads: 2, .. })));
    }

    #[test]
    fn a_single_thread_is_one_triad() {
        let scope = Scope { size: Size::Quick, threads: 1, cold_bytes: Bytes(1 << 20) };
        let works = works(&grid(&scope).unwrap());
        let triads = works.iter().filter(|work| matches!(work, Work::Triad { .. }));
        assert_eq!(triads.count(), 1);
    }

    #[test]
    fn quick_is_small() {
        assert!(tasks(Size::Quick).len() * 2 < tasks(Size::Standard).len());
    }
}
