//! The JSON documents. docs/json.md describes them: fields are added, never changed.

use serde::Serialize;
use snaplog::Marker;

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

/// A new log.
#[derive(Debug, Serialize)]
pub(super) struct InitDocument {
    pub(super) log_id: String,
    pub(super) path: String,
    pub(super) config: String,
    pub(super) directed: bool,
    pub(super) multigraph: bool,
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
        }
    }
}
