//! The numbers that a decision frame is drawn from.
//!
//! What is *recalled* of a paper was not seen in its text, and what is *ours* is in none.
//!
//! | | `gus` | `pies-final` | `pies-triangular` | `pies-uniform` |
//! | --- | --- | --- | --- | --- |
//! | source | arXiv 2011.08381, recalled | arXiv 2104.15094, its code | the same | the same |
//! | servers | 9 edge in 3 classes, a cloud | 10 edge | 10 edge | 10 edge |
//! | requests | 100 | 1000 | 1000 | 1000 |
//! | services, models each | 100, 10 | 100, 1 to 10 | 100, 1 to 10 | 100, 1 to 10 |
//! | demanded accuracy | N(45 %, 10 %) | 1 - Exp(mean 12.5 %) | Tri(0, 1, 1) | U(50 %, 100 %) |
//! | deadline | N(1 s, 4 s), above 0 | Exp(mean 1.5 s), to 10 s | Tri(0, 0, 100 s) | U(1 s, 5 s) |
//! | latest in soft mode | latest deadline (ours) | 10 s | 5 s | 10 s |
//! | capacities | ours, see below | U{300..600} | N(250, 50) | U{100..200} |
//! | cost of a request | ours, see below | U{15..30} | N(50, 15) | U{10..50} |
//! | accuracy of a model | ours, see below | N(65 %, 10 %) | the same (ours) | U(75 %, 100 %) |
//! | storage | - | U{100..200} | N(250, 50) | U{100..200} |
//! | storage of a model | - | U{10..20} | N(25, 10) | U{10..50} |
//! | time | ours, see below | cost * covered users / capacity | the same | the same |
//!
//! Ours, for `gus`: level `l` of 10 has an accuracy of 30 % + 6 l % give or take 3 %, takes `l`
//! units of computation and 60 ms + 60 ms l, give or take 20 ms, on a medium edge server; twice
//! that on a small one, half on a large one, a quarter in the cloud. Small, medium and large ones
//! have 20, 40 and 80 units of computation and 6, 10 and 16 of communication, and host 20, 30 and
//! 40 % of the models; the cloud has 200 units and hosts all. An input has 1 to 4 units of 250 kB,
//! which take 20 ms each between edge servers (100 Mbit/s) and 80 ms to the cloud (25 Mbit/s).
//! Requests waited up to 500 ms for the frame.
//!
//! PIES places models itself; here each server hosts models drawn at random until its storage is
//! full, and a request may be served by any server, at the price of the covering one's transfer
//! time.

use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;
use statrs::distribution::{ContinuousCDF as _, Exp, Normal};

use edgeplan_problem::scheduling::Mode;

/// Which numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settings {
    /// GUS's numerical study, as recalled; the rest is ours.
    Gus,
    /// PIES's final experiments.
    PiesFinal,
    /// PIES's triangular variant.
    PiesTriangular,
    /// PIES's uniform variant.
    PiesUniform,
}

/// What a model of a service is, before it is placed.
pub(super) struct Model {
    /// Share of one.
    pub(super) accuracy: f64,
    pub(super) computation: u64,
    pub(super) communication: u64,
    /// PIES only.
    pub(super) storage: u64,
    /// Seconds on a medium edge server; GUS only.
    pub(super) seconds: f64,
}

/// What a server has, before models are placed.
pub(super) struct Machine {
    pub(super) computation: u64,
    pub(super) communication: u64,
    /// PIES only.
    pub(super) storage: u64,
    /// Share of the models that it hosts; GUS only.
    pub(super) hosts: f64,
    /// Time over that of a medium edge server; GUS only.
    pub(super) slowness: f64,
}

/// GUS: computation, communication, share of models hosted, slowness. Ours.
const CLASSES: [(u64, u64, f64, f64); 3] =
    [(20, 6, 0.2, 2.0), (40, 10, 0.3, 1.0), (80, 16, 0.4, 0.5)];
const CLOUD: (u64, u64, f64, f64) = (200, 0, 1.0, 0.25);

