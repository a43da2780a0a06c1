//! Times of an engine's layers on one machine.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_problem::format::Format;

use super::curve::Curve;
use super::file::{BenchModel, EngineProfile, Pass, Share, Way, Weights};
use super::fit::Sampled;
use super::held_out::{self, HeldOut};
use crate::check::FitError;
use crate::conformal::{bound, median};
use crate::model::{Accuracy, Errors, Missing};
use crate::prediction::Prediction;

/// Predicts times of an engine on one machine.
#[derive(Debug, Clone)]
pub struct EngineModel {
    pub(super) terms: Terms,
    /// Half widths of intervals as logarithms: of passes of one row, and of several.
    spread: [Option<f64>; 2],
    held_out: Vec<HeldOut>,
}

/// Matrices of one layer that a pass multiplies with.
#[derive(Debug, Clone, Copy)]
pub struct EngineProduct {
    /// How they are stored.
    pub format: Format,
    /// Elements, of all experts.
    pub elements: u64,
    /// Rows of activations.
    pub rows: u64,
    /// Experts, where they are those of experts.
    pub experts: Option<Share>,
    /// Whether they lie as in the file, as servers of an RPC backend keep them.
    pub as_stored: bool,
}

/// Attention of one layer in one pass.
#[derive(Debug, Clone, Copy)]
pub struct AttentionWork {
    /// Query heads.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Elements of a head.
    pub head_dim: u64,
    /// Positions in the cache, the new ones included.
    pub context: u64,
    /// New positions, which do not look ahead.
    pub rows: u64,
    /// Format of the cache.
    pub cache: Format,
}

/// What passes are sums of, in nanoseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    /// How much longer a usual pass takes than the quickest one.
    pub(super) level: f64,
    /// Of a pass, whatever it holds.
    pub(super) graph: f64,
    /// Of a block, and of each element of each row's hidden state in it.
    pub(super) block: [f64; 2],
    /// Per element of the weights, by format and whether they lie as stored.
    pub(super) products: BTreeMap<(Format, bool), Curve>,
    /// The formats of which no whole pass was timed, only a kernel.
    pub(super) by_kernel: BTreeSet<Format>,
    /// Per pair of positions and element of a query, per cached position and element of a key; by
    /// cache, with one row and with several.
    pub(super) attention: BTreeMap<(Format, bool), [f64; 2]>,
    /// How many times as long products with experts take as others, with one row and with several.
    pub(super) experts: [Option<f64>; 2],
    /// What a pass in another process adds, and what each block of it does.
    pub(super) remote: Option<[f64; 2]>,
    /// What a server adds to a token, and for each token of the vocabulary.
    pub(super) served: Option<[f64; 2]>,
}

impl EngineModel {
    /// Learns from a profile, complete or not.
    ///
    /// # Errors
    /// A profile whose numbers make no sense, or of which no pass tells what a product takes.
    ///
    /// # Complexity
    /// One fit for each model of the profile: milliseconds.
    pub fn fit(profile: &EngineProfile) -> Result<Self, FitError> {
        profile.check()?;
        let sampled = Sampled::new(profile);
        let terms = sampled.terms(&profile.kernels).ok_or_else(|| FitError {
            key: "passes".into(),
            problem: "none of a model in one format, which is what products are learned from"
                .into(),
        })?;
        let held_out = held_out::of(&sampled, &profile.kernels, &terms);
        let errors = |several: Option<bool>| {
            let those = held_out
                .iter()
                .filter(move |one| several.is_none_or(|several| several == (one.pass.rows > 1)));
            bound(those.map(|one| one.error))
        };
        let spread = [false, true].map(|several| errors(Some(several)).or_else(|| errors(None)));
        Ok(Self { terms, spread, held_out })
    }

    /// One pass of products of a layer.
    ///
    /// # Errors
    /// A format of which neither passes nor a kernel were timed.
    pub fn product(&self, product: EngineProduct) -> Result<Prediction, Missing> {
        let EngineProduct { format, rows, as_stored, .. } = product;
        let nanos = self.terms.product(&product).ok_or(Missing::Format(format))? * self.terms.level;
        let curve = self.terms.curve(format, as_stored);
        Ok(Prediction {
            extrapolated: curve.is_none_or(|curve| !curve.covers(rows)),
            estimated: self.terms.by_kernel.contains(&format),
            ..self.around(nanos, rows)
        })
    }

