//! One target under libFuzzer, which brings `main`. `EDGEPLAN_FUZZ_TARGET` names the target; with
//! `EDGEPLAN_FUZZ_SEEDS`, its seeds are written to that folder before the campaign begins.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use edgeplan_fuzz::{TARGETS, Target, find};
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

/// The target that was asked for.
///
/// # Panics
/// When there is none of that name, or its seeds cannot be written.
fn begin() -> &'static Target {
    let name = std::env::var("EDGEPLAN_FUZZ_TARGET").unwrap_or_default();
    let target = find(&name).unwrap_or_else(|| {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        panic!("EDGEPLAN_FUZZ_TARGET is `{name}`; it may be {}", names.join(", "))
    });
    if let Some(folder) = std::env::var_os("EDGEPLAN_FUZZ_SEEDS") {
        for (index, seed) in (target.seeds)().into_iter().enumerate() {
            let path = Path::new(&folder).join(format!("seed-{index}"));
            std::fs::write(path, seed).expect("a folder for seeds");
        }
    }
    target
}

fuzz_target!(init: { TARGET.get_or_init(begin); }, |bytes: &[u8]| {
    (TARGET.get_or_init(begin).run)(bytes);
});
