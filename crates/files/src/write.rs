//! Writing files: whole or not at all, to disk before they are seen, and without traces of a write
//! that was interrupted.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{InputError, failure};

/// What a file may be for whom it is made for: the rest is up to the user's umask.
pub(super) const MODE: u32 = 0o666;

/// Checks that a file can be made there, without making one: worth doing before long work.
///
/// # Errors
/// When there is no such folder, it cannot be written, the path is a folder itself, or a
/// read-only file.
pub fn check_writable(path: &Path) -> Result<(), InputError> {
    match Place::of(path)? {
        Place::Stream => Ok(()),
        Place::File { target, .. } => Temporary::beside(path, &target, MODE).map(drop),
    }
}

/// Writes `text` to a temporary file beside `path`, then puts it in its place: never half a file.
///
/// # Errors
/// As [`stream_atomic`].
pub fn write_atomic(path: &Path, text: &str) -> Result<(), InputError> {
    stream_atomic(path, |out| out.write_all(text.as_bytes()))
}

/// Lets `write` fill a temporary file beside `path`, brings it to disk, then puts it in its place:
/// never half a file. A symbolic link is followed, and a file that is replaced passes on its mode
/// and owner. Devices, pipes and sockets are written to as they are.
///
/// # Errors
/// When the folder cannot be written, the file is write-protected, and those of `write`.
pub fn stream_atomic(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), InputError> {
    let wrong = |error: std::io::Error| failure(path, &error);
    let (target, before) = match Place::of(path)? {
        Place::Stream => {
            let mut out = BufWriter::new(OpenOptions::new().write(true).open(path).map_err(wrong)?);
            return write(&mut out).and_then(|()| out.flush()).map_err(wrong);
        }
        Place::File { target, before } => (target, before),
    };
    let temporary = Temporary::beside(path, &target, MODE)?;
    let mut out = BufWriter::new(temporary.file());
    write(&mut out).and_then(|()| out.flush()).map_err(wrong)?;
    drop(out);
    if let Some(before) = before {
        inherit(temporary.file(), &before).map_err(wrong)?;
    }
    temporary.file().sync_all().map_err(wrong)?;
    temporary.persist(&target).map_err(wrong)?;
    // The name is on disk once its folder is; some file systems cannot say so.
    let _ = File::open(folder(&target)).and_then(|folder| folder.sync_all());
    Ok(())
}

/// What a path leads to.
enum Place {
    /// No file: written to and never replaced.
    Stream,
    /// A file, or nothing yet.
    File {
        /// Behind all symbolic links.
        target: PathBuf,
        /// The file that is there.
        before: Option<Metadata>,
    },
}

impl Place {
    fn of(path: &Path) -> Result<Self, InputError> {
        let before = match std::fs::metadata(path) {
            Ok(there) if there.is_dir() => {
                return Err(failure(path, &ErrorKind::IsADirectory.into()));
            }
            Ok(there) if !there.is_file() => return Ok(Self::Stream),
            Ok(there) => Some(there),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failure(path, &error)),
        };
        // An administrator may write everything; a file made read-only is meant to stay.
        if before.as_ref().is_some_and(|there| there.permissions().readonly()) {
            let problem = "is read-only; allow writing, or choose another file";
            return Err(InputError::file(path.display().to_string(), problem));
        }
        let target = behind(path).map_err(|error| failure(path, &error))?;
        if before.is_some() {
            // Whether this user may write it, which a rename would not ask.
            let opened = OpenOptions::new().write(true).open(&target);
            opened.map_err(|error| failure(path, &error))?;
        }
        Ok(Self::File { target, before })
    }
}

