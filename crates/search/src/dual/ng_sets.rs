//! Which devices a relaxed path remembers having left: ng-sets (Baldacci, Mingozzi and Roberti,
//! Operations Research 59, 2011), grown where the path cheats (Roberti and Mingozzi, 2014).
//!
//! On device `d` a path remembers those of its earlier devices that are in `d`'s set, provided that
//! every device since then had them in its set too; what it remembers it cannot visit again.

use rustc_hash::FxHashMap;

use crate::ascent::Mixture;
use crate::labels::Devices;
use crate::relaxation::visits;

/// The sets, and what follows from them.
#[derive(Debug, Clone)]
pub(crate) struct Neighbours {
    sets: Vec<Vec<usize>>,
    /// `first[device]`: the device's first row; a row is a device and a remembered subset.
    first: Vec<usize>,
    /// `[from][to][subset]`: the row after a move; one past the last row where it is forbidden.
    next: Vec<Vec<u32>>,
}

impl Neighbours {
    /// Nobody remembers anything.
    pub(crate) fn none(devices: usize) -> Self {
        Self::of(vec![Vec::new(); devices])
    }

    fn of(sets: Vec<Vec<usize>>) -> Self {
        let mut first = vec![0];
        for set in &sets {
            first.push(first[first.len() - 1] + (1 << set.len()));
        }
        let mut next = Vec::with_capacity(sets.len() * sets.len());
        let row =
            |to: usize, subset: Option<usize>| subset.map_or(first[sets.len()], |s| first[to] + s);
        for (from, set) in sets.iter().enumerate() {
            for (to, other) in sets.iter().enumerate() {
                let subsets = transitions((from, set), (to, other)).into_iter();
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

    /// By subset remembered on `from`: the row after a move to `to`; [`Self::rows`], which is none,
    /// where it is forbidden.
    pub(crate) fn after(&self, from: usize, to: usize) -> &[u32] {
        &self.next[from * self.sets.len() + to]
    }

    /// What is remembered on `to` after coming from `from`; none where that is forbidden.
    pub(crate) fn next(&self, from: usize, to: usize, subset: usize) -> Option<usize> {
        let row = self.after(from, to)[subset] as usize;
        (row < self.rows()).then(|| row - self.first[to])
    }

    /// What a plan that used these devices remembers on a device.
    pub(crate) fn remembered(&self, device: usize, used: Devices) -> usize {
        let members = self.sets[device].iter().enumerate();
        members.map(|(bit, &member)| usize::from(used >> member & 1 == 1) << bit).sum()
    }

    /// Grows sets so that the paths' returns to a device become impossible, the shortest and most
    /// frequent first, as long as rows about double at most, up to `rows_max`; none if there is
    /// nothing to grow.
    pub(crate) fn grown(&self, paths: &Mixture, rows_max: usize) -> Option<Self> {
        let mut returns: FxHashMap<(usize, Vec<usize>), f64> = FxHashMap::default();
        for (path, share) in paths {
            let visits = visits(path);
            for (start, &device) in visits.iter().enumerate() {
                let later = &visits[start + 1..];
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

/// For every subset remembered on `from`: what is remembered on `to`.
fn transitions(from: (usize, &[usize]), to: (usize, &[usize])) -> Vec<Option<usize>> {
    let ((from, known), (to, wanted)) = (from, to);
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
