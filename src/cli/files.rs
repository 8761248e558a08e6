//! Files outside a log: what is ingested, where a restore goes. The only place of the command line that touches the file system.
#![expect(
    clippy::disallowed_methods,
    reason = "what is ingested and what a restore writes are no part of a log, so no storage has them"
)]

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::failure::{Exit, Failure, Report};

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// A file without a byte, or a directory without an entry.
    Empty {
        is_dir: bool,
    },
    /// One with something in it.
    Full {
        is_dir: bool,
    },
    /// A device or a pipe: nothing to replace, only something to write to.
    Special,
}

/// Looks what stands at a path; a symbolic link counts as what it leads to.
pub(super) fn look(path: &Path) -> Result<Found, Failure> {
    let failed = |e: &io::Error| Failure::io("look at", &path.display().to_string(), e);
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(e) => return Err(failed(&e)),
    };
    let (is_dir, is_file) = (metadata.is_dir(), metadata.is_file());
    let empty = if is_dir {
        fs::read_dir(path).map_err(|e| failed(&e))?.next().is_none()
    } else {
        metadata.len() == 0
    };
    Ok(match (is_dir || is_file, empty) {
        (false, _) => Found::Special,
        (true, true) => Found::Empty { is_dir },
        (true, false) => Found::Full { is_dir },
    })
}

/// What is known of a file that is to be read; that it is there, and no directory.
pub(super) fn look_readable(path: &Path) -> Result<Metadata, Failure> {
    let name = path.display().to_string();
    let metadata = fs::metadata(path).map_err(|e| Failure::io("open", &name, &e))?;
    if metadata.is_dir() {
        // It could be opened, and fail when it is read: too late to be told clearly.
        let report = Report::new(Exit::Failed, "wrong-kind", format!("{name} is a directory"));
        return Err(report.path(name).hint("name the files in it").into());
    }
    Ok(metadata)
}

/// Opens a file to read it.
pub(super) fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|e| Failure::io("open", &path.display().to_string(), &e))
}

/// Opens a device or a pipe.
pub(super) fn open_special(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().write(true).open(path);
    opened.map_err(|e| Failure::io("open", &path.display().to_string(), &e))
}

/// Makes a directory and those above it.
pub(super) fn create_dir(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|e| Failure::io("create", &path.display().to_string(), &e))
}

/// A file or directory that is being written beside the place where it is to appear. Dropped without
/// [`publish`](Self::publish) it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Staged {
    target: PathBuf,
    path: PathBuf,
    published: bool,
}

impl Staged {
    /// Chooses the place. Nothing is there yet.
    pub(super) fn beside(target: &Path) -> Result<Self, Failure> {
        // A link stays, and what it leads to is replaced.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let Some(name) = target.file_name() else {
            return Err(Failure::usage(format!("{} is not the name of a file", target.display())));
        };
        let mut name = name.to_owned();
        name.push(format!(".tmp-{}", std::process::id()));
        let staged = Self { path: target.with_file_name(name), target, published: false };
        // Left by a process that was killed and had our number.
        staged.remove();
        Ok(staged)
    }

    /// Where it is being written.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates it as a file.
    pub(super) fn create(&self) -> Result<File, Failure> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&self.path)
            .map_err(|e| self.failed("create", &e))
    }

    /// Makes it durable and lets it appear. Unless `replace`, something that has appeared there meanwhile stays.
    pub(super) fn publish(mut self, replace: bool) -> Result<(), Failure> {
        if !replace && matches!(look(&self.target)?, Found::Full { .. } | Found::Special) {
            return Err(super::restore::already_there(&self.target));
        }
        if let Ok(metadata) = fs::metadata(&self.target)
            && metadata.is_file()
        {
            // Whoever could read the old file can read the new one.
            fs::set_permissions(&self.path, metadata.permissions()).map_err(|e| self.failed("write", &e))?;
        }
        let file = File::open(&self.path).map_err(|e| self.failed("open", &e))?;
        file.sync_all().map_err(|e| self.failed("sync", &e))?;
        fs::rename(&self.path, &self.target)
            .map_err(|e| Failure::io("write", &self.target.display().to_string(), &e))?;
        self.published = true;
        // From here on it is complete; only whether the name survives a crash is open.
        let parent = match self.target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let synced = File::open(parent).and_then(|parent| parent.sync_all());
        synced.map_err(|e| Failure::io("sync", &parent.display().to_string(), &e))
    }

    fn failed(&self, action: &str, error: &io::Error) -> Failure {
        Failure::io(action, &self.path.display().to_string(), error)
    }

    fn remove(&self) {
        let removed = fs::remove_file(&self.path);
        if removed.is_err_and(|e| e.kind() != io::ErrorKind::NotFound) {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            self.remove();
        }
    }
}

/// Whether `path`, existing or not, is `dir` or stands in it, links followed.
pub(super) fn is_inside(path: &Path, dir: &Path) -> bool {
    let Ok(dir) = std::fs::canonicalize(dir) else { return false };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // What does not exist yet stands where the nearest of its parents that does.
    let real = absolute.ancestors().find_map(|parent| std::fs::canonicalize(parent).ok());
    real.is_some_and(|real| real.starts_with(&dir))
}

/// Creates a file that nobody but its owner can read, and that was not there.
#[cfg(feature = "encryption")]
pub(super) fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}
