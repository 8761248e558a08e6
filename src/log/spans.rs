//! What a manifest lists, as the policy of compaction sees it.

use crate::format::manifest::{Manifest, SegmentEntry};
use crate::model::time::Timestamp;
use crate::policy::compaction::{EventSpan, IncrementSpan, Step};

/// The increments, in the order of the manifest, and the event segments.
pub(crate) fn spans(manifest: &Manifest) -> (Vec<IncrementSpan>, Vec<EventSpan>) {
    let increments = manifest.snapshots.iter().flat_map(|file| {
        file.increments.iter().map(|increment| IncrementSpan {
            file: file.id,
            from: increment.from,
            to: increment.to,
            bytes: increment.bytes,
            rows: increment.rows,
            alive: increment.alive,
            newest: increment.time,
            level: increment.level,
        })
    });
    (increments.collect(), manifest.segments.iter().map(|entry| event_span(entry, manifest)).collect())
}

fn event_span(entry: &SegmentEntry, manifest: &Manifest) -> EventSpan {
    let (bytes, next_seq, ends) = match entry.end {
        Some(end) => (end.length, end.next_seq, end.time),
        // It may hold more by now; what the manifest speaks of is in it.
        None => (0, manifest.next_seq, entry.begins),
    };
    EventSpan {
        file: entry.id,
        first_seq: entry.first_seq,
        next_seq,
        bytes,
        begins: entry.begins,
        ends,
        level: entry.compression,
        open: entry.end.is_none(),
    }
}

/// About how many bytes a step writes at most: what it reads.
pub(crate) fn bytes_read_by(manifest: &Manifest, step: &Step) -> u64 {
    let snapshots = |of: &dyn Fn(&crate::format::manifest::SnapshotEntry) -> bool| -> u64 {
        manifest.snapshots.iter().filter(|entry| of(entry)).map(|entry| entry.length).sum()
    };
    let events = |of: &dyn Fn(&SegmentEntry) -> bool| -> u64 {
        manifest
            .segments
            .iter()
            .filter(|entry| of(entry))
            .filter_map(|entry| entry.end)
            .map(|end| end.length)
            .sum()
    };
    match step {
        Step::Fold { from, to } => {
            let last = to.last().copied().unwrap_or(*from);
            events(&|entry| {
                entry.first_seq <= last && entry.end.is_some_and(|end| end.next_seq > from.next())
            })
        }
        Step::Merge { files, .. } => snapshots(&|entry| files.contains(&entry.id)),
        Step::Full { at } => {
            snapshots(&|entry| entry.increments.first().is_some_and(|first| first.from < *at))
        }
        Step::Drop { .. } => 0,
        Step::Rewrite { file, .. } => events(&|entry| entry.id == *file),
    }
}

/// The time of the newest event or marker that a manifest knows of.
pub(crate) fn log_time(manifest: &Manifest) -> Timestamp {
    let segments = manifest.segments.iter().map(|entry| entry.end.map_or(entry.begins, |end| end.time));
    let markers = manifest.markers.iter().map(|marker| marker.time);
    let increments =
        manifest.snapshots.iter().flat_map(|file| &file.increments).map(|increment| increment.time);
    segments.chain(markers).chain(increments).max().unwrap_or(Timestamp::MIN)
}
