//! Published figures beside ours: every figure of the four papers that is known, in every reading
//! that the paper leaves open, computed again.

mod dftsp;
mod dilemma;
mod dilemma_program;
mod edgeshard;
mod gus;
pub mod speeds;
pub mod throughput;

use anyhow::{Context as _, Result};
use edgeplan::ask;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Limits, Outcome};
use edgeplan_report::table::Table;
use edgeplan_solvers::find;
use serde::Serialize;

/// A published figure and what becomes of it here.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The paper.
    pub paper: &'static str,
    /// What the figure is of.
    pub what: String,
    /// As the paper says it.
    pub published: String,
    /// How well the figure is known.
    pub mark: Mark,
    /// Where in the paper it stands, as far as that is known.
    pub source: &'static str,
    /// What ours assumes where the paper leaves it open.
    pub convention: String,
    /// `-` where it could not be computed.
    pub ours: String,
    /// Of ours, over the published one, or whether a claim holds; `-` where nothing is compared.
    pub difference: String,
    /// What computes it.
    pub command: String,
    /// What to know about it, or why it could not be computed.
    pub remark: String,
}

/// How well a published figure is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Mark {
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
pub(crate) struct Published {
    pub(crate) value: &'static str,
    pub(crate) mark: Mark,
    pub(crate) source: &'static str,
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
pub(crate) struct Ours {
    pub(crate) convention: String,
    pub(crate) value: String,
    pub(crate) difference: String,
    pub(crate) command: String,
    pub(crate) remark: String,
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

/// Findings as a table.
pub fn table(findings: &[Finding]) -> Table {
    let columns =
        ["paper", "what", "published>", "mark", "convention", "ours>", "difference>", "remark"];
    Table::new(columns).with_rows(findings.iter().map(|finding| {
        [
            finding.paper.to_owned(),
            finding.what.clone(),
            finding.published.clone(),
            finding.mark.to_string(),
            finding.convention.clone(),
            finding.ours.clone(),
            finding.difference.clone(),
            finding.remark.clone(),
        ]
    }))
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

/// The answer of a registered solver.
fn answer(instance: &Deployment, name: &str, limits: Limits<'_>) -> Result<Outcome<Plan>> {
    let entry = find(name).with_context(|| format!("{name} is registered"))?;
    Ok(ask(instance, entry, limits))
}

/// Whether a claim holds.
fn verdict(holds: bool) -> String {
    if holds { "holds" } else { "does not hold" }.into()
}

/// How far ours is from theirs, in percent of theirs.
fn difference(ours: f64, published: f64) -> String {
    format!("{:+.1} %", 100.0 * (ours / published - 1.0))
}

/// Every figure, paper by paper. Takes minutes.
///
/// # Errors
/// A published case that cannot be built, or a solver without an answer.
pub fn findings() -> Result<Vec<Finding>> {
    let mut findings = edgeshard::findings()?;
    findings.extend(dilemma::findings()?);
    findings.extend(dilemma_program::findings()?);
    findings.extend(gus::findings()?);
    findings.extend(dftsp::findings()?);
    Ok(findings)
}
