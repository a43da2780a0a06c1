//! Reads MPS, the exchange format of linear programs (free form, no ranges on the objective).

use std::collections::HashMap;

use crate::{Column, Program, Row};

/// Why a text is not a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct MpsError {
    /// One-based.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

#[derive(Default)]
struct Reader {
    program: Program,
    objective: Option<String>,
    rows: HashMap<String, (usize, char)>,
    columns: HashMap<String, usize>,
    integer: bool,
}

/// Parses the sections ROWS, COLUMNS (with integer markers), RHS, RANGES and BOUNDS.
///
/// # Errors
/// The first line that does not make sense.
pub fn from_mps(text: &str) -> Result<Program, MpsError> {
    let mut reader = Reader::default();
    let mut section = String::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('*') || line.trim().is_empty() {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if !line.starts_with(char::is_whitespace) {
            section = words[0].to_ascii_uppercase();
            if section == "ENDATA" {
                break;
            }
            continue;
        }
        reader.line(&section, &words).map_err(|problem| MpsError { line: index + 1, problem })?;
    }
    Ok(reader.program)
}

impl Reader {
    fn line(&mut self, section: &str, words: &[&str]) -> Result<(), String> {
        match section {
            "ROWS" => self.add_row(words),
            "COLUMNS" => self.add_column(words),
            "RHS" => self.pairs(words, |reader, row, value| reader.right_side(row, value)),
            "RANGES" => self.pairs(words, |reader, row, value| reader.range(row, value)),
            "BOUNDS" => self.bound(words),
            "OBJSENSE" if words[0].eq_ignore_ascii_case("MIN") => Ok(()),
            _ => Err(format!("section {section} is not supported")),
        }
    }

    fn add_row(&mut self, words: &[&str]) -> Result<(), String> {
        let [kind, name] = words else { return Err("a row is a kind and a name".into()) };
        let bounds = match *kind {
            "N" if self.objective.is_none() => {
                self.objective = Some((*name).to_owned());
                return Ok(());
            }
            "L" => (None, Some(0.0)),
            "G" => (Some(0.0), None),
            "E" => (Some(0.0), Some(0.0)),
            kind => return Err(format!("row kind {kind}; N (once), L, G, E are allowed")),
        };
        let kind = kind.chars().next().unwrap_or_default();
        self.rows.insert((*name).to_owned(), (self.program.rows.len(), kind));
        self.program.rows.push(Row { lower: bounds.0, upper: bounds.1, terms: Vec::new() });
        Ok(())
    }

    fn add_column(&mut self, words: &[&str]) -> Result<(), String> {
        if words.get(1) == Some(&"'MARKER'") {
            self.integer = words.get(2) == Some(&"'INTORG'");
            return Ok(());
        }
        let name = words[0];
        let next = self.program.columns.len();
        let column = *self.columns.entry(name.to_owned()).or_insert(next);
        if column == next {
            // An integer column without bounds is binary in the original format.
            let upper = self.integer.then_some(1.0);
            let kind = Column { lower: 0.0, upper, cost: 0.0, integer: self.integer };
            self.program.columns.push(kind);
        }
        self.pairs(words, |reader, row, value| {
            if reader.objective.as_deref() == Some(row) {
                reader.program.columns[column].cost += value;
                return Ok(());
            }
            let index = reader.row(row)?.0;
            reader.program.rows[index].terms.push((column as u32, value));
            Ok(())
        })
    }

    /// Calls `apply` with each (row, number) after the first word.
    fn pairs(
        &mut self,
        words: &[&str],
        mut apply: impl FnMut(&mut Self, &str, f64) -> Result<(), String>,
    ) -> Result<(), String> {
        let (pairs, rest) = words[1..].as_chunks::<2>();
        if !rest.is_empty() {
            return Err("names and numbers must come in pairs".into());
        }
        for [row, value] in pairs {
            apply(self, row, number(value)?)?;
        }
        Ok(())
    }

    fn row(&self, name: &str) -> Result<(usize, char), String> {
        self.rows.get(name).copied().ok_or_else(|| format!("no row {name}"))
    }

    fn right_side(&mut self, row: &str, value: f64) -> Result<(), String> {
        if self.objective.as_deref() == Some(row) {
            self.program.constant = -value;
            return Ok(());
        }
        let (index, _) = self.row(row)?;
        let row = &mut self.program.rows[index];
        row.lower = row.lower.map(|_| value);
        row.upper = row.upper.map(|_| value);
        Ok(())
    }

    fn range(&mut self, row: &str, value: f64) -> Result<(), String> {
        let (index, kind) = self.row(row)?;
        let row = &mut self.program.rows[index];
        match kind {
            'L' => row.lower = row.upper.map(|upper| upper - value.abs()),
            'G' => row.upper = row.lower.map(|lower| lower + value.abs()),
            _ if value < 0.0 => row.lower = row.lower.map(|lower| lower + value),
            _ => row.upper = row.upper.map(|upper| upper + value),
        }
        Ok(())
    }

    fn bound(&mut self, words: &[&str]) -> Result<(), String> {
        let [kind, _, name, value @ ..] = words else {
            return Err("a bound is a kind, a set, a column and a number".into());
        };
        let column = *self.columns.get(*name).ok_or_else(|| format!("no column {name}"))?;
        let value = value.first().map(|value| number(value)).transpose()?;
        let needed = || value.ok_or_else(|| "a number is missing".to_owned());
        let column = &mut self.program.columns[column];
        match *kind {
            "UP" | "UI" => column.upper = Some(needed()?),
            "LO" | "LI" => column.lower = needed()?,
            "FX" => (column.lower, column.upper) = (needed()?, Some(needed()?)),
            "FR" => (column.lower, column.upper) = (f64::NEG_INFINITY, None),
            "MI" => column.lower = f64::NEG_INFINITY,
            "PL" => column.upper = None,
            "BV" => *column = Column { lower: 0.0, upper: Some(1.0), integer: true, ..*column },
            kind => return Err(format!("bound kind {kind} is not supported")),
        }
        Ok(())
    }
}

fn number(word: &str) -> Result<f64, String> {
    match word.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("{word} is not a number")),
    }
}
