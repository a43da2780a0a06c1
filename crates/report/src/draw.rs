//! A sheet to draw on: rectangles, lines and texts that stay in their place.

use std::fmt;

use svg::node::element::Element;
use svg::node::{Node as _, Text, Value};

use crate::text;

/// Width of a picture, margins included.
pub(crate) const WIDTH: f64 = 960.0;
/// White space around a picture.
pub(crate) const MARGIN: f64 = 24.0;
/// Width that can be drawn on.
pub(crate) const INNER: f64 = WIDTH - 2.0 * MARGIN;

/// An element of SVG or HTML; texts and attributes are escaped.
#[derive(Debug, Clone)]
pub(crate) struct Tag(Element);

impl Tag {
    pub(crate) fn new(name: &str) -> Self {
        Self(Element::new(name))
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.assign(name, value);
        self
    }

    pub(crate) fn class(self, class: &str) -> Self {
        self.set("class", class)
    }

    pub(crate) fn add(mut self, child: Self) -> Self {
        self.0.append(child.0);
        self
    }

    pub(crate) fn all(self, children: impl IntoIterator<Item = Self>) -> Self {
        children.into_iter().fold(self, Self::add)
    }

    pub(crate) fn text(mut self, content: &str) -> Self {
        self.0.append(Text::new(text::clean(content)));
        self
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A rectangle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Frame {
    pub(crate) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// The middle, across and down.
    pub(crate) fn centre(&self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

/// Which point of a text is at its place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) class: &'static str,
    pub(crate) anchor: Anchor,
}

/// The smallest size that text shrinks to.
const SIZE_MIN: f64 = 9.5;

pub(crate) const TITLE: Style = Style { size: 20.0, ..STRONG };
pub(crate) const STRONG: Style = Style { size: 13.0, bold: true, ..BODY };
pub(crate) const BODY: Style =
    Style { size: 12.0, bold: false, class: "ink", anchor: Anchor::Start };
pub(crate) const SOFT: Style = Style { size: 11.0, class: "soft", ..BODY };

impl Style {
    pub(crate) const fn size(self, size: f64) -> Self {
        Self { size, ..self }
    }

    pub(crate) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(crate) const fn class(self, class: &'static str) -> Self {
        Self { class, ..self }
    }

    pub(crate) const fn middle(self) -> Self {
        Self { anchor: Anchor::Middle, ..self }
    }

    pub(crate) const fn end(self) -> Self {
        Self { anchor: Anchor::End, ..self }
    }

    pub(crate) fn width(&self, text: &str) -> f64 {
        text::width(text, self.size, self.bold)
    }
}

/// Where a text stands: its anchor, the middle of its line, and the room it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) room: f64,
}

/// A place for text.
pub(crate) fn at(x: f64, y: f64, room: f64) -> Place {
    Place { x, y, room }
}

/// What is drawn so far, back to front.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    tags: Vec<Tag>,
}

impl Canvas {
    pub(crate) fn into_tags(self) -> Vec<Tag> {
        self.tags
    }

    pub(crate) fn rect(&mut self, frame: Frame, radius: f64, class: &str) {
        let tag = Tag::new("rect").class(class).set("x", px(frame.x)).set("y", px(frame.y));
        let tag = tag.set("width", px(frame.width)).set("height", px(frame.height));
        self.tags.push(if radius > 0.0 { tag.set("rx", radius) } else { tag });
    }

    /// A line through the points.
    pub(crate) fn line(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> =
            points.iter().map(|&(x, y)| format!("{},{}", px(x), px(y))).collect();
        self.tags.push(Tag::new("polyline").class(class).set("points", points.join(" ").as_str()));
    }

