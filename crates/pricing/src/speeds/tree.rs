//! Coefficients of classes within classes, from times that are sums of terms.
//!
//! A measured time is about the sum of its terms, each times a coefficient. The logarithm of a
//! coefficient is a sum over the classes that hold a device, from that of all devices to its own;
//! each summand is drawn towards nothing (ridge regression), so that a class with few speeds stays
//! near the one that holds it. Errors count as logarithms, large ones in proportion only (P. J.
//! Huber and E. M. Ronchetti, Robust Statistics, 2nd ed., 2009, section 7.8); the more speeds of a
//! machine, the less each of them. Solved by Gauss-Newton steps with coordinate descent.

use std::collections::BTreeMap;

use edgeplan_machines::device::holder;

/// Terms of a time.
pub(super) const TERMS: usize = 2;

/// Errors, as logarithms, from which on they count in proportion only.
const LARGE: f64 = 0.1;
/// Gauss-Newton steps at most, and the change of a logarithm that ends them.
const STEPS: usize = 60;
const SETTLED: f64 = 1e-6;
/// The largest change of a logarithm in one step.
const STRIDE: f64 = 0.5;
/// Sweeps of coordinate descent at most.
const SWEEPS: usize = 5000;
/// How much the coefficients of all devices are drawn towards the expected ones.
const ROOT: f64 = 0.1;

/// A time, and what it is made of where every coefficient is one.
pub(super) struct Observation<'a> {
    pub(super) class: &'a str,
    pub(super) machine: &'a str,
    /// Seconds with a coefficient.
    pub(super) terms: [f64; TERMS],
    /// Seconds without one.
    pub(super) known: f64,
    /// Seconds that were measured.
    pub(super) seconds: f64,
}

/// What is expected of the coefficients.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    /// Their logarithms for all devices.
    pub(super) logarithms: [f64; TERMS],
    /// How much each summand of a class is drawn towards nothing.
    pub(super) stiffness: [f64; TERMS],
}

/// Summands of logarithms of coefficients, by class.
pub(super) struct Tree {
    summands: BTreeMap<String, [f64; TERMS]>,
}

/// The class itself and those that hold it.
fn held(class: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(class), |name| holder(name))
}

impl Tree {
    /// The coefficients of a class.
    pub(super) fn of(&self, class: &str) -> [f64; TERMS] {
        let mut sum = [0.0; TERMS];
        for summand in held(class).filter_map(|name| self.summands.get(name)) {
            for (sum, summand) in sum.iter_mut().zip(summand) {
                *sum += summand;
            }
        }
        sum.map(f64::exp)
    }

    pub(super) fn fit(observations: &[Observation<'_>], expected: Expected) -> Self {
        let mut summands = BTreeMap::from([(String::new(), expected.logarithms)]);
        let mut machines: BTreeMap<&str, f64> = BTreeMap::new();
        for one in observations {
            *machines.entry(one.machine).or_default() += 1.0;
            for name in held(one.class).filter(|name| !name.is_empty()) {
                summands.entry(name.to_owned()).or_default();
            }
        }
        let mut tree = Self { summands };
        for _ in 0..STEPS {
            if tree.step(observations, &machines, expected) < SETTLED {
                break;
            }
        }
        tree
    }

    /// One Gauss-Newton step; the largest change of a summand.
    fn step(
        &mut self,
        observations: &[Observation<'_>],
        machines: &BTreeMap<&str, f64>,
        expected: Expected,
    ) -> f64 {
        let index: BTreeMap<&str, usize> =
            self.summands.keys().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        let mut equations = Equations::new(TERMS * index.len());
        for one in observations {
            let coefficients = self.of(one.class);
            let times: Vec<f64> = one.terms.iter().zip(coefficients).map(|(t, c)| t * c).collect();
            let predicted = one.known + times.iter().sum::<f64>();
            let error = (one.seconds / predicted).ln();
            let weight = machines[one.machine].powf(-0.5) / (error.abs() / LARGE).max(1.0);
            let row: Vec<(usize, f64)> = held(one.class)
                .flat_map(|name| {
                    let of = |(term, time): (usize, &f64)| {
                        (TERMS * index[name] + term, time / predicted)
                    };
                    times.iter().enumerate().map(of).collect::<Vec<_>>()
                })
                .collect();
            equations.add(&row, error, weight);
        }
        for (name, summand) in &self.summands {
            for (term, value) in summand.iter().enumerate() {
                let (drawn, towards) = match name.is_empty() {
                    true => (ROOT, expected.logarithms[term]),
                    false => (expected.stiffness[term], 0.0),
                };
                equations.add(
                    &[(TERMS * index[name.as_str()] + term, 1.0)],
                    towards - value,
                    drawn,
                );
            }
        }
        let changes = equations.solved();
        let mut largest: f64 = 0.0;
        for (at, summand) in self.summands.values_mut().enumerate() {
            for (term, value) in summand.iter_mut().enumerate() {
                let change = changes[TERMS * at + term].clamp(-STRIDE, STRIDE);
                *value += change;
                largest = largest.max(change.abs());
            }
        }
        largest
    }
}

/// The normal equations of weighted least squares.
struct Equations {
    gram: Vec<Vec<f64>>,
    target: Vec<f64>,
}

impl Equations {
    fn new(unknowns: usize) -> Self {
        Self { gram: vec![vec![0.0; unknowns]; unknowns], target: vec![0.0; unknowns] }
    }

    /// A row of which few entries are not zero.
    fn add(&mut self, row: &[(usize, f64)], value: f64, weight: f64) {
        for &(i, a) in row {
            self.target[i] += weight * a * value;
            for &(j, b) in row {
                self.gram[i][j] += weight * a * b;
            }
        }
    }

    fn solved(&self) -> Vec<f64> {
        let mut found = vec![0.0; self.target.len()];
        for _ in 0..SWEEPS {
            let mut moved: f64 = 0.0;
            for i in 0..found.len() {
                let row = &self.gram[i];
                let sum: f64 = row.iter().zip(&found).map(|(a, b)| a * b).sum();
                let change = (self.target[i] - sum) / row[i];
                found[i] += change;
                moved = moved.max(change.abs());
            }
            if moved < SETTLED * 1e-3 {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(class: &'static str, terms: [f64; TERMS], seconds: f64) -> Observation<'static> {
        Observation { class, machine: class, terms, known: 0.5, seconds }
    }

    #[test]
    fn coefficients_come_back_and_few_speeds_stay_near_their_holder() {
        let of = |[a, b]: [f64; TERMS]| 0.5 + 3.0 * a + 0.2 * b;
        let terms = (1..12).map(|i| [f64::from(i), 40.0 / f64::from(i)]);
        let mut speeds: Vec<_> = terms.map(|t| observed("gpu/a", t, of(t))).collect();
        let expected = Expected { logarithms: [0.0; TERMS], stiffness: [1e-3; TERMS] };
        let [a, b] = Tree::fit(&speeds, expected).of("gpu/a");
        assert!((a / 3.0 - 1.0).abs() < 0.03 && (b / 0.2 - 1.0).abs() < 0.03, "{a} {b}");
        speeds.push(observed("gpu/b", [1.0, 1.0], 20.0));
        let stiff = Tree::fit(&speeds, Expected { stiffness: [50.0; TERMS], ..expected });
        let loose = Tree::fit(&speeds, expected);
        let predicted = |tree: &Tree| 0.5 + tree.of("gpu/b").iter().sum::<f64>();
        assert!(predicted(&stiff) < 6.0 && predicted(&loose) > 10.0);
        assert_eq!(loose.of("gpu/new"), loose.of("gpu"));
    }
}
