//! Carrying out one step of a compaction.

use std::sync::Arc;

use super::cursor::{Source, merge};
use super::fold::{Sink, fold, stretch};
use super::host::Host;
use super::write::SnapshotWriter;
use crate::format::Fault;
use crate::format::manifest::{Manifest, SegmentEntry, SnapshotEntry, Trashed};
use crate::format::names;
use crate::format::snapshot::Stand;
use crate::log::chain;
use crate::log::error::{Error, Result};
use crate::log::rewrite;
use crate::log::snapshot::SnapshotFile;
use crate::log::store::InForce;
use crate::log::view::View;
use crate::model::position::{SegmentId, Seq};
use crate::model::row::RowKind;
use crate::policy::compaction::Step;

/// What a step wrote and what it takes out of force.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// A new snapshot segment.
    snapshot: Option<SnapshotEntry>,
    /// A new event segment, and the one that it takes the place of.
    events: Option<(SegmentId, SegmentEntry)>,
    /// Snapshot segments that go.
    old_snapshots: Vec<SegmentId>,
    /// Event segments that go.
    old_events: Vec<SegmentId>,
}

/// Does the work of a step: what it writes is durable afterwards, and nothing is in force yet.
pub(super) fn work<H: Host>(host: &H, in_force: &InForce, step: &Step) -> Result<Outcome> {
    let view = View::closed(Arc::clone(host.storage()), in_force.clone());
    match step {
        Step::Fold { from, to } => {
            let beneath = chain::to(&view, *from)?;
            let stand = chain::end_of(&beneath);
            let targets = stretch(&view, *from, to)?;
            write(host, &view, FOLD_LEVEL, |writer| fold(&view, &beneath, &stand, &targets, writer).map(drop))
                .map(|snapshot| Outcome { snapshot: Some(snapshot), ..Outcome::default() })
        }
        Step::Merge { files, keep, level } => {
            let snapshot =
                write(host, &view, *level, |writer| merge_files(&view, files, keep, *level, writer))?;
            Ok(Outcome { snapshot: Some(snapshot), old_snapshots: files.clone(), ..Outcome::default() })
        }
        Step::Full { at } => {
            let beneath = chain::to(&view, *at)?;
            let snapshot = write(host, &view, FOLD_LEVEL, |writer| {
                merge_into(&beneath, &Stand::empty(), &chain::end_of(&beneath), writer)
            })?;
            Ok(Outcome { snapshot: Some(snapshot), ..Outcome::default() })
        }
        Step::Drop { snapshots, events } => {
            Ok(Outcome { old_snapshots: snapshots.clone(), old_events: events.clone(), ..Outcome::default() })
        }
        Step::Rewrite { file, after, level } => {
            let entry = rewrite::rewrite(
                &view,
                host.storage().as_ref(),
                *file,
                *after,
                host.reserve()?,
                *level,
                host.environment(),
            )?;
            Ok(Outcome { events: Some((*file, entry)), ..Outcome::default() })
        }
    }
}

/// zstd level of what is folded and may be merged again soon.
const FOLD_LEVEL: u8 = 9;

fn write<'a, H: Host>(
    host: &'a H,
    view: &View,
    level: u8,
    fill: impl FnOnce(&mut SnapshotWriter<'a, H>) -> Result<()>,
) -> Result<SnapshotEntry> {
    let mut writer = SnapshotWriter::create(host, &view.in_force, level)?;
    let written = fill(&mut writer).and_then(|()| writer.finish(&view.markers, &view.in_force));
    if written.is_err() {
        // On a full disk what was written is in the way of the next attempt.
        writer.discard();
    }
    written
}

/// The increments of neighbouring files from the first boundary in `keep` to the last, with no boundaries left but those.
/// What lies outside of them no marker needs.
fn merge_files<H: Host>(
    view: &View,
    files: &[SegmentId],
    keep: &[Seq],
    level: u8,
    writer: &mut SnapshotWriter<'_, H>,
) -> Result<()> {
    let mut group: Vec<Source> = Vec::new();
    let mut flush = |group: &mut Vec<Source>| -> Result<()> {
        let from = group.first().and_then(Source::increment).map(|increment| increment.from.clone());
        match (group.as_slice(), from) {
            ([Source::File { file, at }], Some(_))
                if file.footer.increments.get(*at).is_some_and(|increment| increment.level >= level) =>
            {
                if let Some(increment) = file.footer.increments.get(*at) {
                    writer.copy(file, increment)?;
                }
            }
            (_, Some(from)) => merge_into(group, &from, &chain::end_of(group), writer)?,
            (_, None) => {}
        }
        group.clear();
        Ok(())
    };
    for id in files {
        let file = Arc::new(open(view, *id)?);
        for (at, increment) in file.footer.increments.iter().enumerate() {
            let before = keep.first().is_some_and(|first| increment.to.seq <= *first);
            let after = keep.last().is_some_and(|last| increment.from.seq >= *last);
            if before || after {
                continue;
            }
            group.push(Source::File { file: Arc::clone(&file), at });
            if keep.binary_search(&increment.to.seq).is_ok() {
                flush(&mut group)?;
            }
        }
    }
    flush(&mut group)
}

