//! The way of a request: from the source over the stages and back, with the time of each hop.

use edgeplan_problem::deployment::{Stage, Visit};
use edgeplan_problem::{Bytes, Nanos};

use crate::draw::{BODY, Canvas, Frame, INNER, MARGIN, SOFT, STRONG, WIDTH, at};
use crate::scene::{Scene, base, count};

const SOURCE: f64 = 84.0;
const RECIPES_MAX: usize = 3;
const UNUSED_MAX: usize = 24;
/// Space between two rows of cards, where the line to the next row and its time run.
const BETWEEN: f64 = 40.0;

/// Height of a device's lines on the card of its host.
const DEVICE: f64 = 34.0;

/// Where the cards of a route lie: one for each visit of a host.
struct Grid {
    columns: usize,
    top: f64,
    gap: f64,
    width: f64,
    height: f64,
    /// Size of the time at an arrow.
    size: f64,
    /// Recipes on a card.
    lines: usize,
}

impl Grid {
    fn new(scene: &Scene<'_>, model: usize, top: f64) -> Self {
        let visits = scene.visits(model);
        let stages = &scene.account.models[model].stages;
        let recipes = |stage: &Stage| scene.recipes(model, stage.first..=stage.last).len();
        let alone = visits.iter().filter(|visit| visit.devices.len() == 1);
        let most = alone.map(|visit| recipes(&stages[visit.stages.start])).max().unwrap_or(0);
        let devices = visits.iter().map(|visit| visit.devices.len()).max().unwrap_or(1);
        let (columns, gap, size) = match visits.len() {
            0..=2 => (2, 110.0, 11.0),
            3 => (3, 84.0, 11.0),
            4..=12 => (4, 60.0, 10.0),
            _ => (5, 58.0, 9.5),
        };
        let lines =
            if columns == 5 { 0 } else { most.min(RECIPES_MAX) + usize::from(most > RECIPES_MAX) };
        let width = (INNER - SOURCE) / columns as f64 - gap;
        let inside = if devices > 1 { 30.0 + DEVICE * devices as f64 } else { 0.0 };
        let height = inside.max(68.0 + 16.0 * lines as f64);
        Self { columns, top, gap, width, height, size, lines }
    }

    fn card(&self, index: usize) -> Frame {
        let (row, column) = ((index / self.columns) as f64, (index % self.columns) as f64);
        let x = MARGIN + SOURCE + self.gap + column * (self.width + self.gap);
        let y = self.top + row * (self.height + BETWEEN);
        Frame { x, y, width: self.width, height: self.height }
    }

    fn source(&self) -> Frame {
        let y = self.top + self.height / 2.0 - 22.0;
        Frame { x: MARGIN, y, width: SOURCE, height: 44.0 }
    }
}

/// Draws one model's route below `y`; returns where it ends.
pub(crate) fn draw(scene: &Scene<'_>, canvas: &mut Canvas, y: f64, model: usize) -> f64 {
    let bill = &scene.account.models[model];
    canvas.heading(y, &scene.part("Route", model), &remark(scene, model));
    let grid = Grid::new(scene, model, y + 24.0);

    let source = grid.source();
    canvas.group("", "", |canvas| {
        canvas.rect(source, 22.0, "card");
        let (x, y) = source.centre();
        canvas.text(at(x, y - 8.0, SOURCE - 24.0), SOFT.size(10.0).middle(), "source");
        let name = scene.name(scene.instance.source);
        canvas.text(at(x, y + 7.0, SOURCE - 16.0), BODY.bold().middle(), name);
    });
    let from = (source.right(), source.centre().1);
    let (chain, home) = (&scene.instance.models[model], scene.instance.source);
    let first = bill.stages[0].device;
    let known = first == home || scene.instance.enter(chain, first).is_some();
    hop(canvas, &grid, from, grid.card(0), &way(known, bill.enter));
    let visits = scene.visits(model);
    for (index, pair) in visits.windows(2).enumerate() {
        let (stage, next) = (&bill.stages[pair[0].stages.end - 1], pair[1].devices[0]);
        let known = scene.instance.transfer(chain, stage.last, stage.device, next).is_some();
        onward(canvas, &grid, index, &way(known, stage.hop));
    }
    let end = bill.stages[bill.stages.len() - 1].device;
    let known = end == home || scene.instance.leave(chain, end).is_some();
    let bottom = back(canvas, &grid, visits.len() - 1, &way(known, bill.leave));
    for (index, visit) in visits.iter().enumerate() {
        match visit.devices.len() {
            1 => {
                let stage = &bill.stages[visit.stages.start];
                card(scene, canvas, &grid, Card { model, index, stage });
            }
            _ => host(scene, canvas, grid.card(index), model, visit),
        }
    }
    bottom
}

