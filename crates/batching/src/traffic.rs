//! Seeded requests: the same parameters give the same requests on every machine.

use std::collections::BTreeMap;
use std::ops::Range;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use statrs::distribution::{ContinuousCDF as _, Exp};

use super::WireRequest;
use super::paper::NODE;
use edgeplan_files::quantity::Time;

/// What users ask, with the paper's numbers as defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// Lengths of prompts and answers, each as likely (recalled).
    pub tokens: Vec<u32>,
    /// Longest time to an answer, uniform, in milliseconds (recalled: 0.5 to 2 s).
    pub deadline_ms: Range<u64>,
    /// Least accuracy, uniform in thousandths (recalled: 0 to 1).
    pub accuracy_permille: Range<u32>,
    /// Power of a user (recalled: 20 dBm).
    pub transmit_dbm: f64,
    /// Power gain of the path, before Rayleigh fading (an exponential factor of mean 1).
    pub path_gain: f64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            tokens: vec![128, 256, 512],
            deadline_ms: 500..2_001,
            accuracy_permille: 0..1_001,
            transmit_dbm: 20.0,
            path_gain: 1e-3,
        }
    }
}

/// A request and when it arrives.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Time from the start of the first epoch.
    pub at: Time,
    /// The request; it has not waited yet.
    pub request: WireRequest,
}

/// How long a request of a single scenario may have waited: an epoch of the paper.
const WAITED_MS: u64 = 2_000;

impl Traffic {
    /// That many requests, each of which has waited up to an epoch and can still be answered if it
    /// takes no time to compute; in order of arrival.
    pub fn waiting(&self, requests: usize, seed: u64) -> Vec<WireRequest> {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut found: Vec<WireRequest> = (0..requests)
            .map(|_| {
                let mut request = self.request(&mut random);
                let most = (request.deadline.0 / MS).saturating_sub(500).min(WAITED_MS);
                request.waited = Time(MS * random.random_range(0..=most));
                request
            })
            .collect();
        found.sort_by_key(|request| std::cmp::Reverse(request.waited));
        found
    }

    /// A Poisson process: arrivals at that rate until that time. `per_second` is positive.
    pub fn arrivals(&self, per_second: f64, until: Time, seed: u64) -> Vec<Arrival> {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut found = Vec::new();
        let mut seconds = 0.0;
        loop {
            seconds += exponential(&mut random) / per_second;
            let at = Time((seconds * 1e9) as u64);
            if at >= until {
                return found;
            }
            found.push(Arrival { at, request: self.request(&mut random) });
        }
    }

    fn request(&self, random: &mut Pcg64Mcg) -> WireRequest {
        let length = |random: &mut Pcg64Mcg| self.tokens[random.random_range(0..self.tokens.len())];
        let gain = self.path_gain * exponential(random);
        WireRequest {
            name: None,
            prompt: length(random),
            output: length(random),
            deadline: Time(MS * random.random_range(self.deadline_ms.clone())),
            waited: Time(0),
            accuracy: f64::from(random.random_range(self.accuracy_permille.clone())) / 1_000.0,
            weight: 1,
            transmit_dbm: self.transmit_dbm,
            gain_db: BTreeMap::from([(NODE.into(), decibels(gain))]),
        }
    }
}

/// Nanoseconds of a millisecond.
const MS: u64 = 1_000_000;

/// Exponential of mean 1.
fn exponential(random: &mut Pcg64Mcg) -> f64 {
    let uniform: f64 = random.random();
    Exp::new(1.0).map_or(0.0, |exponential| exponential.inverse_cdf(uniform))
}

/// A gain rounded to tenths of a decibel; -999 dB for a gain of zero.
fn decibels(gain: f64) -> f64 {
    ((100.0 * gain.log10()).round() / 10.0).max(-999.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_keep_their_rate_and_are_seeded() {
        let traffic = Traffic::default();
        let minutes = Time(600_000_000_000);
        let arrivals = traffic.arrivals(5.0, minutes, 3);
        assert!((2_800..3_200).contains(&arrivals.len()), "{}", arrivals.len());
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
        assert_eq!(arrivals, traffic.arrivals(5.0, minutes, 3));
        assert_ne!(arrivals, traffic.arrivals(5.0, minutes, 4));
        let gains = arrivals.iter().map(|arrival| 10f64.powf(arrival.request.gain_db[NODE] / 10.0));
        let mean = gains.sum::<f64>() / arrivals.len() as f64;
        assert!((0.93e-3..1.07e-3).contains(&mean), "{mean}");
    }
}
