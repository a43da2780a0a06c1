//! How a figure grows with a parameter of the instances: exponentially, or as a power.

use std::collections::{BTreeMap, BTreeSet};

use edgeplan_problem::Verdict;
use serde::Serialize;

use crate::row::Record;
use crate::statistics::{
    Interval, Line, Observation, SurvivalMedian, censored_line, mean, survival_median,
};

/// What grows with what.
#[derive(Debug, Clone, Copy)]
pub struct Axes<'a> {
    /// The name of a parameter whose values are positive numbers ([`Record::parameter`]).
    pub parameter: &'a str,
    /// The name of a figure ([`Record::figure`]).
    pub figure: &'a str,
}

/// A solver's growth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Growth {
    /// The solver.
    pub solver: String,
    /// Sizes: all trials, those proven, and the median figure.
    pub sizes: Vec<Size>,
    /// The largest size up to which every trial was proven.
    pub complete_to: Option<f64>,
    /// Trials that ended in a proof, whose figures are known.
    pub fitted: usize,
    /// Trials that a limit ended, whose figures are only known to be higher; the fits count them as
    /// that.
    pub censored: usize,
    /// `y = a exp(b x)`: the factor per unit of `x`, `exp(b)`.
    pub exponential: Option<Fit>,
    /// `y = a x^b`: the exponent, `b`.
    pub power: Option<Fit>,
}

/// All trials of one size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Size {
    /// The parameter.
    pub x: f64,
    /// Trials.
    pub trials: usize,
    /// Trials that ended in a proof.
    pub proven: usize,
    /// Trials that were proven to have no plan.
    pub infeasible: usize,
    /// Median figure, where a trial without a proof takes more than it took.
    pub median: SurvivalMedian,
    /// Mean gap between plan and bound of all trials; 1 where one of them is missing.
    pub gap: f64,
}

/// A fitted curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fit {
    /// The factor before.
    pub scale: f64,
    /// Factor or exponent, as the kind of curve says.
    pub rate: f64,
    /// 95 % confidence interval of the rate.
    pub interval: Interval,
    /// Akaike's criterion with the small-sample correction, of the logarithm of `y`; what limits
    /// ended counts with the probability of being beyond them.
    pub aic: f64,
}

/// Which of two fits the data prefer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Preference {
    /// The figure does not change: the power's interval holds 0.
    Constant,
    /// The power fits better by more than [`DELTA`].
    Power,
    /// The exponential does.
    Exponential,
    /// Neither is better by that much.
    Undecided,
}

/// Less difference of Akaike's criterion than this is no evidence (Burnham and Anderson, 2002,
/// 2.6: below 2, both have substantial support).
pub const DELTA: f64 = 2.0;

impl Growth {
    /// What the fits say; none where there is too little to fit.
    pub fn preference(&self) -> Option<Preference> {
        let (exponential, power) = (self.exponential?, self.power?);
        let difference = exponential.aic - power.aic;
        Some(match difference {
            _ if power.interval.low <= 0.0 && power.interval.high >= 0.0 => Preference::Constant,
            _ if difference > DELTA => Preference::Power,
            _ if difference < -DELTA => Preference::Exponential,
            _ => Preference::Undecided,
        })
    }
}

/// Figures below this are taken as this, before their logarithm: one node, or a tenth of a
/// millisecond.
fn least(figure: &str) -> f64 {
    if matches!(figure, "seconds" | "cpu") { 1e-4 } else { 1.0 }
}

/// The growth of every solver that has both; records without the parameter are passed over.
pub fn growth(records: &[Record], axes: Axes<'_>) -> Vec<Growth> {
    let solvers: BTreeSet<&str> = records.iter().map(|row| row.solver.as_str()).collect();
    let of = |solver: &&str| {
        let own = records.iter().filter(|row| row.solver == **solver);
        let rows: Vec<(f64, &Record)> =
            own.filter_map(|row| Some((row.parameter(axes.parameter)?.number()?, row))).collect();
        let takes = |(_, row): &(f64, &Record)| row.figure(axes.figure).is_some();
        rows.iter().any(takes).then(|| growth_of(solver, &rows, axes.figure))
    };
    solvers.iter().filter_map(of).collect()
}

