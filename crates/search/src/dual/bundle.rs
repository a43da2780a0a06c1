//! A proximal bundle method for concave functions of a few nonnegative variables.
//!
//! The cuts seen so far are a model of the function from above; each trial maximises the model
//! minus a quadratic pull to the best point so far (Lemarechal 1975; Kiwiel, Math. Prog. 46, 1990,
//! for the rules of the pull). The small quadratic program over the cuts' weights is solved by
//! moving weight between pairs of them.

/// A function value and a slope at a point, as a line: `value + slope * (x - center)`.
#[derive(Debug, Clone)]
struct Cut {
    /// The line's value at the center.
    value: f64,
    slope: Vec<f64>,
    weight: f64,
    /// Which of the lines that were learnt it is.
    number: usize,
}

/// The state of a maximisation.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    cuts: Vec<Cut>,
    /// The best point.
    pub(crate) center: Vec<f64>,
    /// Its value.
    pub(crate) value: f64,
    /// Variables that may be negative.
    free: Vec<bool>,
    /// How far a unit of slope pulls.
    step: f64,
    /// What the model promised for the last trial, above the center's value.
    promise: f64,
    stale: u32,
    learnt: usize,
}

/// A pull looser than this is none.
const STEP_MAX: f64 = 1e3;
/// Cuts that are kept.
const CUTS_MAX: usize = 60;
/// Moves of weight per trial.
const MOVES: u32 = 300;

impl Bundle {
    /// Starts at a point with its value and slope.
    pub(crate) fn new(center: Vec<f64>, value: f64, slope: Vec<f64>, step: f64) -> Self {
        let free = vec![false; center.len()];
        let cuts = vec![Cut { value, slope, weight: 1.0, number: 0 }];
        Self { cuts, center, value, free, step, promise: f64::INFINITY, stale: 0, learnt: 0 }
    }

    /// What the last trial's model still promised: near zero at the maximum.
    pub(crate) fn promise(&self) -> f64 {
        self.promise
    }

    /// Adds a line that is known: its value at the center.
    pub(crate) fn know(&mut self, value: f64, slope: Vec<f64>) {
        self.learnt += 1;
        self.cuts.push(Cut { value, slope, weight: 0.0, number: self.learnt });
    }

    /// Loosens the pull; whether it was not loose already.
    pub(crate) fn loosen(&mut self) -> bool {
        self.step *= 8.0;
        self.step < STEP_MAX
    }

    /// Lets these variables be negative.
    pub(crate) fn free(mut self, free: Vec<bool>) -> Self {
        self.free = free;
        self
    }

    /// The lines that hold the last trial up, and their weights (of sum 1), heaviest first; the
    /// starting line is number 0.
    pub(crate) fn holding(&self) -> Vec<(usize, f64)> {
        let held = self.cuts.iter().filter(|cut| cut.weight > 0.0);
        let mut held: Vec<_> = held.map(|cut| (cut.number, cut.weight)).collect();
        held.sort_by(|a, b| b.1.total_cmp(&a.1));
        held
    }

    /// The next point to try.
    pub(crate) fn trial(&mut self) -> Vec<f64> {
        for _ in 0..MOVES {
            let point = self.point();
            let heights: Vec<f64> = self.cuts.iter().map(|cut| self.height(cut, &point)).collect();
            let lowest = argmin(&heights, |_| true);
            let highest = argmax(&heights, |index| self.cuts[index].weight > 0.0);
            let difference = heights[highest] - heights[lowest];
            if difference <= 1e-9 * self.value.abs().max(1e-9) {
                break;
            }
            let (low, high) = (&self.cuts[lowest].slope, &self.cuts[highest].slope);
            let norm: f64 = low.iter().zip(high).map(|(a, b)| (a - b) * (a - b)).sum();
            let most = self.cuts[highest].weight;
            let moved = (difference / (self.step * norm).max(1e-300)).min(most);
            self.cuts[lowest].weight += moved;
            self.cuts[highest].weight -= moved;
        }
        let point = self.point();
        let heights = self.cuts.iter().map(|cut| self.height(cut, &point));
        self.promise = heights.fold(f64::INFINITY, f64::min) - self.value;
        point
    }

