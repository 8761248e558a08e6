//! What a prune takes away, in the user's terms: between which days restore points become fewer, and how many are
//! left.

use std::fmt;

use chrono::{Datelike, NaiveDate};

use super::calendar::Zone;
use super::retention::Verdict;
use crate::model::marker::Marker;
use crate::model::time::Timestamp;

/// More lines than these nobody reads: neighbouring stretches are told together instead.
const MAX_STRETCHES: usize = 6;
/// So few markers on a day are told by their number, however close they stand.
const FEW: u64 = 3;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How densely markers stand, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Density {
    /// Less than a minute apart.
    Seconds,
    /// Minutes apart.
    Minutes,
    /// So many in an hour.
    PerHour(u64),
    /// About an hour apart.
    Hourly,
    /// So many on a day.
    PerDay(u64),
    /// About a day apart.
    Daily,
    /// So many days apart.
    EveryDays(u64),
    /// About a week apart.
    Weekly,
    /// About a month apart.
    Monthly,
    /// So many altogether.
    Total(u64),
}

impl fmt::Display for Density {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds => f.write_str("every few seconds"),
            Self::Minutes => f.write_str("every few minutes"),
            Self::PerHour(count) => write!(f, "{count} an hour"),
            Self::Hourly => f.write_str("hourly"),
            Self::PerDay(count) => write!(f, "{count} a day"),
            Self::Daily => f.write_str("daily"),
            Self::EveryDays(days) => write!(f, "every {days} days"),
            Self::Weekly => f.write_str("weekly"),
            Self::Monthly => f.write_str("monthly"),
            Self::Total(count) => write!(f, "{count}"),
        }
    }
}

/// A stretch of days on which restore points become fewer. `Display` says it in a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thinned {
    /// Its first day, by the local calendar.
    pub first: NaiveDate,
    /// Its last day.
    pub last: NaiveDate,
    /// How densely restore points stood.
    pub before: Density,
    /// How densely they will stand; `None` if none is left.
    pub after: Option<Density>,
    /// How many there were.
    pub count_before: u64,
    /// How many will be left.
    pub count_after: u64,
    /// Whether the years are told.
    pub with_year: bool,
}

impl fmt::Display for Thinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.days();
        match (self.before, self.after) {
            (Density::Total(1), None) => write!(f, "the restore point {days} goes"),
            (before @ Density::Total(_), None) => write!(f, "all {before} restore points {days} go"),
            (before, None) => write!(f, "all restore points {days} go; they stood {before}"),
            // "from 24 to 1 a day", not "from 24 a day to 1 a day".
            (Density::PerDay(before), Some(Density::Daily)) => {
                write!(f, "restore points {days} thin out from {before} to 1 a day")
            }
            (Density::PerDay(before), Some(after @ Density::PerDay(_)))
            | (Density::PerHour(before), Some(after @ Density::PerHour(_))) => {
                write!(f, "restore points {days} thin out from {before} to {after}")
            }
            (before, Some(after)) => write!(f, "restore points {days} thin out from {before} to {after}"),
        }
    }
}

impl Thinned {
    fn days(&self) -> String {
        let (first, last) = (self.first, self.last);
        let full = if self.with_year { "%-d %B %Y" } else { "%-d %B" };
        if first == last {
            return format!("of {}", first.format(full));
        }
        let short = match (first.year() == last.year(), first.month() == last.month()) {
            (true, true) => "%-d",
            (true, false) => "%-d %B",
            (false, _) => full,
        };
        format!("between {} and {}", first.format(short), last.format(full))
    }
}

