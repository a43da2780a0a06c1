//! Costs of tables as whole ticks in 32 bits.
//!
//! Tables are larger than any cache: their size is what a pass takes time for. Rounding goes down,
//! and what cannot be reached is only a large number, so that every sum is a lower bound.
//!
//! No sum leaves 32 bits: a value of a table is at most [`Ticks::UNREACHABLE`] and no less than
//! minus that, a cost at most [`Ticks::COST_MAX`] and no less than minus half of it, and at most
//! two values and a cost are added. Ticks are chosen so that this is true whatever the prices are.

use std::ops::Add;

use multiversion::multiversion;

/// A cost in ticks; a large one stands for "no path", so that loops over tables need not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Ticks(i32);

impl Ticks {
    pub(crate) const ZERO: Self = Self(0);
    /// The least of no costs at all. Nothing may be added to it.
    pub(crate) const INFINITY: Self = Self(i32::MAX);
    /// Where no path leads.
    pub(crate) const UNREACHABLE: Self = Self(1 << 29);
    /// The most that a single cost is; a path that costs as much does not matter.
    pub(crate) const COST_MAX: Self = Self(1 << 28);

    /// Whether a sum can be that of a path.
    pub(crate) fn is_path(self) -> bool {
        self < Self::COST_MAX
    }

    /// The smaller one. Shadows [`Ord::min`], whose comparison of wrapped numbers loops over tables
    /// should not depend on.
    pub(crate) fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// Whether a value is in the range within which sums of two and a cost stay exact.
    #[cfg(test)]
    pub(super) fn is_countable(self) -> bool {
        (-Self::UNREACHABLE.0..=Self::UNREACHABLE.0).contains(&self.0)
    }

    /// The sum, not checked: for the innermost loops, see above why it stays within 32 bits.
    fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

impl Add for Ticks {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

/// Ticks that what matters may take in all.
const RELEVANT_MAX: f64 = (1u32 << 27) as f64;

/// Rewards of all of a path's visits may come to so many times what matters:
/// [`Ticks::UNREACHABLE`].
pub(crate) const REWARDS_MAX: f64 = 4.0;

/// Scaled cost of a tick, a power of two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TickSize(f64);

impl TickSize {
    /// The smallest tick for scaled costs up to `most`.
    pub(crate) fn for_costs_up_to(most: f64) -> Self {
        Self((most / RELEVANT_MAX).log2().ceil().max(0.0).exp2())
    }

    /// A scaled cost in ticks, rounded down.
    pub(crate) fn floor(self, cost: f64) -> Ticks {
        let most = f64::from(Ticks::COST_MAX.0);
        Ticks((cost / self.0).floor().clamp(-RELEVANT_MAX, most) as i32)
    }

    /// The scaled cost of so many ticks.
    pub(crate) fn scaled(self, ticks: Ticks) -> f64 {
        f64::from(ticks.0) * self.0
    }
}

/// A row of a table: least cost by step of the grid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableRow<'a> {
    pub(crate) tick: TickSize,
    pub(crate) ticks: &'a [Ticks],
}

impl TableRow<'_> {
    /// The scaled cost at a step.
    pub(crate) fn at(&self, step: usize) -> f64 {
        self.tick.scaled(self.ticks[step])
    }
}

/// One option of a layer, backward: `here[i] = min(here[i], cost + next[i + offset - shift])`; the
/// last step stands for all beyond.
pub(crate) fn relax_backward(
    here: &mut [Ticks],
    offset: usize,
    next: &[Ticks],
    shift: i64,
    cost: Ticks,
) {
    let from = offset as i64 - shift;
    let skip = usize::try_from(-from).unwrap_or(0);
    let source = &next[usize::try_from(from).unwrap_or(0).min(next.len())..];
    let Some(here) = here.get_mut(skip..) else { return };
    let common = here.len().min(source.len());
    relax_all_backward(&mut here[..common], &source[..common], cost);
    let beyond = next[next.len() - 1] + cost;
    for value in &mut here[common..] {
        *value = beyond.min(*value);
    }
}

/// `here[i] = min(here[i], cost + next[i])`: where nearly all time goes.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2", "x86_64+sse4.1"))]
fn relax_all_backward(here: &mut [Ticks], next: &[Ticks], cost: Ticks) {
    for (value, &after) in here.iter_mut().zip(next) {
        *value = (*value).min(after.plus(cost));
    }
}

