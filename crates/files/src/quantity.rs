//! Quantities with units as people write them: `12 GiB`, `24G`, `940 Mbit/s`, `10GbE`, `0.3 ms`,
//! `2 %`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a quantity: the value, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}`: {allowed} is allowed")]
pub struct BadQuantity {
    value: String,
    allowed: &'static str,
}

/// A quantity of one kind in its smallest unit.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $allowed:literal, $units:expr, $also:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl FromStr for $name {
            type Err = BadQuantity;

            fn from_str(text: &str) -> Result<Self, BadQuantity> {
                parse(text, $units, $also)
                    .map(Self)
                    .ok_or_else(|| BadQuantity { value: text.into(), allowed: $allowed })
            }
        }

        impl fmt::Display for $name {
            /// Exactly, in the largest unit that needs no fraction.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&exact(self.0, $units))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text($allowed, PhantomData))
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                text_schema($allowed)
            }
        }
    };
}

/// The schema of a text; `x-allowed` says what may stand in it.
fn text_schema(allowed: &str) -> Schema {
    json_schema!({ "type": "string", "x-allowed": allowed })
}

/// Reads a text that `T` parses, and says what is allowed where it does not.
struct Text<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err = BadQuantity>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

quantity! {
    /// Bytes.
    Memory,
    "a positive size such as `12 GiB`, `24G` (GiB), `8 GB`, `512 MiB` or `1024 B`",
    &[
        ("B", 1),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ],
    // A letter alone is a power of two, as `free`, `ls` and makers of cards have it.
    &[("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)]
}

quantity! {
    /// Bits per second.
    Bandwidth,
    "a positive rate such as `940 Mbit/s`, `1 Gbps`, `10GbE` or `50 MB/s`",
    &[
        ("bit/s", 1),
        ("kbit/s", 1_000),
        ("Mbit/s", 1_000_000),
        ("Gbit/s", 1_000_000_000),
        ("kB/s", 8_000),
        ("MB/s", 8_000_000),
        ("GB/s", 8_000_000_000),
    ],
    &[
        ("bps", 1),
        ("b/s", 1),
        ("kbps", 1_000),
        ("kb/s", 1_000),
        ("Mbps", 1_000_000),
        ("Mb/s", 1_000_000),
        ("Gbps", 1_000_000_000),
        ("Gb/s", 1_000_000_000),
        ("GbE", 1_000_000_000),
        ("Tbit/s", 1_000_000_000_000),
        ("Tbps", 1_000_000_000_000),
        ("Tb/s", 1_000_000_000_000),
        ("kBps", 8_000),
        ("MBps", 8_000_000),
        ("GBps", 8_000_000_000),
    ]
}

quantity! {
    /// Nanoseconds.
    Time,
    "a time such as `0.3 ms`, `150 us` or `2 s`",
    &[("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)],
    // The sign for micro, and the Greek letter that looks like it.
    &[
        ("\u{b5}s", 1_000),
        ("\u{3bc}s", 1_000),
        ("sec", 1_000_000_000),
        ("min", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ]
}

/// A share of one.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Fraction(pub f64);

const SHARE: &str = "a share from 0 to 1 such as `\"2 %\"` or `\"0.02\"`";

impl FromStr for Fraction {
    type Err = BadQuantity;

    fn from_str(text: &str) -> Result<Self, BadQuantity> {
        let (number, scale) = match text.trim().strip_suffix('%') {
            Some(number) => (number, 0.01),
            None => (text, 1.0),
        };
        match number.trim().parse::<f64>().map(|number| number * scale) {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self(share)),
            _ => Err(BadQuantity { value: text.into(), allowed: SHARE }),
        }
    }
}

impl Serialize for Fraction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for Fraction {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Fraction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text_schema(SHARE)
    }
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(SHARE, PhantomData))
    }
}

/// A share of one in billionths, written exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u64);

const PERCENT: &str = "a share from 0 to 100 % such as `62.5 %`";

impl FromStr for Percent {
    type Err = BadQuantity;

    fn from_str(text: &str) -> Result<Self, BadQuantity> {
        parse(text, &[("%", 10_000_000)], &[])
            .filter(|&amount| amount <= 1_000_000_000)
            .map(Self)
            .ok_or_else(|| BadQuantity { value: text.into(), allowed: PERCENT })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:07}", self.0 / 10_000_000, self.0 % 10_000_000);
        f.pad(&format!("{} %", text.trim_end_matches('0').trim_end_matches('.')))
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Percent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text_schema(PERCENT)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(PERCENT, PhantomData))
    }
}

/// A whole number and the largest unit that divides the amount.
fn exact(amount: u64, units: &[(&str, u64)]) -> String {
    let divides = |&&(_, scale): &&(&str, u64)| amount.is_multiple_of(scale);
    let largest = units.iter().filter(divides).max_by_key(|(_, scale)| *scale);
    largest.map_or_else(String::new, |(name, scale)| format!("{} {name}", amount / scale))
}

/// A number of tokens: 8192, or 8k of 1024 each, or 1M of 1024 times as many.
///
/// # Errors
/// Anything else, and more than `u32` holds.
pub fn tokens(text: &str) -> Result<u32, String> {
    let units = [("k", 1 << 10), ("M", 1 << 20)];
    let number = text.trim().parse::<u64>().ok().or_else(|| parse(text, &units, &[]));
    let number = number.and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| "a number of tokens is allowed, such as 8192, 32k or 1M".into())
}

