//! Ways to spoil a file.

use proptest::prelude::*;
use proptest::sample::Index;

/// What people and other programs write when they should not, and the ends of every range.
const EXTREMES: [&str; 24] = [
    "",
    "0",
    "-1",
    "1",
    "65535",
    "65536",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "1e-400",
    "1e400",
    "-1e400",
    "NaN",
    "nan",
    "inf",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "device.\"\"",
    "\"1 B\"",
    "\"1152921504606846976 ns\"",
];

/// One change of a file.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    /// Another number where there is one, be it in a text.
    Digits(Index, u64),
    /// Another word or number.
    Word(Index, &'static str),
    /// The word of another place.
    Move(Index, Index),
    Byte(Index, u8),
    /// Eight bytes, as a number.
    Number(Index, u64),
    Cut(Index, usize),
    Double(Index, usize),
    End(Index),
}

/// Mostly such as files hold, and the ends of every range.
pub(crate) fn numbers() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![
        4 => 0..5u64,
        4 => 5..10_000u64,
        1 => (0..64u32).prop_map(|bit| 1 << bit),
        1 => u64::MAX - 3..=u64::MAX,
        1 => any::<u64>(),
    ]
}

/// A few changes; most of them keep the syntax.
pub(crate) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let number = numbers();
    let word = proptest::sample::select(&EXTREMES[..]);
    let (place, count) = (any::<Index>(), 1..64usize);
    let edit = prop_oneof![
        16 => (place.clone(), number.clone()).prop_map(|(at, number)| Edit::Digits(at, number)),
        3 => (place.clone(), word).prop_map(|(at, word)| Edit::Word(at, word)),
        3 => any::<(Index, Index)>().prop_map(|(from, to)| Edit::Move(from, to)),
        1 => any::<(Index, u8)>().prop_map(|(at, byte)| Edit::Byte(at, byte)),
        1 => (place.clone(), number).prop_map(|(at, number)| Edit::Number(at, number)),
        1 => (place.clone(), count.clone()).prop_map(|(at, count)| Edit::Cut(at, count)),
        1 => (place.clone(), count).prop_map(|(at, count)| Edit::Double(at, count)),
        1 => place.prop_map(Edit::End),
    ];
    proptest::collection::vec(edit, 1..4)
}

/// Where the words, numbers and quoted texts lie.
fn words(bytes: &[u8]) -> Vec<(usize, usize)> {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.+\" ".contains(byte);
    let mut found = Vec::new();
    let mut start = 0;
    for run in bytes.split(|byte| !inside(byte)) {
        if run.iter().any(u8::is_ascii_alphanumeric) {
            let blanks = run.iter().take_while(|byte| **byte == b' ').count();
            found.push((start + blanks, start + run.trim_ascii_end().len()));
        }
        start += run.len() + 1;
    }
    found
}

/// Where a number begins and ends.
fn digits(bytes: &[u8]) -> Vec<(usize, usize)> {
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let starts = (0..bytes.len())
        .filter(|&at| digit(at) && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric()));
    starts.map(|start| (start, (start..).find(|&at| !digit(at)).unwrap_or(start))).collect()
}

pub(crate) fn changed(valid: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for edit in edits {
        let words = words(&bytes);
        if bytes.is_empty() || words.is_empty() {
            break;
        }
        let at = |place: &Index| place.index(bytes.len());
        let end = |start: usize, count: usize| bytes.len().min(start + count);
        match edit {
            Edit::Digits(place, number) => {
                let found = digits(&bytes);
                if !found.is_empty() {
                    let (start, end) = found[place.index(found.len())];
                    bytes.splice(start..end, number.to_string().into_bytes());
                }
            }
            Edit::Word(place, word) => {
                let (start, end) = words[place.index(words.len())];
                bytes.splice(start..end, word.bytes());
            }
            Edit::Move(from, to) => {
                let (from, to) = (words[from.index(words.len())], words[to.index(words.len())]);
                let word = bytes[from.0..from.1].to_vec();
                bytes.splice(to.0..to.1, word);
            }
            Edit::Byte(place, byte) => {
                let place = at(place);
                bytes[place] = *byte;
            }
            Edit::Number(place, number) => {
                let (start, end) = (at(place), end(at(place), 8));
                bytes.splice(start..end, number.to_le_bytes());
            }
            Edit::Cut(place, count) => {
                let (start, end) = (at(place), end(at(place), *count));
                bytes.drain(start..end);
            }
            Edit::Double(place, count) => {
                let (start, end) = (at(place), end(at(place), *count));
                bytes.extend_from_within(start..end);
            }
            Edit::End(place) => bytes.truncate(at(place)),
        }
    }
    bytes
}

pub(crate) fn changed_text(valid: &str, edits: &[Edit]) -> String {
    String::from_utf8_lossy(&changed(valid.as_bytes(), edits)).into_owned()
}

/// A valid text with each of its words replaced by each extreme.
pub(crate) fn extremes(valid: &str) -> impl Iterator<Item = String> {
    let words = words(valid.as_bytes()).into_iter();
    words.flat_map(move |(start, end)| {
        EXTREMES.map(|extreme| format!("{}{extreme}{}", &valid[..start], &valid[end..]))
    })
}
