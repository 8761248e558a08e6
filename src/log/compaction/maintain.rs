//! Maintenance: retention applied, markers whose grace is over reclaimed, and as many steps of compaction as are due.

use std::collections::HashSet;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use super::host::Host;
use super::{rekey, steps};
use crate::format::Fault;
use crate::format::manifest::{Manifest, Trashed};
use crate::format::names::{self, FileName, TRASH};
use crate::log::error::{Error, Result};
use crate::log::frames::Segment;
use crate::log::spans;
use crate::log::store::{self, InForce};
use crate::log::strays;
use crate::model::marker::Marker;
use crate::model::position::{MarkerId, SegmentId, Seq};
use crate::model::time::Timestamp;
use crate::policy::compaction::{Position, Reachable, Step, Wishes, next_step};
use crate::policy::retention;

/// What is asked of maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "four things that can be wished for, in any mix")]
pub(crate) struct Wish {
    /// Drop the markers that retention does not keep.
    pub(crate) retention: bool,
    /// Grace is over now, for markers and files.
    pub(crate) now: bool,
    /// Merge all that can be merged, not only what is worth it.
    pub(crate) thorough: bool,
    /// Seal all that is sealed with an older key than the newest with that.
    #[serde(default)]
    pub(crate) rekey: bool,
}

/// What maintenance has done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Maintained {
    /// Markers that retention dropped; they can be had back until their grace is over.
    pub dropped: Vec<MarkerId>,
    /// Markers whose grace is over: they are gone.
    pub reclaimed: Vec<MarkerId>,
    /// Steps that were carried out: folds, merges and the like.
    pub steps: u64,
    /// Bytes of net change that folding events gave.
    pub bytes_folded: u64,
    /// Bytes that were written into new segments, those included.
    pub bytes_written: u64,
    /// Bytes of the segments that were taken out of force.
    pub bytes_retired: u64,
    /// Bytes of files that were removed.
    pub bytes_removed: u64,
}

/// Drops markers: they leave the list of what is kept, and can be had back until their grace is over. Those that are
/// pinned, are dropped already or are not there are passed over, whoever asks. Returns those that were dropped.
pub(crate) fn expire(host: &impl Host, ids: &[MarkerId]) -> Result<Vec<MarkerId>> {
    let now = host.environment().now();
    set_expired(host, |marker| {
        let goes = ids.contains(&marker.id) && !marker.pinned && marker.expired.is_none();
        goes.then_some(Some(now))
    })
}

/// Takes back that markers were dropped. Returns those that were.
pub(crate) fn undelete(host: &impl Host, ids: &[MarkerId]) -> Result<Vec<MarkerId>> {
    set_expired(host, |marker| (ids.contains(&marker.id) && marker.expired.is_some()).then_some(None))
}

/// Drops the markers that retention does not keep. It is judged and done at once: a marker that somebody has just had back
/// is not dropped by a verdict of before.
fn retain(host: &impl Host) -> Result<Vec<MarkerId>> {
    let now = host.environment().now();
    set_expired_by(host, |manifest| {
        let verdicts = retention::judge(&manifest.markers, host.config(), spans::log_time(manifest));
        let goes: HashSet<_> =
            verdicts.into_iter().filter(|verdict| !verdict.keep).map(|verdict| verdict.id).collect();
        move |marker: &Marker| {
            (goes.contains(&marker.id) && !marker.pinned && marker.expired.is_none()).then_some(Some(now))
        }
    })
}

fn set_expired(
    host: &impl Host,
    decide: impl Fn(&Marker) -> Option<Option<Timestamp>>,
) -> Result<Vec<MarkerId>> {
    set_expired_by(host, |_| &decide)
}

/// `decide`: what becomes of a marker, by the manifest as it is when that is done.
fn set_expired_by<D: Fn(&Marker) -> Option<Option<Timestamp>>>(
    host: &impl Host,
    decide: impl Fn(&Manifest) -> D,
) -> Result<Vec<MarkerId>> {
    let mut done = Vec::new();
    host.change(&mut |manifest| {
        done.clear();
        let decide = decide(manifest);
        let mut dropped_any = false;
        for marker in &mut manifest.markers {
            if let Some(expired) = decide(marker) {
                marker.expired = expired;
                dropped_any |= expired.is_some();
                done.push(marker.id);
            }
        }
        if dropped_any {
            manifest.pruned = Some(manifest.written);
        }
        Ok(!done.is_empty())
    })?;
    Ok(done)
}

