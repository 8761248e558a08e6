//! What the log holds for one marker alone.

use snaplog::format::names::{self, FileName};
use snaplog::policy::compaction::IncrementSpan;
use snaplog::{Marker, Reader, SegmentInfo, Seq};

/// The changes and events of a log, by where they stand.
pub(super) struct Holding {
    increments: Vec<IncrementSpan>,
    /// The event segments.
    segments: Vec<SegmentInfo>,
}

impl Holding {
    pub(super) fn of(reader: &Reader) -> Self {
        let mut segments = reader.segments();
        // Snapshot segments are known by their increments.
        segments.retain(|segment| matches!(names::parse(&segment.file), Some(FileName::Events(_))));
        Self { increments: reader.increments(), segments }
    }

    /// How many bytes are there for a marker, `before` being the one before it: those of the changes that end at it, else
    /// those of the events between the two.
    pub(super) fn bytes(&self, before: Option<&Marker>, marker: &Marker) -> u64 {
        let is_second = before.is_some_and(|before| before.seq == marker.seq);
        if self.ends(marker.seq).next().is_some() {
            let bytes = self.ends(marker.seq).map(|increment| increment.bytes).sum();
            return if is_second { 0 } else { bytes };
        }
        let from = before.map_or(Seq(0), |before| before.seq);
        let position = before.map_or(0, |before| before.position);
        match marker.position.checked_sub(position) {
            Some(bytes) if self.is_as_written(from, marker.seq) => bytes,
            _ => self.share(from, marker.seq),
        }
    }

    /// Whether what holds the state at `seq` is compressed.
    pub(super) fn is_compressed(&self, seq: Seq) -> bool {
        if self.ends(seq).next().is_some() {
            return true;
        }
        let holding = self.segments.iter().rfind(|segment| segment.from <= seq && seq <= segment.to);
        holding.is_some_and(|segment| segment.compressed)
    }

    /// The changes that end at `seq`.
    fn ends(&self, seq: Seq) -> impl Iterator<Item = &IncrementSpan> {
        self.increments.iter().filter(move |increment| increment.to == seq)
    }

    /// Whether the events behind `from` up to `to` still stand as they were written, so that positions tell their bytes.
    fn is_as_written(&self, from: Seq, to: Seq) -> bool {
        let first = self.segments.first();
        let reaches_back = first.is_none_or(|first| first.from.0 <= from.0.saturating_add(1));
        let touches = |segment: &&SegmentInfo| segment.from <= to && segment.to > from;
        reaches_back && !self.segments.iter().filter(touches).any(|segment| segment.compressed)
    }

    /// About how many bytes the events behind `from` up to `to` take, by their number.
    fn share(&self, from: Seq, to: Seq) -> u64 {
        let share = |segment: &SegmentInfo| {
            let (first, last) = (segment.from.0.max(from.0.saturating_add(1)), segment.to.0.min(to.0));
            let events = last.saturating_add(1).saturating_sub(first);
            let all = segment.to.0.saturating_add(1).saturating_sub(segment.from.0);
            let product = u128::from(segment.bytes).saturating_mul(u128::from(events));
            u64::try_from(product.checked_div(u128::from(all)).unwrap_or_default()).unwrap_or(u64::MAX)
        };
        self.segments.iter().map(share).fold(0, u64::saturating_add)
    }
}
