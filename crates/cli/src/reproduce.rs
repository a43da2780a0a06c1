//! `edgeplan reproduce`: published figures beside ours.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use edgeplan_files::{check_writable, write_atomic};
use edgeplan_reproduction::findings;
use edgeplan_reproduction::throughput::{self, COUNTS, Found, GENERATE, PUBLISHED, SEQUENCES};
use serde_json::json;

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

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    if arguments.throughput {
        if let Some(path) = &arguments.svg {
            check_writable(path)?;
            write_atomic(path, &throughput::picture()?)?;
        }
        return throughputs(arguments.json);
    }
    if let Some(path) = &arguments.out {
        check_writable(path)?;
    }
    let findings = findings()?;
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

/// EdgeShard's throughput in every reading.
fn throughputs(as_json: bool) -> Result<Reply> {
    let mut header = vec!["plan for".to_owned(), "returns".into(), "message".into()];
    header.extend(["stages".into(), "model".into()]);
    header.extend(COUNTS.map(|count| format!("bubbles {count}")));
    header.extend(COUNTS.map(|count| format!("no bubbles {count}")));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut rows = table(&header, &(3..header.len()).collect::<Vec<_>>());
    let found = throughput::every_reading()?;
    for case in &found {
        rows.add_row(row(case));
    }
    let text = format!(
        "EdgeShard, Llama2-7B on 12 AGX Orin, 2 Orin NX and an RTX 3090: generated tokens per \
         second.\nThe paper: {PUBLISHED}. {SEQUENCES} requests per micro-batch, {GENERATE} tokens \
         each.\n\n{rows}"
    );
    let json = json!({ "paper_tokens_per_s": PUBLISHED, "cases": found });
    Ok(Reply::either(as_json, &json, &text))
}

fn row(found: &Found) -> Vec<String> {
    let mut row = vec![
        found.plan_for.to_owned(),
        found.returns.into(),
        format!("{} x", found.message_tokens),
        found.stages.to_string(),
        format!("{:.1}", found.model_tokens_per_s),
    ];
    let speeds = found.bubbles_tokens_per_s.iter().chain(&found.no_bubbles_tokens_per_s);
    row.extend(speeds.map(|speed| format!("{speed:.1}")));
    row
}
