//! What a part of the tree still allows: choices by place.

/// The allowed choices of each place, a bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domain {
    bits: Vec<u64>,
}

impl Domain {
    /// Most choices of a place: a word has so many bits.
    pub(crate) const CHOICES_MAX: usize = 64;

    /// All choices, as many as each place has.
    pub(crate) fn new(counts: impl Iterator<Item = usize>) -> Self {
        let bits = |count: usize| if count == 64 { u64::MAX } else { (1 << count) - 1 };
        Self { bits: counts.map(bits).collect() }
    }

    /// The choices of a place as bits.
    pub(crate) fn bits(&self, place: usize) -> u64 {
        self.bits[place]
    }

    /// Whether a place may be used at all.
    pub(crate) fn is_open(&self, place: usize) -> bool {
        self.bits[place] != 0
    }

    pub(crate) fn allows(&self, place: usize, choice: usize) -> bool {
        self.bits[place] >> choice & 1 == 1
    }

    /// Forbids a place.
    pub(crate) fn close(&mut self, place: usize) {
        self.bits[place] = 0;
    }

    /// Leaves only these choices of a place; whether that changes anything.
    pub(crate) fn keep(&mut self, place: usize, bits: u64) -> bool {
        let before = self.bits[place];
        self.bits[place] &= bits;
        before != self.bits[place]
    }

    /// The allowed choices of a place, by index.
    pub(crate) fn choices(&self, place: usize) -> impl Iterator<Item = usize> + use<> {
        let mut bits = self.bits[place];
        std::iter::from_fn(move || {
            let next = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
            bits &= bits - 1;
            Some(next)
        })
    }
}
