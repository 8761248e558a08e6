//! Which markers are kept: tables, and what must hold for any sequence of marks and prunes.

use std::time::Duration;

use proptest::prelude::*;

use super::calendar::Zone;
use super::config::{Config, Keep};
use super::retention::{Verdict, judge, thinning};
use crate::model::fingerprint::Fingerprint;
use crate::model::history::Digest;
use crate::model::marker::{Counts, Marker, Ordinals, Served};
use crate::model::position::{MarkerId, Seq};
use crate::model::time::Timestamp;

pub(super) const HOUR: i64 = 3_600_000_000;
/// 2026-01-05, a Monday, at noon.
const NOON: i64 = 1_767_614_400_000_000;

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect(text)
}

pub(super) fn marker(id: u64, time: Timestamp, tiers: &[&str]) -> Marker {
    Marker {
        id: MarkerId(id),
        seq: Seq(id * 10),
        time,
        tiers: tiers.iter().map(|&tier| tier.to_owned()).collect(),
        label: None,
        pinned: false,
        expired: None,
        counts: Counts::default(),
        ordinals: Ordinals::default(),
        fingerprint: Fingerprint::default(),
        served: Served::default(),
        position: 0,
        events: Digest::default(),
    }
}

/// Markers of a line of words, an hour apart: a letter for each tier (`f`requent, `m`oderate, `M`ilestone, `d`aily,
/// `w`eekly, `x` and `y` of no configuration, `-` none), then `!` pinned, `~` expired, `#` labelled, `=` at the seq of
/// the one before, `@N` so many hours after the first.
fn markers(line: &str) -> Vec<Marker> {
    let mut markers: Vec<Marker> = Vec::new();
    for (number, word) in (1..).zip(line.split_whitespace()) {
        let (word, hours) = match word.split_once('@') {
            Some((word, hours)) => (word, hours.parse().expect(hours)),
            None => (word, i64::try_from(number).unwrap() - 1),
        };
        let mut one = marker(number, Timestamp(NOON + hours * HOUR), &[]);
        for letter in word.chars() {
            match letter {
                'f' => one.tiers.push("frequent".to_owned()),
                'm' => one.tiers.push("moderate".to_owned()),
                'M' => one.tiers.push("milestone".to_owned()),
                'd' => one.tiers.push("daily".to_owned()),
                'w' => one.tiers.push("weekly".to_owned()),
                'x' | 'y' => one.tiers.push(letter.to_string()),
                '!' => one.pinned = true,
                '~' => one.expired = Some(one.time),
                '#' => one.label = Some(format!("label {number}")),
                '=' => one.seq = markers.last().expect("one before").seq,
                '-' => {}
                other => panic!("{other} in {line}"),
            }
        }
        markers.push(one);
    }
    markers
}

fn newest_time(markers: &[Marker]) -> Timestamp {
    markers.iter().map(|marker| marker.time).max().unwrap_or(Timestamp(NOON))
}

/// `k` for each that is kept, `.` for each that is not.
fn kept(verdicts: &[Verdict]) -> String {
    verdicts.iter().map(|verdict| if verdict.keep { 'k' } else { '.' }).collect()
}

fn reasons(verdict: &Verdict) -> Vec<String> {
    verdict.reasons.iter().map(ToString::to_string).collect()
}