impl Settings {
    /// All of them with their names.
    pub const ALL: [(&str, Self); 4] = [
        ("gus", Self::Gus),
        ("pies-final", Self::PiesFinal),
        ("pies-triangular", Self::PiesTriangular),
        ("pies-uniform", Self::PiesUniform),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, settings)| *settings == self).map_or("", |(name, _)| name)
    }

    /// Requests, edge servers, services, models of a service at most.
    pub(super) fn sizes(self) -> [usize; 4] {
        if self == Self::Gus { [100, 9, 100, 10] } else { [1000, 10, 100, 10] }
    }

    /// The mode of the paper.
    pub(super) fn mode(self) -> Mode {
        if self == Self::Gus { Mode::Hard } else { Mode::Soft }
    }

    /// Whether there is a cloud beside the edge servers.
    pub(super) fn has_cloud(self) -> bool {
        self == Self::Gus
    }

    /// The time in seconds by which a soft deadline may be missed before it counts for nothing.
    pub(super) fn latest(self) -> Option<f64> {
        match self {
            Self::Gus => None,
            Self::PiesFinal | Self::PiesUniform => Some(10.0),
            Self::PiesTriangular => Some(5.0),
        }
    }

    /// Edge server `index`, or the cloud if that is none.
    pub(super) fn machine(self, edge: Option<usize>, dice: &mut Dice) -> Machine {
        let capacity = |dice: &mut Dice| match self {
            Self::PiesFinal => dice.whole(300, 600),
            Self::PiesTriangular => dice.normal(250.0, 50.0).max(1.0).round() as u64,
            _ => dice.whole(100, 200),
        };
        match self {
            Self::Gus => {
                let class = edge.map_or(CLOUD, |index| CLASSES[index % CLASSES.len()]);
                let (computation, communication, hosts, slowness) = class;
                Machine { computation, communication, storage: 0, hosts, slowness }
            }
            _ => Machine {
                computation: capacity(dice),
                communication: capacity(dice),
                storage: match self {
                    Self::PiesTriangular => dice.normal(250.0, 50.0).max(1.0).round() as u64,
                    _ => dice.whole(100, 200),
                },
                hosts: 0.0,
                slowness: 1.0,
            },
        }
    }

    /// The models of one service, least accurate level first.
    pub(super) fn models(self, levels: usize, dice: &mut Dice) -> Vec<Model> {
        let input = dice.whole(1, 4);
        let count = if self == Self::Gus { levels } else { dice.whole(1, levels as u64) as usize };
        (1..=count).map(|level| self.model(level, input, dice)).collect()
    }

    fn model(self, level: usize, input: u64, dice: &mut Dice) -> Model {
        let cost = |dice: &mut Dice| match self {
            Self::PiesFinal => dice.whole(15, 30),
            Self::PiesTriangular => dice.normal(50.0, 15.0).max(1.0).round() as u64,
            _ => dice.whole(10, 50),
        };
        if self == Self::Gus {
            // Levels beyond the tenth are as accurate as that one.
            let step = level.min(10) as f64;
            return Model {
                accuracy: 0.3 + 0.06 * step + dice.uniform(-0.03, 0.03),
                computation: level as u64,
                communication: input,
                storage: 0,
                seconds: 0.06 + 0.06 * level as f64 + dice.uniform(-0.02, 0.02),
            };
        }
        Model {
            accuracy: match self {
                Self::PiesUniform => dice.uniform(0.75, 1.0),
                _ => dice.normal(0.65, 0.1).clamp(0.0, 1.0),
            },
            computation: cost(dice),
            communication: cost(dice),
            storage: match self {
                Self::PiesFinal => dice.whole(10, 20),
                Self::PiesTriangular => dice.normal(25.0, 10.0).max(1.0).round() as u64,
                _ => dice.whole(10, 50),
            },
            seconds: 0.0,
        }
    }

    /// Demanded accuracy, a share of one, and deadline in seconds.
    pub(super) fn demand(self, dice: &mut Dice) -> (f64, f64) {
        let (accuracy, seconds) = match self {
            Self::Gus => (dice.normal(0.45, 0.1), dice.positive_normal(1.0, 4.0)),
            Self::PiesFinal => (1.0 - dice.exponential(0.125), dice.exponential(1.5).min(10.0)),
            Self::PiesTriangular => {
                let (a, t) = (dice.uniform(0.0, 1.0), dice.uniform(0.0, 1.0));
                (a.sqrt(), 100.0 * (1.0 - t.sqrt()))
            }
            Self::PiesUniform => (dice.uniform(0.5, 1.0), dice.uniform(1.0, 5.0)),
        };
        (accuracy.clamp(0.0, 1.0), seconds)
    }

    /// Seconds that a request waited for the frame.
    pub(super) fn waited(self, dice: &mut Dice) -> f64 {
        if self == Self::Gus { dice.uniform(0.0, 0.5) } else { 0.0 }
    }
}

/// Random numbers by the inverse of their distribution function.
pub(super) struct Dice(pub(super) Pcg64Mcg);

impl Dice {
    /// From 0 to 1, both excluded.
    fn open(&mut self) -> f64 {
        self.0.random_range(1..1u64 << 53) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.open()
    }

    pub(super) fn whole(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..=high)
    }

    fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        mean + deviation * Normal::standard().inverse_cdf(self.open())
    }

    /// Drawn again until it is above zero.
    fn positive_normal(&mut self, mean: f64, deviation: f64) -> f64 {
        loop {
            let drawn = self.normal(mean, deviation);
            if drawn > 0.0 {
                return drawn;
            }
        }
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        let unit = Exp::new(1.0).expect("a rate of 1 is allowed");
        mean * unit.inverse_cdf(self.open())
    }
}
