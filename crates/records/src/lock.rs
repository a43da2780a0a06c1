//! One writer at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use edgeplan_files::InputError;

/// Held while this process adds to a folder or a file. The operating system ends it with the
/// process, even with one that is killed.
///
/// Who holds it stands in a file, `.lock` in a folder and `.NAME.lock` beside a file `NAME`, which
/// is removed at the end.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Locked as long as it is open.
    _file: File,
}

/// How often, and at which distance, a file is read that does not name its owner yet.
const OWNER_READS: usize = 10;
const OWNER_PAUSE: Duration = Duration::from_millis(10);

impl Lock {
    /// Locks a folder that is there, or a file that is there or not.
    ///
    /// # Errors
    /// When another process, which is named, holds it; when its file cannot be made.
    pub fn hold(target: &Path) -> Result<Self, InputError> {
        let here = |problem: String| InputError::file(target.display().to_string(), problem);
        let path = lock_file(target);
        let failed = |error: &dyn std::fmt::Display| here(format!("{}: {error}", path.display()));
        let mut file = loop {
            let file = open(&path).map_err(|error| failed(&error))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let owner = owner(&path);
                    return Err(here(format!("locked by {owner}; wait for its end")));
                }
                // Some file systems of clusters know no locks; better unguarded than not at all.
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
            }
            // The process that held it may have removed the file between the two calls.
            if is_at(&file, &path) {
                break file;
            }
        };
        let now = jiff::Timestamp::now();
        let text = format!("process {} since {}\n", std::process::id(), now.strftime("%F %T UTC"));
        let written = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(|error| failed(&error))?;
        Ok(Self { path, _file: file })
    }

    /// The file that names the owner: for a signal handler that ends the process without dropping
    /// the lock.
    pub fn file(&self) -> &Path {
        &self.path
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still locked, so that no other process's lock is removed. A file that stays
        // behind is unlocked and blocks no process.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn lock_file(target: &Path) -> PathBuf {
    match (target.is_dir(), target.file_name()) {
        (false, Some(name)) => target.with_file_name(format!(".{}.lock", name.to_string_lossy())),
        _ => target.join(".lock"),
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Who wrote the file.
fn owner(path: &Path) -> String {
    // Empty for the moment between locking and writing; unreadable where locks forbid reading.
    for _ in 0..OWNER_READS {
        if let Ok(text) = std::fs::read_to_string(path)
            && text.ends_with('\n')
        {
            return text.trim().to_owned();
        }
        std::thread::sleep(OWNER_PAUSE);
    }
    "another process".into()
}

/// Whether the open file is still the one of that name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_is_first() {
        let place = tempfile::tempdir().unwrap();
        for target in [place.path().to_owned(), place.path().join("sense.jsonl")] {
            let first = Lock::hold(&target).unwrap();
            let error = Lock::hold(&target).unwrap_err();
            assert_eq!(error.file, target.display().to_string());
            let owner = format!("locked by process {} since 20", std::process::id());
            assert!(error.problem.starts_with(&owner), "{error}");
            assert!(error.problem.contains(" UTC; wait for its end"), "{error}");
            drop(first);
            assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
            drop(Lock::hold(&target).unwrap());
        }
    }

    #[test]
    fn a_file_that_was_left_behind_holds_nobody_up() {
        let place = tempfile::tempdir().unwrap();
        let left = "process 1 since 2026-11-29 20:00:00 UTC, with a longer text than any other\n";
        std::fs::write(place.path().join(".lock"), left).unwrap();
        let held = Lock::hold(place.path()).unwrap();
        let text = std::fs::read_to_string(place.path().join(".lock")).unwrap();
        assert!(text.starts_with(&format!("process {} since", std::process::id())), "{text}");
        assert!(text.ends_with(" UTC\n"), "{text}");
        drop(held);
    }

    #[test]
    fn one_of_many_holds_it() {
        let place = tempfile::tempdir().unwrap();
        let (path, inside) = (place.path(), std::sync::atomic::AtomicUsize::new(0));
        let visit = || {
            for _ in 0..200 {
                if let Ok(held) = Lock::hold(path) {
                    let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(others, 0, "two hold it at once");
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    drop(held);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(visit);
            }
        });
    }
}
