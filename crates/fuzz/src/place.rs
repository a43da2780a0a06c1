//! Files in memory, for parsers that want a path.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder that is overwritten by every input of a thread.
pub(crate) struct Place(TempDir);

thread_local! {
    static PLACE: Place = Place::new();
}

impl Place {
    fn new() -> Self {
        Self(folder())
    }
}

/// A folder that vanishes: in memory where that is possible, because a disk would be the slowest
/// part of most targets.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    folder.expect("a folder for temporary files")
}

/// Calls `read` with the path of a file of that name and content.
pub(crate) fn with_file<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    with_files(&[(name, bytes)], |folder| read(&folder.join(name)))
}

/// Calls `read` with a folder of these files and no others.
pub(crate) fn with_files<T>(files: &[(&str, &[u8])], read: impl FnOnce(&Path) -> T) -> T {
    PLACE.with(|place| {
        for (name, bytes) in files {
            std::fs::write(place.0.path().join(name), bytes).expect("a temporary file");
        }
        let result = read(place.0.path());
        for (name, _) in files {
            let path: PathBuf = place.0.path().join(name);
            std::fs::remove_file(path).expect("the temporary file");
        }
        result
    })
}
