//! Traces of requests: what others recorded, and Poisson arrivals.
//!
//! Two formats are read. **CSV** with a header and columns for time and tokens, named as in the
//! Azure LLM inference traces (`TIMESTAMP`, `ContextTokens`, `GeneratedTokens`) or in BurstGPT
//! (`Timestamp`, `Request tokens`, `Response tokens`); other columns are ignored. A time is a date
//! (`2023-11-16 18:17:03.97`, with or without an offset) or a number of seconds. **JSON lines** as
//! in the Mooncake traces: `timestamp` in milliseconds, `input_length`, `output_length`; other keys
//! are ignored. Rows must be sorted by time; the first one is time zero.

mod poisson;
mod rows;

use edgeplan_files::InputError;
use edgeplan_problem::Nanos;

use crate::request::{Request, Size};

pub use poisson::Poisson;

/// More rows than this do not fit in memory comfortably.
const ROWS_MAX: usize = 20_000_000;
/// A trace that is longer than this (about 3 years) has a wrong unit.
const SECONDS_MAX: u64 = 100_000_000;

/// What is made of a trace before it is run on a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// By model, how often it is asked before the next one's turn; more than 1000 count as that.
    pub weights: Vec<usize>,
    /// Factor on all arrival times; above 1 lowers the load.
    pub stretch: f64,
    /// Deadline of every request.
    pub deadline: Option<Nanos>,
}

impl Shape {
    /// The trace, with models in turns.
    pub fn applied(&self, mut requests: Vec<Request>) -> Vec<Request> {
        let turn = |(model, &weight): (usize, &usize)| std::iter::repeat_n(model, weight.min(1000));
        let turns: Vec<usize> = self.weights.iter().enumerate().flat_map(turn).collect();
        for (index, request) in requests.iter_mut().enumerate() {
            request.model = turns[index % turns.len()];
            request.deadline = self.deadline;
            if self.stretch != 1.0 {
                request.arrival = Nanos((request.arrival.as_f64() * self.stretch) as u64);
            }
        }
        requests
    }
}

/// When the first request comes; zero without requests.
pub fn begin(requests: &[Request]) -> Nanos {
    requests.iter().map(|request| request.arrival).min().unwrap_or_default()
}

/// A row as it was read: nanoseconds of whatever clock, and tokens.
struct Row {
    time: i128,
    size: Size,
}

/// Reads a trace; `file` is only named in errors. Requests are of model 0 and without a deadline.
///
/// # Errors
/// Missing columns, and the first row (1 is the first below the header) whose time or tokens are
/// no number in range or whose time is before the last row's.
pub fn parse(file: &str, text: &str) -> Result<Vec<Request>, InputError> {
    let rows = match text.trim_start().starts_with('{') {
        true => rows::json_lines(file, text),
        false => rows::csv(file, text),
    }?;
    let Some(zero) = rows.first().map(|row| row.time) else {
        return Err(InputError::file(file, "no rows; a trace needs at least one request"));
    };
    let mut requests: Vec<Request> = Vec::with_capacity(rows.len());
    let mut last = zero;
    for (index, row) in rows.iter().enumerate() {
        let error = |problem: &str| InputError::key(file, place(index), problem);
        if row.time < last {
            return Err(error("it is earlier than the row before; rows must be sorted by time"));
        }
        last = row.time;
        let since = u64::try_from(row.time - zero).unwrap_or(u64::MAX);
        if since > SECONDS_MAX * 1_000_000_000 {
            let problem = format!(
                "{} s after the first; up to {SECONDS_MAX} s are allowed",
                since / 1_000_000_000
            );
            return Err(error(&problem));
        }
        requests.push(Request { arrival: Nanos(since), size: row.size, model: 0, deadline: None });
    }
    Ok(requests)
}

/// `row 1` for the first.
fn place(index: usize) -> String {
    format!("row {}", index + 1)
}

