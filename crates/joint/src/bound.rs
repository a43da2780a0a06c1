//! The Lagrangian bound: ways of models and contents of devices, each the cheapest under prices.

use edgeplan_problem::Stop;

use crate::domain::Domain;
use crate::paths::{Tables, Ways};
use crate::prices::Terms;
use crate::pricing::{ChoiceBound, LabelsMax, Priced, Pricing};
use crate::question::{NEVER, Question};

/// What prices prove.
pub(crate) struct Bounded {
    /// No plan costs less, scaled.
    pub(crate) scaled: i128,
    /// By model.
    pub(crate) tables: Vec<Tables>,
    /// By device.
    pub(crate) priced: Vec<Priced>,
}

impl Bounded {
    /// The bound of these prices.
    ///
    /// # Errors
    /// What `check` says, which is asked before each device.
    pub(crate) fn new(
        question: &Question<'_>,
        domain: &Domain,
        terms: Terms<'_>,
        labels_max: LabelsMax,
        check: &dyn Fn() -> Result<(), Stop>,
    ) -> Result<Self, Stop> {
        let Terms { prices, ceilings } = terms;
        let ways = Ways::new(question, domain, prices, ceilings);
        let tables: Vec<Tables> = (0..question.models()).map(|model| ways.tables(model)).collect();
        let device = |device| {
            check()?;
            Ok(Pricing::new(question, domain, terms, device).configurations(labels_max))
        };
        let priced: Vec<Priced> = (0..question.devices).map(device).collect::<Result<_, Stop>>()?;
        let never = tables.iter().any(|tables| tables.least >= NEVER);
        let sum = tables.iter().map(|tables| i128::from(tables.least)).sum::<i128>()
            + priced.iter().map(|priced| i128::from(priced.least)).sum::<i128>();
        let scaled = if never { i128::MAX } else { sum - prices.returned(question) };
        Ok(Self { scaled, tables, priced })
    }

    /// Labels that pricing made.
    pub(crate) fn labels(&self) -> u64 {
        self.priced.iter().map(|priced| priced.labels).sum()
    }

    /// No plan costs less; [`u64::MAX`] if there is none.
    pub(crate) fn cost(&self, question: &Question<'_>) -> u64 {
        unscaled(question, self.scaled)
    }
}

/// Forbids what only plans that cost `cutoff` or more do, by prices and what they prove.
pub(crate) fn fix(
    question: &Question<'_>,
    domain: &mut Domain,
    terms: Terms<'_>,
    bounded: &Bounded,
    cutoff: u64,
) -> u64 {
    let limit = i128::from(cutoff) << question.shift;
    let mut fixed = 0;
    for device in 0..question.devices {
        let pricing = Pricing::new(question, domain, terms, device);
        let least = bounded.priced[device].least;
        for ChoiceBound { place, choice, least: value } in pricing.choices() {
            let slot = place / question.devices;
            let tables = &bounded.tables[question.model_of[slot]];
            let detour = i128::from(tables.through(slot, device)) - i128::from(tables.least);
            let excess = i128::from(value.saturating_sub(least).max(0));
            if bounded.scaled + detour + excess >= limit {
                fixed += u64::from(domain.keep(place, !(1 << choice)));
            }
        }
    }
    fixed
}

/// The least whole cost that is not below a scaled one.
pub(crate) fn unscaled(question: &Question<'_>, scaled: i128) -> u64 {
    if scaled == i128::MAX {
        return u64::MAX;
    }
    let up = (scaled.max(0) + (1 << question.shift) - 1) >> question.shift;
    u64::try_from(up).unwrap_or(u64::MAX)
}