    /// Takes the value and slope found at the trial point.
    pub(crate) fn learn(&mut self, point: &[f64], value: f64, slope: Vec<f64>) {
        let at_center = value + dot(&slope, &self.center) - dot(&slope, point);
        let gain = value - self.value;
        let serious = gain > 0.1 * self.promise.max(0.0) && gain > 0.0;
        self.learnt += 1;
        self.cuts.push(Cut { value: at_center, slope, weight: 0.0, number: self.learnt });
        if gain > 0.0 {
            // Lines keep their heights; they are only read at another point.
            let moved: Vec<f64> = point.iter().zip(&self.center).map(|(a, b)| a - b).collect();
            for cut in &mut self.cuts {
                cut.value += dot(&cut.slope, &moved);
            }
            self.center = point.to_vec();
            self.value = value;
        }
        if serious {
            self.stale = 0;
            if gain > 0.5 * self.promise {
                self.step *= 1.6;
            }
        } else {
            self.stale += 1;
            if self.stale >= 3 {
                self.stale = 0;
                self.step *= 0.6;
            }
        }
        if self.cuts.len() > CUTS_MAX {
            let weights: Vec<f64> =
                self.cuts[..self.cuts.len() - 1].iter().map(|c| c.weight).collect();
            let lightest = argmin(&weights, |_| true);
            let lost = self.cuts.remove(lightest).weight;
            if let Some(last) = self.cuts.last_mut() {
                last.weight += lost;
            }
        }
    }

    /// Where the weights pull the center, kept nonnegative where that is asked.
    fn point(&self) -> Vec<f64> {
        let mut point = self.center.clone();
        for cut in self.cuts.iter().filter(|cut| cut.weight > 0.0) {
            for (x, slope) in point.iter_mut().zip(&cut.slope) {
                *x += self.step * cut.weight * slope;
            }
        }
        for (x, free) in point.iter_mut().zip(&self.free) {
            *x = if *free { *x } else { x.max(0.0) };
        }
        point
    }

    fn height(&self, cut: &Cut, point: &[f64]) -> f64 {
        cut.value + dot(&cut.slope, point) - dot(&cut.slope, &self.center)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn argmin(values: &[f64], admit: impl Fn(usize) -> bool) -> usize {
    let admitted = (0..values.len()).filter(|&index| admit(index));
    admitted.min_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0)
}

fn argmax(values: &[f64], admit: impl Fn(usize) -> bool) -> usize {
    let admitted = (0..values.len()).filter(|&index| admit(index));
    admitted.max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lower envelope of lines in two variables.
    fn envelope(x: &[f64]) -> (f64, Vec<f64>) {
        let lines = [
            (1.0, vec![1.0, 0.5]),
            (4.0, vec![-1.0, 1.0]),
            (5.0, vec![0.5, -1.0]),
            (3.0, vec![-0.2, 0.1]),
        ];
        let value = |line: &(f64, Vec<f64>)| line.0 + dot(&line.1, x);
        let least = lines.iter().min_by(|a, b| value(a).total_cmp(&value(b)));
        let least = least.expect("there are lines");
        (value(least), least.1.clone())
    }

    #[test]
    fn the_maximum_of_an_envelope_is_found() {
        let start = vec![0.0, 0.0];
        let (value, slope) = envelope(&start);
        let mut bundle = Bundle::new(start, value, slope, 0.1);
        for _ in 0..60 {
            let point = bundle.trial();
            let (value, slope) = envelope(&point);
            bundle.learn(&point, value, slope);
        }
        let mut best = f64::NEG_INFINITY;
        for i in 0..=600 {
            for j in 0..=600 {
                best = best.max(envelope(&[f64::from(i) / 100.0, f64::from(j) / 100.0]).0);
            }
        }
        assert!(bundle.value > best - 1e-2, "{} instead of {best}", bundle.value);
    }
}
