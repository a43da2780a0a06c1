//! A survey of a model's sensitivity: every tensor in every format, into a file that grows row by
//! row, so that an interrupted survey goes on where it ended.

use std::collections::BTreeSet;
use std::fmt::{Display, Formatter};
use std::ops::Range;
use std::path::Path;

use edgeplan_files::{InputError, read_text};
use edgeplan_model::sensitivity::measured::{
    CacheRow, Header, Line, MeasuredSensitivity, Mix, SCHEMA,
};
use edgeplan_model::{ModelSpec, TensorClass};
use edgeplan_problem::format::Format;
use edgeplan_reference_llama::LlamaError;
use edgeplan_report::table::{Table, or_dash};
use serde::Serialize;

use crate::additivity::Additivity;
use crate::engine::as_in_file;
use crate::engine::mixes::mix_of;
use crate::fidelity::Excerpt;
use crate::journal::{self, Journal};
use crate::measure::Reference;
use crate::routing::{ExpertsOfBlock, experts_by_block, experts_table};
use crate::sense::{self, Trial, predicted, sense, sense_mix, trials};
use crate::text::Text;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Survey<'a> {
    /// The unquantized model: a GGUF file, or a folder of safetensors.
    pub model: &'a Path,
    /// The text.
    pub excerpt: Excerpt<'a>,
    /// Formats to measure.
    pub formats: &'a [Format],
    /// Formats in which the model is run; divergence in others is scaled from their error variance.
    pub probes: &'a [Format],
    /// Random format mixes to run in all.
    pub mixes: u64,
    /// The file.
    pub out: &'a Path,
}

/// Progress of a survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The original runs over so many pieces of text.
    Original(usize),
    /// So many tensors in a format are measured.
    Tensors(usize),
    /// So many random mixes are measured.
    Mixes(usize),
    /// One of them is done.
    Done,
}

/// A model's sensitivity, as far as it is measured.
#[derive(Debug)]
pub struct Surveyed {
    /// The model.
    pub spec: ModelSpec,
    /// Its file.
    pub sensed: MeasuredSensitivity,
}

/// What a file still lacks.
struct Missing {
    trials: Vec<Trial>,
    /// Numbers of random mixes.
    mixes: Range<u64>,
    /// Blocks of whose experts it is known how often they are used.
    routed: BTreeSet<u64>,
}

impl Survey<'_> {
    /// Measures what the file lacks, a row at a time.
    ///
    /// # Errors
    /// A model or text that cannot be read or run; a file of another model or text; nothing to
    /// measure.
    pub fn run(&self, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Surveyed, LlamaError> {
        let Excerpt { text, tokens, context } = self.excerpt;
        let file = self.model.display().to_string();
        let spec = edgeplan_model::load(&file)?;
        sense::check(&spec, &file)?;
        let pieces = Text::read(text, self.model)?.pieces(tokens, context)?;
        let tokens: usize = pieces.iter().map(|piece| piece.tokens.elem_count()).sum();
        let header = Header {
            schema: SCHEMA.into(),
            model: spec.name.clone(),
            source: text.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            tokens: tokens as u64,
            context: context as u64,
            loss_nats: None,
            origin: None,
        };
        let known = journal::read(self.out, &header)?;
        let wanted = trials(&spec, self.formats, self.probes).into_iter();
        let is_known = |trial: &Trial| known.as_ref().is_some_and(|known| trial.is_in(known));
        let trials: Vec<Trial> = wanted.filter(|trial| !is_known(trial)).collect();
        let measured = known.as_ref().map_or(0, |known| known.mixes.len() as u64);
        let routings = known.iter().flat_map(|known| &known.routings);
        let routed = routings.map(|routing| routing.block).collect();
        let missing = Missing { trials, mixes: measured..self.mixes.max(measured), routed };
        if !missing.trials.is_empty() || !missing.mixes.is_empty() {
            let original = crate::load(self.model, context)?;
            progress(Progress::Original(pieces.len()));
            let done = &mut || progress(Progress::Done);
            let reference = Reference::new(&original, pieces, original.kept_max(), done)?;
            let header = Header { loss_nats: Some(reference.loss), ..header };
            self.measure(&reference, &header, missing, progress)?;
        }
        let out = self.out.display().to_string();
        if !self.out.exists() {
            return Err(InputError::file(out, "nothing was measured").into());
        }
        Ok(Surveyed { spec, sensed: MeasuredSensitivity::parse(&out, &read_text(self.out)?)? })
    }

    /// Measures what is missing, a line each.
    fn measure(
        &self,
        reference: &Reference<'_>,
        header: &Header,
        Missing { trials, mixes, routed }: Missing,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), LlamaError> {
        let mut journal = Journal::open(self.out, header)?;
        progress(Progress::Tensors(trials.len()));
        sense(reference, &trials, &mut |line| {
            match &line {
                Line::Routing(found) if routed.contains(&found.block) => return Ok(()),
                Line::Row(_) => progress(Progress::Done),
                _ => {}
            }
            journal.add(&line)
        })?;
        let sensed =
            MeasuredSensitivity::parse(&self.out.display().to_string(), &read_text(self.out)?)?;
        progress(Progress::Mixes((mixes.end - mixes.start) as usize));
        for number in mixes {
            journal.add(&Line::Mix(sense_mix(reference, &sensed, number)?))?;
            progress(Progress::Done);
        }
        Ok(())
    }
}

