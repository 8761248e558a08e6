//! Which marker a selector names.

use std::time::Duration;

use super::nearest::nearest;
use super::selector::{Selector, SelectorError};
use super::units::show_duration;
use crate::model::marker::Marker;
use crate::model::position::{MarkerId, Seq};
use crate::model::time::Timestamp;

/// How many markers or labels an error names.
const NAMED: usize = 5;

/// The marker that was chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The marker.
    pub marker: &'a Marker,
    /// The reason, for people: `newest of tier milestone`.
    pub reason: String,
}

/// Chooses among `markers`, which are in ascending order of id.
///
/// With `tier`, only markers of that tier are asked. A marker that retention has dropped is chosen only if it is
/// named by its id. Of several markers at one seq or time, the one placed last is chosen.
///
/// # Errors
/// If no marker is the one that the selector names, or two are: [`SelectorError`] tells which there are. A `seq`
/// at which no marker stands is [`SelectorError::BetweenMarkers`], also in a log without markers: the caller may
/// replay the log to there.
pub fn choose<'a>(
    markers: &'a [Marker],
    selector: &Selector,
    tier: Option<&str>,
) -> Result<Choice<'a>, SelectorError> {
    let live: Vec<&Marker> = markers.iter().filter(|marker| is_candidate(marker, tier)).collect();
    let newest = live.last().copied();
    let choosing = Choosing { markers, tier, live };
    match (selector, newest) {
        (Selector::Marker(id), _) => by_id(markers, *id, tier),
        (Selector::Seq(seq), None) if tier.is_none() => choosing.by_seq(*seq),
        (_, None) => Err(choosing.no_candidate()),
        (Selector::Seq(seq), Some(_)) => choosing.by_seq(*seq),
        (Selector::Latest, Some(newest)) => choosing.back(0, newest),
        (Selector::LatestBack(back), Some(newest)) => choosing.back(*back, newest),
        (Selector::Time(time), Some(newest)) => choosing.by_time(*time, newest),
        (Selector::Label(label), Some(_)) => choosing.by_label(label),
    }
}

fn is_candidate(marker: &Marker, tier: Option<&str>) -> bool {
    marker.expired.is_none() && tier.is_none_or(|tier| is_of(marker, tier))
}

fn is_of(marker: &Marker, tier: &str) -> bool {
    marker.tiers.iter().any(|one| one == tier)
}

fn by_id<'a>(markers: &'a [Marker], id: MarkerId, tier: Option<&str>) -> Result<Choice<'a>, SelectorError> {
    let Some(marker) = markers.iter().find(|marker| marker.id == id) else {
        let mut ids: Vec<MarkerId> = markers.iter().map(|marker| marker.id).collect();
        ids.sort_by_key(|one| one.0.abs_diff(id.0));
        let nearest = ids.iter().take(NAMED).map(MarkerId::to_string).collect();
        return Err(SelectorError::NoSuchMarker { asked: id.to_string(), nearest, expired: None });
    };
    if let Some(tier) = tier.filter(|tier| !is_of(marker, tier)) {
        return Err(SelectorError::NotOfTier { id, tier: tier.to_owned(), tiers: marker.tiers.clone() });
    }
    let reason = match marker.expired {
        None => "named by its id".to_owned(),
        Some(_) => {
            "named by its id; retention has dropped it, and it lasts until its grace period ends".to_owned()
        }
    };
    Ok(Choice { marker, reason })
}

/// A choice among the markers that may be chosen without being named by id.
struct Choosing<'a, 't> {
    markers: &'a [Marker],
    tier: Option<&'t str>,
    /// The candidates, oldest first.
    live: Vec<&'a Marker>,
}

