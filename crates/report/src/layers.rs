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
        cells(scene, canvas, &strip, (model, position, stage));
        if gap >= 1.5 {
            let edge = (gap / 2.0 - 0.6).min(2.0);
            let (width, height) = (run.width + 2.0 * edge, run.height + 2.0 * edge);
            let frame = Frame { x: run.x - edge, y: run.y - edge, width, height };
            canvas.rect(
                frame,
                3.0,
                if scene.busiest == Some(stage.device) { "run mark" } else { "run" },
            );
        }
        owner(scene, canvas, (run, stage), &mut free);
    }
    names(scene, canvas, &strip, model);
    legend(scene, canvas, strip.y + HEIGHT + 38.0, model)
}

/// The cells of a stage.
fn cells(scene: &Scene<'_>, canvas: &mut Canvas, strip: &Strip, place: (usize, usize, &Stage)) {
    let (model, position, stage) = place;
    let layers = &scene.instance.models[model].layers;
    let apart = if strip.pitch < APART_MIN { 0.0 } else { 1.0 };
    let mut first = stage.first;
    while first <= stage.last {
        let recipe = scene.recipe(model, first);
        let mut last = first;
        let alike = |layer| base(scene.recipe(model, layer)) == base(recipe);
        while strip.pitch < CELL_MIN && last < stage.last && alike(last + 1) {
            last += 1;
        }
        let mut frame = strip.cells(position, first, last);
        frame.width -= apart;
        let title = if first == last {
            format!("{}: {recipe} on {}", layers[first].name, scene.name(stage.device))
        } else {
            let run = scene.run(model, first, last);
            format!("{run}: {} on {}", base(recipe), scene.name(stage.device))
        };
        canvas.group(&scene.shade(recipe), &title, |canvas| {
            canvas.rect(frame, 0.0, "");
            let style = SOFT.size(10.0).class("").middle();
            if style.width(base(recipe)) + 6.0 <= frame.width {
                let (x, y) = frame.centre();
                canvas.text(at(x, y, frame.width), style, base(recipe));
            }
        });
        first = last + 1;
    }
}

/// Number and name of the device above its run, as far as there is room right of `free`.
fn owner(scene: &Scene<'_>, canvas: &mut Canvas, place: (Frame, &Stage), free: &mut f64) {
    let (run, stage) = place;
    let number = scene.number(stage.device).unwrap_or_default();
    let y = run.y - 14.0;
    let badge = badge_width(number);
    let small = SOFT.size(9.0).bold().middle();
    if badge <= run.width && run.x > *free {
        canvas.badge(run.x, y, number);
        let room = run.width - badge - 8.0;
        let name = scene.name(stage.device);
        let mut end = run.x + badge;
        if room >= BODY.width("name").min(BODY.width(name)) {
            end += 6.0 + canvas.text(at(run.x + badge + 6.0, y, room), BODY, name);
        }
        *free = end + 3.0;
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

/// Names below the cells: every one, or every second, fifth, tenth, … so that none meets another.
fn names(scene: &Scene<'_>, canvas: &mut Canvas, strip: &Strip, model: usize) {
    const ROOM: f64 = 90.0;
    let style = SOFT.size(9.5).middle();
    let layers = &scene.instance.models[model].layers;
    let widest = layers.iter().map(|layer| style.width(&layer.name)).fold(0.0, f64::max).min(ROOM);
    let steps =
        (0..).map(|power| 10_usize.pow(power)).flat_map(|ten| [1, 2, 5].map(|one| one * ten));
    let fits = |step: &usize| *step >= layers.len() || *step as f64 * strip.pitch >= widest + 10.0;
    let Some(step) = steps.into_iter().find(fits) else { return };
    let stages = &scene.account.models[model].stages;
    let y = strip.y + HEIGHT + 14.0;
    for (position, stage) in stages.iter().enumerate() {
        for layer in (stage.first..=stage.last).filter(|layer| layer % step == 0) {
            let cell = strip.cells(position, layer, layer);
            let name = &layers[layer].name;
            let half = style.width(name).min(widest) / 2.0;
            let x = cell.centre().0.clamp(MARGIN + half, WIDTH - MARGIN - half);
            canvas.line(
                &[(cell.centre().0, strip.y + HEIGHT + 3.5), (cell.centre().0, y - 7.0)],
                "rule",
            );
            canvas.text(at(x, y, 2.0 * half), style, name);
        }
    }
}

/// What the colours mean, and how many of this model's layers have each; returns where it ends.
fn legend(scene: &Scene<'_>, canvas: &mut Canvas, y: f64, model: usize) -> f64 {
    const ROOM: f64 = 200.0;
    let layers = scene.instance.models[model].layers.len();
    let (mut x, mut y) = (MARGIN, y);
    let mut entry = |canvas: &mut Canvas, format: Option<&str>, text: &str| {
        let width = SOFT.width(text).min(ROOM) + if format.is_some() { 16.0 } else { 0.0 };
        if x + width > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + 18.0);
        }
        if let Some(format) = format {
            swatch(scene, canvas, (x, y), format);
        }
        canvas.text(at(x + if format.is_some() { 16.0 } else { 0.0 }, y, ROOM), SOFT, text);
        x += width + 20.0;
    };
    let uses = |format: &str| {
        (0..layers).filter(|layer| base(scene.recipe(model, *layer)) == format).count()
    };
    let present: Vec<(&str, usize)> = (scene.formats.iter())
        .map(|format| (*format, uses(format)))
        .filter(|(_, layers)| *layers > 0)
        .collect();
    for (format, layers) in present.iter().take(LEGEND_MAX) {
        entry(canvas, Some(format), &format!("{format}  {}", count(*layers, "layer")));
    }
    if present.len() > LEGEND_MAX {
        entry(canvas, None, &format!("and {} more", count(present.len() - LEGEND_MAX, "format")));
    }
    y + 8.0
}
