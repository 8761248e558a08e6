//! Reading `snaplog.toml`: what each section means.

use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::calendar::{Period, Zone};
use super::config::{
    Compression, Config, Durability, Every, Keep, KeepEvents, MAX_SEGMENT_BYTES, MAX_SYNC_INTERVAL,
    MIN_SEGMENT_BYTES, Retention, Tier,
};
use super::config_error::{ConfigError, ConfigFault};
use super::config_section::{
    COMPRESSION, DRILL, DURABILITY, Entry, REMOTE, REMOTE_RETENTION, RETENTION, SEGMENT, Section, TIER, TOP,
    fault_at,
};
use super::drill::Drills;
use super::remote::{Address, Remotes};
use super::units::{MAX_DURATION, parse_duration, parse_size};
use crate::model::limits::{MAX_TIER_NAME_BYTES, MAX_TIERS};

/// The shortest time between two drills.
const MIN_EVERY: Duration = Duration::from_mins(1);

/// The least that may be sent to a remote copy, in bytes a second.
const MIN_LIMIT: u64 = 1 << 10;
/// How closely a remote copy can follow.
const MIN_FOLLOW: Duration = Duration::from_millis(100);
const MAX_FOLLOW: Duration = Duration::from_hours(24);

/// Reads a whole file.
pub(super) fn parse(text: &str) -> Result<Config, ConfigError> {
    let root = DeTable::parse(text).map_err(|error| {
        let message = error.message().trim().replace('\n', ", ");
        let span = error.span().unwrap_or_default();
        fault_at(text, &span, String::new(), ConfigFault::Syntax { message }, None)
    })?;
    let top = Section::open(text, String::new(), root.get_ref(), TOP)?;
    let default = Config::default();
    Ok(Config {
        tiers: top.get("tiers").map_or(Ok(default.tiers), |entry| tiers(&entry))?,
        retention: top.get("retention").map_or(Ok(default.retention), |entry| retention(&entry))?,
        compression: top.get("compression").map_or(Ok(default.compression), |entry| compression(&entry))?,
        durability: top.get("durability").map_or(Ok(default.durability), |entry| durability(&entry))?,
        drill: top.get("drill").map_or(Ok(default.drill), |entry| drills(&entry))?,
        remote: top.get("remote").map_or(Ok(default.remote), |entry| remotes(&entry))?,
        time_zone: top.get("time_zone").map_or(Ok(default.time_zone), |entry| time_zone(&entry))?,
        segment_bytes: top.get("segment").map_or(Ok(default.segment_bytes), |entry| segment(&entry))?,
    })
}

fn tiers(entry: &Entry<'_>) -> Result<Vec<Tier>, ConfigError> {
    let DeValue::Table(table) = entry.value else {
        return Err(entry.bad("sections [tiers.NAME]"));
    };
    // In the order of the file, which is the user's; the table itself is sorted by name.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    let tiers =
        entries.iter().map(|(name, value)| tier(&entry.inner(name, value))).collect::<Result<Vec<_>, _>>()?;
    if tiers.len() > MAX_TIERS {
        return Err(entry.fault(ConfigFault::TooManyTiers { found: tiers.len() }, None));
    }
    Ok(tiers)
}

fn tier(entry: &Entry<'_>) -> Result<Tier, ConfigError> {
    let name = entry.name;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > MAX_TIER_NAME_BYTES || !name.chars().all(allowed) {
        return Err(entry.fault(ConfigFault::TierName { name: name.to_owned() }, None));
    }
    let section = entry.section(TIER)?;
    let every = match (section.get("every_nodes"), section.get("every")) {
        (Some(nodes), None) => Every::Nodes(nodes.integer(1..=u64::MAX)?),
        (None, Some(period)) => Every::Period(period_of(&period)?),
        (Some(_), Some(second)) => {
            let hint = Some("make two tiers of it".to_owned());
            return Err(second.fault(ConfigFault::TwoIntervals { key: entry.key.clone() }, hint));
        }
        (None, None) => {
            let hint = Some("add every_nodes = 25, or every = \"day\"".to_owned());
            return Err(entry.fault(ConfigFault::NoInterval { key: entry.key.clone() }, hint));
        }
    };
    let newest = section.get("keep").map(|keep| keep_count(&keep)).transpose()?;
    let within =
        section.get("keep_within").map(|keep| keep.duration(Duration::ZERO..=MAX_DURATION)).transpose()?;
    let keep = Keep { newest: newest.flatten(), within };
    // "all" beside a duration keeps all, since a marker is kept if either keeps it.
    let keep = if newest == Some(None) || keep.is_all() { Keep::ALL } else { keep };
    Ok(Tier { name: name.to_owned(), every, keep })
}