/// Does all that is due.
pub(crate) fn maintain(host: &impl Host, wish: Wish) -> Result<Maintained> {
    let mut done = Maintained::default();
    tidy(host, wish, &mut done)?;
    // First: what is dropped now has its grace before it.
    reclaim(host, wish, &mut done)?;
    if wish.retention {
        done.dropped = retain(host)?;
    }
    while let Some((in_force, step)) = next(host, wish)? {
        if host.is_stopping() {
            return Ok(done);
        }
        let outcome = match steps::work(host, &in_force, &step) {
            // Broken off: what was written is gone, the log is as it was before the step.
            Err(Error::Closed) if host.is_stopping() => return Ok(done),
            outcome => outcome.map_err(|error| no_room(error, &in_force, &step))?,
        };
        let mut retired = 0_u64;
        let applied = host.change(&mut |manifest| {
            let trashed = manifest.trash.len();
            let applied = outcome.apply(manifest);
            retired = manifest.trash.iter().skip(trashed).map(|file| file.bytes).sum();
            if applied {
                all_reachable(manifest, host.storage().location(""))?;
            }
            Ok(applied)
        })?;
        if !applied {
            // What it rested on has changed meanwhile; the next look at it decides anew.
            continue;
        }
        done.steps = done.steps.saturating_add(1);
        if matches!(step, Step::Fold { .. }) {
            done.bytes_folded = done.bytes_folded.saturating_add(outcome.bytes_written());
        }
        done.bytes_written = done.bytes_written.saturating_add(outcome.bytes_written());
        done.bytes_retired = done.bytes_retired.saturating_add(retired);
        empty_trash(host, wish, &mut done)?;
    }
    empty_trash(host, wish, &mut done)?;
    Ok(done)
}

/// The next step that is due, and what it rests on.
fn next(host: &impl Host, wish: Wish) -> Result<Option<(InForce, Step)>> {
    let in_force = host.in_force()?;
    let manifest = &in_force.manifest;
    let (increments, events) = spans::spans(manifest);
    let now = spans::log_time(manifest);
    let wishes = Wishes {
        config: host.config(),
        now,
        clock: now.max(host.environment().now()),
        thorough: wish.thorough,
    };
    let step = match next_step(&increments, &events, &positions(manifest), &wishes) {
        None if wish.rekey => rekey::next_step(host.storage().as_ref(), &in_force)?,
        step => step,
    };
    Ok(step.map(|step| (in_force, step)))
}

/// The positions that must stay restorable: those of all markers that are listed, dropped ones in their grace too.
fn positions(manifest: &Manifest) -> Vec<Position> {
    let mut positions: Vec<Position> = Vec::new();
    for marker in manifest.markers.iter().filter(|marker| marker.seq > Seq(0)) {
        match positions.last_mut().filter(|position| position.seq == marker.seq) {
            Some(position) => position.time = position.time.max(marker.time),
            None => positions.push(Position { seq: marker.seq, time: marker.time }),
        }
    }
    positions
}

/// That every marker of a manifest can be restored from what the manifest names, before it is put in force.
fn all_reachable(manifest: &Manifest, path: String) -> Result<()> {
    let (increments, events) = spans::spans(manifest);
    let reachable = Reachable::new(&increments);
    let first = events.first().map_or(manifest.next_seq, |span| span.first_seq);
    let last = Seq(manifest.next_seq.0.saturating_sub(1));
    let cut_off = positions(manifest)
        .into_iter()
        .find(|position| !reachable.contains(position.seq, first, last))
        .map(|position| position.seq);
    let Some(seq) = cut_off else { return Ok(()) };
    let marker = manifest.markers.iter().find(|marker| marker.seq == seq).map(|marker| marker.id);
    Err(Error::Unreachable { path, marker: marker.unwrap_or_default() })
}