    /// The same in a format that was not timed: as long as in the slowest that was, per element,
    /// between all of them.
    pub fn estimate(&self, product: EngineProduct) -> Option<Prediction> {
        let known = self
            .formats()
            .filter_map(|format| self.product(EngineProduct { format, ..product }).ok());
        let known: Vec<Prediction> = known.collect();
        let slowest = *known.iter().max_by_key(|prediction| prediction.median)?;
        let low = known.iter().map(|prediction| prediction.low).min()?;
        Some(Prediction { low, estimated: true, ..slowest })
    }

    /// What one pass of a block takes beside products and attention.
    pub fn block(&self, hidden: u64, rows: u64) -> Prediction {
        self.around(self.terms.block(hidden, rows) * self.terms.level, rows)
    }

    /// Attention of one layer in one pass.
    pub fn attention(&self, work: AttentionWork) -> Prediction {
        let found = self.terms.attention_of(&work);
        let nanos = found.unwrap_or_else(|| {
            let f16 = AttentionWork { cache: Format::F16, ..work };
            self.terms.attention_of(&f16).unwrap_or_default()
        });
        let time = self.around(nanos * self.terms.level, work.rows);
        Prediction { estimated: found.is_none(), ..time }
    }

    /// What every pass takes once on a device that has a part of the model.
    pub fn graph(&self) -> Prediction {
        self.around(self.terms.graph * self.terms.level, 1)
    }

    /// What the engine's server adds to each token of a model of that vocabulary: sampling, text.
    pub fn served(&self, vocab: u64) -> Prediction {
        let [token, word] = self.terms.served.unwrap_or_default();
        self.around((token + word * vocab as f64) * self.terms.level, 1)
    }

    /// What a pass in another process adds, links apart.
    pub fn remote_pass(&self) -> Prediction {
        self.around(self.terms.remote.unwrap_or_default()[0] * self.terms.level, 1)
    }

    /// What each block of such a pass adds.
    pub fn remote_block(&self) -> Prediction {
        self.around(self.terms.remote.unwrap_or_default()[1] * self.terms.level, 1)
    }

    /// Whether terms of another process and of a server were measured.
    pub fn measured_beside(&self) -> [bool; 2] {
        [self.terms.remote.is_some(), self.terms.served.is_some()]
    }

    /// The formats that were timed, in whole passes or as kernels.
    pub fn formats(&self) -> impl Iterator<Item = Format> {
        let all: BTreeSet<Format> = self.terms.products.keys().map(|(format, _)| *format).collect();
        all.into_iter()
    }

    /// Whether only a kernel of that format was timed.
    pub fn by_kernel(&self, format: Format) -> bool {
        self.terms.by_kernel.contains(&format)
    }

    /// How long a usual pass takes, relative to the quickest: what other work does to times.
    pub fn level(&self) -> f64 {
        self.terms.level
    }

    /// How well passes were predicted that the fit had not seen: those of one row, those of
    /// several.
    pub fn accuracy(&self) -> [Accuracy; 2] {
        [false, true].map(|several| {
            let those = self.held_out.iter().filter(|one| several == (one.pass.rows > 1));
            let errors: Vec<f64> = those.map(|one| one.error).collect();
            Accuracy { points: errors.len(), ours: Errors::of(errors), naive: None }
        })
    }

    /// The median of signed errors over all of them: above 0 where passes take longer.
    pub fn bias(&self) -> Option<f64> {
        let errors = self.held_out.iter().map(|one| one.error).collect();
        median(errors).map(f64::exp_m1)
    }

    /// Every pass that was predicted by a fit which had not seen its model.
    pub fn held_out(&self) -> &[HeldOut] {
        &self.held_out
    }

    fn around(&self, nanos: f64, rows: u64) -> Prediction {
        match nanos > 0.0 {
            true => Prediction::around(nanos, self.spread[usize::from(rows > 1)]),
            false => Prediction::ZERO,
        }
    }
}

