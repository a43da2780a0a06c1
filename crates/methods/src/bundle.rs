//! A proximal bundle method for concave functions of a few nonnegative variables.
//!
//! The cuts seen so far are a model of the function from above; each trial maximises the model
//! minus a quadratic pull to the best point so far (Lemarechal 1975; Kiwiel, Math. Prog. 46, 1990,
//! for the rules of the pull). The small quadratic program over the cuts' weights is solved by
//! moving weight between pairs of them.
//!
//! ```
//! use edgeplan_methods::bundle::Bundle;
//!
//! // The lower envelope of x and 4 - x, which is highest at 2.
//! let envelope = |x: f64| if x < 2.0 { (x, 1.0) } else { (4.0 - x, -1.0) };
//! let (value, slope) = envelope(0.0);
//! let mut bundle = Bundle::new(vec![0.0], value, vec![slope], 0.1);
//! for _ in 0..30 {
//!     let point = bundle.trial();
//!     let (value, slope) = envelope(point[0]);
//!     bundle.learn(&point, value, vec![slope]);
//! }
//! assert!(bundle.predicted_gain() < 1e-3);
//! ```

/// The proximal bundle method. The rules are Kiwiel's (Math. Prog. 46, 1990); its numbers were set
/// when the method replaced subgradient steps (9236028), which left 11.6 % open on random-42x12x6
/// with memory at 1.05 of its need, where the bundle closes it in 0.2 s. Not measured one by one.
#[derive(Debug)]
struct Tuning {
    /// Cuts that are kept: the quadratic program takes time in proportion.
    cuts_max: usize,
    /// Exchanges of weight between two cuts per trial.
    exchanges_max: u32,
    /// Difference of two cuts' heights, relative to the value, below which weights are settled.
    height_tolerance: f64,
    /// Share of the predicted gain above which a step is a serious one.
    serious_share: f64,
    /// Share of the predicted gain above which the model is trusted further out.
    trusted_share: f64,
    /// What the proximity is multiplied by after a step that deserves trust.
    trust_factor: f64,
    /// Null steps in a row after which the model is trusted less far out.
    null_steps_max: u32,
    /// What the proximity is multiplied by then.
    distrust_factor: f64,
    /// What the proximity is multiplied by where the model predicts nothing within it: what looks
    /// like the maximum may be a pull that is too tight (e084cd3).
    loosening_factor: f64,
    /// A proximity above this does not pull at all; then the predicted gain is the true one.
    proximity_max: f64,
}

const TUNING: Tuning = Tuning {
    cuts_max: 60,
    exchanges_max: 300,
    height_tolerance: 1e-9,
    serious_share: 0.1,
    trusted_share: 0.5,
    trust_factor: 1.6,
    null_steps_max: 3,
    distrust_factor: 0.6,
    loosening_factor: 8.0,
    proximity_max: 1e3,
};

/// A cut: the function lies below `value + slope * (x - center)`.
#[derive(Debug, Clone)]
struct Cut {
    /// The cut's height at the center.
    value: f64,
    slope: Vec<f64>,
    /// Its multiplier in the quadratic program.
    weight: f64,
    /// Which of all cuts that were ever added it is.
    number: usize,
}

/// A cut that holds the model up at the last trial.
#[derive(Debug, Clone, Copy)]
pub struct Support {
    /// Which of all cuts that were ever added it is; the first one is number 0.
    pub cut: usize,
    /// Weights of all supports add up to 1.
    pub weight: f64,
}

/// The state of a maximisation.
#[derive(Debug, Clone)]
pub struct Bundle {
    cuts: Vec<Cut>,
    /// The best point: the stability center.
    center: Vec<f64>,
    /// Its value.
    value: f64,
    /// Variables that may be negative.
    free: Vec<bool>,
    /// How far a unit of slope leads away from the center.
    proximity: f64,
    /// What the model predicts for the last trial, above the center's value.
    predicted_gain: f64,
    /// Trials in a row that were no serious steps.
    null_steps: u32,
    /// Cuts that were ever added, besides the first.
    added: usize,
}

/// Divisors are at least this.
const TINY: f64 = 1e-300;
/// The value that height differences are relative to is at least this.
const VALUE_MIN: f64 = 1e-9;

impl Bundle {
    /// Starts at a point with its value and slope.
    pub fn new(center: Vec<f64>, value: f64, slope: Vec<f64>, proximity: f64) -> Self {
        let free = vec![false; center.len()];
        let cuts = vec![Cut { value, slope, weight: 1.0, number: 0 }];
        let predicted_gain = f64::INFINITY;
        Self { cuts, center, value, free, proximity, predicted_gain, null_steps: 0, added: 0 }
    }

