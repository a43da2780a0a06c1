//! Plans beside llama.cpp's own mixes of the same size, all files by its quantizer with one
//! importance matrix, all measured by its `llama-perplexity` on one text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};

use anyhow::Result;
use edgeplan_files::InputError;
use edgeplan_model::sensitivity::measured::MeasuredSensitivity;
use edgeplan_model::{ModelSpec, gguf};
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;
use edgeplan_quality::apply::{self, Formats};
use edgeplan_quality::engine::splice::Parts;
use edgeplan_quality::engine::{EngineError, Judge, Programs, Verdict, Work, as_in_file};
use edgeplan_quality::fidelity::Excerpt;
use edgeplan_quality::sense::predicted;
use edgeplan_report::table::{Table, or_dash};
use serde::Serialize;

use crate::plans::Planner;
use crate::polish::Polish;

/// llama.cpp's own mixes of 2.6 to 5 bits, as llama-quantize names them.
pub const MIXES: [&str; 13] = [
    "IQ2_M", "Q2_K_S", "Q2_K", "IQ3_XXS", "IQ3_XS", "Q3_K_S", "IQ3_M", "Q3_K_M", "Q3_K_L",
    "IQ4_XS", "IQ4_NL", "Q4_K_S", "Q4_K_M",
];

/// What is compared, and how.
#[derive(Debug, Clone, Copy)]
pub struct Contest<'a> {
    /// llama.cpp's programs.
    pub programs: &'a Programs,
    /// Where files are made; its calibration text gives the importance matrix, and is what plans
    /// are polished on.
    pub work: &'a Work,
    /// The text that judges.
    pub excerpt: Excerpt<'a>,
    /// The text that plans are polished on.
    pub calibration: Excerpt<'a>,
    /// The sensitivity file.
    pub sensitivity: &'a MeasuredSensitivity,
    /// llama.cpp's mixes.
    pub mixes: &'a [String],
    /// Mixes that each plan may be polished with; 0 for none.
    pub swaps: usize,
}

/// One way to store the model, as measured. Field names are stable keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Bytes of all tensors.
    pub bytes: u64,
    /// Divergence on the text, in nats per token.
    pub kl_nats: f64,
    /// Its standard error over tokens.
    pub kl_error: f64,
    /// Change of the loss, in nats per token.
    pub loss_change_nats: f64,
    /// The divergence that `llama-perplexity --kl-divergence` prints itself; none where its last
    /// lines were lost.
    pub printed_kl_nats: Option<f64>,
}

/// A mix of llama.cpp's, and plans of at most its size. Field names are stable keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Match {
    /// llama.cpp's name of it.
    pub mix: String,
    /// The mix itself.
    pub own: Measured,
    /// The best of llama.cpp's mixes that are no larger, which may be itself.
    pub best: String,
    /// What the sensitivity file adds up to for the plan, in nats.
    pub predicted_kl_nats: Option<f64>,
    /// The plan; none where even the smallest is larger.
    pub plan: Option<Measured>,
    /// The plan after swaps that were measured on the calibration text.
    pub polished: Option<Measured>,
    /// The file of the plan, polished if it was, in the folder of work.
    pub file: Option<PathBuf>,
    /// Its formats by tensor.
    pub formats: BTreeMap<String, Format>,
}

/// A contest that was held. Field names are stable keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contested {
    /// The model.
    pub model: String,
    /// Its weights.
    pub parameters: u64,
    /// Tokens of the text, and of a window.
    pub tokens: u64,
    /// Tokens of a window, of which the second half is scored.
    pub context: u64,
    /// Loss of the float model, in nats per token.
    pub loss_nats: f64,
    /// By size.
    pub matches: Vec<Match>,
    /// Whether time or Ctrl-C ended it early.
    pub stopped: bool,
}

