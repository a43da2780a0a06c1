//! The list of all figures, with captions: for those who put one into a paper.

use std::fmt::Write as _;

use super::Figure;

/// A Markdown page that lies beside the figures.
pub(super) fn list(figures: &[Figure]) -> String {
    let mut text = String::from(
        "# Figures\n\nEvery plot of the pages, as a vector graphic of its own, made by \
         `edgeplan report` from the records\nthat it names. A PDF of one, for LaTeX's \
         `\\includegraphics`: `rsvg-convert -f pdf -o chain.pdf chain.svg`.\n\n\
         | figure | caption | page | records |\n| --- | --- | --- | --- |\n",
    );
    for Figure { plot, page } in figures {
        let (name, page) = (&plot.name, page.display());
        let folders: Vec<String> =
            plot.folders.iter().map(|folder| format!("[{folder}](../{folder})")).collect();
        let caption = plot.caption.replace('|', "\\|");
        let records = folders.join(", ");
        writeln!(text, "| [{name}]({name}.svg) | {caption} | [{page}](../{page}) | {records} |")
            .expect("a String");
    }
    text
}
