//! Pseudo-costs: what deciding a place has raised bounds by.

/// How a part of a domain was decided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decided {
    pub(crate) place: usize,
    /// How much of the layer the mixture had there.
    pub(crate) share: f64,
    /// Whether the layer is there now, or elsewhere.
    pub(crate) here: bool,
}

impl Decided {
    /// The share of the layer that the decision moves.
    fn moved(self) -> f64 {
        (if self.here { 1.0 - self.share } else { self.share }).max(SHARE_MIN)
    }
}

/// Gains of one place, or of all, when layers are there, and when they are elsewhere: sum and
/// number.
type Sides = [(f64, f64); 2];

/// Gains so far, each for a whole layer that moves.
#[derive(Debug)]
pub(crate) struct Gains {
    places: Vec<Sides>,
    all: Sides,
}

const SHARE_MIN: f64 = 1e-3;
/// The mean of all places counts like so many decisions of one place.
const COMMON: f64 = 1.0;
/// Of the product of both sides' gains, one side counts as at least this share of the other: a
/// side without gain does not hide the other's.
const SIDE_MIN: f64 = 1e-3;

impl Gains {
    pub(crate) fn new(places: usize) -> Self {
        Self { places: vec![Sides::default(); places], all: Sides::default() }
    }

    /// A decision raised a bound by that much.
    pub(crate) fn learn(&mut self, decided: Decided, gain: f64) {
        let gain = gain / decided.moved();
        let side = usize::from(decided.here);
        for (sum, number) in [&mut self.places[decided.place][side], &mut self.all[side]] {
            *sum += gain;
            *number += 1.0;
        }
    }

    /// What deciding a place promises: the product of what both sides may gain.
    pub(crate) fn promise(&self, place: usize, share: f64) -> f64 {
        let gain = |here: bool| {
            let side = usize::from(here);
            let (sum, number) = self.all[side];
            let common = if number > 0.0 { sum / number } else { 1.0 };
            let (sum, number) = self.places[place][side];
            let mean = (sum + COMMON * common) / (number + COMMON);
            mean * Decided { place, share, here }.moved()
        };
        let (here, elsewhere) = (gain(true), gain(false));
        let least = SIDE_MIN * here.max(elsewhere).max(f64::MIN_POSITIVE);
        here.max(least) * elsewhere.max(least)
    }
}
