//! Colours for people, who may not want them: only terminals show them, and not with `NO_COLOR`.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const FAIR: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// Verdicts as the heads of lines say them, and how they look.
const VERDICTS: [(&str, Style); 6] = [
    (": optimal:", GOOD),
    (": feasible:", FAIR),
    (": infeasible", BAD),
    (": unknown", FAIR),
    (": wrong", BAD),
    ("not sure:", FAIR),
];

/// Beginnings of lines that are longer than this are no heads.
const HEAD: usize = 80;

/// A text with a bold first line and coloured verdicts; printing takes colours out again
/// where they are not wanted.
pub(crate) fn painted(text: &str) -> String {
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    let bold = match lines.clone().next() {
        // A single line needs no emphasis.
        None => first.to_owned(),
        Some(_) if verdict(first).is_some() => line(first),
        Some(_) => styled(BOLD, first.trim_end_matches('\n')) + "\n",
    };
    bold + &lines.map(line).collect::<String>()
}

/// The label of an error.
pub(crate) fn error_label() -> String {
    styled(BAD.bold(), "error:")
}

fn line(text: &str) -> String {
    let Some((at, word, style)) = verdict(text) else { return text.to_owned() };
    let (before, rest) = text.split_at(at);
    // The colon before a verdict belongs to the name.
    let colon = usize::from(word.starts_with(':'));
    let (word, after) = (&rest[colon..word.len()], &rest[word.len()..]);
    format!("{before}{}{}{after}", &rest[..colon], styled(style, word))
}

/// Where a verdict stands at the head of a line.
fn verdict(text: &str) -> Option<(usize, &'static str, Style)> {
    let found = VERDICTS.iter().filter_map(|&(word, style)| Some((text.find(word)?, word, style)));
    found.min_by_key(|(at, ..)| *at).filter(|(at, ..)| *at < HEAD)
}

fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_have_colours_and_first_lines_are_bold() {
        let text = painted("m: 40 tokens/s\nm: optimal: 3 s\nrow\nm: infeasible [highs]\n");
        assert!(text.starts_with("\u{1b}[1mm: 40 tokens/s\u{1b}[0m\n"), "{text:?}");
        assert!(text.contains("m:\u{1b}[32m optimal:\u{1b}[0m 3 s\nrow\n"), "{text:?}");
        assert!(text.contains("m:\u{1b}[31m infeasible\u{1b}[0m [highs]\n"), "{text:?}");
    }

    #[test]
    fn without_colours_the_text_is_the_same() {
        for text in ["one line\n", "", "a: wrong\nb\n", "a\nnot sure: b\n"] {
            let plain = anstream::adapter::strip_str(&painted(text)).to_string();
            assert_eq!(plain, text);
        }
    }
}