fn period_of(entry: &Entry<'_>) -> Result<Period, ConfigError> {
    let found = entry.value.as_str().and_then(|name| Period::ALL.into_iter().find(|one| one.name() == name));
    found.ok_or_else(|| {
        let hint =
            entry.value.is_integer().then(|| "for every so many nodes, the key is every_nodes".to_owned());
        entry.bad_with("\"hour\", \"day\", \"week\" or \"month\"", hint)
    })
}

/// A number of markers; `None` for all of them.
fn keep_count(entry: &Entry<'_>) -> Result<Option<u64>, ConfigError> {
    match (entry.value.as_str(), entry.number()) {
        (Some("all"), _) | (_, Some(0)) => Ok(None),
        (_, Some(count)) => Ok(Some(count)),
        _ => {
            let is_duration = entry.value.as_str().is_some_and(|text| parse_duration(text).is_some());
            let hint = is_duration.then(|| "to keep by age, the key is keep_within".to_owned());
            Err(entry.bad_with("a number of markers, or \"all\"", hint))
        }
    }
}

fn retention(entry: &Entry<'_>) -> Result<Retention, ConfigError> {
    let section = entry.section(RETENTION)?;
    let default = Retention::default();
    let flat = section.get("keep").map(|entry| keep_count(&entry)).transpose()?;
    let keep_events = section.get("keep_events").map(|entry| match entry.value.as_str() {
        Some("all") => Ok(KeepEvents::All),
        Some("none") => Ok(KeepEvents::None),
        _ => entry
            .duration_or("a duration such as \"7 days\", \"all\" or \"none\"", Duration::ZERO..=MAX_DURATION)
            .map(|age| if age.is_zero() { KeepEvents::All } else { KeepEvents::For(age) }),
    });
    let grace = section.get("grace").map(|entry| entry.duration(Duration::ZERO..=MAX_DURATION));
    Ok(Retention {
        tiered: section.get("tiered").map_or(Ok(default.tiered), |entry| entry.boolean())?,
        flat: flat.map_or(default.flat, |newest| Keep { newest, within: None }),
        keep_newest: section
            .get("keep_newest")
            .map_or(Ok(default.keep_newest), |entry| entry.integer(1..=u64::MAX))?,
        keep_events: keep_events.unwrap_or(Ok(default.keep_events))?,
        grace: grace.unwrap_or(Ok(default.grace))?,
    })
}

fn compression(entry: &Entry<'_>) -> Result<Compression, ConfigError> {
    let section = entry.section(COMPRESSION)?;
    let default = Compression::default();
    let level = section.get("level").map(|entry| {
        let level = entry.integer(1..=22)?;
        u8::try_from(level).map_err(|_beyond_22| entry.bad("a whole number from 1 to 22"))
    });
    let age = section.get("age").map(|entry| entry.duration(Duration::ZERO..=MAX_DURATION));
    Ok(Compression {
        enabled: section.get("enabled").map_or(Ok(default.enabled), |entry| entry.boolean())?,
        age: age.unwrap_or(Ok(default.age))?,
        level: level.unwrap_or(Ok(default.level))?,
    })
}

fn durability(entry: &Entry<'_>) -> Result<Durability, ConfigError> {
    match entry.value {
        DeValue::String(word) if word == "each" => Ok(Durability::Each),
        DeValue::String(word) if word == "marker" => Ok(Durability::Marker),
        DeValue::Table(_) => {
            let section = entry.section(DURABILITY)?;
            let (Some(events), Some(interval)) = (section.get("events"), section.get("interval")) else {
                return Err(entry
                    .bad("a table with both events and interval, as { events = 1000, interval = \"1s\" }"));
            };
            let shortest = Duration::from_millis(1);
            Ok(Durability::Grouped {
                events: events.integer(1..=u64::MAX)?,
                interval: interval
                    .duration_or("a duration from \"1 ms\" to \"1 hour\"", shortest..=MAX_SYNC_INTERVAL)?,
            })
        }
        _ => Err(entry.bad("\"each\", \"marker\" or { events = 1000, interval = \"1s\" }")),
    }
}

