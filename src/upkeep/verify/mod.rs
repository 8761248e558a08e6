//! Verify: does what a log says it has restore? Looks, and never writes.
//!
//! A reader of a log stops at the first thing that is wrong. `verify` goes on behind it, to list every damaged place and
//! what each of them costs.

mod events;
mod history;
mod replay;
mod snapshots;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub use history::Expected;

use crate::format::names::{self, FileName};
use crate::log::{Environment, Error, Log, Result, View, load_shut};
use crate::model::history::Digest;
use crate::model::marker::Marker;
use crate::model::position::{Generation, MarkerId, Seq};
use crate::model::time::Timestamp;
use crate::storage::Storage;

/// How often a log is looked at anew, because it was changed under our hands.
const MAX_ATTEMPTS: u32 = 20;

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// CURRENT, the manifest, headers, how segments follow each other, sizes.
    Quick,
    /// Every byte that counts, against its checksums.
    Checksums,
    /// Everything: the log is replayed and the graph compared with every marker, in one pass.
    Replay,
}

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How closely to look.
    pub level: Level,
    /// Stop after so long; the report then says that it is not complete.
    pub max_duration: Option<Duration>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file's name.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: Option<u64>,
    /// A stable name for the kind of fault.
    pub kind: &'static str,
    /// What is wrong, in words.
    pub message: String,
    /// The markers that it touches: they cannot be restored.
    pub markers: Vec<String>,
}

/// Something that is worth knowing and not wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The file's name.
    pub file: String,
    /// What it is.
    pub message: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Whether nothing is wrong with what was looked at.
    pub sound: bool,
    /// How closely was looked.
    pub level: Level,
    /// Files looked at.
    pub files: u64,
    /// Bytes of them that count.
    pub bytes: u64,
    /// What is wrong, in the order of the log.
    pub faults: Vec<Finding>,
    /// Markers that were looked at.
    pub markers_checked: u64,
    /// Those of them that can be restored, as far as this level can tell.
    pub markers_good: u64,
    /// Their names.
    pub good: Vec<String>,
    /// The names of those that cannot be restored.
    pub lost: Vec<String>,
    /// The digest of the newest marker: what to keep elsewhere. Only after a replay.
    pub digest: Option<String>,
    /// The digests that were expected, and the markers that have them.
    pub expected: Vec<Expected>,
    /// Markers, gone ones too, whose events are there and are those that they were placed after.
    pub history_proven: u64,
    /// Markers, gone ones too, whose events are folded, or could not be read: their part of history is taken on trust.
    pub history_folded: u64,
    /// Whether everything was looked at.
    pub complete: bool,
    /// Files that do not belong to the log, or not any more.
    pub notes: Vec<Note>,
    /// How long it took.
    pub seconds: f64,
}

/// Looks at a log.
///
/// Beside a live writer it looks at what the writer is known to have made durable.
///
/// # Errors
/// Only what keeps it from looking: no log, a file system that fails. Damage is in the report.
pub fn verify(log: &Log, options: Options) -> Result<Report> {
    verify_in(log.storage(), log.environment(), options)
}

/// As [`verify`], of the log in a storage: one that cannot be opened, because CURRENT or the manifest is damaged, can be
/// reported on too.
///
/// # Errors
/// As [`verify`].
pub fn verify_in(
    storage: &Arc<dyn Storage>,
    environment: &dyn Environment,
    options: Options,
) -> Result<Report> {
    verify_expecting(storage, environment, options, &[])
}

/// As [`verify_in`] at level replay, of a log whose history leads over the markers with the digests `expected`: if one is
/// missing, that is a fault. At other levels `expected` is not looked at.
///
/// # Errors
/// As [`verify`].
pub fn verify_expecting(
    storage: &Arc<dyn Storage>,
    environment: &dyn Environment,
    options: Options,
    expected: &[Digest],
) -> Result<Report> {
    let clock = Clock { environment, began: environment.now() };
    let mut attempts = 1;
    loop {
        let (report, looked_at) = attempt(storage, clock, options, expected)?;
        let has = |kind: &str| report.faults.iter().any(|fault| fault.kind == kind);
        // A compaction may have put another manifest in force, and taken away the files that only the older one names.
        let went_by = has("missing")
            && load_shut(storage.as_ref()).is_ok_and(|now| looked_at != Some(now.manifest.generation));
        // Between looking at the manifest and at the directory a live writer may have gone on to another segment.
        if attempts >= MAX_ATTEMPTS || !(went_by || has("newer-than-manifest") && attempts <= 5) {
            return Ok(report);
        }
        attempts += 1;
    }
}

