//! The cost model of a machine.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;
use statrs::statistics::{Data, OrderStatistics as _};

use crate::check::{FitError, check_work};
use crate::conformal::{bound, median};
use crate::kernel::{Kernel, Sample, held_out};
use crate::memory::Memory;
use crate::naive::Naive;
use crate::prediction::Prediction;
use crate::profile::{Profile, TILE, Work, whole_tiles};
use crate::terms::{Family, Kind, Point};

/// Predicts times on one machine.
#[derive(Debug, Clone)]
pub struct CostModel {
    kernels: BTreeMap<Kind, Fitted>,
    /// Bytes per nanosecond by threads, ascending.
    bandwidth: BTreeMap<u32, f64>,
    /// Nanoseconds of an operation of no size.
    dispatch: Option<f64>,
    /// Half width of the intervals of what has none of its own, as a logarithm.
    spread: Option<f64>,
    memory: Memory,
}

/// A kernel, and how well it predicts what it has not seen.
#[derive(Debug, Clone)]
struct Fitted {
    kernel: Kernel,
    /// Half width of its intervals, as a logarithm; `None` if samples are too few.
    spread: Option<f64>,
    /// Logarithms of true over predicted time: by fits that had not seen it, and by the rule of
    /// thumb.
    errors: [Vec<f64>; 2],
}

/// How well times were predicted that the fit had not seen. Errors are relative to the smaller of
/// predicted and true time: 0.5 is half as much again.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Accuracy {
    /// Number of these times.
    pub points: usize,
    /// Ours.
    pub ours: Option<Errors>,
    /// Those of bytes over bandwidth ([`Naive`]); `None` without a measured bandwidth.
    pub naive: Option<Errors>,
}

/// Quantiles of relative errors.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Errors {
    /// Half of them are below it.
    pub median: f64,
    /// Nine in ten are below it.
    pub ninth_decile: f64,
}