/// A surveyed model. Field names are stable keys.
#[derive(Serialize)]
struct SurveyedKeys<'a> {
    model: &'a str,
    rows: usize,
    mixes: Vec<MixKeys>,
    sizes: Vec<SizeKeys>,
    experts: Vec<ExpertsOfBlock>,
    rank_correlation: Option<f64>,
    median_error: Option<f64>,
    calibrated_median_error: Option<f64>,
    scale: Option<f64>,
    power: Option<f64>,
}

#[derive(Serialize)]
struct MixKeys {
    predicted_nats: f64,
    measured_nats: f64,
}

/// Mixes of one size.
#[derive(Serialize)]
struct SizeKeys {
    bits_per_weight: f64,
    mixes: usize,
    rank_correlation: f64,
    median_error: f64,
    calibrated_median_error: f64,
}

impl Surveyed {
    /// Each random mix: its bits per weight where it was drawn for a size, and its divergence in
    /// nats, predicted by adding up and measured.
    fn mixes(&self) -> Vec<(Option<f64>, (f64, f64))> {
        let sensed = &self.sensed;
        let by_engine = sensed.header.origin.is_some();
        let joined =
            by_engine.then(|| (sensed.as_in_file(&self.spec), as_in_file(self.spec.clone())));
        let pair = |mix: &Mix| {
            let predicted = match &joined {
                Some((sensed, spec)) => predicted(sensed, &mix_of(sensed, spec, mix.mix, mix.bits)),
                None => predicted(sensed, &sense::mix(sensed, mix.mix)),
            };
            Some((mix.bits, (predicted?, mix.kl_nats)))
        };
        sensed.mixes.iter().filter_map(pair).collect()
    }

    /// How additive divergence is over mixes of each size, smallest first.
    fn by_size(&self) -> Vec<(f64, Additivity)> {
        let mixes = self.mixes();
        let mut sizes: Vec<f64> = mixes.iter().filter_map(|(bits, _)| *bits).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let of = |bits: f64| {
            let pairs = mixes.iter().filter(|(known, _)| *known == Some(bits));
            Some((bits, Additivity::of(&pairs.map(|(_, pair)| *pair).collect::<Vec<_>>())?))
        };
        sizes.into_iter().filter_map(of).collect()
    }

