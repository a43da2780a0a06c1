//! Performance profiles.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::row::Record;
use crate::summary::shared;

/// Times below this are taken as this: what is faster is as good as instantaneous, and ratios of
/// microseconds carry no information.
pub const RESOLUTION_S: f64 = 1e-3;

/// A solver's profile: for each ratio the share of trials that it proves within that multiple of
/// the fastest solver's time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PerformanceProfile {
    /// The solver.
    pub solver: String,
    /// Ratio, from 1 up, and share; the share holds from there to the next ratio.
    pub steps: Vec<(f64, f64)>,
}

/// The profiles of all solvers over the trials that all of them have (Dolan and More, Mathematical
/// Programming 91, 2002, section 2: `rho_s(tau)` is the share of problems with `r_ps <= tau`). A
/// trial without a proof has no ratio. The solvers that prove most come first.
pub fn profiles(records: &[Record]) -> Vec<PerformanceProfile> {
    let rows: Vec<&Record> = records.iter().collect();
    let rows = shared(&rows);
    let time = |row: &Record| row.is_proven().then(|| row.elapsed_s.max(RESOLUTION_S));
    let key = |row: &Record| (row.suite.clone(), row.instance.clone(), row.seed);
    let mut fastest: BTreeMap<(String, String, u64), f64> = BTreeMap::new();
    for row in &rows {
        let known = fastest.entry(key(row)).or_insert(f64::INFINITY);
        *known = known.min(time(row).unwrap_or(f64::INFINITY));
    }
    let solvers: BTreeSet<&str> = rows.iter().map(|row| row.solver.as_str()).collect();
    let mut profiles: Vec<PerformanceProfile> = solvers
        .iter()
        .map(|&solver| {
            let own = rows.iter().filter(|row| row.solver == solver);
            let ratio = |row: &&Record| time(row).map(|time| time / fastest[&key(row)]);
            let mut ratios: Vec<f64> = own.filter_map(ratio).collect();
            ratios.sort_by(f64::total_cmp);
            PerformanceProfile { solver: solver.into(), steps: steps(&ratios, fastest.len()) }
        })
        .collect();
    let proven = |profile: &PerformanceProfile| profile.steps.last().map_or(0.0, |step| step.1);
    profiles.sort_by(|a, b| proven(b).total_cmp(&proven(a)));
    profiles
}

fn steps(ratios: &[f64], trials: usize) -> Vec<(f64, f64)> {
    let mut steps = vec![(1.0, 0.0)];
    for (index, &ratio) in ratios.iter().enumerate() {
        let share = (index + 1) as f64 / trials as f64;
        match steps.last_mut() {
            Some(last) if last.0 == ratio => last.1 = share,
            _ => steps.push((ratio, share)),
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::{proof, row};

    #[test]
    fn profiles_by_hand() {
        let records = [
            proof("i", "a", 1.0),
            proof("i", "b", 4.0),
            proof("j", "a", 6.0),
            proof("j", "b", 2.0),
            proof("k", "a", 0.0001),
            row("k", "b"),
            row("l", "a"),
            row("l", "b"),
            // b was not run on it.
            proof("m", "a", 1.0),
        ];
        let found = profiles(&records);
        assert_eq!(found[0].solver, "a");
        assert_eq!(found[0].steps, [(1.0, 0.5), (3.0, 0.75)]);
        assert_eq!(found[1].steps, [(1.0, 0.25), (4.0, 0.5)]);
    }
}
