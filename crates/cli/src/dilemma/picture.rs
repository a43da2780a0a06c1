//! Loss over bits, as curves.

use edgeplan_report::curves::{Curves, Panel, Series};

use super::Point;

/// Losses further up are no use to anybody, and would hide the rest.
const CHANGE_MAX: f64 = 12.0;

/// Bits over loss, every series a curve, and the paper's point.
pub(super) fn curves(model: &str, loss: f64, points: &[Point]) -> Curves {
    let mut series: Vec<Series> = Vec::new();
    for point in points {
        let change = 100.0 * (point.measured.loss / loss - 1.0);
        if point.series.starts_with("plan") || change > CHANGE_MAX {
            continue;
        }
        let at = ((1000.0 * point.ratio).round() / 10.0, change.max(0.0), 0.0);
        match series.iter_mut().find(|known| known.name == point.series) {
            Some(known) => known.points.push(at),
            None => series.push(Series { name: point.series.into(), points: vec![at] }),
        }
    }
    for series in &mut series {
        series.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    // Table and text: 0.0591 -> 0.0605 at 12.75 %.
    series.push(Series { name: "DILEMMA".into(), points: vec![(12.75, 2.37, 0.0)] });
    Curves {
        title: format!("Bits for loss: {model}"),
        remark: "Plans to the least memory within a bound, measured; DILEMMA's point is OPT-350m"
            .into(),
        x: "bits of all tensors, percent of 32 per parameter".into(),
        y: "loss, + %".into(),
        panels: vec![Panel { title: String::new(), series }],
    }
}
