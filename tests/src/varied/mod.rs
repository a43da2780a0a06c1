//! Questions for the agreement tests: what users write and what a fuzzer would, small enough for
//! brute force. [`Knobs`] says what an instance may contain; each seed draws its own knobs, so
//! that unforeseen combinations occur.

mod budgets;
mod draw;
mod features;
mod knobs;
mod magnitude;
mod shrink;

pub use features::FEATURES;
pub use shrink::shrunk;

use edgeplan_problem::deployment::Deployment;

use knobs::Knobs;
use magnitude::Magnitude;

use crate::random::Random;

/// Plans to try stay below this, so that the oracle takes about a millisecond.
const PLANS_MAX: u64 = 2_000;

/// The question of that seed, small enough for brute force.
pub fn varied(seed: u64) -> Deployment {
    let mut random = Random::seeded(seed);
    loop {
        let knobs = Knobs::drawn(&mut random);
        let drawn = random.varied(&knobs, seed);
        if drawn.plan_count() <= PLANS_MAX {
            return random.finished(&knobs, drawn, seed);
        }
    }
}

/// The question of that seed, of up to 12 layers on up to 6 devices, in numbers that floats hold.
pub fn large(seed: u64) -> Deployment {
    let mut random = Random::seeded(seed);
    let knobs = Knobs::drawn(&mut random).large(&mut random);
    let drawn = random.varied(&knobs, seed);
    random.finished(&knobs, drawn, seed)
}

impl Random {
    fn finished(&mut self, knobs: &Knobs, drawn: Deployment, seed: u64) -> Deployment {
        let mut instance = knobs.magnitude.applied(drawn, self);
        // Drawn apart, so that questions without hosts stay what they were.
        let mut apart = Self::seeded(!seed);
        if apart.chance(15) {
            apart.group(&mut instance);
        }
        self.limit(knobs, &mut instance);
        instance.checked().expect("the generator makes sense")
    }
}