fn growth_of(solver: &str, rows: &[(f64, &Record)], figure: &str) -> Growth {
    // An answer that is wrong, or none to be had, tells nothing of how long a right one takes.
    let takes = |row: &Record| !matches!(row.verdict, Verdict::Wrong(_) | Verdict::Unsupported(_));
    let rows: Vec<(f64, &Record)> = rows.iter().copied().filter(|(_, row)| takes(row)).collect();
    // Positive numbers sort like their bits.
    let mut by_size: BTreeMap<u64, Vec<&Record>> = BTreeMap::new();
    for (x, row) in &rows {
        by_size.entry(x.to_bits()).or_default().push(row);
    }
    let value = |row: &Record| row.figure(figure).map(|y| y.max(least(figure)));
    let size = |(&bits, rows): (&u64, &Vec<&Record>)| {
        let proven = rows.iter().filter(|row| row.is_proven());
        let values: Vec<(f64, bool)> =
            rows.iter().filter_map(|row| Some((value(row)?, row.is_proven()))).collect();
        Size {
            x: f64::from_bits(bits),
            trials: rows.len(),
            proven: proven.count(),
            infeasible: rows.iter().filter(|row| row.is_proven() && row.cost().is_none()).count(),
            median: survival_median(&values),
            gap: mean(rows.iter().map(|row| row.gap_or_whole())).unwrap_or(1.0),
        }
    };
    let sizes: Vec<Size> = by_size.iter().map(size).collect();
    let complete = sizes.iter().take_while(|size| size.proven == size.trials);
    let complete_to = complete.last().map(|size| size.x);
    let point = |(x, row): &(f64, &Record)| {
        Some(Observation { x: *x, y: value(row)?.ln(), censored: !row.is_proven() })
    };
    let points: Vec<Observation> = rows.iter().filter_map(point).collect();
    let powers: Vec<Observation> =
        points.iter().map(|o| Observation { x: o.x.ln(), ..*o }).collect();
    let fit = |line: Line, rate: fn(f64) -> f64| Fit {
        scale: line.start.exp(),
        rate: rate(line.slope),
        interval: Interval { low: rate(line.interval.low), high: rate(line.interval.high) },
        aic: line.aic,
    };
    // Two sizes have a line through them whatever the curve.
    let three = sizes.iter().filter(|size| size.proven > 0).count() > 2;
    let line = |points: &[Observation]| if three { censored_line(points) } else { None };
    Growth {
        solver: solver.to_owned(),
        sizes,
        complete_to,
        fitted: points.iter().filter(|point| !point.censored).count(),
        censored: points.iter().filter(|point| point.censored).count(),
        exponential: line(&points).map(|line| fit(line, f64::exp)),
        power: line(&powers).map(|line| fit(line, |slope| slope)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::{answer, proof, row};
    use edgeplan_problem::Contradiction;

    /// Two trials of each of these sizes, whose times have that form, a little off.
    fn trials(time: fn(f64) -> f64) -> Vec<Record> {
        let sizes = [4, 6, 8, 12, 16];
        let at = |size: usize, off: f64| {
            let name = format!("{size}-{off}");
            let seconds = off * time(size as f64);
            Record { devices: Some(size), ..proof(&name, "a", seconds) }
        };
        sizes.iter().flat_map(|&size| [at(size, 0.97), at(size, 1.03)]).collect()
    }

    const BY_DEVICES: Axes<'_> = Axes { parameter: "devices", figure: "seconds" };

    #[test]
    fn the_curve_that_was_drawn_is_found() {
        let found = growth(&trials(|x| 0.01 * 2f64.powf(x / 2.0)), BY_DEVICES).remove(0);
        assert_eq!(found.preference(), Some(Preference::Exponential));
        let fit = found.exponential.unwrap();
        assert!(
            (fit.rate - 2f64.sqrt()).abs() < 0.02 && (fit.scale - 0.01).abs() < 5e-4,
            "{fit:?}"
        );
        assert!(fit.interval.low < fit.rate && fit.rate < fit.interval.high);
        let found = growth(&trials(|x| 0.01 * x.powi(3)), BY_DEVICES).remove(0);
        assert_eq!(found.preference(), Some(Preference::Power));
        assert!((found.power.unwrap().rate - 3.0).abs() < 0.1, "{found:?}");
        let found = growth(&trials(|_| 0.01), BY_DEVICES).remove(0);
        assert_eq!(found.preference(), Some(Preference::Constant));
    }

    #[test]
    fn what_a_limit_ended_takes_longer_than_the_limit() {
        // Half of the trials of each size take four times as long, and the limit is 1 s.
        let mut records = Vec::new();
        for (size, factor) in [4, 6, 8, 10, 12].into_iter().flat_map(|s| [(s, 0.5), (s, 2.0)]) {
            for off in [0.9, 1.1, 1.2] {
                let (name, seconds) =
                    (format!("{size}-{factor}-{off}"), off * factor * 0.01 * 2f64.powi(size / 2));
                let row = match seconds < 0.5 {
                    true => proof(&name, "a", seconds),
                    false => Record { elapsed_s: 0.5, ..row(&name, "a") },
                };
                records.push(Record { devices: Some(size as usize), ..row });
            }
        }
        let found = growth(&records, BY_DEVICES).remove(0);
        assert_eq!((found.complete_to, found.fitted, found.censored), (Some(8.0), 24, 6));
        let fit = found.exponential.unwrap();
        // Without what the limit ended it would be 1.33.
        assert!((fit.rate - 2f64.sqrt()).abs() < 0.04, "{fit:?}");
        let twelve = found.sizes[4];
        assert_eq!((twelve.x, twelve.trials, twelve.proven), (12.0, 6, 3));
        // The slower half is beyond the limit.
        assert_eq!((twelve.median.median, twelve.median.high), (None, None));
        assert!((found.sizes[0].median.median.unwrap() - 0.048).abs() < 1e-9, "{found:?}");
        let wrong = Verdict::Wrong(Contradiction::Recorded("w".into()));
        let more = Record { devices: Some(12), ..answer("w", "a", wrong, 0.1) };
        assert_eq!(growth(&[records.clone(), vec![more]].concat(), BY_DEVICES), [found]);
        assert!(growth(&records, Axes { parameter: "tightness", ..BY_DEVICES }).is_empty());
        assert!(growth(&records, Axes { figure: "cuts", ..BY_DEVICES }).is_empty());
    }
}
