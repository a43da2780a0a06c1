//! Numbers with units, and names of formats.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use edgeplan_files::quantity::{Bandwidth, Fraction, Memory, Percent, Time};
use edgeplan_problem::deployment::LayerRole;
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::{FormatMix, Recipe};

/// What is read is written so that it is read as the same again.
fn stable<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let again = value.to_string().parse::<T>();
        assert!(again.as_ref().is_ok_and(|again| *again == value), "{text}: {value}");
    }
}

pub(crate) fn quantities(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    stable::<Memory>(&text);
    stable::<Bandwidth>(&text);
    stable::<Time>(&text);
    stable::<Percent>(&text);
    stable::<Format>(&text);
    stable::<FormatMix>(&text);
    drop(text.parse::<Fraction>());
    stable::<Recipe>(&text);
    let role = LayerRole::from(text.as_ref());
    assert_eq!(LayerRole::from(role.to_string()), role, "{text}");
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "12 GiB",
        "940 Mbit/s",
        "0.3 ms",
        "62.5 %",
        "q4_K+ffn_down:q6_K,output:q8_0",
        "native",
        "block 3",
        "embedding",
        "q4_K & q8_0",
        "1152921504606846976 ns",
        "1e30 B",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
