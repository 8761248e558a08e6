//! `snaplog.toml`, read: what each text gives, and where each error points.

use std::time::Duration;

use super::calendar::{Period, Zone};
use super::config::{
    Compression, Config, ConfigError, ConfigFault, Durability, Every, Keep, KeepEvents, Retention, Tier,
};
use super::config_section::{COMPRESSION, DRILL, DURABILITY, REMOTE, RETENTION, SEGMENT, TIER, TOP};
use super::drill::{Choice, Drills};
use super::remote::Remotes;
use crate::model::limits::{MAX_TIER_NAME_BYTES, MAX_TIERS};

fn error(text: &str) -> ConfigError {
    Config::parse(text).expect_err(text)
}

#[test]
fn every_key_is_read() {
    let config = Config::parse(
        r#"
        durability = "marker"
        time_zone = "Europe/Berlin"
        [tiers.often]
        every_nodes = 1_000
        keep = 7
        keep_within = "30 days"
        [tiers.hourly]
        every = "hour"
        [retention]
        tiered = false
        keep = 4
        keep_newest = 1
        keep_events = "none"
        grace = "0s"
        [compression]
        enabled = false
        age = "12h"
        level = 22
        [segment]
        size = "1 MiB"
        [remote]
        urls = ['s3://crawls/freesound/', 'file:///backup']
        follow = '2s'
        limit = '2 MB/s'
        [remote.retention]
        grace = '3d'
        [drill]
        every = "12h"
        markers = "tier:often"
        max_duration = "5 min"
        "#,
    )
    .unwrap();
    let month = Duration::from_hours(720);
    let often = Tier {
        name: "often".to_owned(),
        every: Every::Nodes(1000),
        keep: Keep { newest: Some(7), within: Some(month) },
    };
    let hourly = Tier { name: "hourly".to_owned(), every: Every::Period(Period::Hour), keep: Keep::ALL };
    let expected = Config {
        tiers: vec![often, hourly],
        retention: Retention {
            tiered: false,
            flat: Keep::newest(4),
            keep_newest: 1,
            keep_events: KeepEvents::None,
            grace: Duration::ZERO,
        },
        compression: Compression { enabled: false, age: Duration::from_hours(12), level: 22 },
        durability: Durability::Marker,
        drill: Drills {
            every: Some(Duration::from_hours(12)),
            markers: Choice::Tier("often".to_owned()),
            max_duration: Duration::from_mins(5),
        },
        remote: Remotes {
            urls: vec!["s3://crawls/freesound".to_owned(), "file:///backup".to_owned()],
            follow: Some(Duration::from_secs(2)),
            limit: Some(2_000_000),
            grace: Some(Duration::from_hours(72)),
        },
        time_zone: Zone::parse("Europe/Berlin").unwrap(),
        segment_bytes: 1 << 20,
    };
    assert_eq!(config, expected);
}

#[test]
fn the_template_shows_every_key() {
    let template = Config::template();
    for key in [TIER, RETENTION, COMPRESSION, SEGMENT, DRILL, REMOTE, DURABILITY, TOP].concat() {
        assert!(template.contains(key), "{key}");
    }
    for (number, line) in template.lines().enumerate() {
        assert!(line.chars().count() <= 90, "line {} is too long for a terminal", number + 1);
    }
}

