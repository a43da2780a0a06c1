//! Sensitivity as llama.cpp has it: each tensor in each format alone, into the same kind of file as
//! this project's own survey writes, row by row, so that what is broken off goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use edgeplan_files::{InputError, read_text};
use edgeplan_model::sensitivity::measured::{
    CacheRow, Header, Line, MeasuredSensitivity, Mix, Routing, Row, SCHEMA,
};
use edgeplan_model::{ModelSpec, TensorSpec};
use edgeplan_problem::format::Format;

use super::mixes::mix_of;
use super::splice::Parts;
use super::variance::{Importance, WeightErrors};
use super::work::{fits, weighted};
use super::{EngineError, Judge, ORIGIN, Programs, Verdict, Work, as_in_file, chosen};
use crate::checkpoint::Checkpoint;
use crate::fidelity::Excerpt;
use crate::journal::{self, Journal};
use crate::sense;
use crate::survey::{Progress, Surveyed};

const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct EngineSurvey<'a> {
    /// llama.cpp's programs.
    pub programs: &'a Programs,
    /// Where files are made.
    pub work: &'a Work,
    /// The text.
    pub excerpt: Excerpt<'a>,
    /// Formats to measure.
    pub formats: &'a [Format],
    /// Formats in which the model is run; divergence in others is scaled from their error variance.
    pub probes: &'a [Format],
    /// Formats of the KV cache to measure, for keys, for values and for both.
    pub caches: &'a [Format],
    /// Random mixes to run of each size.
    pub mixes: u64,
    /// Sizes of these mixes, in bits per weight; mixes of any size if empty.
    pub bits: &'a [f64],
    /// The sensitivity file.
    pub out: &'a Path,
}

/// What was surveyed, and whether that is all.
#[derive(Debug)]
pub struct EngineSurveyed {
    /// The model and its file.
    pub surveyed: Surveyed,
    /// Whether time or Ctrl-C ended it before all was measured.
    pub stopped: bool,
}

/// What a survey works with.
struct Run<'a> {
    survey: &'a EngineSurvey<'a>,
    judge: Judge<'a>,
    /// The model as its file stores it.
    model: ModelSpec,
    spec: &'a ModelSpec,
    journal: Journal,
    known: BTreeSet<(String, Format)>,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl EngineSurvey<'_> {
    /// Measures what the file lacks.
    ///
    /// # Errors
    /// A model that is no GGUF file of floats, a text that is too short, a file of another model or
    /// text, a program that fails; time that is over before anything was measured.
    pub fn run(
        &self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<EngineSurveyed, EngineError> {
        let file = self.work.model.display().to_string();
        let spec = edgeplan_model::load(&file)?;
        sense::check(&spec, &file)?;
        let stopped = match self.measure(&spec, progress) {
            Ok(()) => false,
            Err(EngineError::Stopped) if self.out.exists() => true,
            Err(error) => return Err(error),
        };
        let out = self.out.display().to_string();
        let sensed = MeasuredSensitivity::parse(&out, &read_text(self.out)?)?;
        Ok(EngineSurveyed { surveyed: Surveyed { spec, sensed }, stopped })
    }

    fn measure(
        &self,
        spec: &ModelSpec,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), EngineError> {
        let Excerpt { text, tokens, context } = self.excerpt;
        let header = Header {
            schema: SCHEMA.into(),
            model: spec.name.clone(),
            source: text.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            tokens: (tokens / context * context) as u64,
            context: context as u64,
            loss_nats: None,
            origin: Some(ORIGIN.into()),
        };
        let sensed = journal::read(self.out, &header)?;
        progress(Progress::Original(1));
        let judge = Judge::new(self.programs, self.work, self.excerpt)?;
        let loss = match &sensed {
            Some(sensed) => sensed.header.loss_nats,
            None => Some(judge.measure(&self.work.model)?.original_loss),
        };
        progress(Progress::Done);
        let journal = Journal::open(self.out, &Header { loss_nats: loss, ..header })?;
        let rows = sensed.iter().flat_map(|sensed| sensed.rows());
        let known = rows.map(|row| (row.tensor.clone(), row.format)).collect();
        let model = as_in_file(spec.clone());
        let mut run = Run { survey: self, judge, model, spec, journal, known, progress };
        let importance = Importance::read(&self.work.importance(self.programs)?)?;
        run.routings(&importance, sensed.as_ref().map_or(&[], |sensed| &sensed.routings))?;
        run.rows(&importance)?;
        run.caches(sensed.as_ref().map_or(&[], |sensed| &sensed.caches))?;
        run.mixes()
    }
}

