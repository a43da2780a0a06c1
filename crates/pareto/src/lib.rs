//! Bits for loss. DILEMMA (arXiv:2503.01704) bounds what a student loses while it chooses bits.
//! Here a sweep of bounds in several measures is planned to the least memory, and each
//! plan is measured, beside uniform formats.

pub mod contest;
mod front;
mod picture;
mod plans;
mod polish;
pub mod recipes;

use anyhow::Result;
use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::measured::MeasuredSensitivity;
use edgeplan_problem::format::Format;
use edgeplan_quality::apply::{self, Formats};
use edgeplan_quality::sense::{predicted, run_mix};
use edgeplan_quality::{Distance, Reference};

pub use self::front::Front;
use self::plans::{Measure, Planner};

/// A format of each tensor, its size, and its measured loss.
#[derive(Debug, Clone)]
pub struct Point {
    /// Which curve it is on.
    pub series: &'static str,
    /// Which point of it.
    pub what: String,
    formats: Formats,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// Bits of all tensors over those of 32 per parameter.
    pub ratio: f64,
    /// What the sensitivity file adds up to, in nats.
    pub predicted: f64,
    /// Divergence and loss, as measured.
    pub measured: Distance,
}

/// What is compared.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    /// Budgets of each measure; 0 compares uniform formats with plans of their size and of their
    /// divergence only.
    pub budgets: usize,
    /// Uniform formats; all that were measured if empty.
    pub uniform: Vec<Format>,
}

const UNIFORM: &str = "uniform";
const SAME_SIZE: &str = "plan, no larger";
const SAME_LOSS: &str = "plan, no worse";

/// Plans and measures a sweep; `progress` is called for every plan that was measured, and the sweep
/// ends with what it has where it answers false. `spec` must carry what `sensed` measured of it.
///
/// # Errors
/// A model that cannot be run, or a solver whose answer contradicts itself.
///
/// # Complexity
/// A run of the model on the reference's text per point, and a plan or several.
pub fn points(
    spec: &ModelSpec,
    sensed: &MeasuredSensitivity,
    reference: &Reference<'_>,
    sweep: &Sweep,
    progress: &mut dyn FnMut() -> bool,
) -> Result<Vec<Point>> {
    let points = Vec::new();
    let mut trade = Trade { spec, sensed, reference, points, progress, goes_on: true };
    trade.measure(sweep)?;
    Ok(trade.points)
}

/// Points in the making.
struct Trade<'a, 'r> {
    spec: &'a ModelSpec,
    sensed: &'a MeasuredSensitivity,
    reference: &'a Reference<'r>,
    points: Vec<Point>,
    progress: &'a mut dyn FnMut() -> bool,
    goes_on: bool,
}

impl Trade<'_, '_> {
    fn measure(&mut self, sweep: &Sweep) -> Result<()> {
        let planner = Planner::new(self.spec.clone());
        let known = planner.uniform_formats();
        let wanted = |format: &Format| sweep.uniform.is_empty() || sweep.uniform.contains(format);
        for format in known.iter().copied().filter(wanted) {
            if !self.goes_on {
                return Ok(());
            }
            let formats = apply::from_mix(self.spec, &format.into())?;
            let uniform = self.point(UNIFORM, format.to_string(), formats)?;
            if uniform.measured.kl <= 0.0 {
                continue;
            }
            let name = format.to_string();
            if let Some(formats) = planner.within(uniform.bytes)? {
                self.point(SAME_SIZE, name.clone(), formats)?;
            }
            self.no_worse(&planner, &uniform)?;
        }
        for measure in Measure::ALL {
            let budgets = planner.budgets(measure, &known, sweep.budgets)?;
            for (number, budget) in budgets.into_iter().enumerate() {
                if !self.goes_on {
                    return Ok(());
                }
                let Some(formats) = planner.plan(measure, budget)? else { continue };
                self.point(measure.series(), format!("{}: {budget:.3e}", number + 1), formats)?;
            }
        }
        Ok(())
    }

    /// The smallest plan that diverges no more than that uniform format, as measured. What adds up
    /// to as much may diverge more; then less is asked for.
    fn no_worse(&mut self, planner: &Planner, uniform: &Point) -> Result<()> {
        // A little more, because budgets are rounded to billionths.
        let mut budget = uniform.predicted * 1.000_001 + 1e-8;
        for _ in 0..6 {
            let Some(formats) = planner.plan(Measure::Divergence, budget)? else { break };
            let measured = self.run(&formats)?;
            if measured.kl <= uniform.measured.kl {
                self.point(SAME_LOSS, uniform.what.clone(), formats)?;
                break;
            }
            budget *= (0.98 * uniform.measured.kl / measured.kl).min(0.95);
        }
        Ok(())
    }

    /// Measures these formats, or takes the figures from a point that has the same.
    fn run(&self, formats: &Formats) -> Result<Distance> {
        if let Some(known) = self.points.iter().find(|point| point.formats == *formats) {
            return Ok(known.measured);
        }
        Ok(run_mix(self.reference, formats)?)
    }

    fn point(&mut self, series: &'static str, what: String, formats: Formats) -> Result<Point> {
        let measured = self.run(&formats)?;
        let bytes = apply::bytes(self.spec, &formats);
        let ratio = bytes as f64 / (4 * self.spec.parameters()) as f64;
        let predicted = predicted(self.sensed, &formats).unwrap_or(f64::NAN);
        let point = Point { series, what, formats, bytes, ratio, predicted, measured };
        self.points.push(point.clone());
        self.goes_on &= (self.progress)();
        Ok(point)
    }
}