    /// What the model predicts that the last trial gains: near zero at the maximum.
    pub fn predicted_gain(&self) -> f64 {
        self.predicted_gain
    }

    /// Adds a cut that is known: its height at the center.
    pub fn add_known(&mut self, value: f64, slope: Vec<f64>) {
        self.added += 1;
        self.cuts.push(Cut { value, slope, weight: 0.0, number: self.added });
    }

    /// Allows trials further from the center; whether they were held near it until now.
    pub fn loosen(&mut self) -> bool {
        self.proximity *= TUNING.loosening_factor;
        self.proximity < TUNING.proximity_max
    }

    /// Lets these variables be negative.
    pub fn with_free(mut self, free: Vec<bool>) -> Self {
        self.free = free;
        self
    }

    /// The cuts that hold the model up at the last trial, the heaviest first.
    pub fn supports(&self) -> Vec<Support> {
        let held = self.cuts.iter().filter(|cut| cut.weight > 0.0);
        let support = |cut: &Cut| Support { cut: cut.number, weight: cut.weight };
        let mut supports: Vec<Support> = held.map(support).collect();
        supports.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        supports
    }

    /// The next point to try: the maximum of the model minus the pull, nearly. Weight moves from
    /// the highest cut that has some to the lowest, as far as that is worth it.
    pub fn trial(&mut self) -> Vec<f64> {
        for _ in 0..TUNING.exchanges_max {
            let point = self.point();
            let heights: Vec<f64> = self.cuts.iter().map(|cut| self.height(cut, &point)).collect();
            let lowest = argmin(&heights, |_| true);
            let highest = argmax(&heights, |index| self.cuts[index].weight > 0.0);
            let difference = heights[highest] - heights[lowest];
            let settled = TUNING.height_tolerance * self.value.abs().max(VALUE_MIN);
            if difference <= settled {
                break;
            }
            let (low, high) = (&self.cuts[lowest].slope, &self.cuts[highest].slope);
            let norm: f64 = low.iter().zip(high).map(|(a, b)| (a - b) * (a - b)).sum();
            let most = self.cuts[highest].weight;
            let moved = (difference / (self.proximity * norm).max(TINY)).min(most);
            self.cuts[lowest].weight += moved;
            self.cuts[highest].weight -= moved;
        }
        let point = self.point();
        let heights = self.cuts.iter().map(|cut| self.height(cut, &point));
        self.predicted_gain = heights.fold(f64::INFINITY, f64::min) - self.value;
        point
    }

    /// Takes the value and slope found at the trial point.
    pub fn learn(&mut self, point: &[f64], value: f64, slope: Vec<f64>) {
        // All cuts are kept as heights at one point, so that they can be compared there.
        let at_center = value + dot(&slope, &self.center) - dot(&slope, point);
        let gain = value - self.value;
        self.add_known(at_center, slope);
        if gain > 0.0 {
            // Cuts keep their heights; they are only read at another point.
            let moved: Vec<f64> = point.iter().zip(&self.center).map(|(a, b)| a - b).collect();
            for cut in &mut self.cuts {
                cut.value += dot(&cut.slope, &moved);
            }
            self.center = point.to_vec();
            self.value = value;
        }
        self.judge(gain);
        self.drop_lightest();
    }

    /// Trusts the model further from the center or less far, by what a trial gained.
    fn judge(&mut self, gain: f64) {
        let tuning = &TUNING;
        let expected = self.predicted_gain.max(0.0);
        if gain > tuning.serious_share * expected && gain > 0.0 {
            self.null_steps = 0;
            if gain > tuning.trusted_share * self.predicted_gain {
                self.proximity *= tuning.trust_factor;
            }
            return;
        }
        self.null_steps += 1;
        if self.null_steps >= tuning.null_steps_max {
            self.null_steps = 0;
            self.proximity *= tuning.distrust_factor;
        }
    }

    /// Drops the lightest cut where there are too many; the newest one stays, and takes its weight.
    fn drop_lightest(&mut self) {
        if self.cuts.len() <= TUNING.cuts_max {
            return;
        }
        let older = &self.cuts[..self.cuts.len() - 1];
        let weights: Vec<f64> = older.iter().map(|cut| cut.weight).collect();
        let lightest = argmin(&weights, |_| true);
        let lost = self.cuts.remove(lightest).weight;
        if let Some(last) = self.cuts.last_mut() {
            last.weight += lost;
        }
    }

    /// Where the weights pull the center, kept nonnegative where that is asked.
    fn point(&self) -> Vec<f64> {
        let mut point = self.center.clone();
        for cut in self.cuts.iter().filter(|cut| cut.weight > 0.0) {
            for (x, slope) in point.iter_mut().zip(&cut.slope) {
                *x += self.proximity * cut.weight * slope;
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