/// Rules (`ONE`: only the newest one is kept always), markers from the oldest on, which are kept.
const CASES: &[(&str, &str, &str)] = &[
    // The default rules: frequent 5, moderate 10, milestone all, daily 30, the 3 newest.
    ("", "", ""),
    ("", "f", "k"),
    ("", "f f f f f", "kkkkk"),
    ("", "f f f f f f", ".kkkkk"),
    ("", "f f f f f f f f", "...kkkkk"),
    ("", "m m m m m m m m m m m m", "..kkkkkkkkkk"),
    ("", "M M M M M M M M M M M M", "kkkkkkkkkkkk"),
    ("", "f f f f m f f f m M", "..kkkkkkkk"),
    ("", "f f f f m f f f m f f M", "....kkkkkkkk"),
    ("", "f f f f f f M M M", ".kkkkkkkk"),
    // The newest are kept whatever their tier keeps, and count in it.
    ("", "f f f f f f f - - -", "..kkkkkkkk"),
    ("ONE tiers.frequent = {every_nodes = 1, keep = 2}", "f f f f", "..kk"),
    ("retention.keep_newest = 4\ntiers.frequent = {every_nodes = 1, keep = 2}", "f f f f f", ".kkkk"),
    ("retention.keep_newest = 5\ntiers.frequent = {every_nodes = 1, keep = 2}", "f f f f f", "kkkkk"),
    ("retention.keep_newest = 99\ntiers.frequent = {every_nodes = 1, keep = 2}", "f f f f f", "kkkkk"),
    ("tiers.frequent = {every_nodes = 1, keep = 1}", "f f f f f", "..kkk"),
    // Several tiers: any of them keeps.
    ("", "fM f f f f f f", "k.kkkkk"),
    ("", "fd f f f f f f f", "k..kkkkk"),
    ("", "fx f f f f f f f", "k..kkkkk"),
    ("", "fm fm fm fm fm fm fm fm fm fm fm fm", "..kkkkkkkkkk"),
    ("", "ff ff ff ff ff ff", ".kkkkk"),
    // By hand, and tiers that are not configured.
    ("", "- - - - - - - -", "kkkkkkkk"),
    ("", "f# f f f f f f", "k.kkkkk"),
    ("", "x x x x x x x x", "kkkkkkkk"),
    ("", "x f - f f f f f f", "k.k.kkkkk"),
    ("[tiers.new]\nevery_nodes = 3\nkeep = 1", "f f m M d d d f", "kkkkkkkk"),
    // Pins: kept, and counted like the others.
    ("", "f! f f f f f f f", "k..kkkkk"),
    ("", "f f f f f f f!", "..kkkkk"),
    ("", "f! f! f! f! f! f! f! f!", "kkkkkkkk"),
    ("", "f!~ f f f f f f", "k.kkkkk"),
    // Expired ones go, and are not counted.
    ("", "f~ f f f f f", ".kkkkk"),
    ("", "f f f f f f~ f", ".kkkk.k"),
    ("", "f f f f f f f~ f~ f~", ".kkkkk..."),
    ("", "M~ M M", ".kk"),
    ("", "x~ -~ f#~ M", "...k"),
    ("", "f~ f~ f~", "..."),
    ("", "f~ f~ f~!", "..k"),
    // Two markers at one seq are two.
    ("", "f f= f f= f f= f f=", "...kkkkk"),
    ("", "f f= f= f= f= f= f=", "..kkkkk"),
    ("ONE ", "f f= m= f M=", "kkkkk"),
    // A clock that was set back, and times that are all one: order goes by the list.
    ("", "f@90 f@80 f@70 f@60 f@50 f@40 f@30", "..kkkkk"),
    ("", "f@0 f@900 f@1 f@2 f@3 f@4 f@5", "..kkkkk"),
    ("", "f@5 f@5 f@5 f@5 f@5 f@5 f@5", "..kkkkk"),
    // By age, from the newest marker on.
    ("ONE tiers.frequent = {every_nodes = 1, keep_within = '3h'}", "f f f f f", ".kkkk"),
    ("ONE tiers.frequent = {every_nodes = 1, keep_within = '1h'}", "f f f f f", "...kk"),
    ("ONE tiers.frequent = {every_nodes = 1, keep_within = '1s'}", "f f f f f", "....k"),
    ("ONE tiers.frequent = {every_nodes = 1, keep_within = '1000 years'}", "f f f f f", "kkkkk"),
    // By age or number, whichever keeps more.
    ("ONE tiers.frequent = {every_nodes = 1, keep = 2, keep_within = '3h'}", "f f f f f", ".kkkk"),
    ("ONE tiers.frequent = {every_nodes = 1, keep = 4, keep_within = '1h'}", "f f f f f", ".kkkk"),
    // An age counts where a number would not, with a clock set back.
    ("ONE tiers.frequent = {every_nodes = 1, keep_within = '2h'}", "f@10 f@9 f@1 f@2 f@3", "kk..k"),
    // Zero and missing rules keep everything.
    ("tiers.frequent = {every_nodes = 1, keep = 0}", "f f f f f f f f", "kkkkkkkk"),
    ("tiers.frequent = {every_nodes = 1, keep = 'all'}", "f f f f f f f f", "kkkkkkkk"),
    ("tiers.frequent = {every_nodes = 1}", "f f f f f f f f", "kkkkkkkk"),
    ("tiers.frequent = {every_nodes = 1, keep_within = '0s'}", "f f f f f f f f", "kkkkkkkk"),
    ("tiers.frequent = {every_nodes = 1, keep = 2, keep_within = '0s'}", "f f f f f f f f", "kkkkkkkk"),
    ("tiers.frequent = {every_nodes = 1, keep = 0, keep_within = '1h'}", "f f f f f f f f", "kkkkkkkk"),
    ("[tiers]", "f m M d x - f m M d x -", "kkkkkkkkkkkk"),
    // Not tiered: one rule for all.
    ("retention.tiered = false", "f m M d x - f m M d x -", "..kkkkkkkkkk"),
    ("retention = {tiered = false, keep = 4}", "M M M M M M", "..kkkk"),
    ("retention = {tiered = false, keep = 2}", "M M M M M M", "...kkk"),
    ("retention = {tiered = false, keep = 4}", "M! M M M~ M M M", "k.k.kkk"),
    ("retention = {tiered = false, keep = 4}", "M# M - x M M M", "k..kkkk"),
    ("retention = {tiered = false, keep = 0}", "M f M M M M", "kkkkkk"),
    ("retention = {tiered = false, keep = 'all'}", "M f M M M M", "kkkkkk"),
    // The time tier's day does not matter for the number; only the order does.
    ("tiers.daily = {every = 'day', keep = 3}", "d@0 d@24 d@48 d@72 d@96", "..kkk"),
    ("tiers.daily = {every = 'day', keep = 3}", "d@0 d@1 d@2 d@3 d@4", "..kkk"),
    ("tiers.daily = {every = 'day', keep = 4}", "d@0 f@1 f@2 d@24 f@25 d@48 d@72 d@96", ".kkkkkkk"),
    (
        "tiers.daily = {every = 'day', keep = 2}\ntiers.weekly = {every = 'week', keep = 2}",
        "dw@0 d@24 d@48 dw@168 d@192 dw@336 d@360 d@384",
        "...k.kkk",
    ),
    ("ONE tiers.daily = {every = 'day', keep_within = '2 days'}", "d@0 d@24 d@48 d@72", ".kkk"),
];