/// Takes the markers whose grace is over off the list.
fn reclaim(host: &impl Host, wish: Wish, done: &mut Maintained) -> Result<()> {
    let (grace, now) = (host.config().retention.grace, host.environment().now());
    let is_over = |since: Timestamp| wish.now || is_past(since, grace, now);
    let mut gone = Vec::new();
    host.change(&mut |manifest| {
        let goes = |marker: &Marker| !marker.pinned && marker.expired.is_some_and(is_over);
        gone = manifest.let_go(goes).map_err(|e| Error::Damage {
            path: host.storage().location(names::CURRENT),
            offset: None,
            fault: Fault::Decode(e),
        })?;
        Ok(!gone.is_empty())
    })?;
    done.reclaimed = gone;
    Ok(())
}

/// Sets aside what an earlier compaction wrote and did not come to put in force, and moves into the trash what it did not
/// come to move. Empties the trash as far as grace allows: on a full disk this makes the room for the rest.
fn tidy(host: &impl Host, wish: Wish, done: &mut Maintained) -> Result<()> {
    empty_trash(host, wish, done)?;
    let storage = host.storage();
    let manifest = host.in_force()?.manifest;
    let named = |name: &str| {
        manifest.snapshots.iter().any(|entry| names::snapshot(entry.id) == name)
            || manifest.segments.iter().any(|entry| names::events(entry.id) == name)
    };
    let listed = |name: &str| manifest.trash.iter().any(|file| file.name == name);
    let entries = storage.list("").map_err(Error::io("list", storage.location("")))?;
    let mut strays = Vec::new();
    for entry in entries {
        let ours = match names::parse(&entry.name) {
            Some(FileName::Snapshot(_)) => true,
            Some(FileName::Events(id)) => !named(&entry.name) && is_spare(host, id)?,
            _ => false,
        };
        if ours && !named(&entry.name) && !listed(&entry.name) {
            strays.push(Trashed { name: entry.name, since: manifest.written, bytes: entry.len });
        }
    }
    // What a power cut brought back into the trash after it had been removed.
    let in_trash = match storage.list(TRASH) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(Error::io("list", storage.location(TRASH))(e)),
    };
    for entry in in_trash {
        if store::segment_number(&entry.name).is_some() && !named(&entry.name) && !listed(&entry.name) {
            strays.push(Trashed { name: entry.name, since: manifest.written, bytes: entry.len });
        }
    }
    if !strays.is_empty() {
        host.change(&mut |manifest| {
            let since = manifest.written;
            for stray in &strays {
                // A number is given once, whatever became of the file.
                let next = store::segment_number(&stray.name).map_or(manifest.next_file, SegmentId::next);
                manifest.next_file = manifest.next_file.max(next);
                manifest.trash.push(Trashed { since, ..stray.clone() });
            }
            Ok(true)
        })?;
    }
    move_to_trash(host)
}

/// Whether an event segment that no manifest names is what a crash left: of a compaction, or of a session that did not
/// come to put it in force. Any other is evidence, and stays.
fn is_spare(host: &impl Host, id: SegmentId) -> Result<bool> {
    let Ok(segment) = Segment::open(host.storage().as_ref(), host.in_force()?.log_id, id) else {
        return Ok(false);
    };
    Ok(segment.head.rewrites.is_some() || !strays::was_in_force(&segment)?)
}

