//! Colours and fonts, light and dark. Formats run from sand (few bits) to deep blue (many bits), or
//! violet on dark pages, with falling lightness: the order survives colour blindness and a print in
//! black and white.

use std::fmt::Write as _;

/// Shades of the ramp at most; more formats than that share neighbours' shades.
pub(crate) const SHADES_MAX: usize = 24;

type Rgb = [u8; 3];

const LIGHT: [Rgb; 6] = [
    [0xf2, 0xdf, 0xa0],
    [0xb9, 0xd3, 0x9a],
    [0x6f, 0xbb, 0xa4],
    [0x3c, 0x8f, 0xae],
    [0x2f, 0x5a, 0x94],
    [0x2b, 0x2f, 0x6b],
];

/// The same order with a brighter end, which would drown in a dark page.
const DARK: [Rgb; 6] = [
    [0xf4, 0xe3, 0xab],
    [0xb7, 0xd5, 0x9b],
    [0x68, 0xb8, 0xa6],
    [0x3f, 0x93, 0xb8],
    [0x4a, 0x73, 0xbd],
    [0x7a, 0x4f, 0xb5],
];

const FONT: &str = "font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",\
                    Arial,\"DejaVu Sans\",sans-serif;font-variant-numeric:tabular-nums";

/// (class, property, light, dark)
const COLOURS: [(&str, &str, &str, &str); 25] = [
    ("page", "fill", "#ffffff", "#14171c"),
    ("ink", "fill", "#1d232b", "#e8ebef"),
    ("soft", "fill", "#5b6673", "#a3adb9"),
    ("faint", "fill", "#737d89", "#8a95a2"),
    ("halo", "stroke", "#ffffff", "#14171c"),
    ("card", "fill", "#f7f8fa", "#1b2027"),
    ("card", "stroke", "#c9d0d8", "#3a434e"),
    ("ghost", "fill", "#f7f8fa", "#191d23"),
    ("ghost", "stroke", "#e1e5ea", "#2b323b"),
    ("rule", "stroke", "#e1e5ea", "#2b323b"),
    ("arrow", "stroke", "#5b6673", "#a3adb9"),
    ("head", "fill", "#5b6673", "#a3adb9"),
    ("badge", "fill", "#3b4754", "#c3cbd4"),
    ("onbadge", "fill", "#ffffff", "#14171c"),
    ("run", "stroke", "#3b4754", "#c3cbd4"),
    ("track", "fill", "#eceff3", "#232a33"),
    ("main", "fill", "#44688f", "#6f9bcb"),
    ("onmain", "fill", "#ffffff", "#10141a"),
    ("onsecond", "fill", "#2a2110", "#2a2110"),
    ("second", "fill", "#e3a857", "#e3a857"),
    ("third", "fill", "#7db8b3", "#6aa9a4"),
    ("fourth", "fill", "#a7b0ba", "#707b88"),
    ("alarm", "fill", "#b8420f", "#ff9a68"),
    ("mark", "stroke", "#b8420f", "#ff9a68"),
    ("good", "fill", "#1f6f68", "#6fcfc4"),
];

/// The picture's style sheet for that many formats. Every rule is below `.edgeplan`, so that a page
/// around the picture keeps its own style.
pub(crate) fn sheet(formats: usize) -> String {
    let shades = formats.min(SHADES_MAX);
    let mut css = format!(
        ".edgeplan text{{{FONT}}}\
         .edgeplan .card,.edgeplan .ghost,.edgeplan .rule{{stroke-width:1}}\
         .edgeplan .rule,.edgeplan .arrow,.edgeplan .run{{fill:none}}\
         .edgeplan .arrow,.edgeplan .run{{stroke-width:1.25}}\
         .edgeplan .mark{{stroke-width:2}}\
         .edgeplan .halo{{stroke-width:3;stroke-linejoin:round;paint-order:stroke}}"
    );
    colours(&mut css, shades, false);
    css.push_str("@media (prefers-color-scheme:dark){");
    colours(&mut css, shades, true);
    css.push('}');
    css
}

fn colours(css: &mut String, shades: usize, dark: bool) {
    for (class, property, on_light, on_dark) in COLOURS {
        let value = if dark { on_dark } else { on_light };
        write!(css, ".edgeplan .{class}{{{property}:{value}}}").expect("a String takes everything");
    }
    for shade in 0..shades {
        let [r, g, b] = ramp(if dark { &DARK } else { &LIGHT }, shade, shades);
        let ink = if is_light([r, g, b]) { "#1d232b" } else { "#ffffff" };
        write!(css, ".edgeplan .f{shade} rect{{fill:#{r:02x}{g:02x}{b:02x}}}")
            .expect("a String takes everything");
        write!(css, ".edgeplan .f{shade} text{{fill:{ink}}}").expect("a String takes everything");
    }
}

/// Shade `index` of `count`, evenly spread; a single one comes from the middle.
fn ramp(stops: &[Rgb], index: usize, count: usize) -> Rgb {
    let position = match count {
        0 | 1 => 0.5,
        _ => index as f64 / (count - 1) as f64,
    };
    let place = position * (stops.len() - 1) as f64;
    let low = (place as usize).min(stops.len() - 2);
    let part = place - low as f64;
    let mix = |a: u8, b: u8| (f64::from(a) * (1.0 - part) + f64::from(b) * part).round() as u8;
    let (a, b) = (stops[low], stops[low + 1]);
    [mix(a[0], b[0]), mix(a[1], b[1]), mix(a[2], b[2])]
}

/// Whether dark letters are the easier ones to read on it.
fn is_light(colour: Rgb) -> bool {
    luminance(colour) > 0.24
}

/// Relative luminance of an sRGB colour, 0 to 1 (WCAG 2).
fn luminance(colour: Rgb) -> f64 {
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let [r, g, b] = colour.map(linear);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_bits_are_darker_for_every_eye() {
        for (stops, count) in [(&LIGHT, 2), (&LIGHT, 8), (&LIGHT, SHADES_MAX), (&DARK, 8)] {
            let shades: Vec<f64> =
                (0..count).map(|index| luminance(ramp(stops, index, count))).collect();
            assert!(shades.is_sorted_by(|a, b| a > b), "{shades:?}");
        }
    }
}
