//! What a directory tree looks like: one directory at a time, and where symbolic links lead.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use snaplog::{Event, Timestamp, Value};

use crate::cli::failure::{Exit, Failure, Report};
use crate::cli::path_text::path_text;

/// A directory tree.
#[derive(Debug)]
pub(super) struct Tree {
    /// The top, as an absolute path without symbolic links.
    pub(super) root: PathBuf,
    /// The log's directory likewise, which is not looked into.
    log: PathBuf,
}

/// What stands in a directory.
#[derive(Debug)]
pub(super) struct Found {
    /// Its path from the root.
    pub(super) path: PathBuf,
    /// What is known of it.
    pub(super) metadata: Metadata,
}

/// Where a symbolic link leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To what has this path from the root.
    Inside(PathBuf),
    /// Out of the tree.
    Outside(PathBuf),
    /// Nowhere.
    Missing(PathBuf),
}

impl Tree {
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let root = path.canonicalize().map_err(|e| Failure::io("open", &name, &e))?;
        if !root.is_dir() {
            let report = Report::new(Exit::Failed, "wrong-kind", format!("{name} is not a directory"));
            return Err(report.path(name).into());
        }
        Ok(Self { root, log: PathBuf::new() })
    }

    /// Leaves the log's directory out from now on.
    pub(super) fn leave_out(&mut self, log: &Path) {
        self.log = log.canonicalize().unwrap_or_else(|_| log.to_owned());
    }

    /// What is known of the root.
    pub(super) fn root_metadata(&self) -> io::Result<Metadata> {
        fs::symlink_metadata(&self.root)
    }

    /// What stands in a directory, by name.
    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<Found>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.root.join(dir))? {
            let entry = entry?;
            if entry.path() == self.log {
                continue;
            }
            match entry.metadata() {
                Ok(metadata) => all.push(Found { path: dir.join(entry.file_name()), metadata }),
                // It went between the two looks.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        // The order of a directory may change from one look to the next; that of names does not.
        all.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(all)
    }

    /// The text of a symbolic link, and where it leads: one step, so that a link to a link leads to that link.
    pub(super) fn follow(&self, link: &Path) -> io::Result<(PathBuf, Target)> {
        let link = self.root.join(link);
        let text = fs::read_link(&link)?;
        let joined = link.parent().unwrap_or(&self.root).join(&text);
        let direct = match (joined.parent(), joined.file_name()) {
            (Some(parent), Some(name)) => parent.canonicalize().map(|parent| parent.join(name)),
            _ => joined.canonicalize(),
        };
        let target = match direct {
            Ok(direct) if fs::symlink_metadata(&direct).is_ok() => match direct.strip_prefix(&self.root) {
                Ok(inside) if !direct.starts_with(&self.log) => Target::Inside(inside.to_owned()),
                _ => Target::Outside(direct),
            },
            _ => Target::Missing(joined),
        };
        Ok((text, target))
    }
}

/// The node id of what has this path from the root.
pub(super) fn id(path: &Path) -> String {
    if path.as_os_str().is_empty() { ".".to_owned() } else { path_text(path) }
}

/// What kind of thing it is.
pub(super) fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_dir() {
        "dir"
    } else if kind.is_file() {
        "file"
    } else if kind.is_symlink() {
        "symlink"
    } else if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device() {
        "special"
    } else {
        "other"
    }
}

/// The event that puts a node with what is known of it.
pub(super) fn node(id: &str, metadata: &Metadata) -> Event {
    let seconds = metadata.mtime().saturating_mul(1_000_000);
    let mtime = Timestamp(seconds.saturating_add(metadata.mtime_nsec() / 1000));
    let event = Event::node(id)
        .with("kind", kind(metadata))
        .with("size", i64::try_from(metadata.size()).map_or(Value::Null, Value::Int))
        .with("mode", format!("{:04o}", metadata.mode() & 0o7777))
        .with("mtime", mtime.to_string());
    // A directory's number of links is that of its subdirectories.
    if metadata.nlink() > 1 && !metadata.is_dir() {
        event.with("nlink", i64::try_from(metadata.nlink()).map_or(Value::Null, Value::Int))
    } else {
        event
    }
}