/// The largest quantity of any kind: more is a typing error.
const MOST: f64 = (1u64 << 60) as f64;

/// A number and one of the units, or of those that are `also` read; `None` if it is neither,
/// negative, not finite or absurdly large.
fn parse(text: &str, units: &[(&str, u64)], also: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))?;
    let (number, unit) = text.split_at(split);
    let scale = scale(unit.trim(), units.iter().chain(also))?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale).filter(|&amount| (amount as f64) <= MOST);
    }
    let amount = number.parse::<f64>().ok()? * scale as f64;
    ((0.0..=MOST).contains(&amount)).then(|| amount.round() as u64)
}

/// What a unit is worth. Letters may be of either case where that leaves one meaning: `gb` is `GB`,
/// but `MBPS` may be megabits or megabytes.
fn scale<'a>(unit: &str, units: impl Iterator<Item = &'a (&'a str, u64)> + Clone) -> Option<u64> {
    if let Some((_, scale)) = units.clone().find(|(name, _)| *name == unit) {
        return Some(*scale);
    }
    // The case of the letter before the unit never matters.
    let near = |name: &str| {
        let (mut letters, mut others) = (unit.chars(), name.chars());
        let first = letters.next().zip(others.next());
        first.is_some_and(|(a, b)| a.eq_ignore_ascii_case(&b)) && letters.eq(others)
    };
    if let Some((_, scale)) = units.clone().find(|(name, _)| near(name)) {
        return Some(*scale);
    }
    let mut like = units.filter(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, s)| *s);
    let first = like.next()?;
    like.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact() {
        assert_eq!("12 GiB".parse(), Ok(Memory(12 << 30)));
        assert_eq!("8GB".parse(), Ok(Memory(8_000_000_000)));
        assert_eq!("940 Mbit/s".parse(), Ok(Bandwidth(940_000_000)));
        assert_eq!("50 MB/s".parse(), Ok(Bandwidth(400_000_000)));
        assert_eq!("0.3 ms".parse(), Ok(Time(300_000)));
        assert_eq!("2 %".parse(), Ok(Fraction(0.02)));
    }

    #[test]
    fn tokens_are_counted_in_thousands_of_1024() {
        for (text, count) in [("0", 0), ("8192", 8192), ("32k", 32_768), ("1.5K", 1536)] {
            assert_eq!(tokens(text), Ok(count), "{text}");
        }
        assert_eq!(tokens("1M"), Ok(1 << 20));
        for text in ["", "k", "-1", "-1k", "32 kB", "5000M", "nan"] {
            assert!(tokens(text).unwrap_err().contains("32k"), "{text}");
        }
    }

    #[test]
    fn units_are_read_as_people_write_them() {
        for (text, bits) in [
            ("1 Gbps", 1_000_000_000),
            ("940Mbps", 940_000_000),
            ("2.5 Gb/s", 2_500_000_000),
            ("10GbE", 10_000_000_000),
            ("10 gbe", 10_000_000_000),
            ("1 gbit/s", 1_000_000_000),
            ("100 mbps", 100_000_000),
            ("50 mB/s", 400_000_000),
            ("1 KB/s", 8_000),
        ] {
            assert_eq!(text.parse(), Ok(Bandwidth(bits)), "{text}");
        }
        for (text, bytes) in
            [("24G", 24 << 30), ("24g", 24 << 30), ("24 gb", 24_000_000_000), ("8 gib", 8 << 30)]
        {
            assert_eq!(text.parse(), Ok(Memory(bytes)), "{text}");
        }
        for text in ["150 \u{b5}s", "150\u{3bc}s", "150 US", "0.15 ms"] {
            assert_eq!(text.parse(), Ok(Time(150_000)), "{text}");
        }
        // Bits or bytes: a factor of eight is not guessed.
        for text in ["10 MBPS", "1 GB/S", "10 Gbytes", "10 baud"] {
            let error = text.parse::<Bandwidth>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("`10GbE`"), "{error}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (amount, text) in
            [(12 << 30, "12 GiB"), (16_000_000_000, "16 GB"), (5_000, "5 kB"), (1_025, "1025 B")]
        {
            assert_eq!(Memory(amount).to_string(), text);
            assert_eq!(text.parse(), Ok(Memory(amount)));
        }
        assert_eq!(Bandwidth(940_000_000).to_string(), "940 Mbit/s");
        assert_eq!(Time(1_500_000).to_string(), "1500 us");
        for (amount, text) in [(0, "0 %"), (625_000_000, "62.5 %"), (451_234_567, "45.1234567 %")] {
            assert_eq!(Percent(amount).to_string(), text);
            assert_eq!(text.parse(), Ok(Percent(amount)));
        }
        assert!("100.1 %".parse::<Percent>().is_err());
    }

    #[test]
    fn wrong_units_and_numbers_are_refused_with_what_is_allowed() {
        for text in
            ["12 GHz", "-1 GiB", "NaN GiB", "inf B", "", "GiB", "12", "1e99 GiB", "9999999 TiB"]
        {
            let error = text.parse::<Memory>().unwrap_err().to_string();
            assert!(error.contains("12 GiB"), "{text}: {error}");
        }
        assert!("150 %".parse::<Fraction>().is_err());
        assert!("-1".parse::<Fraction>().is_err());
    }
}
