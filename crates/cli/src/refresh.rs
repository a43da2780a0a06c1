//! `edgeplan report`: tables, plots and pages of what was recorded.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan_report::experiments::refresh;

use crate::reply::Reply;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Report folder: pages, records and plots
    #[arg(default_value = "reports")]
    folder: PathBuf,
    /// Check only: write nothing, exit code 1 if any file would change
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let refreshed = refresh(&arguments.folder, arguments.check)?;
    let mut text = String::new();
    for path in &refreshed.changed {
        let done = if arguments.check { "is not what the records say" } else { "made again" };
        text += &format!("{}: {done}\n", arguments.folder.join(path).display());
    }
    if refreshed.changed.is_empty() {
        text = format!("{} files are what the records say\n", refreshed.files.len());
    }
    Ok(Reply::text(&text).found(!arguments.check || refreshed.changed.is_empty()))
}
