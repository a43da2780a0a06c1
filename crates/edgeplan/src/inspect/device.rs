//! Devices of which numbers were published: the numbers with their sources, and the speeds that
//! follow from them.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use edgeplan_files::InputError;
use edgeplan_machines::device::{Device, MissingRate, Rates, Status};
use edgeplan_model::ModelSpec;
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;
use edgeplan_report::table::Table;
use serde::Serialize;

use super::SEVEN_B;

/// The devices of the catalog. See [`devices`](super::devices) for an example.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct DeviceCatalog(pub(super) &'static BTreeMap<String, Device>);

impl Display for DeviceCatalog {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let columns = ["device", "usable memory>", "GB/s>", "Tflop/s>", "status", "speeds>"];
        let rows = self.0.iter().map(|(name, device)| {
            [
                format!("catalog:{name}"),
                device.usable().to_string(),
                device.bandwidth_gb_s.to_string(),
                device.tflops.to_string(),
                device.status.name().to_owned(),
                (device.speed.len() + device.rate.len()).to_string(),
            ]
        });
        Table::new(columns).with_rows(rows).fmt(f)
    }
}

/// What was published of a device. Field names are stable keys. See the [module](super) for an
/// example.
#[derive(Debug, Serialize)]
pub struct PublishedFacts {
    name: String,
    usable_bytes: Bytes,
    facts: Vec<Fact>,
    rates: Vec<FormatRate>,
}

impl PublishedFacts {
    pub(super) fn new(spec: &str, device: &Device) -> Result<Self, InputError> {
        Ok(Self {
            name: spec.to_owned(),
            usable_bytes: device.usable(),
            facts: facts(device),
            rates: rates(spec, device)?,
        })
    }
}

impl Display for PublishedFacts {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let facts = self.facts.iter().map(|fact| {
            let value = format!("{} {}", fact.value, fact.unit);
            [fact.what.clone(), value, fact.status.name().to_owned(), fact.source.clone()]
        });
        let facts = Table::new(["what", "value>", "status", "source"]).with_rows(facts);
        let columns = ["format", "reads>", "computes>", "7B decode>", "7B prefill>", "status"];
        let rates = Table::new(columns).with_rows(self.rates.iter().map(|rate| {
            [
                rate.format.name().to_owned(),
                format!("{:.1} GB/s", rate.bandwidth_bytes_per_s / 1e9),
                format!("{:.2} Tflop/s", rate.compute_flop_per_s / 1e12),
                format!("{:.1} tok/s", rate.decode_7b_tokens_per_s),
                format!("{:.0} tok/s", rate.prefill_7b_tokens_per_s),
                rate.status_text(),
            ]
        }));
        let seven = SEVEN_B.trim_start_matches("catalog:");
        write!(
            f,
            "{}: {} usable\n\n{facts}\n\n{rates}\n7B is {seven} at batch 1, whether it fits or not",
            self.name, self.usable_bytes
        )
    }
}

/// A published number.
#[derive(Debug, Serialize)]
struct Fact {
    what: String,
    value: f64,
    unit: &'static str,
    status: Status,
    source: String,
}

fn facts(device: &Device) -> Vec<Fact> {
    let own = |what: &str, value, unit| Fact {
        what: what.into(),
        value,
        unit,
        status: device.status,
        source: device.source.clone(),
    };
    let (memory, unit) = match (device.memory_gib, device.memory_gb) {
        (Some(amount), _) => (amount, "GiB"),
        (None, amount) => (amount.unwrap_or_default(), "GB"),
    };
    let mut facts = vec![
        own("memory", memory, unit),
        Fact {
            status: Status::Estimated,
            source: "what the system usually leaves to a runtime".into(),
            ..own("usable memory", device.usable_percent, "%")
        },
        own("bandwidth", device.bandwidth_gb_s, "GB/s"),
        own("half-precision compute", device.tflops, "Tflop/s"),
    ];
    let overhead = device.layer_overhead_us;
    facts.extend(overhead.map(|time| own("starting a layer's kernels", time, "us")));
    for speed in &device.speed {
        for (what, value) in [("decode", speed.decode), ("prefill", speed.prefill)] {
            facts.extend(value.map(|value| Fact {
                what: format!("{what} {} {}", speed.model, speed.format),
                value,
                unit: "tok/s",
                status: Status::Measured,
                source: speed.source.clone(),
            }));
        }
    }
    for rate in &device.rate {
        let timed = [("reads", rate.bandwidth_gb_s, "GB/s"), ("computes", rate.tflops, "Tflop/s")];
        for (what, value, unit) in timed {
            let name = format!("{what} {}", rate.format);
            let measured = |value| Fact { status: Status::Measured, ..own(&name, value, unit) };
            facts.extend(value.map(measured));
        }
    }
    facts
}

/// How fast a device is in one format.
#[derive(Debug, Serialize)]
struct FormatRate {
    format: Format,
    /// Bytes of weights per second.
    bandwidth_bytes_per_s: f64,
    bandwidth_status: Status,
    /// Operations per second.
    compute_flop_per_s: f64,
    compute_status: Status,
    /// Tokens per second of [`SEVEN_B`].
    decode_7b_tokens_per_s: f64,
    prefill_7b_tokens_per_s: f64,
}

impl FormatRate {
    fn new(rates: &Rates, seven: &ModelSpec, format: Format) -> Result<Self, MissingRate> {
        let status = |published| if published { Status::Measured } else { Status::Estimated };
        let (decode, prefill) = rates.tokens_per_s(seven, format);
        Ok(Self {
            format,
            bandwidth_bytes_per_s: rates.bandwidth(format, true)?,
            bandwidth_status: status(rates.bandwidth(format, false).is_ok()),
            compute_flop_per_s: rates.compute(format, true)?,
            compute_status: status(rates.compute(format, false).is_ok()),
            decode_7b_tokens_per_s: decode,
            prefill_7b_tokens_per_s: prefill,
        })
    }

    fn status_text(&self) -> String {
        let (reading, computing) = (self.bandwidth_status.name(), self.compute_status.name());
        match reading == computing {
            true => reading.into(),
            false => format!("reading {reading}, computing {computing}"),
        }
    }
}

fn rates(spec: &str, device: &Device) -> Result<Vec<FormatRate>, InputError> {
    let (rates, seven) = (Rates::new(device)?, edgeplan_model::load(SEVEN_B)?);
    let rate = |format| FormatRate::new(&rates, &seven, format);
    let rates = Format::COMPUTED.into_iter().map(rate).collect::<Result<_, _>>();
    rates.map_err(|missing| InputError::file(spec, missing.to_string()))
}