#[test]
fn each_rule_keeps_what_it_says() {
    assert!(CASES.len() >= 60, "{}", CASES.len());
    for (rules, line, expected) in CASES {
        let config = Config::parse(&rules.replace("ONE", "retention.keep_newest = 1\n")).expect(rules);
        let markers = markers(line);
        let verdicts = judge(&markers, &config, newest_time(&markers));
        assert_eq!(kept(&verdicts), *expected, "{rules:?}: {line}");
        for (marker, verdict) in markers.iter().zip(&verdicts) {
            assert_eq!(marker.id, verdict.id);
            assert!(!verdict.reasons.is_empty());
            assert!(verdict.reasons.iter().all(|reason| reason.keeps() == verdict.keep), "{verdict:?}");
        }
    }
}

#[test]
fn every_reason_has_its_words() {
    // Rules, markers, which one is asked, what is said.
    let berlin = "time_zone = 'Europe/Berlin'\n";
    let cases: &[(&str, &str, usize, &[&str])] = &[
        ("", "f f f f f f f", 0, &["frequent keeps 5, this is number 7"]),
        ("", "f f f f f f f", 2, &["frequent 5 of 5"]),
        ("", "f f f f f f f", 6, &["newest 1 of 3", "frequent 1 of 5"]),
        ("", "m f f f f", 0, &["moderate 1 of 10"]),
        ("", "M f f f f", 0, &["milestone keeps all"]),
        ("", "fM f f f f f f", 0, &["milestone keeps all"]),
        ("", "fm f f f", 0, &["frequent 4 of 5", "moderate 1 of 10"]),
        ("", "f! f f f f f", 0, &["pinned"]),
        ("", "f!~ f", 0, &["pinned"]),
        ("", "f~ f", 0, &["expired"]),
        ("", "- f f f", 0, &["placed by hand"]),
        ("", "f# f f f f f", 0, &["placed by hand"]),
        ("", "-# f f f f f", 0, &["placed by hand"]),
        ("", "x f f f", 0, &["tier x is not configured"]),
        ("", "xy f f f", 0, &["tier x is not configured", "tier y is not configured"]),
        ("", "d f f f", 0, &["daily 2026-01-05"]),
        ("", "f@0 d@11 f@13 f@14 f@15", 1, &["daily 2026-01-05"]),
        (berlin, "f@0 d@10 f@13 f@14 f@15", 1, &["daily 2026-01-05"]),
        (berlin, "f@0 d@11 f@13 f@14 f@15", 1, &["daily 2026-01-06"]),
        ("tiers.weekly = {every = 'week', keep = 1}", "w f f f", 0, &["weekly week of 2026-01-05"]),
        ("tiers.weekly = {every = 'month', keep = 1}", "w f f f", 0, &["weekly 2026-01"]),
        ("tiers.weekly = {every = 'hour', keep = 1}", "w f f f", 0, &["weekly 2026-01-05 12:00"]),
        ("tiers.m = {every_nodes = 1}", "m f f f", 0, &["tier moderate is not configured"]),
        (
            "tiers.frequent = {every_nodes = 1, keep_within = '30 days'}",
            "f f f f",
            0,
            &["frequent within 30 days"],
        ),
        (
            "tiers.frequent = {every_nodes = 1, keep = 5, keep_within = '1 day'}",
            "f f f f",
            0,
            &["frequent 4 of 5", "frequent within 1 day"],
        ),
        (
            "tiers.frequent = {every_nodes = 1, keep_within = '2h'}",
            "f f f f",
            0,
            &["frequent keeps 2 hours, this is older"],
        ),
        (
            "tiers.frequent = {every_nodes = 1, keep = 2, keep_within = '1h 30min'}",
            "f f f f",
            0,
            &["frequent keeps 2 and 90 minutes, this is number 4 and older"],
        ),
        ("retention = {tiered = false, keep = 5}", "f f f f", 0, &["flat 4 of 5"]),
        ("retention = {tiered = false, keep = 3}", "f f f f", 0, &["flat keeps 3, this is number 4"]),
        ("retention = {tiered = false, keep = 0}", "f f f f", 0, &["flat keeps all"]),
        (
            "tiers.frequent = {every_nodes = 1, keep = 1}\ntiers.moderate = {every_nodes = 2, keep = 1}",
            "fm f m f",
            0,
            &["frequent keeps 1, this is number 3", "moderate keeps 1, this is number 2"],
        ),
    ];
    for (rules, line, asked, expected) in cases {
        let config = Config::parse(rules).expect(rules);
        let markers = markers(line);
        let verdicts = judge(&markers, &config, newest_time(&markers));
        assert_eq!(reasons(&verdicts[*asked]), *expected, "{rules:?}: {line}");
    }
}

