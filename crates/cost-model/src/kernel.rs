//! One kernel: a sum of terms, corrected by batch and by shape where the kernel is no such sum.
//!
//! A kernel is rarely a pure roofline: it changes its path with the batch (tiles, packed weights),
//! and its threads and the lines of caches that it uses with the shape. So the sum of terms is
//! followed by medians of what is left, in logarithms: by batch, interpolated on a log grid, and by
//! either side of the shape, weighted by distance. A product with one row of activations and one
//! with several are two kernels ([`crate::terms`]).

use crate::conformal::median;
use crate::regression::{dot, fit};
use crate::terms::Point;

/// A point and its time in nanoseconds.
pub(crate) type Sample = (Point, f64);

/// How fast the resemblance of shapes fades, in powers of two.
const RESEMBLANCE: f64 = 0.5;
/// Weight of "no correction" among them, against 1 for an equal side.
const PRIOR: f64 = 1.0;
/// Folds of cross-validation: grids of so many shapes leave out one at a time.
const FOLDS: usize = 16;
/// Sizes this much beyond the measured ones are extrapolated, in powers of two.
const BEYOND: f64 = 1.0;

/// A fitted kernel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kernel {
    coefficients: Vec<f64>,
    /// Rows, and the logarithm of true over summed time; ascending, never empty.
    by_batch: Vec<(f64, f64)>,
    /// By side of the shape: where it lies, and the same.
    by_side: [Vec<(f64, f64)>; 2],
    /// The largest shape, in powers of two.
    size_max: f64,
}

/// A time between two bounds that hold however the kernel behaves beyond its grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) nanos: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) extrapolated: bool,
}

impl Kernel {
    /// Fits `samples`, of which there must be one.
    ///
    /// # Complexity
    /// O(samples) for a grid of bounded shapes.
    pub(crate) fn fit(samples: &[Sample]) -> Self {
        let rows: Vec<Vec<f64>> = samples.iter().map(|(point, _)| point.terms()).collect();
        let times: Vec<f64> = samples.iter().map(|(_, nanos)| *nanos).collect();
        let coefficients = fit(&rows, &times);
        let size_max = samples.iter().map(|(point, _)| point.size()).fold(f64::MIN, f64::max);
        let mut kernel =
            Self { coefficients, by_batch: Vec::new(), by_side: Default::default(), size_max };
        let left = |kernel: &Self| -> Vec<f64> {
            samples.iter().map(|(point, nanos)| nanos.ln() - kernel.log_time(point)).collect()
        };
        let by_batch = groups(samples, &left(&kernel), |point| point.batch);
        kernel.by_batch = by_batch
            .into_iter()
            .filter_map(|(batch, errors)| Some((batch, median(errors)?)))
            .collect();
        kernel.by_batch.sort_by(|a, b| a.0.total_cmp(&b.0));
        // First along one side, then along the other: kernels mind the length of rows, whatever
        // their number.
        for side in [1, 0] {
            let by_side = groups(samples, &left(&kernel), |point| point.shape[side]);
            kernel.by_side[side] = by_side
                .into_iter()
                .filter_map(|(at, errors)| Some((at, agreed(errors)?)))
                .collect();
        }
        kernel
    }

    /// Logarithm of the nanoseconds.
    fn log_time(&self, point: &Point) -> f64 {
        let sum = dot(&self.coefficients, &point.terms()).max(1e-3).ln();
        sum + self.batch_correction(point.batch)
            + self.side_correction(1, point.shape[1])
            + self.side_correction(0, point.shape[0])
    }

    /// Between two batches on the line in the logarithms; outside that of the nearest.
    fn batch_correction(&self, batch: f64) -> f64 {
        let above = self.by_batch.partition_point(|(known, _)| *known < batch);
        let (Some(&(right, after)), Some(&(left, before))) =
            (self.by_batch.get(above), above.checked_sub(1).and_then(|i| self.by_batch.get(i)))
        else {
            let ends = [self.by_batch.first(), self.by_batch.last()];
            return ends[usize::from(above > 0)].map_or(0.0, |(_, correction)| *correction);
        };
        let share = (batch / left).ln() / (right / left).ln();
        before + share * (after - before)
    }

