//! The master program of a node: shares of the paths that are known, least cost, each row kept to.
//!
//! Its duals are the next prices to ask at (Dantzig and Wolfe, Operations Research 8, 1960); its
//! shares are the mixture that is branched on. Both only steer: a bound is what the tables show at
//! the prices, whatever led there, so that floating point does no harm. A simplex method with the
//! inverse of its basis suffices for tens of rows and hundreds of paths.

/// What may be in the basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    /// The share of a path.
    Path(usize),
    /// What a row leaves unused.
    Slack(usize),
    /// What a row uses too much, at a price.
    Excess(usize),
}

/// The program: rows `sum excess * share <= 0`, and shares that sum up to 1.
#[derive(Debug, Clone)]
pub(super) struct Master {
    rows: usize,
    costs: Vec<f64>,
    /// By path, by row.
    excesses: Vec<Vec<f64>>,
    /// By row: the most that its price may be.
    price_max: Vec<f64>,
    basis: Vec<Variable>,
    /// Row-major, of the basis; the last row is that of the shares' sum.
    inverse: Vec<f64>,
    /// Values of the basis.
    values: Vec<f64>,
}

/// A solution.
#[derive(Debug)]
pub(super) struct Solution {
    pub(super) value: f64,
    /// By row, not negative.
    pub(super) prices: Vec<f64>,
    /// By path.
    pub(super) shares: Vec<f64>,
    /// By row: what is used too much.
    pub(super) excess: Vec<f64>,
}

/// Reduced costs and pivots smaller than these count as none.
const COST_TOLERANCE: f64 = 1e-9;
const PIVOT_TOLERANCE: f64 = 1e-9;
/// Pivots of one solution at most, and after how many the inverse is made anew.
const PIVOTS_MAX: usize = 2_000;
const PIVOTS_PER_INVERSE: usize = 40;

impl Master {
    /// The program with one path.
    pub(super) fn new(cost: f64, excess: Vec<f64>, price_max: Vec<f64>) -> Self {
        let rows = excess.len();
        let over = |(row, &excess): (usize, &f64)| match excess > 0.0 {
            true => Variable::Excess(row),
            false => Variable::Slack(row),
        };
        let mut basis: Vec<Variable> = excess.iter().enumerate().map(over).collect();
        basis.push(Variable::Path(0));
        let mut master = Self {
            rows,
            costs: vec![cost],
            excesses: vec![excess],
            price_max,
            basis,
            inverse: Vec::new(),
            values: Vec::new(),
        };
        master.invert();
        master
    }

    /// Adds a path.
    pub(super) fn add(&mut self, cost: f64, excess: Vec<f64>) {
        self.costs.push(cost);
        self.excesses.push(excess);
    }

    /// Allows higher prices of a row.
    pub(super) fn raise_price_max(&mut self, row: usize, factor: f64) {
        self.price_max[row] *= factor;
    }

    /// Solves the program from its last basis.
    pub(super) fn solve(&mut self) -> Solution {
        for pivot in 0..PIVOTS_MAX {
            if pivot % PIVOTS_PER_INVERSE == PIVOTS_PER_INVERSE - 1 {
                self.invert();
            }
            let duals = self.duals();
            let Some(entering) = self.entering(&duals) else { break };
            let direction = self.direction(entering);
            let Some(leaving) = self.leaving(&direction) else { break };
            self.pivot(leaving, entering, &direction);
        }
        self.solution()
    }

    fn size(&self) -> usize {
        self.rows + 1
    }

    fn cost(&self, variable: Variable) -> f64 {
        match variable {
            Variable::Path(path) => self.costs[path],
            Variable::Slack(_) => 0.0,
            Variable::Excess(row) => self.price_max[row],
        }
    }

    fn column(&self, variable: Variable) -> Vec<f64> {
        let mut column = vec![0.0; self.size()];
        match variable {
            Variable::Path(path) => {
                column[..self.rows].copy_from_slice(&self.excesses[path]);
                column[self.rows] = 1.0;
            }
            Variable::Slack(row) => column[row] = 1.0,
            Variable::Excess(row) => column[row] = -1.0,
        }
        column
    }

    /// The right-hand side: nearly zero, perturbed by row, so that no pivot is degenerate.
    fn right_hand_side(&self, row: usize) -> f64 {
        if row == self.rows { 1.0 } else { 1e-8 * (1.0 + (row as f64 * 0.618).fract()) }
    }

    /// Makes the inverse and the values from the basis.
    fn invert(&mut self) {
        let size = self.size();
        let width = 2 * size;
        let mut table = vec![0.0; size * width];
        for (index, &variable) in self.basis.iter().enumerate() {
            for (row, value) in self.column(variable).into_iter().enumerate() {
                table[row * width + index] = value;
            }
        }
        for row in 0..size {
            table[row * width + size + row] = 1.0;
        }
        for at in 0..size {
            let largest = |&a: &usize, &b: &usize| {
                table[a * width + at].abs().total_cmp(&table[b * width + at].abs())
            };
            let pivot = (at..size).max_by(largest).unwrap_or(at);
            for column in 0..width {
                table.swap(at * width + column, pivot * width + column);
            }
            let divisor = table[at * width + at];
            (0..width).for_each(|column| table[at * width + column] /= divisor);
            for row in (0..size).filter(|&row| row != at) {
                let factor = table[row * width + at];
                if factor != 0.0 {
                    for column in at..width {
                        table[row * width + column] -= factor * table[at * width + column];
                    }
                }
            }
        }
        self.inverse.clear();
        for row in 0..size {
            self.inverse.extend_from_slice(&table[row * width + size..(row + 1) * width]);
        }
        let value = |row: usize| {
            let entries = self.inverse[row * size..(row + 1) * size].iter().enumerate();
            entries.map(|(at, entry)| entry * self.right_hand_side(at)).sum()
        };
        self.values = (0..size).map(value).collect();
    }

