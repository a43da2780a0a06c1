//! What a marker can ask for.

mod anytime;
mod growth;
mod phase;
mod policies;
mod profile;
mod relaxation;
mod summary;
mod superseded;
mod text;
mod transition;

use std::collections::BTreeSet;

use edgeplan_records::declared::declared;
use edgeplan_records::folder::Folder;
use edgeplan_records::parameter::Parameter;
use edgeplan_records::row::{Kind, Record};
use edgeplan_records::summary::reconciled;

use super::block::Request;
use crate::chart::{Chart, svg};

/// A way to show records.
pub(super) struct View {
    pub(super) name: &'static str,
    pub(super) options: &'static [&'static str],
    pub(super) make: fn(&Request<'_>) -> Result<Rendered, String>,
}

/// What a view renders: Markdown, and a plot where the marker names one.
pub(super) struct Rendered {
    pub(super) markdown: String,
    pub(super) plot: Option<Plot>,
}

/// A plot of a page.
pub(super) struct Plot {
    pub(super) name: String,
    pub(super) svg: String,
    /// What it shows, in words.
    pub(super) caption: String,
    /// The folders of records that it is made from, from the folder of all pages.
    pub(super) folders: Vec<String>,
}

impl From<String> for Rendered {
    fn from(markdown: String) -> Self {
        Self { markdown, plot: None }
    }
}

/// All views.
pub(super) const VIEWS: &[View] = &[
    View { name: "summary", options: &["suite", "where"], make: summary::summary },
    View { name: "ranking", options: &["suite", "where"], make: summary::ranking },
    View { name: "profile", options: &["suite", "where", "plot"], make: profile::make },
    View { name: "anytime", options: &["suite", "instance", "plot"], make: anytime::make },
    View { name: "policies", options: &["suite", "where", "by", "to"], make: policies::make },
    View { name: "growth", options: &["suite", "where", "x", "y", "plot"], make: growth::make },
    View { name: "phase", options: &["suite", "where", "x", "plot"], make: phase::make },
    View {
        name: "transition",
        options: &["suite", "where", "x", "by", "plot"],
        make: transition::make,
    },
    View { name: "relaxation", options: &["suite", "where", "by"], make: relaxation::make },
    View { name: "csv", options: &["file", "columns"], make: text::csv },
    View { name: "machine", options: &[], make: text::machine },
    View { name: "superseded", options: &[], make: superseded::make },
    View { name: "analysis", options: &["file"], make: text::analysis },
];

/// The reconciled records that a request is about: of its folders, of its suite (`suite=`), with
/// its parameters (`where=family:random,objective:latency`).
fn records(request: &Request<'_>) -> Result<Vec<Record>, String> {
    if request.folders.is_empty() {
        return Err("a folder of records is needed".into());
    }
    let all = Folder::read_all(&request.paths()).map_err(|error| error.to_string())?;
    let mut wanted = Vec::new();
    for pair in request.options.get("where").into_iter().flat_map(|list| list.split(',')) {
        let (name, value) =
            pair.split_once(':').ok_or_else(|| format!("where: {pair}: a:b is allowed"))?;
        wanted.push((name, Parameter::from(value)));
    }
    let suite = request.options.get("suite");
    // Contradictions count wherever they come from.
    let mut kept = reconciled(all);
    // `structure-*` is all suites that begin so.
    kept.retain(|row| {
        suite.is_none_or(|suite| match suite.strip_suffix('*') {
            Some(begin) => row.suite.starts_with(begin),
            None => row.suite == *suite,
        })
    });
    kept.retain(|row| {
        wanted.iter().all(|(name, value)| row.parameter(name).as_ref() == Some(value))
    });
    match kept.is_empty() {
        true => Err("no record is of that".into()),
        false => Ok(kept),
    }
}

/// The kind of the records, which must be one.
fn kind(records: &[Record]) -> Result<Kind, String> {
    let kinds: BTreeSet<Kind> = records.iter().map(|row| row.problem).collect();
    match kinds.len() {
        1 => Ok(*kinds.first().expect("one")),
        _ => Err("the records are of several kinds of questions; suite=… chooses".into()),
    }
}

/// Names of the solvers in their declared order.
fn solvers(records: &[Record], kind: Kind) -> Vec<&str> {
    let names: BTreeSet<&str> = records.iter().map(|row| row.solver.as_str()).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_key(|name| declared().place(kind, name));
    names
}

/// The values of a parameter, in order.
fn values(records: &[Record], parameter: &str) -> Result<BTreeSet<Parameter>, String> {
    let values: BTreeSet<Parameter> =
        records.iter().filter_map(|row| row.parameter(parameter)).collect();
    match values.is_empty() {
        true => Err(format!("no record has the parameter {parameter}")),
        false => Ok(values),
    }
}

/// What a parameter or a figure is called on an axis.
fn named(name: &str) -> &str {
    match name {
        "tight" => "memory, percent of what is needed",
        "quality" => "quality budget, percent",
        "capacity" => "capacity, percent",
        "slack" => "room to spare, permille",
        "seconds" => "seconds to the proof",
        "bits-percent" => "bits per item, percent",
        "cpu" => "seconds of processor time",
        "memory" => "bytes",
        other => other,
    }
}

/// The same with a large first letter.
fn titled(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A chart as a plot of the page, if the request names one.
fn with_plot(request: &Request<'_>, chart: &Chart, table: String) -> Rendered {
    let Some(name) = request.options.get("plot") else { return table.into() };
    let link = request.link(&format!("plots/{name}.svg"));
    let alt = format!("{}: {}", chart.title, chart.remark).replace(['[', ']'], "");
    let markdown = format!("![{alt}]({link})\n\n{table}");
    let folders = request.folders.iter().map(|&folder| folder.to_owned()).collect();
    let plot = Plot { name: (*name).to_owned(), svg: svg(chart), caption: alt, folders };
    Rendered { markdown, plot: Some(plot) }
}
