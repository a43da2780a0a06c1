//! Loss and divergence over bits, as curves.

use edgeplan_report::curves::{Curves, Panel, Series};

use crate::Point;

/// Larger losses are not drawn: they would hide the rest.
const CHANGE_MAX: f64 = 12.0;
const DIVERGENCE_MAX: f64 = 0.015;
/// Nor are files of more bits.
const RATIO_MAX: f64 = 0.28;

/// Loss and divergence over bits, every series a curve, and the paper's point.
pub(crate) fn curves(model: &str, loss: f64, points: &[Point]) -> Curves {
    let change = |point: &Point| 100.0 * (point.measured.loss / loss - 1.0);
    let mut losses = series(points, |p| Some(change(p).max(0.0)).filter(|up| *up <= CHANGE_MAX));
    // 0.0591 -> 0.0605 at 12.75 %.
    losses.push(Series { name: "DILEMMA".into(), points: vec![(12.8, 2.37, 0.0)] });
    let divergences = series(points, |point| {
        Some(1e3 * point.measured.kl).filter(|_| point.measured.kl <= DIVERGENCE_MAX)
    });
    Curves {
        title: format!("Bits for loss: {model}"),
        remark: "plans to the least memory within a bound, measured; DILEMMA's point is OPT-350m"
            .into(),
        x: "bits of all tensors, percent of 32 per parameter".into(),
        y: String::new(),
        panels: vec![
            Panel { title: "loss, + %".into(), series: losses },
            Panel { title: "divergence, 0.001 nats".into(), series: divergences },
        ],
    }
}

/// A curve for each series, of the points that have a height.
fn series(points: &[Point], height: impl Fn(&Point) -> Option<f64>) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for point in points {
        let height = height(point).filter(|_| point.ratio <= RATIO_MAX);
        let (Some(height), false) = (height, point.series.starts_with("plan")) else { continue };
        let at = ((1000.0 * point.ratio).round() / 10.0, height, 0.0);
        match series.iter_mut().find(|known| known.name == point.series) {
            Some(known) => known.points.push(at),
            None => series.push(Series { name: point.series.into(), points: vec![at] }),
        }
    }
    for series in &mut series {
        series.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    series
}
