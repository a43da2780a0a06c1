//! A part of all instances, for one of several machines.

use std::fmt;
use std::str::FromStr;

/// Part `index` of `count`, from 1: every `count`-th instance. All solvers of an instance are in
/// the same part, so that their times are of the same machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// All instances.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Whether the instance at that place, from 0, is in it.
    pub(crate) fn has(self, place: usize) -> bool {
        place % self.count == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    /// Reads `2/8`.
    ///
    /// # Errors
    /// Anything that is not a whole number from 1 over one that is as large or larger.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            Some(Self { index: index.parse().ok()?, count: count.parse().ok()? })
        });
        let inside = |shard: &Self| (1..=shard.count).contains(&shard.index);
        numbers
            .filter(inside)
            .ok_or_else(|| format!("`{text}`; 1/8 to 8/8 are allowed, for example"))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_disjoint_and_make_the_whole() {
        let parts: Vec<Shard> = (1..=3).map(|i| format!("{i}/3").parse().unwrap()).collect();
        for place in 0..10 {
            assert_eq!(parts.iter().filter(|part| part.has(place)).count(), 1);
            assert!(Shard::WHOLE.has(place));
        }
        for wrong in ["0/3", "4/3", "1", "1/0", "a/b", "-1/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