/// Where symbolic links lead, be there a file or not.
pub(super) fn behind(path: &Path) -> std::io::Result<PathBuf> {
    /// As many as Linux follows.
    const LINKS_MAX: usize = 40;
    let mut target = path.to_owned();
    for _ in 0..LINKS_MAX {
        match std::fs::read_link(&target) {
            Ok(next) => target = folder(&target).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(std::io::Error::other("too many symbolic links"))
}

/// The folder that a path is in.
pub(super) fn folder(path: &Path) -> &Path {
    let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Gives a file the mode of another one, and its owner where this user may do so.
pub(super) fn inherit(file: &File, before: &Metadata) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        // Only an administrator may; and a change of owner drops bits of the mode, so it is first.
        let _ = std::os::unix::fs::fchown(file, Some(before.uid()), Some(before.gid()));
    }
    file.set_permissions(before.permissions())
}

/// A file that vanishes unless it is put in a place.
pub(super) enum Temporary {
    /// Without a name: nothing is left behind, however the program ends.
    #[cfg(target_os = "linux")]
    Unnamed(File),
    /// Where the file system has no such files.
    Named(tempfile::NamedTempFile),
}

impl Temporary {
    /// On the file system of `target`; `path` is what the user calls it.
    pub(super) fn beside(path: &Path, target: &Path, mode: u32) -> Result<Self, InputError> {
        let folder = folder(target);
        let builder = builder(path, folder, mode)?;
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{Mode, OFlags, open};
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            // It gets its name by way of this folder.
            if Path::new("/proc/self/fd").is_dir()
                && let Ok(file) = open(folder, flags, Mode::from_raw_mode(mode))
            {
                return Ok(Self::Unnamed(file.into()));
            }
        }
        let named = builder.tempfile_in(folder).map_err(|error| failure(path, &error))?;
        Ok(Self::Named(named))
    }

    pub(super) fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => file,
            Self::Named(file) => file.as_file(),
        }
    }

    /// Puts the file in its place, whatever is there.
    pub(super) fn persist(self, target: &Path) -> std::io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => name(&file, target),
            Self::Named(file) => file.persist(target).map(drop).map_err(|failed| failed.error),
        }
    }
}

/// Names a file that has no name. A name that is taken cannot be given: the file then gets another
/// one first, and only for the moment before it is renamed.
#[cfg(target_os = "linux")]
fn name(file: &File, target: &Path) -> std::io::Result<()> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{AtFlags, CWD, linkat};
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |to: &Path| linkat(CWD, &unnamed, CWD, to, AtFlags::SYMLINK_FOLLOW);
    match link(target) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    // A kill between the two calls leaves the other name behind: the next write removes it, because
    // the lock is free then.
    let _ = file.try_lock();
    drop_abandoned(target);
    let mut builder = tempfile::Builder::new();
    let prefix = prefix(target);
    let builder = builder.prefix(&prefix).suffix(PARTIAL);
    let made = builder.make_in(folder(target), |other| Ok(link(other)?))?;
    made.into_temp_path().persist(target).map_err(|failed| failed.error)
}

/// The end of the name of a file or folder that is not yet in its place.
pub(super) const PARTIAL: &str = ".partial";

