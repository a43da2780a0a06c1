//! Answers to the two problems that are no deployments, [`schedule`](crate::schedule) and
//! [`batch`](crate::batch), for people and for programs.

use edgeplan_problem::{Limits, Outcome, Problem};
use edgeplan_report::answer::reasons;
use edgeplan_report::table::Table;
use edgeplan_solvers::Entry;
use serde::Serialize;

use crate::compare::{Ranked, ask, ranked};

/// A solver's answer to a question. See [`schedule`](crate::schedule) and [`batch`](crate::batch)
/// for examples.
#[derive(Debug)]
pub struct Solved<'a, P: Problem> {
    /// The question.
    pub instance: &'a P,
    /// Who answered.
    pub solver: &'static str,
    /// Plan, verdict, bound, time and work.
    pub outcome: Outcome<P::Plan>,
}

/// Every solver's answer to a question. See [`schedule::compare`](crate::schedule::compare) and
/// [`batch::compare`](crate::batch::compare) for examples.
#[derive(Debug)]
pub struct Compared<'a, P: Problem> {
    /// The question.
    pub instance: &'a P,
    /// By cost, then time. Wrong answers are shown, never ranked.
    pub outcomes: Vec<(&'static str, Outcome<P::Plan>)>,
}

/// How answers to a problem are shown.
pub(crate) trait Shown: Problem + Sized {
    /// What is known of an answer, under stable keys.
    fn answer(&self, solver: &str, outcome: &Outcome<Self::Plan>) -> impl Serialize;
    /// The same among the answers of others.
    fn among_others(&self, solver: &str, outcome: &Outcome<Self::Plan>) -> impl Serialize {
        self.answer(solver, outcome)
    }
    /// What a plan gives and takes, under stable keys.
    fn bill(&self, plan: &Self::Plan) -> impl Serialize;
    /// An answer on one line.
    fn headline(&self, solver: &str, outcome: &Outcome<Self::Plan>) -> String;
    /// A plan as tables.
    fn tables(&self, plan: &Self::Plan) -> String;
    /// Answers as a table.
    fn ranking(&self, outcomes: &[(&str, Outcome<Self::Plan>)]) -> Table;
    /// What the question is called.
    fn title(&self) -> &str;
}

/// An answer and its plan's bill. Field names are stable keys.
#[derive(Serialize)]
struct SolvedKeys<A, B> {
    #[serde(flatten)]
    answer: A,
    #[serde(flatten)]
    bill: Option<B>,
}

impl<'a, P: Problem> Solved<'a, P> {
    pub(crate) fn new(instance: &'a P, entry: &Entry<P>, limits: Limits<'_>) -> Self {
        Self { instance, solver: entry.name, outcome: ask(instance, entry, limits) }
    }
}

#[expect(private_bounds, reason = "only the two problems of this crate are shown")]
impl<P: Shown> Solved<'_, P> {
    /// The answer for programs, under stable keys.
    ///
    /// See [`schedule`](crate::schedule) and [`batch`](crate::batch) for examples.
    pub fn keys(&self) -> impl Serialize {
        SolvedKeys {
            answer: self.instance.answer(self.solver, &self.outcome),
            bill: self.outcome.plan.as_ref().map(|plan| self.instance.bill(plan)),
        }
    }

    /// The answer for people.
    ///
    /// See [`schedule`](crate::schedule) and [`batch`](crate::batch) for examples.
    pub fn text(&self) -> String {
        let line = self.instance.headline(self.solver, &self.outcome);
        match &self.outcome.plan {
            Some(plan) => format!("{line}\n{}", self.instance.tables(plan)),
            None => line,
        }
    }
}

impl<'a, P: Problem> Compared<'a, P> {
    /// Asks every solver, one after another; `asking` is called with the name of each.
    pub(crate) fn new(
        instance: &'a P,
        entries: &'static [Entry<P>],
        limits: Limits<'_>,
        asking: &mut dyn FnMut(&'static str),
    ) -> Self {
        let outcomes = ranked(entries, limits, |entry| {
            asking(entry.name);
            ask(instance, entry, limits)
        });
        Self { instance, outcomes }
    }
}

#[expect(private_bounds, reason = "only the two problems of this crate are shown")]
impl<P: Shown> Compared<'_, P> {
    /// The answers for programs, under stable keys.
    ///
    /// See [`schedule`](crate::schedule) and [`batch`](crate::batch) for examples.
    pub fn keys(&self) -> impl Serialize {
        let outcomes = self.outcomes.iter();
        let key = outcomes.map(|(name, outcome)| self.instance.among_others(name, outcome));
        Ranked::new(self.instance.title(), key)
    }

    /// The answers for people.
    ///
    /// See [`schedule`](crate::schedule) and [`batch`](crate::batch) for examples.
    pub fn text(&self) -> String {
        let table = self.instance.ranking(&self.outcomes);
        format!("{}\n{table}\n{}", self.instance.title(), reasons(&self.outcomes))
    }
}
