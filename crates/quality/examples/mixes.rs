//! What a sensitivity file knows of its random mixes, as CSV: bits per weight, the measured
//! divergence in nats, and the divergence of each tensor alone in the format that it has there.
//!
//! ```sh
//! cargo run --release -p edgeplan-quality --example mixes -- SENSITIVITY.jsonl MODEL.gguf
//! ```

use std::path::Path;

use anyhow::{Context as _, Result};
use edgeplan_files::read_text;
use edgeplan_model::sensitivity::measured::MeasuredSensitivity;
use edgeplan_quality::engine::as_in_file;
use edgeplan_quality::engine::mixes::mix_of;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, model] = &arguments[..] else {
        anyhow::bail!("a sensitivity file and its model are needed");
    };
    let spec = edgeplan_model::load(model)?;
    let sensed = MeasuredSensitivity::parse(file, &read_text(Path::new(file))?)?.as_in_file(&spec);
    let spec = as_in_file(spec);
    let mut table = csv::Writer::from_writer(std::io::stdout());
    for (number, mix) in sensed.mixes.iter().enumerate() {
        let formats = mix_of(&sensed, &spec, mix.mix, mix.bits);
        if number == 0 {
            let tensors = formats.keys().cloned();
            table.write_record(["bits".into(), "measured".into()].into_iter().chain(tensors))?;
        }
        let bits = mix.bits.map(|bits| bits.to_string()).unwrap_or_default();
        let alone: Vec<String> = formats
            .iter()
            .map(|(tensor, &format)| {
                let known = sensed.divergence(tensor, format);
                known.map(|nats| nats.to_string()).with_context(|| format!("{tensor}: {format}"))
            })
            .collect::<Result<_>>()?;
        table.write_record([bits, mix.kl_nats.to_string()].into_iter().chain(alone))?;
    }
    table.flush()?;
    Ok(())
}