    /// The survey for programs, under stable keys.
    pub fn keys(&self) -> impl Serialize {
        let pairs: Vec<(f64, f64)> = self.mixes().into_iter().map(|(_, pair)| pair).collect();
        let found = Additivity::of(&pairs);
        let size = |(bits_per_weight, found): (f64, Additivity)| SizeKeys {
            bits_per_weight,
            mixes: found.mixes,
            rank_correlation: found.rank_correlation,
            median_error: found.error,
            calibrated_median_error: found.calibrated_error,
        };
        let key = |(predicted_nats, measured_nats)| MixKeys { predicted_nats, measured_nats };
        SurveyedKeys {
            model: &self.sensed.header.model,
            rows: self.sensed.rows().len(),
            mixes: pairs.into_iter().map(key).collect(),
            sizes: self.by_size().into_iter().map(size).collect(),
            experts: experts_by_block(&self.sensed, &self.spec),
            rank_correlation: found.map(|found| found.rank_correlation),
            median_error: found.map(|found| found.error),
            calibrated_median_error: found.map(|found| found.calibrated_error),
            scale: found.map(|found| found.scale),
            power: found.map(|found| found.power),
        }
    }

    /// What KV caches lose, a line each.
    fn write_caches(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        for row in &self.sensed.caches {
            let CacheRow { keys, values, kl_nats, loss_change_nats } = row;
            write!(f, "\nKV cache, keys {keys}, values {values}: {kl_nats:.6} nats")?;
            write!(f, ", loss {loss_change_nats:+.6}")?;
        }
        if self.sensed.caches.is_empty() { Ok(()) } else { writeln!(f) }
    }

    /// Sums over tensors by class and format.
    fn sums(&self) -> Table {
        let mut formats: Vec<Format> = self.sensed.rows().iter().map(|row| row.format).collect();
        formats.sort();
        formats.dedup();
        let names = formats.iter().map(|format| format!("{format}>"));
        let mut table = Table::new(std::iter::once("nats, summed over".to_owned()).chain(names));
        for class in TensorClass::MATRICES {
            let tensors: Vec<&str> = (self.spec.layers.iter().flat_map(|layer| &layer.tensors))
                .filter(|tensor| tensor.class == class && tensor.quantizable)
                .map(|tensor| tensor.name.as_str())
                .collect();
            if tensors.is_empty() {
                continue;
            }
            let sums = formats.iter().map(|&format| {
                let divergences = tensors.iter().map(|t| self.sensed.divergence(t, format));
                or_dash(divergences.sum::<Option<f64>>().map(|sum| format!("{sum:.5}")))
            });
            table.row(std::iter::once(class.name().to_owned()).chain(sums));
        }
        table
    }
}

impl Display for Surveyed {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Header { model, source, tokens, loss_nats, .. } = &self.sensed.header;
        let loss = loss_nats.map(|loss| format!(", loss {loss:.4} nats")).unwrap_or_default();
        writeln!(f, "{model} on {tokens} tokens of {source}{loss}\n\n{}", self.sums())?;
        self.write_caches(f)?;
        if let Some(table) = experts_table(&experts_by_block(&self.sensed, &self.spec)) {
            writeln!(f, "\n{table}")?;
        }
        let pairs: Vec<(f64, f64)> = self.mixes().into_iter().map(|(_, pair)| pair).collect();
        let Some(found) = Additivity::of(&pairs) else { return Ok(()) };
        writeln!(
            f,
            "\n{} random mixes, divergence predicted by adding up and measured:\n\
             rank correlation {:.4}, median error {:.1} %, calibrated ({:.3} sum^{:.3}) {:.1} %",
            found.mixes,
            found.rank_correlation,
            100.0 * found.error,
            found.scale,
            found.power,
            100.0 * found.calibrated_error
        )?;
        let sizes = self.by_size();
        if sizes.is_empty() {
            return Ok(());
        }
        let names = ["bits per weight>", "mixes>", "rank correlation>", "error>", "calibrated>"];
        let table = Table::new(names).with_rows(sizes.into_iter().map(|(bits, found)| {
            [
                bits.to_string(),
                found.mixes.to_string(),
                format!("{:.4}", found.rank_correlation),
                format!("{:.1} %", 100.0 * found.error),
                format!("{:.1} %", 100.0 * found.calibrated_error),
            ]
        }));
        writeln!(f, "\n{table}")
    }
}
