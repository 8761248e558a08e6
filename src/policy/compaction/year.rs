//! A year of a crawl, compacted each day: how many files there are, and how often a byte is written.

use super::model::{Crawl, Files};
use super::{Position, Wishes};
use crate::model::position::Seq;
use crate::model::time::Timestamp;
use crate::policy::config::{Config, KeepEvents};

const DAYS: u64 = 365;
/// Rows that are added on a day, each by one event; a multiple of the milestones of a day.
const ADDED: u64 = 11_000;
const DAY_MICROS: u64 = 86_400_000_000;

/// So many rows are added each day, and of those that are there a part in a hundred changes.
struct Growing {
    percent: u64,
}

impl Growing {
    /// Events of days before `day`.
    fn seq(&self, day: u64) -> u64 {
        // Added ones, and a part of those that were there: 0 + 1 + 2 + … days' worth.
        day * ADDED + self.percent * ADDED * (day * day.saturating_sub(1) / 2) / 100
    }

    /// The day in which an event lies, and how far into it, in thousandths.
    fn day(&self, seq: Seq) -> (u64, u64) {
        let day = (0..=DAYS + 1).take_while(|day| self.seq(*day) <= seq.0).last().unwrap_or(0);
        let (from, to) = (self.seq(day), self.seq(day + 1));
        (day, (seq.0 - from) * 1000 / (to - from))
    }
}

impl Crawl for Growing {
    fn rows(&self, from: Seq, to: Seq) -> u64 {
        let ((day, part), (last, last_part)) = (self.day(from), self.day(to));
        let old = self.alive(from);
        let mut same = old * 1000;
        let thousandths = (last * 1000 + last_part) - (day * 1000 + part);
        for _ in 0..thousandths / 1000 {
            same = same * (100 - self.percent) / 100;
        }
        same -= same * self.percent * (thousandths % 1000) / 100_000;
        self.alive(to) - old + (old - same / 1000)
    }

    fn alive(&self, at: Seq) -> u64 {
        let (day, part) = self.day(at);
        day * ADDED + ADDED * part / 1000
    }

    fn time(&self, at: Seq) -> Timestamp {
        let (day, part) = self.day(at);
        Timestamp(i64::try_from(day * DAY_MICROS + DAY_MICROS / 1000 * part).unwrap())
    }
}

/// What a year came to.
#[derive(Debug)]
struct Year {
    most_files: usize,
    stored: u64,
    folded: u64,
    rewritten: u64,
    steps: usize,
}

impl Year {
    fn amplification_percent(&self) -> u64 {
        self.rewritten * 100 / self.folded
    }
}

/// `per_day` milestones that stay, `dailies` that roll, and `frequent` markers that last a day.
fn year(percent: u64, per_day: u64, dailies: u64, frequent: u64, thorough_each: u64) -> Year {
    let crawl = Growing { percent };
    let mut config = Config::default();
    config.retention.keep_events = KeepEvents::For(std::time::Duration::from_hours(24));
    let mut files = Files::new(&crawl);
    let mut year = Year { most_files: 0, stored: 0, folded: 0, rewritten: 0, steps: 0 };
    for today in 1..=DAYS {
        let (first, next) = (crawl.seq(today - 1) + 1, crawl.seq(today) + 1);
        files.write_events(first, next, (next - first) * 40, false);
        let mut seqs: Vec<u64> =
            (today.saturating_sub(dailies)..today).map(|day| crawl.seq(day) + 1).collect();
        let marks = |day: u64, count: u64| {
            let (from, to) = (crawl.seq(day), crawl.seq(day + 1));
            (1..=count).map(move |n| from + (to - from) * n / count)
        };
        seqs.extend((0..today).flat_map(|day| marks(day, per_day)));
        seqs.extend((today.saturating_sub(2)..today).flat_map(|day| marks(day, frequent)));
        seqs.sort_unstable();
        seqs.dedup();
        let positions: Vec<Position> =
            seqs.into_iter().map(|seq| Position { seq: Seq(seq), time: crawl.time(Seq(seq)) }).collect();
        let now = crawl.time(Seq(next - 1));
        let thorough = thorough_each > 0 && today % thorough_each == 0;
        let wishes = Wishes { config: &config, now, clock: now, thorough };
        let mut steps = 0;
        while let Some(step) = super::next_step(&files.increments, &files.events, &positions, &wishes) {
            files.carry_out(&step);
            steps += 1;
            assert!(steps < 100, "day {today}: {step:?}");
        }
        year.steps += steps;
        year.most_files = year.most_files.max(files.snapshot_files());
        let some = positions.iter().step_by(positions.len() / 20 + 1);
        for position in some {
            assert!(files.reaches(position.seq), "day {today}: {position:?}");
        }
    }
    year.folded = files.folded;
    year.rewritten = files.merged + files.compressed + files.full + files.trimmed;
    year.stored = files.stored();
    println!(
        "{year:?} {}% (merged {}, compressed {}, full {}, trimmed {})",
        year.amplification_percent(),
        files.merged,
        files.compressed,
        files.full,
        files.trimmed
    );
    year
}

#[test]
fn a_year_that_only_grows_stays_in_few_files_and_is_written_a_few_times() {
    // 2,190 milestones, 30 dailies.
    let year = year(0, 6, 30, 0, 0);
    assert!(year.most_files < 64, "{year:?}");
    assert!(year.amplification_percent() < 500, "{year:?}");
}

#[test]
fn markers_that_go_after_a_day_leave_nothing_behind() {
    let year = year(0, 6, 30, 100, 0);
    assert!(year.most_files < 64, "{year:?}");
    assert!(year.amplification_percent() < 500, "{year:?}");
}

#[test]
fn a_year_of_updates_with_dailies_alone_stays_small() {
    let year = year(10, 0, 30, 0, 0);
    assert!(year.most_files < 64, "{year:?}");
    assert!(year.amplification_percent() < 500, "{year:?}");
}

#[test]
fn a_year_of_updates_in_which_milestones_stay() {
    let year = year(10, 6, 30, 0, 0);
    assert!(year.most_files < 64, "{year:?}");
    assert!(year.amplification_percent() < 500, "{year:?}");
}

#[test]
fn thorough_once_a_month_ends_too() {
    let year = year(1, 6, 30, 20, 30);
    assert!(year.most_files < 64, "{year:?}");
}
