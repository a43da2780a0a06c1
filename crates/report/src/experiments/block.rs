//! The marked parts of a page.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edgeplan_files::{InputError, nearest};

use super::views::{Plot, Rendered, VIEWS};

const BEGIN: &str = "<!-- BEGIN: ";
const CLOSE: &str = " -->";
const END: &str = "<!-- END -->";

/// A page with its marked parts made anew.
pub(super) struct Spliced {
    pub(super) text: String,
    pub(super) plots: Vec<Plot>,
}

/// What a marker asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) view: &'a str,
    pub(super) options: BTreeMap<&'a str, &'a str>,
    /// From the folder of all pages.
    pub(super) folders: Vec<&'a str>,
    /// Those of all markers of the page.
    pub(super) on_page: Vec<&'a str>,
    /// The folder of all pages.
    pub(super) root: &'a Path,
    /// The page, from there.
    pub(super) page: &'a Path,
}

impl Request<'_> {
    /// An option that the view cannot do without.
    pub(super) fn needed(&self, option: &str) -> Result<&str, String> {
        self.options.get(option).copied().ok_or_else(|| format!("{option}=… is missing"))
    }

    /// The folders of records.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.folders.iter().map(|folder| self.root.join(folder)).collect()
    }

    /// The way from the page to a file in the folder of all pages.
    pub(super) fn link(&self, file: &str) -> String {
        let up = self.page.components().count().saturating_sub(1);
        format!("{}{file}", "../".repeat(up))
    }
}

/// Makes the marked parts of a page again.
pub(super) fn splice(root: &Path, page: &Path, text: &str) -> Result<Spliced, InputError> {
    let file = root.join(page).display().to_string();
    let mut spliced = Spliced { text: String::with_capacity(text.len()), plots: Vec::new() };
    let mut lines = text.lines().enumerate();
    let mut fenced = false;
    while let Some((number, line)) = lines.next() {
        spliced.text += line;
        spliced.text.push('\n');
        let wrong =
            |problem: String| InputError::key(&file, format!("line {}", number + 1), problem);
        fenced ^= line.starts_with("```");
        if line == END && !fenced {
            return Err(wrong(format!("`{END}` without a beginning")));
        }
        if !line.starts_with(BEGIN) || fenced {
            continue;
        }
        let words = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(CLOSE));
        let words = words.ok_or_else(|| wrong(format!("must end in `{CLOSE}`")))?;
        let on_page = folders(text);
        let request = Request { on_page, ..parse(words, root, page).map_err(wrong)? };
        let made = make(&request).map_err(wrong)?;
        if !lines.any(|(_, line)| line == END) {
            return Err(wrong(format!("no `{END}` follows")));
        }
        spliced.text += &format!("\n{}\n\n{END}\n", made.markdown.trim());
        spliced.plots.extend(made.plot);
    }
    Ok(spliced)
}

/// The folders that markers of a page name, once each.
fn folders(text: &str) -> Vec<&str> {
    let (mut folders, mut fenced) = (Vec::new(), false);
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let words = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(CLOSE));
        let named = words.filter(|_| !fenced).unwrap_or_default().split_whitespace().skip(1);
        for folder in named.filter(|word| !word.contains('=')) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    folders
}

fn parse<'a>(words: &'a str, root: &'a Path, page: &'a Path) -> Result<Request<'a>, String> {
    let mut words = words.split_whitespace();
    let view = words.next().ok_or("a view is needed")?;
    let known = VIEWS.iter().find(|known| known.name == view).ok_or_else(|| {
        let names: Vec<&str> = VIEWS.iter().map(|view| view.name).collect();
        let hint = match nearest(view, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        format!("no view is called `{view}`; {hint}")
    })?;
    let (options, folders, on_page) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut request = Request { view, options, folders, on_page, root, page };
    for word in words {
        match word.split_once('=') {
            None => request.folders.push(word),
            Some((key, _)) if !known.options.contains(&key) => {
                let options = known.options.join(", ");
                return Err(format!("`{view}` has no option `{key}`; it has {options}"));
            }
            Some((key, value)) => {
                if request.options.insert(key, value).is_some() {
                    return Err(format!("{key} is there twice"));
                }
            }
        }
    }
    Ok(request)
}

fn make(request: &Request<'_>) -> Result<Rendered, String> {
    let view = VIEWS.iter().find(|view| view.name == request.view).expect("parsed");
    (view.make)(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, expected: &str) {
        let error = splice(Path::new("root"), Path::new("p.md"), text).err().unwrap().to_string();
        assert!(error.starts_with("root/p.md: line 2: ") && error.contains(expected), "{error}");
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        refused("a\n<!-- BEGIN: sumary x -->\n<!-- END -->", "did you mean `summary`?");
        refused("a\n<!-- BEGIN: summary plots=x r -->\n<!-- END -->", "no option `plots`");
        refused("a\n<!-- BEGIN: csv file=a file=b -->\n<!-- END -->", "file is there twice");
        refused("a\n<!-- BEGIN: csv -->\n<!-- END -->", "file=… is missing");
        refused("a\n<!-- BEGIN: summary record/none -->\n<!-- END -->", "records.csv");
        refused("a\n<!-- END -->", "without a beginning");
        refused("a\n<!-- BEGIN: summary r", "must end in");
    }

    #[test]
    fn the_rest_of_a_page_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("t.csv"), "# made by hand\nname,count\na,1\nb,20\n")
            .unwrap();
        let text = "# Head\n\nprose\n<!-- BEGIN: csv file=t.csv -->\nold\n<!-- END -->\n\nmore\n\
                    ```text\n<!-- BEGIN: nothing -->\n```\n";
        let spliced = splice(place.path(), Path::new("p.md"), text).unwrap().text;
        assert!(spliced.starts_with("# Head\n\nprose\n<!-- BEGIN: csv file=t.csv -->\n\n"));
        assert!(spliced.contains("| a | 1 |") && !spliced.contains("old"), "{spliced}");
        assert!(spliced.ends_with("<!-- END -->\n\nmore\n```text\n<!-- BEGIN: nothing -->\n```\n"));
        // What was made stays as it is, too.
        assert_eq!(splice(place.path(), Path::new("p.md"), &spliced).unwrap().text, spliced);
        let open = text.replace("<!-- END -->", "");
        let error = splice(place.path(), Path::new("p.md"), &open).err().unwrap().to_string();
        assert!(error.contains("p.md: line 4: no `<!-- END -->` follows"), "{error}");
    }
}
