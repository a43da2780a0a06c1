//! What is measured: models, and the cells of each.

use edgeplan_cost_model::engine::{Pass, Way};
use edgeplan_model::{Experts, Shape};
use edgeplan_problem::format::Format;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Five formats and few rows: about a minute on an idle desktop.
    Quick,
    /// Twelve formats, three shapes of each: some minutes.
    Standard,
}

/// Passes of one row that are timed together: of models whose weights count, of tiny ones.
pub(crate) const STEPS: u64 = 8;
pub(crate) const TINY_STEPS: u64 = 32;

/// The format in which shapes are varied.
pub(crate) const BASE: Format = Format::Q8_0;

const QUICK: [Format; 5] = [Format::F16, Format::Q4_0, Format::Q4K, Format::Q6K, BASE];
const STANDARD: [Format; 12] = [
    Format::Q2K,
    Format::Q3K,
    Format::Q4_0,
    Format::Q4_1,
    Format::Q4K,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q5K,
    Format::Q6K,
    BASE,
    Format::F16,
    Format::BF16,
];

/// A model that is made to be measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Made {
    /// Shape and format.
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) format: Format,
    /// What is timed of it, in one run of llama-bench for each way.
    pub(crate) cells: Cells,
}

/// Cells that one run of llama-bench yields.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Cells {
    /// Rows of passes of several rows.
    pub(crate) prompts: Vec<u64>,
    /// Passes of one row that are timed together; none if 0.
    pub(crate) steps: u64,
    /// Positions in the cache.
    pub(crate) depths: Vec<u64>,
    pub(crate) caches: Vec<Format>,
    pub(crate) ways: Vec<Way>,
}

impl Cells {
    /// Every pass.
    pub(crate) fn passes(&self, model: &str) -> Vec<Pass> {
        let mut found = Vec::new();
        let steps = Some((1, self.steps)).filter(|_| self.steps > 0);
        let counts: Vec<(u64, u64)> =
            self.prompts.iter().map(|&rows| (rows, 1)).chain(steps).collect();
        for &way in &self.ways {
            for &cache in &self.caches {
                for &depth in &self.depths {
                    found.extend(counts.iter().map(|&(rows, passes)| {
                        let model = model.to_owned();
                        Pass { model, rows, depth, passes, cache, way }
                    }));
                }
            }
        }
        found
    }
}

/// A shape of Llama's kind, by what differs.
struct Kind {
    name: &'static str,
    blocks: u64,
    hidden: u64,
    ffn: u64,
    kv_heads: u64,
    vocab: u64,
}

impl Kind {
    const fn new(name: &'static str, blocks: u64, hidden: u64, ffn: u64) -> Self {
        Self { name, blocks, hidden, ffn, kv_heads: 4, vocab: 4096 }
    }

    fn shape(&self) -> Shape {
        const HEAD: u64 = 64;
        let (blocks, hidden, ffn) = (self.blocks, self.hidden, self.ffn);
        let (heads, kv_heads) = (hidden / HEAD, self.kv_heads.min(hidden / HEAD));
        let vocab = self.vocab;
        Shape { blocks, hidden, ffn, heads, kv_heads, head_dim: HEAD, vocab, ..Shape::default() }
    }

    fn made(&self, format: Format, cells: Cells) -> Made {
        Made { name: format!("{}-{format}", self.name), shape: self.shape(), format, cells }
    }
}

/// Wide and shallow to narrow and deep, of 50 to 120 million parameters: more than caches hold.
const SHAPES: [Kind; 3] = [
    Kind::new("middle", 6, 1024, 2816),
    Kind::new("wide", 2, 2048, 5632),
    Kind::new("narrow", 12, 768, 2048),
];
/// Of hardly any weights: what blocks, graphs, servers and other processes take.
const DEEP: Kind = Kind::new("deep", 24, 256, 512);
const SHORT: Kind = Kind::new("short", 4, 256, 512);
/// Twice the vocabulary of most: what sampling takes.
const WORDY: Kind = Kind { vocab: 65_536, ..Kind::new("wordy", 4, 256, 512) };
/// Of hardly anything but attention.
const LOOKING: Kind = Kind { kv_heads: 8, ..Kind::new("looking", 6, 512, 512) };
const EVEN: Kind = Kind::new("even", 6, 512, 512);
const GROUPED: Kind = Kind { kv_heads: 2, ..Kind::new("grouped", 4, 1024, 512) };

/// Inner length of an expert.
const EXPERT: u64 = 512;

/// The models whose passes are timed in the ways of `stored`: as they are loaded, and as stored.
/// The formats in `more` are among theirs.
pub(crate) fn models(size: Size, cpu: bool, more: &[Format]) -> Vec<Made> {
    let (formats, prompts): (&[Format], &[u64]) = match size {
        Size::Quick => (&QUICK, &[16, 128]),
        Size::Standard => (&STANDARD, &[4, 16, 64, 128, 512]),
    };
    let more = more.iter().filter(|format| !formats.contains(format));
    let formats: Vec<Format> = formats.iter().chain(more).copied().collect();
    // Only processors have weights repacked.
    let ways = if cpu { vec![Way::Plain, Way::AsStored] } else { vec![Way::Plain] };
    let flat = Cells {
        prompts: prompts.to_vec(),
        steps: STEPS,
        depths: vec![0],
        caches: vec![Format::F16],
        ways,
    };
    let tiny = Cells { steps: TINY_STEPS, ..flat.clone() };
    let mut found = vec![DEEP.made(BASE, tiny.clone()), SHORT.made(BASE, tiny.clone())];
    for shape in &SHAPES {
        for &format in &formats {
            if size == Size::Standard || format == BASE || shape.name == SHAPES[0].name {
                found.push(shape.made(format, flat.clone()));
            }
        }
    }
    found.push(WORDY.made(BASE, Cells { prompts: Vec::new(), ..tiny }));
    let caches = vec![Format::F16, Format::Q8_0, Format::Q4_0];
    let depths = if size == Size::Quick { vec![0, 2048] } else { vec![0, 1024, 4096] };
    let (steps, prompts, ways) = (TINY_STEPS, vec![128], vec![Way::Plain]);
    let deep = Cells { prompts, steps, depths, caches, ways };
    found.extend([&LOOKING, &EVEN, &GROUPED].map(|kind| kind.made(BASE, deep.clone())));
    let experts = |count: u64, used: u64, format: Format| {
        // Of the same length as the experts: the architecture has one length for both.
        let kind = Kind::new("experts", 4, 1024, EXPERT);
        let of = Experts::in_every_block(count, used, EXPERT);
        let shape = Shape { experts: Some(of), ..kind.shape() };
        let name = format!("experts-{count}-{used}-{format}");
        Made { name, shape, ..kind.made(format, flat.clone()) }
    };
    found.push(experts(16, 4, BASE));
    if size == Size::Standard {
        found.extend([experts(32, 4, Format::Q4K), experts(8, 2, Format::Q4_0)]);
    }
    found
}

/// The models that are run in another process, and by a server.
pub(crate) fn remote() -> [String; 2] {
    [&DEEP, &SHORT].map(|kind| format!("{}-{BASE}", kind.name))
}

pub(crate) fn served() -> [String; 2] {
    [&SHORT, &WORDY].map(|kind| format!("{}-{BASE}", kind.name))
}

/// A pass of one row of a tiny model, run that way.
pub(crate) fn step(model: &str, way: Way) -> Pass {
    let (model, cache) = (model.to_owned(), Format::F16);
    Pass { model, rows: 1, depth: 0, passes: TINY_STEPS, cache, way }
}