/// What it costs a log that some of its files are not whole: each with what is wrong. The files themselves are not read. A
/// report of level quick, of the markers that the manifest lists.
///
/// # Errors
/// As [`verify`].
pub fn verify_listed(
    storage: &Arc<dyn Storage>,
    environment: &dyn Environment,
    lacking: &[(String, String)],
) -> Result<Report> {
    let clock = Clock { environment, began: environment.now() };
    let view = View::closed(Arc::clone(storage), load_shut(storage.as_ref())?);
    let mut inspection = Inspection::new(&view, clock, None);
    let entries = storage.list("").map_err(Error::io("list", storage.location("")))?;
    for entry in entries {
        if let Some(FileName::Events(_) | FileName::Snapshot(_)) = names::parse(&entry.name) {
            inspection.files.insert(entry.name);
            inspection.bytes = inspection.bytes.saturating_add(entry.len);
        }
    }
    for (name, fault) in lacking {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, fault.clone());
        let error = Error::Io { action: "read", path: storage.location(name), source };
        match names::parse(name) {
            Some(FileName::Snapshot(id)) => inspection.lose_file(&error, id),
            Some(FileName::Events(id)) => {
                let segments = &view.in_force.manifest.segments;
                let first =
                    segments.iter().find(|entry| entry.id == id).map_or(Seq(0), |entry| entry.first_seq);
                inspection.cut(&error, Seq(first.0.saturating_sub(1)));
            }
            _ => inspection.fault(&error, Vec::new()),
        }
    }
    Ok(inspection.report(Level::Quick))
}

/// How long it has taken so far.
#[derive(Debug, Clone, Copy)]
struct Clock<'a> {
    environment: &'a dyn Environment,
    began: Timestamp,
}

impl Clock<'_> {
    fn elapsed(&self) -> Duration {
        let micros = self.environment.now().0.saturating_sub(self.began.0).max(0);
        Duration::from_micros(micros.cast_unsigned())
    }

    fn is_past(&self, limit: Option<Duration>) -> bool {
        limit.is_some_and(|limit| self.elapsed() >= limit)
    }
}

/// Looks once; with the generation of the manifest that it went by, if there was one that could be read.
fn attempt(
    storage: &Arc<dyn Storage>,
    clock: Clock<'_>,
    options: Options,
    expected: &[Digest],
) -> Result<(Report, Option<Generation>)> {
    let opened = match options.level {
        Level::Quick | Level::Checksums => View::for_checking(Arc::clone(storage)),
        Level::Replay => View::for_reading(Arc::clone(storage)),
    };
    let view = match opened {
        Ok(view) => view,
        Err(error) if error.is_damage() => return Ok((unreadable(options, clock, &error), None)),
        Err(error) => return Err(error),
    };
    let mut inspection = Inspection::new(&view, clock, options.max_duration);
    inspection.outline_snapshots()?;
    inspection.outline()?;
    match options.level {
        Level::Quick => {}
        Level::Checksums => {
            inspection.checksums_of_snapshots()?;
            inspection.checksums(None)?;
        }
        Level::Replay => {
            inspection.checksums_of_snapshots()?;
            inspection.replay()?;
            inspection.history(expected)?;
        }
    }
    Ok((inspection.report(options.level), Some(view.in_force.manifest.generation)))
}

/// The report on a log whose CURRENT or manifest cannot be read: nothing else can be said.
fn unreadable(options: Options, clock: Clock<'_>, error: &Error) -> Report {
    Report {
        sound: false,
        level: options.level,
        files: 0,
        bytes: 0,
        faults: vec![finding(error)],
        markers_checked: 0,
        markers_good: 0,
        good: Vec::new(),
        lost: Vec::new(),
        digest: None,
        expected: Vec::new(),
        history_proven: 0,
        history_folded: 0,
        complete: true,
        notes: Vec::new(),
        seconds: clock.elapsed().as_secs_f64(),
    }
}

