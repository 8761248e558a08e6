//! What a prune takes away, told by days.

use super::calendar::Zone;
use super::retention::{Reason, Verdict, thinning};
use super::retention_tests::{HOUR, at, marker};
use crate::model::marker::Marker;
use crate::model::time::Timestamp;

/// Times of markers, and whether each is kept.
type Kept = Vec<(Timestamp, bool)>;

/// What is told of markers at these times, and whether each is kept.
fn thinned(zone: &str, now: &str, markers: &[(Timestamp, bool)]) -> Vec<String> {
    let list: Vec<Marker> =
        (1..).zip(markers).map(|(id, (time, _))| marker(id, *time, &["frequent"])).collect();
    let verdicts: Vec<Verdict> = list
        .iter()
        .zip(markers)
        .map(|(marker, (_, keep))| Verdict { id: marker.id, keep: *keep, reasons: vec![Reason::Pinned] })
        .collect();
    thinning(&list, &verdicts, Zone::parse(zone).unwrap(), at(now)).iter().map(ToString::to_string).collect()
}

/// From `start`, `count` markers so many minutes apart, of which each `nth` is kept; 0: none.
fn every(start: &str, minutes: i64, count: i64, nth: i64) -> Vec<(Timestamp, bool)> {
    let at = |n: i64| at(start).plus_micros(n * minutes * (HOUR / 60));
    (0..count).map(|n| (at(n), nth > 0 && n % nth == 0)).collect()
}

#[test]
fn what_is_lost_is_told_by_the_calendar() {
    let now = "2026-01-31T00:00:00Z";
    let tail = every("2026-01-10T00:00:00Z", 60, 24, 1);
    let with = |head: Vec<(Timestamp, bool)>| [head, tail.clone()].concat();
    let days =
        |start: &str, days: i64, minutes: i64, nth: i64| every(start, minutes, days * 1440 / minutes, nth);
    let cases: &[(&str, Kept, &[&str])] = &[
        ("nothing is dropped", with(days("2026-01-03T00:00:00Z", 7, 60, 1)), &[]),
        (
            "the issue's example",
            with(days("2026-01-03T00:00:00Z", 7, 60, 24)),
            &["restore points between 3 and 9 January thin out from hourly to daily"],
        ),
        (
            "by number",
            with(days("2026-01-03T00:00:00Z", 7, 180, 8)),
            &["restore points between 3 and 9 January thin out from 8 to 1 a day"],
        ),
        (
            "both by number",
            with(days("2026-01-03T00:00:00Z", 7, 180, 4)),
            &["restore points between 3 and 9 January thin out from 8 to 2 a day"],
        ),
        (
            "minutes to hours",
            with(days("2026-01-03T00:00:00Z", 7, 5, 12)),
            &["restore points between 3 and 9 January thin out from every few minutes to hourly"],
        ),
        (
            "an hour",
            with(days("2026-01-03T00:00:00Z", 7, 15, 2)),
            &["restore points between 3 and 9 January thin out from 4 to 2 an hour"],
        ),
        (
            "none left",
            with(days("2026-01-03T00:00:00Z", 7, 60, 0)),
            &["all restore points between 3 and 9 January go; they stood hourly"],
        ),
        (
            "one day",
            with(days("2026-01-09T00:00:00Z", 1, 60, 24)),
            &["restore points of 9 January thin out from hourly to daily"],
        ),
        (
            "across months and years",
            with(days("2025-12-29T00:00:00Z", 12, 60, 24)),
            &["restore points between 29 December 2025 and 9 January 2026 thin out from hourly to daily"],
        ),
        (
            "days to weeks, the day that stays included",
            with(every("2025-11-10T12:00:00Z", 1440, 57, 7)),
            &["restore points between 10 November 2025 and 4 January 2026 thin out from daily to weekly"],
        ),
        (
            "two stretches",
            with([days("2026-01-01T00:00:00Z", 4, 60, 24), days("2026-01-05T00:00:00Z", 5, 60, 2)].concat()),
            &[
                "restore points between 1 and 4 January thin out from hourly to daily",
                "restore points between 5 and 9 January thin out from hourly to 12 a day",
            ],
        ),
        (
            "as dense as before, but fewer",
            with(
                (0..7)
                    .flat_map(|day| {
                        let start = at("2026-01-03T00:00:00Z").plus_micros(day * 24 * HOUR);
                        (0..100).map(move |n| (start.plus_micros(n * HOUR / 12), n < 50))
                    })
                    .collect(),
            ),
            &["restore points between 3 and 9 January thin out from 100 to 50 a day"],
        ),
        (
            "one alone",
            with(every("2025-06-03T00:00:00Z", 60, 1, 0)),
            &["the restore point of 3 June 2025 goes"],
        ),
    ];
    for (name, markers, expected) in cases {
        assert_eq!(thinned("UTC", now, markers), *expected, "{name}");
    }
}

#[test]
fn days_of_a_thinning_are_local() {
    let markers =
        [every("2026-01-02T15:00:00Z", 60, 48, 24), every("2026-01-04T15:00:00Z", 60, 24, 1)].concat();
    let expected = "restore points between 3 and 4 January thin out from hourly to daily";
    assert_eq!(thinned("Asia/Tokyo", "2026-02-01T00:00:00Z", &markers), [expected]);
}

#[test]
fn a_thinning_of_many_kinds_is_told_in_a_few_lines() {
    let gaps = [5, 60, 15, 180, 60, 5, 30, 180, 60, 20, 5, 60];
    let head = gaps.iter().zip(0..).flat_map(|(minutes, day)| {
        let start = at("2026-01-03T00:00:00Z").plus_micros(day * 24 * HOUR).to_string();
        every(&start, *minutes, 1440 / *minutes, 1440 / *minutes)
    });
    let markers: Vec<_> = head.chain(every("2026-01-15T00:00:00Z", 60, 24, 1)).collect();
    let told = thinned("UTC", "2026-01-15T00:00:00Z", &markers);
    assert!(told.len() <= 6, "{told:#?}");
    assert!(
        told.iter().any(|line| line.contains("thin out from 3") || line.contains("thin out from 1")),
        "{told:#?}"
    );
}
