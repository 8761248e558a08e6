//! Which markers are kept, and why.
//!
//! `(markers, rules, now)` in, one verdict for each marker out, with the words that the user reads. What is to be
//! dropped is dropped by somebody else.
//!
//! - A marker is kept if any rule keeps it; what no rule speaks of is kept, and so is everything by a rule that is
//!   empty or zero. No slip in `snaplog.toml` deletes what it says nothing about.
//! - "Newest" goes by the order of the list, never by time: a clock that was set back makes nothing old.
//! - Ages are measured back from `now`, **the time of the newest event in the log**, as restic measures
//!   `--keep-within` from the newest snapshot. So neither a log that lay idle for a year nor a wrong clock drops
//!   anything.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use super::config::{Config, Every, Keep, Tier};
use super::units::show_duration;
use crate::model::marker::Marker;
use crate::model::position::MarkerId;
use crate::model::time::Timestamp;

pub use super::thinning::{Density, Thinned, thinning};

/// Why a marker is kept or dropped. `Display` gives the words that the user reads.
///
/// Ranks count from the newest, which is 1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Kept: one of the newest of a count tier.
    Tier {
        /// The tier's name.
        tier: String,
        /// The marker's rank among those of the tier.
        rank: u64,
        /// How many the tier keeps.
        keep: u64,
    },
    /// Kept: one of the newest of a time tier.
    TierPeriod {
        /// The tier's name.
        tier: String,
        /// The marker's rank among those of the tier.
        rank: u64,
        /// How many the tier keeps.
        keep: u64,
        /// The hour, day, week or month that the marker stands for, in the configured time zone.
        period: String,
    },
    /// Kept: the tier keeps all.
    TierAll {
        /// The tier's name.
        tier: String,
    },
    /// Kept: young enough.
    Within {
        /// The tier's name; `None` if retention is not tiered.
        tier: Option<String>,
        /// How old a marker may be.
        within: Duration,
    },
    /// Kept: one of the newest markers, which always are.
    Newest {
        /// The marker's rank among all.
        rank: u64,
        /// How many are kept.
        keep: u64,
    },
    /// Kept: one of the newest markers, where retention is not tiered.
    Flat {
        /// The marker's rank among all.
        rank: u64,
        /// How many are kept.
        keep: u64,
    },
    /// Kept: retention is not tiered, and keeps all.
    FlatAll,
    /// Kept: pinned.
    Pinned,
    /// Kept: no rule speaks of its tier.
    UnknownTier {
        /// The tier's name.
        tier: String,
    },
    /// Kept: somebody placed it, by a label or without a tier, and no schedule will place it again.
    ByHand,
    /// Not kept: it was dropped before, and is on its way out.
    Expired,
    /// Dropped: a rule that could have kept it does not.
    Dropped {
        /// The tier's name; `None` if retention is not tiered.
        tier: Option<String>,
        /// The marker's rank among those of the tier, or among all.
        rank: u64,
        /// What is kept.
        keep: Keep,
    },
}

impl Reason {
    /// Whether it is a reason to keep the marker.
    pub const fn keeps(&self) -> bool {
        !matches!(self, Self::Expired | Self::Dropped { .. })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tier { tier, rank, keep } => write!(f, "{tier} {rank} of {keep}"),
            Self::TierPeriod { tier, period, .. } => write!(f, "{tier} {period}"),
            Self::TierAll { tier } => write!(f, "{tier} keeps all"),
            Self::Within { tier: Some(tier), within } => write!(f, "{tier} within {}", in_words(*within)),
            Self::Within { tier: None, within } => write!(f, "within {}", in_words(*within)),
            Self::Newest { rank, keep } => write!(f, "newest {rank} of {keep}"),
            Self::Flat { rank, keep } => write!(f, "flat {rank} of {keep}"),
            Self::FlatAll => f.write_str("flat keeps all"),
            Self::Pinned => f.write_str("pinned"),
            Self::UnknownTier { tier } => write!(f, "tier {tier} is not configured"),
            Self::ByHand => f.write_str("placed by hand"),
            Self::Expired => f.write_str("expired"),
            Self::Dropped { tier, rank, keep } => {
                let rule = tier.as_deref().unwrap_or("flat");
                match (keep.newest, keep.within.map(in_words)) {
                    (Some(newest), None) => write!(f, "{rule} keeps {newest}, this is number {rank}"),
                    (Some(newest), Some(within)) => {
                        write!(f, "{rule} keeps {newest} and {within}, this is number {rank} and older")
                    }
                    (None, Some(within)) => write!(f, "{rule} keeps {within}, this is older"),
                    (None, None) => write!(f, "{rule} keeps all"),
                }
            }
        }
    }
}

