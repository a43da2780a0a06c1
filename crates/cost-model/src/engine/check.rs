//! What a profile of an engine must hold.

use std::collections::BTreeSet;

use super::file::{BenchModel, ENGINE_SCHEMA, EngineKernel, EngineProfile, Pass, Spread};
use crate::check::{FitError, MOST, check_machine, within};

/// Counts of a shape; products of two are weights.
const SHAPE_MOST: u64 = 1 << 24;
/// More cells or models than this come from no measurement of a few minutes.
const CELLS_MOST: usize = 2_000;
const MODELS_MOST: usize = 128;

impl EngineProfile {
    /// Checks every number, and that passes are of models that are there.
    ///
    /// # Errors
    /// The first one that is out of range, or a model that is not there.
    pub fn check(&self) -> Result<(), FitError> {
        within("schema".into(), self.schema.into(), ENGINE_SCHEMA.into(), ENGINE_SCHEMA.into())?;
        check_machine(&self.machine)?;
        let counts = [
            ("models", self.models.len(), MODELS_MOST),
            ("passes", self.passes.len(), CELLS_MOST),
            ("kernels", self.kernels.len(), CELLS_MOST),
        ];
        for (key, count, most) in counts {
            if count > most {
                let problem = format!("{count}; up to {most} are allowed");
                return Err(FitError { key: key.into(), problem });
            }
        }
        let mut names = BTreeSet::new();
        for (index, model) in self.models.iter().enumerate() {
            check_model(model, &format!("models[{index}]"))?;
            if !names.insert(model.name.as_str()) {
                let problem = format!("`{}` twice; every model needs its own name", model.name);
                return Err(FitError { key: format!("models[{index}].name"), problem });
            }
        }
        for (index, one) in self.passes.iter().enumerate() {
            let path = format!("passes[{index}]");
            check_pass(&one.pass, &path, &names)?;
            check_time(&one.time, &path)?;
        }
        for (index, one) in self.kernels.iter().enumerate() {
            check_kernel(&one.kernel, &format!("kernels[{index}]"))?;
            check_time(&one.time, &format!("kernels[{index}]"))?;
        }
        Ok(())
    }
}

fn check_model(model: &BenchModel, path: &str) -> Result<(), FitError> {
    let numbers = [
        ("layers", model.layers),
        ("hidden", model.hidden),
        ("heads", model.heads),
        ("kv-heads", model.kv_heads),
        ("head-dim", model.head_dim),
    ];
    for (key, value) in numbers {
        within(format!("{path}.{key}"), value, 1, SHAPE_MOST)?;
    }
    if model.weights.is_empty() {
        let problem = "none; a model has weights".into();
        return Err(FitError { key: format!("{path}.weights"), problem });
    }
    for (index, weights) in model.weights.iter().enumerate() {
        let key = |name: &str| format!("{path}.weights[{index}].{name}");
        within(key("elements"), weights.elements, 1, MOST)?;
        if let Some(share) = weights.experts {
            within(key("experts.of"), share.of, 1, SHAPE_MOST)?;
            within(key("experts.used"), share.used, 1, share.of)?;
        }
    }
    Ok(())
}

fn check_pass(pass: &Pass, path: &str, models: &BTreeSet<&str>) -> Result<(), FitError> {
    if !models.contains(pass.model.as_str()) {
        let known: Vec<&str> = models.iter().copied().collect();
        let problem = format!("`{}`; these are there: {}", pass.model, known.join(", "));
        return Err(FitError { key: format!("{path}.pass.model"), problem });
    }
    let numbers = [("rows", pass.rows, 1), ("depth", pass.depth, 0), ("passes", pass.passes, 1)];
    for (key, value, least) in numbers {
        within(format!("{path}.pass.{key}"), value, least, SHAPE_MOST)?;
    }
    Ok(())
}

fn check_time(time: &Spread, path: &str) -> Result<(), FitError> {
    within(format!("{path}.time.min-ns"), time.min_ns.0, 1, MOST)?;
    within(format!("{path}.time.median-ns"), time.median_ns.0, time.min_ns.0, MOST)?;
    within(format!("{path}.time.mad-ns"), time.mad_ns.0, 0, MOST)?;
    within(format!("{path}.time.repeats"), time.repeats.into(), 1, u32::MAX.into())
}

fn check_kernel(kernel: &EngineKernel, path: &str) -> Result<(), FitError> {
    let numbers = match *kernel {
        EngineKernel::Product { rows, row_len, batch, .. } => {
            vec![("rows", rows), ("row-len", row_len), ("batch", batch)]
        }
        EngineKernel::Experts { used, of, rows, row_len, batch, .. } => {
            vec![("used", used), ("of", of), ("rows", rows), ("row-len", row_len), ("batch", batch)]
        }
        EngineKernel::Attention { heads, kv_heads, head_dim, context, batch, .. } => vec![
            ("heads", heads),
            ("kv-heads", kv_heads),
            ("head-dim", head_dim),
            ("context", context),
            ("batch", batch),
        ],
        EngineKernel::Copy { elements, .. } => vec![("elements", elements)],
    };
    let mut numbers = numbers.into_iter();
    numbers.try_for_each(|(key, value)| within(format!("{path}.kernel.{key}"), value, 1, MOST))
}
