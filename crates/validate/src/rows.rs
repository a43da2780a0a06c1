//! The file of results: a row for each cut of each setting, written as soon as it was measured.

use std::path::Path;

use anyhow::{Context as _, Result};
use edgeplan_files::write_atomic;
use serde::{Deserialize, Serialize};

/// One cut of one setting, predicted and measured. Times are medians of requests in milliseconds,
/// all zero where nothing could be measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) setting: String,
    pub(crate) heterogeneous: bool,
    pub(crate) model: String,
    pub(crate) split: String,
    /// Who holds what.
    pub(crate) layers: String,
    /// Why nothing was measured, where nothing was.
    pub(crate) reason: String,
    pub(crate) requests: u32,
    pub(crate) prompt_ms_predicted: f64,
    pub(crate) prompt_ms: f64,
    /// Of each generated token after the first.
    pub(crate) token_ms_predicted: f64,
    pub(crate) token_ms: f64,
    /// Smallest and largest of the requests.
    pub(crate) token_ms_least: f64,
    pub(crate) token_ms_most: f64,
    /// Weights, cache and activations of all workers.
    pub(crate) workers_mib_predicted: f64,
    /// What they hold more than before they got them.
    pub(crate) workers_mib: f64,
    /// Through all links in both directions, for each request.
    pub(crate) wire_kib: f64,
}

impl Row {
    /// Whether it was measured.
    pub(crate) fn measured(&self) -> bool {
        self.requests > 0
    }

    /// A line of progress for the terminal.
    pub(crate) fn line(&self) -> String {
        let Self { setting, split, layers, reason, .. } = self;
        if !self.measured() {
            return format!("{setting}, {split}: {reason}");
        }
        format!(
            "{setting}, {split}: {layers}; per token {:.1} ms predicted, {:.1} measured; \
             prompt {:.0}, {:.0}",
            self.token_ms_predicted, self.token_ms, self.prompt_ms_predicted, self.prompt_ms
        )
    }
}

/// All rows of a file; none where there is no such file.
pub(crate) fn read(path: &Path) -> Result<Vec<Row>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let name = || path.display().to_string();
    let mut reader = csv::Reader::from_path(path).with_context(name)?;
    reader.deserialize().collect::<Result<_, _>>().with_context(name)
}

/// Writes all rows, or none.
pub(crate) fn write(path: &Path, rows: &[Row]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    Ok(write_atomic(path, &String::from_utf8(writer.into_inner()?)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        assert_eq!(read(&path).unwrap(), []);
        let row = Row {
            setting: "a, \"b\"".into(),
            layers: "source 3, a 4 + head".into(),
            requests: 3,
            token_ms: 12.5,
            ..Row::default()
        };
        write(&path, &[row.clone(), Row::default()]).unwrap();
        assert_eq!(read(&path).unwrap(), [row, Row::default()]);
        std::fs::write(&path, "setting,what\na,b\n").unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("rows.csv") && error.contains("what"), "{error}");
    }
}