/// A duration in whole units, as it stands in `snaplog.toml`: `30 days`, `12 hours`.
fn in_words(duration: Duration) -> String {
    if duration.subsec_nanos() == 0 {
        for (unit, seconds) in [("day", 86_400), ("hour", 3600), ("minute", 60)] {
            let count = duration.as_secs() / seconds;
            if count > 0 && duration.as_secs().is_multiple_of(seconds) {
                return format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
            }
        }
    }
    show_duration(duration)
}

/// What becomes of a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The marker.
    pub id: MarkerId,
    /// Whether it is kept.
    pub keep: bool,
    /// Everything that keeps it; or, of a marker that is dropped, each rule that lets it go. Never empty.
    pub reasons: Vec<Reason>,
}

/// Judges each of `markers`, which are in ascending order of id; the verdicts are in the same order.
///
/// `now` is the time of the newest event in the log. A marker that expired before is not counted, and is dropped
/// unless it is pinned. Two markers at one seq are two markers.
pub fn judge(markers: &[Marker], config: &Config, now: Timestamp) -> Vec<Verdict> {
    let mut judging = Judging { config, now, rank: 0, ranks: HashMap::new() };
    let mut verdicts: Vec<Verdict> = markers.iter().rev().map(|marker| judging.verdict(marker)).collect();
    verdicts.reverse();
    verdicts
}

/// The judge on the way from the newest marker to the oldest.
struct Judging<'a> {
    config: &'a Config,
    now: Timestamp,
    /// How many markers were counted.
    rank: u64,
    /// How many of each tier were.
    ranks: HashMap<&'a str, u64>,
}

impl<'a> Judging<'a> {
    fn verdict(&mut self, marker: &'a Marker) -> Verdict {
        let mut reasons = Vec::new();
        if marker.pinned {
            reasons.push(Reason::Pinned);
        }
        if marker.expired.is_some() {
            reasons.push(Reason::Expired);
        } else {
            self.count(marker, &mut reasons);
        }
        let keep = reasons.iter().any(Reason::keeps);
        reasons.retain(|reason| reason.keeps() == keep);
        Verdict { id: marker.id, keep, reasons }
    }

    fn count(&mut self, marker: &'a Marker, reasons: &mut Vec<Reason>) {
        self.rank = self.rank.saturating_add(1);
        let retention = &self.config.retention;
        let newest = retention.keep_newest.max(1);
        if self.rank <= newest {
            reasons.push(Reason::Newest { rank: self.rank, keep: newest });
        }
        // The schedule gives no labels: somebody wanted to find this one again by its name.
        if marker.label.is_some() || retention.tiered && marker.tiers.is_empty() {
            reasons.push(Reason::ByHand);
        }
        if retention.tiered {
            self.count_tiers(marker, reasons);
        } else {
            self.apply(None, retention.flat, self.rank, marker.time, reasons);
        }
    }

    fn count_tiers(&mut self, marker: &'a Marker, reasons: &mut Vec<Reason>) {
        let mut seen = HashSet::new();
        for name in marker.tiers.iter().filter(|name| seen.insert(name.as_str())) {
            let Some(tier) = self.config.tier(name) else {
                reasons.push(Reason::UnknownTier { tier: name.clone() });
                continue;
            };
            let rank = self.ranks.entry(name).or_insert(0);
            *rank = rank.saturating_add(1);
            let rank = *rank;
            self.apply(Some(tier), tier.keep, rank, marker.time, reasons);
        }
    }

    /// What one rule says of a marker.
    fn apply(&self, tier: Option<&Tier>, keep: Keep, rank: u64, time: Timestamp, reasons: &mut Vec<Reason>) {
        let name = tier.map(|tier| tier.name.clone());
        if keep.is_all() {
            reasons.push(name.map_or(Reason::FlatAll, |tier| Reason::TierAll { tier }));
            return;
        }
        let before = reasons.len();
        if let Some(keep) = keep.newest.filter(|keep| rank <= *keep) {
            reasons.push(match tier {
                Some(tier) => self.newest_of(tier, rank, keep, time),
                None => Reason::Flat { rank, keep },
            });
        }
        if let Some(within) = keep.within.filter(|within| time >= earlier(self.now, *within)) {
            reasons.push(Reason::Within { tier: name.clone(), within });
        }
        if reasons.len() == before {
            reasons.push(Reason::Dropped { tier: name, rank, keep });
        }
    }

    fn newest_of(&self, tier: &Tier, rank: u64, keep: u64, time: Timestamp) -> Reason {
        let title = match tier.every {
            Every::Period(period) => period.title(self.config.time_zone, time),
            Every::Nodes(_) => None,
        };
        let tier = tier.name.clone();
        match title {
            Some(period) => Reason::TierPeriod { tier, rank, keep, period },
            None => Reason::Tier { tier, rank, keep },
        }
    }
}

/// `time` less `duration`; the first of all times if there is none so early.
pub(super) fn earlier(time: Timestamp, duration: Duration) -> Timestamp {
    let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    time.plus_micros(micros.saturating_neg())
}