struct Inspection<'a> {
    view: &'a View,
    clock: Clock<'a>,
    limit: Option<Duration>,
    complete: bool,
    files: BTreeSet<String>,
    bytes: u64,
    faults: Vec<Finding>,
    notes: Vec<Note>,
    lost: BTreeSet<MarkerId>,
    /// Markers that the replay has compared; `None` if it was not asked for.
    compared: Option<BTreeSet<MarkerId>>,
    digest: Option<String>,
    expected: Vec<Expected>,
    proven: u64,
    folded: u64,
}

impl<'a> Inspection<'a> {
    fn new(view: &'a View, clock: Clock<'a>, limit: Option<Duration>) -> Self {
        let files = [names::CURRENT.to_owned(), names::manifest(view.in_force.manifest.generation)];
        let mut notes = Vec::new();
        if view.is_shut() {
            let file = names::manifest(view.in_force.manifest.generation);
            let message =
                "the log is encrypted, and no identity was given: markers are not known, payloads not opened";
            notes.push(Note { file, message: message.to_owned() });
        }
        Self {
            view,
            clock,
            limit,
            complete: true,
            files: files.into(),
            bytes: 0,
            faults: Vec::new(),
            notes,
            lost: BTreeSet::new(),
            compared: None,
            digest: None,
            expected: Vec::new(),
            proven: 0,
            folded: 0,
        }
    }

    /// Whether there is no time left.
    fn is_late(&mut self) -> bool {
        let late = self.clock.is_past(self.limit);
        self.complete &= !late;
        late
    }

    /// Notes a fault that cuts the log after `last_good`.
    fn cut(&mut self, error: &Error, last_good: Seq) {
        let needs = |marker: &&Marker| {
            marker.seq > last_good && self.view.path(marker.seq).is_none_or(|path| path.base < marker.seq)
        };
        let touched: Vec<_> = self.view.markers.iter().filter(needs).map(|m| m.id).collect();
        self.fault(error, touched);
    }

    /// Notes a fault and the markers that it costs.
    fn fault(&mut self, error: &Error, touched: Vec<MarkerId>) {
        let mut found = finding(error);
        found.markers = touched.iter().map(ToString::to_string).collect();
        self.lost.extend(touched);
        if !self
            .faults
            .iter()
            .any(|f| f.file == found.file && f.offset == found.offset && f.kind == found.kind)
        {
            self.faults.push(found);
        }
    }

    fn report(self, level: Level) -> Report {
        let names =
            |ids: &mut dyn Iterator<Item = MarkerId>| ids.map(|id| id.to_string()).collect::<Vec<_>>();
        let checked: Vec<_> = match &self.compared {
            // What the replay did not reach was looked at if it is known to be lost.
            Some(compared) => self
                .view
                .markers
                .iter()
                .map(|m| m.id)
                .filter(|id| compared.contains(id) || self.lost.contains(id))
                .collect(),
            None => self.view.markers.iter().map(|m| m.id).collect(),
        };
        let good = names(&mut checked.iter().copied().filter(|id| !self.lost.contains(id)));
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Report {
            sound: self.faults.is_empty(),
            level,
            files: count(self.files.len()),
            bytes: self.bytes,
            markers_checked: count(checked.len()),
            markers_good: count(good.len()),
            good,
            lost: names(&mut self.lost.iter().copied()),
            digest: self.digest,
            expected: self.expected,
            history_proven: self.proven,
            history_folded: self.folded,
            complete: self.complete,
            faults: self.faults,
            notes: self.notes,
            seconds: self.clock.elapsed().as_secs_f64(),
        }
    }
}

pub(super) fn finding(error: &Error) -> Finding {
    let path = error.path().unwrap_or_default();
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    Finding {
        file: path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned(),
        offset: error.offset(),
        kind: error.kind(),
        message,
        markers: Vec::new(),
    }
}
