//! Memory left to a run, in steps: never less than it truly is.
//!
//! Let `R[l]` be the exact sum of the references' bytes up to layer `l`. The step of `left` bytes
//! after layer `l` is `ceil((left + R[l] mod unit) / unit)`. A layer of `b` bytes whose reference
//! takes `r` moves it down by `floor(R[l] / unit) - floor(R[l-1] / unit) + floor((b - r) / unit)`
//! at least: only `b - r` is rounded, so that a reference moves it by exactly what it takes.

/// Steps that a device needs: the most that can be left is step `width - 1` or less.
pub(crate) fn width(room: u64, unit: u64) -> u128 {
    u128::from(room / unit) + 3
}

/// The grid of one device.
pub(crate) struct Grid {
    room: i128,
    unit: i128,
    /// By layer: bytes of its reference.
    reference: Vec<i128>,
    /// By layer: bytes of the references up to it.
    sums: Vec<i128>,
}

impl Grid {
    /// The grid of a device with that much room; `unit` is not zero.
    pub(crate) fn new(room: u64, unit: u64, reference: &[u64]) -> Self {
        let reference: Vec<i128> = reference.iter().map(|&bytes| i128::from(bytes)).collect();
        // Fewer than 2^32 references below 2^64: their sum is exact.
        let sums = reference.iter().scan(0, |sum, &bytes| {
            *sum += bytes;
            Some(*sum)
        });
        let sums = sums.collect();
        Self { room: i128::from(room), unit: i128::from(unit), reference, sums }
    }

    /// The least step after a layer at which not less than nothing is left.
    pub(crate) fn first(&self, layer: usize) -> usize {
        usize::from(self.sums[layer] % self.unit != 0)
    }

    /// The step after a layer of that many bytes on a device with all its room; none if it is more.
    pub(crate) fn start(&self, layer: usize, bytes: u64) -> Option<usize> {
        let left = self.room - i128::from(bytes);
        let above = left + self.sums[layer] % self.unit;
        let step = above.div_euclid(self.unit) + i128::from(above.rem_euclid(self.unit) > 0);
        (left >= 0).then_some(usize::try_from(step).ok()?)
    }

    /// How many steps a layer of that many bytes moves down from the layer before, at least;
    /// negative where it moves up.
    pub(crate) fn shift(&self, layer: usize, bytes: u64) -> i128 {
        let before = self.sums[layer] - self.reference[layer];
        let moved = self.sums[layer] / self.unit - before / self.unit;
        moved + (i128::from(bytes) - self.reference[layer]).div_euclid(self.unit)
    }
}