#[test]
fn flat_retention_too_may_go_by_age() {
    let mut config = Config::parse("retention = {tiered = false, keep_newest = 1}").unwrap();
    config.retention.flat = Keep { newest: None, within: Some(Duration::from_hours(2)) };
    let markers = markers("f f f f");
    let verdicts = judge(&markers, &config, newest_time(&markers));
    assert_eq!(kept(&verdicts), ".kkk");
    assert_eq!(reasons(&verdicts[0]), ["flat keeps 2 hours, this is older"]);
    assert_eq!(reasons(&verdicts[1]), ["within 2 hours"]);
}

#[test]
fn keep_newest_of_zero_keeps_one() {
    let mut config = Config::parse("tiers.frequent = {every_nodes = 1, keep = 1}").unwrap();
    config.retention.keep_newest = 0;
    let markers = markers("f f -~");
    let verdicts = judge(&markers, &config, newest_time(&markers));
    assert_eq!(kept(&verdicts), ".k.");
    assert_eq!(reasons(&verdicts[1]), ["newest 1 of 1", "frequent 1 of 1"]);
}

#[test]
fn a_day_is_named_by_the_local_calendar_when_clocks_change() {
    for (zone, time, day) in [
        ("UTC", "2026-03-29T00:30:00Z", "daily 2026-03-29"),
        // The day on which clocks go forward, its first and last hour.
        ("Europe/Berlin", "2026-03-28T22:59:59Z", "daily 2026-03-28"),
        ("Europe/Berlin", "2026-03-28T23:00:00Z", "daily 2026-03-29"),
        ("Europe/Berlin", "2026-03-29T21:59:59Z", "daily 2026-03-29"),
        ("Europe/Berlin", "2026-03-29T22:00:00Z", "daily 2026-03-30"),
        // The day on which they go back: an hour that comes twice is of one day.
        ("Europe/Berlin", "2026-10-25T00:30:00Z", "daily 2026-10-25"),
        ("Europe/Berlin", "2026-10-25T01:30:00Z", "daily 2026-10-25"),
        ("Europe/Berlin", "2026-10-25T23:00:00Z", "daily 2026-10-26"),
        ("America/Havana", "2025-11-02T04:30:00Z", "daily 2025-11-02"),
        ("America/Havana", "2025-11-02T05:30:00Z", "daily 2025-11-02"),
        // Samoa had no 30 December.
        ("Pacific/Apia", "2011-12-30T10:00:00Z", "daily 2011-12-31"),
    ] {
        let config = Config { time_zone: Zone::parse(zone).unwrap(), ..Config::default() };
        let verdicts = judge(&[marker(1, at(time), &["daily"])], &config, at(time));
        assert_eq!(verdicts[0].reasons[1].to_string(), day, "{zone} {time}");
    }
}

