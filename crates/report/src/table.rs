//! Tables, which a terminal and a page show alike.

use std::fmt::{Display, Formatter};
use std::sync::atomic::{AtomicUsize, Ordering};

use comfy_table::{CellAlignment, presets};
use serde::Serialize;

use crate::draw::Tag;
use crate::narrow;
use crate::page::section;

/// Rows of text under named columns. A column whose name ends in `>` holds numbers and stands to
/// the right.
///
/// ```
/// use edgeplan_report::table::Table;
///
/// let mut table = Table::new(["device", "memory>"]);
/// table.row(["laptop".into(), "8 GiB".to_owned()]);
/// table.row(["desktop".into(), "24 GiB".to_owned()]);
/// assert_eq!(table.to_string().lines().nth(1), Some(" laptop    8 GiB "));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it shows; may be empty.
    pub heading: String,
    /// By column.
    pub columns: Vec<String>,
    /// By row, by column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows and heading.
    pub fn new<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        Self { heading: String::new(), columns, rows: Vec::new() }
    }

    /// The same table under a heading.
    pub fn headed(self, heading: &str) -> Self {
        Self { heading: heading.to_owned(), ..self }
    }

    /// The same table with these rows after its own.
    pub fn with_rows<R, C>(mut self, rows: impl IntoIterator<Item = R>) -> Self
    where
        R: IntoIterator<Item = C>,
        C: Into<String>,
    {
        rows.into_iter().for_each(|cells| self.row(cells));
        self
    }

    /// Adds a row.
    pub fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The name of each column, and whether it holds numbers.
    fn named(&self) -> impl Iterator<Item = (&str, bool)> {
        self.columns.iter().map(|name| match name.strip_suffix('>') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        })
    }

    /// The table as a part of a page, under its heading.
    pub(crate) fn section(&self) -> Tag {
        section(&self.heading, self.tag())
    }

    /// The table as a part of a page.
    pub(crate) fn tag(&self) -> Tag {
        let numbers: Vec<bool> = self.named().map(|(_, number)| number).collect();
        let cell = |name: &str, column: usize, text: &str| {
            let tag = Tag::new(name).text(text);
            if numbers[column] { tag.class("n") } else { tag }
        };
        let head = self.named().enumerate().map(|(column, (name, _))| cell("th", column, name));
        let rows = self.rows.iter().map(|row| {
            let cells = row.iter().enumerate().map(|(column, text)| cell("td", column, text));
            Tag::new("tr").all(cells.collect::<Vec<_>>())
        });
        Tag::new("table")
            .add(Tag::new("thead").add(Tag::new("tr").all(head)))
            .add(Tag::new("tbody").all(rows))
    }
}

/// Columns of the terminal that tables are shown on; 0 where there is none.
static COLUMNS: AtomicUsize = AtomicUsize::new(0);

/// From now on tables are no wider than the terminal on standard output, or than the environment's
/// `COLUMNS` if that is set; files and pipes get whole ones.
pub fn fit_terminal() {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let columns = said.or_else(|| comfy_table::Table::new().width().map(usize::from));
    COLUMNS.store(columns.unwrap_or(0), Ordering::Relaxed);
}

impl Display for Table {
    /// Without heading and lines between rows; in parts where a terminal is too narrow.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let columns = COLUMNS.load(Ordering::Relaxed);
        if columns == 0 || self.columns.is_empty() {
            return write!(f, "{}", self.drawn());
        }
        let parts = narrow::parts(self, columns);
        let drawn: Vec<String> = parts.iter().map(|part| part.drawn().to_string()).collect();
        f.write_str(&drawn.join("\n\n"))
    }
}

impl Table {
    fn drawn(&self) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(self.named().map(|(name, _)| name));
        for (index, (_, number)) in self.named().enumerate() {
            if let Some(column) = table.column_mut(index).filter(|_| number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.add_rows(self.rows.clone());
        table
    }
}

/// Tables under their headings, as a terminal shows them: a blank line before each.
pub fn headed(tables: &[Table]) -> String {
    let one = |table: &Table| match table.heading.as_str() {
        "" => format!("\n\n{table}"),
        heading => format!("\n\n{heading}\n{table}"),
    };
    tables.iter().map(one).collect()
}

/// A cell of what may be missing.
pub fn or_dash(text: Option<impl Display>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

/// Rows as CSV, the names of their fields first.
///
/// # Panics
/// Never for plain data: structs of text and numbers.
pub fn csv<T: Serialize>(rows: &[T]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).expect("plain data serializes");
    }
    let bytes = writer.into_inner().expect("memory takes everything");
    String::from_utf8(bytes).expect("text and numbers are UTF-8")
}