impl Contest<'_> {
    /// Holds it; `progress` is called with what is done next.
    ///
    /// # Errors
    /// Files that cannot be read, programs that fail, a solver whose answer contradicts itself.
    ///
    /// # Complexity
    /// A run of the model on the text for each mix and each plan, and one for each swap.
    pub fn run(&self, progress: &mut dyn FnMut(&str)) -> Result<Contested> {
        let model = &self.work.model.display().to_string();
        let spec = edgeplan_model::load(model)?;
        let sensed = self.sensitivity.as_in_file(&spec);
        let spec = sensed.attach(as_in_file(spec))?;
        progress("the float model");
        let judge = Judge::new(self.programs, self.work, self.excerpt)?;
        let loss = judge.measure(&self.work.model)?.original_loss;
        let mut contested = Contested {
            model: spec.name.clone(),
            parameters: spec.parameters(),
            tokens: judge.tokens(),
            context: self.excerpt.context as u64,
            loss_nats: loss,
            matches: Vec::new(),
            stopped: false,
        };
        let ring = Ring { contest: self, spec, sensed, judge };
        match ring.hold(&mut contested.matches, progress) {
            Ok(()) => {}
            Err(error) if matches!(error.downcast_ref(), Some(EngineError::Stopped)) => {
                contested.stopped = true;
            }
            Err(error) => return Err(error),
        }
        Ok(contested)
    }
}

struct Ring<'a> {
    contest: &'a Contest<'a>,
    spec: ModelSpec,
    sensed: MeasuredSensitivity,
    judge: Judge<'a>,
}

impl Ring<'_> {
    fn hold(&self, matches: &mut Vec<Match>, progress: &mut dyn FnMut(&str)) -> Result<()> {
        let Contest { programs, work, .. } = *self.contest;
        let mut owns = Vec::new();
        for mix in self.contest.mixes {
            progress(mix);
            let file = work.in_mix(programs, mix)?;
            owns.push((mix.clone(), self.judged(stored(&file)?, &file)?));
        }
        owns.sort_by_key(|(_, own)| own.bytes);
        for (mix, own) in &owns {
            let no_larger = owns.iter().filter(|(_, other)| other.bytes <= own.bytes);
            let best = no_larger.min_by(|a, b| a.1.kl_nats.total_cmp(&b.1.kl_nats));
            matches.push(Match {
                mix: mix.clone(),
                own: own.clone(),
                best: best.map_or_else(|| mix.clone(), |(best, _)| best.clone()),
                predicted_kl_nats: None,
                plan: None,
                polished: None,
                file: None,
                formats: BTreeMap::new(),
            });
        }
        let planner = Planner::among(self.spec.clone(), self.formats());
        let mut parts = self.parts()?;
        for found in &mut *matches {
            progress(&format!("a plan of the size of {}", found.mix));
            let Some(formats) = planner.within(found.own.bytes)? else { continue };
            found.predicted_kl_nats = predicted(&self.sensed, &formats);
            found.plan = Some(self.measured(&mut parts, found.file(work), &formats)?);
            found.formats = formats;
        }
        if self.contest.swaps == 0 {
            return Ok(());
        }
        let calibration = Judge::new(programs, work, self.contest.calibration)?;
        let (spec, sensed) = (&self.spec, &self.sensed);
        for found in matches.iter_mut().filter(|found| found.plan.is_some()) {
            let name = format!("swaps at the size of {}", found.mix);
            progress(&name);
            let trial = work.file("trial.gguf");
            let mut measure = |formats: &Formats| -> Result<f64> {
                progress(&name);
                parts.write(formats, &trial)?;
                Ok(calibration.measure(&trial)?.kl)
            };
            let polish = Polish { spec, sensed, bytes: found.own.bytes, swaps: self.contest.swaps };
            let better = polish.run(&found.formats, &mut measure)?;
            found.polished = Some(self.measured(&mut parts, found.file(work), &better)?);
            found.formats = better;
        }
        Ok(())
    }

    /// The formats of which anything was measured.
    fn formats(&self) -> Vec<Format> {
        let formats: BTreeSet<Format> = self.sensed.rows().iter().map(|row| row.format).collect();
        formats.into_iter().collect()
    }

    fn parts(&self) -> Result<Parts> {
        let Contest { programs, work, .. } = *self.contest;
        let file = |format: Format| -> Result<(Format, PathBuf)> {
            Ok((format, work.in_format(programs, &self.spec, format)?))
        };
        let files = self.formats().into_iter().map(file).collect::<Result<_>>()?;
        Ok(Parts::open(&work.model, &files)?)
    }

    fn measured(&self, parts: &mut Parts, file: &Path, formats: &Formats) -> Result<Measured> {
        parts.write(formats, file)?;
        self.judged(apply::bytes(&self.spec, formats), file)
    }

    fn judged(&self, bytes: u64, file: &Path) -> Result<Measured> {
        let Verdict { kl, kl_error, loss_change, .. } = self.judge.measure(file)?;
        let printed_kl_nats = self.judge.printed(file)?.map(|found| found.kl.mean);
        let loss_change_nats = loss_change;
        Ok(Measured { bytes, kl_nats: kl, kl_error, loss_change_nats, printed_kl_nats })
    }
}