/// Moves what the manifest lists as trash into the directory of that name.
fn move_to_trash(host: &impl Host) -> Result<()> {
    let storage = host.storage();
    let trash = host.in_force()?.manifest.trash;
    let mut made = false;
    for file in &trash {
        if storage.open(&file.name).is_err() {
            continue;
        }
        if !made {
            storage.create_dir(TRASH).map_err(Error::io("create", storage.location(TRASH)))?;
            made = true;
        }
        let to = format!("{TRASH}/{}", file.name);
        match storage.rename(&file.name, &to) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(Error::io("move into the trash", storage.location(&file.name))(e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Moves into the trash what belongs there, and removes what has been there for long enough.
fn empty_trash(host: &impl Host, wish: Wish, done: &mut Maintained) -> Result<()> {
    let storage = host.storage();
    let (grace, now) = (host.config().retention.grace, host.environment().now());
    let manifest = host.in_force()?.manifest;
    let mut gone = Vec::new();
    for file in &manifest.trash {
        if !(wish.now || is_past(file.since, grace, now)) {
            continue;
        }
        for name in [file.name.clone(), format!("{TRASH}/{}", file.name)] {
            match storage.remove(&name) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("remove", storage.location(&name))(e));
                }
                _ => {}
            }
        }
        // Here, and not where it goes: a session that had no room may have removed it before.
        done.bytes_removed = done.bytes_removed.saturating_add(file.bytes);
        gone.push(file.name.clone());
    }
    if !gone.is_empty() {
        // Before they are forgotten: a power cut would bring back what nobody knows of any more.
        for dir in [TRASH, ""] {
            match storage.sync_dir(dir) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(Error::io("sync", storage.location(dir))(e));
                }
                _ => {}
            }
        }
        host.change(&mut |manifest| {
            manifest.trash.retain(|file| !gone.contains(&file.name));
            Ok(true)
        })?;
    }
    move_to_trash(host)
}

/// Says how much room is needed, where there was not enough.
fn no_room(error: Error, in_force: &InForce, step: &Step) -> Error {
    match error {
        Error::Io { path, source, .. }
            if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
        {
            Error::NoRoom { path, needed: spans::bytes_read_by(&in_force.manifest, step), source }
        }
        other => other,
    }
}

/// Whether `grace` has gone by since `since`.
pub(crate) fn is_past(since: Timestamp, grace: std::time::Duration, now: Timestamp) -> bool {
    let grace = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
    now >= since.plus_micros(grace)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::host::Alone;
    use super::*;
    use crate::log::store::Shared;
    use crate::log::{Environment, FixedEnvironment, Log, MarkOptions};
    use crate::model::event::Event;
    use crate::model::marker::GraphKind;
    use crate::policy::config::Config;
    use crate::storage::SimStorage;

    /// A log whose user drops a marker before each look at the manifest and has it back right after.
    struct Undecided {
        alone: Alone,
        marker: MarkerId,
    }

    impl Host for Undecided {
        fn storage(&self) -> &Shared {
            self.alone.storage()
        }

        fn environment(&self) -> &dyn Environment {
            self.alone.environment()
        }

        fn config(&self) -> &Config {
            self.alone.config()
        }

        fn in_force(&self) -> Result<InForce> {
            expire(&self.alone, &[self.marker])?;
            let seen = self.alone.in_force()?;
            undelete(&self.alone, &[self.marker])?;
            Ok(seen)
        }

        fn reserve(&self) -> Result<SegmentId> {
            self.alone.reserve()
        }

        fn change(&self, change: &mut dyn FnMut(&mut Manifest) -> Result<bool>) -> Result<bool> {
            self.alone.change(change)
        }

        fn is_stopping(&self) -> bool {
            self.alone.is_stopping()
        }
    }

    #[test]
    fn a_marker_that_was_had_back_is_not_dropped_by_a_verdict_of_before() {
        let disk = SimStorage::new();
        let environment = Arc::new(FixedEnvironment::new(Timestamp(1_767_225_600_000_000)));
        let storage: Shared = Arc::new(disk);
        let kind = GraphKind { directed: true, multigraph: false };
        let log = Log::init_in(Arc::clone(&storage), environment.clone(), kind, "tiers = {}\n").unwrap();
        let writer = log.writer().unwrap();
        writer.append(&Event::node("a")).unwrap();
        let marker = writer.mark(&MarkOptions::labelled("by hand")).unwrap().id;
        writer.close().unwrap();
        let config = log.config().unwrap();
        let alone = Alone::open(storage, environment, config, false, None).unwrap().unwrap();
        let host = Undecided { alone, marker };
        let done = maintain(&host, Wish { retention: true, ..Wish::default() }).unwrap();
        assert_eq!(done.dropped, []);
        let manifest = host.alone.in_force().unwrap().manifest;
        assert!(manifest.markers.iter().all(|marker| marker.expired.is_none()));
    }
}
