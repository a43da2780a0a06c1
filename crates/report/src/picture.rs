//! A plan as an SVG.

use std::time::Duration;

use edgeplan_problem::deployment::{Account, Deployment, Objective, Plan, Violation};
use edgeplan_problem::{Cost, Evaluation, Problem as _, gap};

use crate::draw::{BODY, Canvas, Frame, INNER, MARGIN, SOFT, TITLE, Tag, WIDTH, at};
use crate::scene::{Scene, count};
pub use crate::timeline::Steps;
use crate::{layers, memory, route, theme, timeline};

/// Broken constraints that are listed at most.
const VIOLATIONS_MAX: usize = 6;

/// A question, an answer, and what is known about it. What the plan costs is not asked: `evaluate`
/// says it.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// The question; must be [`Deployment::checked`].
    pub instance: &'a Deployment,
    /// The answer. One that breaks constraints is drawn with a list of them; of one that does not
    /// even have the instance's shape, only that list.
    pub plan: &'a Plan,
    /// One word for what is true of it (`optimal`).
    pub verdict: &'a str,
    /// The best lower bound on the cost of any plan, in the objective's unit, if there is one.
    pub lower_bound: Option<Cost>,
    /// Who found it (`highs`); may be empty.
    pub solver: &'a str,
    /// How long that took, if it is known.
    pub elapsed: Option<Duration>,
    /// What the plan means for its users, a line each; may be empty.
    pub said: &'a [String],
    /// Whole requests and their prompts; none where a request is not described.
    pub steps: Option<Steps<'a>>,
}

impl Picture<'_> {
    /// `optimal: 3.372 s, no plan is below 3.372 s (gap 0.00 %), highs, 0.44 s`.
    pub fn summary(&self) -> String {
        self.line(&self.instance.evaluate(self.plan))
    }

    pub(crate) fn line(&self, evaluation: &Evaluation<Deployment>) -> String {
        let mut line = self.verdict.to_owned();
        for part in [self.proof(evaluation), self.origin()].iter().filter(|part| !part.is_empty()) {
            line += if line == self.verdict { ": " } else { ", " };
            line += part;
        }
        line
    }

    /// Cost and bound.
    fn proof(&self, evaluation: &Evaluation<Deployment>) -> String {
        let cost = evaluation.cost;
        let bound = self.lower_bound.map(|bound| self.instance.objective.amount(bound));
        let below = bound.map(|bound| format!("no plan is below {bound}")).unwrap_or_default();
        if !evaluation.is_feasible() {
            let broken = count(evaluation.violations.len(), "constraint");
            let below = if below.is_empty() { below } else { format!("; {below}") };
            return format!("the plan breaks {broken}{below}");
        }
        let gap = self.lower_bound.map(|bound| match 100.0 * gap(cost, bound) {
            // An open gap must not look closed.
            gap if gap > 0.0 && gap < 0.01 => format!(", {below} (gap below 0.01 %)"),
            gap => format!(", {below} (gap {gap:.2} %)"),
        });
        let gap = gap.unwrap_or_else(|| ", no lower bound known".to_owned());
        format!("{}{gap}", self.instance.objective.amount(cost))
    }

    /// Who and how fast.
    fn origin(&self) -> String {
        let time = self.elapsed.map(|elapsed| format!("{:.2} s", elapsed.as_secs_f64()));
        let parts = [self.solver.to_owned(), time.unwrap_or_default()];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }
}

/// The picture as a file of its own.
pub fn svg(picture: &Picture<'_>) -> String {
    format!("{}\n", tag(picture, &picture.instance.evaluate(picture.plan)))
}

/// The picture as an element.
pub(crate) fn tag(picture: &Picture<'_>, evaluation: &Evaluation<Deployment>) -> Tag {
    let mut canvas = Canvas::default();
    let mut y = header(picture, evaluation, &mut canvas);
    let mut formats = 0;
    if let Some(scene) = scene(picture, &evaluation.account) {
        formats = scene.formats.len();
        y = sections(&scene, &mut canvas, y, picture.steps);
    }
    let title = format!("{}: {}", picture.instance.name, picture.line(evaluation));
    sheet(&title, formats, canvas, y)
}

/// A sheet of its own that ends below `y`, with that many shades of the ramp.
pub(crate) fn sheet(title: &str, shades: usize, canvas: Canvas, y: f64) -> Tag {
    let height = (y + MARGIN).ceil();
    let page = Frame { x: 0.0, y: 0.0, width: WIDTH, height };
    let mut back = Canvas::default();
    back.rect(page, 8.0, "page");
    svg_of(height, title)
        .add(Tag::new("style").text(&theme::sheet(shades)))
        .all(back.into_tags())
        .all(canvas.into_tags())
}

