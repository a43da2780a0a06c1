//! Which devices a relaxed path remembers having left: ng-sets (Baldacci, Mingozzi and Roberti,
//! Operations Research 59, 2011), grown where the path cheats (Roberti and Mingozzi, 2014).
//!
//! On device `d` a path remembers those of its earlier devices that are in `d`'s set, provided that
//! every device since then had them in its set too; what it remembers it cannot visit again.

use rustc_hash::FxHashMap;

use crate::chain::DeviceSet;

/// The sets, and what follows from them.
#[derive(Debug, Clone)]
pub(crate) struct NgSets {
    sets: Vec<Vec<usize>>,
    /// `first[device]`: the device's first row; a row is a device and a remembered subset.
    first: Vec<usize>,
    /// `[from * devices + to][subset]`: the row after a move, or the sink. Tables hold a value for
    /// the sink, too, where no path leads, so that loops over moves need not ask.
    next: Vec<Vec<u32>>,
}

/// The devices that a relaxed path visits, in order, and its share of a mixture of paths.
#[derive(Debug, Clone)]
pub(crate) struct WeightedVisits {
    pub(crate) devices: Vec<usize>,
    pub(crate) share: f64,
}

impl NgSets {
    /// Empty ng-sets: no device is remembered.
    pub(crate) fn empty(devices: usize) -> Self {
        Self::of(vec![Vec::new(); devices])
    }

    /// Every device remembers all others: 2^(n - 1) subsets for each of n.
    pub(crate) fn full(devices: usize) -> Self {
        let others = |device: usize| (0..devices).filter(|&other| other != device).collect();
        Self::of((0..devices).map(others).collect())
    }

    fn of(sets: Vec<Vec<usize>>) -> Self {
        let mut first = vec![0];
        for set in &sets {
            first.push(first[first.len() - 1] + (1 << set.len()));
        }
        let mut next = Vec::with_capacity(sets.len() * sets.len());
        let sink = first[sets.len()];
        let row = |to: usize, subset: Option<usize>| subset.map_or(sink, |s| first[to] + s);
        for from in 0..sets.len() {
            for to in 0..sets.len() {
                let subsets = transitions(&sets, from, to).into_iter();
                next.push(subsets.map(|subset| row(to, subset) as u32).collect());
            }
        }
        Self { next, first, sets }
    }

    /// By device: whom a path remembers there.
    pub(crate) fn sets(&self) -> &[Vec<usize>] {
        &self.sets
    }

    /// Rows of a layer.
    pub(crate) fn rows(&self) -> usize {
        self.first[self.sets.len()]
    }

    /// Subsets that a device can remember.
    pub(crate) fn subsets(&self, device: usize) -> usize {
        1 << self.sets[device].len()
    }

    /// The row of a device and a subset.
    pub(crate) fn row(&self, device: usize, subset: usize) -> usize {
        self.first[device] + subset
    }

    /// The row that stands for forbidden moves: one past those of devices.
    fn sink(&self) -> usize {
        self.rows()
    }

    /// By subset remembered on `from`: the row after a move to `to`; the sink where it is
    /// forbidden.
    pub(crate) fn rows_after(&self, from: usize, to: usize) -> &[u32] {
        &self.next[from * self.sets.len() + to]
    }

    /// What is remembered on `to` after coming from `from`; none where that is forbidden.
    pub(crate) fn next(&self, from: usize, to: usize, subset: usize) -> Option<usize> {
        let row = self.rows_after(from, to)[subset] as usize;
        (row != self.sink()).then(|| row - self.first[to])
    }

    /// What a plan that used these devices remembers on a device.
    pub(crate) fn remembered(&self, device: usize, used: DeviceSet) -> usize {
        let members = self.sets[device].iter().enumerate();
        members.map(|(bit, &member)| usize::from(used >> member & 1 == 1) << bit).sum()
    }

