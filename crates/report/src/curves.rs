//! Curves over a rate, a panel for each case, as an SVG.

use std::fmt::Write as _;

use crate::draw::{BODY, Canvas, Frame, INNER, MARGIN, SOFT, STRONG, TITLE, Tag, WIDTH, at};
use crate::page::document;
use crate::picture::svg_of;
use crate::table::Table;
use crate::theme;

/// A picture of curves that share their axes' meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// What it shows.
    pub title: String,
    /// How it came about.
    pub remark: String,
    /// What runs to the right, with its unit; positive, on a logarithmic scale.
    pub x: String,
    /// What runs up, with its unit; from 0.
    pub y: String,
    /// One beside the other.
    pub panels: Vec<Panel>,
}

/// One set of axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The case.
    pub title: String,
    /// Its curves; a name has the same colour in every panel.
    pub series: Vec<Series>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Whose it is.
    pub name: String,
    /// From left to right: x, y, and how far y may be off (a bar up and down).
    pub points: Vec<(f64, f64, f64)>,
}

/// Light and dark: hues that differ in lightness too (after Okabe and Ito).
pub(crate) const COLOURS: [(&str, &str); 7] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff9a5c"),
    ("#009e73", "#3fd6aa"),
    ("#b5619b", "#e39ccb"),
    ("#8a6d00", "#f0e442"),
    ("#5b6673", "#a3adb9"),
    ("#1d232b", "#e8ebef"),
];
const HEIGHT: f64 = 420.0;
const TOP: f64 = 112.0;
const BOTTOM: f64 = HEIGHT - 62.0;
const GAP: f64 = 52.0;
/// Room for the number at a tick.
const TICK: f64 = 34.0;
/// The stroke before a name of the legend, and room for the name.
const MARK: f64 = 14.0;
const NAME_MAX: f64 = 200.0;

/// The picture as a file of its own. The same curves give the same bytes.
pub fn svg(curves: &Curves) -> String {
    format!("{}\n", tag(curves))
}

/// Pictures and tables as a page that is titled as its first picture. `origin` is the command that
/// made it, for the last line.
pub fn html(pictures: &[Curves], tables: &[Table], origin: &str) -> String {
    let title = pictures.first().map_or("", |curves| curves.title.as_str());
    let body = Tag::new("body").all(pictures.iter().map(tag));
    let body = body.all(tables.iter().map(Table::section));
    document(title, body, "", origin)
}

fn tag(curves: &Curves) -> Tag {
    let names = names(curves);
    let places = legend(&names);
    let more = places.last().map_or(0.0, |place| place.1);
    let height = HEIGHT + more;
    let mut canvas = Canvas::default();
    canvas.rect(Frame { x: 0.0, y: 0.0, width: WIDTH, height }, 8.0, "page");
    canvas.shrink(at(MARGIN, 30.0, INNER), TITLE, &curves.title);
    canvas.text(at(MARGIN, 54.0, INNER), SOFT, &curves.remark);
    for (index, (name, (x, down))) in names.iter().zip(places).enumerate() {
        let class = format!("d{}", index % COLOURS.len());
        canvas.rect(Frame { x, y: 73.0 + down, width: MARK, height: 4.0 }, 2.0, &class);
        canvas.text(at(x + MARK + 6.0, 75.0 + down, NAME_MAX), BODY, name);
    }
    let count = curves.panels.len().max(1) as f64;
    let width = (INNER - GAP * count) / count;
    for (index, panel) in curves.panels.iter().enumerate() {
        let x = MARGIN + GAP * (index as f64 + 0.8) + width * index as f64;
        let frame = Frame { x, y: TOP + more, width, height: BOTTOM - TOP };
        axes(&mut canvas, curves, panel, frame);
        for series in &panel.series {
            let colour = names.iter().position(|name| *name == series.name).unwrap_or_default();
            curve(&mut canvas, series, colour, &Scale::of(panel, frame));
        }
    }
    canvas.text(at(WIDTH / 2.0, height - 18.0, INNER), SOFT.middle(), &curves.x);
    svg_of(height, &curves.title).add(Tag::new("style").text(&sheet())).all(canvas.into_tags())
}

fn sheet() -> String {
    let mut css = theme::sheet(0);
    let mut colours = |dark: bool| {
        for (index, colours) in COLOURS.iter().enumerate() {
            let colour = if dark { colours.1 } else { colours.0 };
            write!(
                css,
                ".edgeplan .s{index}{{stroke:{colour};fill:none;stroke-width:2}}\
                 .edgeplan .d{index}{{fill:{colour}}}"
            )
            .expect("a String takes everything");
        }
        css.push_str(if dark { "}" } else { "@media (prefers-color-scheme:dark){" });
    };
    colours(false);
    colours(true);
    css
}

/// All curves' names, in order of appearance.
fn names(curves: &Curves) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for series in curves.panels.iter().flat_map(|panel| &panel.series) {
        if !names.contains(&series.name.as_str()) {
            names.push(&series.name);
        }
    }
    names
}

