//! What was written down beside the records.

use edgeplan_files::{parse_toml, read_text};
use serde::Deserialize;

use super::super::block::Request;
use super::super::format::{code, table};
use super::Rendered;

/// A CSV file as a table; `columns=a,b` chooses. Lines before the header that start with `#` say
/// how it was made.
pub(super) fn csv(request: &Request<'_>) -> Result<Rendered, String> {
    let path = request.root.join(request.needed("file")?);
    let text = read_text(&path).map_err(|error| error.to_string())?;
    let notes: Vec<&str> =
        text.lines().take_while(|line| line.starts_with('#')).map(|l| l[1..].trim()).collect();
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let wrong = |error: csv::Error| format!("{}: {error}", path.display());
    let names: Vec<String> = reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
    let chosen: Vec<usize> = match request.options.get("columns") {
        None => (0..names.len()).collect(),
        Some(list) => list
            .split(',')
            .map(|name| {
                let place = names.iter().position(|known| known == name);
                place.ok_or_else(|| format!("{name}: the file has {}", names.join(", ")))
            })
            .collect::<Result<_, _>>()?,
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        rows.push(chosen.iter().map(|&column| record[column].to_owned()).collect());
    }
    let is_number = |text: &String| {
        let digits = text.trim_start_matches(['+', '-']).replace([' ', ',', '%'], "");
        text == "-" || text.is_empty() || digits.starts_with(|c: char| c.is_ascii_digit())
    };
    let headings: Vec<String> = (chosen.iter().enumerate())
        .map(|(place, &column)| {
            let right = rows.iter().all(|row| is_number(&row[place]));
            format!("{}{}", names[column].replace('_', " "), if right { ">" } else { "" })
        })
        .collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let made = match notes.is_empty() {
        true => String::new(),
        false => format!("\nMade by {}.", code(&notes.join(" "))),
    };
    Ok((table(&headings, rows) + &made).into())
}

/// The commands and machines of folders, as they were noted.
pub(super) fn machine(request: &Request<'_>) -> Result<Rendered, String> {
    let mut text = String::from("```text\n");
    for (index, path) in request.paths().iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let note = read_text(&path.join("machine.txt")).map_err(|error| error.to_string())?;
        text += note.trim_end();
        text.push('\n');
    }
    Ok((text + "```").into())
}

/// What a suite says that it is for.
pub(super) fn analysis(request: &Request<'_>) -> Result<Rendered, String> {
    #[derive(Deserialize)]
    struct Suite {
        analysis: String,
    }
    let path = request.root.join(request.needed("file")?);
    let file = path.display().to_string();
    let text = read_text(&path).map_err(|error| error.to_string())?;
    let suite: Suite = parse_toml(&file, &text).map_err(|error| error.to_string())?;
    Ok(suite.analysis.trim().to_owned().into())
}
