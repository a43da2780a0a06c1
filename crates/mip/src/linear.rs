//! A linear program that grows by columns and is solved again and again, from the basis before: the
//! master of a column generation.
#![expect(unsafe_code, reason = "the highs crate neither reads a basis nor deletes columns")]

use std::time::{Duration, Instant};

use highs::{Col, ColProblem, HighsModelStatus, Model, Row, Sense};

use crate::EngineError;
use crate::highs::pool;

/// A linear program, minimised, in HiGHS. Its rows are fixed; columns are added, and their upper
/// bounds change.
pub struct LinearProgram {
    /// Taken while HiGHS runs; none after HiGHS refused a call.
    model: Option<Model>,
    rows: Vec<Row>,
    columns: Vec<Col>,
    /// HiGHS limits the sum of all its runs.
    spent: Duration,
}

/// An optimum in floats. A proof must not rest on it: bounds are computed again in integers.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearOptimum {
    /// The objective.
    pub objective: f64,
    /// By column.
    pub values: Vec<f64>,
    /// By row: what one unit more of the row's bound adds to the objective.
    pub duals: Vec<f64>,
}

const NAME: &str = "HiGHS";
/// HiGHS's `simplex_strategy` that goes by the basis: primal where columns were added to an
/// optimum. A tenth less time for each master of nine bottlenecks and free placements than the
/// default, which is dual; primal throughout takes a quarter more.
const CHOOSE: i32 = 0;

impl std::fmt::Debug for LinearProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinearProgram")
            .field("rows", &self.rows.len())
            .field("columns", &self.columns.len())
            .finish_non_exhaustive()
    }
}