    /// Duals of the rows, that of the shares' sum last.
    fn duals(&self) -> Vec<f64> {
        let size = self.size();
        let mut duals = vec![0.0; size];
        for (row, &variable) in self.basis.iter().enumerate() {
            let cost = self.cost(variable);
            if cost != 0.0 {
                let entries = &self.inverse[row * size..(row + 1) * size];
                duals.iter_mut().zip(entries).for_each(|(dual, entry)| *dual += cost * entry);
            }
        }
        duals
    }

    /// The variable of least reduced cost, if that is negative.
    fn entering(&self, duals: &[f64]) -> Option<Variable> {
        let paths = self.excesses.iter().enumerate().map(|(path, excess)| {
            let priced: f64 = excess.iter().zip(duals).map(|(a, y)| a * y).sum();
            (self.costs[path] - priced - duals[self.rows], Variable::Path(path))
        });
        let slacks = (0..self.rows).map(|row| (-duals[row], Variable::Slack(row)));
        let excesses =
            (0..self.rows).map(|row| (self.price_max[row] + duals[row], Variable::Excess(row)));
        let all = paths.chain(slacks).chain(excesses);
        let (reduced, variable) = all.min_by(|a, b| a.0.total_cmp(&b.0))?;
        (reduced < -COST_TOLERANCE).then_some(variable)
    }

    fn direction(&self, variable: Variable) -> Vec<f64> {
        let (size, column) = (self.size(), self.column(variable));
        let entry = |row: usize| {
            let entries = &self.inverse[row * size..(row + 1) * size];
            entries.iter().zip(&column).map(|(a, b)| a * b).sum()
        };
        (0..size).map(entry).collect()
    }

    /// The place in the basis whose variable becomes zero first; of equals the largest pivot.
    fn leaving(&self, direction: &[f64]) -> Option<usize> {
        let candidates = direction.iter().enumerate().filter(|(_, d)| **d > PIVOT_TOLERANCE);
        let ratio = |row: usize| self.values[row].max(0.0) / direction[row];
        candidates.map(|(row, _)| row).min_by(|&a, &b| {
            ratio(a).total_cmp(&ratio(b)).then(direction[b].total_cmp(&direction[a]))
        })
    }

    fn pivot(&mut self, leaving: usize, entering: Variable, direction: &[f64]) {
        let size = self.size();
        let divisor = direction[leaving];
        self.values[leaving] = self.values[leaving].max(0.0) / divisor;
        for column in 0..size {
            self.inverse[leaving * size + column] /= divisor;
        }
        for row in (0..size).filter(|&row| row != leaving && direction[row] != 0.0) {
            self.values[row] -= direction[row] * self.values[leaving];
            for column in 0..size {
                self.inverse[row * size + column] -=
                    direction[row] * self.inverse[leaving * size + column];
            }
        }
        self.basis[leaving] = entering;
    }

    fn solution(&self) -> Solution {
        let duals = self.duals();
        let mut solution = Solution {
            value: 0.0,
            prices: duals[..self.rows].iter().map(|dual| (-dual).max(0.0)).collect(),
            shares: vec![0.0; self.costs.len()],
            excess: vec![0.0; self.rows],
        };
        for (&variable, &value) in self.basis.iter().zip(&self.values) {
            solution.value += self.cost(variable) * value;
            match variable {
                Variable::Path(path) => solution.shares[path] = value.max(0.0),
                Variable::Excess(row) => solution.excess[row] = value.max(0.0),
                Variable::Slack(_) => {}
            }
        }
        solution
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_mix_what_is_too_much_with_what_is_dear() {
        // Half of the cheap path, which uses 1 too much, and half of the dear one, which leaves 1.
        let mut master = Master::new(1.0, vec![1.0], vec![100.0]);
        master.add(5.0, vec![-1.0]);
        let solution = master.solve();
        assert!((solution.value - 3.0).abs() < 1e-6, "{solution:?}");
        assert!((solution.prices[0] - 2.0).abs() < 1e-6, "{solution:?}");
        assert!((solution.shares[0] - 0.5).abs() < 1e-6, "{solution:?}");
        // A path that costs 2 and leaves nothing is better than either.
        master.add(2.0, vec![0.0]);
        let solution = master.solve();
        assert!((solution.value - 2.0).abs() < 1e-6, "{solution:?}");
    }

    #[test]
    fn what_no_path_keeps_to_is_paid_for() {
        let mut master = Master::new(1.0, vec![0.5, -1.0], vec![8.0, 8.0]);
        let solution = master.solve();
        assert!((solution.value - 5.0).abs() < 1e-6, "{solution:?}");
        assert!((solution.excess[0] - 0.5).abs() < 1e-6, "{solution:?}");
        master.raise_price_max(0, 2.0);
        assert!((master.solve().value - 9.0).abs() < 1e-6);
    }
}
