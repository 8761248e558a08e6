//! Files that the manifest does not name.

use super::error::{Error, Result};
use super::frames::{Segment, Step, examine_tail};
use super::store::is_fetching;
use super::view::View;
use crate::format::frame::FrameType;
use crate::format::names::{self, FileName};
use crate::model::position::{Generation, SegmentId, Seq};

/// A file in the log's directory that the manifest in force does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stray {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) what: &'static str,
}

/// Whether a segment was ever named by a manifest in force. Its writer puts one sync note behind the header and what
/// it appends again, and the next frame only when the manifest that names the segment is durable.
///
/// Without such a frame the segment is what a crash left of a recovery. What it holds was on its way from an older
/// segment and not acknowledged, even if a power cut has taken it there.
pub(crate) fn was_in_force(segment: &Segment) -> Result<bool> {
    let mut frames = segment.frames(u64::MAX);
    let mut noted = false;
    while let Step::Frame { header, .. } = frames.step()? {
        if noted {
            return Ok(true);
        }
        noted = header.frame_type == FrameType::SyncNote;
    }
    Ok(false)
}

/// That no segment outside the manifest holds events that the log lacks: a sign that CURRENT or the manifest was
/// replaced by an older one.
pub(crate) fn check(view: &View) -> Result<()> {
    find(view).map(|_| ())
}

/// The files that no manifest names, none of which holds events that the log lacks.
pub(crate) fn find(view: &View) -> Result<Vec<Stray>> {
    let manifest = &view.in_force.manifest;
    let events = |id: SegmentId| manifest.segments.iter().any(|entry| entry.id == id);
    let snapshots = |id: SegmentId| manifest.snapshots.iter().any(|entry| entry.id == id);
    let trash = |name: &str| manifest.trash.iter().any(|file| file.name == name);
    let entries = view.storage.list("").map_err(Error::io("list", view.storage.location("")))?;
    let is_fetching = is_fetching(view.storage.as_ref());
    let mut strays = Vec::new();
    for entry in entries {
        let what = match names::parse(&entry.name) {
            Some(FileName::Events(id)) if events(id) => continue,
            Some(FileName::Snapshot(id)) if snapshots(id) => continue,
            Some(_) if trash(&entry.name) => continue,
            Some(FileName::Events(_) | FileName::Snapshot(_)) if is_fetching => {
                "brought by a clone or a pull that has not ended"
            }
            Some(FileName::Events(id)) => {
                // One that takes the place of another holds nothing that the other did not.
                if let Ok(segment) = Segment::open(view.storage.as_ref(), view.in_force.log_id, id)
                    && segment.head.rewrites.is_none()
                    && let Ok(tail) = examine_tail(&segment)
                    && (tail.end.next_seq > view.next_seq() || id >= manifest.next_file)
                    && was_in_force(&segment)?
                {
                    return Err(Error::NewerThanManifest {
                        path: segment.path,
                        last: Seq(tail.end.next_seq.0.saturating_sub(1)),
                        end: view.last_seq(),
                    });
                }
                "left by a session that ended before it was in force"
            }
            Some(FileName::Snapshot(_)) => "left by a session that ended before it was in force",
            Some(FileName::Manifest(Generation(n))) if n > manifest.generation.0 => {
                "a manifest that was not put in force"
            }
            Some(FileName::Tmp) => "unfinished",
            Some(FileName::Manifest(_) | FileName::Fixed) => continue,
            None => "not a file of the log",
        };
        strays.push(Stray { name: entry.name, bytes: entry.len, what });
    }
    Ok(strays)
}
