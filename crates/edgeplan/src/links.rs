//! A measured link as the lines of a `cluster.toml`.

use edgeplan_files::quantity::{Bandwidth, Time};
use edgeplan_link::{Direction, Link};
use edgeplan_machines::cluster;
use edgeplan_problem::{Bytes, Nanos};
use serde::Serialize;

/// Above this ratio the two directions of a link are two links.
const LOPSIDED: f64 = 1.25;

/// The `[[link]]` entries of a measured link between these two: one, or two where the directions
/// differ. Half a round trip is a latency. Three digits: no measurement is better.
///
/// ```no_run
/// # use std::sync::atomic::AtomicBool;
/// let link = edgeplan_link::measure("10.0.0.7:7433", &AtomicBool::new(false))?;
/// let links = edgeplan::links(&link, &["laptop".into(), "desktop".into()]);
/// println!("{}", edgeplan::link_lines(&link, &links));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn links(link: &Link, between: &[String; 2]) -> Vec<cluster::Link> {
    let latency = Time(three_digits(link.round_trip.median.0 / 2));
    let [there, back] = [link.there, link.back].map(|direction| direction.bits_per_second());
    let one = |between: [&String; 2], bits: u64, one_way| cluster::Link {
        between: between.map(Clone::clone),
        bandwidth: Bandwidth(three_digits(bits)),
        latency,
        one_way,
    };
    let [here, other] = between;
    if there.max(back) as f64 > LOPSIDED * there.min(back) as f64 {
        return vec![one([here, other], there, true), one([other, here], back, true)];
    }
    vec![one([here, other], there.min(back), false)]
}

fn three_digits(number: u64) -> u64 {
    let unit = 10_u64.pow(number.max(1).ilog10().saturating_sub(2));
    (number.saturating_add(unit / 2) / unit).max(1).saturating_mul(unit)
}

/// The lines for a `cluster.toml`: a comment with what was measured, and the entries. See [`links`]
/// for an example.
///
/// # Panics
/// Never: names and numbers serialize.
pub fn link_lines(link: &Link, links: &[cluster::Link]) -> String {
    #[derive(serde::Serialize)]
    struct Lines<'a> {
        link: &'a [cluster::Link],
    }
    let times = link.round_trip;
    let way = |direction: &Direction| format!("{} in {}", direction.bytes, direction.time.median);
    format!(
        "# Round trip {} (MAD {}, {} times); {} there, {} back.\n{}",
        times.median,
        times.mad,
        times.repeats,
        way(&link.there),
        way(&link.back),
        toml::to_string(&Lines { link: links }).expect("plain data serializes"),
    )
}

/// A measured link. Field names are stable keys.
#[derive(Serialize)]
struct LinkKeys {
    address: String,
    round_trip_ns: Nanos,
    round_trip_mad_ns: Nanos,
    round_trips: u32,
    there: DirectionKeys,
    back: DirectionKeys,
    links: Vec<cluster::Link>,
}

#[derive(Serialize)]
struct DirectionKeys {
    bits_per_second: u64,
    transfer_bytes: Bytes,
    transfer_ns: Nanos,
    transfer_mad_ns: Nanos,
    transfers: u32,
}

impl DirectionKeys {
    fn new(direction: &Direction) -> Self {
        Self {
            bits_per_second: direction.bits_per_second(),
            transfer_bytes: direction.bytes,
            transfer_ns: direction.time.median,
            transfer_mad_ns: direction.time.mad,
            transfers: direction.time.repeats,
        }
    }
}

/// A measured link to that address for programs, under stable keys. See [`links`] for an example.
pub fn link_keys(address: &str, link: &Link, links: &[cluster::Link]) -> impl Serialize + use<> {
    LinkKeys {
        address: address.to_owned(),
        round_trip_ns: link.round_trip.median,
        round_trip_mad_ns: link.round_trip.mad,
        round_trips: link.round_trip.repeats,
        there: DirectionKeys::new(&link.there),
        back: DirectionKeys::new(&link.back),
        links: links.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan_measure::sample::Sample;

    /// A link of these rates in MB/s, with a round trip of 701.4 us.
    fn measured(there: u64, back: u64) -> Link {
        let sample = |median| Sample { median: Nanos(median), mad: Nanos(1), repeats: 9 };
        let way =
            |rate: u64| Direction { bytes: Bytes(rate * 1_000_000), time: sample(1_000_000_000) };
        Link { round_trip: sample(701_400), there: way(there), back: way(back) }
    }

    fn lines(there: u64, back: u64) -> String {
        let link = measured(there, back);
        link_lines(&link, &links(&link, &["laptop".into(), "nas".into()]))
    }

    #[test]
    fn a_link_is_half_a_round_trip_and_the_slower_way() {
        let text = lines(118, 117);
        let expected = "[[link]]\nbetween = [\"laptop\", \"nas\"]\nbandwidth = \"117 MB/s\"\n\
                        latency = \"351 us\"\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn ways_that_differ_are_two_links() {
        let text = lines(5, 50);
        assert_eq!(text.matches("one-way = true").count(), 2, "{text}");
        assert!(text.contains("[\"nas\", \"laptop\"]\nbandwidth = \"50 MB/s\""), "{text}");
    }

    #[test]
    fn digits_are_kept_and_nothing_is_zero() {
        for (number, rounded) in [(0, 1), (7, 7), (999, 999), (12_345, 12_300), (99_960, 100_000)] {
            assert_eq!(three_digits(number), rounded, "{number}");
        }
        assert!(three_digits(u64::MAX) > 1 << 63);
    }
}