/// A tensor in a format in which the model is to be run.
struct Probe {
    tensor: String,
    format: Format,
    errors: WeightErrors,
}

impl Run<'_> {
    /// Writes how often experts are used, as far as the file lacks it.
    fn routings(&mut self, importance: &Importance, known: &[Routing]) -> Result<(), EngineError> {
        let blocks = self.model.layers.iter().filter_map(|layer| layer.part.block());
        for block in blocks.map(|block| block as u64) {
            let Some(routed) = importance.routed(block) else { continue };
            if known.iter().all(|known| known.block != block) {
                self.journal.add(&Line::Routing(Routing { block, routed }))?;
            }
        }
        Ok(())
    }

    fn rows(&mut self, importance: &Importance) -> Result<(), EngineError> {
        let (programs, work) = (self.survey.programs, self.survey.work);
        let weighted = weighted(&work.importance(programs)?)?;
        let missing = |format: Format| -> Vec<TensorSpec> {
            let lacks = |tensor: &&TensorSpec| !self.is_known(&tensor.name, format);
            let fitting = chosen(&self.model).filter(|tensor| fits(&weighted, tensor, format));
            fitting.filter(lacks).cloned().collect()
        };
        let wanted: Vec<(Format, Vec<TensorSpec>)> = (self.survey.formats.iter())
            .map(|&format| (format, missing(format)))
            .filter(|(_, tensors)| !tensors.is_empty())
            .collect();
        (self.progress)(Progress::Tensors(wanted.iter().map(|(_, tensors)| tensors.len()).sum()));
        let mut probes: BTreeMap<Format, Vec<Probe>> = BTreeMap::new();
        for (format, tensors) in wanted {
            let errors = self.weight_errors(importance, format, &tensors)?;
            for (tensor, errors) in tensors.into_iter().zip(errors) {
                let tensor = tensor.name;
                match self.survey.probes.contains(&format) && errors.difference > 0.0 {
                    true => {
                        probes.entry(format).or_default().push(Probe { tensor, format, errors });
                    }
                    false => self.add(&Probe { tensor, format, errors }, None)?,
                }
            }
        }
        // In the order that was asked for: the first of them tells something of every tensor.
        for format in self.survey.probes {
            let Some(probes) = probes.remove(format) else { continue };
            let mut parts = self.parts(&[*format].into())?;
            for probe in probes {
                let formats = BTreeMap::from([(probe.tensor.clone(), probe.format)]);
                let verdict = self.run_mix(&mut parts, &formats)?;
                self.add(&probe, Some(verdict))?;
            }
        }
        Ok(())
    }

    /// Whether all rows that a tensor of the file stands for are there.
    fn is_known(&self, tensor: &str, format: Format) -> bool {
        self.uses(tensor).iter().all(|name| self.known.contains(&((*name).to_owned(), format)))
    }

    /// What a tensor of the file is for plans.
    fn uses<'t>(&self, tensor: &'t str) -> Vec<&'t str> {
        if self.spec.tied && tensor == EMBEDDING { vec![EMBEDDING, HEAD] } else { vec![tensor] }
    }

    fn weight_errors(
        &self,
        importance: &Importance,
        format: Format,
        tensors: &[TensorSpec],
    ) -> Result<Vec<WeightErrors>, EngineError> {
        let (programs, work) = (self.survey.programs, self.survey.work);
        let file = work.in_format(programs, &self.model, format)?;
        let widened = work.widen(programs, &file)?;
        let (mut original, mut student) =
            (Checkpoint::open(&work.model)?, Checkpoint::open(&widened)?);
        let errors = tensors
            .iter()
            .map(|tensor| importance.errors(tensor, [&mut original, &mut student]))
            .collect::<Result<_, _>>()?;
        // Large, and made again where it is needed.
        let _ = std::fs::remove_file(widened);
        Ok(errors)
    }

    fn parts(&self, formats: &BTreeSet<Format>) -> Result<Parts, EngineError> {
        let (programs, work) = (self.survey.programs, self.survey.work);
        let file = |&format: &Format| -> Result<(Format, PathBuf), EngineError> {
            Ok((format, work.in_format(programs, &self.model, format)?))
        };
        let files = formats.iter().map(file).collect::<Result<_, _>>()?;
        Ok(Parts::open(&work.model, &files)?)
    }

    fn run_mix(
        &self,
        parts: &mut Parts,
        formats: &BTreeMap<String, Format>,
    ) -> Result<Verdict, EngineError> {
        let file = self.survey.work.file("trial.gguf");
        parts.write(formats, &file)?;
        self.judge.measure(&file)
    }

    /// Writes the rows of a probe. What a tied tensor loses is shared between its two uses.
    fn add(&mut self, probe: &Probe, verdict: Option<Verdict>) -> Result<(), EngineError> {
        let Probe { tensor, format, errors } = probe;
        let uses = self.uses(tensor);
        let share = |value: f64| value / uses.len() as f64;
        let exact = (errors.difference == 0.0).then_some(0.0);
        for &name in &uses {
            if !self.known.insert((name.to_owned(), *format)) {
                continue;
            }
            self.journal.add(&Line::Row(Row {
                tensor: name.into(),
                format: *format,
                norm: Some(errors.norm),
                weight_difference: Some(errors.difference),
                variance: Some(errors.variance),
                kl_nats: verdict.map(|found| share(found.kl)).or(exact),
                loss_change_nats: verdict.map(|found| share(found.loss_change)).or(exact),
            }))?;
        }
        (self.progress)(Progress::Done);
        Ok(())
    }

    /// Measures the caches that the file lacks, on the float model.
    fn caches(&mut self, known: &[CacheRow]) -> Result<(), EngineError> {
        let one =
            |&format: &Format| [[format, format], [format, Format::F16], [Format::F16, format]];
        for [keys, values] in self.survey.caches.iter().flat_map(one) {
            if known.iter().any(|row| (row.keys, row.values) == (keys, values)) {
                continue;
            }
            let found = self.judge.measure_cache(&self.survey.work.model, [keys, values])?;
            let (kl_nats, loss_change_nats) = (found.kl, found.loss_change);
            self.journal.add(&Line::Cache(CacheRow { keys, values, kl_nats, loss_change_nats }))?;
        }
        Ok(())
    }

    /// Measures the random mixes that the file lacks.
    fn mixes(&mut self) -> Result<(), EngineError> {
        let EngineSurvey { bits, mixes, out, .. } = *self.survey;
        let sizes: Vec<Option<f64>> = match bits.is_empty() {
            true => vec![None],
            false => bits.iter().copied().map(Some).collect(),
        };
        let sensed = MeasuredSensitivity::parse(&out.display().to_string(), &read_text(out)?)?;
        let sensed = sensed.as_in_file(self.spec);
        let has = |number: u64, size| {
            sensed.mixes.iter().any(|mix| (mix.mix, mix.bits) == (number, size))
        };
        // One of each size, then the next of each.
        let wanted: Vec<(u64, Option<f64>)> = (0..mixes)
            .flat_map(|number| sizes.iter().map(move |&size| (number, size)))
            .filter(|&(number, size)| !has(number, size))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let formats = sensed.rows().iter().map(|row| row.format).collect();
        let mut parts = self.parts(&formats)?;
        (self.progress)(Progress::Mixes(wanted.len()));
        for (number, size) in wanted {
            let mix = mix_of(&sensed, &self.model, number, size);
            let Verdict { kl, loss_change, .. } = self.run_mix(&mut parts, &mix)?;
            let (kl_nats, loss_change_nats) = (kl, loss_change);
            let mix = Mix { mix: number, bits: size, kl_nats, loss_change_nats };
            self.journal.add(&Line::Mix(mix))?;
            (self.progress)(Progress::Done);
        }
        Ok(())
    }
}

/// Refuses sizes that no mix has.
///
/// # Errors
/// A size that is not above 0 and below 32 bits per weight.
pub fn check_bits(bits: &[f64]) -> Result<(), InputError> {
    match bits.iter().find(|bits| !(**bits > 0.0 && **bits <= 32.0)) {
        None => Ok(()),
        Some(wrong) => {
            let problem =
                format!("{wrong:?}; more than 0 and at most 32 bits per weight are allowed");
            Err(InputError::key("arguments", "bits", problem))
        }
    }
}
