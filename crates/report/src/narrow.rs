//! Tables for a terminal of so many columns: cells are wrapped between words, and a table that is
//! still too wide is shown in parts, each under its first column.

use unicode_width::UnicodeWidthStr as _;

use crate::table::Table;

/// Blanks around a cell.
const MARGIN: usize = 2;

/// The table in parts that are no wider than `columns`, as far as its longest words allow that.
pub(crate) fn parts(table: &Table, columns: usize) -> Vec<Table> {
    let needs: Vec<Need> = (0..table.columns.len()).map(|column| Need::of(table, column)).collect();
    if total(needs.iter().map(|need| need.natural)) <= columns {
        return vec![table.clone()];
    }
    let mut parts = Vec::new();
    let mut next = 1;
    while next < needs.len() || parts.is_empty() {
        let mut taken = vec![0];
        while next < needs.len()
            && (taken.len() == 1
                || total(taken.iter().chain([&next]).map(|&c| needs[c].least)) <= columns)
        {
            taken.push(next);
            next += 1;
        }
        parts.push(part(table, &needs, &taken, columns));
    }
    parts
}

/// What a column takes.
#[derive(Debug, Clone, Copy)]
struct Need {
    /// Without wrapping.
    natural: usize,
    /// With every cell wrapped as narrow as words allow.
    least: usize,
}

impl Need {
    fn of(table: &Table, column: usize) -> Self {
        let name = &table.columns[column];
        let number = name.ends_with('>');
        let head = name.trim_end_matches('>');
        let cells = || table.rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        let natural = cells().chain([head]).map(str::width).max().unwrap_or(0);
        let word = |text: &str| words(text).map(|word| word.trim_end().width()).max().unwrap_or(0);
        // Numbers are read down their column.
        let least = cells().map(|cell| if number { cell.width() } else { word(cell) }).max();
        Self { natural, least: least.unwrap_or(0).max(word(head)) }
    }
}

fn total(widths: impl Iterator<Item = usize>) -> usize {
    widths.map(|width| width + MARGIN).sum()
}

/// Some columns of a table, wrapped so that they fit if their words do.
fn part(table: &Table, needs: &[Need], taken: &[usize], columns: usize) -> Table {
    let mut rooms: Vec<usize> = taken.iter().map(|&column| needs[column].least).collect();
    let mut left = columns.saturating_sub(total(rooms.iter().copied()));
    // The table column that lacks most gets the next column of the terminal.
    while left > 0 {
        let lacks = |(at, room): (usize, &usize)| (needs[taken[at]].natural - room, at);
        match rooms.iter().enumerate().map(lacks).max_by_key(|(lack, _)| *lack) {
            Some((lack, at)) if lack > 0 => rooms[at] += 1,
            _ => break,
        }
        left -= 1;
    }
    let cells = |row: &[String]| -> Vec<String> {
        let of = |(&column, &room): (&usize, &usize)| {
            row.get(column).map(|cell| wrapped(cell, room)).unwrap_or_default()
        };
        taken.iter().zip(&rooms).map(of).collect()
    };
    let names: Vec<String> = (taken.iter().zip(&rooms))
        .map(|(&column, &room)| match table.columns[column].strip_suffix('>') {
            Some(name) => wrapped(name, room) + ">",
            None => wrapped(&table.columns[column], room),
        })
        .collect();
    let rows = table.rows.iter().map(|row| cells(row)).collect();
    Table { heading: table.heading.clone(), columns: names, rows }
}

/// The words of a text, each with the blanks after it; lists without blanks part after commas.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', ',', '/'])
}

/// A text in lines of so many columns, as far as its words are no longer.
fn wrapped(text: &str, room: usize) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in words(text) {
        if !line.is_empty() && line.width() + word.trim_end().width() > room {
            lines.push(line.trim_end().to_owned());
            line.clear();
        }
        line.push_str(word);
    }
    lines.push(line.trim_end().to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widest(tables: &[Table]) -> usize {
        let lines = |table: &Table| table.to_string().lines().map(str::width).max().unwrap_or(0);
        tables.iter().map(lines).max().unwrap_or(0)
    }

    fn plan() -> Table {
        let mut table = Table::new(["device", "layers", "formats", "compute>", "then hop>"]);
        let formats = "24 x q4_K, 8 x q4_K+attn_k:q5_K,attn_v:q5_K, 1 x q6_K";
        table.row(["laptop", "embedding", "1 x q8_0", "2.58 ms", "692.42 ms"]);
        table.row(["desktop", "block 0 .. head", formats, "2.052 s", "0 ns"]);
        table
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        assert_eq!(parts(&plan(), 120), [plan()]);
    }

    #[test]
    fn long_cells_are_wrapped_between_words_and_numbers_are_not() {
        let shown = parts(&plan(), 80);
        assert_eq!(shown.len(), 1);
        assert!(widest(&shown) <= 80, "{}", shown[0]);
        let text = shown[0].to_string();
        assert!(text.contains("692.42 ms") && text.contains("attn_v:q5_K,"), "{text}");
    }

    #[test]
    fn many_numbers_are_shown_in_parts_under_the_first_column() {
        let names: Vec<String> = (0..20).map(|index| format!("column {index}>")).collect();
        let mut table = Table::new([vec!["way".to_owned()], names].concat());
        table.row([vec!["planned".to_owned()], vec!["123456.7".to_owned(); 20]].concat());
        let shown = parts(&table, 80);
        assert!(shown.len() > 1 && widest(&shown) <= 80);
        assert!(shown.iter().all(|part| part.rows[0][0] == "planned"));
        assert_eq!(shown.iter().map(|part| part.columns.len() - 1).sum::<usize>(), 20);
    }

    #[test]
    fn a_terminal_without_any_room_ends_nothing() {
        for columns in [0, 1, 5] {
            assert!(!parts(&plan(), columns).is_empty());
            assert_eq!(parts(&Table::new(["a"]), columns).len(), 1);
        }
    }
}
