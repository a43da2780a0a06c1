//! `llama-bench` on a kind of machine.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::child::{Child, Setup};
use crate::suite::{Bench, Class};
use crate::trial::Places;

/// How long one machine may be measured.
const LONGEST: Duration = Duration::from_secs(240);

/// Measures a kind of machine with a model; what it printed is in `out`, a test a line.
pub(crate) fn measure(
    places: &Places,
    bench: &Bench,
    model: &Path,
    class: Class,
    out: &Path,
) -> Result<()> {
    let program = places.program(class.instructions, "llama-bench");
    let mut words = vec![program];
    words.extend(["--model".into(), model.display().to_string()]);
    let numbers = [
        ("--n-prompt", bench.prompt),
        ("--n-gen", bench.generate),
        ("--repetitions", bench.repeats),
        ("--threads", 1),
        ("--repack", u32::from(class.source)),
        ("--flash-attn", 1),
    ];
    words.extend(numbers.iter().flat_map(|(name, value)| [(*name).into(), value.to_string()]));
    words.extend(["--output".into(), "jsonl".into()]);
    let (log, out) = (places.work.join("llama-bench.log"), out.display().to_string());
    // What it says apart from results goes to the log.
    let shell = ["sh", "-c", "out=$1; shift; exec \"$@\" >\"$out\"", "sh", out.as_str()];
    let words: Vec<&str> = shell.into_iter().chain(words.iter().map(String::as_str)).collect();
    let setup = Setup { log: &log, variables: &[] };
    Child::start("llama-bench", &words, setup)?.finish(LONGEST)
}