/// Writes the net change of neighbours as one increment, which must come to where they come to.
fn merge_into(sources: &[Source], from: &Stand, to: &Stand, sink: &mut impl Sink) -> Result<()> {
    sink.begin(from)?;
    for kind in RowKind::ALL {
        merge(sources, kind, &|_, _| true, |entry| sink.push(kind, entry))?;
    }
    let reached = sink.end(to.seq, to.time, to.ordinals, to.counts)?;
    if reached.layout == to.layout {
        return Ok(());
    }
    let path = match sources.last() {
        Some(Source::File { file, .. }) => file.path.clone(),
        _ => String::new(),
    };
    let what = "increments that follow each other do not give what the last of them says";
    Err(Error::Damage { path, offset: None, fault: Fault::Meaning { what } })
}

/// Opens a snapshot segment of the manifest.
fn open(view: &View, id: SegmentId) -> Result<SnapshotFile> {
    let manifest = &view.in_force.manifest;
    let entry = manifest.snapshots.iter().find(|entry| entry.id == id).ok_or_else(|| Error::Missing {
        path: view.storage.location(&names::snapshot(id)),
        named_by: "a step of a compaction",
    })?;
    SnapshotFile::open(view.storage.as_ref(), view.in_force.log_id, manifest.kind, entry)
}

impl Outcome {
    /// Bytes of the file that was written.
    pub(super) fn bytes_written(&self) -> u64 {
        let snapshot = self.snapshot.as_ref().map_or(0, |entry| entry.length);
        let events = self.events.as_ref().and_then(|(_, entry)| entry.end).map_or(0, |end| end.length);
        snapshot.saturating_add(events)
    }

    /// Applies the outcome to the manifest in force by now, as a difference. False, and nothing is changed, if what the
    /// step rested on is not there any more.
    pub(super) fn apply(&self, manifest: &mut Manifest) -> bool {
        let replaced = self.events.as_ref().map(|(old, _)| *old);
        let has_snapshot = |id: &SegmentId| manifest.snapshots.iter().any(|entry| entry.id == *id);
        let has_events = |id: &SegmentId| manifest.segments.iter().any(|entry| entry.id == *id);
        if !self.old_snapshots.iter().all(has_snapshot)
            || !self.old_events.iter().chain(&replaced).all(has_events)
        {
            return false;
        }
        let since = manifest.written;
        let mut trash = Vec::new();
        manifest.snapshots.retain(|entry| {
            let goes = self.old_snapshots.contains(&entry.id);
            if goes {
                trash.push(Trashed { name: names::snapshot(entry.id), since, bytes: entry.length });
            }
            !goes
        });
        let mut trash_events = |entry: &SegmentEntry| {
            let bytes = entry.end.map_or(0, |end| end.length);
            trash.push(Trashed { name: names::events(entry.id), since, bytes });
        };
        manifest.segments.retain_mut(|entry| {
            if self.old_events.contains(&entry.id) {
                trash_events(entry);
                return false;
            }
            if let Some((old, new)) = &self.events
                && *old == entry.id
            {
                trash_events(entry);
                *entry = new.clone();
            }
            true
        });
        manifest.trash.append(&mut trash);
        if let Some(snapshot) = &self.snapshot {
            manifest.next_file = manifest.next_file.max(snapshot.id.next());
            manifest.snapshots.push(snapshot.clone());
            manifest.snapshots.sort_by_key(|entry| {
                let first = entry.increments.first();
                (first.map(|i| i.to), first.map(|i| i.from), entry.id)
            });
        }
        if let Some((_, entry)) = &self.events {
            manifest.next_file = manifest.next_file.max(entry.id.next());
        }
        true
    }
}