    /// A line through the points with a head at its end, which is horizontal or vertical.
    pub(crate) fn arrow(&mut self, points: &[(f64, f64)]) {
        const LENGTH: f64 = 7.0;
        const HALF: f64 = 3.5;
        self.line(points, "arrow");
        let [.., from, tip] = *points else { return };
        let (dx, dy) = ((tip.0 - from.0).signum(), (tip.1 - from.1).signum());
        let (dx, dy) = if tip.0 == from.0 { (0.0, dy) } else { (dx, 0.0) };
        let base = (tip.0 - LENGTH * dx, tip.1 - LENGTH * dy);
        let sides =
            [(base.0 - HALF * dy, base.1 - HALF * dx), (base.0 + HALF * dy, base.1 + HALF * dx)];
        let corners = [sides[0], tip, sides[1]].map(|(x, y)| format!("{},{}", px(x), px(y)));
        self.tags.push(Tag::new("polygon").class("head").set("points", corners.join(" ").as_str()));
    }

    /// Draws the text, shortened to its room; the whole of it is then what pointing at it shows.
    /// Returns its width.
    pub(crate) fn text(&mut self, place: Place, style: Style, content: &str) -> f64 {
        let whole = text::clean(content);
        let shown = text::fit(&whole, style.size, style.bold, place.room);
        if shown.is_empty() {
            return 0.0;
        }
        // No renderer agrees on `dominant-baseline`; 0.36 em centres lower-case and digits.
        let mut tag = Tag::new("text").class(style.class).set("font-size", style.size);
        tag = tag.set("x", px(place.x)).set("y", px(place.y + 0.36 * style.size));
        if style.bold {
            tag = tag.set("font-weight", 600);
        }
        tag = match style.anchor {
            Anchor::Start => tag,
            Anchor::Middle => tag.set("text-anchor", "middle"),
            Anchor::End => tag.set("text-anchor", "end"),
        };
        let drawn = style.width(&shown);
        let tag = tag.text(&shown);
        let shortened = shown != whole;
        self.tags.push(if shortened { titled(&whole).add(tag) } else { tag });
        drawn
    }

    /// Draws the text a little smaller where that keeps it whole.
    pub(crate) fn shrink(&mut self, place: Place, style: Style, content: &str) -> f64 {
        let sizes = [style.size, 11.5, 11.0, 10.5, 10.0, SIZE_MIN];
        let whole = text::clean(content);
        let fits =
            |size: &f64| *size <= style.size && style.size(*size).width(&whole) <= place.room;
        let size = sizes.into_iter().find(fits).unwrap_or(style.size);
        self.text(place, style.size(size), content)
    }

    /// What `draw` draws, in a group of that class (may be empty); pointing at it shows `title`.
    pub(crate) fn group(&mut self, class: &str, title: &str, draw: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        draw(&mut inner);
        let group = if title.is_empty() { Tag::new("g") } else { titled(title) };
        let group = if class.is_empty() { group } else { group.class(class) };
        self.tags.push(group.all(inner.tags));
    }

    /// A number on a dark pill whose left end is at `x` and whose middle is at `y`; its width.
    pub(crate) fn badge(&mut self, x: f64, y: f64, number: usize) -> f64 {
        let text = number.to_string();
        let style = BADGE.middle();
        let width = badge_width(number);
        self.rect(Frame { x, y: y - 8.0, width, height: 16.0 }, 8.0, "badge");
        self.text(at(x + width / 2.0, y, width), style, &text);
        width
    }

    /// The heading of a section, with a remark beside it.
    pub(crate) fn heading(&mut self, y: f64, heading: &str, remark: &str) {
        let used = self.text(at(MARGIN, y, INNER), STRONG, heading);
        self.text(at(MARGIN + used + 12.0, y, INNER - used - 12.0), SOFT, remark);
    }
}

const BADGE: Style = Style { size: 10.0, bold: true, class: "onbadge", anchor: Anchor::Start };

/// Width of a badge with that number.
pub(crate) fn badge_width(number: usize) -> f64 {
    (BADGE.width(&number.to_string()) + 8.0).max(16.0)
}

fn titled(title: &str) -> Tag {
    Tag::new("g").add(Tag::new("title").text(title))
}

/// Rounded to a tenth of a pixel; adding zero turns -0 into 0.
fn px(value: f64) -> f64 {
    (value * 10.0).round() / 10.0 + 0.0
}
