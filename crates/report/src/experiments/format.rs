//! Numbers and tables as Markdown.

use edgeplan_records::statistics::Interval;

use crate::text::clean;

/// A Markdown table; columns whose heading ends in `>` hold numbers and stand to the right.
pub(super) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<String> =
        headings.iter().map(|head| escaped(head.trim_end_matches('>'))).collect();
    let rule = |head: &&str| if head.ends_with('>') { "--:" } else { "---" }.to_owned();
    let mut text = line(&heads);
    text += &line(&headings.iter().map(rule).collect::<Vec<_>>());
    for row in rows {
        text += &line(&row.iter().map(|cell| escaped(cell)).collect::<Vec<_>>());
    }
    text
}

/// Text of a record as Markdown that says nothing else: one line, and no mark-up.
pub(super) fn verbatim(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in clean(text).chars() {
        if "\\`*_[]<>#|~&!".contains(c) {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}

/// Text of a record as code in Markdown: one line, and no end of the code in it.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", clean(text).replace('`', "'"))
}

fn escaped(cell: &str) -> String {
    clean(&cell.replace('|', "\\|").replace(['\n', '\r'], " "))
}

/// Three digits that matter.
pub(super) fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { "-".into() };
    }
    let digits = 2 - value.abs().log10().floor() as i32;
    match digits {
        _ if value.abs() >= 1e6 || value.abs() < 1e-4 => format!("{value:.2e}"),
        digits => format!("{value:.*}", digits.clamp(0, 7) as usize),
    }
}

/// A time with its unit.
pub(super) fn seconds(value: f64) -> String {
    match value {
        v if v >= 1.0 => format!("{} s", significant(v)),
        v if v >= 1e-3 => format!("{} ms", significant(1e3 * v)),
        v if v > 0.0 => format!("{} us", significant(1e6 * v)),
        _ => "0 s".into(),
    }
}

/// A share in percent, never rounded to none.
pub(super) fn percent(share: f64) -> String {
    match 100.0 * share {
        0.0 => "0 %".into(),
        p if p > 0.0 && p < 0.01 => "< 0.01 %".into(),
        p if p.abs() < 10.0 => format!("{p:.2} %"),
        p => format!("{p:.1} %"),
    }
}

/// Bytes with their unit.
pub(super) fn bytes(value: u64) -> String {
    edgeplan_problem::Bytes(value).to_string()
}

/// Both ends.
pub(super) fn interval(interval: Interval) -> String {
    format!("{} .. {}", significant(interval.low), significant(interval.high))
}

/// A dash for what is not there.
pub(super) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_matter() {
        let cases = [(0.0, "0"), (1.234, "1.23"), (12.345, "12.3"), (1234.5, "1234")];
        for (value, expected) in cases {
            assert_eq!(significant(value), expected);
        }
        assert_eq!(significant(0.012345), "0.0123");
        assert_eq!((seconds(0.0423), seconds(36.94)), ("42.3 ms".into(), "36.9 s".into()));
        assert_eq!((percent(0.00001), percent(0.28)), ("< 0.01 %".into(), "28.0 %".into()));
        assert_eq!((percent(0.0), percent(0.0123)), ("0 %".into(), "1.23 %".into()));
        assert_eq!(
            table(&["a", "b>"], [vec!["x|y".into(), "1".into()]]),
            "| a | b |\n| --- | --: |\n| x\\|y | 1 |\n"
        );
    }
}
