//! Days, weeks and months of a time zone: when the next one begins.

use std::fmt;

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Timelike};

use super::nearest::nearest;
use crate::model::time::Timestamp;

const MICROS: i64 = 1_000_000;
const HOUR_MICROS: i64 = 3600 * MICROS;
/// After the last time that a calendar has: what begins then never begins.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// A time zone: UTC, or one of IANA's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Zone(chrono_tz::Tz);

impl Zone {
    /// Coordinated universal time, the default.
    pub const UTC: Self = Self(chrono_tz::Tz::UTC);

    /// The zone of that name: `UTC`, `Europe/Berlin`, …
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The name that was probably meant by a text that is none: a city alone finds its zone.
    pub fn nearest_name(text: &str) -> Option<&'static str> {
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let city = |name: &&str| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text));
        names()
            .find(|name| name.eq_ignore_ascii_case(text))
            .or_else(|| names().find(city))
            .or_else(|| nearest(text, names()))
    }

    /// The first instant of a day. It is not 00:00 where clocks are put forward at midnight.
    pub fn start_of_day(self, date: NaiveDate) -> Timestamp {
        let midnight = date.and_time(NaiveTime::MIN);
        match self.0.from_local_datetime(&midnight).earliest() {
            Some(time) => Timestamp::from_chrono(&time),
            None => self.after_gap(midnight),
        }
    }

    /// The last instant of a day, one microsecond before the next begins.
    pub fn end_of_day(self, date: NaiveDate) -> Timestamp {
        date.succ_opt().map_or(NEVER, |next| self.start_of_day(next).plus_micros(-1))
    }

    /// The day that a time belongs to; `None` past the years that a calendar has.
    pub fn day_of(self, time: Timestamp) -> Option<NaiveDate> {
        let date = self.local(time)?.date();
        // Where clocks are put back across midnight, the old date comes again; the new day has begun all the same.
        Some(date.succ_opt().filter(|next| self.start_of_day(*next) <= time).unwrap_or(date))
    }

    fn local(self, time: Timestamp) -> Option<NaiveDateTime> {
        let utc = time.to_chrono()?.naive_utc();
        utc.checked_add_offset(self.0.offset_from_utc_datetime(&utc).fix())
    }

    /// The first instant whose local time is past `skipped`, a local time that clocks leap over.
    fn after_gap(self, skipped: NaiveDateTime) -> Timestamp {
        let near = Timestamp(skipped.and_utc().timestamp_micros());
        // No zone is two days from UTC, so the answer lies between these.
        let mut before = near.plus_micros(-48 * HOUR_MICROS);
        let mut after = near.plus_micros(48 * HOUR_MICROS);
        while after.0.saturating_sub(before.0) > MICROS {
            let seconds = after.0.saturating_sub(before.0) / MICROS / 2;
            let middle = before.plus_micros(seconds.saturating_mul(MICROS));
            if self.local(middle).is_none_or(|local| local >= skipped) {
                after = middle;
            } else {
                before = middle;
            }
        }
        after
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

/// A stretch of the calendar that a time tier fires once in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Period {
    /// An hour of the local clock.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month.
    Month,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// Its name in `snaplog.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// When the period after the one of `time` begins. Past the calendar's last year: never.
    pub fn next_start(self, zone: Zone, time: Timestamp) -> Timestamp {
        self.next_start_in_calendar(zone, time).unwrap_or(NEVER)
    }

    /// What people call the period of `time`: `2026-01-05 14:00`, `2026-01-05`, `week of 2026-01-05`, `2026-01`.
    /// `None` past the years that a calendar has.
    pub fn title(self, zone: Zone, time: Timestamp) -> Option<String> {
        if self == Self::Hour {
            return Some(zone.local(time)?.format("%Y-%m-%d %H:00").to_string());
        }
        let day = zone.day_of(time)?;
        Some(match self {
            Self::Hour | Self::Day => day.to_string(),
            Self::Week => {
                let past_monday = Days::new(day.weekday().num_days_from_monday().into());
                format!("week of {}", day.checked_sub_days(past_monday)?)
            }
            Self::Month => day.format("%Y-%m").to_string(),
        })
    }

    fn next_start_in_calendar(self, zone: Zone, time: Timestamp) -> Option<Timestamp> {
        if self == Self::Hour {
            let local = zone.local(time)?;
            let seconds = i64::from(local.minute() * 60 + local.second());
            let into_hour = seconds * MICROS + time.0.rem_euclid(MICROS);
            return Some(time.plus_micros(HOUR_MICROS - into_hour));
        }
        let day = zone.day_of(time)?;
        let next = match self {
            Self::Hour | Self::Day => day.succ_opt()?,
            Self::Week => {
                let past_monday = day.weekday().num_days_from_monday();
                day.checked_add_days(Days::new(u64::from(7 - past_monday)))?
            }
            Self::Month => day.with_day(1)?.checked_add_months(Months::new(1))?,
        };
        Some(zone.start_of_day(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn the_next_period_begins_where_the_local_calendar_says() {
        use Period::{Day, Hour, Month, Week};
        for (period, zone, time, next) in [
            (Day, "UTC", "2026-01-05T12:00:00Z", "2026-01-06T00:00:00Z"),
            (Day, "UTC", "2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z"),
            (Day, "UTC", "2026-01-05T23:59:59.999999Z", "2026-01-06T00:00:00Z"),
            (Day, "Europe/Berlin", "2026-01-05T22:59:59Z", "2026-01-05T23:00:00Z"),
            (Day, "Europe/Berlin", "2026-01-05T23:00:00Z", "2026-01-06T23:00:00Z"),
            // The day on which clocks are put forward has 23 hours, the one on which they are put back 25.
            (Day, "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            (Day, "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            // Clocks put forward at midnight: the day begins at 01:00.
            (Day, "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"),
            // Clocks put back at 00:01 to 23:01: the day begins once, at the first midnight.
            (Day, "America/St_Johns", "2008-11-01T12:00:00Z", "2008-11-02T02:30:00Z"),
            (Day, "America/St_Johns", "2008-11-02T02:30:00Z", "2008-11-03T03:30:00Z"),
            (Day, "America/St_Johns", "2008-11-02T02:45:00Z", "2008-11-03T03:30:00Z"),
            // A midnight that comes twice.
            (Day, "America/Havana", "2025-11-01T12:00:00Z", "2025-11-02T04:00:00Z"),
            (Day, "America/Havana", "2025-11-02T05:00:00Z", "2025-11-03T05:00:00Z"),
            // A day that never was: Samoa went from the 29th to the 31st.
            (Day, "Pacific/Apia", "2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z"),
            (Hour, "UTC", "2026-01-05T12:34:56.789Z", "2026-01-05T13:00:00Z"),
            (Hour, "Asia/Kolkata", "2026-01-05T12:15:00Z", "2026-01-05T12:30:00Z"),
            (Hour, "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"),
            (Week, "UTC", "2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z"),
            (Week, "UTC", "2026-01-04T23:00:00Z", "2026-01-05T00:00:00Z"),
            (Month, "UTC", "2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z"),
            (Month, "UTC", "2026-12-31T12:00:00Z", "2027-01-01T00:00:00Z"),
            (Month, "Asia/Tokyo", "2026-01-31T16:00:00Z", "2026-02-28T15:00:00Z"),
            (Day, "UTC", "1969-12-31T12:00:00Z", "1970-01-01T00:00:00Z"),
            (Hour, "UTC", "1969-12-31T12:30:00.5Z", "1969-12-31T13:00:00Z"),
        ] {
            let zone = Zone::parse(zone).unwrap();
            assert_eq!(
                period.next_start(zone, at(time)).to_string(),
                at(next).to_string(),
                "{period:?} {zone} {time}"
            );
        }
    }

    #[test]
    fn a_period_is_called_as_the_local_calendar_calls_it() {
        use Period::{Day, Hour, Month, Week};
        for (period, zone, time, title) in [
            (Hour, "UTC", "2026-01-05T12:34:56Z", "2026-01-05 12:00"),
            (Hour, "Asia/Kolkata", "2026-01-05T12:34:56Z", "2026-01-05 18:00"),
            (Day, "UTC", "2026-01-05T23:59:59Z", "2026-01-05"),
            (Day, "Europe/Berlin", "2026-01-05T23:00:00Z", "2026-01-06"),
            (Day, "Europe/Berlin", "2026-07-05T22:00:00Z", "2026-07-06"),
            (Week, "UTC", "2026-01-05T00:00:00Z", "week of 2026-01-05"),
            (Week, "UTC", "2026-01-04T23:00:00Z", "week of 2025-12-29"),
            (Week, "Asia/Tokyo", "2026-01-04T23:00:00Z", "week of 2026-01-05"),
            (Month, "UTC", "2026-01-31T23:59:59Z", "2026-01"),
            (Month, "Asia/Tokyo", "2026-01-31T16:00:00Z", "2026-02"),
        ] {
            let zone = Zone::parse(zone).unwrap();
            assert_eq!(period.title(zone, at(time)).as_deref(), Some(title), "{period:?} {zone} {time}");
            assert_eq!(period.title(zone, Timestamp(i64::MAX)), None);
        }
    }

    #[test]
    fn past_the_calendar_nothing_begins() {
        for period in Period::ALL {
            assert_eq!(period.next_start(Zone::UTC, Timestamp(i64::MAX)), NEVER);
            assert_eq!(period.next_start(Zone::UTC, Timestamp::MIN), NEVER);
        }
    }

    #[test]
    fn a_slip_in_a_zone_finds_the_name() {
        for (text, name) in [
            ("Berlin", Some("Europe/Berlin")),
            ("utc", Some("UTC")),
            ("Europe/Berln", Some("Europe/Berlin")),
            ("new_york", Some("America/New_York")),
            ("?", None),
        ] {
            assert_eq!(Zone::parse(text), None);
            assert_eq!(Zone::nearest_name(text), name, "{text}");
        }
        assert_eq!(Zone::parse("Europe/Berlin").map(Zone::name), Some("Europe/Berlin"));
    }
}
