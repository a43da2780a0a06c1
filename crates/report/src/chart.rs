//! A chart: lines, steps and points over two axes, as an SVG.

use std::fmt::Write as _;

use crate::curves::{COLOURS, step};
use crate::draw::{BODY, Canvas, Frame, INNER, MARGIN, SOFT, TITLE, Tag, WIDTH, at};
use crate::picture::svg_of;
use crate::theme;

/// What a chart shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// One sentence more; also what a screen reader says.
    pub remark: String,
    /// What runs to the right.
    pub x: Axis,
    /// What runs up.
    pub y: Axis,
    /// In the order of the legend.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it measures, with its unit.
    pub label: String,
    /// Whether equal steps are equal factors; values that are not positive are then left out.
    pub logarithmic: bool,
    /// Whether its numbers are shares, written in percent, of which 0 and 1 are the ends.
    pub percent: bool,
}

impl Axis {
    /// An axis from zero, or from the smallest value if that is negative.
    pub fn linear(label: &str) -> Self {
        Self { label: label.into(), logarithmic: false, percent: false }
    }

    /// An axis of powers of ten.
    pub fn logarithmic(label: &str) -> Self {
        Self { label: label.into(), logarithmic: true, percent: false }
    }

    /// An axis of shares.
    pub fn percent(label: &str) -> Self {
        Self { label: label.into(), logarithmic: false, percent: true }
    }
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend; several of one name look alike, and are there once.
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
    /// How they are joined.
    pub shape: Shape,
}

/// How points are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Straight lines, with a dot at each point.
    Line,
    /// A thin straight line without dots: a fit.
    Fit,
    /// Level until the next point.
    Steps,
    /// The same, dashed: a bound.
    Bound,
    /// Not at all.
    Dots,
}

const HEIGHT: f64 = 440.0;
const LEFT: f64 = MARGIN + 56.0;
const BOTTOM: f64 = HEIGHT - 66.0;
const ROW: f64 = 20.0;

/// The chart as a file of its own. The same chart gives the same bytes.
pub fn svg(chart: &Chart) -> String {
    let names = names(chart);
    let mut canvas = Canvas::default();
    canvas.rect(Frame { x: 0.0, y: 0.0, width: WIDTH, height: HEIGHT }, 8.0, "page");
    canvas.shrink(at(MARGIN, 30.0, INNER), TITLE, &chart.title);
    canvas.text(at(MARGIN, 54.0, INNER), SOFT, &chart.remark);
    let top = legend(&mut canvas, &names, chart) + 16.0;
    let width = WIDTH - MARGIN - LEFT - 8.0;
    let frame = Frame { x: LEFT, y: top, width, height: BOTTOM - top };
    let scales =
        Scales { x: Scale::of(chart, &chart.x, |p| p.0), y: Scale::of(chart, &chart.y, |p| p.1) };
    axes(&mut canvas, chart, frame, &scales);
    for series in &chart.series {
        let place = names.iter().position(|name| *name == series.name).unwrap_or_default();
        draw(&mut canvas, series, place, frame, &scales);
    }
    canvas.text(at(LEFT + width / 2.0, HEIGHT - 20.0, width), SOFT.middle(), &chart.x.label);
    let tag = svg_of(HEIGHT, &chart.title)
        .add(Tag::new("desc").text(&chart.remark))
        .add(Tag::new("style").text(&sheet()))
        .all(canvas.into_tags());
    format!("{tag}\n")
}

fn sheet() -> String {
    let mut css = theme::sheet(0);
    css.push_str(
        ".edgeplan .fit{stroke-width:1.25;stroke-dasharray:none;opacity:.75}\
         .edgeplan .dash{stroke-dasharray:5 4}.edgeplan .far{stroke-dasharray:1.5 3}",
    );
    let mut colours = |dark: bool| {
        for (index, colours) in COLOURS.iter().enumerate() {
            let colour = if dark { colours.1 } else { colours.0 };
            write!(
                css,
                ".edgeplan .s{index}{{stroke:{colour};fill:none;stroke-width:2;\
                 stroke-linejoin:round}}.edgeplan .d{index}{{fill:{colour}}}"
            )
            .expect("a String takes everything");
        }
        css.push_str(if dark { "}" } else { "@media (prefers-color-scheme:dark){" });
    };
    colours(false);
    colours(true);
    css
}