impl LinearProgram {
    /// A program without columns, whose rows have these least and largest values. It is solved on
    /// one thread; `threads` are those that other programs of this process are to have.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if HiGHS does not take an option.
    pub fn new(rows: &[(f64, f64)], threads: u32) -> Result<Self, EngineError> {
        let mut problem = ColProblem::new();
        let rows = rows.iter().map(|&(lower, upper)| problem.add_row(lower..=upper)).collect();
        let mut model = problem.try_optimise(Sense::Minimise).map_err(refused)?;
        model.make_quiet();
        let option = |name: &str| refused(format!("option {name}"));
        for (name, value) in [("presolve", "off"), ("solver", "simplex"), ("parallel", "off")] {
            model.try_set_option(name, value).map_err(|_| option(name))?;
        }
        model.try_set_option("simplex_strategy", CHOOSE).map_err(|_| option("simplex_strategy"))?;
        model.try_set_option("threads", pool(threads)).map_err(|_| option("threads"))?;
        Ok(Self { model: Some(model), rows, columns: Vec::new(), spent: Duration::ZERO })
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Adds a column from 0 to `upper`; its terms name rows by their position.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if HiGHS does not take it.
    pub fn add(
        &mut self,
        cost: f64,
        upper: f64,
        terms: &[(usize, f64)],
    ) -> Result<usize, EngineError> {
        let terms = terms.iter().map(|&(row, factor)| (self.rows[row], factor));
        let model = self.model.as_mut().ok_or_else(broken)?;
        let column = model.try_add_column(cost, 0.0..=upper, terms).map_err(refused)?;
        self.columns.push(column);
        Ok(self.columns.len() - 1)
    }

    /// Changes a column's upper bound.
    ///
    /// # Errors
    /// [`EngineError::Crashed`] after a call that HiGHS refused.
    pub fn limit(&mut self, column: usize, upper: f64) -> Result<(), EngineError> {
        let model = self.model.as_mut().ok_or_else(broken)?;
        model.change_column_bounds(self.columns[column], 0.0..=upper);
        Ok(())
    }

    /// Takes columns out, but for those of the basis, so that the next run starts from there; by
    /// column whether it is left. Those that are left keep their order.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if HiGHS does not do it.
    pub fn remove(&mut self, unwanted: &[bool]) -> Result<Vec<bool>, EngineError> {
        let model = self.model.as_mut().ok_or_else(broken)?;
        let is_left = remove_nonbasic(model, unwanted, self.rows.len())?;
        // A column is its number.
        self.columns.truncate(is_left.iter().filter(|&&is_left| is_left).count());
        Ok(is_left)
    }

    /// Solves it; none if HiGHS ends without an optimum, within the time or at all.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if HiGHS does not take the program.
    pub fn optimum(
        &mut self,
        time: Option<Duration>,
    ) -> Result<Option<LinearOptimum>, EngineError> {
        let mut model = self.model.take().ok_or_else(broken)?;
        let option = |name: &str| refused(format!("option {name}"));
        let limit = time.map_or(f64::INFINITY, |time| (self.spent + time).as_secs_f64());
        model.try_set_option("time_limit", limit).map_err(|_| option("time_limit"))?;
        let started = Instant::now();
        let solved = model.try_solve().map_err(refused)?;
        self.spent += started.elapsed();
        let optimum = (solved.status() == HighsModelStatus::Optimal).then(|| {
            let solution = solved.get_solution();
            LinearOptimum {
                objective: solved.objective_value(),
                values: solution.columns().to_vec(),
                duals: solution.dual_rows().to_vec(),
            }
        });
        self.model = Some(solved.into());
        Ok(optimum)
    }
}

/// Deletes the unwanted columns that are not of the basis; by column whether it is left.
fn remove_nonbasic(
    model: &mut Model,
    unwanted: &[bool],
    rows: usize,
) -> Result<Vec<bool>, EngineError> {
    let mut columns = vec![0; unwanted.len()];
    let mut of_rows = vec![0; rows];
    // SAFETY: `model` is a live HiGHS instance with as many columns and rows as the lists have
    // entries; HiGHS writes a status to each.
    let status = unsafe {
        highs_sys::Highs_getBasis(model.as_ptr(), columns.as_mut_ptr(), of_rows.as_mut_ptr())
    };
    if status != highs_sys::STATUS_OK {
        return Err(refused("the basis"));
    }
    let is_basic = |status: &i32| *status == highs_sys::kHighsBasisStatusBasic;
    let mut mask: Vec<i32> = columns
        .iter()
        .zip(unwanted)
        .map(|(status, &unwanted)| i32::from(unwanted && !is_basic(status)))
        .collect();
    let is_left = mask.iter().map(|&out| out == 0).collect();
    // SAFETY: the mask has an entry for each column, which HiGHS replaces by a number.
    let status =
        unsafe { highs_sys::Highs_deleteColsByMask(model.as_mut_ptr(), mask.as_mut_ptr()) };
    match status == highs_sys::STATUS_OK {
        true => Ok(is_left),
        false => Err(refused("to delete columns")),
    }
}

fn refused(reason: impl std::fmt::Debug) -> EngineError {
    EngineError::Refused { engine: NAME, reason: format!("{reason:?}") }
}

fn broken() -> EngineError {
    EngineError::Crashed { engine: NAME, reason: "refused an earlier call".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_is_added_or_limited_moves_the_optimum() {
        // min 3x, x >= 2; then y for 1, at most 1.5.
        let mut program = LinearProgram::new(&[(2.0, f64::INFINITY)], 1).expect("rows");
        program.add(3.0, f64::INFINITY, &[(0, 1.0)]).expect("a column");
        let first = program.optimum(None).expect("solved").expect("an optimum");
        assert_eq!((first.objective, &first.duals[..]), (6.0, &[3.0][..]));
        let y = program.add(1.0, f64::INFINITY, &[(0, 1.0)]).expect("a column");
        let second = program.optimum(None).expect("solved").expect("an optimum");
        assert_eq!((second.objective, &second.values[..]), (2.0, &[0.0, 2.0][..]));
        program.limit(y, 1.5).expect("a bound");
        let third = program.optimum(None).expect("solved").expect("an optimum");
        assert_eq!((third.objective, &third.values[..]), (3.0, &[0.5, 1.5][..]));
        assert_eq!(program.columns(), 2);
    }

    #[test]
    fn what_is_not_basic_is_removed_and_the_rest_keeps_its_optimum() {
        let mut program = LinearProgram::new(&[(2.0, f64::INFINITY)], 1).expect("rows");
        for cost in [5.0, 1.0, 4.0, 3.0] {
            program.add(cost, 1.5, &[(0, 1.0)]).expect("a column");
        }
        let before = program.optimum(None).expect("solved").expect("an optimum");
        assert_eq!((before.objective, &before.values[..]), (3.0, &[0.0, 1.5, 0.0, 0.5][..]));
        // The last one is basic.
        let left = program.remove(&[true, false, false, true]).expect("removed");
        assert_eq!((left, program.columns()), (vec![false, true, true, true], 3));
        let after = program.optimum(None).expect("solved").expect("an optimum");
        assert_eq!((after.objective, &after.values[..]), (3.0, &[1.5, 0.0, 0.5][..]));
        program.limit(2, 0.0).expect("a bound");
        let without = program.optimum(None).expect("solved").expect("an optimum");
        assert_eq!(without.values, [1.5, 0.5, 0.0]);
        assert_eq!(program.add(0.5, 1.0, &[(0, 1.0)]), Ok(3));
        let more = program.optimum(None).expect("solved").expect("an optimum");
        assert_eq!(more.values, [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn what_has_no_solution_has_no_optimum() {
        let mut program = LinearProgram::new(&[(2.0, f64::INFINITY)], 1).expect("rows");
        program.add(1.0, 1.0, &[(0, 1.0)]).expect("a column");
        assert_eq!(program.optimum(None), Ok(None));
    }
}
