//! Costs of tables as whole ticks in 32 bits.
//!
//! Tables are larger than any cache: their size is what a pass takes time for. Rounding goes down,
//! and what cannot be reached is only a large number, so that every sum is a lower bound.
//!
//! No sum leaves 32 bits: a value of a table is at most [`NONE`] and no less than minus that, a
//! cost at most [`MUCH`] and no less than minus half of it, and at most two values and a cost are
//! added. Ticks are chosen so that this is true whatever the prices are.

use multiversion::multiversion;

/// Ticks where no path leads.
pub(crate) const NONE: i32 = 1 << 29;
/// Ticks that what matters may take in all.
const ALL: f64 = (1u32 << 27) as f64;
/// Ticks above which nothing matters.
pub(crate) const MUCH: i32 = 1 << 28;

/// Rewards of all of a path's visits may come to so many times what matters: [`NONE`].
pub(crate) const REWARDS: f64 = 4.0;

/// Scaled cost of a tick, a power of two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tick(f64);

impl Tick {
    /// The smallest tick for scaled costs up to `most`.
    pub(crate) fn for_costs_up_to(most: f64) -> Self {
        Self((most / ALL).log2().ceil().max(0.0).exp2())
    }

    /// A scaled cost in ticks, rounded down.
    pub(crate) fn floor(self, cost: f64) -> i32 {
        (cost / self.0).floor().clamp(-ALL, f64::from(MUCH)) as i32
    }

    pub(crate) fn scaled(self, ticks: i32) -> f64 {
        f64::from(ticks) * self.0
    }
}

/// A row of a table: least cost by step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) tick: Tick,
    pub(crate) ticks: &'a [i32],
}

impl Row<'_> {
    /// The scaled cost at a step.
    pub(crate) fn at(&self, step: usize) -> f64 {
        self.tick.scaled(self.ticks[step])
    }
}

/// `here[i] = min(here[i], cost + next[i + offset - shift])`; the last step stands for all beyond.
pub(crate) fn lower(here: &mut [i32], offset: usize, next: &[i32], shift: i64, cost: i32) {
    let from = offset as i64 - shift;
    let skip = usize::try_from(-from).unwrap_or(0);
    let source = &next[usize::try_from(from).unwrap_or(0).min(next.len())..];
    let Some(here) = here.get_mut(skip..) else { return };
    let common = here.len().min(source.len());
    lower_all(&mut here[..common], &source[..common], cost);
    let beyond = next[next.len() - 1] + cost;
    for value in &mut here[common..] {
        *value = beyond.min(*value);
    }
}

/// `here[i] = min(here[i], cost + next[i])`: where nearly all time goes.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2", "x86_64+sse4.1"))]
fn lower_all(here: &mut [i32], next: &[i32], cost: i32) {
    for (value, &after) in here.iter_mut().zip(next) {
        // Not checked, for speed: see above why this stays within 32 bits.
        *value = (*value).min(after.wrapping_add(cost));
    }
}

/// The other way: `to[i - shift] = min(to[i - shift], from[i] + cost)`, what is beyond the last
/// step on it. Returns the least `to + rest` on the way.
pub(crate) fn raise(to: &mut [i32], from: &[i32], rest: &[i32], shift: i64, cost: i32) -> i32 {
    let last = to.len() - 1;
    let (skip, beyond) = match usize::try_from(shift) {
        Ok(shift) => (shift.min(from.len()), 0),
        Err(_) => (0, usize::try_from(-shift).unwrap_or(0).min(last)),
    };
    let (within, over) = from[skip..].split_at((from.len() - skip).min(to.len() - beyond));
    let over = over.iter().copied().min().unwrap_or(NONE) + cost;
    to[last] = to[last].min(over);
    let least = raise_all(&mut to[beyond..], within, &rest[beyond..], cost);
    least.min(over + rest[last])
}

/// `to[i] = min(to[i], from[i] + cost)`; the least of `from[i] + cost + rest[i]`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2", "x86_64+sse4.1"))]
fn raise_all(to: &mut [i32], from: &[i32], rest: &[i32], cost: i32) -> i32 {
    let mut least = i32::MAX;
    for ((to, &from), &rest) in to.iter_mut().zip(from).zip(rest) {
        let raised = from.wrapping_add(cost);
        *to = (*to).min(raised);
        least = least.min(raised.wrapping_add(rest));
    }
    least
}

/// The least `a[i] + b[i]`, as far as both go; much where neither does.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2", "x86_64+sse4.1"))]
pub(crate) fn least_sum(a: &[i32], b: &[i32]) -> i32 {
    a.iter().zip(b).fold(i32::MAX, |least, (a, b)| least.min(a.wrapping_add(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_powers_of_two_and_round_down() {
        let tick = Tick::for_costs_up_to(3e12);
        assert_eq!(tick.scaled(1), 32_768.0);
        assert_eq!(tick.floor(80_000.0), 2);
        assert_eq!(tick.floor(-1.0), -1);
        assert_eq!(tick.floor(f64::INFINITY), MUCH);
        assert!(tick.floor(3e12) <= MUCH / 2);
        assert_eq!(Tick::for_costs_up_to(0.0).scaled(7), 7.0);
    }

    #[test]
    fn extremes_stay_within_32_bits() {
        let tick = Tick::for_costs_up_to(1e18);
        for value in [-NONE, NONE] {
            for cost in [tick.floor(f64::NEG_INFINITY), tick.floor(f64::INFINITY)] {
                assert!(value.checked_add(cost).and_then(|sum| sum.checked_add(value)).is_some());
            }
        }
        assert_eq!(Tick::for_costs_up_to(f64::INFINITY).floor(1.0), 0);
    }

    #[test]
    fn a_row_is_lowered_by_the_shifted_next_one() {
        let next = [NONE, 30, 20, 10];
        let mut here = [25, 25, 25, 25];
        lower(&mut here, 0, &next, 1, 2);
        assert_eq!(here, [25, 25, 25, 22]);
        // A gain moves on: beyond the last step nothing gets better.
        lower(&mut here, 0, &next, -2, 2);
        assert_eq!(here, [22, 12, 12, 12]);
    }

    #[test]
    fn a_row_is_raised_from_the_shifted_one_before() {
        let (from, rest) = ([NONE, 10, 20, 30], [7, 5, 3, 1]);
        for shift in -5..=5i64 {
            let (mut to, mut expected, mut least) = ([25; 4], [25; 4], i32::MAX);
            for (at, &cost) in from.iter().enumerate() {
                let Ok(step) = usize::try_from(at as i64 - shift) else { continue };
                let step = step.min(3);
                expected[step] = expected[step].min(cost + 2);
                least = least.min(cost + 2 + rest[step]);
            }
            let found = raise(&mut to, &from, &rest, shift, 2);
            assert_eq!(to, expected, "{shift}");
            assert!(found == least || found.min(least) >= NONE, "{shift}: {found}, {least}");
        }
    }
}
