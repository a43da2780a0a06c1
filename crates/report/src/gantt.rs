//! What devices and links did when: a Gantt chart of one or several runs, and a page with it.

use edgeplan_problem::Nanos;

use crate::draw::{Canvas, Frame, INNER, MARGIN, SOFT, STRONG, TITLE, Tag, WIDTH, at};
use crate::page::document;
use crate::picture::sheet;
use crate::table::Table;
use crate::theme::SHADES_MAX;
use crate::timeline::{step, unit};

const NAME: f64 = 170.0;
const SHARE: f64 = 44.0;
const AXIS: f64 = INNER - NAME - SHARE;
const PITCH: f64 = 24.0;
/// Time never disappears: the narrowest bar.
const BAR_MIN: f64 = 0.4;

/// Runs, one chart each.
#[derive(Debug, Clone, PartialEq)]
pub struct Gantt {
    /// What was run.
    pub title: String,
    /// On what, how.
    pub subtitle: String,
    /// Top to bottom.
    pub charts: Vec<Chart>,
}

/// A run, or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it is.
    pub heading: String,
    /// Its result, in a sentence.
    pub remark: String,
    /// A row each, top to bottom.
    pub rows: Vec<Row>,
    /// What happened; what is outside the shown time is cut off.
    pub bars: Vec<Bar>,
    /// The time that is shown, from and until.
    pub shown: (Nanos, Nanos),
}

/// A device or one direction of a link.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Share of the whole run in which it was busy, 0 to 1.
    pub busy: f64,
}

/// An activity of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Index into [`Chart::rows`].
    pub row: usize,
    /// The batch, from 0: its colour and number.
    pub batch: usize,
    /// Whether prompts were read; such bars are taller.
    pub prompt: bool,
    /// From when.
    pub start: Nanos,
    /// Until when.
    pub end: Nanos,
}

/// The charts as a file of their own.
pub fn svg(gantt: &Gantt) -> String {
    format!("{}\n", tag(gantt))
}

/// The charts and these tables as a page. `origin` is the command that made it, for the last line.
pub fn html(gantt: &Gantt, tables: &[Table], origin: &str) -> String {
    let body = Tag::new("body").add(tag(gantt)).all(tables.iter().map(Table::section));
    document(&gantt.title, body, "", origin)
}

fn tag(gantt: &Gantt) -> Tag {
    let mut canvas = Canvas::default();
    let mut y = MARGIN + 12.0;
    canvas.text(at(MARGIN, y, INNER), TITLE, &gantt.title);
    y += 24.0;
    canvas.text(at(MARGIN, y, INNER), SOFT.size(12.0), &gantt.subtitle);
    y += 18.0;
    let prompts = gantt.charts.iter().flat_map(|chart| &chart.bars).any(|bar| bar.prompt);
    let tall = if prompts { "; tall: reads prompts" } else { "" };
    let key = format!("colour and number: batch{tall}; right: share of the whole run");
    canvas.text(at(MARGIN, y, INNER), SOFT, &key);
    let batches = gantt.charts.iter().flat_map(|chart| &chart.bars).map(|bar| bar.batch + 1);
    let shades = batches.max().unwrap_or(1).min(SHADES_MAX);
    for chart in &gantt.charts {
        y = draw(chart, shades, &mut canvas, y + 36.0);
    }
    sheet(&format!("{}: {}", gantt.title, gantt.subtitle), shades, canvas, y)
}

/// Draws a chart below `y`; returns where it ends.
fn draw(chart: &Chart, shades: usize, canvas: &mut Canvas, y: f64) -> f64 {
    canvas.heading(y, &chart.heading, &chart.remark);
    let scale = Scale::new(chart.shown.0, chart.shown.1);
    let top = y + 18.0;
    let bottom = top + PITCH * chart.rows.len() as f64;
    scale.axis(canvas, top, bottom);
    for (index, row) in chart.rows.iter().enumerate() {
        let middle = top + (index as f64 + 0.5) * PITCH;
        canvas.shrink(at(MARGIN, middle, NAME - 12.0), STRONG.size(12.0), &row.name);
        let share = format!("{:.0} %", 100.0 * row.busy);
        canvas.text(at(WIDTH - MARGIN, middle, SHARE - 6.0), SOFT.end(), &share);
    }
    for shade in 0..shades {
        let mine = |bar: &&Bar| bar.batch % shades == shade && scale.shows(bar);
        let bars: Vec<&Bar> = chart.bars.iter().filter(mine).collect();
        if !bars.is_empty() {
            canvas.group(&format!("f{shade}"), &format!("batch {}", shade + 1), |canvas| {
                bars.into_iter().for_each(|bar| scale.bar(canvas, bar, top));
            });
        }
    }
    bottom + 22.0
}

/// Where times lie.
struct Scale {
    from: f64,
    until: f64,
    total: Nanos,
    /// Pixels per nanosecond.
    scale: f64,
}

impl Scale {
    fn new(from: Nanos, until: Nanos) -> Self {
        let total = until.saturating_sub(from);
        let scale = if total == Nanos::ZERO { 0.0 } else { AXIS / total.as_f64() };
        Self { from: from.as_f64(), until: until.as_f64(), total, scale }
    }

    fn x(&self, time: f64) -> f64 {
        MARGIN + NAME + (time.clamp(self.from, self.until) - self.from) * self.scale
    }

    fn shows(&self, bar: &Bar) -> bool {
        bar.end > bar.start && bar.start.as_f64() < self.until && bar.end.as_f64() > self.from
    }

    /// Grid lines at round times, and those times.
    fn axis(&self, canvas: &mut Canvas, top: f64, bottom: f64) {
        let style = SOFT.size(10.0).middle();
        let step = step(self.total);
        let (unit, name) = unit(Nanos(self.until as u64));
        let mut time = (self.from as u64).div_ceil(step).saturating_mul(step);
        while time as f64 <= self.until {
            let x = self.x(time as f64);
            canvas.line(&[(x, top), (x, bottom)], "rule");
            let text = format!("{} {name}", time as f64 / unit);
            canvas.text(at(x, bottom + 12.0, 100.0), style, &text);
            let Some(next) = time.checked_add(step) else { break };
            time = next;
        }
    }

    fn bar(&self, canvas: &mut Canvas, bar: &Bar, top: f64) {
        let (left, right) = (self.x(bar.start.as_f64()), self.x(bar.end.as_f64()));
        let height = if bar.prompt { PITCH - 4.0 } else { PITCH - 11.0 };
        let middle = top + (bar.row as f64 + 0.5) * PITCH;
        // A hair apart, so that one pass after the other can be told.
        let width = (right - left - 0.3).max(BAR_MIN);
        let left = left.min(MARGIN + NAME + AXIS - width);
        let frame = Frame { x: left, y: middle - height / 2.0, width, height };
        canvas.rect(frame, 1.0, "bar");
        let style = SOFT.size(9.5).class("").middle();
        let number = (bar.batch + 1).to_string();
        if style.width(&number) + 4.0 <= width {
            canvas.text(at(frame.centre().0, middle, width), style, &number);
        }
    }
}
