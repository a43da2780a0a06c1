//! Arrivals at random.

use edgeplan_problem::Nanos;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::request::{Request, Size};

/// Requests that come independently of each other, at a constant rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Poisson {
    /// Mean requests per second, above 0.
    pub rate: f64,
    /// Requests.
    pub count: usize,
    /// Prompt tokens: one of these, each as likely. Not empty.
    pub prompts: Vec<u32>,
    /// Generated tokens: one of these, each as likely. Not empty.
    pub generates: Vec<u32>,
    /// The seed.
    pub seed: u64,
}

impl Poisson {
    /// The trace of those parameters: exponential times between arrivals.
    ///
    /// # Panics
    /// When one of the lists is empty.
    pub fn requests(&self) -> Vec<Request> {
        let mut random = Pcg64Mcg::seed_from_u64(self.seed);
        let mut now = Nanos::ZERO;
        let mut requests = Vec::with_capacity(self.count);
        for _ in 0..self.count {
            let uniform: f64 = random.random_range(0.0..1.0);
            now += Nanos((-(1.0 - uniform).ln() / self.rate * 1e9) as u64);
            let prompt = self.prompts[random.random_range(0..self.prompts.len())];
            let generate = self.generates[random.random_range(0..self.generates.len())];
            let size = Size { prompt, generate };
            requests.push(Request { arrival: now, size, model: 0, deadline: None });
        }
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_exponential() {
        let trace =
            Poisson { rate: 4.0, count: 40_000, prompts: vec![1, 3], generates: vec![5], seed: 1 };
        let requests = trace.requests();
        let gaps: Vec<f64> = requests
            .windows(2)
            .map(|pair| (pair[1].arrival - pair[0].arrival).as_f64() / 1e9)
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 0.25).abs() < 0.005, "{mean}");
        // Mean and deviation of an exponential distribution are equal.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03, "{variance}");
        let prompts: u32 = requests.iter().map(|request| request.size.prompt).sum();
        assert!((prompts as f64 / 40_000.0 - 2.0).abs() < 0.02, "{prompts}");
        assert_eq!(requests, trace.requests());
        assert_ne!(requests, Poisson { seed: 2, ..trace }.requests());
    }
}