/// What is lost if `verdicts` are carried out, oldest first; nothing if they drop no marker.
///
/// `verdicts` are those of `markers`, in the same order. Markers that expired before count as gone. Days are those
/// of `zone`; years are told unless all days are in the year of `now`.
pub fn thinning(markers: &[Marker], verdicts: &[Verdict], zone: Zone, now: Timestamp) -> Vec<Thinned> {
    let days = days(markers, verdicts, zone);
    let mut stretches = stretches(&days);
    while stretches.len() > MAX_STRETCHES {
        join_smallest(&mut stretches, &days);
    }
    let this_year = zone.day_of(now).map(|day| day.year());
    let with_year = stretches.iter().any(|s| [s.first, s.last].iter().any(|d| Some(d.year()) != this_year));
    stretches.into_iter().map(|stretch| Thinned { with_year, ..stretch }).collect()
}

/// A day on which markers stand.
struct Day {
    date: NaiveDate,
    before: u64,
    after: u64,
    spacing_before: Spacing,
    spacing_after: Spacing,
}

impl Day {
    /// A day whose own markers all stay belongs to a stretch too if those around it go.
    fn is_thinned(&self) -> bool {
        self.after < self.before || self.spacing_before != self.spacing_after
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.spacing_before, self.spacing_after) == (other.spacing_before, other.spacing_after)
    }
}

/// A [`Density`] without its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spacing {
    Seconds,
    Minutes,
    PerHour(i64),
    Hourly,
    PerDay,
    Daily,
    Days,
    Weekly,
    Monthly,
    Rare,
    None,
}

impl Spacing {
    fn of_gap(gap: i64) -> Self {
        match gap {
            ..MINUTE => Self::Seconds,
            MINUTE..900_000_000 => Self::Minutes,
            900_000_000..2_400_000_000 => Self::PerHour((HOUR + gap / 2) / gap),
            2_400_000_000..=5_400_000_000 => Self::Hourly,
            _ => match gap / HOUR {
                ..20 => Self::PerDay,
                20..36 => Self::Daily,
                36..132 | 229..600 => Self::Days,
                132..=228 => Self::Weekly,
                600..1100 => Self::Monthly,
                _ => Self::Rare,
            },
        }
    }
}

/// Times in ascending order.
struct Times(Vec<i64>);

impl Times {
    fn new(times: impl Iterator<Item = Timestamp>) -> Self {
        let mut times: Vec<i64> = times.map(|time| time.0).collect();
        times.sort_unstable();
        Self(times)
    }

    /// How many there are from `start` to `end`, and how they stand there.
    fn around(&self, start: i64, end: i64) -> (u64, Spacing) {
        let from = self.0.partition_point(|time| *time < start);
        let to = self.0.partition_point(|time| *time <= end);
        let within = self.0.get(from..to).unwrap_or_default();
        let count = u64::try_from(within.len()).unwrap_or(u64::MAX);
        let before = from.checked_sub(1).and_then(|at| self.0.get(at)).copied();
        let after = self.0.get(to).copied();
        let spacing = match (within, before, after) {
            ([], Some(before), Some(after)) => Spacing::of_gap(after.saturating_sub(before)),
            ([], _, _) => Spacing::None,
            ([only], before, after) => {
                let gaps = [
                    before.map(|time| only.saturating_sub(time)),
                    after.map(|time| time.saturating_sub(*only)),
                ];
                // However close it stands to a marker of another day: this day has one.
                gaps.into_iter().flatten().min().map_or(Spacing::Rare, |gap| Spacing::of_gap(gap.max(DAY)))
            }
            _ if count <= FEW => Spacing::PerDay,
            (within, _, _) => {
                let mut gaps: Vec<i64> =
                    within.iter().zip(within.iter().skip(1)).map(|(a, b)| b.saturating_sub(*a)).collect();
                gaps.sort_unstable();
                gaps.get(gaps.len() / 2).map_or(Spacing::PerDay, |gap| Spacing::of_gap(*gap))
            }
        };
        (count, spacing)
    }
}

