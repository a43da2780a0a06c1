//! The Python package, tested in Python on the module that this build made.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use edgeplan_tests::{edgeplan, text};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is a folder of the workspace")
}

/// A Python that the package supports, if there is one.
fn python() -> Option<String> {
    let python = std::env::var("EDGEPLAN_PYTHON").unwrap_or_else(|_| "python3".into());
    let recent = ["-c", "import sys; sys.exit(sys.version_info < (3, 9))"];
    let works = Command::new(&python).args(recent).status().is_ok_and(|status| status.success());
    if !works {
        println!(
            "not run: the Python package (`{python}` is no Python of 3.9 or later; \
                  EDGEPLAN_PYTHON names another)"
        );
    }
    works.then_some(python)
}

/// The package as a wheel has it, in a folder.
fn package(folder: &Path) -> PathBuf {
    let package = folder.join("edgeplan");
    std::fs::create_dir(&package).unwrap();
    for entry in std::fs::read_dir(root().join("python/edgeplan")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, package.join(path.file_name().unwrap())).unwrap();
        }
    }
    let (prefix, ending) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let built = edgeplan().with_file_name(format!("{prefix}edgeplan_python{ending}"));
    assert!(built.exists(), "cargo build --release --workspace makes {}", built.display());
    // Linked, because it is large.
    let module = package.join("_edgeplan.abi3.so");
    std::fs::hard_link(&built, &module)
        .or_else(|_| std::fs::copy(&built, &module).map(drop))
        .unwrap();
    package
}

fn run(python: &str, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(python);
    command.args(arguments).env("PYTHONPATH", folder).env("PYTHONDONTWRITEBYTECODE", "1");
    command.current_dir(folder).output().unwrap()
}

#[test]
fn the_package_passes_its_tests() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    package(folder.path());
    let tests = root().join("tests/python").display().to_string();
    let output = run(&python, folder.path(), &["-m", "unittest", "discover", "-s", &tests]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    // A discovery that finds nothing succeeds, too.
    let said = text(&output.stderr);
    let count = said.split("Ran ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    assert!(count.is_some_and(|count: u32| count > 20), "{said}");
}
