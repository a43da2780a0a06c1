//! The chain of layers as a strip: a cell per layer, coloured by format, framed by device.

use edgeplan_problem::deployment::Stage;

use crate::draw::{BODY, Canvas, Frame, INNER, MARGIN, SOFT, WIDTH, at, badge_width};
use crate::route::swatch;
use crate::scene::{Scene, base, count};

const HEIGHT: f64 = 34.0;
const LEGEND_MAX: usize = 12;
/// Narrower cells have no space between them.
const APART_MIN: f64 = 5.0;
/// Narrower cells are drawn as one where format and device agree.
const CELL_MIN: f64 = 2.0;

/// Where the cells of a strip lie.
struct Strip {
    y: f64,
    pitch: f64,
    /// Space between two devices.
    gap: f64,
}

impl Strip {
    /// The cells `first ..= last` of the stage with that position.
    fn cells(&self, stage: usize, first: usize, last: usize) -> Frame {
        let x = MARGIN + first as f64 * self.pitch + stage as f64 * self.gap;
        let width = (last - first + 1) as f64 * self.pitch;
        Frame { x, y: self.y, width, height: HEIGHT }
    }
}

/// Draws one model's strip below `y`; returns where it ends.
pub(crate) fn draw(scene: &Scene<'_>, canvas: &mut Canvas, y: f64, model: usize) -> f64 {
    let layers = scene.instance.models[model].layers.len();
    let bill = &scene.account.models[model];
    let budget = scene.instance.models[model].loss_max;
    let budget = budget.map(|max| format!(" of {max} allowed")).unwrap_or_default();
    let remark = format!("{}, loss {}{budget}", count(layers, "layer"), bill.loss);
    canvas.heading(y, &scene.part("Layers", model), &remark);

    let gaps = (bill.stages.len() - 1) as f64;
    let gap = if gaps == 0.0 { 0.0 } else { (INNER * 0.12 / gaps).min(7.0) };
    let strip = Strip { y: y + 44.0, pitch: (INNER - gaps * gap) / layers as f64, gap };
    let mut free = MARGIN - 3.0;
    for (position, stage) in bill.stages.iter().enumerate() {
        let run = strip.cells(position, stage.first, stage.last);
        cells(scene, canvas, &strip, StageRun { model, position, stage });
        if gap >= 1.5 || gaps == 0.0 {
            let edge = (gap / 2.0 - 0.6).clamp(0.0, 2.0);
            let (width, height) = (run.width + 2.0 * edge, run.height + 2.0 * edge);
            let frame = Frame { x: run.x - edge, y: run.y - edge, width, height };
            canvas.rect(
                frame,
                3.0,
                if scene.busiest == Some(stage.device) { "run mark" } else { "run" },
            );
        }
        owner(scene, canvas, run, stage, &mut free);
    }
    names(scene, canvas, &strip, model);
    legend(scene, canvas, strip.y + HEIGHT + 38.0, model)
}

/// A device's run of layers.
struct StageRun<'a> {
    model: usize,
    /// Of the run in the strip.
    position: usize,
    stage: &'a Stage,
}

/// The cells of a run.
fn cells(scene: &Scene<'_>, canvas: &mut Canvas, strip: &Strip, run: StageRun<'_>) {
    let StageRun { model, position, stage } = run;
    let layers = &scene.instance.models[model].layers;
    let apart = if strip.pitch < APART_MIN { 0.0 } else { 1.0 };
    let mut first = stage.first;
    while first <= stage.last {
        let recipe = scene.recipe(model, first);
        let mut last = first;
        let alike = |layer| base(&scene.recipe(model, layer)) == base(&recipe);
        while strip.pitch < CELL_MIN && last < stage.last && alike(last + 1) {
            last += 1;
        }
        let mut frame = strip.cells(position, first, last);
        frame.width -= apart;
        let title = if first == last {
            format!("{}: {recipe} on {}", layers[first].role, scene.name(stage.device))
        } else {
            let run = scene.run(model, first, last);
            format!("{run}: {} on {}", base(&recipe), scene.name(stage.device))
        };
        canvas.group(&scene.shade(&recipe), &title, |canvas| {
            canvas.rect(frame, 0.0, "");
            let style = SOFT.size(10.0).class("").middle();
            if style.width(base(&recipe)) + 6.0 <= frame.width {
                let (x, y) = frame.centre();
                canvas.text(at(x, y, frame.width), style, base(&recipe));
            }
        });
        first = last + 1;
    }
}

