//! `edgeplan reproduce`: published figures beside ours.

mod dftsp;
mod dilemma;
mod dilemma_program;
mod edgeshard;
mod gus;
mod throughput;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use edgeplan_instances::file::{check_writable, write_atomic};
use serde::Serialize;

use crate::reply::Reply;
use crate::report::{command_line, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// EdgeShard's throughput only, under every reading: bottleneck model and pipelines
    #[arg(long)]
    throughput: bool,
    /// throughput: write the pipelines' first passes to this SVG file
    #[arg(long, requires = "throughput")]
    svg: Option<PathBuf>,
    /// Write the table to this CSV file
    #[arg(long, conflicts_with = "throughput")]
    out: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// A published figure and what becomes of it here.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    paper: &'static str,
    what: String,
    /// As the paper says it.
    published: String,
    mark: Mark,
    /// Where in the paper it stands, as far as that is known.
    source: &'static str,
    /// What ours assumes where the paper leaves it open.
    convention: String,
    /// `-` where it could not be computed.
    ours: String,
    /// Of ours, over the published one, or whether a claim holds; `-` where nothing is compared.
    difference: String,
    /// What computes it.
    command: String,
    /// What to know about it, or why it could not be computed.
    remark: String,
}

/// How well a published figure is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Mark {
    /// Read in the paper's abstract or its authors' code.
    V,
    /// Read in a summary or another implementation.
    V2,
    /// Recalled, and not checked: not compared with.
    R,
    /// No published figure: a result of ours, for the rows beside it.
    #[serde(rename = "-")]
    None,
}

/// A published figure, or claim.
#[derive(Debug, Clone, Copy)]
struct Published {
    value: &'static str,
    mark: Mark,
    source: &'static str,
}

impl Published {
    /// For a result that no paper states.
    const NOTHING: Self = Self { value: "-", mark: Mark::None, source: "-" };

    /// A figure that is recalled only: it is named in the remark and compared with nothing.
    const fn recalled(source: &'static str) -> Self {
        Self { value: "not found", mark: Mark::R, source }
    }
}

/// What computes a row, and what comes out.
struct Ours {
    convention: String,
    value: String,
    difference: String,
    command: String,
    remark: String,
}

impl Finding {
    fn new(paper: &'static str, what: &str, published: Published, ours: Ours) -> Self {
        let Published { value, mark, source } = published;
        Self {
            paper,
            what: what.into(),
            published: value.into(),
            mark,
            source,
            convention: ours.convention,
            ours: ours.value,
            difference: ours.difference,
            command: ours.command,
            remark: ours.remark,
        }
    }

    /// A figure that nothing here computes.
    fn missing(paper: &'static str, what: &str, published: Published, why: &str) -> Self {
        let nothing = || "-".to_owned();
        let ours = Ours {
            convention: nothing(),
            value: nothing(),
            difference: nothing(),
            command: nothing(),
            remark: why.into(),
        };
        Self::new(paper, what, published, ours)
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::V => "V",
            Self::V2 => "V2",
            Self::R => "R",
            Self::None => "-",
        })
    }
}

/// Whether a claim holds.
fn verdict(holds: bool) -> String {
    if holds { "holds" } else { "does not hold" }.into()
}

/// How far ours is from theirs, in percent of theirs.
fn difference(ours: f64, published: f64) -> String {
    format!("{:+.1} %", 100.0 * (ours / published - 1.0))
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    if arguments.throughput {
        if let Some(path) = &arguments.svg {
            check_writable(path)?;
            write_atomic(path, &throughput::picture()?)?;
        }
        return throughput::run(arguments.json);
    }
    if let Some(path) = &arguments.out {
        check_writable(path)?;
    }
    let mut findings = edgeshard::findings()?;
    findings.extend(dilemma::findings()?);
    findings.extend(dilemma_program::findings()?);
    findings.extend(gus::findings()?);
    findings.extend(dftsp::findings()?);
    if let Some(path) = &arguments.out {
        let mut writer = csv::Writer::from_writer(Vec::new());
        findings.iter().try_for_each(|finding| writer.serialize(finding))?;
        let rows = String::from_utf8(writer.into_inner()?).context("UTF-8")?;
        write_atomic(path, &format!("# {}\n{rows}", command_line()))?;
    }
    let header =
        ["paper", "what", "published", "mark", "convention", "ours", "difference", "remark"];
    let mut rows = table(&header, &[2, 5, 6]);
    for finding in &findings {
        rows.add_row([
            finding.paper,
            &finding.what,
            &finding.published,
            &finding.mark.to_string(),
            &finding.convention,
            &finding.ours,
            &finding.difference,
            &finding.remark,
        ]);
    }
    Ok(Reply::either(arguments.json, &findings, &rows.to_string()))
}
