//! A schedule as an SVG: how full both capacities of each server are, by own users and guests, and
//! what became of the requests of the users that it covers.

use edgeplan_problem::scheduling::{Account, Scheduling};

use crate::draw::{BODY, Canvas, Frame, INNER, MARGIN, SOFT, TITLE, WIDTH, at};
use crate::picture::sheet;
use crate::scene::count;

const NAME: f64 = 130.0;
const APART: f64 = 20.0;
const PITCH: f64 = 26.0;
/// Width of each of the three columns of bars.
const COLUMN: f64 = (INNER - NAME - 2.0 * APART) / 3.0;
/// Room for the numbers beside a bar.
const NUMBERS: f64 = 92.0;

/// What the colours of the three columns mean.
const LEGEND: [(&str, &[(&str, &str)]); 3] = [
    ("computation", &[("own users", "main"), ("guests", "second")]),
    ("communication", &[("sent away", "third")]),
    ("users", &[("here", "main"), ("elsewhere", "third"), ("unserved", "fourth")]),
];

/// Parts of a bar and what they are parts of.
struct Bar {
    parts: Vec<(u64, &'static str)>,
    whole: u64,
}

/// The picture of a schedule with that bill as a file of its own; `line` says what is known of it.
/// The instance must be [`Scheduling::checked`], and the bill its own.
pub fn svg(instance: &Scheduling, account: &Account, line: &str) -> String {
    let mut canvas = Canvas::default();
    let mut y = MARGIN + 12.0;
    canvas.text(at(MARGIN, y, INNER), TITLE, &instance.name);
    y += 24.0;
    canvas.text(at(MARGIN, y, INNER), SOFT.size(12.0), line);
    y += 26.0;
    let all = count(instance.requests.len(), "user");
    let users = format!(
        "{} of {all} satisfied ({}), {} served",
        account.satisfied,
        account.satisfied_share(),
        account.served
    );
    canvas.text(at(MARGIN, y, INNER), BODY.size(14.0), &users);
    y += 36.0;
    for (column, (heading, parts)) in LEGEND.iter().enumerate() {
        let mut x = column_start(column);
        x += canvas.text(at(x, y, COLUMN), BODY.bold(), heading) + 12.0;
        for (label, class) in *parts {
            canvas.rect(Frame { x, y: y - 4.0, width: 8.0, height: 8.0 }, 2.0, class);
            x += 11.0;
            let room = column_start(column) + COLUMN - x;
            x += canvas.text(at(x, y, room), SOFT.size(10.0), label) + 8.0;
        }
    }
    let own = own_computation(instance, account);
    for (index, (server, bill)) in instance.servers.iter().zip(&account.servers).enumerate() {
        y += PITCH;
        canvas.text(at(MARGIN, y, NAME - 12.0), BODY, &server.name);
        let covered = (bill.own + bill.offloaded + bill.unserved) as u64;
        let guests = bill.computation.saturating_sub(own[index]);
        let bars = [
            Bar {
                parts: vec![(own[index], "main"), (guests, "second")],
                whole: server.computation,
            },
            Bar { parts: vec![(bill.communication, "third")], whole: server.communication },
            Bar {
                parts: vec![
                    (bill.own as u64, "main"),
                    (bill.offloaded as u64, "third"),
                    (bill.unserved as u64, "fourth"),
                ],
                whole: covered,
            },
        ];
        for (column, bar) in bars.iter().enumerate() {
            // Of covered users the number that is served says most.
            let used = match column {
                2 => (bill.own + bill.offloaded) as u64,
                _ => bar.parts.iter().map(|(part, _)| part).sum(),
            };
            draw(&mut canvas, column_start(column), y, bar, used);
        }
    }
    format!("{}\n", sheet(&format!("{}: {line}", instance.name), 0, canvas, y + 12.0))
}

fn column_start(column: usize) -> f64 {
    MARGIN + NAME + column as f64 * (COLUMN + APART)
}

/// By server, the computation that its own users take.
fn own_computation(instance: &Scheduling, account: &Account) -> Vec<u64> {
    let mut own = vec![0; instance.servers.len()];
    for (request, served) in instance.requests.iter().zip(&account.requests) {
        let local = served.filter(|served| served.by.choice.server == request.covered_by);
        own[request.covered_by.index()] += local.map_or(0, |served| served.by.computation);
    }
    own
}

fn draw(canvas: &mut Canvas, x: f64, y: f64, bar: &Bar, used: u64) {
    let full = Frame { x, y: y - 6.0, width: COLUMN - NUMBERS, height: 12.0 };
    let sum: u64 = bar.parts.iter().map(|(part, _)| part).sum();
    // Where a plan takes more than there is, the bar is what it takes and a line shows the end.
    let scale = full.width / sum.max(bar.whole).max(1) as f64;
    canvas.rect(full, 2.0, "track");
    let mut x = full.x;
    for &(part, class) in &bar.parts {
        let width = part as f64 * scale;
        if width > 0.0 {
            canvas.rect(Frame { x, width, ..full }, 0.0, class);
        }
        x += width;
    }
    let over = sum > bar.whole;
    if over {
        let end = full.x + bar.whole as f64 * scale;
        canvas.line(&[(end, full.y - 3.0), (end, full.bottom() + 3.0)], "rule mark");
    }
    let style = if over { SOFT.bold().class("alarm") } else { SOFT };
    let place = at((full.right() + 6.0).min(WIDTH), y, NUMBERS - 10.0);
    canvas.text(place, style, &format!("{used} of {}", bar.whole));
}
