//! Durations and sizes as people write them.

use std::time::Duration;

/// The longest duration that is read: a thousand years, so that a time less a duration never leaves the range.
pub const MAX_DURATION: Duration = Duration::from_secs(1000 * YEAR);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// Reads a duration: one or more whole numbers, each with a unit, as `7 days`, `12h`, `1h 30min`, `250 ms`.
///
/// A month counts 30 days and a year 365; `m` is a minute. `None` if the text is anything else, or more than
/// [`MAX_DURATION`].
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        total = total.checked_add(in_units(number, unit)?)?;
        if total > MAX_DURATION {
            return None;
        }
        rest = after.trim_start();
    }
    Some(total)
}

fn in_units(number: u64, unit: &str) -> Option<Duration> {
    let seconds = match unit.to_lowercase().as_str() {
        "us" | "µs" | "usec" | "microsecond" | "microseconds" => return Some(Duration::from_micros(number)),
        "ms" | "msec" | "millisecond" | "milliseconds" => return Some(Duration::from_millis(number)),
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        "month" | "months" => 30 * DAY,
        "y" | "year" | "years" => YEAR,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// Reads a size in bytes: a whole number and a unit, `64 MiB` (1024s) or `64 MB` (1000s); without a unit, bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text.trim())?;
    let scale = match unit.trim().to_lowercase().as_str() {
        "" | "b" | "byte" | "bytes" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(scale)
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// A duration for people, to its two largest units: `2 h`, `3 d 4 h`, `45 s`, `250 ms`.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        let micros = duration.subsec_micros();
        return match (micros / 1000, micros) {
            (0, 0) => "0 s".to_owned(),
            (0, micros) => format!("{micros} µs"),
            (millis, _) => format!("{millis} ms"),
        };
    }
    let parts = [
        (seconds / DAY, "d"),
        (seconds % DAY / HOUR, "h"),
        (seconds % HOUR / MINUTE, "min"),
        (seconds % MINUTE, "s"),
    ];
    let largest = parts.into_iter().skip_while(|(n, _)| *n == 0).take(2);
    let words: Vec<String> = largest.filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let s = Duration::from_secs;
        for (text, duration) in [
            ("1s", Some(s(1))),
            ("1 second", Some(s(1))),
            ("7 days", Some(s(7 * DAY))),
            ("7days", Some(s(7 * DAY))),
            ("12h", Some(s(12 * HOUR))),
            ("1h 30min", Some(s(90 * MINUTE))),
            ("1h30m", Some(s(90 * MINUTE))),
            ("1 Day", Some(s(DAY))),
            ("2 weeks", Some(s(14 * DAY))),
            ("1 month", Some(s(30 * DAY))),
            ("1 year", Some(s(365 * DAY))),
            ("250 ms", Some(Duration::from_millis(250))),
            ("5 µs", Some(Duration::from_micros(5))),
            ("  3 hours  ", Some(s(3 * HOUR))),
            ("0s", Some(s(0))),
            ("1000 years", Some(MAX_DURATION)),
            ("1001 years", None),
            ("999999999999999999999999s", None),
            ("18446744073709551615s 1000ms", None),
            ("1 2 days", None),
            ("7", None),
            ("days", None),
            ("-1 day", None),
            ("1.5 h", None),
            ("1 fortnight", None),
            ("1h,", None),
            ("", None),
            ("  ", None),
        ] {
            assert_eq!(parse_duration(text), duration, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("64 MiB", Some(64 << 20)),
            ("64mib", Some(64 << 20)),
            ("64 MB", Some(64_000_000)),
            ("1 GiB", Some(1 << 30)),
            ("100", Some(100)),
            ("100 bytes", Some(100)),
            ("64 M", None),
            ("MiB", None),
            ("1.5 MiB", None),
            ("18446744073709551615 GiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn durations_are_shown_to_two_units() {
        for (duration, text) in [
            (Duration::from_secs(2 * HOUR), "2 h"),
            (Duration::from_secs(2 * HOUR + 59), "2 h"),
            (Duration::from_secs(3 * DAY + 4 * HOUR + 5), "3 d 4 h"),
            (Duration::from_secs(61), "1 min 1 s"),
            (Duration::from_millis(1500), "1 s"),
            (Duration::from_millis(250), "250 ms"),
            (Duration::from_micros(7), "7 µs"),
            (Duration::ZERO, "0 s"),
        ] {
            assert_eq!(show_duration(duration), text);
        }
    }
}
