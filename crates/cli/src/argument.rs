//! Numbers of arguments, within what is allowed.

use std::ops::{Bound, RangeBounds};

/// A number of an argument within a range; the error says that a number `what` is allowed.
pub(crate) fn number(text: &str, range: impl RangeBounds<f64>, what: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("a number {what} is allowed"))
}

/// Seconds of an argument.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    number(text, 0.0..=1e7, "of seconds from 0 to 10000000")
}

/// A rate of learning of an argument.
pub(crate) fn learning_rate(text: &str) -> Result<f64, String> {
    number(text, (Bound::Excluded(0.0), Bound::Included(1.0)), "above 0, up to 1,")
}

/// A gap of an argument.
pub(crate) fn fraction(text: &str) -> Result<f64, String> {
    number(text, 0.0..1.0, "from 0 to below 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_range_is_refused_with_what_is_allowed() {
        assert_eq!(seconds("1.5"), Ok(1.5));
        assert_eq!(seconds("-1"), Err("a number of seconds from 0 to 10000000 is allowed".into()));
        assert_eq!(learning_rate("0"), Err("a number above 0, up to 1, is allowed".into()));
        assert_eq!(fraction("NaN"), Err("a number from 0 to below 1 is allowed".into()));
    }
}
