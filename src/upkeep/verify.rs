//! Verify: does what a log says it has restore? Looks, and never writes.
//!
//! A reader of a log stops at the first thing that is wrong. `verify` goes on behind it, to list every damaged place and
//! what each of them costs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::codec;
use crate::format::Fault;
use crate::format::frame::FrameType;
use crate::format::names;
use crate::log::{
    Environment, Error, Log, Piece, Place, Replay, Result, Segment, Step, Until, View, Visitor, check_marker,
    find_strays,
};
use crate::model::graph::Graph;
use crate::model::marker::Marker;
use crate::model::position::{MarkerId, Seq};
use crate::model::time::Timestamp;
use crate::storage::Storage;

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
    let clock = Clock { environment, began: environment.now() };
    let mut outcome = attempt(storage, clock, options);
    // Between looking at the manifest and at the directory a live writer may have gone on to another segment.
    for _ in 0..5 {
        match &outcome {
            Ok(report) if report.faults.iter().any(|f| f.kind == "newer-than-manifest") => {
                outcome = attempt(storage, clock, options);
            }
            _ => break,
        }
    }
    outcome
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

fn attempt(storage: &Arc<dyn Storage>, clock: Clock<'_>, options: Options) -> Result<Report> {
    let view = match View::for_reading(Arc::clone(storage)) {
        Ok(view) => view,
        Err(error) if error.is_damage() => return Ok(unreadable(options, clock, &error)),
        Err(error) => return Err(error),
    };
    let mut inspection = Inspection::new(&view, clock, options.max_duration);
    inspection.outline()?;
    match options.level {
        Level::Quick => {}
        Level::Checksums => inspection.checksums()?,
        Level::Replay => {
            if !inspection.replay()? {
                inspection.checksums()?;
            }
        }
    }
    Ok(inspection.report(options.level))
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
}

