//! Points in time: microseconds since 1970, UTC.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A point in time, microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Before every event.
    pub const MIN: Self = Self(i64::MIN);

    /// The calendar's view of it, or `None` past the years that a calendar has.
    pub fn to_chrono(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0)
    }

    /// From the calendar's view; what is below a microsecond is cut.
    pub fn from_chrono<Z: chrono::TimeZone>(time: &DateTime<Z>) -> Self {
        Self(time.timestamp_micros())
    }

    /// The instant that RFC 3339 text names (`2026-01-31T12:00:00Z`, any offset, a space for the `T`).
    /// A text without an offset, as Python's `isoformat()` of a naive time, is taken as UTC.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).map(|t| Self::from_chrono(&t)).ok().or_else(|| {
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
                .iter()
                .find_map(|format| chrono::NaiveDateTime::parse_from_str(text, format).ok())
                .map(|t| Self(t.and_utc().timestamp_micros()))
        })
    }

    /// Moved by `micros`; stays at the ends of the range.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, UTC, with as many digits after the second as are needed: `2026-01-31T12:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_chrono() {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{}µs", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_microseconds_agree() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-01T00:00:00+00:00", 1_767_225_600_000_000),
            ("2026-01-01T01:00:00+01:00", 1_767_225_600_000_000),
            ("2026-01-01T00:00:00.25", 1_767_225_600_250_000),
            ("1969-12-31 23:59:59Z", -1_000_000),
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), Some(Timestamp(micros)), "{text}");
        }
        assert_eq!(Timestamp(1_767_225_600_250_000).to_string(), "2026-01-01T00:00:00.250Z");
        assert_eq!(Timestamp::parse_rfc3339("yesterday"), None);
    }
}