/// An empty picture of the usual width.
pub(crate) fn svg_of(height: f64, title: &str) -> Tag {
    Tag::new("svg")
        .class("edgeplan")
        .set("xmlns", "http://www.w3.org/2000/svg")
        .set("viewBox", format!("0 0 {WIDTH} {height}").as_str())
        .set("width", WIDTH)
        .set("height", height)
        .set("role", "img")
        .add(Tag::new("title").text(title))
}

/// What can be drawn of the plan: nothing where it does not have the instance's shape.
pub(crate) fn scene<'a>(picture: &Picture<'a>, account: &'a Account) -> Option<Scene<'a>> {
    let fits = !account.models.is_empty();
    fits.then(|| Scene::new(picture.instance, picture.plan, account))
}

fn sections(scene: &Scene<'_>, canvas: &mut Canvas, y: f64, steps: Option<Steps<'_>>) -> f64 {
    const APART: f64 = 40.0;
    let models = 0..scene.instance.models.len();
    let mut y = y;
    for model in models.clone() {
        y = route::draw(scene, canvas, y + APART, model);
    }
    y = route::unused(scene, canvas, y);
    for model in models.clone() {
        y = layers::draw(scene, canvas, y + APART, model);
    }
    y = memory::draw(scene, canvas, y + APART);
    for model in models {
        y = timeline::draw(scene, canvas, y + APART, model, steps);
    }
    y
}

/// Name, question, verdict and broken constraints; returns where they end.
fn header(picture: &Picture<'_>, evaluation: &Evaluation<Deployment>, canvas: &mut Canvas) -> f64 {
    let instance = picture.instance;
    let mut y = MARGIN + 12.0;
    canvas.text(at(MARGIN, y, INNER), TITLE, &instance.name);
    y += 24.0;
    let layers = instance.models.iter().map(|model| model.layers.len()).sum();
    let subtitle = format!(
        "{}, {}, {}; minimises {}",
        count(instance.models.len(), "model"),
        count(layers, "layer"),
        count(instance.devices.len(), "device"),
        goal(instance),
    );
    canvas.text(at(MARGIN, y, INNER), SOFT.size(12.0), &subtitle);
    y += 30.0;
    let good = evaluation.is_feasible() && picture.verdict == "optimal";
    let class = match (good, evaluation.is_feasible()) {
        (true, _) => "good",
        (false, true) => "badge",
        (false, false) => "alarm",
    };
    let style = BODY.size(13.0).bold().class("onbadge");
    let width = (style.width(picture.verdict) + 20.0).min(160.0);
    canvas.rect(Frame { x: MARGIN, y: y - 12.0, width, height: 24.0 }, 12.0, class);
    canvas.text(at(MARGIN + 10.0, y, width - 20.0), style, picture.verdict);
    let x = MARGIN + width + 12.0;
    let origin = SOFT.size(12.0).end();
    let right = canvas.text(at(WIDTH - MARGIN, y, 220.0), origin, &picture.origin());
    let room = WIDTH - MARGIN - right - 16.0 - x;
    canvas.text(at(x, y, room), BODY.size(14.0), &picture.proof(evaluation));
    y += 12.0;
    for line in picture.said {
        y += 20.0;
        canvas.text(at(MARGIN, y, INNER), BODY, line);
    }
    violations(&evaluation.violations, canvas, y)
}

fn violations(violations: &[Violation], canvas: &mut Canvas, y: f64) -> f64 {
    let mut y = y;
    let style = BODY.class("alarm");
    let mut line = |text: &str| {
        y += 20.0;
        canvas.text(at(MARGIN, y, INNER), style, text);
    };
    for violation in violations.iter().take(VIOLATIONS_MAX) {
        line(&violation.to_string());
    }
    if let Some(more) = violations.len().checked_sub(VIOLATIONS_MAX).filter(|more| *more > 0) {
        line(&format!("and {}", count(more, "more broken constraint")));
    }
    y
}

/// What is minimised, in words.
fn goal(instance: &Deployment) -> &'static str {
    match (instance.objective, instance.models.len()) {
        (Objective::Latency, 1) => "the time of one request",
        (Objective::Latency, _) => "the weighted time of one request each",
        (Objective::Bottleneck, _) => "the busiest device's time per round",
        (Objective::Memory, _) => "the bytes in use",
    }
}
