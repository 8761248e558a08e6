//! Where a restore goes.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use snaplog::exchange::new_log::{Beginning, write_log_like};
use snaplog::exchange::{WriteError, ndjson, node_link};
use snaplog::{Config, Graph, Log, Marker, Restored, StateStream, Timestamp};

use super::Format;
use crate::cli::Context;
use crate::cli::failure::{Exit, Failure, Report};
use crate::cli::files::{self, Found, Staged};

/// A place, and what is to be written there.
#[derive(Debug)]
pub(super) enum Target {
    Stdout(Format),
    File(PathBuf, Format),
    NewLog(PathBuf),
}

impl Target {
    pub(super) fn new(output: Option<&Path>, format: Format) -> Result<Self, Failure> {
        match (output.filter(|path| *path != Path::new("-")), format) {
            (None, Format::Log) => Err(Failure::usage("--format log needs a directory: -o PATH")),
            (None, format) => Ok(Self::Stdout(format)),
            (Some(path), Format::Log) => Ok(Self::NewLog(path.to_owned())),
            (Some(path), format) => Ok(Self::File(path.to_owned(), format)),
        }
    }

    /// For messages and reports; `-` is standard output.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdout(_) => "-".to_owned(),
            Self::File(path, _) | Self::NewLog(path) => path.display().to_string(),
        }
    }

    pub(super) fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout(_))
    }

    /// Whether something with content stands there.
    pub(super) fn is_taken(&self) -> Result<bool, Failure> {
        match self {
            Self::Stdout(_) => Ok(false),
            Self::File(path, _) | Self::NewLog(path) => Ok(matches!(files::look(path)?, Found::Full { .. })),
        }
    }

    /// That it is not in the log itself: what is restored must not replace what it is restored from.
    pub(super) fn outside(&self, log: &Path) -> Result<(), Failure> {
        let (Self::File(path, _) | Self::NewLog(path)) = self else { return Ok(()) };
        if !files::is_inside(path, log) {
            return Ok(());
        }
        let path = path.display().to_string();
        let report =
            Report::new(Exit::Failed, "inside-log", format!("{path} is in the log that is restored"));
        Err(report.path(path).hint("choose a target outside of the log's directory").into())
    }

    /// That it may be written, which the user may be asked. Returns whether something may be replaced.
    pub(super) fn may_be_written(&self, yes: bool, context: &Context) -> Result<bool, Failure> {
        match self {
            Self::Stdout(_) => Ok(false),
            Self::File(path, _) => match files::look(path)? {
                Found::Nothing | Found::Empty { is_dir: false } | Found::Special => Ok(yes),
                Found::Empty { is_dir: true } | Found::Full { is_dir: true } => Err(is_a("directory", path)),
                Found::Full { is_dir: false } if yes => Ok(true),
                Found::Full { is_dir: false } => {
                    match context.out.ask(&format!("{} is not empty. Replace it?", path.display())) {
                        Some(true) => Ok(true),
                        Some(false) | None => Err(already_there(path)),
                    }
                }
            },
            // A directory may hold anything: it is never replaced.
            Self::NewLog(path) => match files::look(path)? {
                Found::Nothing | Found::Empty { is_dir: true } => Ok(false),
                Found::Full { is_dir: true } => {
                    let hint = "choose a directory that is empty or does not exist yet";
                    Err(not_empty(path).hint(hint).into())
                }
                _ => Err(is_a("file", path)),
            },
        }
    }

    /// Whether a state can be written row by row.
    pub(super) fn takes_rows(&self) -> bool {
        matches!(self, Self::Stdout(Format::Ndjson) | Self::File(_, Format::Ndjson))
    }

    /// Writes a state row by row: all of it, or nothing.
    pub(super) fn write_rows(
        &self,
        rows: &StateStream,
        replace: bool,
        context: &Context,
    ) -> Result<(), Failure> {
        let write = |to: &mut dyn Write| ndjson::write_stream(rows, to);
        match self {
            Self::File(path, _) if files::look(path)? != Found::Special => to_file(path, replace, write),
            // What is written there cannot be taken back: all is read and compared before the first byte.
            Self::File(path, _) | Self::NewLog(path) => {
                rows.prove()?;
                to_file(path, replace, write)
            }
            Self::Stdout(_) => {
                rows.prove()?;
                to_stdout(context, write)
            }
        }
    }

    /// Writes the graph: all of it, or nothing. Returns how many attributes the format had no place for.
    pub(super) fn write(
        &self,
        restored: &Restored,
        marker: Option<&Marker>,
        log: &Log,
        replace: bool,
        context: &Context,
    ) -> Result<u64, Failure> {
        match self {
            Self::Stdout(format) => to_stdout(context, |to| write_graph(&restored.graph, *format, to)),
            Self::File(path, format) => {
                to_file(path, replace, |to| write_graph(&restored.graph, *format, to))
            }
            Self::NewLog(path) => {
                let staged = Staged::beside(path)?;
                let config = log.config_text()?;
                let beginning = Beginning {
                    // Before the first event there is no time.
                    time: time(restored, marker).unwrap_or_else(|| log.environment().now()),
                    tiers: marker.map(|marker| marker.tiers.as_slice()).unwrap_or_default(),
                    label: marker.and_then(|marker| marker.label.as_deref()),
                    pinned: marker.is_some_and(|marker| marker.pinned),
                    config: config.as_deref().unwrap_or(Config::template()),
                };
                drop(write_log_like(log, &restored.graph, staged.path(), &beginning)?);
                staged.publish(false)?;
                Ok(0)
            }
        }
    }
}

