//! The cost model of a machine.

use std::collections::BTreeMap;

use edgeplan_formats::Format;
use edgeplan_problem::Bytes;

use crate::check::{FitError, check_work};
use crate::conformal::{bound, median};
use crate::kernel::{Kernel, Sample, held_out};
use crate::naive::Naive;
use crate::prediction::Prediction;
use crate::profile::{Profile, Work};
use crate::terms::{Kind, Point};

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
    /// Largest measured share of bytes in memory to bytes in the file: `(resident, file)`.
    resident: BTreeMap<Format, (Bytes, Bytes)>,
}

/// A kernel, and how well it predicts what it has not seen.
#[derive(Debug, Clone)]
struct Fitted {
    kernel: Kernel,
    /// Half width of its intervals, as a logarithm; `None` where nobody knows.
    spread: Option<f64>,
    /// By one row and by several.
    accuracy: [Accuracy; 2],
}

/// How well times were predicted that the fit had not seen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Accuracy {
    /// Number of these times.
    pub points: usize,
    /// Median error, relative to the smaller of predicted and true time: 0.5 is half as much again.
    pub error: Option<f64>,
    /// The same of bytes over bandwidth ([`Naive`]); `None` without a measured bandwidth.
    pub naive: Option<f64>,
}

/// What was not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// A format of weights.
    #[error("matrix products in {0} were not measured")]
    Format(Format),
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
        let mut thumb: BTreeMap<Kind, [Vec<f64>; 2]> = BTreeMap::new();
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
                thumb.entry(kind).or_default()[several(&point)].push(error);
            }
            samples.entry(kind).or_default().push((point, nanos));
        }
        let held: BTreeMap<Kind, Vec<(Point, f64)>> =
            samples.iter().map(|(kind, samples)| (*kind, held_out(samples))).collect();
        let fitted = |(kind, samples): (Kind, Vec<Sample>)| {
            let accuracy = [0, 1].map(|several| {
                let thumb = thumb.get(&kind).map_or(&[][..], |errors| &errors[several]);
                Accuracy::new(&held[&kind], several, thumb)
            });
            let kernel = Kernel::fit(&samples);
            (kind, Fitted { kernel, spread: spread(kind, &held), accuracy })
        };
        let bandwidth = moved.into_iter().filter_map(|(n, rates)| Some((n, median(rates)?)));
        let mut resident: BTreeMap<Format, (Bytes, Bytes)> = BTreeMap::new();
        for each in &profile.resident {
            let new = (each.resident_bytes, each.file_bytes);
            let share = |(resident, file): (Bytes, Bytes)| resident.as_f64() / file.as_f64();
            let known = resident.entry(each.format).or_insert(new);
            if share(new) > share(*known) {
                *known = new;
            }
        }
        Ok(Self {
            bandwidth: bandwidth.collect(),
            dispatch: median(empty),
            spread: bound(held.values().flatten().map(|(_, error)| *error)),
            resident,
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
        let fitted = self.kernels.get(&kind).ok_or(match kind {
            Kind::Matmul(format) => Missing::Format(format),
            _ => Missing::Work(kind.name()),
        })?;
        Ok(fitted.time(&point))
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
            // The shape may be no whole number of blocks of the other format.
            let row_len = row_len.next_multiple_of(format.block_elements());
            self.time(&Work::Matmul { format, rows, row_len, batch }).ok()
        };
        let known: Vec<Prediction> = self.formats().filter_map(in_format).collect();
        let slowest = *known.iter().max_by_key(|prediction| prediction.median)?;
        let low = known.iter().map(|prediction| prediction.low).min()?;
        let high = known.iter().map(|prediction| prediction.high).max()?;
        Some(Prediction { low, high, estimated: true, ..slowest })
    }

    /// The formats in which matrix products were measured.
    pub fn formats(&self) -> impl Iterator<Item = Format> {
        self.kernels.keys().filter_map(|kind| match kind {
            Kind::Matmul(format) => Some(*format),
            _ => None,
        })
    }

    /// The largest batch that was measured in that format.
    pub fn batch_max(&self, format: Format) -> Option<u64> {
        let fitted = self.kernels.get(&Kind::Matmul(format))?;
        Some(fitted.kernel.batches().1 as u64)
    }

    /// How well products in that format were predicted that the fit had not seen: of one row, and
    /// of several.
    pub fn accuracy(&self, format: Format) -> Option<[Accuracy; 2]> {
        self.kernels.get(&Kind::Matmul(format)).map(|fitted| fitted.accuracy)
    }

    /// Memory of weights of that format and size once they are loaded and used: as they are in the
    /// file where that was not measured.
    pub fn resident(&self, format: Format, file: Bytes) -> Bytes {
        let Some((resident, measured)) = self.resident.get(&format) else { return file };
        let bytes = u128::from(file.0) * u128::from(resident.0);
        let bytes = bytes.div_ceil(u128::from(measured.0));
        Bytes(u64::try_from(bytes).unwrap_or(u64::MAX))
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

impl Accuracy {
    fn new(held: &[(Point, f64)], rows: usize, thumb: &[f64]) -> Self {
        let here = held.iter().filter(|(point, _)| several(point) == rows);
        let errors: Vec<f64> = here.map(|(_, error)| *error).collect();
        let typical = |errors: &[f64]| {
            median(errors.iter().map(|error| error.abs()).collect()).map(f64::exp_m1)
        };
        Self { points: errors.len(), error: typical(&errors), naive: typical(thumb) }
    }
}

/// 0 for one row, 1 for several.
fn several(point: &Point) -> usize {
    usize::from(point.batch > 1.0)
}

/// Half width of a kind's intervals: by its own errors; where these are too few, by those of all
/// its like, or of everything, but never below the largest of its own.
fn spread(kind: Kind, held: &BTreeMap<Kind, Vec<(Point, f64)>>) -> Option<f64> {
    let errors = |which: &dyn Fn(Kind) -> bool| -> Vec<f64> {
        let kinds = held.iter().filter(|(kind, _)| which(**kind));
        kinds.flat_map(|(_, errors)| errors.iter().map(|(_, error)| *error)).collect()
    };
    let own = errors(&|other| other == kind);
    if let Some(spread) = bound(own.iter().copied()) {
        return Some(spread);
    }
    let product = |kind: Kind| matches!(kind, Kind::Matmul(_));
    let alike = bound(errors(&|other| product(other) && product(kind)).into_iter());
    let pooled = alike.or_else(|| bound(errors(&|_| true).into_iter()))?;
    Some(own.into_iter().map(f64::abs).fold(pooled, f64::max))
}