/// Bytes of all tensors of a file.
fn stored(file: &Path) -> Result<u64, InputError> {
    Ok(gguf::read(file)?.tensors.iter().map(|tensor| tensor.bytes.0).sum())
}

impl Match {
    /// Where the file of its plan is from now on.
    fn file(&mut self, work: &Work) -> &Path {
        self.file.insert(work.file(&format!("plan-{}.gguf", self.mix)))
    }
}

impl Contested {
    fn best(&self, found: &Match) -> f64 {
        let best = self.matches.iter().find(|other| other.mix == found.best);
        best.map_or(f64::NAN, |best| best.own.kl_nats)
    }

    /// One line for each way to store the model.
    pub fn csv(&self) -> String {
        let mut text = "mix,series,bytes,kl_nats,kl_error,loss_change_nats,printed\n".to_owned();
        for found in &self.matches {
            let all = [("llama.cpp", Some(&found.own)), ("plan", found.plan.as_ref())];
            let all = all.into_iter().chain([("polished", found.polished.as_ref())]);
            for (series, measured) in all {
                let Some(one) = measured else { continue };
                let Measured { bytes, kl_nats, kl_error, loss_change_nats, .. } = one;
                let printed = or_dash(one.printed_kl_nats.map(|kl| format!("{kl:.6}")));
                text += &format!("{},{series},{bytes},{kl_nats:.6},", found.mix);
                text += &format!("{kl_error:.6},{loss_change_nats:.6},{printed}\n");
            }
        }
        text
    }
}

impl Display for Contested {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { model, parameters, tokens, context, loss_nats, .. } = self;
        writeln!(
            f,
            "{model} by llama.cpp on {tokens} tokens in windows of {context}: loss {loss_nats:.4} \
             nats per token\n"
        )?;
        let columns = [
            "llama.cpp's mix",
            "size>",
            "bits>",
            "divergence>",
            "best no larger>",
            "plan>",
            "predicted>",
            "less>",
            "polished>",
            "less>",
        ];
        let table = Table::new(columns).with_rows(self.matches.iter().map(|found| {
            let best = self.best(found);
            let kl = |one: &Option<Measured>| or_dash(one.as_ref().map(shown));
            let less = |one: &Option<Measured>| {
                let share = one.as_ref().map(|one| 100.0 * (1.0 - one.kl_nats / best));
                or_dash(share.map(|share| format!("{share:.0} %")))
            };
            [
                found.mix.clone(),
                Bytes(found.own.bytes).to_string(),
                format!("{:.2}", 8.0 * found.own.bytes as f64 / *parameters as f64),
                shown(&found.own),
                format!("{} {best:.4}", found.best),
                kl(&found.plan),
                or_dash(found.predicted_kl_nats.map(|kl| format!("{kl:.4}"))),
                less(&found.plan),
                kl(&found.polished),
                less(&found.polished),
            ]
        }));
        write!(f, "{table}")?;
        if self.stopped { writeln!(f, "\nstopped before all was measured") } else { Ok(()) }
    }
}

fn shown(one: &Measured) -> String {
    format!("{:.4} ± {:.4}", one.kl_nats, one.kl_error)
}