/// Number and name of the device above its run, as far as there is room right of `free`.
fn owner(scene: &Scene<'_>, canvas: &mut Canvas, run: Frame, stage: &Stage, free: &mut f64) {
    let number = scene.number(stage.device).unwrap_or_default();
    let y = run.y - 14.0;
    let badge = badge_width(number);
    let small = SOFT.size(9.0).bold().middle();
    let start = run.x.max(*free);
    if start + badge <= run.right() {
        canvas.badge(start, y, number);
        let room = run.right() - start - badge - 8.0;
        let name = scene.name(stage.device);
        let mut end = start + badge;
        if room >= BODY.width("name").min(BODY.width(name)) {
            end += 6.0 + canvas.text(at(start + badge + 6.0, y, room), BODY, name);
        }
        *free = end + 4.0;
    } else {
        let text = number.to_string();
        let half = small.width(&text) / 2.0;
        let x = run.centre().0.clamp(MARGIN + half, WIDTH - MARGIN - half);
        if x - half > *free {
            canvas.text(at(x, y, 2.0 * half), small, &text);
            *free = x + half + 3.0;
        }
    }
}

/// Names below the cells: those whose number is a multiple of a round step, and those without a
/// number (`head`), where none meets another.
fn names(scene: &Scene<'_>, canvas: &mut Canvas, strip: &Strip, model: usize) {
    const ROOM: f64 = 90.0;
    let style = SOFT.size(9.5).middle();
    let layers = &scene.instance.models[model].layers;
    let widest = layers
        .iter()
        .map(|layer| style.width(&layer.role.to_string()))
        .fold(0.0, f64::max)
        .min(ROOM);
    let mut steps = (0..19).flat_map(|power| [1, 2, 5].map(|one| one * 10_usize.pow(power)));
    let step = steps.find(|step| *step as f64 * strip.pitch >= widest + 10.0).unwrap_or(1);
    let y = strip.y + HEIGHT + 14.0;
    let mut free = 0.0;
    for (position, stage) in scene.account.models[model].stages.iter().enumerate() {
        for (offset, layer) in layers[stage.first..=stage.last].iter().enumerate() {
            let (layer, name) = (stage.first + offset, layer.role.to_string());
            if ordinal(&name).is_some_and(|number| number % step > 0) {
                continue;
            }
            let (middle, _) = strip.cells(position, layer, layer).centre();
            let half = style.width(&name).min(widest) / 2.0;
            let x = middle.clamp(MARGIN + half, WIDTH - MARGIN - half);
            if x - half >= free {
                canvas.line(&[(middle, strip.y + HEIGHT + 3.5), (middle, y - 7.0)], "rule");
                canvas.text(at(x, y, 2.0 * half), style, &name);
                free = x + half + 8.0;
            }
        }
    }
}

/// The number at the end of a name.
fn ordinal(name: &str) -> Option<usize> {
    name[name.trim_end_matches(|char: char| char.is_ascii_digit()).len()..].parse().ok()
}

/// What the colours mean, and how many of this model's layers have each; returns where it ends.
fn legend(scene: &Scene<'_>, canvas: &mut Canvas, y: f64, model: usize) -> f64 {
    const ROOM: f64 = 150.0;
    let layers = scene.instance.models[model].layers.len();
    let (mut x, mut y) = (MARGIN, y);
    let mut entry = |canvas: &mut Canvas, format: &str, text: &str| {
        let swatched = if format.is_empty() { 0.0 } else { 16.0 };
        let named = BODY.size(11.0).width(format).min(ROOM);
        let width = swatched + named + 6.0 + SOFT.width(text);
        if x + width > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + 18.0);
        }
        if !format.is_empty() {
            swatch(scene, canvas, (x, y), format);
            canvas.text(at(x + swatched, y, ROOM), BODY.size(11.0), format);
        }
        canvas.text(at(x + swatched + named + 6.0, y, INNER), SOFT, text);
        x += width + 20.0;
    };
    let uses = |format: &str| {
        (0..layers).filter(|layer| base(&scene.recipe(model, *layer)) == format).count()
    };
    let present: Vec<(&str, usize)> = (scene.formats.iter())
        .map(|format| (format.as_str(), uses(format)))
        .filter(|(_, layers)| *layers > 0)
        .collect();
    for (format, layers) in present.iter().take(LEGEND_MAX) {
        entry(canvas, format, &count(*layers, "layer"));
    }
    if present.len() > LEGEND_MAX {
        entry(canvas, "", &format!("and {}", count(present.len() - LEGEND_MAX, "more format")));
    }
    y + 8.0
}
