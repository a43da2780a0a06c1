//! All pages as one: no network, no file beside it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use edgeplan_files::{InputError, read_text};
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

const STYLE: &str = include_str!("site.css");
const SCRIPT: &str = include_str!("site.js");

/// The web page of all Markdown pages; `plots` are those that were just made, by their path.
pub(super) fn html(
    root: &Path,
    pages: &[(PathBuf, String)],
    plots: &[(PathBuf, String)],
) -> Result<String, InputError> {
    let (mut links, mut body) = (String::new(), String::new());
    for (path, text) in pages {
        let page = Page { root, path, pages, plots };
        let name = anchor(path);
        let title = title(text).unwrap_or_else(|| path.display().to_string());
        write!(links, "<li><a href=\"#{name}\">{}</a></li>", escaped(&title)).expect("a String");
        writeln!(body, "<article id=\"{name}\">{}</article>", page.html(text)?).expect("a String");
    }
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>edgeplan: experiments</title>\n<style>\n{STYLE}</style></head>\n<body>\
         <header><a class=\"skip\" href=\"#content\">To the content</a>\
         <nav aria-label=\"Pages\"><strong>edgeplan</strong><ul>{links}</ul></nav></header>\n\
         <main id=\"content\">\n{body}</main>\n<script>\n{SCRIPT}</script>\n</body></html>\n"
    ))
}

/// A page on its way into the web page.
struct Page<'a> {
    root: &'a Path,
    path: &'a Path,
    pages: &'a [(PathBuf, String)],
    plots: &'a [(PathBuf, String)],
}

/// The name of a page within the web page.
fn anchor(path: &Path) -> String {
    let text = path.with_extension("").display().to_string().to_lowercase();
    text.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect()
}

/// The first heading of a page.
fn title(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("# ")).map(str::to_owned)
}

impl Page<'_> {
    fn html(&self, text: &str) -> Result<String, InputError> {
        // Markers are for those who write pages.
        let shown: String = text
            .lines()
            .filter(|line| !line.starts_with("<!-- "))
            .flat_map(|line| [line, "\n"])
            .collect();
        let mut events = Vec::new();
        let mut parser = Parser::new_ext(&shown, Options::ENABLE_TABLES);
        let mut heading = String::from("figures");
        while let Some(event) = parser.next() {
            match event {
                Event::Start(Tag::Image { dest_url, .. }) => {
                    let mut alt = String::new();
                    for event in parser.by_ref().take_while(|e| *e != Event::End(TagEnd::Image)) {
                        if let Event::Text(text) | Event::Code(text) = event {
                            alt += &text;
                        }
                    }
                    events.push(Event::InlineHtml(self.picture(&dest_url, &alt)?.into()));
                }
                Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                    let dest_url = CowStr::from(self.link(&dest_url));
                    events.push(Event::Start(Tag::Link { link_type, dest_url, title, id }));
                }
                Event::Start(Tag::Table(alignments)) => {
                    // A keyboard can move what is wider than a phone.
                    let opening = format!(
                        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" \
                         aria-label=\"Table: {}\">",
                        escaped(&heading)
                    );
                    events.push(Event::Html(opening.into()));
                    events.push(Event::Start(Tag::Table(alignments)));
                }
                Event::End(TagEnd::Table) => {
                    events.push(Event::End(TagEnd::Table));
                    events.push(Event::Html("</div>".into()));
                }
                Event::Start(Tag::Heading { level, id, classes, attrs }) => {
                    heading.clear();
                    let level = lower(level);
                    events.push(Event::Start(Tag::Heading { level, id, classes, attrs }));
                }
                Event::End(TagEnd::Heading(level)) => {
                    events.push(Event::End(TagEnd::Heading(lower(level))));
                }
                Event::Text(text) => {
                    if matches!(events.last(), Some(Event::Start(Tag::Heading { .. }))) {
                        heading += &text;
                    }
                    events.push(Event::Text(text));
                }
                // Pages are generated from records; HTML in them is data and is shown as text.
                Event::Html(text) | Event::InlineHtml(text) => events.push(Event::Text(text)),
                other => events.push(other),
            }
        }
        let mut page = String::new();
        html::push_html(&mut page, events.into_iter());
        Ok(page)
    }

    /// A picture with its content; it keeps its own style, light and dark.
    fn picture(&self, url: &str, alt: &str) -> Result<String, InputError> {
        let path = plain(&self.path.parent().unwrap_or(Path::new("")).join(url));
        let made = self.plots.iter().find(|(plot, _)| *plot == path);
        let svg = match made {
            Some((_, svg)) => svg.clone(),
            None => read_text(&self.root.join(&path))?,
        };
        Ok(format!(
            "<span class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Plot\"><img \
             loading=\"lazy\" src=\"data:image/svg+xml,{}\" alt=\"{}\"></span>",
            percent_encoded(&svg),
            escaped(alt)
        ))
    }

    /// A link within the web page where there is one; others stay, from the folder of all pages.
    fn link(&self, url: &str) -> String {
        let outside = ["https://", "http://", "#"];
        if outside.iter().any(|start| url.starts_with(start)) {
            return url.to_owned();
        }
        if url.contains(':') {
            // A script, or whatever else a browser might run.
            return "#".into();
        }
        let path = plain(&self.path.parent().unwrap_or(Path::new("")).join(url));
        let index = path.join("README.md");
        let page = self.pages.iter().find(|(page, _)| *page == path || *page == index);
        match page {
            Some((page, _)) => format!("#{}", anchor(page)),
            None => path.display().to_string(),
        }
    }
}

