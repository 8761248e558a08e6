//! Each rule by itself; the shortest ways; and that random compactions end and lose nothing.

use std::time::Duration;

use proptest::prelude::*;

use super::model::{Crawl, Files};
use super::{EventSpan, IncrementSpan, Path, Position, Step, Wishes, cheapest_path, next_step};
use crate::model::position::{SegmentId, Seq};
use crate::model::time::Timestamp;
use crate::policy::config::{Config, KeepEvents};

const HOUR: i64 = 3_600_000_000;

/// File, from, to, bytes, rows.
type Increment = (u64, u64, u64, u64, u64);
/// File, first, next, bytes, level; a level of 99 is an open segment.
type Segment = (u64, u64, u64, u64, u8);

/// An event an hour.
fn time(seq: u64) -> Timestamp {
    Timestamp(i64::try_from(seq).unwrap() * HOUR)
}

fn increments(list: &[Increment], level: u8) -> Vec<IncrementSpan> {
    let span = |&(file, from, to, bytes, rows)| IncrementSpan {
        file: SegmentId(file),
        from: Seq(from),
        to: Seq(to),
        bytes,
        rows,
        alive: 1000,
        newest: time(to),
        level,
    };
    list.iter().map(span).collect()
}

fn events(list: &[Segment]) -> Vec<EventSpan> {
    let span = |&(file, first, next, bytes, level)| EventSpan {
        file: SegmentId(file),
        first_seq: Seq(first),
        next_seq: Seq(next),
        bytes,
        begins: time(first),
        ends: time(next - 1),
        level: level % 99,
        open: level == 99,
    };
    list.iter().map(span).collect()
}

fn positions(seqs: &[u64]) -> Vec<Position> {
    seqs.iter().map(|&seq| Position { seq: Seq(seq), time: time(seq) }).collect()
}

fn config(keep_events: KeepEvents) -> Config {
    let mut config = Config::default();
    config.retention.keep_events = keep_events;
    config.compression.age = Duration::from_hours(1_000_000);
    config
}

fn seqs(list: &[u64]) -> Vec<Seq> {
    list.iter().copied().map(Seq).collect()
}

fn merge(files: &[u64], keep: &[u64], level: u8) -> Step {
    Step::Merge { files: files.iter().copied().map(SegmentId).collect(), keep: seqs(keep), level }
}

fn dropped(snapshots: &[u64], events: &[u64]) -> Step {
    let ids = |list: &[u64]| list.iter().copied().map(SegmentId).collect();
    Step::Drop { snapshots: ids(snapshots), events: ids(events) }
}

fn rewrite(file: u64, after: u64, level: u8) -> Step {
    Step::Rewrite { file: SegmentId(file), after: Seq(after), level }
}

fn fold(from: u64, to: &[u64]) -> Step {
    Step::Fold { from: Seq(from), to: seqs(to) }
}

struct Case<'a> {
    name: &'a str,
    increments: &'a [Increment],
    level: u8,
    events: &'a [Segment],
    positions: &'a [u64],
    config: Config,
    now: u64,
    thorough: bool,
}

impl Case<'_> {
    fn asks(&self, expected: impl Into<Option<Step>>) {
        let wishes = Wishes {
            config: &self.config,
            now: time(self.now),
            clock: time(self.now),
            thorough: self.thorough,
        };
        let increments = increments(self.increments, self.level);
        let step = next_step(&increments, &events(self.events), &positions(self.positions), &wishes);
        assert_eq!(step, expected.into(), "{}", self.name);
    }
}

/// Events are folded as soon as there is a position.
fn case<'a>(
    name: &'a str,
    increments: &'a [Increment],
    events: &'a [Segment],
    positions: &'a [u64],
) -> Case<'a> {
    let config = config(KeepEvents::None);
    Case { name, increments, level: 9, events, positions, config, now: 100, thorough: false }
}

const MIB: u64 = 1 << 20;

