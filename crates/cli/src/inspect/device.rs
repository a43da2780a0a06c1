//! `edgeplan inspect device`: numbers with their sources, and the speeds that follow from them.

use anyhow::Result;
use edgeplan_machines::device::{self, Device, DeviceProfile, Rates, Status};
use edgeplan_model::ModelSpec;
use edgeplan_problem::format::Format;
use serde_json::{Value, json};

use super::measured;
use crate::reply::Reply;
use crate::report::table;

/// The model whose speed stands for all of its size.
pub(super) const SEVEN_B: &str = "catalog:llama-2-7b";

/// The devices of the catalog.
pub(super) fn catalog(json: bool) -> Result<Reply> {
    let devices = device::catalog();
    if json {
        return Ok(Reply::json(devices));
    }
    let header = ["device", "usable memory", "GB/s", "Tflop/s", "status", "speeds"];
    let mut rows = table(&header, &[1, 2, 3, 5]);
    for (name, device) in devices {
        rows.add_row([
            format!("catalog:{name}"),
            device.usable().to_string(),
            device.bandwidth_gb_s.to_string(),
            device.tflops.to_string(),
            device.status.name().to_owned(),
            (device.speed.len() + device.rate.len()).to_string(),
        ]);
    }
    Ok(Reply::text(&rows.to_string()))
}

/// One device.
pub(super) fn one(spec: &str, json: bool) -> Result<Reply> {
    let device = match device::load(spec)? {
        DeviceProfile::Published(device) => device,
        DeviceProfile::Measured(machine) => return measured::one(&machine, json),
    };
    let (facts, rates) = (facts(&device), rates(&device)?);
    if json {
        let facts: Vec<Value> = facts.iter().map(Fact::json).collect();
        let rates: Vec<Value> = rates.iter().map(FormatRate::json).collect();
        let usable = device.usable();
        let json = json!({"name": spec, "usable_bytes": usable, "facts": facts, "rates": rates});
        return Ok(Reply::json(&json));
    }
    let mut known = table(&["what", "value", "status", "source"], &[1]);
    for Fact { what, value, unit, status, source } in &facts {
        let value = format!("{value} {unit}");
        known.add_row([what, &value, status.name(), source]);
    }
    let header = ["format", "reads", "computes", "7B decode", "7B prefill", "status"];
    let mut derived = table(&header, &[1, 2, 3, 4]);
    for rate in &rates {
        derived.add_row([
            rate.format.name().to_owned(),
            format!("{:.1} GB/s", rate.bandwidth / 1e9),
            format!("{:.2} Tflop/s", rate.compute / 1e12),
            format!("{:.1} tok/s", rate.decode),
            format!("{:.0} tok/s", rate.prefill),
            rate.status_text(),
        ]);
    }
    let model = SEVEN_B.trim_start_matches("catalog:");
    let note = format!("7B is {model} at batch 1, whether it fits or not");
    Ok(Reply::text(&format!("{spec}: {} usable\n\n{known}\n\n{derived}\n{note}", device.usable())))
}

/// A number that somebody stated.
struct Fact<'a> {
    what: String,
    value: f64,
    unit: &'static str,
    status: Status,
    source: &'a str,
}

impl Fact<'_> {
    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "status": self.status,
            "source": self.source,
        })
    }
}

fn facts(device: &Device) -> Vec<Fact<'_>> {
    let own = |what: &str, value, unit| Fact {
        what: what.into(),
        value,
        unit,
        status: device.status,
        source: &device.source,
    };
    let (memory, unit) = match (device.memory_gib, device.memory_gb) {
        (Some(amount), _) => (amount, "GiB"),
        (None, amount) => (amount.unwrap_or_default(), "GB"),
    };
    let mut facts = vec![
        own("memory", memory, unit),
        Fact {
            status: Status::Estimated,
            source: "what the system usually leaves to a runtime",
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
                source: &speed.source,
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
struct FormatRate {
    format: Format,
    /// Bytes of weights per second.
    bandwidth: f64,
    bandwidth_status: Status,
    /// Operations per second.
    compute: f64,
    compute_status: Status,
    /// Tokens per second of [`SEVEN_B`].
    decode: f64,
    prefill: f64,
}

impl FormatRate {
    fn new(rates: &Rates, seven: &ModelSpec, format: Format) -> Result<Self> {
        let status = |published| if published { Status::Measured } else { Status::Estimated };
        let (decode, prefill) = rates.tokens_per_s(seven, format);
        Ok(Self {
            format,
            bandwidth: rates.bandwidth(format, true)?,
            bandwidth_status: status(rates.bandwidth(format, false).is_ok()),
            compute: rates.compute(format, true)?,
            compute_status: status(rates.compute(format, false).is_ok()),
            decode,
            prefill,
        })
    }

    fn status_text(&self) -> String {
        let (reading, computing) = (self.bandwidth_status.name(), self.compute_status.name());
        match reading == computing {
            true => reading.into(),
            false => format!("reading {reading}, computing {computing}"),
        }
    }

    fn json(&self) -> Value {
        json!({
            "format": self.format,
            "bandwidth_bytes_per_s": self.bandwidth,
            "bandwidth_status": self.bandwidth_status,
            "compute_flop_per_s": self.compute,
            "compute_status": self.compute_status,
            "decode_7b_tokens_per_s": self.decode,
            "prefill_7b_tokens_per_s": self.prefill,
        })
    }
}

fn rates(device: &Device) -> Result<Vec<FormatRate>> {
    let (rates, seven) = (Rates::new(device)?, edgeplan_model::load(SEVEN_B)?);
    Format::ALL.into_iter().map(|format| FormatRate::new(&rates, &seven, format)).collect()
}
