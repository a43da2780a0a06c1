//! Numbers in groups of one sum, and numbers that look like such but have no group of that sum.

use edgeplan_files::{InputError, within};
use rand::seq::SliceRandom as _;
use rand::{Rng, RngExt as _};
use rand_pcg::Pcg64Mcg;

use super::planted::Wanted;

/// Groups of numbers of one sum, each between three quarters and three halves of their mean.
pub(super) struct Groups {
    pub(super) count: usize,
    pub(super) each: usize,
    /// The sum of each group.
    pub(super) full: u64,
}

impl Groups {
    /// Whether the range of sizes has some of every residue.
    pub(super) fn check(&self, wanted: Wanted) -> Result<(), InputError> {
        let residues = match wanted {
            Wanted::No => smallest_prime(self.count as u64),
            Wanted::Yes | Wanted::Open => 1,
        };
        let least = 4 * self.each as u64 * (residues + 2);
        within("generate", "capacity", self.full, &(least..=100_000))
    }

    /// Numbers, and the sum of a group, one more than was asked for where residues ask for it.
    pub(super) fn draw(&self, wanted: Wanted, rng: &mut Pcg64Mcg) -> (Vec<u64>, u64) {
        match wanted {
            Wanted::Yes => {
                let group = |_| self.group(self.full, rng);
                let mut sizes: Vec<u64> = (0..self.count).flat_map(group).collect();
                sizes.shuffle(rng);
                (sizes, self.full)
            }
            Wanted::No => self.barred(smallest_prime(self.count as u64), rng),
            Wanted::Open => {
                let (low, high) = self.range(self.full);
                let count = self.count * self.each;
                let mut sizes: Vec<u64> =
                    (0..count).map(|_| rng.random_range(low..=high)).collect();
                let total = self.full * self.count as u64;
                adjust(&mut sizes, total, 1, low, high);
                (sizes, self.full)
            }
        }
    }

    /// The smallest and the largest number: above a quarter and below a half of three's sum.
    pub(super) fn range(&self, full: u64) -> (u64, u64) {
        let each = self.each as u64;
        (full * 3 / (4 * each) + 1, (full * 3 / (2 * each)).saturating_sub(1))
    }

    /// A group: equal parts, then pairs that give and take.
    fn group(&self, full: u64, rng: &mut impl Rng) -> Vec<u64> {
        let each = self.each as u64;
        let (low, high) = self.range(full);
        let mut group: Vec<u64> = vec![full / each; self.each];
        for part in group.iter_mut().take((full % each) as usize) {
            *part += 1;
        }
        for _ in 0..4 * self.each {
            let (giver, taker) = (rng.random_range(0..self.each), rng.random_range(0..self.each));
            if giver != taker {
                let most = group[giver].saturating_sub(low).min(high.saturating_sub(group[taker]));
                let moved = rng.random_range(0..=most);
                group[giver] -= moved;
                group[taker] += moved;
            }
        }
        group
    }

    /// Numbers of one residue modulo `prime`, of which no group has the sum, though all together
    /// have that of all groups. `prime` divides the number of all numbers.
    fn barred(&self, prime: u64, rng: &mut Pcg64Mcg) -> (Vec<u64>, u64) {
        let each = self.each as u64;
        // One more helps where `prime` divides both, or where only even numbers would do.
        let both = each.is_multiple_of(prime) && self.full.is_multiple_of(prime);
        let even = prime == 2 && !each.is_multiple_of(2) && !self.full.is_multiple_of(2);
        let full = self.full + u64::from(both || even);
        // Not 0: a divisor of all numbers would tell.
        let bars: Vec<u64> =
            (1..prime).filter(|residue| each * residue % prime != full % prime).collect();
        let residue = bars[rng.random_range(0..bars.len())];
        let mut sizes: Vec<u64> = (0..self.count).flat_map(|_| self.group(full, rng)).collect();
        for size in &mut sizes {
            *size = *size - *size % prime + residue;
        }
        let (low, high) = self.range(full);
        adjust(&mut sizes, full * self.count as u64, prime, low, high);
        sizes.shuffle(rng);
        (sizes, full)
    }
}

/// Brings numbers to a sum by multiples of `unit`, within their range where that is possible.
fn adjust(sizes: &mut [u64], total: u64, unit: u64, low: u64, high: u64) {
    let mut sum: u64 = sizes.iter().sum();
    debug_assert_eq!(sum % unit, total % unit, "{sum} {total} {unit}");
    for size in sizes.iter_mut() {
        let outside = if *size < low { unit } else { 0 };
        *size += outside;
        sum += outside;
        if *size > high {
            *size -= unit;
            sum -= unit;
        }
    }
    while sum != total {
        let share = sum.abs_diff(total) / sizes.len() as u64;
        let step = (share - share % unit).max(unit);
        for size in sizes.iter_mut() {
            if sum < total && *size + step <= high && sum + step <= total {
                *size += step;
                sum += step;
            } else if sum > total && *size >= low + step && sum >= total + step {
                *size -= step;
                sum -= step;
            }
        }
    }
}

fn smallest_prime(number: u64) -> u64 {
    (2..=number).find(|factor| number.is_multiple_of(*factor)).unwrap_or(2)
}