/// All names of series with points, in order of appearance.
fn names(chart: &Chart) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for series in chart.series.iter().filter(|series| !series.points.is_empty()) {
        if !names.contains(&series.name.as_str()) {
            names.push(&series.name);
        }
    }
    names
}

/// Names in rows; where they end.
fn legend(canvas: &mut Canvas, names: &[&str], chart: &Chart) -> f64 {
    let (mut x, mut y) = (MARGIN, 78.0);
    for (index, name) in names.iter().enumerate() {
        let width = 20.0 + BODY.width(name) + 18.0;
        if x + width > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + ROW);
        }
        let of = |shape: Shape| chart.series.iter().any(|s| s.name == *name && s.shape == shape);
        let dots = of(Shape::Dots) && !of(Shape::Line);
        let far = if index >= COLOURS.len() { " far" } else { "" };
        if dots {
            let frame = Frame { x: x + 4.0, y: y - 3.0, width: 6.0, height: 6.0 };
            canvas.rect(frame, 3.0, &format!("d{}", index % COLOURS.len()));
        } else {
            let class = format!("s{}{far}", index % COLOURS.len());
            canvas.line(&[(x, y), (x + 14.0, y)], &class);
        }
        canvas.text(at(x + 20.0, y, 400.0), BODY, name);
        x += width;
    }
    y + ROW / 2.0 + 6.0
}

/// The scales of both axes.
struct Scales {
    x: Scale,
    y: Scale,
}

/// What an axis reaches from and to, in its own measure, and where its marks are.
struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    marks: Vec<(f64, String)>,
}

impl Scale {
    fn of(chart: &Chart, axis: &Axis, pick: fn(&(f64, f64)) -> f64) -> Self {
        let points = chart.series.iter().flat_map(|series| &series.points);
        let values = points.map(pick).filter(|value| value.is_finite());
        let values: Vec<f64> = values.filter(|value| !axis.logarithmic || *value > 0.0).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if axis.logarithmic {
            let (least, most) = if values.is_empty() { (1.0, 10.0) } else { (least, most) };
            return Self::powers(least, most);
        }
        let most = if values.is_empty() { 1.0 } else { most };
        let step = step(most.max(if axis.percent { 1.0 } else { 0.0 }));
        let text = |value: f64| match axis.percent {
            true => format!("{} %", round(100.0 * value)),
            false => round(value).to_string(),
        };
        let marks = (0..=4).map(|mark| f64::from(mark) * step).map(|v| (v, text(v))).collect();
        Self { low: 0.0, high: 4.0 * step, logarithmic: false, marks }
    }

    /// From one power of ten to another; with marks between them where there are few.
    fn powers(least: f64, most: f64) -> Self {
        let (mut low, mut high) = (least.log10().floor(), most.log10().ceil());
        let narrow = most / least < 30.0;
        let mut marks: Vec<(f64, String)> = Vec::new();
        let power_step = ((high - low) / 7.0).ceil().max(1.0) as usize;
        for power in (low as i32..=high as i32).step_by(power_step) {
            for factor in if narrow { &[1.0, 2.0, 5.0][..] } else { &[1.0][..] } {
                let value = factor * 10f64.powi(power);
                marks.push((value.log10(), number(value)));
            }
        }
        if narrow {
            // As near to the values as the marks allow.
            let below = marks.iter().rfind(|mark| mark.0 <= least.log10() + 1e-9);
            low = below.map_or(low, |mark| mark.0);
            let above = marks.iter().find(|mark| mark.0 >= most.log10() - 1e-9);
            high = above.map_or(high, |mark| mark.0);
        }
        if low >= high {
            (low, high) = (low - 0.5, low + 0.5);
        }
        marks.retain(|mark| mark.0 >= low - 1e-9 && mark.0 <= high + 1e-9);
        Self { low, high, logarithmic: true, marks }
    }

    /// How far along the axis a value is, from 0 to 1.
    fn share(&self, value: f64) -> Option<f64> {
        let value = if self.logarithmic { value.log10() } else { value };
        value.is_finite().then(|| ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0))
    }

    fn mark(&self, mark: f64) -> f64 {
        (mark - self.low) / (self.high - self.low)
    }
}

/// A number in as few digits as distinguish it.
fn number(value: f64) -> String {
    match value {
        v if v >= 1e6 || (v < 1e-3 && v > 0.0) => format!("{v:e}"),
        v => round(v).to_string(),
    }
}