/// What such names begin with.
pub(super) fn prefix(target: &Path) -> String {
    format!(".{}.", target.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes what processes left behind that were killed before they put it in its place: files
/// whose lock is free.
pub(super) fn drop_abandoned(target: &Path) {
    let Ok(entries) = std::fs::read_dir(folder(target)) else { return };
    let prefix = prefix(target);
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(&prefix) || !name.ends_with(PARTIAL) {
            continue;
        }
        let free = File::open(entry.path()).is_ok_and(|there| there.try_lock().is_ok());
        // Another process that removes it may be faster.
        let _ = match entry.file_type() {
            Ok(kind) if free && kind.is_dir() => std::fs::remove_dir_all(entry.path()),
            Ok(kind) if free && kind.is_file() => std::fs::remove_file(entry.path()),
            _ => Ok(()),
        };
    }
}

/// Makes temporary files and folders in `folder`, for what will be called `path`, that may be read
/// and written as any others: what the user's umask leaves of `mode`.
pub(super) fn builder(
    path: &Path,
    folder: &Path,
    mode: u32,
) -> Result<tempfile::Builder<'static, 'static>, InputError> {
    if !folder.is_dir() {
        let problem = format!("there is no folder {}", folder.display());
        return Err(InputError::file(path.display().to_string(), problem));
    }
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    Ok(builder)
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};

    use super::*;
    use crate::seen::{mode, names};

    #[test]
    fn a_failed_write_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no/such/plan.json");
        assert!(write_atomic(&path, "{}").is_err());
        let path = folder.path().join("plan.json");
        let half = stream_atomic(&path, |out| {
            out.write_all(b"half")?;
            Err(std::io::Error::other("broken off"))
        });
        assert!(half.unwrap_err().to_string().ends_with("broken off"));
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_file_that_is_being_written_is_not_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        write_atomic(&path, "old").unwrap();
        stream_atomic(&path, |out| {
            out.write_all(b"new")?;
            out.flush()?;
            // What a kill now would leave behind.
            #[cfg(target_os = "linux")]
            assert_eq!(names(folder.path()), ["plan.json"]);
            assert_eq!(std::fs::read_to_string(&path)?, "old");
            Ok(())
        })
        .unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["plan.json"]);
    }

    #[test]
    fn modes_are_kept_and_read_only_files_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        write_atomic(&path, "new").unwrap();
        assert_eq!(mode(&path) & 0o600, 0o600);
        for kept in [0o600, 0o640, 0o755] {
            std::fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
            check_writable(&path).unwrap();
            write_atomic(&path, "again").unwrap();
            assert_eq!(mode(&path), kept);
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        for refused in [check_writable(&path), write_atomic(&path, "never")] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("plan.json: is read-only; allow writing"), "{error}");
        }
        assert_eq!((std::fs::read_to_string(&path).unwrap(), mode(&path)), ("again".into(), 0o444));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_kill_left_behind_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        for name in [".plan.json.Ab1.partial", ".plan.json.Ab2.partial", ".other.Ab.partial"] {
            std::fs::write(folder.path().join(name), "whole").unwrap();
        }
        let held = File::open(folder.path().join(".plan.json.Ab2.partial")).unwrap();
        held.try_lock().unwrap();
        write_atomic(&path, "old").unwrap();
        write_atomic(&path, "new").unwrap();
        let left = [".other.Ab.partial", ".plan.json.Ab2.partial", "plan.json"];
        assert_eq!(names(folder.path()), left);
    }

    #[test]
    fn links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("deep")).unwrap();
        symlink("deep/b", at("a")).unwrap();
        symlink("c", at("deep/b")).unwrap();
        for text in ["made", "replaced"] {
            write_atomic(&at("a"), text).unwrap();
            assert_eq!(std::fs::read_to_string(at("deep/c")).unwrap(), text);
            assert!(at("a").is_symlink() && at("deep/b").is_symlink());
        }
        symlink("loop", at("loop")).unwrap();
        assert!(write_atomic(&at("loop"), "").is_err() && check_writable(&at("loop")).is_err());
    }

    #[test]
    fn devices_and_pipes_are_written_to() {
        let folder = tempfile::tempdir().unwrap();
        for device in ["/dev/null", "/dev/full"] {
            check_writable(Path::new(device)).unwrap();
        }
        write_atomic(Path::new("/dev/null"), "gone").unwrap();
        let error = write_atomic(Path::new("/dev/full"), "too much").unwrap_err().to_string();
        assert!(error.starts_with("/dev/full: No space left"), "{error}");
        for device in ["/dev/null", "/dev/full"] {
            assert!(std::fs::metadata(device).unwrap().file_type().is_char_device());
        }
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        check_writable(&pipe).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| write_atomic(&pipe, "through").unwrap());
            let mut text = String::new();
            File::open(&pipe).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "through");
        });
        assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }
}