#[test]
fn times_at_the_ends_of_the_range_overflow_nothing() {
    let rules = "retention.keep_newest = 1\ntiers.d = {every = 'day', keep = 1, keep_within = '1000 years'}";
    let config = Config::parse(rules).unwrap();
    let ends = [i64::MIN, i64::MIN + 1, 0, i64::MAX - 1, i64::MAX].map(Timestamp);
    let markers: Vec<Marker> = (1..).zip(ends).map(|(id, time)| marker(id, time, &["d"])).collect();
    for now in ends {
        let verdicts = judge(&markers, &config, now);
        assert!(verdicts[4].keep);
        assert_eq!(verdicts[0].keep, now.0 <= i64::MIN + 1, "{now:?}");
        thinning(&markers, &verdicts, Zone::UTC, now);
    }
    let past_the_calendar = &judge(&markers, &config, Timestamp(i64::MAX))[4].reasons[1];
    assert_eq!(past_the_calendar.to_string(), "d 1 of 1");
    let mut config = config;
    config.tiers[0].keep.within = Some(Duration::MAX);
    assert_eq!(kept(&judge(&markers[1..], &config, Timestamp(0))), "kkkk");
}

fn some_config() -> impl Strategy<Value = Config> {
    let keep = (proptest::option::of(0..6_u64), proptest::option::of(0..40_u64));
    let keep = keep.prop_map(|(newest, within)| Keep { newest, within: within.map(Duration::from_hours) });
    let zones = proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/Havana"]);
    (proptest::collection::vec(keep.clone(), 4), keep, any::<bool>(), 0..6_u64, zones, 0..=4_usize).prop_map(
        |(keeps, flat, tiered, keep_newest, zone, tiers)| {
            let mut config = Config::default();
            for (tier, keep) in config.tiers.iter_mut().zip(keeps) {
                tier.keep = keep;
            }
            config.tiers.truncate(tiers);
            config.retention.flat = flat;
            config.retention.tiered = tiered;
            config.retention.keep_newest = keep_newest;
            config.time_zone = Zone::parse(zone).unwrap();
            config
        },
    )
}

#[derive(Debug, Clone)]
enum Deed {
    Mark { tiers: Vec<usize>, hours: i64, label: bool },
    Pin(usize),
    Unpin(usize),
    Prune,
}

fn some_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        10 => (proptest::collection::vec(0..6_usize, 0..3), -5..30_i64, proptest::bool::weighted(0.1))
            .prop_map(|(tiers, hours, label)| Deed::Mark { tiers, hours, label }),
        1 => any::<usize>().prop_map(Deed::Pin),
        1 => any::<usize>().prop_map(Deed::Unpin),
        2 => Just(Deed::Prune),
    ]
}

/// What the rules say, written down once more, without reasons and one marker at a time.
fn must_stay(markers: &[Marker], config: &Config, now: Timestamp, which: usize) -> bool {
    let marker = &markers[which];
    if marker.pinned || marker.expired.is_some() {
        return marker.pinned;
    }
    let newer = |of: &dyn Fn(&Marker) -> bool| {
        u64::try_from(markers[which + 1..].iter().filter(|m| m.expired.is_none() && of(m)).count()).unwrap()
    };
    let keeps = |keep: Keep, newer: u64| {
        let age = Duration::from_micros(u64::try_from((now.0 - marker.time.0).max(0)).unwrap());
        keep.is_all()
            || keep.newest.is_some_and(|n| newer < n)
            || keep.within.is_some_and(|within| age <= within)
    };
    let retention = &config.retention;
    if marker.label.is_some() || newer(&|_| true) < retention.keep_newest.max(1) {
        return true;
    }
    if !retention.tiered {
        return keeps(retention.flat, newer(&|_| true));
    }
    marker.tiers.is_empty()
        || marker.tiers.iter().any(|name| {
            config.tier(name).is_none_or(|tier| keeps(tier.keep, newer(&|m| m.tiers.contains(name))))
        })
}

