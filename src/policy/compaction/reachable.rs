//! Which positions can be reached, where many are asked for.

use std::collections::BTreeSet;

use super::IncrementSpan;
use crate::model::position::Seq;

/// The positions that increments lead to from the empty graph.
#[derive(Debug, Clone)]
pub struct Reachable {
    positions: BTreeSet<Seq>,
}

impl Reachable {
    /// Finds them, in n log n steps.
    pub fn new(increments: &[IncrementSpan]) -> Self {
        let mut order: Vec<_> = increments.iter().map(|one| (one.from, one.to)).collect();
        order.sort_unstable();
        let mut positions = BTreeSet::from([Seq(0)]);
        for (from, to) in order {
            if positions.contains(&from) {
                positions.insert(to);
            }
        }
        Self { positions }
    }

    /// Whether increments alone lead to a position, or with the events from `first` to `last` behind them.
    pub fn contains(&self, seq: Seq, first: Seq, last: Seq) -> bool {
        let from = Seq(first.0.saturating_sub(1));
        self.positions.contains(&seq)
            || (seq <= last && from <= seq && self.positions.range(from..=seq).next().is_some())
    }

    /// The last position that increments lead to.
    pub fn end(&self) -> Seq {
        self.positions.last().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::SegmentId;
    use crate::model::time::Timestamp;

    #[test]
    fn events_go_on_from_where_increments_lead_to() {
        let one = |from: u64, to: u64| IncrementSpan {
            file: SegmentId(1),
            from: Seq(from),
            to: Seq(to),
            bytes: 1,
            rows: 1,
            alive: 1,
            newest: Timestamp(0),
            level: 9,
        };
        let reachable = Reachable::new(&[one(10, 20), one(0, 10), one(30, 40)]);
        for (seq, first, last, expected) in [
            (0, 1, 0, true),
            (10, 21, 50, true),
            (15, 21, 50, false),
            (15, 11, 50, true),
            (15, 12, 50, false),
            (40, 21, 39, false),
            (40, 21, 50, true),
            (20, 21, 20, true),
            (60, 21, 50, false),
        ] {
            let found = reachable.contains(Seq(seq), Seq(first), Seq(last));
            assert_eq!(found, expected, "{seq} with events {first} to {last}");
        }
        assert_eq!(reachable.end(), Seq(20));
    }
}