#[test]
fn events_are_folded_up_to_the_newest_position_that_is_old_enough() {
    let one: &[Segment] = &[(1, 1, 101, 1000, 0)];
    let case_for = |name, hours, positions| Case {
        config: config(KeepEvents::For(Duration::from_hours(hours))),
        ..case(name, &[], one, positions)
    };
    case_for("all are young", 99, &[10, 20]).asks(None);
    case_for("one is as old as it must be", 90, &[10, 20]).asks(fold(0, &[10]));
    case_for("both are old", 24, &[10, 20, 90]).asks(fold(0, &[10, 20]));
    case_for("two markers at one position", 24, &[10, 10, 20, 20, 90]).asks(fold(0, &[10, 20]));
    case_for("longer than there is time", 1000 * 365 * 24, &[10]).asks(None);
    case_for("no positions", 0, &[]).asks(None);
    case_for("a position before the first event", 1, &[0]).asks(None);
    case("none", &[], one, &[10, 20, 100]).asks(fold(0, &[10, 20, 100]));
    Case { config: config(KeepEvents::All), ..case("all", &[], one, &[10, 20, 100]) }.asks(None);
    let chain: &[Increment] = &[(9, 0, 10, 100, 10)];
    case("from the end of the chain", chain, one, &[10, 20]).asks(fold(10, &[20]));
    case("nothing is left to fold", chain, &[(1, 10, 101, 1000, 0)], &[5]).asks(None);
}

#[test]
fn a_fold_takes_closed_segments_without_gaps_and_no_more_than_its_budget() {
    let open: &[Segment] = &[(1, 1, 51, 1000, 0), (2, 51, 101, 1000, 99)];
    case("a position in the open segment", &[], open, &[10, 50, 51, 100]).asks(fold(0, &[10, 50]));
    case("all in the open segment", &[], open, &[51]).asks(None);
    let gap: &[Segment] = &[(1, 1, 51, 1000, 0), (2, 52, 101, 1000, 0)];
    case("a gap", &[], gap, &[10, 50, 60]).asks(fold(0, &[10, 50]));
    let large: &[Segment] = &[(1, 1, 101, 100 * MIB, 0)];
    case("as far as 64 MiB go", &[], large, &[10, 20, 64, 65, 100]).asks(fold(0, &[10, 20, 64]));
    case("a first position beyond", &[], large, &[80, 100]).asks(fold(0, &[80]));
}

#[test]
fn what_no_position_needs_is_dropped() {
    let chain: &[Increment] = &[(1, 0, 10, 100, 10), (2, 10, 20, 100, 10), (2, 20, 30, 100, 10)];
    let tail: &[Segment] = &[(5, 1, 21, 100, 0), (6, 21, 31, 100, 0), (7, 31, 50, 100, 99)];
    case("folded events", chain, tail, &[10, 20, 30]).asks(dropped(&[], &[5, 6]));
    case("with no position left the end stays", chain, &tail[2..], &[]).asks(None);
    Case { config: config(KeepEvents::All), ..case("single events stay", chain, tail, &[10, 20, 30]) }
        .asks(None);
    Case {
        config: config(KeepEvents::For(Duration::from_hours(80))),
        ..case("single events after the cutoff stay", chain, tail, &[10, 20, 30])
    }
    .asks(dropped(&[], &[5]));
    let shorter: &[Increment] = &[(1, 0, 10, 100, 10), (2, 10, 20, 100, 10), (3, 0, 20, 100, 15)];
    case("a chain beside a full one", shorter, &tail[2..], &[20]).asks(dropped(&[1, 2], &[]));
    case("a chain to an older position", shorter, &tail[2..], &[10, 20]).asks(dropped(&[2], &[]));
    let longer: &[Increment] = &[(1, 0, 10, 100, 10), (2, 10, 20, 100, 10), (3, 0, 20, 10, 25)];
    case("a full one of more rows", longer, &tail[2..], &[20]).asks(dropped(&[3], &[]));
    let astray: &[Increment] = &[(1, 0, 10, 100, 10), (2, 11, 20, 100, 10)];
    case("what nothing leads to", astray, &[(7, 11, 50, 100, 99)], &[10]).asks(dropped(&[2], &[]));
    let open: &[Segment] = &[(7, 1, 21, 100, 99)];
    case("never the open one", chain, open, &[10, 20, 30]).asks(None);
    Case {
        config: config(KeepEvents::For(Duration::from_hours(85))),
        thorough: true,
        ..case("where events that were to be folded can be entered", chain, &tail[1..], &[10, 30])
    }
    .asks(merge(&[1, 2], &[0, 10, 20, 30], 9));
    case("events to a position between increments", chain, tail, &[10, 25, 30]).asks(dropped(&[], &[5]));
}