    /// Grows sets so that the paths' returns to a device become impossible, the shortest and most
    /// frequent first, as long as rows about double at most, up to `rows_max`; none if there is
    /// nothing to grow. Shortest first, because a return over few devices needs few sets to grow.
    pub(crate) fn grown(
        &self,
        paths: impl IntoIterator<Item = WeightedVisits>,
        rows_max: usize,
    ) -> Option<Self> {
        // By device that is returned to, and devices between: the share of paths that do so.
        let mut returns: FxHashMap<(usize, Vec<usize>), f64> = FxHashMap::default();
        for WeightedVisits { devices, share } in paths {
            for (start, &device) in devices.iter().enumerate() {
                let later = &devices[start + 1..];
                if let Some(length) = later.iter().position(|&other| other == device) {
                    let mut between = later[..length].to_vec();
                    between.sort_unstable();
                    *returns.entry((device, between)).or_default() += share;
                }
            }
        }
        let mut returns: Vec<_> = returns.into_iter().collect();
        returns.sort_by(|((a, x), s), ((b, y), t)| {
            x.len().cmp(&y.len()).then(t.total_cmp(s)).then(a.cmp(b)).then(x.cmp(y))
        });
        // A pass takes time in proportion to rows: sets grow step by step, and only as long as the
        // path still cheats.
        let rows_max = rows_max.min(2 * self.rows() + self.sets.len());
        let mut sets = self.sets.clone();
        for ((device, between), _) in returns {
            let mut grown = sets.clone();
            for other in between {
                if !grown[other].contains(&device) {
                    grown[other].push(device);
                }
            }
            if grown.iter().map(|set| 1usize << set.len()).sum::<usize>() <= rows_max {
                sets = grown;
            }
        }
        (sets != self.sets).then(|| Self::of(sets))
    }
}

/// For every subset remembered on `from`: what is remembered on `to`; none where that is forbidden.
fn transitions(sets: &[Vec<usize>], from: usize, to: usize) -> Vec<Option<usize>> {
    let (known, wanted) = (&sets[from], &sets[to]);
    let holds = |subset: usize, device: usize| {
        let position = known.iter().position(|&member| member == device);
        position.is_some_and(|bit| subset >> bit & 1 == 1)
    };
    let next = |subset: usize| {
        if from == to || holds(subset, to) {
            return None;
        }
        let bit = |(bit, &member): (usize, &usize)| {
            usize::from(member == from || holds(subset, member)) << bit
        };
        Some(wanted.iter().enumerate().map(bit).sum())
    };
    (0..1 << known.len()).map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighted(devices: &[usize], share: f64) -> WeightedVisits {
        WeightedVisits { devices: devices.to_vec(), share }
    }

    /// What a path remembers on its last device by definition: an earlier device that is in the set
    /// of every device from the one after it on.
    fn memory(sets: &NgSets, path: &[usize]) -> DeviceSet {
        let kept = |at: usize| path[at + 1..].iter().all(|&d| sets.sets()[d].contains(&path[at]));
        (0..path.len() - 1).filter(|&at| kept(at)).fold(0, |set, at| set | 1 << path[at])
    }

    #[test]
    fn transitions_remember_what_the_definition_says() {
        let sets = NgSets::of(vec![vec![1, 2], vec![0], vec![1, 0]]);
        let mut moves = 0;
        // All paths of three devices over three devices, and whether each move is allowed.
        for path in (0..27).map(|n| [n / 9, n / 3 % 3, n % 3]) {
            let mut subset = 0;
            for step in 1..3 {
                let remembered = memory(&sets, &path[..step]);
                let (from, to) = (path[step - 1], path[step]);
                let allowed = from != to && remembered >> to & 1 == 0;
                let next = sets.next(from, to, subset);
                assert_eq!(next.is_some(), allowed, "{path:?}, {step}");
                let Some(next) = next else { break };
                subset = next;
                assert_eq!(subset, sets.remembered(to, memory(&sets, &path[..=step])), "{path:?}");
                moves += 1;
            }
        }
        assert!(moves > 10, "{moves}");
    }

    #[test]
    fn a_return_is_forbidden_by_the_grown_sets_the_shortest_first() {
        let none = NgSets::empty(3);
        // Over device 1, and over devices 1 and 2: rows for the shorter one only.
        let paths = [weighted(&[0, 1, 2, 0], 0.9), weighted(&[2, 1, 2], 0.1)];
        let grown = none.grown(paths.clone(), 4).expect("there is a return");
        let shorter: [Vec<usize>; 3] = [vec![], vec![2], vec![]];
        assert_eq!(grown.sets(), shorter);
        let (from, subset) = (1, grown.next(2, 1, 0).expect("allowed"));
        assert_eq!(grown.next(from, 2, subset), None);
        assert_eq!(grown.next(from, 0, subset), Some(0));
        let grown = none.grown(paths, 100).expect("there is a return");
        let both: [Vec<usize>; 3] = [vec![], vec![2, 0], vec![0]];
        assert_eq!(grown.sets(), both);
        assert!(none.grown([weighted(&[0, 1, 2], 1.0)], 100).is_none());
    }
}
