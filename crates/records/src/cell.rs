//! Several values in one cell of a CSV file, as JSON: `{"nodes":3,"pivots":14}` and `[0,1]`. Until
//! 2026-11-29 the same were written `nodes=3;pivots=14` and `0;1`. That notation is read, too.

/// A map by name.
pub(crate) mod map {
    use std::collections::BTreeMap;
    use std::str::FromStr;

    use serde::de::{DeserializeOwned, Error};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<V: Serialize, S: Serializer>(
        values: &BTreeMap<String, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::write(values, values.is_empty(), serializer)
    }

    pub(crate) fn deserialize<'de, V, D>(deserializer: D) -> Result<BTreeMap<String, V>, D::Error>
    where
        V: DeserializeOwned + FromStr,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        if text.starts_with('{') {
            return serde_json::from_str(&text)
                .map_err(|error| D::Error::custom(format!("`{text}`: {error}")));
        }
        let value = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), value.parse::<V>().ok()?))
        };
        let pairs = text.split(';').filter(|pair| !pair.is_empty());
        let wrong = |pair: &str| {
            D::Error::custom(format!("`{pair}`; a JSON object such as {{\"nodes\":3}} is needed"))
        };
        pairs.map(|pair| value(pair).ok_or_else(|| wrong(pair))).collect()
    }
}

/// A list of numbers.
pub(crate) mod list {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        values: &[usize],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::write(&values, values.is_empty(), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<usize>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("`{text}`; a list such as [0,1] is needed"));
        if text.starts_with('[') {
            return serde_json::from_str(&text).map_err(|_| wrong());
        }
        let numbers = text.split(';').filter(|number| !number.is_empty());
        numbers.map(|number| number.parse().map_err(|_| wrong())).collect()
    }
}

/// Empty cells are what there is none of.
fn write<S: serde::Serializer>(
    values: &impl serde::Serialize,
    empty: bool,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = match empty {
        true => String::new(),
        false => serde_json::to_string(values).map_err(serde::ser::Error::custom)?,
    };
    serializer.serialize_str(&text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use crate::parameter::Parameter;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Cells {
        #[serde(with = "super::map")]
        parameters: BTreeMap<String, Parameter>,
        #[serde(with = "super::map")]
        work: BTreeMap<String, u64>,
        #[serde(with = "super::list")]
        cores: Vec<usize>,
    }

    fn read(text: &str) -> Result<Cells, String> {
        let text = format!("parameters,work,cores\n{text}\n");
        let mut rows = csv::Reader::from_reader(text.as_bytes()).into_deserialize();
        rows.next().expect("a row").map_err(|error| error.to_string())
    }

    #[test]
    fn both_notations_mean_the_same() {
        let new = r#""{""family"":""gus-hard"",""requests"":15}","{""nodes"":3}","[0,1]""#;
        let cells = read(new).unwrap();
        assert_eq!(cells, read("family=gus-hard;requests=15,nodes=3,0;1").unwrap());
        assert_eq!(cells.parameters["requests"], Parameter::Number(15));
        assert_eq!((cells.work["nodes"], &cells.cores[..]), (3, &[0, 1][..]));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(&cells).unwrap();
        let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(written, format!("parameters,work,cores\n{new}\n"));
    }

    #[test]
    fn empty_cells_are_empty_and_others_must_make_sense() {
        let empty = read(",,").unwrap();
        assert!(empty.parameters.is_empty() && empty.work.is_empty() && empty.cores.is_empty());
        let wrong = [
            ("family,nodes=3,0", "`family`; a JSON object such as"),
            (",nodes=many,0", "`nodes=many`; a JSON object such as"),
            (",\"{\"\"nodes\"\":-1}\",0", "invalid value: integer `-1`"),
            (",,0;x", "`0;x`; a list such as [0,1] is needed"),
        ];
        for (row, expected) in wrong {
            let error = read(row).unwrap_err();
            assert!(error.contains(expected), "{row}: {error}");
        }
    }
}
