//! Answers that are known by construction, and what contradicts them.
//!
//! Families of reductions say among an instance's parameters whether there is a plan ([`ANSWER`])
//! within a cost ([`WITHIN`]). A solver that claims something else is wrong, whether or not any
//! other solver has an answer.

use edgeplan_problem::{Contradiction, Cost, Verdict};

use crate::parameter::Parameter;
use crate::row::Record;

/// The parameter that says whether there is a plan within [`WITHIN`]: `yes`, `no` or `open`.
pub const ANSWER: &str = "answer";
/// The parameter that says which cost the answer is about.
pub const WITHIN: &str = "within";

/// Who has the plan that a planted solution is.
const CONSTRUCTION: &str = "the construction";

/// Marks a verdict that contradicts what is known of its instance: that there is no plan, or none
/// within the cost, where one was planted; a plan within the cost where there is none.
pub fn confront(record: &mut Record) {
    let parameter = |name: &str| record.parameters.get(name);
    let (Some(Parameter::Word(answer)), Some(Parameter::Number(within))) =
        (parameter(ANSWER), parameter(WITHIN))
    else {
        return;
    };
    let (cost, by) = (Cost(*within), CONSTRUCTION.to_owned());
    let contradiction = match (answer.as_str(), &record.verdict) {
        ("yes", Verdict::Infeasible) => Contradiction::NotInfeasible { cost, by },
        ("yes", verdict) => match verdict.lower_bound().filter(|bound| *bound > cost) {
            Some(bound) => Contradiction::BoundAboveCost { bound, cost, by },
            None => return,
        },
        ("no", verdict) => match verdict.cost().filter(|plan| *plan <= cost) {
            Some(plan) => Contradiction::Recorded(format!(
                "has a plan for {plan}, but by {by} there is none up to {cost}"
            )),
            None => return,
        },
        _ => return,
    };
    record.verdict = Verdict::Wrong(contradiction);
}

/// Whether the answer decides the question that was asked: it proves, or shows, that there is a
/// plan within the cost, or that there is none. None where nothing was asked.
pub fn decides(record: &Record) -> Option<bool> {
    let Some(Parameter::Number(within)) = record.parameters.get(WITHIN) else { return None };
    let within = Cost(*within);
    let verdict = &record.verdict;
    let shown = verdict.cost().is_some_and(|cost| cost <= within);
    let refuted = verdict.lower_bound().is_some_and(|bound| bound > within);
    Some(shown || refuted || matches!(verdict, Verdict::Infeasible))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::{answer, feasible, optimal};

    fn confronted(word: &str, verdict: Verdict) -> Record {
        let mut record = answer("i", "a", verdict, 1.0);
        record.parameters.insert(ANSWER.into(), word.into());
        record.parameters.insert(WITHIN.into(), Parameter::Number(100));
        confront(&mut record);
        record
    }

    #[test]
    fn false_claims_are_marked_and_true_ones_are_not() {
        let none = Verdict::Unknown { lower_bound: None };
        let right = [
            ("yes", optimal(100), true),
            ("yes", feasible(90, None), true),
            ("yes", feasible(120, Some(100)), false),
            ("yes", none.clone(), false),
            ("no", Verdict::Infeasible, true),
            ("no", optimal(101), true),
            ("no", feasible(120, Some(90)), false),
            ("open", optimal(7), true),
            ("open", Verdict::Infeasible, true),
        ];
        for (word, verdict, decided) in right {
            let record = confronted(word, verdict.clone());
            assert_eq!(record.verdict, verdict, "{word}");
            assert_eq!(decides(&record), Some(decided), "{word} {verdict:?}");
        }
        let wrong = [
            ("yes", Verdict::Infeasible, "no plan, but the construction has one for 100"),
            ("yes", optimal(101), "no plan costs less than 101, but the construction has one"),
            ("yes", Verdict::Unknown { lower_bound: Some(Cost(101)) }, "less than 101"),
            (
                "no",
                feasible(100, None),
                "has a plan for 100, but by the construction there is none",
            ),
        ];
        for (word, verdict, expected) in wrong {
            let record = confronted(word, verdict);
            assert!(record.verdict.is_wrong(), "{record:?}");
            assert!(record.reason().contains(expected), "{}", record.reason());
        }
        let mut record = answer("i", "a", Verdict::Infeasible, 1.0);
        confront(&mut record);
        assert_eq!(
            (record.verdict, decides(&answer("i", "a", none, 1.0))),
            (Verdict::Infeasible, None)
        );
    }
}