/// What was not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// A format of weights.
    #[error("matrix products in {0} were not measured")]
    Format(Format),
    /// A format of weights in matrices that are whole tiles, or in those that are not.
    #[error("matrix products in {0} were not measured for matrices that are {1} tiles of 16 x 256")]
    Tiling(Format, &'static str),
    /// Another kind of work.
    #[error("{0} was not measured")]
    Work(&'static str),
    /// Counts that are zero, absurd, or no whole blocks.
    #[error("the work has a count out of range")]
    Range,
}

impl CostModel {
    /// Learns from a profile, complete or not.
    ///
    /// # Errors
    /// A profile whose numbers make no sense.
    ///
    /// # Complexity
    /// Seconds for ten thousand times; milliseconds for a usual profile.
    pub fn fit(profile: &Profile) -> Result<Self, FitError> {
        profile.check()?;
        let naive = Naive::new(profile);
        let mut samples: BTreeMap<Kind, Vec<Sample>> = BTreeMap::new();
        let mut thumb: BTreeMap<Kind, Vec<f64>> = BTreeMap::new();
        let (mut moved, mut empty) = (BTreeMap::<u32, Vec<f64>>::new(), Vec::new());
        for timing in &profile.timings {
            let nanos = timing.median_ns.as_f64();
            match timing.work {
                Work::Triad { threads, bytes } => {
                    moved.entry(threads).or_default().push(bytes.as_f64() / nanos);
                }
                Work::Dispatch {} => empty.push(nanos),
                _ => {}
            }
            let Some((kind, point)) = Point::of(&timing.work) else { continue };
            if let Some(naive) = naive {
                let error = (nanos / naive.nanos(&timing.work)).ln();
                thumb.entry(kind).or_default().push(error);
            }
            samples.entry(kind).or_default().push((point, nanos));
        }
        let held: BTreeMap<Kind, Vec<f64>> =
            samples.iter().map(|(kind, samples)| (*kind, held_out(samples))).collect();
        let fitted = |(kind, samples): (Kind, Vec<Sample>)| {
            let errors = [held[&kind].clone(), thumb.remove(&kind).unwrap_or_default()];
            let kernel = Kernel::fit(&samples);
            (kind, Fitted { kernel, spread: spread(kind, &held), errors })
        };
        let bandwidth = moved.into_iter().filter_map(|(n, rates)| Some((n, median(rates)?)));
        Ok(Self {
            bandwidth: bandwidth.collect(),
            dispatch: median(empty),
            spread: bound(held.values().flatten().copied()),
            memory: Memory::new(&profile.resident),
            kernels: samples.into_iter().map(fitted).collect(),
        })
    }

    /// The time of any work of a kind that was measured.
    ///
    /// # Errors
    /// A kind or a format that was not measured, or counts that make no sense.
    pub fn time(&self, work: &Work) -> Result<Prediction, Missing> {
        check_work(work).map_err(|_| Missing::Range)?;
        let Some((kind, point)) = Point::of(work) else { return self.plain(work) };
        // Extrapolated from one row to several, and the other way round.
        let known = self.kernels.get(&kind).or_else(|| self.kernels.get(&kind.counterpart()));
        let fitted = known.ok_or_else(|| self.missing(kind.family))?;
        Ok(fitted.time(&point))
    }

    fn missing(&self, family: Family) -> Missing {
        match family {
            Family::Matmul { format, tiled } if self.formats().any(|known| known == format) => {
                Missing::Tiling(format, if tiled { "whole" } else { "no whole" })
            }
            Family::Matmul { format, .. } => Missing::Format(format),
            _ => Missing::Work(family.name()),
        }
    }

    /// Bandwidth and overhead.
    fn plain(&self, work: &Work) -> Result<Prediction, Missing> {
        if let Work::Triad { threads, bytes } = *work {
            let fewer = self.bandwidth.range(..=threads).next_back();
            let (_, rate) = fewer
                .or(self.bandwidth.first_key_value())
                .ok_or(Missing::Work("memory bandwidth"))?;
            return Ok(Prediction::around(bytes.as_f64() / rate, self.spread));
        }
        let nanos = self.dispatch.ok_or(Missing::Work("dispatch"))?;
        Ok(Prediction::around(nanos, self.spread))
    }

    /// The time of a matrix product in a format that was not measured, if any was: that of the
    /// slowest format that was, between all of them. Marked as estimated.
    pub fn estimate(&self, rows: u64, row_len: u64, batch: u64) -> Option<Prediction> {
        let in_format = |format: Format| {
            // The shape may be no whole number of blocks of the other format, and others may have
            // been measured in whole tiles only.
            let blocks = (rows, row_len.next_multiple_of(format.block_elements()));
            let tiles = (rows.next_multiple_of(TILE.0), row_len.next_multiple_of(TILE.1));
            let time = |(rows, row_len)| self.time(&Work::Matmul { format, rows, row_len, batch });
            time(blocks).or_else(|_| time(tiles)).ok()
        };
        let known: Vec<Prediction> = self.formats().filter_map(in_format).collect();
        let slowest = *known.iter().max_by_key(|prediction| prediction.median)?;
        let low = known.iter().map(|prediction| prediction.low).min()?;
        let high = known.iter().map(|prediction| prediction.high).max()?;
        Some(Prediction { low, high, estimated: true, ..slowest })
    }

    /// The formats in which matrix products were measured.
    pub fn formats(&self) -> impl Iterator<Item = Format> {
        let all: BTreeSet<Format> =
            self.kernels.keys().filter_map(|kind| kind.family.format()).collect();
        all.into_iter()
    }

    /// The largest batch that was measured in that format.
    pub fn batch_max(&self, format: Format) -> Option<u64> {
        let those = self.kernels.iter().filter(|(kind, _)| kind.family.format() == Some(format));
        those.map(|(_, fitted)| fitted.kernel.batches().1 as u64).max()
    }

    /// How well products in that format were predicted that the fit had not seen: of one row, and
    /// of several.
    pub fn accuracy(&self, format: Format) -> Option<[Accuracy; 2]> {
        self.formats().any(|known| known == format).then(|| {
            [false, true].map(|several| {
                self.pooled(|kind| kind.family.format() == Some(format) && kind.several == several)
            })
        })
    }

    /// How well products in every format were predicted that the fit had not seen.
    pub fn accuracy_of_products(&self) -> Accuracy {
        self.pooled(|kind| kind.family.format().is_some())
    }

    /// The same of everything: products, attention, norms and activations.
    pub fn accuracy_of_all(&self) -> Accuracy {
        self.pooled(|_| true)
    }

    fn pooled(&self, which: impl Fn(Kind) -> bool) -> Accuracy {
        let those = || self.kernels.iter().filter(|(kind, _)| which(**kind));
        let errors = |of: usize| -> Vec<f64> {
            those().flat_map(|(_, fitted)| &fitted.errors[of]).copied().collect()
        };
        let (ours, naive) = (errors(0), errors(1));
        Accuracy { points: ours.len(), ours: Errors::of(ours), naive: Errors::of(naive) }
    }

    /// Memory of a matrix once it is loaded and ran with up to `batch` rows of activations: as in
    /// the file where that was not measured. Nothing for rows that are no whole blocks.
    pub fn resident(&self, format: Format, rows: u64, row_len: u64, batch: u64) -> Bytes {
        let file = format.bytes(rows, row_len).unwrap_or_default();
        self.memory.resident(format, whole_tiles(rows, row_len), batch, file)
    }
}

impl Fitted {
    fn time(&self, point: &Point) -> Prediction {
        let found = self.kernel.time(point);
        let [low, middle, high] = [found.least, found.nanos, found.most]
            .map(|nanos| Prediction::around(nanos, self.spread));
        let extrapolated = found.extrapolated;
        Prediction { low: low.low, high: high.high, extrapolated, ..middle }
    }
}

impl Errors {
    pub(crate) fn of(logarithms: Vec<f64>) -> Option<Self> {
        let sizes: Vec<f64> = logarithms.into_iter().map(|error| error.abs().exp_m1()).collect();
        let mut sizes = Data::new(sizes);
        (!sizes.is_empty())
            .then(|| Self { median: sizes.median(), ninth_decile: sizes.quantile(0.9) })
    }
}

/// Half width of a kind's intervals: by its own errors; where these are too few, by those of all
/// its like, or of everything, but never below the largest of its own.
fn spread(kind: Kind, held: &BTreeMap<Kind, Vec<f64>>) -> Option<f64> {
    let errors = |which: &dyn Fn(Kind) -> bool| -> Vec<f64> {
        let kinds = held.iter().filter(|(kind, _)| which(**kind));
        kinds.flat_map(|(_, errors)| errors.iter().copied()).collect()
    };
    let own = errors(&|other| other == kind);
    if let Some(spread) = bound(own.iter().copied()) {
        return Some(spread);
    }
    let product = |kind: Kind| kind.family.format().is_some();
    let alike = bound(errors(&|other| product(other) && product(kind)).into_iter());
    let pooled = alike.or_else(|| bound(errors(&|_| true).into_iter()))?;
    Some(own.into_iter().map(f64::abs).fold(pooled, f64::max))
}
