//! The catalog of devices: names, aliases, and what to suggest for a name that it lacks.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Device;
use edgeplan_files::{InputError, not_in_catalog, parse_toml};

const FILE: &str = "bench-data/devices/catalog.toml";
const TEXT: &str = include_str!("../../../../bench-data/devices/catalog.toml");

/// Names that an error suggests, at most.
const SUGGESTIONS: usize = 8;

struct Catalog {
    devices: BTreeMap<String, Device>,
    /// Other names.
    aliases: BTreeMap<String, String>,
}

/// The same machine with other memory: another entry, called `NAME-SIZE`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Size {
    memory_gib: f64,
    usable_percent: f64,
}

impl Catalog {
    /// Takes aliases and sizes out of the tables, which are devices without them.
    fn read(tables: BTreeMap<String, toml::Table>) -> Result<Self, toml::de::Error> {
        let mut catalog = Self { devices: BTreeMap::new(), aliases: BTreeMap::new() };
        for (name, mut table) in tables {
            let aliases: Vec<String> = taken(&mut table, "aliases")?;
            let sizes: Vec<Size> = taken(&mut table, "size")?;
            let device: Device = table.try_into()?;
            for Size { memory_gib, usable_percent } in sizes {
                let (memory_gb, memory_gib) = (None, Some(memory_gib));
                let of_size = Device { memory_gb, memory_gib, usable_percent, ..device.clone() };
                let size = memory_gib.unwrap_or_default();
                catalog.devices.insert(format!("{name}-{size}"), of_size);
            }
            catalog.aliases.extend(aliases.into_iter().map(|alias| (alias, name.clone())));
            catalog.devices.insert(name, device);
        }
        Ok(catalog)
    }
}

/// The list of that key, removed from the table; empty without one.
fn taken<'de, T: Deserialize<'de>>(
    table: &mut toml::Table,
    key: &str,
) -> Result<Vec<T>, toml::de::Error> {
    table.remove(key).map_or(Ok(Vec::new()), toml::Value::try_into)
}

/// Parsed once; a test reads every entry of the catalog of this build.
static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let tables = parse_toml(FILE, TEXT).expect("the catalog of this build is valid");
    Catalog::read(tables).expect("the catalog of this build is valid")
});

/// The catalog by name.
///
/// # Panics
/// Never: a test reads every entry of the catalog of this build.
pub fn catalog() -> &'static BTreeMap<String, Device> {
    &CATALOG.devices
}

/// The device of that name in the catalog: its own name, an alias, or a name without its memory
/// where one size alone is listed, as `rtx-3090` for `rtx-3090-24`.
///
/// # Errors
/// An unknown or ambiguous name, with the names that contain it or the nearest one.
pub fn from_catalog(name: &str) -> Result<Device, InputError> {
    named(name).map(|(_, device)| device.clone())
}

fn named(name: &str) -> Result<(&'static str, &'static Device), InputError> {
    let meant = CATALOG.aliases.get(name).map_or(name, String::as_str);
    if let Some((name, device)) = catalog().get_key_value(meant) {
        return Ok((name, device));
    }
    // A name without its memory, where one size alone is listed: `rtx-3080` begins two.
    let begins = |key: &str| {
        let size = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        size.is_some_and(|size| size.parse::<u32>().is_ok())
    };
    let mut longer = catalog().iter().filter(|(key, _)| begins(key));
    match (longer.next(), longer.next()) {
        (Some((name, device)), None) => Ok((name, device)),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> InputError {
    let lower = name.to_ascii_lowercase().replace([' ', '_'], "-");
    let names = || catalog().keys().map(String::as_str);
    let within: Vec<String> = names()
        .filter(|key| !lower.is_empty() && key.contains(&lower))
        .map(|key| format!("`catalog:{key}`"))
        .collect();
    if within.is_empty() {
        return not_in_catalog("device", name, names());
    }
    let more = match within.len().saturating_sub(SUGGESTIONS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = within[..within.len().min(SUGGESTIONS)].join(", ");
    let problem = format!("no such device in the catalog; its name is in {shown}{more}");
    InputError::file(format!("catalog:{name}"), problem)
}

#[cfg(test)]
mod tests {
    use super::super::Rates;
    use super::*;
    use edgeplan_problem::format::Format;

    #[test]
    fn every_entry_makes_sense() {
        assert!(catalog().len() >= 150, "{}", catalog().len());
        for (name, device) in catalog() {
            device.check(name, "").unwrap();
            assert!(!device.source.is_empty() && device.backend.is_some(), "{name}");
            let rates = Rates::new(device).unwrap();
            for format in Format::ALL {
                let bandwidth = rates.bandwidth(format, true).unwrap();
                // Nothing reads faster than its memory; llama.cpp's own q4_0 files are a little
                // larger than a uniform one, hence the margin.
                assert!(bandwidth <= 1.05e9 * device.bandwidth_gb_s, "{name} {format}");
            }
        }
    }

    #[test]
    fn names_and_aliases_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        let sizes = catalog().len();
        for name in CATALOG.aliases.keys().chain(catalog().keys()) {
            assert!(seen.insert(name), "{name} twice");
        }
        // No size overwrote an entry of that name, no alias another one.
        let tables: BTreeMap<String, toml::Table> = parse_toml(FILE, TEXT).unwrap();
        let listed = |key: &str| {
            let lists = tables.values().filter_map(|table| table.get(key)?.as_array());
            lists.map(Vec::len).sum::<usize>()
        };
        assert_eq!(sizes, tables.len() + listed("size"));
        assert_eq!(CATALOG.aliases.len(), listed("aliases"));
        assert!(CATALOG.aliases.values().all(|name| tables.contains_key(name)));
    }

    #[test]
    fn a_name_may_be_an_alias_or_lack_the_only_size() {
        for (said, meant) in [
            ("rtx-3090", "rtx-3090-24"),
            ("strix-halo", "ryzen-ai-max-395-128"),
            ("apple-m4", "apple-m4"),
            ("raspberry-pi-4-8", "raspberry-pi-4-8"),
        ] {
            assert_eq!(named(said).unwrap().0, meant);
        }
    }

    #[test]
    fn an_unknown_name_gets_what_contains_it_or_is_near() {
        let problem = |name: &str| from_catalog(name).unwrap_err().to_string();
        let ambiguous = problem("raspberry-pi-4");
        assert!(ambiguous.contains("`catalog:raspberry-pi-4-2`, `catalog:"), "{ambiguous}");
        assert!(problem("RTX 3090").contains("its name is in `catalog:rtx-3090-24`"));
        assert!(problem("rtx").ends_with("more"));
        assert!(
            problem("jetson-orin-mx-16").ends_with("did you mean `catalog:jetson-orin-nx-16`?")
        );
        assert!(problem("").contains("no such device"));
    }
}
