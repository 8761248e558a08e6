//! About how much room the end of markers makes.

use std::collections::HashSet;

use snaplog::policy::compaction::IncrementSpan;
use snaplog::policy::retention::Verdict;
use snaplog::{Marker, Seq};

/// At most about so many bytes are freed once the markers that `verdicts` drop are gone, those that were dropped before
/// only if grace ends `now`.
///
/// Where no marker is left, the change that ends there is joined with the next one, and what the later one supersedes goes.
/// Which rows these are is not known before the two are read: not more than the smaller one has, and not more than both have
/// beyond those that what is newly alive takes. Markers among events that are not folded yet free nothing by themselves.
pub(super) fn bytes_freed(
    increments: &[IncrementSpan],
    markers: &[Marker],
    verdicts: &[Verdict],
    now: bool,
) -> u64 {
    let pairs = || markers.iter().zip(verdicts);
    let stays = |(marker, verdict): &(&Marker, &Verdict)| verdict.keep || (marker.expired.is_some() && !now);
    let kept: HashSet<Seq> = pairs().filter(stays).map(|(marker, _)| marker.seq).collect();
    let mut left: Vec<Seq> =
        pairs().map(|(marker, _)| marker.seq).filter(|seq| !kept.contains(seq)).collect();
    left.dedup();
    left.iter().map(|seq| at(increments, *seq)).fold(0, u64::saturating_add)
}

/// What goes at one position.
fn at(increments: &[IncrementSpan], seq: Seq) -> u64 {
    let mut ending: Vec<&IncrementSpan> = increments.iter().filter(|increment| increment.to == seq).collect();
    // The longest way to the position is the last to be left: a full one beside it is for this position alone.
    ending.sort_by_key(|increment| std::cmp::Reverse(increment.from));
    let mut freed = ending.iter().skip(1).map(|increment| increment.bytes).fold(0, u64::saturating_add);
    let next = increments.iter().find(|increment| increment.from == seq);
    if let (Some(first), Some(next)) = (ending.first(), next) {
        let before = increments.iter().find(|increment| increment.to == first.from);
        freed = freed.saturating_add(joined(before.map_or(0, |before| before.alive), first, next));
    }
    freed
}

/// What goes at most if two neighbours are joined. `before`: what is alive where the first begins.
fn joined(before: u64, first: &IncrementSpan, second: &IncrementSpan) -> u64 {
    let grown = second.alive.saturating_sub(before);
    let both = first.rows.saturating_add(second.rows);
    let smaller = if first.rows <= second.rows { first } else { second };
    let rows = smaller.rows.min(both.saturating_sub(grown));
    let product = u128::from(smaller.bytes).saturating_mul(u128::from(rows));
    let bytes = product.checked_div(u128::from(smaller.rows)).unwrap_or_default();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use snaplog::Timestamp;
    use snaplog::model::position::SegmentId;

    use super::*;

    fn span(from: u64, to: u64, bytes: u64, rows: u64, alive: u64) -> IncrementSpan {
        let (from, to) = (Seq(from), Seq(to));
        IncrementSpan { file: SegmentId(1), from, to, bytes, rows, alive, newest: Timestamp(0), level: 9 }
    }

    #[test]
    fn a_log_that_only_grows_frees_nothing() {
        let increments = [span(0, 10, 1000, 10, 10), span(10, 20, 1000, 10, 20), span(20, 30, 500, 5, 25)];
        assert_eq!(at(&increments, Seq(10)), 0);
        assert_eq!(at(&increments, Seq(20)), 0);
        assert_eq!(at(&increments, Seq(30)), 0, "nothing follows");
        assert_eq!(at(&increments, Seq(15)), 0, "nothing ends there");
    }

    #[test]
    fn what_changes_again_and_again_frees_the_smaller_one() {
        let increments = [span(0, 10, 1000, 10, 10), span(10, 20, 800, 8, 10), span(20, 30, 400, 4, 10)];
        assert_eq!(at(&increments, Seq(10)), 800);
        assert_eq!(at(&increments, Seq(20)), 400);
    }

    #[test]
    fn a_full_one_beside_the_chain_goes_as_a_whole() {
        let increments = [span(0, 10, 1000, 10, 10), span(10, 20, 800, 10, 20), span(0, 20, 1700, 20, 20)];
        assert_eq!(at(&increments, Seq(20)), 1700);
    }
}