fn days(markers: &[Marker], verdicts: &[Verdict], zone: Zone) -> Vec<Day> {
    let live = || markers.iter().zip(verdicts).filter(|(marker, _)| marker.expired.is_none());
    let before = Times::new(live().map(|(marker, _)| marker.time));
    let after = Times::new(live().filter(|(_, verdict)| verdict.keep).map(|(marker, _)| marker.time));
    let mut dates: Vec<NaiveDate> =
        before.0.iter().filter_map(|time| zone.day_of(Timestamp(*time))).collect();
    dates.dedup();
    let day = |date| {
        let (start, end) = (zone.start_of_day(date).0, zone.end_of_day(date).0);
        let (before, spacing_before) = before.around(start, end);
        let (after, spacing_after) = after.around(start, end);
        Day { date, before, after, spacing_before, spacing_after }
    };
    dates.into_iter().map(day).collect()
}

fn stretches(days: &[Day]) -> Vec<Thinned> {
    let runs = days.chunk_by(|a, b| a.is_thinned() && b.is_thinned() && a.is_like(b));
    runs.filter(|run| run.iter().any(|day| day.after < day.before)).filter_map(stretch).collect()
}

/// A run of days that are alike.
fn stretch(run: &[Day]) -> Option<Thinned> {
    let (first, last) = (run.first()?, run.last()?);
    let length = u64::try_from(run.len()).unwrap_or(u64::MAX);
    let (before, after) = (run.iter().map(|day| day.before).sum(), run.iter().map(|day| day.after).sum());
    let density = |spacing: Spacing, count: u64| match spacing {
        Spacing::None => None,
        Spacing::Seconds => Some(Density::Seconds),
        Spacing::Minutes => Some(Density::Minutes),
        Spacing::PerHour(count) => Some(Density::PerHour(count.unsigned_abs())),
        Spacing::Hourly => Some(Density::Hourly),
        Spacing::PerDay => Some(Density::PerDay(rounded(count, length))),
        Spacing::Daily => Some(Density::Daily),
        Spacing::Days => Some(Density::EveryDays(rounded(length, count.max(1)).max(2))),
        Spacing::Weekly => Some(Density::Weekly),
        Spacing::Monthly => Some(Density::Monthly),
        Spacing::Rare => Some(Density::Total(count)),
    };
    let mut densities = (density(first.spacing_before, before)?, density(first.spacing_after, after));
    if Some(densities.0) == densities.1 {
        densities = (Density::PerDay(rounded(before, length)), Some(Density::PerDay(rounded(after, length))));
    }
    let mixed = |density: Density| matches!(density, Density::Total(_));
    if Some(densities.0) == densities.1 || mixed(densities.0) || densities.1.is_some_and(mixed) {
        densities = (Density::Total(before), densities.1.map(|_| Density::Total(after)));
    }
    Some(Thinned {
        first: first.date,
        last: last.date,
        before: densities.0,
        after: densities.1.filter(|after| *after != Density::Total(0)),
        count_before: before,
        count_after: after,
        with_year: false,
    })
}

fn rounded(count: u64, by: u64) -> u64 {
    count.saturating_add(by / 2).checked_div(by).unwrap_or(count)
}

/// Joins the two neighbours that lose the fewest markers together; days between them that lose none are counted in.
fn join_smallest(stretches: &mut Vec<Thinned>, days: &[Day]) {
    let fewer = |s: &Thinned| s.count_before.saturating_sub(s.count_after);
    let pairs = stretches.iter().zip(stretches.iter().skip(1)).enumerate();
    let Some((at, (a, b))) = pairs.min_by_key(|(_, (a, b))| fewer(a).saturating_add(fewer(b))) else {
        return;
    };
    let (first, last) = (a.first, b.last);
    let within = || days.iter().filter(|day| (first..=last).contains(&day.date));
    let before = within().map(|day| day.before).sum();
    let after = within().map(|day| day.after).sum();
    let joined = Thinned {
        first,
        last,
        before: Density::Total(before),
        after: (after > 0).then_some(Density::Total(after)),
        count_before: before,
        count_after: after,
        with_year: false,
    };
    stretches.splice(at..=at.saturating_add(1), [joined]);
}
