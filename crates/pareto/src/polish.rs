//! Swaps of formats at equal size that are measured: where losses do not add up, what was measured
//! of tensors alone does not tell which swap helps.

use std::collections::BTreeSet;

use anyhow::Result;
use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::measured::MeasuredSensitivity;
use edgeplan_problem::format::Format;
use edgeplan_quality::apply::{self, Formats};
use edgeplan_quality::engine::chosen;
use edgeplan_quality::sense::predicted;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

/// Proposals that are drawn for each that is measured, at most.
const DRAWS: usize = 2000;
/// Most by which the sum may be above the current one's, so that hopeless swaps are not measured.
const WORSE: f64 = 1.1;

/// A search by measured swaps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Polish<'a> {
    /// The model.
    pub spec: &'a ModelSpec,
    /// What was measured of its tensors alone.
    pub sensed: &'a MeasuredSensitivity,
    /// Bytes of all tensors at most.
    pub bytes: u64,
    /// Mixes to measure.
    pub swaps: usize,
}

/// Sizes and formats that a tensor may have, smallest first.
struct Choices {
    name: String,
    /// Format and bytes.
    steps: Vec<(Format, u64)>,
}

impl Polish<'_> {
    /// The best mix that was measured, by random swaps from one that fits: some tensors get another
    /// format, then random ones give back or take what bytes are missing or left.
    pub(crate) fn run(
        &self,
        start: &Formats,
        measure: &mut dyn FnMut(&Formats) -> Result<f64>,
    ) -> Result<Formats> {
        let mut rng = Pcg64::seed_from_u64(self.swaps as u64);
        let choices = self.choices();
        let (mut best, mut least) = (start.clone(), measure(start)?);
        let mut tried: BTreeSet<Vec<Format>> = [best.values().copied().collect()].into();
        for _ in 0..self.swaps {
            let sum = predicted(self.sensed, &best).unwrap_or(f64::INFINITY);
            let proposal = (0..DRAWS).find_map(|_| {
                let proposal = self.proposal(&best, &choices, &mut rng);
                let key: Vec<Format> = proposal.values().copied().collect();
                let fits = apply::bytes(self.spec, &proposal) <= self.bytes;
                let hopeful = predicted(self.sensed, &proposal).is_some_and(|p| p <= WORSE * sum);
                (fits && hopeful && tried.insert(key)).then_some(proposal)
            });
            let Some(proposal) = proposal else { break };
            let found = measure(&proposal)?;
            if found < least {
                (best, least) = (proposal, found);
            }
        }
        Ok(best)
    }

    fn choices(&self) -> Vec<Choices> {
        let of = |tensor: &edgeplan_model::TensorSpec| {
            let measured = tensor.measured.iter();
            let sized = measured.filter_map(|m| Some((m.format, tensor.bytes(m.format)?.0)));
            let mut steps: Vec<(Format, u64)> = sized.collect();
            steps.sort_by_key(|&(_, bytes)| bytes);
            Choices { name: tensor.name.clone(), steps }
        };
        chosen(self.spec).map(of).filter(|choices| choices.steps.len() > 1).collect()
    }

    fn proposal(&self, from: &Formats, choices: &[Choices], rng: &mut Pcg64) -> Formats {
        let mut formats = from.clone();
        if choices.is_empty() {
            return formats;
        }
        for _ in 0..rng.random_range(1..=2) {
            let tensor = &choices[rng.random_range(0..choices.len())];
            let format = tensor.steps[rng.random_range(0..tensor.steps.len())].0;
            formats.insert(tensor.name.clone(), format);
        }
        // Gives back what is too much, then takes what is left, in random order.
        let mut size = apply::bytes(self.spec, &formats);
        for _ in 0..4 * choices.len() {
            let tensor = &choices[rng.random_range(0..choices.len())];
            let now = tensor.steps.iter().find(|step| step.0 == formats[&tensor.name]);
            let Some(&(_, now)) = now else { continue };
            let over = size > self.bytes;
            let other = match over {
                true => tensor.steps.iter().rev().find(|step| step.1 < now),
                false => tensor
                    .steps
                    .iter()
                    .rev()
                    .find(|step| step.1 > now && size - now + step.1 <= self.bytes),
            };
            let Some(&(format, bytes)) = other else { continue };
            size = size - now + bytes;
            formats.insert(tensor.name.clone(), format);
            if over && size <= self.bytes && rng.random_bool(0.5) {
                break;
            }
        }
        formats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan_model::sensitivity::measured::{Header, Line, Row, SCHEMA};
    use edgeplan_quality::engine::as_in_file;

    /// Of every tensor alone q3_K loses four times as much as q4_K, and six times q6_K's.
    fn sensed(model: &ModelSpec) -> MeasuredSensitivity {
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
        for tensor in chosen(model) {
            for (format, kl) in [(Format::Q3K, 0.04), (Format::Q4K, 0.01), (Format::Q6K, 0.002)] {
                let row = Row {
                    tensor: tensor.name.clone(),
                    format,
                    norm: None,
                    weight_difference: None,
                    variance: None,
                    kl_nats: Some(kl),
                    loss_change_nats: None,
                };
                text += &(serde_json::to_string(&Line::Row(row)).unwrap() + "\n");
            }
        }
        MeasuredSensitivity::parse("typed", &text).unwrap()
    }

    #[test]
    fn swaps_find_what_the_sum_does_not_tell_and_never_exceed_the_size() {
        let model = as_in_file(edgeplan_model::load("catalog:llama-3.2-1b").unwrap());
        let sensed = sensed(&model);
        let model = sensed.attach(model).unwrap();
        let start: Formats =
            chosen(&model).map(|tensor| (tensor.name.clone(), Format::Q4K)).collect();
        let bytes = apply::bytes(&model, &start);
        let polish = Polish { spec: &model, sensed: &sensed, bytes, swaps: 150 };
        // In truth keys matter ten times as much as was measured of them alone.
        let truth = |formats: &Formats| -> f64 {
            let of = |(name, format): (&String, &Format)| {
                let alone = sensed.divergence(name, *format).unwrap();
                if name.contains("attn_k") { 10.0 * alone } else { alone }
            };
            formats.iter().map(of).sum()
        };
        let mut calls = 0;
        let found = polish
            .run(&start, &mut |formats| {
                calls += 1;
                assert!(apply::bytes(&model, formats) <= bytes);
                Ok(truth(formats))
            })
            .unwrap();
        assert!(calls > 50, "{calls}");
        assert!(truth(&found) < 0.9 * truth(&start), "{} {}", truth(&found), truth(&start));
    }
}
