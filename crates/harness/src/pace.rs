//! How long the rest of a run takes.

use std::collections::BTreeMap;
use std::time::Duration;

use edgeplan_records::row::Record;

/// An estimate of when all is done, from how long each solver took so far.
pub(crate) struct Pace {
    /// Trials to run, by solver.
    to_run: BTreeMap<String, usize>,
    /// Seconds and trials so far, by solver.
    spent: BTreeMap<String, (f64, u32)>,
    /// Trials to run in all.
    pub(crate) left: usize,
}

impl Pace {
    /// Before trials of these solvers, after those of the records.
    pub(crate) fn of<'a>(solvers: impl Iterator<Item = &'a str>, records: &[Record]) -> Self {
        let mut to_run: BTreeMap<String, usize> = BTreeMap::new();
        for solver in solvers {
            *to_run.entry(solver.to_owned()).or_default() += 1;
        }
        let mut pace = Self { left: to_run.values().sum(), to_run, spent: BTreeMap::new() };
        for record in records {
            pace.spend(&record.solver, record.elapsed_s);
        }
        pace
    }

    fn spend(&mut self, solver: &str, seconds: f64) {
        let spent = self.spent.entry(solver.to_owned()).or_default();
        *spent = (spent.0 + seconds, spent.1 + 1);
    }

    /// A trial has ended.
    pub(crate) fn tell(&mut self, solver: &str, wall: Duration) {
        self.spend(solver, wall.as_secs_f64());
        self.skip(solver);
    }

    /// A trial is not run.
    pub(crate) fn skip(&mut self, solver: &str) {
        self.left = self.left.saturating_sub(1);
        if let Some(count) = self.to_run.get_mut(solver) {
            *count = count.saturating_sub(1);
        }
    }

    /// The time that is left; none before any trial has ended.
    pub(crate) fn rest(&self, jobs: usize) -> Option<Duration> {
        let (seconds, trials) =
            self.spent.values().fold((0.0, 0), |sum, spent| (sum.0 + spent.0, sum.1 + spent.1));
        // A solver that was not yet run is taken for an average one.
        let usual = (trials > 0).then(|| seconds / f64::from(trials))?;
        let mean = |solver: &String| {
            self.spent.get(solver).map_or(usual, |(seconds, trials)| seconds / f64::from(*trials))
        };
        let rest: f64 = self.to_run.iter().map(|(name, &count)| mean(name) * count as f64).sum();
        Duration::try_from_secs_f64(rest / jobs as f64).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_guessed_by_solver() {
        let to_run = BTreeMap::from([("slow".to_owned(), 3), ("quick".to_owned(), 4)]);
        let mut pace = Pace { to_run, spent: BTreeMap::new(), left: 7 };
        assert_eq!(pace.rest(1), None);
        pace.tell("slow", Duration::from_secs(10));
        // Two more slow ones, and four that are taken for such.
        assert_eq!(pace.rest(1), Some(Duration::from_secs(60)));
        pace.tell("quick", Duration::from_secs(1));
        assert_eq!((pace.rest(1), pace.left), (Some(Duration::from_secs(23)), 5));
        assert_eq!(pace.rest(2), Some(Duration::from_secs_f64(11.5)));
    }
}
