//! Where the time of one request goes: a lane per device, compute and transfers to scale.

use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::{Account, DeviceId, ModelAccount};

use crate::draw::{Canvas, Frame, INNER, MARGIN, SOFT, WIDTH, at};
use crate::memory::label;
use crate::scene::Scene;

const NAME: f64 = 150.0;
const AXIS: f64 = INNER - NAME;
/// Time never disappears: the narrowest bar.
const BAR_MIN: f64 = 0.8;

/// An activity of a device during a request.
struct Span {
    lane: usize,
    /// The lane of the receiver, if this is a transfer.
    to: Option<usize>,
    start: Nanos,
    time: Nanos,
    what: String,
}

/// A whole request apart: what it is until the first token, and all of it.
#[derive(Debug, Clone, Copy)]
pub struct Steps<'a> {
    /// The plan's account of requests that end with their prompt.
    pub prompt: &'a Account,
    /// The plan's account of whole requests.
    pub whole: &'a Account,
    /// Prompt tokens.
    pub tokens: u32,
    /// Generated tokens.
    pub generate: u32,
}

/// Draws the time of one model's requests below `y`; returns where that ends. With `steps` the way
/// to the first token and one step after it are drawn apart, because a step is a way of its own.
pub(crate) fn draw(
    scene: &Scene<'_>,
    canvas: &mut Canvas,
    y: f64,
    model: usize,
    steps: Option<Steps<'_>>,
) -> f64 {
    let Some(steps) = steps.filter(|steps| steps.generate > 0) else {
        let bill = &scene.account.models[model];
        let heading = scene.part("One request", model);
        return chart(
            scene,
            canvas,
            y,
            &Part { model, bill, heading, beside: bill.latency.to_string() },
        );
    };
    let (prompt, whole) = (&steps.prompt.models[model], &steps.whole.models[model]);
    let heading = scene.part("Until the first token", model);
    let beside = format!("{} for {} prompt tokens", prompt.latency, steps.tokens);
    let y = chart(scene, canvas, y, &Part { model, bill: prompt, heading, beside });
    let step = step_of(whole, prompt, steps.generate);
    let heading = scene.part("One step of decoding", model);
    let beside = format!(
        "{}, {} times: {} for the whole request",
        step.latency, steps.generate, whole.latency
    );
    chart(scene, canvas, y + 40.0, &Part { model, bill: &step, heading, beside })
}

/// What one generated token takes: the mean of all of them.
fn step_of(whole: &ModelAccount, prompt: &ModelAccount, generate: u32) -> ModelAccount {
    let mean = |whole: Nanos, first: Nanos| {
        Nanos(whole.0.saturating_sub(first.0) / u64::from(generate.max(1)))
    };
    let mut step = whole.clone();
    step.enter = mean(whole.enter, prompt.enter);
    step.leave = mean(whole.leave, prompt.leave);
    for (stage, first) in step.stages.iter_mut().zip(&prompt.stages) {
        stage.compute = mean(stage.compute, first.compute);
        stage.hop = mean(stage.hop, first.hop);
    }
    step.latency = mean(whole.latency, prompt.latency);
    step
}

/// A request, or a part of it, and what is said above it.
struct Part<'a> {
    model: usize,
    bill: &'a ModelAccount,
    heading: String,
    beside: String,
}

/// Draws the way of one request, or of a part of it.
fn chart(scene: &Scene<'_>, canvas: &mut Canvas, y: f64, part: &Part<'_>) -> f64 {
    let &Part { model, bill, .. } = part;
    canvas.heading(y, &part.heading, &part.beside);
    key(canvas, y);
    let (lanes, spans) = spans(scene, model, bill);
    // Means of whole nanoseconds may lack one each.
    let total = spans.last().map_or(bill.latency, |span| bill.latency.max(span.start + span.time));
    let pitch = if lanes.len() > 16 { 20.0 } else { 28.0 };
    let top = y + 20.0;
    let bottom = top + pitch * lanes.len() as f64;
    let scale = if total == Nanos::ZERO { 0.0 } else { (AXIS - 1.0) / total.as_f64() };
    axis(canvas, top, bottom, total, scale);
    let chart = Chart { top, pitch, scale };
    for (lane, &device) in lanes.iter().enumerate() {
        label(scene, canvas, chart.middle(lane), device);
    }
    chart.links(canvas, &spans);
    for lane in 0..lanes.len() {
        let here: Vec<&Span> = spans.iter().filter(|span| span.lane == lane).collect();
        chart.lane(canvas, &here);
    }
    bottom + 24.0
}

/// What the colours mean, at the right margin.
fn key(canvas: &mut Canvas, y: f64) {
    let mut x = WIDTH - MARGIN;
    for (text, class) in [("transfer", "second"), ("compute", "main")] {
        x -= canvas.text(at(x, y, 100.0), SOFT.size(10.0).end(), text) + 12.0;
        canvas.rect(Frame { x, y: y - 4.0, width: 8.0, height: 8.0 }, 2.0, class);
        x -= 14.0;
    }
}