impl<'a> Inspection<'a> {
    fn new(view: &'a View, clock: Clock<'a>, limit: Option<Duration>) -> Self {
        let files = [names::CURRENT.to_owned(), names::manifest(view.in_force.manifest.generation)];
        Self {
            view,
            clock,
            limit,
            complete: true,
            files: files.into(),
            bytes: 0,
            faults: Vec::new(),
            notes: Vec::new(),
            lost: BTreeSet::new(),
            compared: None,
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
        let touched: Vec<_> = self.view.markers.iter().filter(|m| m.seq > last_good).map(|m| m.id).collect();
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

    /// Headers, sizes, and how the segments follow each other.
    fn outline(&mut self) -> Result<()> {
        let manifest = &self.view.in_force.manifest;
        let mut before = None;
        for entry in &manifest.segments {
            let last_good = Seq(entry.first_seq.0.saturating_sub(1));
            self.files.insert(names::events(entry.id));
            let segment = Segment::open(self.view.storage.as_ref(), self.view.in_force.log_id, entry.id);
            let segment = match segment {
                Ok(segment) => segment,
                Err(error) if error.is_damage() => {
                    self.cut(&error, last_good);
                    before = manifest.adopted(entry.id);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let meaning = |what| segment.damage(0, Fault::Meaning { what });
            if segment.head.kind != manifest.kind {
                self.cut(
                    &meaning("the segment is of another kind of graph than the manifest says"),
                    last_good,
                );
            }
            if segment.head.first_seq != entry.first_seq {
                let fault = Fault::Sequence { expected: entry.first_seq, found: segment.head.first_seq };
                self.cut(&segment.damage(0, fault), last_good);
            }
            if segment.head.adopts != before {
                let what = "the segment does not adopt what the manifest says of the one before it";
                self.cut(&meaning(what), last_good);
            }
            let piece = self.view.pieces.iter().find(|piece| piece.id == entry.id);
            self.bytes = self.bytes.saturating_add(piece.map_or(0, |piece| piece.length));
            if let Some(end) = entry.end {
                match segment.check_length(end.length) {
                    Err(error) => self.cut(&error, last_good),
                    Ok(()) if segment.file_len > end.length => self.notes.push(Note {
                        file: segment.name.clone(),
                        message: format!(
                            "{} bytes after offset {} are dead: left by a session that did not end in good order",
                            segment.file_len.saturating_sub(end.length),
                            end.length
                        ),
                    }),
                    Ok(()) => {}
                }
            }
            before = manifest.adopted(entry.id);
        }
        if let Some(error) = &self.view.damage {
            let error = error.again();
            self.cut(&error, self.view.last_seq());
            if let Some((segment, tail)) = &self.view.tail
                && let Some((offset, _)) = tail.damage
            {
                self.markers_behind(segment, offset)?;
            }
        }
        if let Some((segment, tail)) = &self.view.tail
            && let Some(fault) = &tail.torn
        {
            let message = format!(
                "the log ends at offset {}; what follows is a torn write that was never acknowledged ({fault})",
                tail.end.offset
            );
            self.notes.push(Note { file: segment.name.clone(), message });
        }
        match find_strays(self.view) {
            Ok(strays) => self.notes.extend(strays.into_iter().map(|stray| Note {
                message: format!("{}: {} bytes that no manifest in force names", stray.what, stray.bytes),
                file: stray.name,
            })),
            Err(error) if error.is_damage() => self.cut(&error, self.view.last_seq()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The markers that stand in whole frames behind damage in the open segment: nothing lists them, and they are lost.
    fn markers_behind(&mut self, segment: &Segment, damage: u64) -> Result<()> {
        let mut frames = segment.frames(u64::MAX);
        frames.offset = damage;
        while frames.resync()? {
            while let Step::Frame { header, payload, .. } = frames.step()? {
                if header.frame_type == FrameType::Marker
                    && let Ok(marker) = codec::from_bytes::<Marker>(payload)
                    && self.lost.insert(marker.id)
                    && let Some(fault) = self.faults.last_mut()
                {
                    fault.markers.push(marker.id.to_string());
                }
            }
        }
        Ok(())
    }

    /// Every frame that counts; goes on behind a bad one.
    fn checksums(&mut self) -> Result<()> {
        for piece in &self.view.pieces {
            if self.is_late() {
                return Ok(());
            }
            self.checksums_of(piece)?;
        }
        Ok(())
    }

    fn checksums_of(&mut self, piece: &Piece) -> Result<()> {
        let Ok(segment) = Segment::open(self.view.storage.as_ref(), self.view.in_force.log_id, piece.id)
        else {
            // Noted by the outline.
            return Ok(());
        };
        let mut frames = segment.frames(piece.length);
        let mut last_good = None;
        let mut read = 0_u64;
        loop {
            let (offset, fault) = match frames.step()? {
                Step::Frame { header, .. } => {
                    read = read.saturating_add(header.frame_len());
                    if read > LOOK_AT_CLOCK_BYTES {
                        read = 0;
                        if self.is_late() {
                            return Ok(());
                        }
                    }
                    continue;
                }
                Step::End => break,
                Step::Bad { offset, fault } => (offset, fault),
            };
            let good = *last_good.get_or_insert(Seq(frames.expect.seq.0.saturating_sub(1)));
            self.cut(&segment.damage(offset, fault), good);
            if !frames.resync()? {
                return Ok(());
            }
        }
        if let Some(chain) = piece.chain
            && last_good.is_none()
            && chain != frames.expect.chain
        {
            let fault = Fault::Chain { expected: chain, found: frames.expect.chain };
            let good = Seq(piece.first_seq.0.saturating_sub(1));
            self.cut(&segment.damage(piece.length, fault), good);
        }
        Ok(())
    }

    /// Replays the log and compares the graph with every marker; false if it came upon damage and stopped.
    fn replay(&mut self) -> Result<bool> {
        let mut replay = Replay::new(self.view);
        replay.graph.track_fingerprint(true);
        let mut comparer = Comparer {
            listed: &self.view.markers,
            clock: self.clock,
            limit: self.limit,
            late: false,
            wrong: Vec::new(),
            compared: BTreeSet::new(),
        };
        let outcome = replay.run(self.view, Until::End, &mut comparer);
        let Comparer { late, mut wrong, mut compared, .. } = comparer;
        let last = Seq(replay.next_seq.0.saturating_sub(1));
        if outcome.is_err() && !late {
            // The frames of markers right after the last event before the damage may not have been reached, but their
            // graph was.
            let manifest = names::manifest(self.view.in_force.manifest.generation);
            for marker in self.view.markers.iter().filter(|marker| marker.seq == last) {
                if compared.insert(marker.id)
                    && let Err(error) = check_marker(marker, &replay.graph)
                {
                    wrong.push((error, marker.id, manifest.clone()));
                }
            }
        }
        for (error, id, file) in wrong {
            let mut found = finding(&error);
            found.file = file;
            found.markers = vec![id.to_string()];
            self.faults.push(found);
            self.lost.insert(id);
        }
        let clean = match outcome {
            Ok(()) => {
                let unseen: Vec<_> =
                    self.view.markers.iter().filter(|m| !compared.contains(&m.id)).map(|m| m.id).collect();
                for id in unseen {
                    self.faults.push(Finding {
                        file: names::manifest(self.view.in_force.manifest.generation),
                        offset: None,
                        kind: "missing-marker",
                        message: format!("{id} is listed, but its frame is not in the log"),
                        markers: vec![id.to_string()],
                    });
                    self.lost.insert(id);
                }
                if let Err(inconsistency) = replay.graph.check_names() {
                    let fault = Fault::Inconsistent(inconsistency);
                    let error = Error::Damage { path: String::new(), offset: None, fault };
                    self.cut(&error, last);
                }
                true
            }
            Err(_) if late => {
                self.complete = false;
                true
            }
            Err(error) if error.is_damage() => {
                self.cut(&error, last);
                false
            }
            Err(error) => return Err(error),
        };
        self.compared = Some(compared);
        Ok(clean)
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
            complete: self.complete,
            faults: self.faults,
            notes: self.notes,
            seconds: self.clock.elapsed().as_secs_f64(),
        }
    }
}

/// The clock is looked at each time so many bytes were read.
const LOOK_AT_CLOCK_BYTES: u64 = 4 << 20;

/// Compares each marker that a replay comes by.
struct Comparer<'a> {
    listed: &'a [Marker],
    clock: Clock<'a>,
    limit: Option<Duration>,
    late: bool,
    wrong: Vec<(Error, MarkerId, String)>,
    compared: BTreeSet<MarkerId>,
}

impl Visitor for Comparer<'_> {
    fn marker(&mut self, graph: &mut Graph, marker: Marker, place: Place<'_>) -> Result<()> {
        self.late = self.clock.is_past(self.limit);
        if self.late {
            return Err(place.damage(Fault::Meaning { what: "out of time" }));
        }
        self.compared.insert(marker.id);
        let mut outcome = check_marker(&marker, graph);
        let known = self.listed.binary_search_by_key(&marker.id, |listed| listed.id);
        let known = known.ok().and_then(|at| self.listed.get(at));
        if let (Ok(()), Some(known)) = (&outcome, known) {
            // Pins and expiry are the manifest's to change; nothing else is.
            let now = Marker { pinned: known.pinned, expired: known.expired, ..marker.clone() };
            if *known != now {
                outcome = Err(
                    place.damage(Fault::Meaning { what: "a marker is not what the manifest says of it" })
                );
            }
        }
        if let Err(error) = outcome {
            let file = place.path.rsplit(['/', '\\']).next().unwrap_or(place.path).to_owned();
            self.wrong.push((error, marker.id, file));
        }
        Ok(())
    }
}

fn finding(error: &Error) -> Finding {
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