fn drills(entry: &Entry<'_>) -> Result<Drills, ConfigError> {
    let section = entry.section(DRILL)?;
    let default = Drills::default();
    let every = section.get("every").map(|entry| match entry.value.as_str() {
        Some("never") => Ok(None),
        _ => entry
            .duration_or("a duration such as \"1 day\", or \"never\"", MIN_EVERY..=MAX_DURATION)
            .map(Some),
    });
    let markers = section.get("markers").map(|entry| {
        let choice = entry.value.as_str().and_then(|text| text.parse().ok());
        choice.ok_or_else(|| entry.bad("\"all\", \"random:N\" or \"tier:NAME\""))
    });
    let max_duration =
        section.get("max_duration").map(|entry| entry.duration(Duration::from_millis(1)..=MAX_DURATION));
    Ok(Drills {
        every: every.unwrap_or(Ok(default.every))?,
        markers: markers.unwrap_or(Ok(default.markers))?,
        max_duration: max_duration.unwrap_or(Ok(default.max_duration))?,
    })
}

fn remotes(entry: &Entry<'_>) -> Result<Remotes, ConfigError> {
    const EXPECTED: &str = "a list of addresses such as [\"s3://bucket/prefix\"]";
    let section = entry.section(REMOTE)?;
    let mut urls = Vec::new();
    for one in section.get("urls").map_or(Ok(Vec::new()), |entry| entry.list(EXPECTED))? {
        let url = one.value.as_str().ok_or_else(|| one.bad(EXPECTED))?;
        Address::parse(url)
            .map_err(|why| one.bad_with("the address of a remote copy", Some(why.to_owned())))?;
        urls.push(url.trim_end_matches('/').to_owned());
    }
    let follow = section.get("follow").map(|entry| match entry.value.as_str() {
        Some("never") => Ok(None),
        _ => entry
            .duration_or("a duration from \"100 ms\" to \"1 day\", or \"never\"", MIN_FOLLOW..=MAX_FOLLOW)
            .map(Some),
    });
    let grace = match section.get("retention") {
        Some(entry) => entry.section(REMOTE_RETENTION)?.get("grace"),
        None => None,
    };
    let grace = grace.map(|entry| match entry.value.as_str() {
        Some("never") => Ok(None),
        _ => entry
            .duration_or("a duration such as \"7 days\", or \"never\"", Duration::ZERO..=MAX_DURATION)
            .map(Some),
    });
    let limit = section.get("limit").map(|entry| match entry.value.as_str() {
        Some("none") => Ok(None),
        text => {
            let bytes = text.and_then(|text| parse_size(text.trim().strip_suffix("/s")?.trim_end()));
            let bytes = bytes.filter(|bytes| *bytes >= MIN_LIMIT);
            bytes
                .map(Some)
                .ok_or_else(|| entry.bad("a rate from \"1 KiB/s\" on, such as \"2 MB/s\", or \"none\""))
        }
    });
    Ok(Remotes {
        urls,
        follow: follow.unwrap_or(Ok(None))?,
        limit: limit.unwrap_or(Ok(None))?,
        grace: grace.unwrap_or(Ok(None))?,
    })
}

fn time_zone(entry: &Entry<'_>) -> Result<Zone, ConfigError> {
    let name = entry.value.as_str();
    name.and_then(Zone::parse).ok_or_else(|| {
        let near = name.and_then(Zone::nearest_name).map(|near| format!("did you mean {near:?}?"));
        entry.bad_with("\"UTC\" or a name from IANA's list, as \"Europe/Berlin\"", near)
    })
}

fn segment(entry: &Entry<'_>) -> Result<u64, ConfigError> {
    let Some(size) = entry.section(SEGMENT)?.get("size") else {
        return Ok(Config::default().segment_bytes);
    };
    let bytes = size.value.as_str().map_or_else(|| size.number(), parse_size);
    bytes
        .filter(|bytes| (MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(bytes))
        .ok_or_else(|| size.bad("a size from \"64 KiB\" to \"1 GiB\""))
}
