//! What a run comes to: latencies, throughput, misses, utilisation.

use edgeplan_problem::{Bytes, Nanos};
use serde::Serialize;

use crate::operation::{Outcome, Record, Refusal};
use crate::request::Request;

/// Figures of a run; keys end in their unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Requests of the trace.
    pub requests: usize,
    /// Those that were served.
    pub served: usize,
    /// Those whose KV cache does not fit even alone.
    pub too_large: usize,
    /// Those that the policy turned away or never took.
    pub dropped: usize,
    /// Those that were not served when the run was interrupted.
    pub broken_off: usize,
    /// Those that ended after their deadline, or never, those that were broken off aside.
    pub missed: usize,
    /// From the first arrival until everything was over.
    pub duration_ns: Nanos,
    /// Served requests per second.
    pub requests_per_s: f64,
    /// Generated tokens per second.
    pub tokens_per_s: f64,
    /// Requests per pass, on average.
    pub batch_mean: f64,
    /// Most requests that waited at once.
    pub waiting_max: usize,
    /// From arrival until a request joins a batch.
    pub wait_ns: Quantiles,
    /// From arrival until the prompt is answered.
    pub first_token_ns: Quantiles,
    /// Between two generated tokens of a request, on average.
    pub per_token_ns: Quantiles,
    /// From arrival until the last token.
    pub end_to_end_ns: Quantiles,
    /// Share of the duration in which it was busy, by server of the layout. Files name servers,
    /// which only the layout can.
    #[serde(skip)]
    pub utilisation: Vec<f64>,
    /// Most bytes of KV cache at once, by device; as above.
    #[serde(skip)]
    pub cache_peak_bytes: Vec<Bytes>,
    /// Computations and messages.
    pub events: u64,
}

/// Quantiles by nearest rank: each is one of the values. Zero where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// The mean, rounded down.
    pub mean: Nanos,
    /// Half of the values are at most this.
    pub p50: Nanos,
    /// 90 %.
    pub p90: Nanos,
    /// 95 %.
    pub p95: Nanos,
    /// 99 %.
    pub p99: Nanos,
    /// The largest.
    pub max: Nanos,
}

impl Quantiles {
    /// Of these values. O(n log n).
    pub fn of(mut values: Vec<Nanos>) -> Self {
        values.sort_unstable();
        let Some(&max) = values.last() else { return Self::default() };
        let rank = |percent: usize| values[(values.len() * percent).div_ceil(100) - 1];
        let sum: u128 = values.iter().map(|value| u128::from(value.0)).sum();
        let mean = Nanos((sum / values.len() as u128) as u64);
        Self { mean, p50: rank(50), p90: rank(90), p95: rank(95), p99: rank(99), max }
    }
}

/// Sums up what became of these requests.
pub fn summarize(requests: &[Request], record: &Record) -> Summary {
    let (mut wait, mut first_token, mut per_token, mut end_to_end) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut too_large, mut dropped, mut broken_off, mut missed) = (0, 0, 0, 0);
    let mut tokens = 0_u64;
    for (request, outcome) in requests.iter().zip(&record.outcomes) {
        let time = match *outcome {
            Outcome::Served { joined, first, end } => {
                let generate = u64::from(request.size.generate);
                wait.push(joined - request.arrival);
                first_token.push(first - request.arrival);
                end_to_end.push(end - request.arrival);
                per_token.extend((end - first).0.checked_div(generate).map(Nanos));
                tokens += generate;
                Some(end - request.arrival)
            }
            Outcome::Refused(Refusal::TooLarge(_)) => {
                too_large += 1;
                None
            }
            Outcome::Refused(Refusal::Dropped | Refusal::NeverChosen) => {
                dropped += 1;
                None
            }
            Outcome::Refused(Refusal::BrokenOff) => {
                broken_off += 1;
                continue;
            }
        };
        let late = |limit: Nanos| time.is_none_or(|time| time > limit);
        missed += usize::from(request.deadline.is_some_and(late));
    }
    let begin = requests.iter().map(|request| request.arrival).min().unwrap_or_default();
    let duration = record.end.saturating_sub(begin);
    let per_second = |count: f64| match duration {
        Nanos::ZERO => 0.0,
        time => count * 1e9 / time.as_f64(),
    };
    Summary {
        requests: requests.len(),
        served: wait.len(),
        too_large,
        dropped,
        broken_off,
        missed,
        duration_ns: duration,
        requests_per_s: per_second(wait.len() as f64),
        tokens_per_s: per_second(tokens as f64),
        batch_mean: record.turns as f64 / record.passes.max(1) as f64,
        waiting_max: record.waiting_max,
        utilisation: record.busy.iter().map(|busy| per_second(busy.as_f64() / 1e9)).collect(),
        cache_peak_bytes: record.cache_peak.clone(),
        events: record.events,
        wait_ns: Quantiles::of(wait),
        first_token_ns: Quantiles::of(first_token),
        per_token_ns: Quantiles::of(per_token),
        end_to_end_ns: Quantiles::of(end_to_end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values() {
        let all = Quantiles::of((1..=200).rev().map(Nanos).collect());
        let values = [all.mean, all.p50, all.p90, all.p95, all.p99, all.max];
        assert_eq!(values, [100, 100, 180, 190, 198, 200].map(Nanos));
        assert_eq!(Quantiles::of(vec![Nanos(7)]).p50, Nanos(7));
        assert_eq!(Quantiles::of(Vec::new()), Quantiles::default());
    }
}