#[test]
fn tiers_in_the_file_replace_the_default_ones() {
    let names = |text: &str| {
        Config::parse(text).unwrap().tiers.into_iter().map(|tier| tier.name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(""), "frequent moderate milestone daily");
    assert_eq!(names("[tiers]\n"), "");
    assert_eq!(names("tiers = {}\n"), "");
    assert_eq!(names("[tiers.b]\nevery = 'day'\n[retention]\n[tiers.a]\nevery = 'week'\n"), "b a");
    assert_eq!(names("tiers.b.every = 'day'\ntiers.a = { every_nodes = 3 }\n"), "b a");
}

#[test]
fn zero_and_all_keep_everything() {
    for (keep, expected) in [
        ("", Keep::ALL),
        ("keep = 'all'", Keep::ALL),
        ("keep = 0", Keep::ALL),
        ("keep_within = '0s'", Keep::ALL),
        ("keep = 5\nkeep_within = '0s'", Keep::ALL),
        ("keep = 'all'\nkeep_within = '1h'", Keep::ALL),
        ("keep = 0\nkeep_within = '1h'", Keep::ALL),
        ("keep = 5", Keep::newest(5)),
        ("keep_within = '1h'", Keep { newest: None, within: Some(Duration::from_hours(1)) }),
    ] {
        let config = Config::parse(&format!("[tiers.a]\nevery_nodes = 1\n{keep}")).unwrap();
        assert_eq!(config.tiers[0].keep, expected, "{keep}");
    }
    assert_eq!(Config::parse("retention.keep = 0").unwrap().retention.flat, Keep::ALL);
    assert_eq!(Config::parse("retention.keep_events = '0s'").unwrap().retention.keep_events, KeepEvents::All);
}

#[test]
fn durability_is_a_word_or_a_table() {
    let grouped = |events, millis| Durability::Grouped { events, interval: Duration::from_millis(millis) };
    for (text, expected) in [
        ("durability = 'each'", Durability::Each),
        ("durability = 'marker'", Durability::Marker),
        ("durability = { events = 1, interval = '1 ms' }", grouped(1, 1)),
        ("[durability]\nevents = 0x10\ninterval = '1 hour'", grouped(16, 3_600_000)),
    ] {
        assert_eq!(Config::parse(text).unwrap().durability, expected, "{text}");
    }
}

#[test]
fn sizes_are_bytes_or_text() {
    for (size, bytes) in
        [("65536", 65_536), ("'64 KiB'", 65_536), ("'1 GiB'", 1 << 30), ("'1 MB'", 1_000_000)]
    {
        assert_eq!(Config::parse(&format!("segment.size = {size}")).unwrap().segment_bytes, bytes);
    }
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_the_nearest_known_one() {
    for (text, line, column, key, nearest) in [
        ("time_zon = 'UTC'", 1, 1, "time_zon", Some("time_zone")),
        ("\n\n  durabilty = 'each'", 3, 3, "durabilty", Some("durability")),
        ("[retention]\nkeep_newst = 3", 2, 1, "retention.keep_newst", Some("keep_newest")),
        ("[retension]\nkeep_newest = 3", 1, 2, "retension", Some("retention")),
        ("[tiers.daily]\nevery = 'day'\nkeeep = 3", 3, 1, "tiers.daily.keeep", Some("keep")),
        ("[compression]\nLevel = 3", 2, 1, "compression.Level", Some("level")),
        ("[segment]\nsise = 3", 2, 1, "segment.sise", Some("size")),
        ("durability = { event = 3 }", 1, 16, "durability.event", Some("events")),
        ("colour = 'blue'", 1, 1, "colour", None),
        // The first in the file, not the first of the alphabet.
        ("zzz = 1\naaa = 2", 1, 1, "zzz", None),
        ("compression.'ä' = 1", 1, 13, "compression.ä", None),
    ] {
        let error = error(text);
        assert_eq!((error.line, error.column, error.key.as_str()), (line, column, key), "{text}: {error}");
        let ConfigFault::UnknownKey { nearest: found, known, .. } = *error.fault else {
            panic!("{text}: {}", error.fault);
        };
        assert_eq!(found, nearest, "{text}");
        let hint = error.hint.unwrap();
        assert!(known.iter().all(|key| hint.contains(key)), "{hint}");
        assert!(nearest.is_none_or(|near| hint.contains(&format!("did you mean {near}?"))), "{hint}");
    }
}

#[test]
fn a_key_in_the_wrong_section_is_told_its_place() {
    for (text, start) in [
        ("[tiers.daily]\nevery = 'day'\nkeep_newest = 3", "keep_newest belongs in [retention]. "),
        (
            "[segment]\ntime_zone = 'UTC'",
            "time_zone belongs at the top of the file, before the first [section]. ",
        ),
        ("every_nodes = 3", "every_nodes belongs in a [tiers.NAME] section. "),
    ] {
        let hint = error(text).hint.unwrap();
        assert!(hint.starts_with(start), "{hint}");
    }
}

#[test]
fn a_bad_value_is_told_with_its_place_and_what_was_expected() {
    let zone = "\"UTC\" or a name from IANA's list, as \"Europe/Berlin\"";
    let tier = "a section with the keys every, every_nodes, keep, keep_within";
    let retention = "a section with the keys grace, keep, keep_events, keep_newest, tiered";
    let positive = "a whole number, at least 1";
    let level = "a whole number from 1 to 22";
    let period = "\"hour\", \"day\", \"week\" or \"month\"";
    let count = "a number of markers, or \"all\"";
    let duration = "a duration such as \"7 days\" or \"12h\", at most 1000 years";
    let keep_events = "a duration such as \"7 days\", \"all\" or \"none\"";
    let size = "a size from \"64 KiB\" to \"1 GiB\"";
    let word = "\"each\", \"marker\" or { events = 1000, interval = \"1s\" }";
    for (key, value, found, expected) in [
        ("time_zone", "3", "3", zone),
        ("time_zone", "'Berlin'", "\"Berlin\"", zone),
        ("tiers", "3", "3", "sections [tiers.NAME]"),
        ("tiers.a", "3", "3", tier),
        ("tiers.a", "[{ every = 'day' }]", "a list", tier),
        ("tiers.a.every_nodes", "0", "0", positive),
        ("tiers.a.every_nodes", "-5", "-5", positive),
        ("tiers.a.every_nodes", "2.5", "2.5", positive),
        ("tiers.a.every_nodes", "'25'", "\"25\"", positive),
        ("tiers.a.every_nodes", "{}", "a table", positive),
        ("tiers.a.every_nodes", "99999999999999999999", "99999999999999999999", positive),
        ("tiers.a.every", "'dayly'", "\"dayly\"", period),
        ("retention.keep", "-1", "-1", count),
        ("retention.keep", "'30 days'", "\"30 days\"", count),
        ("retention.keep", "true", "true", count),
        ("retention", "true", "true", retention),
        ("retention.tiered", "1", "1", "true or false"),
        ("retention.keep_newest", "0", "0", positive),
        ("retention.keep_events", "7", "7", keep_events),
        ("retention.grace", "'2000 years'", "\"2000 years\"", duration),
        ("retention.grace", "2026-01-01", "2026-01-01", duration),
        ("compression.enabled", "'yes'", "\"yes\"", "true or false"),
        ("compression.age", "[]", "a list", duration),
        ("compression.level", "0", "0", level),
        ("compression.level", "23", "23", level),
        ("segment.size", "'63 KiB'", "\"63 KiB\"", size),
        ("segment.size", "'2 GiB'", "\"2 GiB\"", size),
        ("segment.size", "'64'", "\"64\"", size),
        ("durability", "'always'", "\"always\"", word),
    ] {
        let text = format!("\n{key} = {value}");
        let column = key.len() + " = ".len() + 1;
        let message = format!("line 2, column {column}: {key} is {found}, but must be {expected}");
        let error = error(&text);
        assert_eq!(error.to_string(), message, "{text}");
        assert_eq!(error.key, key, "{text}");
    }
}

#[test]
fn a_bad_value_in_a_table_is_told_with_its_own_place() {
    let interval = "a duration from \"1 ms\" to \"1 hour\"";
    let both = "a table with both events and interval, as { events = 1000, interval = \"1s\" }";
    for (text, column, key, expected) in [
        ("durability = { events = 3 }", 14, "durability", both),
        (
            "durability = { events = 0, interval = '1s' }",
            25,
            "durability.events",
            "a whole number, at least 1",
        ),
        ("durability = { events = 1, interval = '2h' }", 39, "durability.interval", interval),
        ("durability = { events = 1, interval = '0s' }", 39, "durability.interval", interval),
        ("tiers.a = { every = 'day', keep = -1 }", 35, "tiers.a.keep", "a number of markers, or \"all\""),
        (
            "remote = { urls = 's3://a' }",
            19,
            "remote.urls",
            "a list of addresses such as [\"s3://bucket/prefix\"]",
        ),
        ("remote = { urls = ['s3://a', 'b'] }", 30, "remote.urls", "the address of a remote copy"),
    ] {
        let error = error(text);
        assert_eq!((error.line, error.column, error.key.as_str()), (1, column, key), "{text}");
        assert!(error.to_string().ends_with(&format!("but must be {expected}")), "{text}: {error}");
    }
}

#[test]
fn a_tier_needs_a_good_name_and_one_interval() {
    let allowed = "64 or fewer of a-z, A-Z, 0-9, '-' and '_'";
    for (text, line, column, message) in [
        ("[tiers.a]\nkeep = 3", 1, 8, "tiers.a says nothing about when it is due".to_owned()),
        (
            "[tiers.a]\nevery_nodes = 3\nevery = 'day'",
            3,
            1,
            "tiers.a has both every and every_nodes, and a tier follows one of them".to_owned(),
        ),
        ("[tiers.'a b']\nevery = 'day'", 1, 8, format!("\"a b\" is not a tier's name: {allowed}")),
        ("[tiers.'']\nevery = 'day'", 1, 8, format!("\"\" is not a tier's name: {allowed}")),
        ("[tiers.'täg']\nevery = 'day'", 1, 8, format!("\"täg\" is not a tier's name: {allowed}")),
    ] {
        assert_eq!(error(text).to_string(), format!("line {line}, column {column}: {message}"), "{text}");
    }
}

#[test]
fn likely_slips_come_with_a_hint() {
    for (text, hint) in [
        ("time_zone = 'Berlin'", "did you mean \"Europe/Berlin\"?"),
        ("tiers.a = { every = 'day', keep = '30 days' }", "to keep by age, the key is keep_within"),
        ("tiers.a.every = 25", "for every so many nodes, the key is every_nodes"),
        ("retention.grace = 1", "write the unit, and the whole in quotes"),
        ("[tiers.a]\nkeep = 3", "add every_nodes = 25, or every = \"day\""),
        ("[tiers.a]\nevery_nodes = 3\nevery = 'day'", "make two tiers of it"),
    ] {
        assert_eq!(error(text).hint.as_deref(), Some(hint), "{text}");
    }
}

#[test]
fn a_text_that_is_not_toml_is_an_error_with_its_place() {
    for (text, line, column) in [
        ("time_zone = ", 1, 13),
        ("[retention\nkeep = 1", 1, 11),
        ("[retention]\nkeep = 1\nkeep = 2", 3, 1),
        ("\ntime_zone = 'UTC", 2, 17),
    ] {
        let error = error(text);
        assert!(matches!(*error.fault, ConfigFault::Syntax { .. }), "{text}: {error}");
        assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
    }
}

#[test]
fn nesting_without_end_is_an_error_like_any_other() {
    for open in ["[", "{a=", "{ a = [ "] {
        let error = error(&format!("time_zone = {}", open.repeat(100_000)));
        assert!(matches!(*error.fault, ConfigFault::Syntax { .. }), "{error}");
    }
}

#[test]
fn tiers_are_bounded_in_number_and_name() {
    let tier = |i: usize| format!("[tiers.t{i}]\nevery_nodes = 1\n");
    let tiers = |count: usize| (0..count).map(tier).collect::<Vec<_>>().concat();
    assert_eq!(Config::parse(&tiers(MAX_TIERS)).unwrap().tiers.len(), MAX_TIERS);
    let too_many = error(&tiers(MAX_TIERS + 1));
    assert_eq!(*too_many.fault, ConfigFault::TooManyTiers { found: MAX_TIERS + 1 });
    let named = |len: usize| format!("[tiers.{}]\nevery = 'day'", "x".repeat(len));
    assert!(Config::parse(&named(MAX_TIER_NAME_BYTES)).is_ok());
    assert!(matches!(*error(&named(MAX_TIER_NAME_BYTES + 1)).fault, ConfigFault::TierName { .. }));
}

#[test]
fn a_file_from_another_system_is_read() {
    let text = format!("\u{feff}{}", Config::template().replace('\n', "\r\n"));
    assert_eq!(Config::parse(&text).unwrap(), Config::default());
    let error = error("\u{feff}time_zone = 'UTC'\r\n[segment]\r\nsise = 1\r\n");
    assert_eq!((error.line, error.column), (3, 1));
}

#[test]
fn any_text_gives_a_configuration_or_an_error() {
    use proptest::prelude::*;
    proptest!(|(text in "(\\[?[a-z_.]{1,12}\\]? ?= ?['0-9a-z{}\\[\\] ,=]{0,20}\n){0,4}|\\PC{0,40}")| {
        if let Err(error) = Config::parse(&text) {
            prop_assert!(error.line >= 1 && error.column >= 1);
            prop_assert!(error.line <= text.matches('\n').count() + 1);
        }
    });
}
