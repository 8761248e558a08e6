//! Which snapshot files are written together, or anew.

use std::collections::HashMap;

use super::{IncrementSpan, Step, Survey};
use crate::model::position::{SegmentId, Seq};

/// So many neighbouring files at least are merged at once.
pub(super) const FAN_IN: usize = 8;
/// So many times as large as the largest of its sources is the outcome of a merge, at least. So a byte is rewritten
/// once for each time that its file grows so much, and files of one size do not pile up. (Classes of size would not
/// do: files of alternating classes never become eight neighbours of one, and eight neighbours of the smallest class
/// may be one of its largest with seven of its smallest, again and again.)
pub(super) const GROWTH: u64 = 6;
/// A smaller file counts as one of this size: it takes a block of the disk, and a rewrite of it costs no less.
pub(super) const SMALLEST: u64 = 4 << 10;
/// No merge makes a larger file, in bytes.
pub(super) const MERGED_BYTES_MAX: u64 = 1 << 30;
/// If there are more neighbouring files than these, the smallest of them are merged even where [`GROWTH`] says no: a
/// reader opens them all.
pub(super) const FILES_MAX: usize = 48;
/// So many files at most are merged at once: a merge opens them all.
const FAN_IN_MAX: usize = 256;

/// A snapshot file whose increments are neighbours, as they should be.
#[derive(Debug)]
struct File<'a> {
    id: SegmentId,
    increments: Vec<(&'a IncrementSpan, bool)>,
    from: Seq,
    to: Seq,
    bytes: u64,
}

/// A merge of several files, or of one in which most boundaries are needed no more.
pub(super) fn merge(survey: &Survey<'_>) -> Option<Step> {
    let files = files(survey);
    let touched = touched(survey);
    let choose = if survey.wishes.thorough { choose_all } else { choose_grown };
    let window = runs(&files).into_iter().find_map(|run| choose(&run));
    if let Some(window) = window {
        return step(survey, &window, &touched);
    }
    let fewer = files.iter().find(|file| {
        let kept = boundaries(survey, &file.increments, &touched).len();
        let gone = file.increments.len().saturating_add(1).saturating_sub(kept);
        gone > if survey.wishes.thorough { 0 } else { kept }
    })?;
    step(survey, &[fewer], &touched)
}

/// A rewrite of a file all of which is old, at the level for what is old.
pub(super) fn compress(survey: &Survey<'_>) -> Option<Step> {
    let level = survey.wishes.config.compression.level;
    let files = files(survey);
    let old = files.iter().find(|file| {
        file.increments.iter().all(|(one, _)| survey.wishes.is_old(one.newest))
            && file.increments.iter().any(|(one, _)| one.level < level)
    })?;
    let keep = boundaries(survey, &old.increments, &touched(survey));
    Some(Step::Merge { files: vec![old.id], keep, level })
}

fn step(survey: &Survey<'_>, window: &[&File<'_>], touched: &HashMap<Seq, usize>) -> Option<Step> {
    let increments: Vec<_> = window.iter().flat_map(|file| file.increments.iter().copied()).collect();
    let keep = boundaries(survey, &increments, touched);
    let sum = |old: bool| {
        let counted = increments.iter().filter(|(one, _)| !old || survey.wishes.is_old(one.newest));
        counted.map(|(one, _)| u128::from(one.bytes)).sum::<u128>()
    };
    let mostly_old = sum(true) > 0 && sum(true) * 2 >= sum(false);
    let files = window.iter().map(|file| file.id).collect();
    (keep.len() > 1).then_some(Step::Merge { files, keep, level: survey.wishes.merge_level(mostly_old) })
}

fn files<'a>(survey: &Survey<'a>) -> Vec<File<'a>> {
    let mut by_file: HashMap<SegmentId, Vec<(&IncrementSpan, bool)>> = HashMap::new();
    for (one, needed) in survey.increments.iter().zip(&survey.needed) {
        by_file.entry(one.file).or_default().push((one, *needed));
    }
    let mut files: Vec<File<'_>> = by_file
        .into_iter()
        .filter_map(|(id, mut increments)| {
            increments.sort_by_key(|(one, _)| (one.from, one.to));
            let (from, to) = (increments.first()?.0.from, increments.last()?.0.to);
            let bytes = increments.iter().fold(0_u64, |sum, (one, _)| sum.saturating_add(one.bytes));
            let joined = increments.iter().zip(increments.iter().skip(1)).all(|(a, b)| a.0.to == b.0.from);
            let any = increments.iter().any(|(_, needed)| *needed);
            (joined && any).then_some(File { id, increments, from, to, bytes })
        })
        .collect();
    files.sort_by_key(|file| (file.from, file.to, file.id));
    files
}

