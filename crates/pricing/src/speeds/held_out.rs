//! How far predictions are off on devices that the fit has not seen, by class.

use std::collections::BTreeSet;

use edgeplan_cost_model::median;
use edgeplan_files::InputError;
use edgeplan_machines::device::{Band, Class, Classes, Phase, Stage, holder};
use serde::Serialize;

use super::fit::{STAGES, Sample, efficiencies, is_within, names, samples};
use super::rows::PublicSpeed;

/// A class has bands of its own with so many rows, of so many machines.
const ROWS_MIN: usize = 10;
const MACHINES_MIN: usize = 2;

/// A public speed that was predicted without it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldOut {
    /// The device.
    pub device: String,
    /// Its class.
    pub class: String,
    /// The model.
    pub model: String,
    /// The format of its weights.
    pub format: String,
    /// Whether it is the speed of a prompt; of generated tokens otherwise.
    pub prefill: bool,
    /// Whether the model has experts.
    pub experts: bool,
    /// Whether other speeds of the device were known.
    pub known: bool,
    /// Tokens per second, as published.
    pub measured: f64,
    /// Tokens per second, as predicted.
    pub predicted: f64,
    #[serde(skip)]
    machine: String,
}

impl HeldOut {
    /// Measured over predicted.
    pub fn ratio(&self) -> f64 {
        self.measured / self.predicted
    }
}

/// Every row, predicted by efficiencies that are fitted without its machine: once as if nothing
/// had been published of it, and once more with what else was.
///
/// # Errors
/// A row that names what no catalog holds.
pub fn held_out(rows: &[PublicSpeed]) -> Result<Vec<HeldOut>, InputError> {
    let samples = samples(rows)?;
    let machines: BTreeSet<&str> = rows.iter().map(PublicSpeed::machine).collect();
    let mut found = Vec::new();
    for machine in machines {
        let (own, others): (Vec<_>, Vec<_>) =
            samples.iter().partition(|sample| sample.row.machine() == machine);
        let classes = efficiencies(&others)?;
        for sample in own {
            found.push(predicted(sample, false, sample.ratio(&sample.row.bare()?, &classes)?));
            if let Some(device) = sample.row.otherwise_known(sample.stage)? {
                found.push(predicted(sample, true, sample.ratio(&device, &classes)?));
            }
        }
    }
    Ok(found)
}

fn predicted(sample: &Sample<'_>, known: bool, ratio: f64) -> HeldOut {
    HeldOut {
        device: sample.row.device.clone(),
        class: sample.class.clone(),
        model: sample.row.model.clone(),
        format: sample.row.format.clone(),
        prefill: sample.stage == Stage::Prefill,
        experts: sample.experts,
        known,
        measured: sample.speed,
        predicted: sample.speed / ratio,
        machine: sample.row.machine().to_owned(),
    }
}

/// What is asked of the errors: a stage, of models with or without experts, on devices with
/// or without a published speed.
#[derive(Debug, Clone, Copy)]
struct Kind {
    stage: Stage,
    experts: bool,
    known: bool,
}

impl Kind {
    fn all() -> impl Iterator<Item = Self> {
        let of = |stage| [false, true].map(|experts| (stage, experts));
        let known = |(stage, experts)| [false, true].map(|known| Self { stage, experts, known });
        STAGES.into_iter().flat_map(of).flat_map(known)
    }

    fn has(self, row: &HeldOut) -> bool {
        row.prefill == (self.stage == Stage::Prefill)
            && row.experts == self.experts
            && row.known == self.known
    }

    fn phase(self, class: &mut Class) -> &mut Phase {
        match (self.stage, self.experts) {
            (Stage::Decode, false) => &mut class.decode,
            (Stage::Decode, true) => &mut class.experts_decode,
            (Stage::Prefill, false) => &mut class.prefill,
            (Stage::Prefill, true) => &mut class.experts_prefill,
        }
    }

    fn band(self, class: &mut Class) -> &mut Band {
        let known = self.known;
        let phase = self.phase(class);
        if known { &mut phase.known } else { &mut phase.derived }
    }
}

/// The classes that follow from these rows: efficiencies fitted to all of them, and bands of what
/// was held out.
///
/// # Errors
/// A row that names what no catalog holds.
pub fn fitted(rows: &[PublicSpeed], held_out: &[HeldOut]) -> Result<Classes, InputError> {
    let samples = samples(rows)?;
    let mut classes = efficiencies(&samples.iter().collect::<Vec<_>>())?;
    for class in &mut classes.class {
        for kind in Kind::all() {
            let name = class.name.clone();
            *kind.band(class) = band(held_out, &name, kind);
        }
    }
    Ok(classes)
}

/// The band of a class, or of the nearest one that holds it and has enough rows, as wide as the few
/// of the class itself ask for. Where all devices have too few, models with and without experts
/// count together.
fn band(rows: &[HeldOut], name: &str, kind: Kind) -> Band {
    let within = |row: &&HeldOut| is_within(&row.class, name);
    let mut of: Vec<&HeldOut> = rows.iter().filter(within).filter(|row| kind.has(row)).collect();
    let mut few = Vec::new();
    if of.len() < ROWS_MIN || machines(&of) < MACHINES_MIN {
        if let Some(wider) = holder(name) {
            let wider = band(rows, wider, kind);
            let (low, high) = ends(&of, (wider.low, wider.high));
            return Band { low, high, ..wider };
        }
        few.clone_from(&of);
        let other = Kind { experts: !kind.experts, ..kind };
        of.extend(rows.iter().filter(|row| other.has(row)));
    }
    let of_nine = nine_tenths(of.iter().map(|row| row.ratio()).collect());
    let (low, high) = ends(&few, (thousandths(of_nine.0, -5e-4), thousandths(of_nine.1, 5e-4)));
    Band { low, high, rows: of.len() as u32, devices: machines(&of) as u32, of: name.to_owned() }
}

