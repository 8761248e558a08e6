//! The JSON documents. docs/json.md describes them: fields are added, never changed.

use std::collections::BTreeMap;

use serde::Serialize;
use snaplog::Marker;
use snaplog::exchange::ingest;
use snaplog::remote::{PruneReport, PushReport};

use super::failure::Report;

/// A failure, on standard error.
#[derive(Debug, Serialize)]
pub(super) struct ErrorDocument<'a> {
    error: ErrorFields<'a>,
    exit: u8,
}

#[derive(Debug, Serialize)]
struct ErrorFields<'a> {
    kind: &'a str,
    message: &'a str,
    path: Option<&'a str>,
    offset: Option<u64>,
    line: Option<u64>,
    causes: &'a [String],
    hint: Option<&'a str>,
}

impl<'a> ErrorDocument<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let error = ErrorFields {
            kind: &report.kind,
            message: &report.message,
            path: report.path.as_deref(),
            offset: report.offset,
            line: report.line,
            causes: &report.causes,
            hint: report.hint.as_deref(),
        };
        Self { error, exit: report.exit.code() }
    }
}

/// What a command printed that read a remote copy.
#[derive(Debug, Serialize)]
pub(super) struct Fetched<'a, T> {
    #[serde(flatten)]
    pub(super) document: &'a T,
    /// Bytes of segments that it took.
    pub(super) fetched: u64,
}

/// How far a remote copy is behind.
#[derive(Debug, Serialize)]
pub(super) struct RemoteDocument {
    pub(super) remote: String,
    pub(super) number: u64,
    pub(super) last_seq: u64,
    pub(super) events_behind: u64,
}

/// What was pushed, a remote copy each.
#[derive(Debug, Serialize)]
pub(super) struct PushDocument {
    pub(super) pushes: Vec<PushReport>,
    pub(super) prunes: Vec<PruneReport>,
}

/// A new log.
#[derive(Debug, Serialize)]
pub(super) struct InitDocument {
    pub(super) log_id: String,
    pub(super) path: String,
    pub(super) config: String,
    pub(super) directed: bool,
    pub(super) multigraph: bool,
    pub(super) encrypted: bool,
}

/// Who can open a log.
#[cfg(feature = "encryption")]
#[derive(Debug, Serialize)]
pub(super) struct KeyDocument {
    pub(super) recipients: Vec<HolderDocument>,
}

/// Somebody who can.
#[cfg(feature = "encryption")]
#[derive(Debug, Serialize)]
pub(super) struct HolderDocument {
    pub(super) recipient: String,
    pub(super) passphrase: bool,
}

/// A new identity.
#[cfg(feature = "encryption")]
#[derive(Debug, Serialize)]
pub(super) struct NewIdentityDocument {
    pub(super) recipient: String,
    pub(super) file: String,
}

/// All markers of a log, oldest first.
#[derive(Debug, Serialize)]
pub(super) struct ListDocument {
    pub(super) log_id: String,
    pub(super) markers: Vec<MarkerDocument>,
}

/// A marker.
#[derive(Debug, Clone, Serialize)]
pub(super) struct MarkerDocument {
    pub(super) id: String,
    pub(super) seq: u64,
    pub(super) time: String,
    pub(super) tiers: Vec<String>,
    pub(super) label: Option<String>,
    pub(super) pinned: bool,
    pub(super) expired: Option<String>,
    pub(super) nodes: u64,
    pub(super) edges: u64,
    pub(super) bytes: u64,
    pub(super) compressed: bool,
    pub(super) restorable: bool,
    pub(super) fingerprint: String,
    pub(super) layout: String,
    /// Only where it was asked for: it takes a hash for each marker that there ever was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
}

impl MarkerDocument {
    /// `marker`, with what it does not know itself.
    pub(super) fn new(marker: &Marker, bytes: u64, compressed: bool, restorable: bool) -> Self {
        Self {
            id: marker.id.to_string(),
            seq: marker.seq.0,
            time: marker.time.to_string(),
            tiers: marker.tiers.clone(),
            label: marker.label.clone(),
            pinned: marker.pinned,
            expired: marker.expired.map(|time| time.to_string()),
            nodes: marker.counts.nodes,
            edges: marker.counts.edges,
            bytes,
            compressed,
            restorable,
            fingerprint: marker.fingerprint.content.to_string(),
            layout: marker.fingerprint.layout.to_string(),
            digest: None,
        }
    }
}

/// What a restore did, or would do.
#[derive(Debug, Serialize)]
pub(super) struct RestoreDocument {
    pub(super) marker: Option<MarkerDocument>,
    pub(super) reason: String,
    pub(super) seq: Option<u64>,
    pub(super) time: Option<String>,
    pub(super) nodes: Option<u64>,
    pub(super) edges: Option<u64>,
    pub(super) fingerprint: Option<String>,
    pub(super) layout: Option<String>,
    pub(super) segments: Vec<SegmentDocument>,
    pub(super) events_replayed: Option<u64>,
    pub(super) format: &'static str,
    pub(super) output: String,
    pub(super) replaces: bool,
    pub(super) attrs_left_out: u64,
    pub(super) dry_run: bool,
    pub(super) seconds: f64,
}

