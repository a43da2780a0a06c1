//! Random mixes of a size.

use std::collections::BTreeMap;

use edgeplan_model::sensitivity::measured::MeasuredSensitivity;
use edgeplan_model::{ModelSpec, TensorSpec};
use edgeplan_problem::format::Format;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

use super::chosen;
use crate::apply::Formats;
use crate::sense;

/// Most that one bit per weight changes the odds of a format by, as a logarithm.
const TILT: f64 = 60.0;
const HALVINGS: usize = 60;

/// A random mix of the formats that were measured, of at most that many bits per weight and little
/// less; of any size where none is named. The number is its seed.
pub fn mix_of(
    sensed: &MeasuredSensitivity,
    model: &ModelSpec,
    number: u64,
    bits: Option<f64>,
) -> Formats {
    let Some(bits) = bits else { return sense::mix(sensed, number) };
    let mut rng = Pcg64::seed_from_u64(number);
    let mut formats: Vec<Format> = sensed.rows().iter().map(|row| row.format).collect();
    formats.sort();
    formats.dedup();
    let shares: BTreeMap<Format, f64> =
        formats.iter().map(|&format| (format, rng.random::<f64>().powi(4))).collect();
    let tensors: Vec<(Vec<Choice>, &TensorSpec)> = chosen(model)
        .map(|tensor| {
            let measured = formats.iter().filter(|f| sensed.row(&tensor.name, **f).is_some());
            let mut choices: Vec<Choice> = measured
                .filter_map(|&format| {
                    let bits = 8.0 * tensor.bytes(format)?.as_f64() / tensor.elements() as f64;
                    Some(Choice { format, bits, share: shares[&format] })
                })
                .collect();
            choices.sort_by(|a, b| a.bits.total_cmp(&b.bits));
            (choices, tensor)
        })
        .filter(|(choices, _)| !choices.is_empty())
        .collect();
    let places: Vec<f64> = tensors.iter().map(|_| rng.random()).collect();
    let drawn = |tilt: f64| -> Vec<&Choice> {
        tensors
            .iter()
            .zip(&places)
            .map(|((choices, _), &place)| draw(choices, place, tilt))
            .collect()
    };
    let elements: f64 = tensors.iter().map(|(_, tensor)| tensor.elements() as f64).sum();
    let size = |drawn: &[&Choice]| -> f64 {
        let all = drawn.iter().zip(&tensors);
        all.map(|(choice, (_, tensor))| choice.bits * tensor.elements() as f64).sum::<f64>()
            / elements
    };
    // The larger the tilt, the larger the mix.
    let (mut low, mut high) = (-TILT, TILT);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if size(&drawn(middle)) <= bits { low = middle } else { high = middle }
    }
    let drawn = drawn(low).into_iter().zip(&tensors);
    drawn.map(|(choice, (_, tensor))| (tensor.name.clone(), choice.format)).collect()
}

/// A format that a tensor may have.
struct Choice {
    format: Format,
    /// Of one of its weights.
    bits: f64,
    /// Odds, before they are tilted.
    share: f64,
}

/// The choice at that place between 0 and 1, odds tilted towards larger ones.
fn draw(choices: &[Choice], place: f64, tilt: f64) -> &Choice {
    let most = choices.iter().map(|choice| tilt * choice.bits).fold(f64::MIN, f64::max);
    let odds = |choice: &Choice| choice.share * (tilt * choice.bits - most).exp();
    let mut left = place * choices.iter().map(odds).sum::<f64>();
    let found = choices.iter().find(|choice| {
        left -= odds(choice);
        left <= 0.0
    });
    found.unwrap_or(&choices[choices.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan_model::sensitivity::measured::{Header, Line, Row, SCHEMA};

    #[test]
    fn mixes_have_the_size_that_is_asked_for_and_differ() {
        let model = super::super::as_in_file(edgeplan_model::load("catalog:llama-3.2-1b").unwrap());
        let formats = [Format::Q2K, Format::Q3K, Format::Q4K, Format::Q6K, Format::Q8_0];
        let header = Header {
            schema: SCHEMA.into(),
            model: model.name.clone(),
            source: "typed".into(),
            tokens: 1,
            context: 1,
            loss_nats: None,
            origin: None,
        };
        let mut text = serde_json::to_string(&header).unwrap() + "\n";
        for tensor in chosen(&model) {
            for format in formats {
                let row = Row {
                    tensor: tensor.name.clone(),
                    format,
                    norm: None,
                    weight_difference: None,
                    variance: None,
                    kl_nats: Some(0.1),
                    loss_change_nats: None,
                };
                text += &(serde_json::to_string(&Line::Row(row)).unwrap() + "\n");
            }
        }
        let sensed = MeasuredSensitivity::parse("typed", &text).unwrap();
        let bits = |mix: &Formats| {
            let tensors = || chosen(&model).filter(|tensor| mix.contains_key(&tensor.name));
            let bytes: f64 = tensors().map(|t| t.bytes(mix[&t.name]).unwrap().as_f64()).sum();
            let elements: f64 = tensors().map(|tensor| tensor.elements() as f64).sum();
            8.0 * bytes / elements
        };
        for wanted in [3.0, 4.0, 5.5] {
            let mixes: Vec<Formats> =
                (0..5).map(|number| mix_of(&sensed, &model, number, Some(wanted))).collect();
            for mix in &mixes {
                let found = bits(mix);
                assert!(found <= wanted && found > 0.8 * wanted, "{found} for {wanted}");
            }
            assert!(mixes.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}