/// The lanes, in the order in which the request gets there, and what happens in them.
fn spans(scene: &Scene<'_>, model: usize, bill: &ModelAccount) -> (Vec<DeviceId>, Vec<Span>) {
    let mut lanes = Vec::new();
    let mut lane = |device: DeviceId| {
        lanes.iter().position(|known| *known == device).unwrap_or_else(|| {
            lanes.push(device);
            lanes.len() - 1
        })
    };
    let source = scene.instance.source;
    let mut spans: Vec<Span> = Vec::new();
    let mut now = Nanos::ZERO;
    let mut add = |from: usize, to: Option<usize>, time: Nanos, what: String| {
        let start = now;
        now += time;
        if time > Nanos::ZERO {
            spans.push(Span { lane: from, to, start, time, what });
        }
    };
    let name = |device: DeviceId| scene.name(device);
    if let (Some(stage), true) = (bill.stages.first(), bill.enter > Nanos::ZERO) {
        let what = format!("{} to {}: {}", name(source), name(stage.device), bill.enter);
        add(lane(source), Some(lane(stage.device)), bill.enter, what);
    }
    for (position, stage) in bill.stages.iter().enumerate() {
        let here = lane(stage.device);
        let run = scene.run(model, stage.first, stage.last);
        add(here, None, stage.compute, format!("{}: {run}: {}", name(stage.device), stage.compute));
        let next = bill.stages.get(position + 1).map(|next| next.device);
        let (to, time) = next.map_or((source, bill.leave), |next| (next, stage.hop));
        if time > Nanos::ZERO {
            let what = format!("{} to {}: {time}", name(stage.device), name(to));
            add(here, Some(lane(to)), time, what);
        }
    }
    (lanes, spans)
}

/// Grid lines at round times, and those times.
fn axis(canvas: &mut Canvas, top: f64, bottom: f64, total: Nanos, scale: f64) {
    let style = SOFT.size(10.0).middle();
    let start = MARGIN + NAME;
    let step = step(total);
    let (unit, name) = unit(total);
    let mut time = 0;
    while time <= total.0 {
        let x = start + time as f64 * scale;
        canvas.line(&[(x, top), (x, bottom)], "rule");
        let text = format!("{} {name}", time as f64 / unit);
        let half = style.width(&text) / 2.0;
        canvas.text(at(x.min(WIDTH - MARGIN - half), bottom + 12.0, 100.0), style, &text);
        time = time.saturating_add(step);
    }
}

/// A round step that divides the axis into three to eight parts.
pub(crate) fn step(total: Nanos) -> u64 {
    let rough = total.0.div_ceil(8).max(1);
    let ten = 10_u64.pow(rough.ilog10());
    [1, 2, 5, 10]
        .map(|factor| ten.saturating_mul(factor))
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(rough)
}

/// Nanoseconds of the unit that suits that time, and its name.
pub(crate) fn unit(total: Nanos) -> (f64, &'static str) {
    match total.0 {
        0..1_000 => (1.0, "ns"),
        1_000..1_000_000 => (1e3, "us"),
        1_000_000..1_000_000_000 => (1e6, "ms"),
        _ => (1e9, "s"),
    }
}

/// Where times and lanes lie.
struct Chart {
    top: f64,
    pitch: f64,
    /// Pixels per nanosecond.
    scale: f64,
}

impl Chart {
    fn middle(&self, lane: usize) -> f64 {
        self.top + (lane as f64 + 0.5) * self.pitch
    }

    fn bar(&self, span: &Span) -> Frame {
        let x = MARGIN + NAME + span.start.as_f64() * self.scale;
        let width = (span.time.as_f64() * self.scale).max(BAR_MIN);
        let height = self.pitch - 10.0;
        let x = x.min(WIDTH - MARGIN - width).max(MARGIN + NAME);
        Frame { x, y: self.middle(span.lane) - height / 2.0, width, height }
    }

    /// Lines from the end of each transfer to its receiver's lane.
    fn links(&self, canvas: &mut Canvas, spans: &[Span]) {
        for span in spans {
            let Some(to) = span.to.filter(|to| *to != span.lane) else { continue };
            let bar = self.bar(span);
            let down = if to > span.lane { 1.0 } else { -1.0 };
            let end = self.middle(to) - down * bar.height / 2.0;
            canvas.line(&[(bar.right(), self.middle(span.lane)), (bar.right(), end)], "arrow");
        }
    }

    /// The bars of a lane with their times: inside, or beside them where nothing else is.
    fn lane(&self, canvas: &mut Canvas, spans: &[&Span]) {
        let style = SOFT.size(10.0);
        let mut free = MARGIN + NAME;
        for (position, span) in spans.iter().enumerate() {
            let bar = self.bar(span);
            let class = if span.to.is_some() { "second" } else { "main" };
            canvas.group("", &span.what, |canvas| canvas.rect(bar, 1.5, class));
            let next = spans.get(position + 1).map_or(WIDTH - MARGIN, |next| self.bar(next).x);
            let text = span.time.to_string();
            let width = style.width(&text);
            let y = bar.centre().1;
            let end = bar.right();
            if width + 8.0 <= bar.width {
                let class = if span.to.is_some() { "onsecond" } else { "onmain" };
                canvas.text(at(bar.centre().0, y, bar.width), style.class(class).middle(), &text);
                free = end;
            } else if end + width + 10.0 <= next {
                canvas.text(at(end + 6.0, y, width), style.class("soft halo"), &text);
                free = end + 6.0 + width;
            } else if free + width + 10.0 <= bar.x {
                canvas.text(at(bar.x - 6.0, y, width), style.class("soft halo").end(), &text);
                free = end;
            } else {
                free = end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_has_few_round_steps() {
        for (total, expected) in [(0, 1), (1, 1), (8, 1), (3_372_000_000, 500_000_000)] {
            assert_eq!(step(Nanos(total)), expected, "{total}");
        }
        for power in 0..62 {
            let total = Nanos((1 << power) + 12_345);
            assert!((3..=8).contains(&(total.0 / step(total))) || total.0 < 8, "{total}");
        }
    }
}
