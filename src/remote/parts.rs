//! Which parts a file is cut into, as it grows from push to push.

use std::ops::Range;

use crate::format::remote::{MAX_PART_BYTES, Part};

/// How a file that has `old` parts already is to be cut now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// So many of the old parts stay.
    pub(super) keep: usize,
    /// What the new parts hold, one after another.
    pub(super) new: Vec<Range<u64>>,
}

/// Cuts a file of `length` bytes.
///
/// A new part takes in the one before it while that is not larger, and while both fit into one: as in a log-structured merge
/// tree. So after n pushes of a growing segment it has about log n parts, and each byte was sent about log n times.
///
/// A file may have become shorter too: what a killed session wrote is shown to its end, and a recovery counts it as far as
/// it was known durable, and writes the rest anew elsewhere.
pub(super) fn cut(old: &[Part], length: u64) -> Cut {
    let (mut keep, mut from) = (0_usize, 0_u64);
    for part in old {
        let to = from.saturating_add(part.length);
        if to > length {
            break;
        }
        (keep, from) = (keep.saturating_add(1), to);
    }
    while from < length
        && let Some(before) = keep.checked_sub(1).and_then(|at| old.get(at))
    {
        let fresh = length.saturating_sub(from);
        if before.length > fresh || before.length.saturating_add(fresh) > MAX_PART_BYTES {
            break;
        }
        keep = keep.saturating_sub(1);
        from = from.saturating_sub(before.length);
    }
    let mut new = Vec::new();
    while from < length {
        let to = length.min(from.saturating_add(MAX_PART_BYTES));
        new.push(from..to);
        from = to;
    }
    Cut { keep, new }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::single_range_in_vec_init, reason = "lists of ranges")]

    use super::*;
    use crate::format::remote::ObjectDigest;

    fn part(length: u64) -> Part {
        Part { length, digest: ObjectDigest::of(&[]) }
    }

    #[test]
    fn a_new_file_is_cut_into_parts_of_the_largest_size() {
        let max = MAX_PART_BYTES;
        assert_eq!(cut(&[], 7), Cut { keep: 0, new: vec![0..7] });
        assert_eq!(cut(&[], max), Cut { keep: 0, new: vec![0..max] });
        assert_eq!(
            cut(&[], 2 * max + 1),
            Cut { keep: 0, new: vec![0..max, max..2 * max, 2 * max..2 * max + 1] }
        );
        assert_eq!(cut(&[part(7)], 7), Cut { keep: 1, new: Vec::new() });
        assert_eq!(cut(&[part(7), part(3)], 7), Cut { keep: 1, new: Vec::new() });
        assert_eq!(cut(&[part(7), part(3)], 8), Cut { keep: 1, new: vec![7..8] });
        assert_eq!(cut(&[part(7), part(3)], 6), Cut { keep: 0, new: vec![0..6] });
    }

    #[test]
    fn a_growing_file_keeps_few_parts_and_sends_few_bytes_again() {
        let (mut parts, mut sent, pushes, step) = (Vec::new(), 0, 10_000_u64, 1_000_u64);
        for push in 1..=pushes {
            let Cut { keep, new } = cut(&parts, push * step);
            parts.truncate(keep);
            for range in new {
                assert!(range.end - range.start <= MAX_PART_BYTES);
                sent += range.end - range.start;
                parts.push(part(range.end - range.start));
            }
            assert_eq!(parts.iter().map(|part| part.length).sum::<u64>(), push * step);
            assert!(parts.len() <= 15, "{} parts", parts.len());
        }
        assert!(sent <= pushes * step * 14, "{sent}");
    }
}