/// One option of a layer, forward: `to[i - shift] = min(to[i - shift], from[i] + cost)`, what is
/// beyond the last step on it. Returns the least `to + rest` on the way.
pub(crate) fn relax_forward(
    to: &mut [Ticks],
    from: &[Ticks],
    rest: &[Ticks],
    shift: i64,
    cost: Ticks,
) -> Ticks {
    let last = to.len() - 1;
    let (skip, beyond) = match usize::try_from(shift) {
        Ok(shift) => (shift.min(from.len()), 0),
        Err(_) => (0, usize::try_from(-shift).unwrap_or(0).min(last)),
    };
    let (within, over) = from[skip..].split_at((from.len() - skip).min(to.len() - beyond));
    let over = over.iter().copied().fold(Ticks::UNREACHABLE, Ticks::min) + cost;
    to[last] = to[last].min(over);
    let least = relax_all_forward(&mut to[beyond..], within, &rest[beyond..], cost);
    least.min(over + rest[last])
}

/// `to[i] = min(to[i], from[i] + cost)`; the least of `from[i] + cost + rest[i]`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2", "x86_64+sse4.1"))]
fn relax_all_forward(to: &mut [Ticks], from: &[Ticks], rest: &[Ticks], cost: Ticks) -> Ticks {
    let mut least = Ticks::INFINITY;
    for ((to, &from), &rest) in to.iter_mut().zip(from).zip(rest) {
        let reached = from.plus(cost);
        *to = (*to).min(reached);
        least = least.min(reached.plus(rest));
    }
    least
}

/// The least `a[i] + b[i]`, as far as both go; [`Ticks::INFINITY`] where neither does.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2", "x86_64+sse4.1"))]
pub(crate) fn least_sum(a: &[Ticks], b: &[Ticks]) -> Ticks {
    let mut least = Ticks::INFINITY;
    for (&a, &b) in a.iter().zip(b) {
        least = least.min(a.plus(b));
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: i32 = Ticks::UNREACHABLE.0;

    fn row<const N: usize>(ticks: [i32; N]) -> [Ticks; N] {
        ticks.map(Ticks)
    }

    #[test]
    fn ticks_are_powers_of_two_and_round_down() {
        let tick = TickSize::for_costs_up_to(3e12);
        assert_eq!(tick.scaled(Ticks(1)), 32_768.0);
        assert_eq!(tick.floor(80_000.0), Ticks(2));
        assert_eq!(tick.floor(-1.0), Ticks(-1));
        assert_eq!(tick.floor(f64::INFINITY), Ticks::COST_MAX);
        assert!(tick.floor(3e12).0 <= Ticks::COST_MAX.0 / 2);
        assert_eq!(TickSize::for_costs_up_to(0.0).scaled(Ticks(7)), 7.0);
    }

    #[test]
    fn extremes_stay_within_32_bits() {
        let tick = TickSize::for_costs_up_to(1e18);
        for value in [-NONE, NONE] {
            for cost in [tick.floor(f64::NEG_INFINITY), tick.floor(f64::INFINITY)] {
                assert!(value.checked_add(cost.0).and_then(|sum| sum.checked_add(value)).is_some());
            }
        }
        assert_eq!(TickSize::for_costs_up_to(f64::INFINITY).floor(1.0), Ticks(0));
    }

    #[test]
    fn a_row_is_lowered_by_the_shifted_next_one() {
        let next = row([NONE, 30, 20, 10]);
        let mut here = row([25, 25, 25, 25]);
        relax_backward(&mut here, 0, &next, 1, Ticks(2));
        assert_eq!(here, row([25, 25, 25, 22]));
        // A gain moves on: beyond the last step nothing gets better.
        relax_backward(&mut here, 0, &next, -2, Ticks(2));
        assert_eq!(here, row([22, 12, 12, 12]));
    }

    #[test]
    fn a_row_is_reached_from_the_shifted_one_before() {
        let (from, rest) = ([NONE, 10, 20, 30], [7, 5, 3, 1]);
        for shift in -5..=5i64 {
            let (mut to, mut expected, mut least) = (row([25; 4]), [25; 4], i32::MAX);
            for (at, &cost) in from.iter().enumerate() {
                let Ok(step) = usize::try_from(at as i64 - shift) else { continue };
                let step = step.min(3);
                expected[step] = expected[step].min(cost + 2);
                least = least.min(cost + 2 + rest[step]);
            }
            let found = relax_forward(&mut to, &row(from), &row(rest), shift, Ticks(2)).0;
            assert_eq!(to, row(expected), "{shift}");
            assert!(found == least || found.min(least) >= NONE, "{shift}: {found}, {least}");
        }
    }

    #[test]
    fn the_least_sum_is_over_what_both_have() {
        assert_eq!(least_sum(&row([3, 1, 9]), &row([4, 7])), Ticks(7));
        assert_eq!(least_sum(&row([3]), &row([])), Ticks::INFINITY);
    }
}