/// The tokens of a text: `least` to [`Size::TOKENS_MAX`].
fn tokens(text: &str, least: u32) -> Result<u32, String> {
    match text.trim().parse::<u32>() {
        Ok(count) if (least..=Size::TOKENS_MAX).contains(&count) => Ok(count),
        _ => {
            let max = Size::TOKENS_MAX;
            Err(format!("`{text}`; a whole number from {least} to {max} is allowed"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AZURE: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
                         2024-02-28 23:59:59.5000000,300,7\n\
                         2024-02-29 00:00:01.0000001,12,0\n";

    fn times(text: &str) -> Vec<(u64, u32, u32)> {
        let requests = parse("t.csv", text).unwrap();
        let row = |r: &Request| (r.arrival.0, r.size.prompt, r.size.generate);
        requests.iter().map(row).collect()
    }

    fn refused(text: &str, expected: &str) {
        let error = parse("t.csv", text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.starts_with("t.csv: "), "{error}");
    }

    #[test]
    fn all_formats_are_read() {
        assert_eq!(times(AZURE), [(0, 300, 7), (1_500_000_100, 12, 0)]);
        let offset =
            AZURE.replace("0000001,", "0000001+00:00,").replace("5000000,", "5000000+00:00,");
        assert_eq!(times(&offset), times(AZURE));
        assert_eq!(times(&AZURE.replace('\n', "\r\n")), times(AZURE));
        let burst = "Timestamp,Model,Request tokens,Response tokens\n5,x,4,6\n5.25,\"a,b\",1,2\n";
        assert_eq!(times(burst), [(0, 4, 6), (250_000_000, 1, 2)]);
        let moon = "{\"timestamp\": 27482, \"input_length\": 6955, \"output_length\": 52, \
                    \"hash_ids\": [46, 47]}\n\n{\"timestamp\": 30535.5, \"input_length\": 6472, \
                    \"output_length\": 26}\n";
        assert_eq!(times(moon), [(0, 6955, 52), (3_053_500_000, 6472, 26)]);
    }

    #[test]
    fn bad_rows_are_named() {
        let with = |row: &str| format!("{AZURE}{row}\n");
        refused("", "no rows");
        refused("TIMESTAMP,ContextTokens,GeneratedTokens\n", "no rows");
        refused("TIMESTAMP,ContextTokens\n1,2\n", "header: no column `GeneratedTokens`");
        refused("time,in,out\n1,2,3\n", "no column `TIMESTAMP`");
        refused(&with("2024-02-29 00:00:00,1,1"), "row 3: it is earlier than the row before");
        refused(&with("yesterday,1,1"), "row 3, TIMESTAMP: `yesterday`; a date");
        refused(
            &with("2023-02-29 00:00:00,1,1"),
            "row 3, TIMESTAMP: `2023-02-29 00:00:00`; a date",
        );
        refused(&with("2024-03-01 00:00:00,-1,1"), "row 3, ContextTokens: `-1`; a whole number");
        refused(
            &with("2024-03-01 00:00:00,0,1"),
            "row 3, ContextTokens: `0`; a whole number from 1",
        );
        refused(&with("2024-03-01 00:00:00,1,1e3"), "row 3, GeneratedTokens: `1e3`; a whole");
        refused(&with("2024-03-01 00:00:00,1,99999999999"), "GeneratedTokens: `99999999999`");
        refused(&with("2024-03-01 00:00:00,1"), "row 3: 2 fields; 3, as in the header");
        refused(&with("2034-03-01 00:00:00,1,1"), "up to 100000000 s are allowed");
        let plain = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
        refused(&format!("{plain}-1,1,1\n"), "row 1, TIMESTAMP: `-1`; a date");
        refused(&format!("{plain}1e300,1,1\n"), "row 1, TIMESTAMP: `1e300`; a date");
        refused(&format!("{plain}NaN,1,1\n"), "row 1, TIMESTAMP: `NaN`; a date");
        refused("{\"timestamp\": 1}\n", "row 1: missing field `input_length`");
        let moon = |time: &str| {
            format!("{{\"timestamp\": {time}, \"input_length\": 1, \"output_length\": 1}}\n")
        };
        refused(&moon("-1"), "row 1, timestamp: `-1.0`; a number of milliseconds");
        refused(&(moon("5") + &moon("4")), "row 2: it is earlier");
        refused(&(moon("5") + "{\"times"), "row 2: EOF while parsing");
        refused(&(moon("5") + "{} {}"), "row 2: ");
    }
}