proptest! {
    #[test]
    fn nothing_that_is_to_be_kept_is_ever_dropped(
        config in some_config(),
        deeds in proptest::collection::vec(some_deed(), 0..80),
    ) {
        let names = ["frequent", "moderate", "milestone", "daily", "gone", "older"];
        let mut markers: Vec<Marker> = Vec::new();
        let mut time = Timestamp(NOON);
        for deed in deeds {
            let count = markers.len();
            match deed {
                Deed::Mark { tiers, hours, label } => {
                    time = time.plus_micros(hours * HOUR);
                    let tiers: Vec<&str> = tiers.iter().map(|tier| names[*tier]).collect();
                    let mut one = marker(u64::try_from(count).unwrap() + 1, time, &tiers);
                    one.label = label.then(|| format!("label {count}"));
                    markers.push(one);
                }
                Deed::Pin(which) if count > 0 => markers[which % count].pinned = true,
                Deed::Unpin(which) if count > 0 => markers[which % count].pinned = false,
                Deed::Pin(_) | Deed::Unpin(_) => {}
                Deed::Prune => prune(&mut markers, &config)?,
            }
        }
        prune(&mut markers, &config)?;
    }

    #[test]
    fn rules_that_keep_all_keep_all(
        config in some_config(),
        zero in any::<bool>(),
        tiers in proptest::collection::vec(proptest::collection::vec(0..6_usize, 0..3), 0..40),
    ) {
        let mut config = config;
        let all = if zero { Keep::newest(0) } else { Keep::ALL };
        config.retention.flat = all;
        config.tiers.iter_mut().for_each(|tier| tier.keep = all);
        let names = ["frequent", "moderate", "milestone", "daily", "gone", "older"];
        let markers: Vec<Marker> = (1..).zip(&tiers).map(|(id, tiers)| {
            let tiers: Vec<&str> = tiers.iter().map(|tier| names[*tier]).collect();
            marker(id, Timestamp(NOON), &tiers)
        }).collect();
        let verdicts = judge(&markers, &config, Timestamp(i64::MAX));
        prop_assert!(verdicts.iter().all(|verdict| verdict.keep));
        prop_assert!(thinning(&markers, &verdicts, Zone::UTC, Timestamp(NOON)).is_empty());
    }
}

/// Carries verdicts out, and checks what must hold.
fn prune(markers: &mut [Marker], config: &Config) -> Result<(), TestCaseError> {
    let now = newest_time(markers);
    let verdicts = judge(markers, config, now);
    let stay: Vec<bool> = (0..markers.len()).map(|which| must_stay(markers, config, now, which)).collect();
    let lost = thinning(markers, &verdicts, config.time_zone, now);
    let dropped: u64 = lost.iter().map(|stretch| stretch.count_before - stretch.count_after).sum();
    let live: Vec<usize> = (0..markers.len()).filter(|which| markers[*which].expired.is_none()).collect();
    prop_assert_eq!(
        dropped,
        u64::try_from(live.iter().filter(|which| !verdicts[**which].keep).count()).unwrap()
    );
    for (which, verdict) in verdicts.iter().enumerate() {
        prop_assert_eq!(verdict.keep, stay[which], "{:?} {:?}", &markers[which], verdict);
    }
    let newest = usize::try_from(config.retention.keep_newest.max(1)).unwrap();
    prop_assert!(live.iter().rev().take(newest).all(|which| verdicts[*which].keep));
    for (marker, verdict) in markers.iter_mut().zip(&verdicts) {
        prop_assert!(!marker.pinned || verdict.keep);
        if !verdict.keep && marker.expired.is_none() {
            marker.expired = Some(now);
        }
    }
    // A second prune right after changes nothing.
    let again = judge(markers, config, now);
    prop_assert_eq!(kept(&again), kept(&verdicts));
    prop_assert!(thinning(markers, &again, config.time_zone, now).is_empty());
    Ok(())
}
