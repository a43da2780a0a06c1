//! Writes the pictures and pages of the test cases into a folder, to be looked at.

use std::path::PathBuf;

use edgeplan_report::{page, picture};

#[path = "../tests/cases/mod.rs"]
mod cases;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "gallery".into()));
    std::fs::create_dir_all(&folder)?;
    for case in cases::all() {
        let path = folder.join(case.name);
        std::fs::write(path.with_extension("svg"), picture::svg(&case.picture()))?;
        std::fs::write(path.with_extension("html"), page::html(&case.picture(), "gallery"))?;
    }
    Ok(())
}
