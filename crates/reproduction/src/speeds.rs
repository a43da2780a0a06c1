//! Public speeds of devices that were not measured, predicted without them.

use anyhow::{Context as _, Result};
use edgeplan_pricing::speeds::{Errors, HeldOut, errors, fitted, held_out, public_speeds};
use edgeplan_report::table::Table;
use serde::Serialize;

/// What was held out, the errors by class, and the classes that follow, under stable keys.
#[derive(Debug, Serialize)]
pub struct Speeds {
    /// By class and kind.
    pub errors: Vec<Errors>,
    /// Each speed, predicted without its machine.
    pub held_out: Vec<HeldOut>,
    /// `bench-data/devices/classes.toml`, as it follows from the table.
    #[serde(skip)]
    pub classes: String,
}

/// Predicts every public speed without its machine.
///
/// # Errors
/// A row that names what no catalog holds; the table of this build has none.
pub fn speeds() -> Result<Speeds> {
    let rows = public_speeds()?;
    let held_out = held_out(&rows)?;
    let fitted = fitted(&rows, &held_out)?;
    let classes = toml::to_string(&fitted).context("plain data serializes")?;
    Ok(Speeds { errors: errors(&fitted, &held_out), held_out, classes })
}

impl Speeds {
    /// A row for each class and kind.
    pub fn table(&self) -> Table {
        let columns = [
            "class",
            "speeds",
            "device",
            "efficiency>",
            "overhead>",
            "rows>",
            "machines>",
            "error>",
            "median>",
            "90 %>",
            "band>",
            "of",
            "within>",
        ];
        Table::new(columns).with_rows(self.errors.iter().map(|errors| {
            let stage = if errors.prefill { "prompt" } else { "decode" };
            let band = &errors.band;
            [
                named(&errors.class),
                format!("{stage}{}", if errors.experts { ", experts" } else { "" }),
                (if errors.known { "known otherwise" } else { "unknown" }).to_owned(),
                format!("{:.3}", errors.efficiency),
                errors.overhead_us.map_or("-".into(), |time| format!("{time:.0} us")),
                errors.rows.to_string(),
                errors.machines.to_string(),
                format!("{:+.1} %", 100.0 * errors.error),
                format!("{:.1} %", 100.0 * errors.median),
                format!("{:.1} %", 100.0 * errors.ninetieth),
                format!("{:.2} to {:.2}", band.low, band.high),
                named(&band.of),
                format!("{:.0} %", 100.0 * errors.covered),
            ]
        }))
    }
}

impl std::fmt::Display for Speeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.table().fmt(f)
    }
}

fn named(class: &str) -> String {
    if class.is_empty() { "all".into() } else { class.into() }
}
