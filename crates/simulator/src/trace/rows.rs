//! Rows of trace files.

use edgeplan_files::InputError;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{ROWS_MAX, Row, SECONDS_MAX, place, tokens};
use crate::request::Size;

/// A column and its names in the formats that are read.
type Names = [&'static str; 2];

const TIME: Names = ["TIMESTAMP", "Timestamp"];
const PROMPT: Names = ["ContextTokens", "Request tokens"];
const GENERATED: Names = ["GeneratedTokens", "Response tokens"];

/// Rows of a CSV with a header.
pub(super) fn csv(file: &str, text: &str) -> Result<Vec<Row>, InputError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| InputError::file(file, error.to_string()))?;
    if header.is_empty() {
        return Err(InputError::file(file, "no rows; a trace needs at least one request"));
    }
    let header = header.clone();
    let column = |names: Names| {
        let found = header.iter().position(|name| names.contains(&name.trim()));
        found.ok_or_else(|| {
            let problem = format!("no column `{}` (or `{}`)", names[0], names[1]);
            InputError::key(file, "header", problem)
        })
    };
    let columns = [column(TIME)?, column(PROMPT)?, column(GENERATED)?];
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let error = |problem: String| InputError::key(file, place(index), problem);
        let record = record.map_err(|problem| error(problem.to_string()))?;
        if record.len() != header.len() {
            let (has, needs) = (record.len(), header.len());
            return Err(error(format!("{has} fields; {needs}, as in the header, are needed")));
        }
        check_count(file, index)?;
        let at = |column: usize| {
            let key = format!("{}, {}", place(index), header[column].trim());
            move |problem: String| InputError::key(file, key, problem)
        };
        let [time, prompt, generated] = columns;
        rows.push(Row {
            time: moment(&record[time]).map_err(at(time))?,
            size: Size {
                prompt: tokens(&record[prompt], 1).map_err(at(prompt))?,
                generate: tokens(&record[generated], 0).map_err(at(generated))?,
            },
        });
    }
    Ok(rows)
}

/// Nanoseconds of a date, or of a number of seconds.
fn moment(text: &str) -> Result<i128, String> {
    let trimmed = text.trim();
    if let Ok(seconds) = trimmed.parse::<f64>() {
        if (0.0..=100.0 * SECONDS_MAX as f64).contains(&seconds) {
            return Ok((seconds * 1e9).round() as i128);
        }
    } else if let Ok(time) = trimmed.parse::<jiff::Timestamp>() {
        return Ok(time.as_nanosecond());
    } else if let Ok(time) = trimmed.parse::<DateTime>()
        && let Ok(time) = time.to_zoned(TimeZone::UTC)
    {
        return Ok(time.timestamp().as_nanosecond());
    }
    let seconds = 100 * SECONDS_MAX;
    Err(format!(
        "`{text}`; a date such as `2023-11-16 18:17:03.97` or a number of seconds from 0 to \
         {seconds} is allowed"
    ))
}

#[derive(Deserialize)]
struct Line {
    timestamp: f64,
    input_length: u64,
    output_length: u64,
}

/// Rows of JSON lines; empty lines are skipped.
pub(super) fn json_lines(file: &str, text: &str) -> Result<Vec<Row>, InputError> {
    let mut rows = Vec::new();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    for (index, line) in lines.enumerate() {
        let line: Line = serde_json::from_str(line)
            .map_err(|error| InputError::key(file, place(index), error.to_string()))?;
        check_count(file, index)?;
        let at = |name: &str| {
            let key = format!("{}, {name}", place(index));
            move |problem: String| InputError::key(file, key, problem)
        };
        let most = 100_000.0 * SECONDS_MAX as f64;
        if !(0.0..=most).contains(&line.timestamp) {
            let time = line.timestamp;
            let problem =
                format!("`{time:?}`; a number of milliseconds from 0 to {most:e} is allowed");
            return Err(at("timestamp")(problem));
        }
        rows.push(Row {
            time: (line.timestamp * 1e6).round() as i128,
            size: Size {
                prompt: tokens(&line.input_length.to_string(), 1).map_err(at("input_length"))?,
                generate: tokens(&line.output_length.to_string(), 0)
                    .map_err(at("output_length"))?,
            },
        });
    }
    Ok(rows)
}

fn check_count(file: &str, index: usize) -> Result<(), InputError> {
    match index < ROWS_MAX {
        true => Ok(()),
        false => Err(InputError::file(file, format!("more than {ROWS_MAX} rows"))),
    }
}
