//! Robust statistics of repeated times: other work on a machine only ever makes a run slower, and
//! now and then by a lot, which moves a mean and leaves a median where it is.

use edgeplan_problem::Nanos;

use crate::clock::Clock;

/// The middle of repeated times, and how far they lie from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Median.
    pub median: Nanos,
    /// Median absolute deviation from the median.
    pub mad: Nanos,
    /// How many there were.
    pub repeats: u32,
}

impl Sample {
    /// Of these times; none of no times. O(n log n).
    pub fn of(times: &[Nanos]) -> Option<Self> {
        let median = median(times)?;
        let deviations: Vec<Nanos> =
            times.iter().map(|time| Nanos(time.0.abs_diff(median.0))).collect();
        Some(Self { median, mad: self::median(&deviations)?, repeats: times.len() as u32 })
    }

    /// The standard error of the median over the median.
    ///
    /// For normal times the median's standard error is sqrt(pi / 2) s / sqrt(n), and s is
    /// 1.4826 times the MAD (Rousseeuw & Croux 1993, section 1, doi:10.2307/2291267).
    pub fn relative_error(&self) -> f64 {
        const ERROR_PER_MAD: f64 = 1.253_314 * 1.482_6;
        let error = ERROR_PER_MAD * self.mad.as_f64() / f64::from(self.repeats).sqrt();
        error / self.median.as_f64().max(1.0)
    }
}

/// The median; of an even number of times the mean of the middle two, rounded down.
pub fn median(times: &[Nanos]) -> Option<Nanos> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(Nanos(lower.0.midpoint(upper.0)))
}

/// One time in ten is shorter: what it takes while nothing else works. `None` of no times.
pub fn quick(times: &[Nanos]) -> Option<Nanos> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 10).copied()
}

/// When to stop repeating.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Not before so many, unless the time is over.
    pub repeats_min: u32,
    /// Not after so many.
    pub repeats_max: u32,
    /// As soon as the median's relative error is at most this.
    pub error_max: f64,
    /// As soon as this time is over, but not before one repeat.
    pub time: Nanos,
}

/// Runs `run` until the rule says stop; every run is one time.
///
/// # Errors
/// The first one of `run`.
pub fn repeat<E>(
    clock: &dyn Clock,
    rule: &Rule,
    run: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Sample, E> {
    let begin = clock.now();
    let mut times = Vec::new();
    loop {
        let start = clock.now();
        run()?;
        let end = clock.now();
        times.push(end.saturating_sub(start));
        let sample = Sample::of(&times).expect("there is a time");
        let stable =
            sample.repeats >= rule.repeats_min && sample.relative_error() <= rule.error_max;
        let over = end.saturating_sub(begin) >= rule.time;
        if stable || over || sample.repeats >= rule.repeats_max {
            return Ok(sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;

    /// A clock that the measured work moves itself.
    #[derive(Default)]
    struct Hand(Cell<u64>);

    impl Clock for Hand {
        fn now(&self) -> Nanos {
            Nanos(self.0.get())
        }
    }

    const RULE: Rule =
        Rule { repeats_min: 5, repeats_max: 40, error_max: 0.01, time: Nanos(1_000_000_000) };

    /// What `repeat` makes of work that takes these times, over and over.
    fn of(times: &[u64], rule: &Rule) -> Sample {
        let clock = Hand::default();
        let mut times = times.iter().cycle();
        let work = &mut || {
            clock.0.set(clock.0.get() + times.next().unwrap());
            Ok::<(), Infallible>(())
        };
        let Ok(sample) = repeat(&clock, rule, work);
        sample
    }

    #[test]
    fn medians_and_deviations_are_exact() {
        let sample = Sample::of(&[5, 1, 9, 100, 3].map(Nanos)).unwrap();
        assert_eq!((sample.median, sample.mad, sample.repeats), (Nanos(5), Nanos(4), 5));
        assert_eq!(median(&[4, 1, 2, 3].map(Nanos)), Some(Nanos(2)));
        assert_eq!(Sample::of(&[]), None);
        assert_eq!(quick(&[30, 20, 10].map(Nanos)), Some(Nanos(10)));
        assert_eq!(quick(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map(Nanos)), Some(Nanos(1)));
        assert_eq!(quick(&[]), None);
        let huge = Sample::of(&[Nanos::MAX, Nanos::MAX]).unwrap();
        assert_eq!((huge.median, huge.mad), (Nanos::MAX, Nanos(0)));
    }

    #[test]
    fn steady_work_is_repeated_as_often_as_it_must_be() {
        assert_eq!(of(&[1000], &RULE).repeats, 5);
    }

    #[test]
    fn one_slow_run_in_five_moves_nothing() {
        let sample = of(&[1000, 1001, 9000, 999, 1000], &RULE);
        assert_eq!((sample.median, sample.repeats), (Nanos(1000), 5));
    }

    #[test]
    fn unsteady_work_is_repeated_more_and_not_for_ever() {
        let sample = of(&[1000, 1500, 800, 2000, 1200, 700], &RULE);
        assert_eq!(sample.repeats, 40);
        let sample = of(&[1000, 1040, 960, 1020, 980], &RULE);
        assert!((6..40).contains(&sample.repeats), "{sample:?}");
    }

    #[test]
    fn time_ends_it_but_one_run_is_counted() {
        let rule = Rule { time: Nanos(2_500), ..RULE };
        assert_eq!(of(&[1000], &rule).repeats, 3);
        let rule = Rule { time: Nanos(0), ..RULE };
        assert_eq!(of(&[1000], &rule), Sample { median: Nanos(1000), mad: Nanos(0), repeats: 1 });
    }

    #[test]
    fn an_error_ends_it() {
        assert_eq!(repeat(&Hand::default(), &RULE, &mut || Err("broken")), Err("broken"));
    }
}
