//! How wide text is, without a font at hand: estimates that no usual sans serif exceeds, so that
//! what is said to fit does fit.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar as _;

/// Bold letters are wider by this factor at most.
const BOLD: f64 = 1.15;
/// Sums of widths may differ by rounding.
const SLACK: f64 = 1e-6;
const ELLIPSIS: char = '…';

/// Width of `text` in the unit of `size`, at least what a browser draws. Emoji that join into one
/// count as several.
pub fn width(text: &str, size: f64, bold: bool) -> f64 {
    let ems: f64 = text.chars().map(ems).sum();
    ems * size * if bold { BOLD } else { 1.0 }
}

/// Widths in ems, after DejaVu Sans, the widest of the fonts that the pictures name.
fn ems(char: char) -> f64 {
    match char {
        ' ' | '.' | ',' | '\'' | 'i' | 'j' | 'l' | 'I' => 0.32,
        'f' | 'r' | 't' | '-' | ':' | ';' | '/' | '\\' | '|' | '!' | '(' | ')' | '[' | ']' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 1.0,
        '+' | '<' | '>' | '=' | '~' | '#' | '^' | '&' => 0.84,
        'A'..='Z' => 0.79,
        ' '..='~' => 0.64,
        '·' => 0.4,
        '×' | '→' => 0.84,
        _ => match char.width() {
            Some(0) => 0.0,
            Some(2) => 1.3,
            _ => 1.0,
        },
    }
}

/// `text`, or as much of its beginning as fits into `room` with an ellipsis; empty where not even
/// one letter does.
pub fn fit(text: &str, size: f64, bold: bool, room: f64) -> Cow<'_, str> {
    if width(text, size, bold) <= room + SLACK {
        return Cow::Borrowed(text);
    }
    let mut left = room - width(&ELLIPSIS.to_string(), size, bold);
    let mut end = 0;
    for (start, char) in text.char_indices() {
        left -= width(char.encode_utf8(&mut [0; 4]), size, bold);
        if left < -SLACK {
            break;
        }
        end = start + char.len_utf8();
    }
    match text[..end].trim_end() {
        "" => Cow::Borrowed(""),
        kept => Cow::Owned(format!("{kept}{ELLIPSIS}")),
    }
}

/// `text` with a replacement character for whatever XML forbids or would reorder the line.
pub fn clean(text: &str) -> String {
    let harmful = |char: char| {
        char.is_control()
            || matches!(char, '\u{fffe}' | '\u{ffff}')
            || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|char| if harmful(char) { '\u{fffd}' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_text_fits_and_says_so() {
        let long = "m".repeat(300);
        for room in [0.0, 5.0, 30.0, 100.5] {
            let short = fit(&long, 12.0, true, room);
            assert!(width(&short, 12.0, true) <= room, "{short} in {room}");
            assert!(short.is_empty() || short.ends_with('…'), "{short}");
        }
        assert_eq!(fit("laptop", 12.0, false, 60.0), "laptop");
        assert_eq!(fit("block 0 .. 12", 10.0, false, 45.0), "block…");
    }

    #[test]
    fn what_xml_forbids_is_replaced() {
        assert_eq!(clean("a\u{0}b\u{202e}c\nd"), "a\u{fffd}b\u{fffd}c\u{fffd}d");
        assert_eq!(clean("<é🦙>"), "<é🦙>");
    }
}
