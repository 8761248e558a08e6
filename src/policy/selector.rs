//! The text after `--to`, and which marker it names.
//!
//! A text is read in this order; the first that fits decides:
//!
//! | text | means |
//! | --- | --- |
//! | `latest`, `latest~2` | the newest marker, or the one so many before it |
//! | `m12` | the marker with that id |
//! | `seq:4711` | the position after that event |
//! | a time | the newest marker at or before it |
//! | anything else | the marker with that label |
//!
//! A time is one of these. A text that looks like one and is none is an error, and never a label.
//!
//! | text | means |
//! | --- | --- |
//! | `2026-01-31T12:00:00.5+01:00` | RFC 3339; without an offset UTC, and the seconds may be left out |
//! | `20260131_120000` | the old tool's names, UTC, cut to a second by it: the whole of that second |
//! | `2026-01-31` | the whole of that day in the configured time zone |
//! | `2 hours ago`, `1d 12h ago` | so long before now |

use chrono::{NaiveDate, NaiveDateTime};

use super::calendar::Zone;
use super::units::parse_duration;
use crate::model::limits::MAX_LABEL_BYTES;
use crate::model::position::{MarkerId, Seq};
use crate::model::time::Timestamp;

pub use super::choose::{Choice, choose};
pub use super::selector_error::{LabelError, SelectorError};

/// What a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The newest marker.
    Latest,
    /// The one so many before the newest.
    LatestBack(u64),
    /// The marker with this id.
    Marker(MarkerId),
    /// The position after this event.
    Seq(Seq),
    /// The newest marker at or before this time.
    Time(Timestamp),
    /// The marker with this label.
    Label(String),
}

impl Selector {
    /// Reads a text. `now` is what `ago` counts from; `zone` is whose midnight ends a day.
    ///
    /// # Errors
    /// [`SelectorError::BadSelector`] if the text is empty, or begins like one of the forms and is not one.
    pub fn parse(text: &str, now: Timestamp, zone: Zone) -> Result<Self, SelectorError> {
        let text = text.trim();
        let read = match Form::of(text) {
            Form::Empty => Err("name a marker: latest, latest~1, m12, seq:4711, a time, or a label"),
            Form::Latest("") => Ok(Self::Latest),
            Form::Latest(back) => back
                .strip_prefix('~')
                .and_then(number)
                .map(Self::LatestBack)
                .ok_or("after latest~ comes a number of markers, as latest~1"),
            Form::Marker(digits) => {
                number(digits).map(|n| Self::Marker(MarkerId(n))).ok_or("no marker has so large a number")
            }
            Form::Seq(digits) => number(digits)
                .map(|n| Self::Seq(Seq(n)))
                .ok_or("after seq: comes the number of an event, as seq:4711"),
            Form::OldName => old_name(text)
                .map(Self::Time)
                .ok_or("this is not a time of the calendar; the form is YYYYMMDD_HHMMSS, in UTC"),
            Form::Date => date_or_time(text, zone).map(Self::Time).ok_or(
                "this is not a time of the calendar; the forms are 2026-01-31 and 2026-01-31T12:00:00Z",
            ),
            Form::Ago(duration) => ago(duration, now)
                .map(Self::Time)
                .ok_or("before `ago` comes a duration of whole numbers and units, as `2 hours` or `1d 12h`"),
            Form::Label => Ok(Self::Label(text.to_owned())),
        };
        read.map_err(|hint| SelectorError::BadSelector { text: text.to_owned(), hint })
    }
}

