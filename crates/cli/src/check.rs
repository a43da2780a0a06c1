//! `edgeplan check`: evaluate a plan file against an instance.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan::Sources;

use crate::reply::Reply;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Instance file (JSON)
    instance: PathBuf,
    /// Plan file (JSON)
    plan: PathBuf,
    /// Certificate of a lower bound to verify (JSON)
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let instance = Some(arguments.instance.clone());
    let session = Sources { instance, ..Sources::default() }.load()?;
    let checked = session.check(&arguments.plan)?;
    let certificate = arguments.certificate.as_ref();
    let bound = certificate.map(|path| checked.certified(&session, path)).transpose()?;
    let (json, text) = (checked.keys(&session, bound), checked.text(&session, bound));
    Ok(Reply::either(arguments.json, &json, &text).found(checked.cost().is_some()))
}
