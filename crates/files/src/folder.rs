//! Writing folders: all files of one or none of them.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::write::{
    MODE, PARTIAL, Temporary, behind, builder, drop_abandoned, folder, inherit, prefix,
};
use super::{InputError, failure};

/// What a program may be for whom it is made for: the rest is up to the user's umask.
const MODE_OF_PROGRAMS: u32 = 0o777;

/// Checks that a folder can be made there, without making one: worth doing before long work.
///
/// # Errors
/// When the path exists and is no empty folder, or its parent cannot be written.
pub fn check_folder(path: &Path) -> Result<(), InputError> {
    let place = Place::of(path)?;
    Temporary::beside(path, &place.target, MODE).map(drop)
}

/// Writes files, by name, and then gives all of them a folder at `path`: all of them or none. Those
/// that end in `.sh` can be executed. A symbolic link is followed, and an empty folder that is
/// there passes on its mode and owner.
///
/// The files have no names until all of them are on disk. A process that is killed between the
/// first name and the last leaves a hidden folder `.NAME.*.partial` beside `path`, which the next
/// call for `path` removes.
///
/// # Errors
/// As [`check_folder`], and those of the system.
pub fn write_folder_atomic(path: &Path, files: &[(String, String)]) -> Result<(), InputError> {
    let place = Place::of(path)?;
    let wrong = |error: std::io::Error| failure(path, &error);
    let mut written = Vec::with_capacity(files.len());
    for (name, text) in files {
        let mode = if name.ends_with(".sh") { MODE_OF_PROGRAMS } else { MODE };
        let temporary = Temporary::beside(path, &place.target, mode)?;
        let done = temporary.file().write_all(text.as_bytes());
        let done = done.and_then(|()| temporary.file().sync_all());
        done.map_err(|error| failure(&path.join(name), &error))?;
        written.push((name, temporary));
    }
    drop_abandoned(&place.target);
    let (whole, held) = place.partial(path)?;
    for (name, temporary) in written {
        let named = temporary.persist(&whole.path().join(name));
        named.map_err(|error| failure(&path.join(name), &error))?;
    }
    if let Some(before) = &place.before {
        inherit(&held, before).map_err(wrong)?;
    }
    // Some file systems cannot sync a folder.
    let _ = held.sync_all();
    std::fs::rename(whole.path(), &place.target).map_err(wrong)?;
    // It has another name now.
    drop(whole.keep());
    let _ = File::open(folder(&place.target)).and_then(|parent| parent.sync_all());
    Ok(())
}

/// Where a folder shall be.
struct Place {
    /// Absolute, behind all symbolic links.
    target: PathBuf,
    /// The empty folder that is there.
    before: Option<Metadata>,
}

impl Place {
    fn of(path: &Path) -> Result<Self, InputError> {
        let wrong = |problem: &str| Err(InputError::file(path.display().to_string(), problem));
        let before = match std::fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Some(std::fs::metadata(path).map_err(|error| failure(path, &error))?),
            Ok(false) => return wrong("is not empty; a new or an empty folder is needed"),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(_) => return wrong("is no folder; a new or an empty one is needed"),
        };
        // `out/` has the parent of `out`, and `.` that of where we are.
        let whole = std::path::absolute(path.components().collect::<PathBuf>());
        let target = whole.and_then(|whole| behind(&whole));
        let target = target.map_err(|error| failure(path, &error))?;
        Ok(Self { target, before })
    }

    /// A folder beside the target that vanishes unless it is kept, and is locked until it is whole.
    fn partial(&self, path: &Path) -> Result<(tempfile::TempDir, File), InputError> {
        let parent = folder(&self.target);
        let mut builder = builder(path, parent, MODE_OF_PROGRAMS)?;
        let prefix = prefix(&self.target);
        let made = builder.prefix(&prefix).suffix(PARTIAL).tempdir_in(parent);
        let made = made.map_err(|error| failure(path, &error))?;
        let held = File::open(made.path()).map_err(|error| failure(path, &error))?;
        // Where there are no locks, abandoned files are not removed either.
        let _ = held.try_lock();
        Ok((made, held))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::seen::{mode, names};

    fn two() -> Vec<(String, String)> {
        [("a.sh", "#!/bin/sh\n"), ("b.txt", "text")].map(|(n, t)| (n.into(), t.into())).into()
    }

    #[test]
    fn all_files_are_there_or_none() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        check_folder(&out).unwrap();
        assert!(names(place.path()).is_empty(), "a check makes nothing");
        let bad = [two(), vec![("no/such".into(), String::new())]].concat();
        assert!(write_folder_atomic(&out, &bad).is_err());
        assert!(names(place.path()).is_empty(), "a failure leaves nothing");
        write_folder_atomic(&out, &two()).unwrap();
        assert_eq!(names(&out), ["a.sh", "b.txt"]);
        assert_eq!((mode(&out.join("a.sh")) & 0o100, mode(&out.join("b.txt")) & 0o111), (0o100, 0));
        assert_eq!(names(place.path()), ["out"]);
        let error = write_folder_atomic(&out, &two()).unwrap_err().to_string();
        assert!(error.ends_with("is not empty; a new or an empty folder is needed"), "{error}");
        let error = write_folder_atomic(&out.join("b.txt"), &two()).unwrap_err().to_string();
        assert!(error.ends_with("is no folder; a new or an empty one is needed"), "{error}");
    }

    #[test]
    fn links_are_followed_and_modes_kept() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir(at("there")).unwrap();
        std::fs::set_permissions(at("there"), std::fs::Permissions::from_mode(0o750)).unwrap();
        symlink("there", at("link")).unwrap();
        write_folder_atomic(&at("link"), &two()).unwrap();
        assert!(at("link").is_symlink());
        assert_eq!((names(&at("there")), mode(&at("there"))), (names(&at("link")), 0o750));
        symlink("new", at("dangling")).unwrap();
        write_folder_atomic(&at("dangling/"), &two()).unwrap();
        assert_eq!(names(&at("new")), ["a.sh", "b.txt"]);
        assert_eq!(names(place.path()), ["dangling", "link", "new", "there"]);
    }

    #[test]
    fn what_was_abandoned_is_removed_and_what_is_held_is_not() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for name in [".out.1.partial", ".out.2.partial", ".other.1.partial"] {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::write(at(name).join("a.sh"), "").unwrap();
        }
        let held = File::open(at(".out.2.partial")).unwrap();
        held.try_lock().unwrap();
        write_folder_atomic(&at("out"), &two()).unwrap();
        assert_eq!(names(place.path()), [".other.1.partial", ".out.2.partial", "out"]);
        drop(held);
    }
}
