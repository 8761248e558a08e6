//! Tables of `snaplog.toml`: keys that are all known, values with their place.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::config_error::{ConfigError, ConfigFault};
use super::nearest::nearest;
use super::units::parse_duration;

pub(super) const TOP: &[&str] =
    &["compression", "drill", "durability", "remote", "retention", "segment", "tiers", "time_zone"];
pub(super) const TIER: &[&str] = &["every", "every_nodes", "keep", "keep_within"];
pub(super) const RETENTION: &[&str] = &["grace", "keep", "keep_events", "keep_newest", "tiered"];
pub(super) const COMPRESSION: &[&str] = &["age", "enabled", "level"];
pub(super) const SEGMENT: &[&str] = &["size"];
pub(super) const DRILL: &[&str] = &["every", "markers", "max_duration"];
pub(super) const REMOTE: &[&str] = &["follow", "limit", "retention", "urls"];
pub(super) const REMOTE_RETENTION: &[&str] = &["grace"];
pub(super) const DURABILITY: &[&str] = &["events", "interval"];

/// Where each section's keys belong, to tell somebody who put one into another section.
const SECTIONS: &[(&str, &[&str])] = &[
    ("at the top of the file, before the first [section]", TOP),
    ("in a [tiers.NAME] section", TIER),
    ("in [retention]", RETENTION),
    ("in [compression]", COMPRESSION),
    ("in [drill]", DRILL),
    ("in [segment]", SEGMENT),
    ("in [remote]", REMOTE),
    ("in [remote.retention]", REMOTE_RETENTION),
    ("in durability = { … }", DURABILITY),
];

/// A table whose keys are all known.
pub(super) struct Section<'a> {
    text: &'a str,
    path: String,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    pub(super) fn open(
        text: &'a str,
        path: String,
        table: &'a DeTable<'a>,
        known: &'static [&'static str],
    ) -> Result<Self, ConfigError> {
        let unknown = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        if let Some(key) = unknown.min_by_key(|key| key.span().start) {
            let nearest = nearest(key.get_ref(), known.iter().copied());
            let hint = unknown_key_hint(key.get_ref(), nearest, known);
            let full = join(&path, key.get_ref());
            let fault = ConfigFault::UnknownKey { key: full.clone(), nearest, known };
            return Err(fault_at(text, &key.span(), full, fault, Some(hint)));
        }
        Ok(Self { text, path, table })
    }

    pub(super) fn get(&self, name: &str) -> Option<Entry<'a>> {
        let (key, value) = self.table.iter().find(|(key, _)| key.get_ref() == name)?;
        Some(Entry::new(self.text, &self.path, key, value))
    }
}

fn unknown_key_hint(key: &str, nearest: Option<&str>, known: &[&str]) -> String {
    let elsewhere = SECTIONS.iter().find(|(_, keys)| *keys != known && keys.contains(&key));
    let near = nearest.map(|near| format!("did you mean {near}? "));
    let start = match elsewhere {
        Some((place, _)) => format!("{key} belongs {place}. "),
        None => near.unwrap_or_default(),
    };
    format!("{start}The keys that may stand here are {}", known.join(", "))
}

/// A key and its value.
pub(super) struct Entry<'a> {
    text: &'a str,
    /// The key alone.
    pub(super) name: &'a str,
    /// The key with its sections.
    pub(super) key: String,
    key_span: Range<usize>,
    pub(super) value: &'a DeValue<'a>,
    value_span: Range<usize>,
}

impl<'a> Entry<'a> {
    fn new(
        text: &'a str,
        path: &str,
        key: &'a Spanned<Cow<'a, str>>,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Self {
        let name = key.get_ref().as_ref();
        Self {
            text,
            name,
            key: join(path, name),
            key_span: key.span(),
            value: value.get_ref(),
            value_span: value.span(),
        }
    }

    pub(super) fn inner(&self, key: &'a Spanned<Cow<'a, str>>, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self::new(self.text, &self.key, key, value)
    }

    pub(super) fn section(&self, known: &'static [&'static str]) -> Result<Section<'a>, ConfigError> {
        match self.value {
            DeValue::Table(table) => Section::open(self.text, self.key.clone(), table, known),
            _ => Err(self.bad(&format!("a section with the keys {}", known.join(", ")))),
        }
    }

    /// The value, if it is a whole number that is not negative.
    pub(super) fn number(&self) -> Option<u64> {
        let integer = self.value.as_integer()?;
        u64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        self.number().filter(|n| range.contains(n)).ok_or_else(|| {
            if *range.end() == u64::MAX {
                self.bad(&format!("a whole number, at least {}", range.start()))
            } else {
                self.bad(&format!("a whole number from {} to {}", range.start(), range.end()))
            }
        })
    }

    pub(super) fn boolean(&self) -> Result<bool, ConfigError> {
        self.value.as_bool().ok_or_else(|| self.bad("true or false"))
    }

    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Result<Duration, ConfigError> {
        self.duration_or("a duration such as \"7 days\" or \"12h\", at most 1000 years", range)
    }

    pub(super) fn duration_or(
        &self,
        expected: &str,
        range: RangeInclusive<Duration>,
    ) -> Result<Duration, ConfigError> {
        let duration =
            self.value.as_str().and_then(parse_duration).filter(|duration| range.contains(duration));
        duration.ok_or_else(|| {
            let number = self.value.is_integer();
            self.bad_with(expected, number.then(|| "write the unit, and the whole in quotes".to_owned()))
        })
    }

    pub(super) fn bad(&self, expected: &str) -> ConfigError {
        self.bad_with(expected, None)
    }

    /// The error that something else must stand here.
    pub(super) fn bad_with(&self, expected: &str, hint: Option<String>) -> ConfigError {
        let found = match self.value {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        let fault = ConfigFault::BadValue { key: self.key.clone(), expected: expected.to_owned(), found };
        fault_at(self.text, &self.value_span, self.key.clone(), fault, hint)
    }

    /// The values of a list, each with its place.
    pub(super) fn list(&self, expected: &str) -> Result<Vec<Self>, ConfigError> {
        let DeValue::Array(values) = self.value else { return Err(self.bad(expected)) };
        let entry = |value: &'a Spanned<DeValue<'a>>| Self {
            text: self.text,
            name: self.name,
            key: self.key.clone(),
            key_span: self.key_span.clone(),
            value: value.get_ref(),
            value_span: value.span(),
        };
        Ok(values.iter().map(entry).collect())
    }

    /// An error about the key.
    pub(super) fn fault(&self, fault: ConfigFault, hint: Option<String>) -> ConfigError {
        fault_at(self.text, &self.key_span, self.key.clone(), fault, hint)
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// An error at the start of `span`.
pub(super) fn fault_at(
    text: &str,
    span: &Range<usize>,
    key: String,
    fault: ConfigFault,
    hint: Option<String>,
) -> ConfigError {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.get(line_start..).map_or(0, |part| part.chars().count()).saturating_add(1);
    ConfigError { line, column, key, fault: Box::new(fault), hint }
}
