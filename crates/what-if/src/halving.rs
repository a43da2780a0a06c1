//! The border between values with a plan and values without one.

/// Whether a plan exists at a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exists {
    /// It does, and makes use of that much of the value.
    Yes(u64),
    /// It is proven that none does.
    No,
    /// No plan was found, and nothing is proven.
    Unknown,
}

/// Halves the way from a value that has a plan to one that has none, or of which nothing is known,
/// until they are no further apart than `precision` of the first, or 1: the best value with a plan,
/// and the one nearest to it that was proven to have none.
///
/// # Complexity
/// O(log(distance / precision)) questions.
pub fn halved(
    mut good: u64,
    mut bad: u64,
    precision: impl Fn(u64) -> u64,
    mut ask: impl FnMut(u64) -> Exists,
) -> (u64, Option<u64>) {
    let mut excluded: Option<u64> = None;
    while good.abs_diff(bad) > precision(good).max(1) {
        let middle = good.min(bad) + good.abs_diff(bad) / 2;
        match ask(middle) {
            // What the plan uses lies between the two, or it would break what was proven.
            Exists::Yes(used) => good = used.clamp(middle.min(bad), middle.max(bad)),
            Exists::No => {
                bad = middle;
                excluded = Some(middle);
            }
            Exists::Unknown => bad = middle,
        }
    }
    (good, excluded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_found_from_both_sides() {
        for border in 0..64 {
            let above = |value| if value >= border { Exists::Yes(value) } else { Exists::No };
            let (good, excluded) = halved(64, 0, |_| 0, above);
            assert_eq!(good, border.max(1));
            assert_eq!(excluded, (border > 1).then(|| border - 1), "{border}");
            let below = |value| if value <= border { Exists::Yes(value) } else { Exists::No };
            let (good, excluded) = halved(0, 64, |_| 0, below);
            assert_eq!((good, excluded), (border, (border < 63).then_some(border + 1)));
        }
    }

    #[test]
    fn what_is_unknown_excludes_nothing() {
        let ask = |value| match value {
            0..20 => Exists::No,
            20..40 => Exists::Unknown,
            _ => Exists::Yes(value),
        };
        let (good, excluded) = halved(64, 0, |_| 0, ask);
        assert!(good == 40 && excluded.is_none_or(|value| value < 20), "{good}, {excluded:?}");
    }
}