/// Every page's headings are one level below the web page's own.
fn lower(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H2,
        HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

/// A path without `.` and, where it can be, without `..`.
fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(parts.last(), Some(Component::Normal(_))) => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.into_iter().collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// As a URL takes it (RFC 3986), but for what browsers and people can read.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 4);
    for byte in text.trim_end().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            b' ' | b'-' | b'_' | b'.' | b'~' | b'=' | b':' | b'/' | b',' | b';' | b'(' | b')' => {
                encoded.push(char::from(byte));
            }
            b'\n' => encoded.push(' '),
            _ => write!(encoded, "%{byte:02X}").expect("a String takes everything"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_records_say_is_never_run() {
        let text = "# A page\n\nrevision abc<script>alert(1)</script> and <img src=x \
            onerror=alert(2)>\n\n<script>\nalert(3)\n</script>\n\n| a |\n| --- |\n| <b \
            onclick=x>y</b> |\n\n[one](javascript:alert(4)) [two](JaVaScRiPt:alert(5)) \
            [three](data:text/html,x) [four](https://example.com/a) <https://example.com/b>\n\n\
            <!-- hidden --> <script>alert(6)</script>\n";
        let pages = [(PathBuf::from("README.md"), text.to_owned())];
        let page = html(Path::new("."), &pages, &[]).unwrap();
        let content = page.split_once("<main").unwrap().1.split_once("</main>").unwrap().0;
        for run in ["<script", "<img", "<b ", "javascript:", "JaVaScRiPt:", "data:text"] {
            assert!(!content.contains(run), "{run}: {content}");
        }
        assert!(content.contains("abc&lt;script&gt;alert(1)&lt;/script&gt;"), "{content}");
        for kept in ["a", "b"] {
            assert!(content.contains(&format!("href=\"https://example.com/{kept}\"")), "{content}");
        }
    }

    #[test]
    fn pages_become_articles_with_their_pictures_inside() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("there.svg"), "<svg>\"x\"#</svg>").unwrap();
        let first = "# First & best\n\n![A [b] \"c\"](plots/p.svg)\n\n[two](sub/two.md#x), \
                     [record](record/r)\n\n| a | b |\n| --- | --: |\n| x<y | 1 |\n";
        let pages = [
            ("README.md".into(), first.to_owned()),
            ("sub/two.md".into(), "# Two\n\n![d](../there.svg) [back](../README.md)".to_owned()),
        ];
        let plots = [("plots/p.svg".into(), "<svg/>".to_owned())];
        let page = html(place.path(), &pages, &plots).unwrap();
        for expected in [
            "<a href=\"#readme\">First &amp; best</a>",
            "<article id=\"sub-two\"><h2>Two</h2>",
            "src=\"data:image/svg+xml,%3Csvg/%3E\" alt=\"A [b] &quot;c&quot;\"",
            "%3Csvg%3E%22x%22%23%3C/svg%3E",
            "<a href=\"#readme\">back</a>",
            "<a href=\"record/r\">record</a>",
            "aria-label=\"Table: First &amp; best\"",
            "x&lt;y",
        ] {
            assert!(page.contains(expected), "{expected}: {page}");
        }
        let missing = [("README.md".into(), "![a](none.svg)".to_owned())];
        let error = html(place.path(), &missing, &[]).unwrap_err().to_string();
        assert!(error.contains("none.svg: there is no such file"), "{error}");
    }
}