#[test]
fn an_event_segment_mostly_folded_is_trimmed() {
    let chain: &[Increment] = &[(1, 0, 50, 100, 10)];
    let trim = |name, segment, thorough, expected: Option<Step>| {
        Case { thorough, ..case(name, chain, &[segment], &[50]) }.asks(expected);
    };
    trim("half of it", (5, 1, 101, MIB, 0), false, None);
    trim("more than half", (5, 1, 100, MIB, 0), false, Some(rewrite(5, 50, 3)));
    trim("a level that it has already", (5, 1, 100, MIB, 19), false, Some(rewrite(5, 50, 19)));
    trim("the open one", (5, 1, 100, MIB, 99), false, None);
    trim("thorough: a tenth is enough", (5, 41, 101, MIB, 0), true, Some(rewrite(5, 50, 3)));
    trim("thorough: less than a tenth", (5, 46, 101, MIB, 0), true, None);
    trim("thorough: few bytes", (5, 41, 101, 128 << 10, 0), true, None);
    trim("nothing dead", (5, 51, 101, MIB, 0), true, None);
}

#[test]
fn boundaries_that_nothing_needs_are_merged_away() {
    let file: &[Increment] = &[(1, 0, 10, 9, 1), (1, 10, 20, 9, 1), (1, 20, 30, 9, 1), (1, 30, 40, 9, 1)];
    let tail: &[Segment] = &[(9, 41, 50, 100, 99)];
    case("all needed", file, tail, &[10, 20, 30, 40]).asks(None);
    case("two of five not", file, tail, &[20, 40]).asks(None);
    case("three of five not", file, tail, &[40]).asks(merge(&[1], &[0, 40], 9));
    Case { thorough: true, ..case("thorough: one is enough", file, tail, &[10, 20, 40]) }.asks(merge(
        &[1],
        &[0, 10, 20, 40],
        9,
    ));
    let joined: &[Increment] =
        &[(1, 0, 10, 9, 9), (1, 10, 20, 9, 9), (1, 20, 30, 9, 9), (1, 30, 40, 9, 9), (2, 0, 20, 9, 9)];
    case("where another file joins; what is before it goes", joined, tail, &[20, 40]).asks(merge(
        &[1],
        &[20, 40],
        9,
    ));
    Case { thorough: true, ..case("a full one joins where no position stands", joined, tail, &[10, 40]) }
        .asks(merge(&[1], &[0, 10, 20, 40], 9));
    let forked: &[Increment] = &[(1, 0, 10, 9, 1), (1, 10, 20, 9, 1), (2, 10, 40, 9, 1)];
    Case { thorough: true, ..case("another file begins in the middle", forked, tail, &[20, 40]) }.asks(None);
    case("but not if it is needed", joined, tail, &[10, 20, 40]).asks(None);
}

#[test]
fn files_are_merged_once_they_grow_by_it() {
    let tail: &[Segment] = &[(99, 1001, 1002, 1, 99)];
    let asks = |name, sizes: &[u64], expected: Option<(&[u64], &[u64])>| {
        let ends: Vec<u64> = (1..=u64::try_from(sizes.len()).unwrap()).collect();
        let list: Vec<Increment> =
            ends.iter().zip(sizes).map(|(&n, &bytes)| (n, n - 1, n, bytes, 1)).collect();
        let expected = expected.map(|(files, keep)| merge(files, keep, 9));
        case(name, &list, tail, &ends).asks(expected);
    };
    let all: Vec<u64> = (0..=16).collect();
    asks("seven", &[MIB; 7], None);
    asks("eight", &[MIB; 8], Some((&all[1..=8], &all[..=8])));
    asks("sixteen at once", &[MIB; 16], Some((&all[1..=16], &all[..=16])));
    let mut sizes = [MIB; 9];
    sizes[0] = 64 * MIB;
    asks("not the large one before them", &sizes, Some((&all[2..=9], &all[1..=9])));
    sizes[1] = 64 * MIB;
    asks("seven behind large ones", &sizes, None);
    asks("tiny ones count as a block", &[1; 8], Some((&all[1..=8], &all[..=8])));
    asks("not above 1 GiB", &[200 * MIB; 8], None);
    let mut mixed = [4 * MIB; 16];
    mixed.iter_mut().step_by(2).for_each(|size| *size = 64 << 10);
    asks("of alternating sizes", &mixed, Some((&all[1..=16], &all[..=16])));
    Case { thorough: true, ..case("thorough: two", &[(1, 0, 1, 9, 1), (2, 1, 2, 9, 1)], tail, &[2]) }
        .asks(merge(&[1, 2], &[0, 2], 9));
}