impl Terms {
    /// The curve of a format; as stored where nothing else was timed, and the other way round.
    pub(super) fn curve(&self, format: Format, as_stored: bool) -> Option<&Curve> {
        let of = |as_stored| self.products.get(&(format, as_stored));
        of(as_stored).or_else(|| of(!as_stored))
    }

    pub(super) fn product(&self, product: &EngineProduct) -> Option<f64> {
        let EngineProduct { format, elements, rows, experts, as_stored } = *product;
        let curve = self.curve(format, as_stored)?;
        let Some(Share { used, of }) = experts else {
            return Some(elements as f64 * curve.at(rows));
        };
        // Tokens spread over the experts evenly; at worst no two use the same one.
        let tokens = used.saturating_mul(rows);
        let active = tokens.min(of).max(1);
        let each = elements as f64 / of.max(1) as f64 * curve.at(tokens.div_ceil(active));
        let slower = self.experts[usize::from(rows > 1)].or(self.experts[0]).unwrap_or(1.0);
        Some(active as f64 * each * slower)
    }

    pub(super) fn block(&self, hidden: u64, rows: u64) -> f64 {
        self.block[0] + self.block[1] * hidden as f64 * rows as f64
    }

    fn attention_of(&self, work: &AttentionWork) -> Option<f64> {
        let AttentionWork { rows, cache, .. } = *work;
        let [query, key] = self.attention.get(&(cache, rows > 1))?;
        let [of_queries, of_keys] = work.sizes();
        Some(query * of_queries + key * of_keys)
    }

    /// One pass of a whole model, as sampled; `None` where a format was not timed.
    pub(super) fn pass(&self, model: &BenchModel, pass: &Pass) -> Option<f64> {
        let as_stored = matches!(pass.way, Way::AsStored | Way::Remote);
        let mut nanos = self.graph + model.layers as f64 * self.block(model.hidden, pass.rows);
        for weights in &model.weights {
            let Weights { format, elements, experts, .. } = *weights;
            let rows = if weights.is_for_last_row() { 1 } else { pass.rows };
            let product = EngineProduct { format, elements, rows, experts, as_stored };
            nanos += self.product(&product)?;
        }
        let attention = self.attention_of(&attention(model, pass));
        nanos += model.layers as f64 * attention.unwrap_or_default();
        let beside = match pass.way {
            Way::Plain | Way::AsStored => [0.0, 0.0],
            Way::Remote => self.remote.map(|[pass, block]| [pass, block * model.layers as f64])?,
            Way::Served => self.served.map(|[token, word]| [token, word * model.vocab()])?,
        };
        Some(nanos + beside[0] + beside[1])
    }
}

impl Weights {
    /// Whether a pass multiplies its last row with them and no other.
    pub(super) fn is_for_last_row(&self) -> bool {
        self.head || self.last
    }
}

impl BenchModel {
    /// Tokens of the vocabulary, by the head.
    pub(super) fn vocab(&self) -> f64 {
        let head = self.weights.iter().filter(|weights| weights.head);
        head.map(|weights| weights.elements as f64).sum::<f64>() / self.hidden.max(1) as f64
    }
}

/// The attention of one layer in the middle one of a cell's passes.
pub(super) fn attention(model: &BenchModel, pass: &Pass) -> AttentionWork {
    let context = pass.depth + pass.rows * pass.passes.div_ceil(2).max(1);
    AttentionWork {
        heads: model.heads,
        kv_heads: model.kv_heads,
        head_dim: model.head_dim,
        context,
        rows: pass.rows,
        cache: pass.cache,
    }
}

impl AttentionWork {
    /// Pairs of a new position and one that it looks at, times elements of a query; and cached
    /// positions times elements of a key.
    pub(super) fn sizes(&self) -> [f64; 2] {
        let [heads, kv_heads, length] =
            [self.heads, self.kv_heads, self.head_dim].map(|count| count as f64);
        let (rows, context) = (self.rows as f64, self.context as f64);
        let pairs = rows * (context - (rows - 1.0) / 2.0).max(1.0);
        [pairs * heads * length, context * kv_heads * length]
    }
}