impl<'a> Choosing<'a, '_> {
    /// Why there is nothing to choose from.
    fn no_candidate(&self) -> SelectorError {
        let mut known: Vec<String> = Vec::new();
        for name in self.markers.iter().filter(|marker| marker.expired.is_none()).flat_map(|m| &m.tiers) {
            if !known.contains(name) {
                known.push(name.clone());
            }
        }
        let expired = self.markers.iter().filter(|marker| marker.expired.is_some()).count();
        match self.tier {
            Some(tier) if expired < self.markers.len() => {
                let nearest = nearest(tier, known.iter().map(String::as_str)).map(str::to_owned);
                SelectorError::NoMarkerOfTier { tier: tier.to_owned(), known, nearest }
            }
            _ => SelectorError::NoMarkers { expired },
        }
    }

    /// "newest marker", or which tier's.
    fn newest_words(&self) -> String {
        self.tier.map_or_else(|| "newest marker".to_owned(), |tier| format!("newest of tier {tier}"))
    }

    fn back(&self, back: u64, newest: &Marker) -> Result<Choice<'a>, SelectorError> {
        let marker = usize::try_from(back).ok().and_then(|back| self.live.iter().rev().nth(back));
        let Some(marker) = marker else {
            return Err(SelectorError::TooFarBack { back, markers: self.live.len() });
        };
        let reason = match back {
            0 => self.newest_words(),
            back => format!("{back} before the {}, {}", self.newest_words(), newest.id),
        };
        Ok(Choice { marker, reason })
    }

    fn by_time(&self, time: Timestamp, newest: &'a Marker) -> Result<Choice<'a>, SelectorError> {
        let later = self.live.iter().find(|marker| marker.time > time);
        let Some(marker) = self.live.iter().rfind(|marker| marker.time <= time) else {
            let oldest = later.unwrap_or(&newest);
            return Err(SelectorError::NothingBefore { time, oldest: oldest.id, oldest_time: oldest.time });
        };
        let after = later.map_or_else(
            || "none is later".to_owned(),
            |next| format!("the next one, {}, is {} later", next.id, show_distance(time, next.time)),
        );
        Ok(Choice { marker, reason: format!("{} at or before {time}; {after}", self.newest_words()) })
    }

    fn by_label(&self, label: &str) -> Result<Choice<'a>, SelectorError> {
        let has_label = |marker: &&Marker| marker.label.as_deref() == Some(label);
        let found: Vec<&'a Marker> = self.live.iter().copied().filter(has_label).collect();
        match found.as_slice() {
            [marker] => Ok(Choice { marker, reason: format!("labelled {label:?}") }),
            [] => Err(self.no_such_label(label)),
            several => {
                let ids = several.iter().map(|marker| marker.id).collect();
                Err(SelectorError::TwoMarkersWithLabel { label: label.to_owned(), ids })
            }
        }
    }

    fn no_such_label(&self, label: &str) -> SelectorError {
        let expired = self.markers.iter().rfind(|m| m.expired.is_some() && m.label.as_deref() == Some(label));
        let labels = || self.live.iter().rev().filter_map(|marker| marker.label.as_deref());
        // The one that was probably meant first, then the newest.
        let mut named: Vec<&str> = nearest(label, labels()).into_iter().collect();
        for other in labels() {
            if named.len() < NAMED && !named.contains(&other) {
                named.push(other);
            }
        }
        SelectorError::NoSuchMarker {
            asked: format!("with the label {label:?}"),
            nearest: named.iter().map(|label| format!("{label:?}")).collect(),
            expired: expired.map(|marker| marker.id),
        }
    }

    fn by_seq(&self, seq: Seq) -> Result<Choice<'a>, SelectorError> {
        if let Some(marker) = self.live.iter().rfind(|marker| marker.seq == seq) {
            return Ok(Choice { marker, reason: format!("stands at seq {seq}") });
        }
        Err(SelectorError::BetweenMarkers {
            seq,
            before: self.live.iter().rfind(|marker| marker.seq < seq).map(|marker| marker.id),
            after: self.live.iter().find(|marker| marker.seq > seq).map(|marker| marker.id),
        })
    }
}

