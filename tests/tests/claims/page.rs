//! Numbers of a page, and sentences with places for numbers.

use std::ops::Range;

/// Bytes of a page.
pub(super) type Place = Range<usize>;

/// Fractions and multiples in words.
const WORDS: [&str; 10] = [
    "half",
    "quarter",
    "tenth",
    "twentieth",
    "hundredth",
    "thousandth",
    "hundred",
    "thousand",
    "million",
    "twice",
];

/// A page as words.
pub(super) struct Page<'a> {
    text: &'a str,
    words: Vec<Place>,
}

impl<'a> Page<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let at = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
        let words = text.split_whitespace().map(|word| at(word)..at(word) + word.len());
        Self { text, words: words.collect() }
    }

    /// The numbers at the `{}` of a sentence, which must be there once.
    pub(super) fn find(&self, sentence: &str) -> Result<Vec<Place>, String> {
        self.matched(sentence).map(|(_, numbers)| numbers)
    }

    /// Where that sentence is.
    pub(super) fn whole(&self, sentence: &str) -> Result<Place, String> {
        self.matched(sentence).map(|(place, _)| place)
    }

    fn matched(&self, sentence: &str) -> Result<(Place, Vec<Place>), String> {
        let wanted: Vec<&str> = sentence.split_whitespace().collect();
        let windows = self.words.windows(wanted.len().max(1));
        let mut found = windows.filter_map(|words| {
            let mut numbers = Vec::new();
            for (word, wanted) in words.iter().zip(&wanted) {
                numbers.extend(self.fits(word, wanted)?);
            }
            Some((words[0].start..words[words.len() - 1].end, numbers))
        });
        match (found.next(), found.next()) {
            (Some(found), None) => Ok(found),
            (None, _) => Err("this is not there".into()),
            (Some(_), Some(_)) => Err("this is there twice".into()),
        }
    }

    /// The numbers of a word that is as wanted. Punctuation may follow it.
    fn fits(&self, word: &Place, wanted: &str) -> Option<Vec<Place>> {
        let (mut at, mut numbers) = (word.start, Vec::new());
        let mut parts = wanted.split("{}");
        at += parts.next().filter(|part| self.text[at..word.end].starts_with(part))?.len();
        for part in parts {
            let length = number(&self.text[at..word.end])?;
            numbers.push(at..at + length);
            at += length;
            at += Some(part).filter(|part| self.text[at..word.end].starts_with(*part))?.len();
        }
        let rest = &self.text[at..word.end];
        rest.chars().all(|c| ".,;:)".contains(c)).then_some(numbers)
    }

    /// Every number of the prose and its tables, in digits or words; not what is code, a link's
    /// target, a date, an address, or the number of a paper or of an item.
    pub(super) fn numbers(&self) -> Vec<Place> {
        let prose = prose(self.text);
        let words = Page::new(&prose).words;
        let mut numbers = Vec::new();
        for (index, word) in words.iter().enumerate() {
            let paper = index > 0 && prose[words[index - 1].clone()].ends_with("arXiv");
            for part in parts(&prose, word.clone()) {
                let text = &prose[part.clone()];
                let digit =
                    text.starts_with(|c: char| c.is_ascii_digit()) && !is_item(&prose, word);
                if (digit && !paper && !is_date_or_address(text)) || WORDS.contains(&text) {
                    numbers.push(part);
                }
            }
        }
        numbers
    }
}

/// A word without what surrounds it, in pieces where a dash or slash separates numbers.
fn parts(text: &str, word: Place) -> Vec<Place> {
    let bare = text[word.clone()].trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let at = bare.as_ptr() as usize - text.as_ptr() as usize;
    let whole = at..at + bare.len();
    if is_date_or_address(bare) || !bare.starts_with(|c: char| c.is_ascii_digit()) {
        return vec![whole];
    }
    let pieces = bare.split(['-', '/', '–']).filter(|piece| !piece.is_empty());
    let place = |piece: &str| piece.as_ptr() as usize - text.as_ptr() as usize;
    pieces.map(|piece| place(piece)..place(piece) + piece.len()).collect()
}

