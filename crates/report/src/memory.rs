//! What fills the memory of each device that holds layers.

use edgeplan_problem::Bytes;
use edgeplan_problem::deployment::DeviceId;

use crate::draw::{BODY, Canvas, Frame, INNER, MARGIN, SOFT, WIDTH, at};
use crate::scene::Scene;

const NAME: f64 = 150.0;
/// Columns of numbers, right to left from the right margin.
const COLUMN: f64 = 81.0;
const PARTS: [(&str, &str); 4] =
    [("weights", "main"), ("KV cache", "third"), ("activations", "second"), ("overhead", "fourth")];

/// Draws the bars below `y`; returns where they end.
pub(crate) fn draw(scene: &Scene<'_>, canvas: &mut Canvas, y: f64) -> f64 {
    canvas.heading(y, "Memory", "of each device's own capacity");
    let head = y + 24.0;
    let header = SOFT.size(10.0).end();
    for (column, (label, class)) in PARTS.iter().enumerate() {
        let x = column_end(column);
        let width = canvas.text(at(x, head, COLUMN - 14.0), header, label);
        canvas.rect(
            Frame { x: x - width - 11.0, y: head - 4.0, width: 8.0, height: 8.0 },
            2.0,
            class,
        );
    }
    canvas.text(at(column_end(4), head, COLUMN), header, "used");
    canvas.text(at(column_end(5), head, COLUMN), header, "capacity");
    let pitch = if scene.used.len() > 16 { 20.0 } else { 24.0 };
    let mut y = head + 6.0;
    for &device in &scene.used {
        y += pitch;
        row(scene, canvas, y - pitch / 2.0 + 2.0, device);
    }
    y + 6.0
}

fn column_end(column: usize) -> f64 {
    WIDTH - MARGIN - (5 - column) as f64 * COLUMN
}

fn row(scene: &Scene<'_>, canvas: &mut Canvas, y: f64, device: DeviceId) {
    let bill = &scene.account.devices[device.index()];
    let capacity = scene.instance.device(device).memory;
    let parts = [bill.weights, bill.kv, bill.activations, bill.overhead];
    label(scene, canvas, y, device);

    let over = bill.memory() > capacity;
    let full = Frame {
        x: MARGIN + NAME,
        y: y - 6.0,
        width: INNER - NAME - 6.0 * COLUMN - 4.0,
        height: 12.0,
    };
    // Where a plan needs more than there is, the bar is what it needs and a line shows the end.
    let scale = full.width / bill.memory().max(capacity).max(Bytes(1)).as_f64();
    let title = format!("{}: {} of {capacity}", scene.name(device), bill.memory());
    canvas.group("", &title, |canvas| {
        canvas.rect(full, 2.0, "track");
        let mut x = full.x;
        for (part, (_, class)) in parts.iter().zip(PARTS) {
            let width = part.as_f64() * scale;
            if width > 0.0 {
                canvas.rect(Frame { x, width, ..full }, 0.0, class);
            }
            x += width;
        }
        if over {
            let end = full.x + capacity.as_f64() * scale;
            canvas.line(&[(end, full.y - 3.0), (end, full.bottom() + 3.0)], "rule mark");
        }
    });
    let numbers = parts.into_iter().chain([bill.memory(), capacity]);
    for (column, bytes) in numbers.enumerate() {
        let style = match column {
            4 if over => BODY.size(11.0).bold().class("alarm"),
            4 => BODY.size(11.0).bold(),
            _ => SOFT,
        };
        let text = if bytes == Bytes::ZERO { "0".to_owned() } else { bytes.to_string() };
        canvas.text(at(column_end(column), y, COLUMN - 4.0), style.end(), &text);
    }
}

/// A device's number, if it has one, and name at the left margin.
pub(crate) fn label(scene: &Scene<'_>, canvas: &mut Canvas, y: f64, device: DeviceId) {
    let badge = match scene.number(device) {
        Some(number) => canvas.badge(MARGIN, y, number) + 7.0,
        None => 0.0,
    };
    let class = if scene.busiest == Some(device) { "alarm" } else { "ink" };
    let place = at(MARGIN + badge, y, NAME - badge - 12.0);
    canvas.text(place, BODY.class(class), scene.name(device));
}
