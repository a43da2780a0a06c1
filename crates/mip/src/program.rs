//! A mixed-integer linear program, minimised, as plain data.

use serde::{Deserialize, Serialize};

/// Handle of a column of one [`Program`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variable(pub u32);

impl Variable {
    /// Position in the vector of values.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A variable: its bounds, cost and kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Least value.
    pub lower: f64,
    /// Largest value; none if unbounded.
    pub upper: Option<f64>,
    /// Cost of one unit.
    pub cost: f64,
    /// Whether it must be an integer.
    pub integer: bool,
}

/// A constraint `lower <= sum(coefficient * column) <= upper`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Least value of the sum; none if unbounded.
    pub lower: Option<f64>,
    /// Largest value of the sum; none if unbounded.
    pub upper: Option<f64>,
    /// The sum, each column at most once.
    pub terms: Vec<(u32, f64)>,
}

/// `min constant + cost * x` subject to rows and bounds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The variables.
    pub columns: Vec<Column>,
    /// The constraints.
    pub rows: Vec<Row>,
    /// Added to the objective; engines never see it.
    pub constant: f64,
}

impl Program {
    /// A variable that is 0 or 1.
    pub fn binary(&mut self) -> Variable {
        self.column(Column { lower: 0.0, upper: Some(1.0), cost: 0.0, integer: true })
    }

    /// A whole number from 0 to `upper`.
    pub fn integer(&mut self, upper: f64) -> Variable {
        self.column(Column { lower: 0.0, upper: Some(upper), cost: 0.0, integer: true })
    }

    /// A continuous variable.
    pub fn continuous(&mut self, lower: f64, upper: Option<f64>) -> Variable {
        self.column(Column { lower, upper, cost: 0.0, integer: false })
    }

    /// Any variable.
    pub fn column(&mut self, column: Column) -> Variable {
        self.columns.push(column);
        Variable((self.columns.len() - 1) as u32)
    }

    /// Adds to the cost of one unit of a variable.
    pub fn add_cost(&mut self, variable: Variable, cost: f64) {
        self.columns[variable.index()].cost += cost;
    }

    /// `sum <= upper`
    pub fn at_most(&mut self, terms: impl IntoIterator<Item = (Variable, f64)>, upper: f64) {
        self.row(None, Some(upper), terms);
    }

    /// `sum >= lower`
    pub fn at_least(&mut self, terms: impl IntoIterator<Item = (Variable, f64)>, lower: f64) {
        self.row(Some(lower), None, terms);
    }

    /// `sum = value`
    pub fn equal(&mut self, terms: impl IntoIterator<Item = (Variable, f64)>, value: f64) {
        self.row(Some(value), Some(value), terms);
    }

    fn row(
        &mut self,
        lower: Option<f64>,
        upper: Option<f64>,
        terms: impl IntoIterator<Item = (Variable, f64)>,
    ) {
        let terms = terms.into_iter().map(|(variable, factor)| (variable.0, factor)).collect();
        self.rows.push(Row { lower, upper, terms });
    }

    /// Number of coefficients.
    pub fn nonzeros(&self) -> usize {
        self.rows.iter().map(|row| row.terms.len()).sum()
    }

    /// The objective of a vector, constant included.
    pub fn objective(&self, values: &[f64]) -> f64 {
        let cost = self.columns.iter().zip(values).map(|(column, value)| column.cost * value);
        self.constant + cost.sum::<f64>()
    }

    /// Whether a vector satisfies every bound, row and integrality within `tolerance`.
    pub fn accepts(&self, values: &[f64], tolerance: f64) -> bool {
        let within = |value: f64, lower: Option<f64>, upper: Option<f64>| {
            lower.is_none_or(|lower| value >= lower - tolerance)
                && upper.is_none_or(|upper| value <= upper + tolerance)
        };
        let columns = self.columns.iter().zip(values).all(|(column, &value)| {
            within(value, Some(column.lower), column.upper)
                && (!column.integer || (value - value.round()).abs() <= tolerance)
        });
        let sum = |row: &Row| {
            row.terms.iter().map(|&(column, factor)| factor * values[column as usize]).sum::<f64>()
        };
        values.len() == self.columns.len()
            && columns
            && self.rows.iter().all(|row| within(sum(row), row.lower, row.upper))
    }
}