/// A message's time; the bill charges none for one that has no way.
fn way(known: bool, time: Nanos) -> String {
    if known { time.to_string() } else { "no route".into() }
}

/// Length and time of a route, and its bottleneck.
fn remark(scene: &Scene<'_>, model: usize) -> String {
    let bill = &scene.account.models[model];
    let mut text = format!("{}, {} per request", count(bill.stages.len(), "stage"), bill.latency);
    let weight = scene.instance.models[model].weight;
    if weight > 1 {
        text += &format!(", {weight} per round");
    }
    if let Some(device) = scene.busiest {
        let busiest = &scene.account.devices[device.index()];
        let computes = busiest.compute == scene.account.bottleneck;
        let what = if computes { "computes" } else { "sends" };
        let (name, time) = (scene.name(device), scene.account.bottleneck);
        text += &format!("; busiest: {name} {what} for {time} per round");
    }
    text
}

/// An arrow to a card in the same row, with its time above.
fn hop(canvas: &mut Canvas, grid: &Grid, from: (f64, f64), to: Frame, time: &str) {
    let tip = (to.x - 3.0, from.1);
    canvas.arrow(&[(from.0 + 3.0, from.1), tip]);
    let middle = (from.0 + to.x) / 2.0;
    let place = at(middle, from.1 - 10.0, grid.gap - 3.0);
    canvas.text(place, SOFT.size(grid.size).middle(), time);
}

/// The arrow from a stage to the next, which may be in the next row.
fn onward(canvas: &mut Canvas, grid: &Grid, index: usize, time: &str) {
    let (from, to) = (grid.card(index), grid.card(index + 1));
    if from.y == to.y {
        return hop(canvas, grid, (from.right(), from.centre().1), to, time);
    }
    let (x, y) = (from.centre().0, from.bottom() + BETWEEN / 2.0 + 6.0);
    let left = to.x - grid.gap / 2.0;
    let entry = to.centre().1;
    canvas.arrow(&[
        (x, from.bottom() + 3.0),
        (x, y),
        (left, y),
        (left, entry),
        (to.x - 3.0, entry),
    ]);
    let place = at((left + x) / 2.0, y - 10.0, x - left);
    canvas.text(place, SOFT.size(grid.size).middle(), time);
}

/// The arrow back to the source; returns where it ends.
fn back(canvas: &mut Canvas, grid: &Grid, last: usize, time: &str) -> f64 {
    let (from, source) = (grid.card(last), grid.source());
    let ((x, _), (left, _)) = (from.centre(), source.centre());
    let y = from.bottom() + BETWEEN / 2.0 + 6.0;
    canvas.arrow(&[(x, from.bottom() + 3.0), (x, y), (left, y), (left, source.bottom() + 3.0)]);
    let place = at(left + 12.0, y - 10.0, x - left - 24.0);
    canvas.text(place, SOFT.size(grid.size), &format!("returns {time}"));
    y + 4.0
}

/// A card for one device.
struct Card<'a> {
    model: usize,
    /// Of its card on the grid.
    index: usize,
    stage: &'a Stage,
}

fn card(scene: &Scene<'_>, canvas: &mut Canvas, grid: &Grid, card: Card<'_>) {
    let Card { model, index, stage } = card;
    let frame = grid.card(index);
    let marked = scene.busiest == Some(stage.device);
    let run = scene.run(model, stage.first, stage.last);
    let recipes = scene.recipes(model, stage.first..=stage.last);
    let name = scene.name(stage.device);
    let title = format!("{name}: {run}, {} of compute, {}", stage.compute, stage.bytes);
    canvas.group("", &title, |canvas| {
        canvas.rect(frame, 8.0, if marked { "card mark" } else { "card" });
        let inset = if grid.columns > 3 { 10.0 } else { 12.0 };
        let (x, room) = (frame.x + inset, frame.width - 2.0 * inset);
        let mut y = frame.y + 18.0;
        let number = scene.number(stage.device).unwrap_or_default();
        let badge = canvas.badge(x, y, number) + 7.0;
        canvas.shrink(at(x + badge, y, room - badge), STRONG, name);
        y += 19.0;
        canvas.shrink(at(x, y, room), BODY, &run);
        y += 17.0;
        let numbers = match grid.columns {
            5 => stage.compute.to_string(),
            _ => format!("{} · {}", stage.compute, stage.bytes),
        };
        canvas.shrink(at(x, y, room), SOFT, &numbers);
        for (number, recipe) in recipes.iter().take(grid.lines.min(RECIPES_MAX)) {
            y += 16.0;
            swatch(scene, canvas, (x, y), recipe);
            let text = format!("{number} × {recipe}");
            canvas.shrink(at(x + 15.0, y, room - 15.0), SOFT, &text);
        }
        if recipes.len() > RECIPES_MAX && grid.lines > RECIPES_MAX {
            let text = format!("and {} more", recipes.len() - RECIPES_MAX);
            canvas.text(at(x + 15.0, y + 16.0, room - 15.0), SOFT, &text);
        }
    });
    if marked {
        tag(canvas, frame);
    }
}

