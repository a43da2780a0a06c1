//! Integers in, floats through the engine, integers out: without claiming too much on the way.

use edgeplan_mip::{Program, Variable};
use edgeplan_problem::Cost;

/// Coefficients stay below this where a common divisor allows it: an engine's feasibility
/// tolerance (1e-7) times a coefficient is then less than one unit, so that rows hold exactly.
const COEFFICIENT_MAX: f64 = 1e6;

/// A coefficient below this part of its row's largest one is left out, and the row made looser by
/// it: within an engine's tolerances it is noise, and HiGHS, which took a bottleneck for integer
/// since only such a coefficient said otherwise, proved 1.95 s where 1 ns is possible. `evaluate()`
/// refuses what the looser row lets through.
const NOISE: f64 = 1e-8;

/// Relative slack on an engine's dual bound, below the gap at which a plan counts as proven.
pub(crate) const SLACK: f64 = 5e-7;

/// An engine's absolute tolerance on a bound, in its own units.
const TOLERANCE: f64 = 1e-6;

/// The integer that an engine's bound on an integer cost proves: rounded up, after leaving room for
/// the engine's tolerances. `unit` is the cost of one unit of the engine's objective: where that is
/// much, so is what the engine takes for nothing (5e-9 units of 46 s were "no plan below 241 ns"
/// beside a plan of no cost).
pub fn safe_bound(bound: f64, unit: f64) -> Cost {
    let cost = bound * unit;
    let safe = cost - TOLERANCE * unit - SLACK * cost.abs();
    if safe.is_nan() || safe <= 0.0 { Cost::ZERO } else { Cost(safe.ceil() as u64) }
}

/// A sum of integers times variables, with a sign of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms(pub(crate) Vec<(Variable, i128)>);

impl Terms {
    pub(crate) fn add(&mut self, variable: Variable, amount: u64) {
        if amount > 0 {
            self.0.push((variable, i128::from(amount)));
        }
    }

    pub(crate) fn subtract(&mut self, variable: Variable, amount: u64) {
        if amount > 0 {
            self.0.push((variable, -i128::from(amount)));
        }
    }

    /// Each variable once.
    fn merged(mut self) -> Vec<(Variable, i128)> {
        self.0.sort_by_key(|&(variable, _)| variable);
        self.0.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        self.0.retain(|&(_, amount)| amount != 0);
        self.0
    }
}

/// `terms <= limit` in integers, divided by the common divisor and brought to a size that engines
/// like. A variable of `free` counts as continuous: the right side is then not rounded.
pub(crate) fn at_most(program: &mut Program, terms: Terms, limit: u64) {
    let mut terms = terms.merged();
    let limit = i128::from(limit) + silence(program, &mut terms);
    let divisor = terms.iter().fold(0, |divisor, &(_, amount)| gcd(divisor, amount.unsigned_abs()));
    if divisor == 0 {
        return;
    }
    let integer = terms.iter().all(|&(variable, _)| program.columns[variable.index()].integer);
    let limit = match integer {
        // The divisor is at most a coefficient, so below 2^127.
        true => limit.div_euclid(divisor as i128) as f64,
        false => limit as f64 / divisor as f64,
    };
    let largest = largest(&terms);
    let scale = (largest as f64 / divisor as f64 / COEFFICIENT_MAX).max(1.0);
    let factor = |amount: i128| amount as f64 / divisor as f64 / scale;
    let terms: Vec<(Variable, f64)> = terms.into_iter().map(|(v, a)| (v, factor(a))).collect();
    program.at_most(terms, limit / scale);
}

fn largest(terms: &[(Variable, i128)]) -> u128 {
    terms.iter().map(|&(_, amount)| amount.unsigned_abs()).max().unwrap_or(1)
}

/// Takes out what is noise beside the largest coefficient; returns by how much the limit grows:
/// what the negative ones could have made room for.
fn silence(program: &Program, terms: &mut Vec<(Variable, i128)>) -> i128 {
    let least = (largest(terms) as f64 * NOISE) as u128;
    let mut room = 0;
    terms.retain(|&(variable, amount)| {
        let column = &program.columns[variable.index()];
        let Some(upper) = column.upper.filter(|_| amount.unsigned_abs() < least) else {
            return true;
        };
        // No variable is negative.
        room += if amount < 0 { -amount * upper.ceil() as i128 } else { 0 };
        false
    });
    room
}

/// Sets `terms` as the objective; returns the cost of one unit of it.
pub(crate) fn minimise(program: &mut Program, terms: Terms) -> f64 {
    let terms = terms.merged();
    let scale = (largest(&terms) as f64 / COEFFICIENT_MAX).max(1.0);
    for (variable, amount) in terms {
        program.add_cost(variable, amount as f64 / scale);
    }
    scale
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_never_claims_more_than_was_proven() {
        assert_eq!(safe_bound(20.999_999_9, 1.0), Cost(21));
        assert_eq!(safe_bound(21.000_000_4, 1.0), Cost(21));
        assert_eq!(safe_bound(20.4, 1.0), Cost(21));
        assert_eq!(safe_bound(-3.0, 1.0), Cost(0));
        assert_eq!(safe_bound(f64::NAN, 1.0), Cost(0));
        assert!(safe_bound(1e10, 1.0) < Cost(10_000_000_000));
        // An engine's zero, in units of 46 s.
        assert_eq!(safe_bound(5e-9, 4.6e10), Cost(0));
    }

    #[test]
    fn rows_are_divided_exactly() {
        let mut program = Program::default();
        let (x, y) = (program.binary(), program.binary());
        let mut terms = Terms::default();
        terms.add(x, 6 << 30);
        terms.add(y, 4 << 30);
        at_most(&mut program, terms, (9 << 30) + 5);
        assert_eq!(program.rows[0].terms, [(0, 3.0), (1, 2.0)]);
        assert_eq!(program.rows[0].upper, Some(4.0));
    }

    #[test]
    fn noise_makes_a_row_looser_and_never_tighter() {
        let mut program = Program::default();
        let (x, y, z) = (program.binary(), program.binary(), program.binary());
        let mut terms = Terms::default();
        terms.add(x, 1_000_000_000_000);
        terms.add(y, 3);
        terms.subtract(z, 5);
        at_most(&mut program, terms, 999_999_999_995);
        // y = 1 and z = 1 would have made room for x = 1: still possible.
        assert_eq!(program.rows[0].terms, [(0, 1.0)]);
        assert_eq!(program.rows[0].upper, Some(1.0));
    }
}
