//! Sizes that are beyond a solver, so that a study of growth spends its hours where curves are.

use std::collections::BTreeMap;

use edgeplan_problem::Verdict;
use edgeplan_records::parameter::Parameter;
use edgeplan_records::row::Record;

use crate::suite::{Case, Suite};

/// Sizes in a row of which nothing was proven before larger ones are left out.
const BEYOND: usize = 2;

/// What solvers proved so far in suites that grow.
#[derive(Debug, Default)]
pub(crate) struct Outlook {
    /// For each line of a suite, by size: whether limits ended all trials of that size.
    lines: BTreeMap<Line, BTreeMap<u64, bool>>,
}

/// A solver on the instances of a suite that differ in size alone, and in numbers that follow from
/// it: words such as the answer are the same.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    suite: String,
    solver: String,
    words: Vec<(String, Parameter)>,
}

impl Line {
    fn of(suite: &Suite, case: &Case, solver: &str) -> Self {
        let words = case.parameters.iter().filter(|(_, value)| value.number().is_none());
        let words = words.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { suite: suite.name.clone(), solver: solver.to_owned(), words }
    }
}

impl Outlook {
    /// What the records of these suites say.
    pub(crate) fn of(suites: &[Suite], records: &[Record]) -> Self {
        let cases =
            suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)));
        let cases: BTreeMap<(&str, &str), (&Suite, &Case)> = cases
            .map(|(suite, case)| ((suite.name.as_str(), case.name.as_str()), (suite, case)))
            .collect();
        let mut outlook = Self::default();
        for record in records {
            if let Some((suite, case)) = cases.get(&(&record.suite, &record.instance)) {
                outlook.add(suite, case, record);
            }
        }
        outlook
    }

    /// A trial has ended.
    pub(crate) fn add(&mut self, suite: &Suite, case: &Case, record: &Record) {
        let Some(size) = suite.size(case) else { return };
        let sizes = self.lines.entry(Line::of(suite, case, &record.solver)).or_default();
        *sizes.entry(size).or_insert(true) &= was_cut(record);
    }

    /// Whether the next smaller sizes that were tried were all beyond the solver.
    pub(crate) fn is_beyond(&self, suite: &Suite, case: &Case, solver: &str) -> bool {
        let Some(size) = suite.size(case) else { return false };
        let Some(sizes) = self.lines.get(&Line::of(suite, case, solver)) else { return false };
        let smaller: Vec<bool> =
            sizes.range(..size).rev().take(BEYOND).map(|(_, cut)| *cut).collect();
        smaller == [true; BEYOND]
    }
}

/// Whether a limit ended it before a proof. A heuristic that ends by itself has no proof either.
fn was_cut(record: &Record) -> bool {
    let ended = record.stopped.is_empty() && record.elapsed_s < record.time_limit_s;
    match record.verdict {
        Verdict::Failed(_) => true,
        _ => !record.is_proven() && !ended,
    }
}