/// What a text looks like; whether it is well formed is not yet said.
enum Form<'a> {
    Empty,
    /// `latest` and what follows: nothing, or something from `~` on.
    Latest(&'a str),
    /// The digits after `m`.
    Marker(&'a str),
    /// What follows `seq:`.
    Seq(&'a str),
    OldName,
    Date,
    /// What stands before `ago`.
    Ago(&'a str),
    Label,
}

impl<'a> Form<'a> {
    fn of(text: &'a str) -> Self {
        if text.is_empty() {
            return Self::Empty;
        }
        if let Some(rest) = strip_prefix_any_case(text, "latest")
            && (rest.is_empty() || rest.starts_with('~'))
        {
            return Self::Latest(rest);
        }
        if let Some(digits) = strip_prefix_any_case(text, "m")
            && !digits.is_empty()
            && all_digits(digits)
        {
            return Self::Marker(digits);
        }
        if let Some(rest) = strip_prefix_any_case(text, "seq:") {
            return Self::Seq(rest);
        }
        if matches_shape(text, "dddddddd_dddddd") {
            return Self::OldName;
        }
        // Words after a date make a label of it: "2026-01-31 before the cleanup".
        let of_a_time = |c: char| c.is_ascii_digit() || "-:.,+ TtZz_/".contains(c);
        if text.get(..10).is_some_and(|date| matches_shape(date, "dddd-dd-dd")) && text.chars().all(of_a_time)
        {
            return Self::Date;
        }
        if text.starts_with(|c: char| c.is_ascii_digit())
            && let Some(duration) = strip_suffix_any_case(text, "ago")
            && duration.ends_with(char::is_whitespace)
        {
            return Self::Ago(duration);
        }
        Self::Label
    }

    /// What it would be read as; `None` for a label.
    fn name(&self) -> Option<&'static str> {
        match self {
            Self::Empty | Self::Label => None,
            Self::Latest(_) => Some("the newest marker"),
            Self::Marker(_) => Some("the id of a marker"),
            Self::Seq(_) => Some("a position"),
            Self::OldName | Self::Date | Self::Ago(_) => Some("a time"),
        }
    }
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn strip_suffix_any_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (rest, end) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix).then_some(rest)
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text has a digit for each `d` of `shape`, and the same character for each other.
fn matches_shape(text: &str, shape: &str) -> bool {
    let fits = |(c, s): (char, char)| if s == 'd' { c.is_ascii_digit() } else { c == s };
    text.len() == shape.len() && text.chars().zip(shape.chars()).all(fits)
}

/// A number of digits alone: `str::parse` would take a sign too.
fn number(text: &str) -> Option<u64> {
    all_digits(text).then(|| text.parse().ok()).flatten()
}

fn old_name(text: &str) -> Option<Timestamp> {
    let time = NaiveDateTime::parse_from_str(text, "%Y%m%d_%H%M%S").ok()?;
    Some(Timestamp(time.and_utc().timestamp_micros()).plus_micros(999_999))
}

fn date_or_time(text: &str, zone: Zone) -> Option<Timestamp> {
    if text.len() == 10 {
        return NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| zone.end_of_day(date));
    }
    let to_the_minute =
        || (text.len() == 16).then(|| Timestamp::parse_rfc3339(&format!("{text}:00"))).flatten();
    Timestamp::parse_rfc3339(text).or_else(to_the_minute)
}

fn ago(duration: &str, now: Timestamp) -> Option<Timestamp> {
    let micros = i64::try_from(parse_duration(duration)?.as_micros()).ok()?;
    Some(now.plus_micros(micros.checked_neg()?))
}

/// Whether a marker may have this label.
///
/// # Errors
/// If it is empty, longer than [`MAX_LABEL_BYTES`], has control characters or spaces around it, or would be read
/// as something else after `--to`.
pub fn check_label(label: &str) -> Result<(), LabelError> {
    if label.trim().is_empty() {
        return Err(LabelError::Empty);
    }
    if label.len() > MAX_LABEL_BYTES {
        return Err(LabelError::TooLong { found: label.len() });
    }
    if label.chars().any(char::is_control) {
        return Err(LabelError::ControlCharacter { label: label.to_owned() });
    }
    if label.trim() != label {
        return Err(LabelError::OuterSpace { label: label.to_owned() });
    }
    match Form::of(label).name() {
        Some(read_as) => Err(LabelError::ReadsAs { label: label.to_owned(), read_as }),
        None => Ok(()),
    }
}

/// Whether a marker may have this label; [`check_label`] says why not.
pub fn is_valid_label(label: &str) -> bool {
    check_label(label).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-02-01T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn parse(text: &str) -> Result<Selector, SelectorError> {
        Selector::parse(text, at(NOW), Zone::UTC)
    }

    #[test]
    fn a_text_is_read_as_the_first_form_that_fits() {
        let label = |text: &str| Selector::Label(text.to_owned());
        for (text, selector) in [
            ("latest", Selector::Latest),
            ("LATEST", Selector::Latest),
            (" latest ", Selector::Latest),
            ("latest~0", Selector::LatestBack(0)),
            ("latest~12", Selector::LatestBack(12)),
            ("m12", Selector::Marker(MarkerId(12))),
            ("M12", Selector::Marker(MarkerId(12))),
            ("m012", Selector::Marker(MarkerId(12))),
            ("seq:0", Selector::Seq(Seq(0))),
            ("seq:4711", Selector::Seq(Seq(4711))),
            ("Seq:4711", Selector::Seq(Seq(4711))),
            ("latest-run", label("latest-run")),
            ("latestt", label("latestt")),
            ("m", label("m")),
            ("m12a", label("m12a")),
            ("m-12", label("m-12")),
            ("sequel", label("sequel")),
            ("before cleanup", label("before cleanup")),
            ("long ago", label("long ago")),
            ("2026", label("2026")),
            ("2026-01", label("2026-01")),
            ("2026-01-31 before the cleanup", label("2026-01-31 before the cleanup")),
            ("20260131", label("20260131")),
            ("2nd run in Chicago", label("2nd run in Chicago")),
            ("v1.2", label("v1.2")),
            ("état", label("état")),
            ("日本語", label("日本語")),
        ] {
            assert_eq!(parse(text).unwrap(), selector, "{text:?}");
        }
    }

    #[test]
    fn times_are_read_in_all_their_forms() {
        for (text, time) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31t12:00:00z", "2026-01-31T12:00:00Z"),
            ("2026-01-31 12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00+01:00", "2026-01-31T11:00:00Z"),
            ("2026-01-31T12:00:00.123456-05:30", "2026-01-31T17:30:00.123456Z"),
            ("2026-01-31T12:00:00", "2026-01-31T12:00:00Z"),
            ("2026-01-31 12:00:00.5", "2026-01-31T12:00:00.5Z"),
            ("2026-01-31 12:00", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00", "2026-01-31T12:00:00Z"),
            ("20260131_120000", "2026-01-31T12:00:00.999999Z"),
            ("20251113_143022", "2025-11-13T14:30:22.999999Z"),
            ("2026-01-31", "2026-01-31T23:59:59.999999Z"),
            ("2 hours ago", "2026-02-01T10:00:00Z"),
            ("2h ago", "2026-02-01T10:00:00Z"),
            ("3 days ago", "2026-01-29T12:00:00Z"),
            ("1d 12h AGO", "2026-01-31T00:00:00Z"),
            ("0s ago", NOW),
        ] {
            assert_eq!(parse(text).unwrap(), Selector::Time(at(time)), "{text:?}");
        }
    }

    #[test]
    fn a_date_ends_at_midnight_of_the_configured_zone() {
        for (zone, date, last) in [
            ("Europe/Berlin", "2026-01-31", "2026-01-31T22:59:59.999999Z"),
            ("Europe/Berlin", "2026-07-31", "2026-07-31T21:59:59.999999Z"),
            ("America/New_York", "2026-01-31", "2026-02-01T04:59:59.999999Z"),
        ] {
            let zone = Zone::parse(zone).unwrap();
            assert_eq!(Selector::parse(date, at(NOW), zone).unwrap(), Selector::Time(at(last)));
        }
    }

    #[test]
    fn what_begins_like_a_form_and_is_none_is_an_error() {
        for text in [
            "",
            "   ",
            "latest~",
            "latest~x",
            "latest~-1",
            "latest~+1",
            "latest~1~1",
            "latest~99999999999999999999",
            "m99999999999999999999",
            "seq:",
            "seq:x",
            "seq:-1",
            "seq: 1",
            "seq:+1",
            "2026-13-01",
            "2026-02-30",
            "2026-01-31T25:00:00Z",
            "2026-01-31T12:00:00+1",
            "2026-01-31T",
            "2026-01-31/2026-02-01",
            "20261331_000000",
            "20260131_250000",
            "2 ago",
            "2 fortnights ago",
            "1.5 hours ago",
            "2hago but why ago",
        ] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, SelectorError::BadSelector { .. }), "{text:?}: {error}");
        }
    }

    #[test]
    fn labels_that_would_be_read_as_something_else_are_refused() {
        let reads_as = |label: &str| match check_label(label) {
            Err(LabelError::ReadsAs { read_as, .. }) => read_as,
            other => panic!("{label:?}: {other:?}"),
        };
        for (label, read_as) in [
            ("latest", "the newest marker"),
            ("Latest", "the newest marker"),
            ("latest~1", "the newest marker"),
            ("latest~x", "the newest marker"),
            ("m1", "the id of a marker"),
            ("M1", "the id of a marker"),
            ("m99999999999999999999", "the id of a marker"),
            ("seq:1", "a position"),
            ("seq:x", "a position"),
            ("2026-01-31", "a time"),
            ("2026-13-45", "a time"),
            ("2026-01-31T12:00:00Z", "a time"),
            ("20260131_120000", "a time"),
            ("99999999_999999", "a time"),
            ("2 hours ago", "a time"),
            ("2 fortnights ago", "a time"),
        ] {
            assert_eq!(reads_as(label), read_as, "{label:?}");
        }
    }

    #[test]
    fn a_valid_label_is_read_back_as_itself() {
        let longest = "x".repeat(MAX_LABEL_BYTES);
        for label in
            ["a", "before cleanup", "m", "m-1", "latest-run", "v1.2", "2026-01", "10:30", "日本語", &longest]
        {
            assert_eq!(check_label(label), Ok(()), "{label:?}");
            assert_eq!(parse(label).unwrap(), Selector::Label(label.to_owned()));
        }
    }

    #[test]
    fn labels_that_cannot_be_typed_or_told_apart_are_refused() {
        let too_long = "x".repeat(MAX_LABEL_BYTES + 1);
        for (label, error) in [
            ("", LabelError::Empty),
            ("  ", LabelError::Empty),
            (too_long.as_str(), LabelError::TooLong { found: MAX_LABEL_BYTES + 1 }),
            ("a\nb", LabelError::ControlCharacter { label: "a\nb".to_owned() }),
            ("a\u{7f}", LabelError::ControlCharacter { label: "a\u{7f}".to_owned() }),
            (" a", LabelError::OuterSpace { label: " a".to_owned() }),
            ("a\u{a0}", LabelError::OuterSpace { label: "a\u{a0}".to_owned() }),
        ] {
            assert_eq!(check_label(label), Err(error), "{label:?}");
            assert!(!is_valid_label(label));
        }
    }

    #[test]
    fn no_text_is_both_a_label_and_something_else() {
        use proptest::prelude::*;
        let text =
            proptest::string::string_regex("(latest|m|seq:|2026-01-3)?[0-9a~:T_. -]{0,12}( ago)?").unwrap();
        proptest!(|(text in text)| {
            let is_label = matches!(parse(&text), Ok(Selector::Label(label)) if label == text);
            prop_assert_eq!(is_valid_label(&text), is_label, "{:?}", text);
        });
    }
}
