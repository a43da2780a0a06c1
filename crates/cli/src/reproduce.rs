//! `edgeplan reproduce`: published figures beside ours.

mod dftsp;
mod dilemma;
mod gus;
mod published;
mod throughput;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use edgeplan_instances::file::{check_writable, write_atomic};
use serde::Serialize;

use crate::reply::Reply;
use crate::report::{command_line, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// EdgeShard's throughput in every reading instead: the bottleneck model and pipelines
    #[arg(long)]
    throughput: bool,
    /// throughput: draw the pipelines' first passes into this file
    #[arg(long, requires = "throughput")]
    svg: Option<PathBuf>,
    /// Write the table to this CSV file, too
    #[arg(long, conflicts_with = "throughput")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A published figure and what becomes of it here.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    paper: String,
    what: String,
    /// As the paper says it.
    published: String,
    /// `read` in the paper, `second-hand`, or `recalled` and not checked.
    known: String,
    /// Empty where it could not be computed.
    ours: String,
    /// Of ours, over the published one.
    difference: String,
    /// What computes it.
    command: String,
    /// What to know about it, or why it could not be computed.
    remark: String,
}

impl Finding {
    /// A figure that nothing here computes.
    fn missing(paper: &str, what: &str, (published, known): (&str, &str), why: &str) -> Self {
        Self {
            paper: paper.into(),
            what: what.into(),
            published: published.into(),
            known: known.into(),
            ours: "-".into(),
            difference: "-".into(),
            command: "-".into(),
            remark: why.into(),
        }
    }
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
    let mut findings = published::findings()?;
    findings.push(throughput::finding()?);
    findings.extend(dilemma::findings()?);
    findings.extend(gus::findings()?);
    findings.extend(dftsp::findings()?);
    if let Some(path) = &arguments.out {
        let mut writer = csv::Writer::from_writer(Vec::new());
        findings.iter().try_for_each(|finding| writer.serialize(finding))?;
        let rows = String::from_utf8(writer.into_inner()?).context("UTF-8")?;
        write_atomic(path, &format!("# {}\n{rows}", command_line()))?;
    }
    let mut rows =
        table(&["paper", "what", "published", "known", "ours", "difference", "remark"], &[2, 4, 5]);
    for finding in &findings {
        rows.add_row([
            &finding.paper,
            &finding.what,
            &finding.published,
            &finding.known,
            &finding.ours,
            &finding.difference,
            &finding.remark,
        ]);
    }
    Ok(Reply::either(arguments.json, &findings, &rows.to_string()))
}