fn show_distance(from: Timestamp, to: Timestamp) -> String {
    show_duration(Duration::from_micros(to.0.abs_diff(from.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fingerprint::Fingerprint;
    use crate::model::history::Digest;
    use crate::model::marker::{Counts, Ordinals, Served};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn marker(id: u64, seq: u64, time: &str, tiers: &[&str], label: Option<&str>) -> Marker {
        Marker {
            id: MarkerId(id),
            seq: Seq(seq),
            time: at(time),
            tiers: tiers.iter().map(|&tier| tier.to_owned()).collect(),
            label: label.map(str::to_owned),
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

    /// Six markers; m2 is dropped, m5 and m6 stand at one seq and time.
    fn markers() -> Vec<Marker> {
        let mut dropped = marker(2, 20, "2026-01-02T00:00:00Z", &["frequent"], Some("dropped"));
        dropped.expired = Some(at("2026-01-07T00:00:00Z"));
        vec![
            marker(1, 10, "2026-01-01T00:00:00Z", &["frequent", "daily"], Some("start")),
            dropped,
            marker(3, 30, "2026-01-03T00:00:00Z", &["milestone", "daily"], Some("twice")),
            marker(4, 40, "2026-01-04T00:00:00Z", &["frequent"], Some("twice")),
            marker(5, 50, "2026-01-05T00:00:00Z", &["milestone"], None),
            marker(6, 50, "2026-01-05T00:00:00Z", &[], Some("before cleanup")),
        ]
    }

    fn time(text: &str) -> Selector {
        Selector::Time(at(text))
    }

    fn label(text: &str) -> Selector {
        Selector::Label(text.to_owned())
    }

    #[test]
    fn each_selector_chooses_its_marker_and_says_why() {
        use Selector::{Latest, LatestBack, Marker as Id, Seq as At};
        let milestone = Some("milestone");
        for (selector, tier, id, reason) in [
            (Latest, None, 6, "newest marker"),
            (Latest, milestone, 5, "newest of tier milestone"),
            (Latest, Some("frequent"), 4, "newest of tier frequent"),
            (LatestBack(0), None, 6, "newest marker"),
            (LatestBack(1), None, 5, "1 before the newest marker, m6"),
            (LatestBack(3), None, 3, "3 before the newest marker, m6"),
            // m2 is dropped, and not counted.
            (LatestBack(4), None, 1, "4 before the newest marker, m6"),
            (LatestBack(1), milestone, 3, "1 before the newest of tier milestone, m5"),
            (LatestBack(1), Some("frequent"), 1, "1 before the newest of tier frequent, m4"),
            (Id(MarkerId(3)), None, 3, "named by its id"),
            (Id(MarkerId(3)), milestone, 3, "named by its id"),
            (
                Id(MarkerId(2)),
                None,
                2,
                "named by its id; retention has dropped it, and it lasts until its grace period ends",
            ),
            (At(Seq(30)), None, 3, "stands at seq 30"),
            (At(Seq(50)), None, 6, "stands at seq 50"),
            (At(Seq(50)), milestone, 5, "stands at seq 50"),
            (
                time("2026-01-03T00:00:00Z"),
                None,
                3,
                "newest marker at or before 2026-01-03T00:00:00Z; the next one, m4, is 1 d later",
            ),
            (
                time("2026-01-03T22:00:00Z"),
                None,
                3,
                "newest marker at or before 2026-01-03T22:00:00Z; the next one, m4, is 2 h later",
            ),
            (
                time("2026-01-02T12:00:00Z"),
                None,
                1,
                "newest marker at or before 2026-01-02T12:00:00Z; the next one, m3, is 12 h later",
            ),
            (
                time("2026-01-05T00:00:00Z"),
                None,
                6,
                "newest marker at or before 2026-01-05T00:00:00Z; none is later",
            ),
            (
                time("2026-01-04T00:00:00Z"),
                milestone,
                3,
                "newest of tier milestone at or before 2026-01-04T00:00:00Z; the next one, m5, is 1 d later",
            ),
            (label("before cleanup"), None, 6, "labelled \"before cleanup\""),
            (label("twice"), milestone, 3, "labelled \"twice\""),
            (label("start"), Some("daily"), 1, "labelled \"start\""),
        ] {
            let markers = markers();
            let choice = choose(&markers, &selector, tier).unwrap();
            assert_eq!(
                (choice.marker.id, choice.reason.as_str()),
                (MarkerId(id), reason),
                "{selector:?} {tier:?}"
            );
        }
    }

    #[test]
    fn what_names_no_marker_says_which_there_are() {
        for (selector, tier, message, hint) in [
            (Selector::Marker(MarkerId(9)), None, "there is no marker m9", "there are m6, m5, m4, m3, m2"),
            (Selector::Marker(MarkerId(0)), None, "there is no marker m0", "there are m1, m2, m3, m4, m5"),
            (
                Selector::Marker(MarkerId(4)),
                Some("milestone"),
                "m4 is not of tier \"milestone\"",
                "m4 is of frequent",
            ),
            (
                Selector::Marker(MarkerId(6)),
                Some("milestone"),
                "m6 is not of tier \"milestone\"",
                "m6 is of no tier",
            ),
            (Selector::LatestBack(5), None, "latest~5 is too far back: there are 5 markers", ""),
            (
                Selector::LatestBack(u64::MAX),
                Some("milestone"),
                "latest~18446744073709551615 is too far back: there are 2 markers",
                "",
            ),
            (
                Selector::Latest,
                Some("mileston"),
                "no marker is of tier \"mileston\"",
                "did you mean milestone? There are markers of frequent, daily, milestone",
            ),
            (
                Selector::Seq(Seq(30)),
                Some("weekly"),
                "no marker is of tier \"weekly\"",
                "There are markers of frequent, daily, milestone",
            ),
            (
                time("2025-12-31T00:00:00Z"),
                None,
                "no marker is at or before 2025-12-31T00:00:00Z: the oldest, m1, is of 2026-01-01T00:00:00Z",
                "",
            ),
            (
                time("2026-01-02T00:00:00Z"),
                Some("milestone"),
                "no marker is at or before 2026-01-02T00:00:00Z: the oldest, m3, is of 2026-01-03T00:00:00Z",
                "",
            ),
            (
                label("twice"),
                None,
                "2 markers have the label \"twice\": m3, m4",
                "name one of them by its id",
            ),
            (
                label("befor cleanup"),
                None,
                "there is no marker with the label \"befor cleanup\"",
                "there are \"before cleanup\", \"twice\", \"start\"",
            ),
            (
                label("dropped"),
                None,
                "there is no marker with the label \"dropped\"",
                "m2 has that label, but was dropped by retention: name it by its id",
            ),
            (
                Selector::Seq(Seq(35)),
                None,
                "no marker stands at seq 35: it is between m3 and m4",
                "name a marker, as m3",
            ),
            (
                Selector::Seq(Seq(20)),
                None,
                "no marker stands at seq 20: it is between m1 and m3",
                "name a marker, as m1",
            ),
            (
                Selector::Seq(Seq(5)),
                None,
                "no marker stands at seq 5: it is before the oldest, m1",
                "name a marker, as m1",
            ),
            (
                Selector::Seq(Seq(51)),
                None,
                "no marker stands at seq 51: it is after the newest, m6",
                "name a marker, as m6",
            ),
            (
                Selector::Seq(Seq(40)),
                Some("milestone"),
                "no marker stands at seq 40: it is between m3 and m5",
                "name a marker, as m3",
            ),
        ] {
            let markers = markers();
            let error = choose(&markers, &selector, tier).unwrap_err();
            assert_eq!(error.to_string(), message, "{selector:?} {tier:?}");
            assert_eq!(error.hint().unwrap_or_default(), hint, "{selector:?} {tier:?}");
        }
    }

    #[test]
    fn a_log_without_markers_offers_none() {
        for selector in
            [Selector::Latest, Selector::LatestBack(1), time("2026-01-01T00:00:00Z"), label("start")]
        {
            for tier in [None, Some("daily")] {
                assert_eq!(choose(&[], &selector, tier), Err(SelectorError::NoMarkers { expired: 0 }));
            }
        }
        let no_id = choose(&[], &Selector::Marker(MarkerId(1)), None).unwrap_err();
        assert_eq!(no_id.to_string(), "there is no marker m1");
        // The log may replay to a position all the same.
        let between = SelectorError::BetweenMarkers { seq: Seq(7), before: None, after: None };
        assert_eq!(choose(&[], &Selector::Seq(Seq(7)), None), Err(between));
    }

    #[test]
    fn a_log_whose_markers_are_all_dropped_says_so() {
        let mut markers = markers();
        for marker in &mut markers {
            marker.expired = Some(at("2026-01-07T00:00:00Z"));
        }
        let error = choose(&markers, &Selector::Latest, Some("daily")).unwrap_err();
        assert_eq!(error.to_string(), "the log has no markers but 6 that retention dropped");
        assert_eq!(choose(&markers, &Selector::Marker(MarkerId(6)), None).unwrap().marker.id, MarkerId(6));
    }
}