/// A part of a file that a restore reads.
#[derive(Debug, Serialize)]
pub(super) struct SegmentDocument {
    pub(super) file: String,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) bytes: u64,
}

/// A marker that was placed, pinned or unpinned.
#[derive(Debug, Serialize)]
pub(super) struct MarkDocument {
    pub(super) marker: MarkerDocument,
}

/// What retention drops, or would drop.
#[derive(Debug, Serialize)]
pub(super) struct PruneDocument {
    pub(super) markers: Vec<VerdictDocument>,
    pub(super) bytes_freed: u64,
    pub(super) thinning: Vec<String>,
    pub(super) done: bool,
    pub(super) dropped: Vec<String>,
    pub(super) reclaimed: Vec<String>,
    pub(super) undelete_until: Option<String>,
}

/// What becomes of a marker.
#[derive(Debug, Serialize)]
pub(super) struct VerdictDocument {
    pub(super) id: String,
    pub(super) keep: bool,
    pub(super) reasons: Vec<String>,
}

/// Markers that were had back.
#[derive(Debug, Serialize)]
pub(super) struct UndeleteDocument {
    pub(super) undeleted: Vec<String>,
}

/// What a compaction did.
#[derive(Debug, Serialize)]
pub(super) struct CompactDocument {
    pub(super) dropped: Vec<String>,
    pub(super) reclaimed: Vec<String>,
    pub(super) steps: u64,
    pub(super) bytes_written: u64,
    pub(super) bytes_retired: u64,
    pub(super) bytes_removed: u64,
    pub(super) bytes_before: u64,
    pub(super) bytes_after: u64,
    pub(super) undelete_until: Option<String>,
    pub(super) seconds: f64,
}

/// A copy of a log.
#[derive(Debug, Serialize)]
pub(super) struct CopyDocument {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) last_seq: u64,
    pub(super) markers: u64,
    pub(super) output: String,
}

/// A log in figures.
#[derive(Debug, Serialize)]
pub(super) struct StatsDocument {
    pub(super) log_id: String,
    pub(super) created: String,
    pub(super) directed: bool,
    pub(super) multigraph: bool,
    pub(super) last_seq: u64,
    pub(super) nodes: Option<u64>,
    pub(super) edges: Option<u64>,
    pub(super) markers: MarkerTotals,
    pub(super) bytes: ByteTotals,
    pub(super) segments: u64,
    pub(super) compressed_segments: u64,
    pub(super) last_marker: Option<String>,
    pub(super) last_prune: Option<String>,
    pub(super) last_verify: Option<String>,
    pub(super) last_verify_sound: Option<bool>,
    pub(super) last_drill: Option<String>,
    pub(super) last_drill_good: Option<bool>,
    pub(super) last_good_drill: Option<String>,
    pub(super) remotes: Vec<RemoteDocument>,
}

/// How many markers there are.
#[derive(Debug, Serialize)]
pub(super) struct MarkerTotals {
    pub(super) total: u64,
    pub(super) by_tier: BTreeMap<String, u64>,
    pub(super) pinned: u64,
    pub(super) expired: u64,
    pub(super) restorable: u64,
}

/// How much room a log takes.
#[derive(Debug, Serialize)]
pub(super) struct ByteTotals {
    pub(super) total: u64,
    pub(super) events: u64,
    pub(super) snapshots: u64,
    pub(super) trash: u64,
    pub(super) raw: u64,
}

/// What an ingest did.
#[derive(Debug, Serialize)]
pub(super) struct IngestDocument {
    events_read: u64,
    events_written: u64,
    events_unchanged: u64,
    events_skipped: u64,
    lines_already_read: u64,
    nodes: u64,
    edges: u64,
    markers_placed: u64,
    last_seq: u64,
    durable_seq: u64,
    interrupted: bool,
    seconds: f64,
}

impl IngestDocument {
    pub(super) fn new(report: &ingest::Report, seconds: f64) -> Self {
        Self {
            events_read: report.events_read,
            events_written: report.events_written,
            events_unchanged: report.unchanged,
            events_skipped: report.events_skipped,
            lines_already_read: report.lines_already_read,
            nodes: report.nodes,
            edges: report.edges,
            markers_placed: report.markers_placed,
            last_seq: report.last_seq.0,
            durable_seq: report.durable_seq.0,
            interrupted: report.interrupted,
            seconds,
        }
    }
}

/// A crawl of the demo that is complete.
#[derive(Debug, Serialize)]
pub(super) struct DemoDocument {
    pub(super) root: String,
    pub(super) log: String,
    pub(super) directories: u64,
    pub(super) entries: u64,
    pub(super) unreadable: u64,
    pub(super) nodes: u64,
    pub(super) edges: u64,
    pub(super) markers: u64,
    pub(super) markers_good: u64,
    pub(super) restored: String,
    pub(super) output: String,
    pub(super) seconds: f64,
}
