//! What kernels alone tell: formats and caches of which no whole pass was timed.

use std::collections::BTreeMap;

use edgeplan_problem::format::Format;

use super::curve::Curve;
use super::file::{EngineKernel, KernelTiming};
use super::model::Terms;
use crate::conformal::median;

/// Adds the formats and caches that `terms` lack, each as long as a format or cache that passes
/// timed, times the ratio of their kernels.
pub(super) fn fill(kernels: &[KernelTiming], terms: &mut Terms) {
    products(kernels, terms);
    caches(kernels, terms);
}

/// Kernels run on weights as stored.
fn products(kernels: &[KernelTiming], terms: &mut Terms) {
    let mut each: BTreeMap<Format, BTreeMap<u64, f64>> = BTreeMap::new();
    for KernelTiming { kernel, time } in kernels {
        if let EngineKernel::Product { format, rows, row_len, batch } = *kernel {
            let elements = rows as f64 * row_len as f64;
            each.entry(format).or_default().insert(batch, time.min_ns.as_f64() / elements);
        }
    }
    let timed: Vec<(Format, &Curve)> =
        each.keys().filter_map(|format| Some((*format, terms.curve(*format, true)?))).collect();
    // How much longer products take in a pass than alone, by rows.
    let mut longer: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (format, curve) in &timed {
        for (rows, alone) in &each[format] {
            longer.entry(*rows).or_default().push(curve.at(*rows) / alone);
        }
    }
    let missing: Vec<(Format, Curve)> = each
        .iter()
        .filter(|(format, _)| terms.curve(**format, true).is_none())
        .filter_map(|(format, alone)| {
            let points = alone.iter().filter_map(|(rows, nanos)| {
                let factor = median(longer.get(rows)?.clone())?;
                Some((*rows, nanos * factor))
            });
            Some((*format, Curve::new(points.collect())?.completed(timed.first()?.1)))
        })
        .collect();
    for (format, curve) in missing {
        terms.by_kernel.insert(format);
        terms.products.insert((format, true), curve);
    }
}

/// Attention over caches of other formats.
fn caches(kernels: &[KernelTiming], terms: &mut Terms) {
    let mut each: BTreeMap<(Format, bool), Vec<f64>> = BTreeMap::new();
    for KernelTiming { kernel, time } in kernels {
        let EngineKernel::Attention { batch, cache, .. } = *kernel else { continue };
        let plain = kernels.iter().find(|other| match (other.kernel, *kernel) {
            (
                EngineKernel::Attention { cache: Format::F16, .. },
                EngineKernel::Attention { heads, kv_heads, head_dim, context, batch, .. },
            ) => {
                let cache = Format::F16;
                other.kernel
                    == EngineKernel::Attention { heads, kv_heads, head_dim, context, batch, cache }
            }
            _ => false,
        });
        if let Some(plain) = plain.filter(|_| cache != Format::F16) {
            let ratio = time.min_ns.as_f64() / plain.time.min_ns.as_f64().max(1.0);
            each.entry((cache, batch > 1)).or_default().push(ratio);
        }
    }
    for ((cache, several), ratios) in each {
        let known = terms.attention.get(&(Format::F16, several)).copied();
        let found = known.zip(median(ratios)).map(|(known, ratio)| known.map(|one| one * ratio));
        if let Some(found) = found {
            terms.attention.entry((cache, several)).or_insert(found);
        }
    }
}
