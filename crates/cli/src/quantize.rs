//! `edgeplan quantize`: the quantized GGUF file of a plan or a recipe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use anyhow::{Result, bail};
use edgeplan_files::deployment::PlannedModel;
use edgeplan_files::{to_json, write_atomic};
use edgeplan_model::ModelSpec;
use edgeplan_problem::recipe::FormatMix;
use edgeplan_quality::Checkpoint;
use edgeplan_quality::apply::{Formats, apply, bytes, from_mix, from_plan, write};
use edgeplan_quality::shards::{Quantized, planned_model, shards};

use crate::reply::{Reply, check_all};
use crate::watch;

/// A model, and how its matrices are to be stored.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    /// Plan file, then model (GGUF file or folder of safetensors); with --recipe, the model alone
    #[arg(required = true, num_args = 1..=2)]
    files: Vec<PathBuf>,
    /// Recipe in place of a plan: a base format and exceptions by tensor class, such as
    /// `q4_K+ffn_down:q6_K,output:q8_0`
    #[arg(long, value_parser = FormatMix::from_str)]
    recipe: Option<FormatMix>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    /// GGUF file to write
    #[arg(long)]
    out: PathBuf,
    /// Draw each weight anew within half a step of the format it is stored in, with this seed: for
    /// `--recipe f16`, where a model is only to be had quantized
    #[arg(long, value_name = "SEED", requires = "recipe")]
    dither: Option<u64>,
    /// Write tensors and bytes by device to this JSON file
    #[arg(long, conflicts_with = "recipe")]
    lists: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

impl Wanted {
    /// The model's file.
    pub(crate) fn model(&self) -> Result<&Path> {
        match (&self.files[..], &self.recipe) {
            ([model], Some(_)) | ([_, model], None) => Ok(model),
            ([_], None) => bail!("a plan or a --recipe is needed beside the model"),
            _ => bail!("either a plan or a --recipe is needed, not both"),
        }
    }

    /// The format of each matrix, and the plan if there is one.
    pub(crate) fn formats(&self, spec: &ModelSpec) -> Result<(Formats, Option<PlannedModel>)> {
        if let Some(mix) = &self.recipe {
            return Ok((from_mix(spec, mix)?, None));
        }
        let (file, plan) = planned_model(&self.files[0], spec)?;
        Ok((from_plan(&file, &plan, spec)?, Some(plan)))
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let Arguments { wanted, out, lists, .. } = arguments;
    let path = wanted.model()?;
    check_all([Some(out), lists.as_ref()])?;
    let spec = edgeplan_model::load(&path.display().to_string())?;
    let (formats, planned) = wanted.formats(&spec)?;
    let mut stored = spec.layers.iter().flat_map(|layer| &layer.tensors).map(|t| t.native);
    let was_quantized = stored.any(|stored| stored.is_some_and(|stored| stored.is_quantized()));
    let total = bytes(&spec, &formats);
    let bar = watch::bar(total, "{bytes}/{total_bytes} {elapsed}");
    let (trained, progress) = (BTreeMap::new(), |bytes| bar.inc(bytes));
    match arguments.dither {
        None => write(path, &formats, &trained, out, progress)?,
        Some(seed) => {
            let mut drawn = Checkpoint::open(path)?.drawn_anew(seed);
            apply(&mut drawn, &formats, &trained, out, progress)?;
        }
    }
    drop(bar);
    let made = edgeplan_model::load(&out.display().to_string())?;
    let devices = planned.map(|planned| shards(&planned, &made)).unwrap_or_default();
    if let Some(path) = lists {
        write_atomic(path, &to_json(&devices))?;
    }
    let quantized = Quantized::new(&made, total, devices, was_quantized);
    Ok(Reply::shown(arguments.json, &quantized))
}