/// Writes through `write` to a file: what stood there is replaced once all is written.
fn to_file<T>(
    path: &Path,
    replace: bool,
    write: impl FnOnce(&mut dyn Write) -> Result<T, WriteError>,
) -> Result<T, Failure> {
    let failed = |e: &io::Error| Failure::io("write", &path.display().to_string(), e);
    let write = |mut to: &File| write(&mut to).map_err(|e| write_failure(&e, failed));
    if files::look(path)? == Found::Special {
        return write(&files::open_special(path)?);
    }
    let staged = Staged::beside(path)?;
    let written = write(&staged.create()?)?;
    staged.publish(replace)?;
    Ok(written)
}

/// Writes through `write` to standard output.
fn to_stdout<T>(
    context: &Context,
    write: impl FnOnce(&mut dyn Write) -> Result<T, WriteError>,
) -> Result<T, Failure> {
    let mut to = context.out.stdout();
    let written = write(&mut to);
    let written = written.and_then(|written| Ok(to.flush().map(|()| written)?));
    written.map_err(|e| write_failure(&e, Failure::output))
}

fn write_graph(graph: &Graph, format: Format, to: &mut dyn Write) -> Result<u64, WriteError> {
    match format {
        Format::NodeLink => Ok(node_link::write_graph_to(graph, None, to)?.attrs_left_out),
        Format::Ndjson | Format::Log => ndjson::write_graph_to(graph, to).map(|()| 0),
    }
}

/// The time of the point that is restored.
fn time(restored: &Restored, marker: Option<&Marker>) -> Option<Timestamp> {
    let time = marker.map_or(restored.time, |marker| marker.time);
    (time > Timestamp::MIN).then_some(time)
}

fn write_failure(error: &WriteError, io: impl FnOnce(&io::Error) -> Failure) -> Failure {
    match error {
        WriteError::Io(error) => io(error),
        WriteError::Log(error) => Failure::of(error),
        error => Report::new(Exit::Damage, "encoding", "the graph cannot be written").caused_by(error).into(),
    }
}

fn not_empty(path: &Path) -> Report {
    let path = path.display().to_string();
    Report::new(Exit::Failed, "not-empty", format!("{path} is not empty")).path(path)
}

/// The failure of a restore to where something stands already.
pub(in crate::cli) fn already_there(path: &Path) -> Failure {
    not_empty(path).hint("--yes replaces it").into()
}

fn is_a(what: &str, path: &Path) -> Failure {
    let path = path.display().to_string();
    Report::new(Exit::Failed, "wrong-kind", format!("{path} is a {what}")).path(path).into()
}