#[test]
fn too_many_files_are_merged_even_if_they_hardly_grow_by_it() {
    let tail: &[Segment] = &[(99, 1001, 1002, 1, 99)];
    let ends: Vec<u64> = (1..=49).collect();
    // Each a little larger than the one before: no neighbours come to six times the largest of them.
    let sizes = std::iter::successors(Some(4096), |size| Some(size * 13 / 10));
    let list: Vec<Increment> = ends.iter().zip(sizes).map(|(&n, bytes)| (n, n - 1, n, bytes, 1)).collect();
    case("as many as there may be", &list[..48], tail, &ends[..48]).asks(None);
    let smallest: Vec<u64> = (0..=8).collect();
    case("one more", &list, tail, &ends).asks(merge(&smallest[1..], &smallest, 9));
}

#[test]
fn a_full_snapshot_is_laid_where_the_way_is_twice_as_long() {
    // A thousand are alive throughout.
    let tail: &[Segment] = &[(99, 41, 50, 1, 99)];
    let chain: &[Increment] =
        &[(1, 0, 10, 9, 5000), (1, 10, 20, 9, 1096), (1, 20, 30, 9, 1), (1, 30, 40, 9, 9000)];
    let full = |at| Step::Full { at: Seq(at) };
    case("the oldest that is too long", chain, tail, &[10, 20, 30, 40]).asks(full(30));
    case("only where a position stands", chain, tail, &[10, 20, 40]).asks(full(40));
    let with: Vec<Increment> = [chain, &[(2, 0, 30, 9, 1000)]].concat();
    case("the next after it", &with, tail, &[10, 20, 30, 40]).asks(full(40));
    case("not twice", &[(1, 0, 40, 9, 99_999)], tail, &[40]).asks(None);
    case("none is too long", &chain[..2], &[(99, 21, 50, 1, 99)], &[10, 20]).asks(None);
}

#[test]
fn what_is_old_is_compressed() {
    let mut old = config(KeepEvents::All);
    old.compression.age = Duration::from_hours(50);
    let chain: &[Increment] = &[(1, 0, 10, 9, 1), (1, 10, 20, 9, 1), (2, 20, 51, 9, 1)];
    let tail: &[Segment] = &[(8, 52, 60, 9, 0), (9, 60, 99, 9, 99)];
    let of = |name, now, level, config: &Config, expected: Option<Step>| {
        let config = config.clone();
        Case { level, config, now, ..case(name, chain, tail, &[10, 20, 51]) }.asks(expected);
    };
    of("a file all of which is old", 71, 9, &old, Some(merge(&[1], &[0, 10, 20], 19)));
    of("as old as it must not be", 70, 9, &old, None);
    of("compressed already", 71, 19, &old, None);
    of("an event segment", 110, 19, &old, Some(rewrite(8, 51, 19)));
    of("the chain before the events", 110, 9, &old, Some(merge(&[1], &[0, 10, 20], 19)));
    old.compression.enabled = false;
    of("not enabled", 1000, 9, &old, None);
    old.compression.enabled = true;
    old.compression.level = 1;
    of("a level below the ordinary", 101, 9, &old, None);
    of("also for events", 1000, 9, &old, Some(rewrite(8, 51, 1)));
}

#[test]
fn the_cheapest_path_is_found() {
    let list: &[Increment] =
        &[(1, 0, 10, 100, 1), (1, 10, 20, 50, 1), (2, 20, 30, 50, 1), (3, 0, 20, 120, 1), (4, 0, 30, 171, 1)];
    let tape: &[Segment] = &[(7, 11, 31, 200, 0), (8, 31, 41, 100, 99), (9, 42, 51, 10, 0)];
    let (list, tape) = (increments(list, 9), events(tape));
    let path = |target| cheapest_path(&list, &tape, Seq(target));
    let is = |increments: &[usize], base, events: &[usize], bytes| {
        Some(Path { increments: increments.to_vec(), base: Seq(base), events: events.to_vec(), bytes })
    };
    assert_eq!(path(0), is(&[], 0, &[], 0));
    assert_eq!(path(10), is(&[0], 10, &[], 100));
    assert_eq!(path(20), is(&[3], 20, &[], 120), "a full one is shorter");
    assert_eq!(path(30), is(&[3, 2], 30, &[], 170), "a full one is longer");
    assert_eq!(path(15), is(&[0], 10, &[0], 150), "events from a boundary");
    assert_eq!(path(31), is(&[3, 2], 30, &[1], 180));
    assert_eq!(path(25), is(&[3], 20, &[0], 170));
    assert_eq!(path(40), is(&[3, 2], 30, &[1], 270));
    for target in [5, 41, 42, 45, 50, 51, u64::MAX] {
        assert_eq!(path(target), None, "{target}");
    }
    let cheap = events(&[(7, 1, 31, 30, 0)]);
    assert_eq!(
        cheapest_path(&list, &cheap, Seq(30)),
        is(&[], 0, &[0], 30),
        "events alone, while they are there"
    );
    assert_eq!(cheapest_path(&[], &[], Seq(0)), is(&[], 0, &[], 0));
    assert_eq!(cheapest_path(&[], &[], Seq(1)), None);
}