/// Where each name begins, and how far below the first line; as many lines as they need.
fn legend(names: &[&str]) -> Vec<(f64, f64)> {
    let (mut x, mut down) = (MARGIN, 0.0);
    let place = |name: &&str| {
        let width = MARK + 6.0 + BODY.width(name).min(NAME_MAX) + 18.0;
        if x > MARGIN && x + width > MARGIN + INNER {
            (x, down) = (MARGIN, down + 18.0);
        }
        let place = (x, down);
        x += width;
        place
    };
    names.iter().map(place).collect()
}

/// Where a point is drawn.
struct Scale {
    frame: Frame,
    left: f64,
    right: f64,
    top: f64,
}

impl Scale {
    fn of(panel: &Panel, frame: Frame) -> Self {
        let points = || panel.series.iter().flat_map(|series| &series.points);
        let left = points().map(|point| point.0).fold(f64::INFINITY, f64::min).max(1e-9);
        let right = points().map(|point| point.0).fold(left, f64::max);
        let most = points().map(|point| point.1 + point.2).fold(0.0, f64::max);
        Self { frame, left, right, top: 4.0 * step(most) }
    }

    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let across = (x / self.left).ln() / (self.right / self.left).ln();
        let across = if across.is_finite() { across } else { 0.5 };
        let up = y / self.top;
        (self.frame.x + across * self.frame.width, self.frame.bottom() - up * self.frame.height)
    }
}

/// A round number of which four reach that high.
pub(crate) fn step(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf((most / 4.0).log10().floor());
    let round = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
    round.into_iter().find(|step| 4.0 * step >= most).unwrap_or(10.0 * power)
}

fn axes(canvas: &mut Canvas, curves: &Curves, panel: &Panel, frame: Frame) {
    let scale = Scale::of(panel, frame);
    canvas.text(at(frame.x, frame.y - 18.0, frame.width), STRONG, &panel.title);
    for tick in 0..=4 {
        let value = scale.top * f64::from(tick) / 4.0;
        let (_, y) = scale.place(scale.left, value);
        canvas.line(&[(frame.x, y), (frame.right(), y)], "rule");
        canvas.text(at(frame.x - 6.0, y, GAP), SOFT.end(), &format!("{value}"));
    }
    canvas.text(at(frame.right(), frame.y - 18.0, frame.width / 2.0), SOFT.end(), &curves.y);
    let mut ticks: Vec<f64> =
        panel.series.iter().flat_map(|series| &series.points).map(|point| point.0).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let mut free = f64::NEG_INFINITY;
    for value in ticks {
        let (x, y) = scale.place(value, 0.0);
        if x < free {
            continue;
        }
        free = x + TICK;
        canvas.line(&[(x, y), (x, y + 4.0)], "arrow");
        canvas.text(at(x, y + 15.0, GAP), SOFT.middle(), &format!("{value}"));
    }
}

fn curve(canvas: &mut Canvas, series: &Series, colour: usize, scale: &Scale) {
    let (stroke, dot) =
        (format!("s{}", colour % COLOURS.len()), format!("d{}", colour % COLOURS.len()));
    let line: Vec<(f64, f64)> = series.points.iter().map(|&(x, y, _)| scale.place(x, y)).collect();
    canvas.group("", &series.name, |canvas| {
        canvas.line(&line, &stroke);
        for &(x, y, error) in &series.points {
            let (across, up) = scale.place(x, y);
            let bar = [scale.place(x, (y - error).max(0.0)), scale.place(x, y + error)];
            canvas.line(&bar, &stroke);
            let frame = Frame { x: across - 3.0, y: up - 3.0, width: 6.0, height: 6.0 };
            canvas.rect(frame, 3.0, &dot);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_drawn_with_their_names() {
        let series = |name: &str, y: f64| Series {
            name: name.into(),
            points: vec![(1.0, y, 0.1), (4.0, 2.0 * y, 0.1)],
        };
        let panel = |title: &str| Panel {
            title: title.into(),
            series: vec![series("a<b", 1.0), series("c", 0.5)],
        };
        let curves = Curves {
            title: "t".into(),
            remark: "r".into(),
            x: "x".into(),
            y: "y".into(),
            panels: vec![panel("p"), panel("q"), Panel { title: "none".into(), series: vec![] }],
        };
        let drawn = svg(&curves);
        let document = roxmltree::Document::parse(&drawn).unwrap();
        let lines = document.descendants().filter(|node| node.has_tag_name("polyline"));
        assert!(lines.filter(|line| line.attribute("class") == Some("s0")).count() >= 2);
        assert!(drawn.contains("a&lt;b") && !drawn.contains("NaN"), "{drawn}");
        let table = Table::new(["case", "number>"]).headed("h").with_rows([["x<y", "1"]]);
        let page = html(&[curves.clone(), curves], &[table], "edgeplan test");
        assert_eq!(page.matches("<svg").count(), 2);
        assert!(page.contains("x&lt;y") && page.contains("edgeplan test"), "{page}");
    }

    #[test]
    fn four_steps_reach_the_top() {
        for most in [0.3, 1.0, 3.9, 4.0, 4.1, 17.0, 1e4] {
            assert!(4.0 * step(most) >= most && step(most) < most, "{most}: {}", step(most));
        }
    }
}
