//! Experiments: Markdown pages whose tables and plots are made from records, and one web page of
//! all of them.
//!
//! A page declares what stands where, and prose stays as it is:
//!
//! ```text
//! <!-- BEGIN: summary suite=chain record/2026-11-21-epyc-2-chain -->
//! (made from the records)
//! <!-- END -->
//! ```
//!
//! The first word is a view (`views::VIEWS`); words with `=` are its options; all others are
//! folders of records, relative to the folder of all pages. The same records give the same bytes.

mod block;
mod figures;
mod format;
mod site;
mod views;

use std::path::{Path, PathBuf};

use edgeplan_files::{InputError, read_text, write_atomic};

/// What a refresh found and changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Pages, plots and the web page, relative to the folder of all pages.
    pub files: Vec<PathBuf>,
    /// Those that were written, because they were not what the records say, or removed.
    pub changed: Vec<PathBuf>,
}

const PLOTS: &str = "plots";
const INDEX: &str = "index.html";
/// The first page of the web page.
const FIRST: &str = "README.md";
/// Records are no pages.
const RECORDS: &str = "record";

/// Makes everything below `root` again that follows from its records: the marked parts of all
/// Markdown pages, the plots that they name, and `index.html`. Writes what differs from what is
/// there and removes plots that no page names, unless `dry`. All is made before anything is
/// written.
///
/// # Errors
/// Markers that make no sense, with their file and line; records that cannot be read.
pub fn refresh(root: &Path, dry: bool) -> Result<Refreshed, InputError> {
    let mut made: Vec<(PathBuf, String)> = Vec::new();
    let mut figures: Vec<Figure> = Vec::new();
    let mut pages: Vec<(PathBuf, String)> = Vec::new();
    for path in markdown(root)? {
        let text = read_text(&root.join(&path))?;
        let spliced = block::splice(root, &path, &text)?;
        for plot in spliced.plots {
            let file = Path::new(PLOTS).join(format!("{}.svg", plot.name));
            if made.iter().any(|(other, _)| *other == file) {
                let name = plot.name;
                let problem = format!("{name}: another part of the pages makes that plot already");
                return Err(InputError::key(path.display().to_string(), "plot", problem));
            }
            made.push((file, plot.svg.clone()));
            figures.push(Figure { plot, page: path.clone() });
        }
        pages.push((path, spliced.text));
    }
    let index = site::html(root, &pages, &made)?;
    let mut refreshed = Refreshed::default();
    for path in stale(root, &made)? {
        if !dry {
            std::fs::remove_file(root.join(&path))
                .map_err(|error| InputError::file(path.display().to_string(), error.to_string()))?;
        }
        refreshed.changed.push(path);
    }
    made.extend(pages);
    made.push((INDEX.into(), index));
    if !figures.is_empty() {
        made.push((Path::new(PLOTS).join(FIRST), figures::list(&figures)));
    }
    for (path, text) in made {
        let place = root.join(&path);
        if std::fs::read_to_string(&place).ok().as_deref() != Some(&text) {
            refreshed.changed.push(path.clone());
            if !dry {
                if let Some(folder) = place.parent() {
                    let failed = |error: std::io::Error| {
                        InputError::file(folder.display().to_string(), error.to_string())
                    };
                    std::fs::create_dir_all(folder).map_err(failed)?;
                }
                write_atomic(&place, &text)?;
            }
        }
        refreshed.files.push(path);
    }
    Ok(refreshed)
}

/// A plot, and the page that shows it.
struct Figure {
    plot: views::Plot,
    page: PathBuf,
}

/// Plots that no page names any more.
fn stale(root: &Path, made: &[(PathBuf, String)]) -> Result<Vec<PathBuf>, InputError> {
    let folder = root.join(PLOTS);
    let failed =
        |error: std::io::Error| InputError::file(folder.display().to_string(), error.to_string());
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let path = Path::new(PLOTS).join(entry.map_err(failed)?.file_name());
        let plot = path.extension().is_some_and(|extension| extension == "svg");
        if plot && !made.iter().any(|(known, _)| *known == path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// All pages: the first one, then the others by name; those of folders come after their files, and
/// what is written large (METHODOLOGY) last.
fn markdown(root: &Path) -> Result<Vec<PathBuf>, InputError> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        let failed = |error: std::io::Error| {
            InputError::file(root.join(&folder).display().to_string(), error.to_string())
        };
        for entry in std::fs::read_dir(root.join(&folder)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                if ![RECORDS, PLOTS].iter().any(|name| path == Path::new(name)) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    let large = |path: &Path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        path.components().count() == 1 && !name.chars().any(char::is_lowercase)
    };
    files.sort_by_key(|path| {
        let first = path == Path::new(FIRST);
        (!first, !first && large(path), path.components().count(), path.clone())
    });
    Ok(files)
}