/// Without the digits that only floating point knows of.
fn round(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

fn axes(canvas: &mut Canvas, chart: &Chart, frame: Frame, Scales { x, y }: &Scales) {
    for (mark, text) in &y.marks {
        let up = frame.bottom() - y.mark(*mark) * frame.height;
        canvas.line(&[(frame.x, up), (frame.right(), up)], "rule");
        canvas.text(at(frame.x - 8.0, up, LEFT - MARGIN + 16.0), SOFT.end(), text);
    }
    for (mark, text) in &x.marks {
        let across = frame.x + x.mark(*mark) * frame.width;
        canvas.line(&[(across, frame.bottom()), (across, frame.bottom() + 4.0)], "arrow");
        canvas.text(at(across, frame.bottom() + 16.0, 80.0), SOFT.middle(), text);
    }
    canvas.text(at(frame.right(), frame.y - 10.0, frame.width), SOFT.end(), &chart.y.label);
}

fn draw(canvas: &mut Canvas, series: &Series, index: usize, frame: Frame, scales: &Scales) {
    let Scales { x, y } = scales;
    let (colour, far) = (index % COLOURS.len(), index >= COLOURS.len());
    let place = |&(across, up): &(f64, f64)| {
        let (across, up) = (x.share(across)?, y.share(up)?);
        Some((frame.x + across * frame.width, frame.bottom() - up * frame.height))
    };
    let points: Vec<(f64, f64)> = series.points.iter().filter_map(place).collect();
    let more = match series.shape {
        Shape::Fit => " fit",
        Shape::Bound => " dash",
        _ if far => " far",
        _ => "",
    };
    let class = format!("s{colour}{more}");
    canvas.group("", &series.name, |canvas| {
        match series.shape {
            Shape::Line | Shape::Fit => canvas.line(&points, &class),
            Shape::Steps | Shape::Bound => canvas.line(&stairs(&points), &class),
            Shape::Dots => {}
        }
        if matches!(series.shape, Shape::Line | Shape::Dots) {
            for &(across, up) in &points {
                let frame = Frame { x: across - 3.0, y: up - 3.0, width: 6.0, height: 6.0 };
                canvas.rect(frame, 3.0, &format!("d{colour}"));
            }
        }
    });
}

/// Level from each point to the next one.
fn stairs(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut stairs = Vec::with_capacity(2 * points.len());
    for (index, &point) in points.iter().enumerate() {
        if let Some(before) = index.checked_sub(1) {
            stairs.push((point.0, points[before].1));
        }
        stairs.push(point);
    }
    stairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(x: Axis, y: Axis, points: &[(f64, f64)]) -> String {
        let series =
            |name: &str, shape| Series { name: name.into(), points: points.to_vec(), shape };
        let series = vec![
            series("a<b", Shape::Steps),
            series("c", Shape::Line),
            series("c", Shape::Fit),
            series("d", Shape::Dots),
            series("e", Shape::Bound),
        ];
        let drawn = svg(&Chart { title: "t".into(), remark: "r".into(), x, y, series });
        roxmltree::Document::parse(&drawn).unwrap();
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        drawn
    }

    #[test]
    fn every_kind_of_axis_draws_every_kind_of_points() {
        let axes = [Axis::linear, Axis::logarithmic, Axis::percent];
        let values: [&[(f64, f64)]; 5] = [
            &[],
            &[(1.0, 1.0)],
            &[(0.0, 0.0), (-1.0, 3.0), (2.0, f64::INFINITY)],
            &[(0.001, 0.2), (1e9, 0.9)],
            &[(5.0, 0.5), (6.0, 0.7)],
        ];
        for x in axes {
            for y in axes {
                for points in values {
                    chart(x("x"), y("y"), points);
                }
            }
        }
        let drawn = chart(Axis::logarithmic("x"), Axis::percent("y"), &[(1.0, 0.5), (100.0, 1.0)]);
        assert!(drawn.contains("a&lt;b") && drawn.contains("100 %") && drawn.contains(">10<"));
    }

    #[test]
    fn steps_stay_level_until_the_next_point() {
        assert_eq!(stairs(&[(0.0, 1.0), (2.0, 5.0)]), [(0.0, 1.0), (2.0, 1.0), (2.0, 5.0)]);
    }
}