/// A host as a box with its devices: what each holds and computes.
fn host(scene: &Scene<'_>, canvas: &mut Canvas, frame: Frame, model: usize, visit: &Visit) {
    let stages = &scene.account.models[model].stages[visit.stages.clone()];
    let name = scene.instance.host_name(visit.devices[0]);
    let inside: Nanos = stages[..stages.len() - 1].iter().map(|stage| stage.hop).sum();
    let title = format!("{name}: {}, {inside} of copies inside", count(stages.len(), "stage"));
    canvas.group("", &title, |canvas| {
        canvas.rect(frame, 8.0, "card");
        let (x, room) = (frame.x + 10.0, frame.width - 20.0);
        let mut y = frame.y + 16.0;
        canvas.shrink(at(x, y, room), STRONG, name);
        for &device in &visit.devices {
            y += 20.0;
            let here = stages.iter().filter(|stage| stage.device == device);
            let here: Vec<&Stage> = here.collect();
            let compute: Nanos = here.iter().map(|stage| stage.compute).sum();
            let bytes: Bytes = here.iter().map(|stage| stage.bytes).sum();
            let badge = canvas.badge(x, y, scene.number(device).unwrap_or_default()) + 7.0;
            let own = scene.name(device);
            let own = own.strip_prefix(name).and_then(|own| own.strip_prefix('/')).unwrap_or(own);
            let text = format!("{own}: {}", scene.parts(model, &here));
            canvas.shrink(at(x + badge, y, room - badge), BODY, &text);
            y += 14.0;
            canvas.shrink(at(x + badge, y, room - badge), SOFT, &format!("{compute} · {bytes}"));
        }
    });
    if scene.busiest.is_some_and(|device| visit.devices.contains(&device)) {
        tag(canvas, frame);
    }
}

/// The word on the border of the card that sets the pace.
fn tag(canvas: &mut Canvas, frame: Frame) {
    let style = SOFT.size(10.0).bold().class("onmain").middle();
    let width = style.width("busiest") + 12.0;
    let tag = Frame { x: frame.right() - width - 8.0, y: frame.y - 8.0, width, height: 16.0 };
    canvas.rect(tag, 8.0, "alarm");
    canvas.text(at(tag.centre().0, tag.centre().1, width), style, "busiest");
}

/// A sample of a format's colour, its left end at the point.
pub(crate) fn swatch(scene: &Scene<'_>, canvas: &mut Canvas, place: (f64, f64), recipe: &str) {
    let frame = Frame { x: place.0, y: place.1 - 5.0, width: 10.0, height: 10.0 };
    canvas.group(&scene.shade(base(recipe)), "", |canvas| canvas.rect(frame, 2.0, ""));
}

/// Draws the devices without layers below `y`; returns where they end.
pub(crate) fn unused(scene: &Scene<'_>, canvas: &mut Canvas, y: f64) -> f64 {
    let idle: Vec<_> =
        scene.instance.device_ids().filter(|id| scene.number(*id).is_none()).collect();
    if idle.is_empty() {
        return y;
    }
    let style = SOFT.class("faint");
    let mut y = y + 26.0;
    let mut x = MARGIN + canvas.text(at(MARGIN, y, INNER), style, "unused") + 12.0;
    let mut chip = |canvas: &mut Canvas, text: &str, title: &str| {
        let width = (style.width(text) + 20.0).min(240.0);
        if x + width > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + 30.0);
        }
        canvas.group("", title, |canvas| {
            canvas.rect(Frame { x, y: y - 12.0, width, height: 24.0 }, 6.0, "ghost");
            canvas.text(at(x + 10.0, y, width - 20.0), style, text);
        });
        x += width + 8.0;
    };
    for &device in idle.iter().take(UNUSED_MAX) {
        let device = scene.instance.device(device);
        chip(canvas, &format!("{} · {}", device.name, device.memory), &device.name);
    }
    if let Some(more) = idle.len().checked_sub(UNUSED_MAX).filter(|more| *more > 0) {
        chip(canvas, &format!("and {more} more"), "");
    }
    y + 12.0
}