#[test]
fn thousands_of_increments_are_no_burden() {
    let list: Vec<Increment> = (0..20_000).map(|n| (n / 10, n, n + 1, 100, 1)).collect();
    let list = increments(&list, 9);
    let path = cheapest_path(&list, &[], Seq(20_000)).unwrap();
    assert_eq!((path.increments.len(), path.bytes), (20_000, 2_000_000));
    let all: Vec<u64> = (0..=20_000).collect();
    let config = config(KeepEvents::None);
    let wishes = Wishes { config: &config, now: time(20_000), clock: time(20_000), thorough: false };
    assert!(next_step(&list, &[], &positions(&all), &wishes).is_some());
}

/// Each event changes a row; no more than `most` are alive.
struct Churning {
    most: u64,
}

impl Crawl for Churning {
    fn rows(&self, from: Seq, to: Seq) -> u64 {
        if from == Seq(0) { self.alive(to) } else { to.0 - from.0 }
    }

    fn alive(&self, at: Seq) -> u64 {
        at.0.min(self.most)
    }

    fn time(&self, at: Seq) -> Timestamp {
        Timestamp(i64::try_from(at.0).unwrap() * HOUR / 100)
    }
}

/// A stretch of a crawl between two compactions: events, positions in it (in thousandths), positions that go, and
/// whether the segments are closed and the compaction thorough.
type Stretch = (u64, Vec<u64>, Vec<usize>, bool, bool);

fn some_stretch() -> impl Strategy<Value = Stretch> {
    let at = proptest::collection::vec(0..=1000_u64, 0..12);
    let gone = proptest::collection::vec(any::<usize>(), 0..8);
    (prop_oneof![1..50_u64, 1..20_000_u64], at, gone, any::<bool>(), proptest::bool::weighted(0.2))
}

fn some_config() -> impl Strategy<Value = Config> {
    let keep = prop_oneof![
        1 => Just(KeepEvents::All),
        2 => Just(KeepEvents::None),
        4 => (0..400_u64).prop_map(|hours| KeepEvents::For(Duration::from_hours(hours))),
    ];
    (keep, any::<bool>(), 0..300_u64, 1..=22_u8).prop_map(|(keep_events, enabled, age, level)| {
        let mut config = config(keep_events);
        config.compression.enabled = enabled;
        config.compression.age = Duration::from_hours(age);
        config.compression.level = level;
        config
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn compaction_ends_and_loses_nothing(
        configs in proptest::collection::vec(some_config(), 1..3),
        most in prop_oneof![Just(u64::MAX), 1..10_000_u64],
        event_bytes in prop_oneof![1..100_u64, 1000..9000_u64],
        stretches in proptest::collection::vec(some_stretch(), 1..25),
    ) {
        let crawl = Churning { most };
        let mut files = Files::new(&crawl);
        let mut seqs: Vec<u64> = Vec::new();
        let mut last = 0;
        for ((count, at, gone, close, thorough), config) in stretches.iter().zip(configs.iter().cycle()) {
            let first = last + 1;
            last += count;
            if *close {
                files.events.iter_mut().for_each(|one| one.open = false);
            }
            files.write_events(first, last + 1, count * event_bytes, true);
            seqs.extend(at.iter().map(|part| first - 1 + count * part / 1000));
            for which in gone.iter().filter(|_| !at.is_empty()) {
                seqs.remove(which % seqs.len());
                if seqs.is_empty() {
                    break;
                }
            }
            seqs.sort_unstable();
            let positions: Vec<Position> =
                seqs.iter().map(|&seq| Position { seq: Seq(seq), time: crawl.time(Seq(seq)) }).collect();
            let now = crawl.time(Seq(last));
            for seq in &seqs {
                prop_assert!(files.reaches(Seq(*seq)), "{} of {:?}", seq, positions);
            }
            files.compact(&positions, &Wishes { config, now, clock: now, thorough: *thorough });
        }
        prop_assert!(files.reaches(Seq(last)));
    }
}