    fn side_correction(&self, side: usize, at: f64) -> f64 {
        let (mut sum, mut weights) = (0.0, PRIOR);
        for (known, correction) in &self.by_side[side] {
            let distance = (known - at) / RESEMBLANCE;
            let weight = (-0.5 * distance * distance).exp();
            sum += weight * correction;
            weights += weight;
        }
        sum / weights
    }

    /// The time of a point. Beyond the largest batch of the grid the sum of terms goes on, between
    /// the time of that batch and as many passes of it as there are rows; so it does below the
    /// smallest. With one batch in the grid the larger of the two bounds is taken.
    pub(crate) fn time(&self, point: &Point) -> Estimate {
        let nanos = self.log_time(point).exp();
        let (first, last) = (self.batches().0, self.batches().1);
        let edge = point.batch.clamp(first, last);
        // What is smaller than everything measured takes too little time to matter.
        let sized = point.size() <= self.size_max + BEYOND;
        if edge == point.batch {
            return Estimate { nanos, least: nanos, most: nanos, extrapolated: !sized };
        }
        let at_edge = self.log_time(&Point { batch: edge, ..point.clone() }).exp();
        let passes = at_edge * point.batch / edge;
        let (least, most) = (at_edge.min(passes), at_edge.max(passes));
        let known = if first == last { most } else { nanos.clamp(least, most) };
        let least = if first == last || point.batch < first { least } else { known };
        Estimate { nanos: known, least, most, extrapolated: true }
    }

    /// Smallest and largest batch of the grid.
    pub(crate) fn batches(&self) -> (f64, f64) {
        let ends = [self.by_batch.first(), self.by_batch.last()];
        let ends = ends.map(|end| end.map_or(1.0, |(batch, _)| *batch));
        (ends[0], ends[1])
    }
}

/// What errors agree on: their median with one more that is none. `None` of a single one, which
/// may be an outlier.
fn agreed(mut errors: Vec<f64>) -> Option<f64> {
    if errors.len() < 2 {
        return None;
    }
    errors.push(0.0);
    median(errors)
}

/// Values by key of their samples, in the order of the first of each key.
fn groups<K: PartialEq, V: Copy>(
    samples: &[Sample],
    values: &[V],
    key: impl Fn(&Point) -> K,
) -> Vec<(K, Vec<V>)> {
    let mut found: Vec<(K, Vec<V>)> = Vec::new();
    for ((point, _), value) in samples.iter().zip(values) {
        let key = key(point);
        match found.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(*value),
            None => found.push((key, vec![*value])),
        }
    }
    found
}

/// The logarithm of true over predicted time at every sample, each predicted by a fit that has not
/// seen its shape; where there is one shape only, its batch. Of a single sample nothing is known.
pub(crate) fn held_out(samples: &[Sample]) -> Vec<f64> {
    let indices: Vec<usize> = (0..samples.len()).collect();
    let mut parts: Vec<Vec<usize>> =
        groups(samples, &indices, |point| point.shape).into_iter().map(|(_, part)| part).collect();
    if parts.len() == 1 {
        let by_batch = groups(samples, &indices, |point| point.batch);
        parts = by_batch.into_iter().map(|(_, part)| part).collect();
    }
    if parts.len() == 1 {
        return Vec::new();
    }
    let mut fold_of = vec![0; samples.len()];
    for (part, indices) in parts.iter().enumerate() {
        indices.iter().for_each(|index| fold_of[*index] = part % FOLDS);
    }
    let mut errors = Vec::new();
    for fold in 0..FOLDS.min(parts.len()) {
        let (out, rest): (Vec<_>, Vec<_>) =
            samples.iter().enumerate().partition(|(index, _)| fold_of[*index] == fold);
        let rest: Vec<Sample> = rest.into_iter().map(|(_, sample)| sample.clone()).collect();
        let kernel = Kernel::fit(&rest);
        let error = |(_, (point, nanos)): (usize, &Sample)| (nanos / kernel.time(point).nanos).ln();
        errors.extend(out.into_iter().map(error));
    }
    errors
}
