//! Names of the files in a log: built and read here alone.

use crate::model::position::{Generation, SegmentId};

/// What the user may edit.
pub const CONFIG: &str = "snaplog.toml";
/// The single writer's lock.
pub const LOCK: &str = "LOCK";
/// Names the manifest in force.
pub const CURRENT: &str = "CURRENT";
/// What the last checks found: no part of the log.
pub const CHECKS: &str = "checks.json";
/// Where the log was pushed to and how far: no part of the log.
pub const REMOTES: &str = "remotes.json";
/// The keys of an encrypted log, wrapped for those who may have them.
pub const KEYS: &str = "keys.json";
/// There while a clone or a pull brings files: segments that the manifest does not name are what it has brought so far.
pub const FETCHING: &str = "fetching";
/// What other processes ask of a live writer.
pub const REQUESTS: &str = "requests";
/// What a prune set aside.
pub const TRASH: &str = "trash";
/// End of the name of a file that is not finished: never read, removed by the next writer.
pub const TMP_SUFFIX: &str = ".tmp";

const EVENTS: &str = "events-";
const SNAPSHOT: &str = "snapshot-";
const MANIFEST: &str = "manifest-";

/// A file of ours, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileName {
    /// An event segment.
    Events(SegmentId),
    /// A snapshot segment.
    Snapshot(SegmentId),
    /// A manifest.
    Manifest(Generation),
    /// One with a fixed name.
    Fixed,
    /// An unfinished file.
    Tmp,
}

/// `events-000001`: at least six digits, so that names sort as their numbers do.
pub fn events(id: SegmentId) -> String {
    format!("{EVENTS}{:06}", id.0)
}

/// `snapshot-000001`.
pub fn snapshot(id: SegmentId) -> String {
    format!("{SNAPSHOT}{:06}", id.0)
}

/// `manifest-000001`.
pub fn manifest(generation: Generation) -> String {
    format!("{MANIFEST}{:06}", generation.0)
}

/// What a name stands for; `None` if it is not one of ours.
pub fn parse(name: &str) -> Option<FileName> {
    if name.ends_with(TMP_SUFFIX) {
        return Some(FileName::Tmp);
    }
    if [CONFIG, LOCK, CURRENT, CHECKS, REMOTES, KEYS, FETCHING, REQUESTS, TRASH].contains(&name) {
        return Some(FileName::Fixed);
    }
    let number = |prefix: &str, build: fn(u64) -> String| {
        let number: u64 = name.strip_prefix(prefix)?.parse().ok()?;
        (build(number) == name).then_some(number)
    };
    None.or_else(|| number(EVENTS, |n| events(SegmentId(n))).map(|n| FileName::Events(SegmentId(n))))
        .or_else(|| number(SNAPSHOT, |n| snapshot(SegmentId(n))).map(|n| FileName::Snapshot(SegmentId(n))))
        .or_else(|| number(MANIFEST, |n| manifest(Generation(n))).map(|n| FileName::Manifest(Generation(n))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_built_and_no_other_way() {
        assert_eq!(parse(&events(SegmentId(7))), Some(FileName::Events(SegmentId(7))));
        assert_eq!(parse(&events(SegmentId(12_345_678))), Some(FileName::Events(SegmentId(12_345_678))));
        assert_eq!(parse("manifest-000003"), Some(FileName::Manifest(Generation(3))));
        assert_eq!(parse("snapshot-000003"), Some(FileName::Snapshot(SegmentId(3))));
        assert_eq!(parse("events-000003.tmp"), Some(FileName::Tmp));
        assert_eq!(parse("CURRENT"), Some(FileName::Fixed));
        for other in
            ["events-3", "events-+00003", "events-000003 ", "notes.txt", "events-", "manifest-abcdef"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