/// At each position, how many needed increments begin or end.
fn touched(survey: &Survey<'_>) -> HashMap<Seq, usize> {
    let mut touched = HashMap::new();
    for (one, _) in survey.increments.iter().zip(&survey.needed).filter(|(_, needed)| **needed) {
        for seq in [one.from, one.to] {
            *touched.entry(seq).or_insert(0) += 1;
        }
    }
    touched
}

/// Where the increments of a file that holds what is needed of these must begin and end: at the ends, where a position
/// stands, and where a needed increment of another file joins.
fn boundaries(
    survey: &Survey<'_>,
    increments: &[(&IncrementSpan, bool)],
    touched: &HashMap<Seq, usize>,
) -> Vec<Seq> {
    let first = increments.iter().position(|(_, needed)| *needed).unwrap_or_default();
    let last = increments.iter().rposition(|(_, needed)| *needed).unwrap_or_default();
    let used = increments.get(first..=last).unwrap_or_default();
    let mut keep: Vec<Seq> = used.first().map(|(one, _)| one.from).into_iter().collect();
    for (before, after) in used.iter().zip(used.iter().skip(1)) {
        let seq = before.0.to;
        let own = usize::from(before.1) + usize::from(after.1);
        let joined = touched.get(&seq).is_some_and(|all| *all > own);
        if joined || survey.stands.contains(&seq) {
            keep.push(seq);
        }
    }
    keep.extend(used.last().map(|(one, _)| one.to));
    keep
}

/// Files that follow one another with no choice between two.
fn runs<'f, 'a>(files: &'f [File<'a>]) -> Vec<Vec<&'f File<'a>>> {
    let mut beginning: HashMap<Seq, Vec<&File<'_>>> = HashMap::new();
    let mut ending: HashMap<Seq, usize> = HashMap::new();
    for file in files {
        beginning.entry(file.from).or_default().push(file);
        *ending.entry(file.to).or_insert(0) += 1;
    }
    let next = |file: &File<'_>| match beginning.get(&file.to).map(Vec::as_slice) {
        Some([next]) if ending.get(&file.to) == Some(&1) => Some(*next),
        _ => None,
    };
    let follows = |file: &File<'_>| {
        let alone = beginning.get(&file.from).is_some_and(|all| all.len() == 1);
        alone && ending.get(&file.from) == Some(&1)
    };
    let first = files.iter().filter(|file| !follows(file));
    first.map(|file| std::iter::successors(Some(file), |file| next(file)).collect()).collect()
}

/// The most files that grow enough by being merged; if there are too many files, the smallest neighbours.
fn choose_grown<'f, 'a>(run: &[&'f File<'a>]) -> Option<Vec<&'f File<'a>>> {
    let mut best: Option<(usize, usize)> = None;
    let mut smallest: Option<(u64, usize)> = None;
    for start in 0..run.len() {
        let (mut total, mut largest) = (0_u64, 0);
        for (count, file) in (1..=FAN_IN_MAX).zip(run.iter().skip(start)) {
            let size = file.bytes.max(SMALLEST);
            total = total.saturating_add(size);
            largest = largest.max(size);
            if total > MERGED_BYTES_MAX {
                break;
            }
            if count == FAN_IN && smallest.is_none_or(|(least, _)| total < least) {
                smallest = Some((total, start));
            }
            let grows = total >= largest.saturating_mul(GROWTH);
            if count >= FAN_IN && grows && best.is_none_or(|(most, _)| count > most) {
                best = Some((count, start));
            }
        }
    }
    let forced = smallest.filter(|_| run.len() > FILES_MAX).map(|(_, start)| (FAN_IN, start));
    let (count, start) = best.or(forced)?;
    run.get(start..start.saturating_add(count)).map(<[_]>::to_vec)
}

/// All neighbours, as far as they fit into one file.
fn choose_all<'f, 'a>(run: &[&'f File<'a>]) -> Option<Vec<&'f File<'a>>> {
    (0..run.len()).find_map(|start| {
        let mut total = 0_u64;
        let fits = |file: &&&File<'_>| {
            total = total.saturating_add(file.bytes);
            total <= MERGED_BYTES_MAX
        };
        let window: Vec<&File<'_>> =
            run.iter().skip(start).take_while(fits).take(FAN_IN_MAX).copied().collect();
        (window.len() > 1).then_some(window)
    })
}