/// Rounded away from the middle of a band.
fn thousandths(ratio: f64, outwards: f64) -> f64 {
    (1000.0 * (ratio + outwards)).round() / 1000.0
}

/// The ends of a band that is wide enough for these rows, too.
fn ends(rows: &[&HeldOut], band: (f64, f64)) -> (f64, f64) {
    rows.iter().fold(band, |(low, high), row| {
        (low.min(thousandths(row.ratio(), -5e-4)), high.max(thousandths(row.ratio(), 5e-4)))
    })
}

fn machines(rows: &[&HeldOut]) -> usize {
    rows.iter().map(|row| &row.machine).collect::<BTreeSet<_>>().len()
}

/// The range of the nine tenths of these ratios that are nearest to their median, by factors: of
/// many the quantiles at 5 and 95 %, of ten all but one.
fn nine_tenths(mut ratios: Vec<f64>) -> (f64, f64) {
    let middle = median(ratios.clone()).unwrap_or(1.0);
    let off = |ratio: &f64| (ratio / middle).ln().abs();
    ratios.sort_by(|a, b| off(a).total_cmp(&off(b)));
    ratios.truncate(ratios.len() - (ratios.len() + 5) / 10);
    let low = ratios.iter().copied().fold(middle, f64::min);
    let high = ratios.iter().copied().fold(middle, f64::max);
    (low, high)
}

/// Errors of one kind on devices of a class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Errors {
    /// The class; empty for all devices.
    pub class: String,
    /// Whether of prompts; of generated tokens otherwise.
    pub prefill: bool,
    /// Whether of models with experts.
    pub experts: bool,
    /// Whether another speed of the device was known.
    pub known: bool,
    /// Its efficiency: of dense models the part of the specification that is reached, of experts
    /// their rate over that of dense tensors.
    pub efficiency: f64,
    /// What starting the kernels of a layer takes, in microseconds.
    pub overhead_us: Option<f64>,
    /// Public speeds.
    pub rows: usize,
    /// Machines that they are of.
    pub machines: usize,
    /// The median of predicted over measured speeds, less one.
    pub error: f64,
    /// The median of these errors without their signs.
    pub median: f64,
    /// Nine of ten are at most so large, without their signs.
    pub ninetieth: f64,
    /// The band that plans show.
    pub band: Band,
    /// The part of the rows within the band.
    pub covered: f64,
}

/// What was held out, by class and kind, as far as there is anything.
pub fn errors(classes: &Classes, held_out: &[HeldOut]) -> Vec<Errors> {
    let mut found = Vec::new();
    for name in names() {
        let mut class = classes.of(&name).clone();
        for kind in Kind::all() {
            let of: Vec<&HeldOut> = held_out
                .iter()
                .filter(|row| is_within(&row.class, &name) && kind.has(row))
                .collect();
            let band = kind.band(&mut class).clone();
            let off: Vec<f64> = of.iter().map(|row| 1.0 / row.ratio() - 1.0).collect();
            let Some(error) = median(off.clone()) else { continue };
            let mut sizes: Vec<f64> = off.into_iter().map(f64::abs).collect();
            sizes.sort_by(f64::total_cmp);
            let inside = of.iter().filter(|row| (band.low..=band.high).contains(&row.ratio()));
            found.push(Errors {
                class: name.clone(),
                prefill: kind.stage == Stage::Prefill,
                experts: kind.experts,
                known: kind.known,
                efficiency: kind.phase(&mut class).efficiency,
                overhead_us: kind.phase(&mut class).overhead_us,
                rows: of.len(),
                machines: machines(&of),
                error,
                median: median(sizes.clone()).unwrap_or_default(),
                ninetieth: sizes[(9 * sizes.len()).div_ceil(10) - 1],
                covered: inside.count() as f64 / of.len() as f64,
                band,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use edgeplan_machines::device::classes;

    use super::super::public_speeds;
    use super::*;

    #[test]
    fn the_classes_of_this_build_follow_from_the_table() {
        let rows = public_speeds().unwrap();
        let held_out = held_out(&rows).unwrap();
        let fitted = fitted(&rows, &held_out).unwrap();
        assert_eq!(&fitted, classes(), "`edgeplan reproduce --speeds --out` writes them");
        // A little narrower, because ends are rounded outwards.
        let mut narrower = fitted.clone();
        for class in &mut narrower.class {
            for kind in Kind::all() {
                let band = kind.band(class);
                (band.low, band.high) = (band.low + 1e-3, band.high - 1e-3);
            }
        }
        let both = errors(&fitted, &held_out).into_iter().zip(errors(&narrower, &held_out));
        for (wide, narrow) in both {
            if wide.rows >= ROWS_MIN && wide.band.of == wide.class {
                assert!(wide.covered >= 0.85 && narrow.covered <= 0.95, "{wide:?}");
            }
        }
    }

    #[test]
    fn nine_of_ten_are_kept() {
        let ratios = vec![1.0, 1.1, 0.9, 1.2, 0.8, 3.0, 1.0, 1.05, 0.95, 1.15];
        assert_eq!(nine_tenths(ratios), (0.8, 1.2));
        assert_eq!(nine_tenths(Vec::new()), (1.0, 1.0));
    }
}