/// Whether a word is the number of a list's item.
fn is_item(text: &str, word: &Place) -> bool {
    let starts = text[..word.start].is_empty() || text[..word.start].ends_with('\n');
    let digits = text[word.clone()].strip_suffix('.');
    starts && digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

fn is_date_or_address(word: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let date = word.split('-').map(str::len).eq([4, 2, 2]) && word.split('-').all(digits);
    date || (word.split('.').count() == 4 && word.split('.').all(digits))
}

/// The length of the number that a text begins with: `7`, `0.37`, `19,366`.
fn number(text: &str) -> Option<usize> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut length = digits(text);
    if length == 0 {
        return None;
    }
    while text[length..].starts_with(',') && digits(&text[length + 1..]) == 3 {
        length += 4;
    }
    if text[length..].starts_with('.') && digits(&text[length + 1..]) > 0 {
        length += 1 + digits(&text[length + 1..]);
    }
    Some(length)
}

/// A value as that number is printed: with as many decimals, and thousands apart.
pub(super) fn printed(value: f64, like: &str) -> String {
    let decimals = like.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let text = format!("{value:.decimals$}");
    if !like.contains(',') {
        return text;
    }
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let digits = whole.chars().rev().enumerate().flat_map(|(place, digit)| {
        let comma = (place > 0 && place % 3 == 0).then_some(',');
        comma.into_iter().chain([digit])
    });
    digits.collect::<Vec<_>>().into_iter().rev().collect::<String>() + rest
}

/// Whether a value is that number, as far as it is printed; a half may be rounded either way.
pub(super) fn agrees(value: f64, shown: &str) -> bool {
    let decimals = shown.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let half = 0.5 / 10_f64.powi(decimals as i32);
    let number: f64 = shown.replace(',', "").parse().unwrap_or(f64::NAN);
    (number - value).abs() <= half * (1.0 + 1e-6)
}

/// A page of the same length with spaces for blocks, code, comments, and targets of links.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let blank = |out: &mut String, part: &str| {
        out.extend(part.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
    };
    let pairs = [("```", "\n```"), ("`", "`"), ("<!--", "-->"), ("](", ")")];
    let mut rest = text;
    while !rest.is_empty() {
        // The first one; of two at the same place the one that comes first above.
        let places = pairs.iter().enumerate();
        let next = places.filter_map(|(index, pair)| Some((rest.find(pair.0)?, index))).min();
        let Some((start, (open, close))) = next.map(|(start, index)| (start, pairs[index])) else {
            break;
        };
        let inside = start + open.len();
        let end = rest[inside..].find(close).map_or(rest.len(), |end| inside + end + close.len());
        out.push_str(&rest[..start]);
        blank(&mut out, &rest[start..end]);
        rest = &rest[end..];
    }
    out + rest
}

/// The content of each fenced block.
pub(super) fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("\n```").skip(1).step_by(2);
    parts.filter_map(|part| part.split_once('\n').map(|(_, block)| block))
}

#[test]
fn numbers_of_prose_are_found() {
    let text = "q4_K takes `7 s` or 0.37 s, 19,366 of\n1-2 (arXiv 2405.07140, 2026-11-21)\n```sh\n\
                echo 5\n```\nhalf of [it](a/8.md) at 10.0.0.7, 4x.\n1. item\n";
    let page = Page::new(text);
    let found: Vec<&str> = page.numbers().into_iter().map(|place| &text[place]).collect();
    assert_eq!(found, ["0.37", "19,366", "1", "2", "half", "4x"]);
    let place = &page.find("or {} s, {} of").unwrap();
    assert_eq!([&text[place[0].clone()], &text[place[1].clone()]], ["0.37", "19,366"]);
    assert_eq!(page.find("or {} s, {} or").unwrap_err(), "this is not there");
    assert_eq!(page.find("{}").unwrap_err(), "this is there twice");
    assert_eq!(blocks(text).collect::<Vec<_>>(), ["echo 5"]);
}

#[test]
fn numbers_are_printed_as_they_were() {
    let cases = [(0.3719, "0.25", "0.37"), (19366.0, "1,000", "19,366"), (73.6, "74", "74")];
    for (value, like, expected) in cases {
        assert_eq!(printed(value, like), expected);
        assert!(agrees(value, expected), "{value}");
    }
    assert!(agrees(72.375, "72.38") && agrees(72.375, "72.37") && !agrees(72.375, "72.36"));
    assert!(!agrees(74.0, "73") && !agrees(f64::NAN, "73"));
}
