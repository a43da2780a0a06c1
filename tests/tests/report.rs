//! Reports: pages are what their records say, and the web page works in a browser.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use edgeplan_tests::{refused, run, text};

fn reports() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports")
}

#[test]
fn every_page_is_what_its_records_say() {
    let folder = reports().display().to_string();
    let output = run(&["report", &folder, "--check"]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "`edgeplan report` makes these again:\n{said}");
}

#[test]
fn every_page_of_records_says_which_are_superseded() {
    let entries = std::fs::read_dir(reports()).unwrap().map(|entry| entry.unwrap().path());
    let pages = entries.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut seen = 0;
    for path in pages {
        let page = std::fs::read_to_string(&path).unwrap();
        let of_records =
            page.lines().any(|l| l.starts_with("<!-- BEGIN: ") && l.contains(" record/"));
        seen += u32::from(of_records);
        assert!(!of_records || page.contains("<!-- BEGIN: superseded -->"), "{}", path.display());
    }
    assert!(seen >= 7, "{seen} pages");
}

#[test]
fn a_page_is_made_from_records_and_stays() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench-data/suites/smoke.toml");
    let (suite, out) = (suite.display().to_string(), path("record/r").display().to_string());
    let solvers = ["--solver", "highs,fastest-first", "--time", "2"];
    let output = run(&[&["bench", &suite, "--out", &out], &solvers[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = "# Smoke\n\n<!-- BEGIN: summary record/r -->\n<!-- END -->\n\n\
                <!-- BEGIN: profile plot=smoke record/r -->\n<!-- END -->\n";
    std::fs::write(path("README.md"), page).unwrap();
    let folder = place.path().display().to_string();
    let missing = run(&["report", &folder, "--check"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(!path("index.html").exists());
    let first = text(&run(&["report", &folder]).stdout);
    for name in ["README.md", "plots/smoke.svg", "plots/README.md", "index.html"] {
        assert!(first.contains(&format!("{name}: made again")), "{first}");
    }
    let figures = std::fs::read_to_string(path("plots/README.md")).unwrap();
    let (caption, link) = ("| Performance profiles: The share", "| [record/r](../record/r) |");
    assert!(figures.contains("| [smoke](smoke.svg) ") && figures.contains(caption), "{figures}");
    assert!(
        figures.contains("| [README.md](../README.md) ") && figures.contains(link),
        "{figures}"
    );
    assert!(std::fs::read_to_string(path("README.md")).unwrap().contains("| HiGHS 1.15 | 4 |"));
    let second = run(&["report", &folder]);
    assert!(text(&second.stdout).contains("4 files are what the records say"));
    std::fs::write(path("plots/old.svg"), "<svg/>").unwrap();
    assert_eq!(run(&["report", &folder, "--check"]).status.code(), Some(1));
    run(&["report", &folder]);
    assert!(path("plots/smoke.svg").exists() && !path("plots/old.svg").exists());
    std::fs::write(path("README.md"), page.replace("summary", "sumary")).unwrap();
    refused(&["report", &folder], "README.md: line 3: no view is called `sumary`; did you mean");
}

/// Presses the head of the first table's last column twice, waits for all pictures, and leaves
/// what it saw in an attribute.
const PROBE: &str = "<script>addEventListener('load', async () => {\
    const seen = {};\
    const images = [...document.images];\
    for (const image of images) image.loading = 'eager';\
    await Promise.all(images.map((image) => image.decode()));\
    seen.images = images.length;\
    seen.drawn = images.filter((image) => image.naturalWidth > 0 && image.alt).length;\
    const table = document.querySelector('table');\
    const column = () => [...table.tBodies[0].rows].map((row) => row.cells[1].textContent);\
    const press = () => table.tHead.rows[0].cells[1].querySelector('button').click();\
    press(); seen.up = column(); press(); seen.down = column();\
    seen.wide = document.documentElement.scrollWidth > innerWidth;\
    document.documentElement.dataset.seen = encodeURIComponent(JSON.stringify(seen));\
    });</script>";

#[test]
fn the_web_page_draws_and_sorts_in_a_browser() {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let found = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    let Some(browser) = browsers.iter().find(found) else {
        // To stderr itself, because the test harness captures `eprintln!`.
        let _ =
            writeln!(std::io::stderr(), "not run: the web page in a browser (no Chromium here)");
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let page = std::fs::read_to_string(reports().join("index.html")).unwrap();
    assert!(!page.contains("src=\"http") && !page.contains("<link"), "it needs no network");
    let file = place.path().join("page.html");
    std::fs::write(&file, page.replace("</body>", &format!("{PROBE}</body>"))).unwrap();
    for width in [1200, 500] {
        let profile = format!("--user-data-dir={}", place.path().join("profile").display());
        let output = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000"])
            .args([&profile, &format!("--window-size={width},900"), "--dump-dom"])
            .arg(format!("file://{}", file.display()))
            .output()
            .unwrap();
        let dom = text(&output.stdout);
        let seen = dom.split("data-seen=\"").nth(1).and_then(|rest| rest.split('"').next());
        let seen = seen.unwrap_or_else(|| panic!("no probe: {}", text(&output.stderr)));
        let seen: serde_json::Value = serde_json::from_str(&decoded(seen)).unwrap();
        assert!(seen["images"].as_u64().unwrap() >= 5, "{seen}");
        assert_eq!(seen["images"], seen["drawn"]);
        assert_eq!(seen["wide"], false, "the page is wider than {width}: {seen}");
        let numbers = |key: &str| -> Vec<f64> {
            let cells = seen[key].as_array().unwrap().iter();
            cells.map(|cell| cell.as_str().unwrap().parse().unwrap()).collect()
        };
        let (up, down) = (numbers("up"), numbers("down"));
        assert!(up.len() > 1 && up.is_sorted() && up[0] < up[up.len() - 1], "{up:?}");
        assert!(down.iter().rev().is_sorted(), "{down:?}");
    }
}

/// What `encodeURIComponent` made of ASCII.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(&part[..2], 16).unwrap());
        out.extend(part[2..].bytes());
    }
    String::from_utf8(out).unwrap()
}
