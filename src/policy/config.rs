//! What `snaplog.toml` says: tiers, retention, compression, durability.

use std::time::Duration;

use super::calendar::{Period, Zone};
use super::drill::Drills;
use super::remote::Remotes;

pub use super::config_error::{ConfigError, ConfigFault};

/// The smallest segment size that may be configured, in bytes.
pub const MIN_SEGMENT_BYTES: u64 = 64 << 10;
/// The largest segment size that may be configured, in bytes.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// The longest that an event may be configured to wait until it is on disk.
pub const MAX_SYNC_INTERVAL: Duration = Duration::from_hours(1);

const DAY: Duration = Duration::from_hours(24);

/// The configuration of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// When markers are placed, and how many of each kind are kept; in the order of the file.
    pub tiers: Vec<Tier>,
    /// What is kept besides.
    pub retention: Retention,
    /// When files are compressed harder.
    pub compression: Compression,
    /// When events are synced to disk.
    pub durability: Durability,
    /// When a writer's maintenance restores markers to see whether they can be.
    pub drill: Drills,
    /// Where copies of the log are kept up.
    pub remote: Remotes,
    /// Whose days, weeks and months the time tiers follow.
    pub time_zone: Zone,
    /// How large an event segment grows before the next is begun, in bytes.
    pub segment_bytes: u64,
}

/// A named schedule and its retention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// Its name: ASCII letters, digits, `-` and `_`.
    pub name: String,
    /// When it is due.
    pub every: Every,
    /// Which of its markers are kept.
    pub keep: Keep,
}

/// When a tier is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// Each time the high-water node count passes a multiple of this, which is at least 1.
    Nodes(u64),
    /// At the first batch of each of these.
    Period(Period),
}

/// Which markers are kept. A marker is kept if any of the limits keeps it; without limits all are, and a limit of
/// zero too keeps all: no slip in a file may delete what it says nothing about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The newest so many.
    pub newest: Option<u64>,
    /// Those that are no older than this.
    pub within: Option<Duration>,
}

impl Keep {
    /// Every marker.
    pub const ALL: Self = Self { newest: None, within: None };

    /// The newest `count` markers.
    pub const fn newest(count: u64) -> Self {
        Self { newest: Some(count), within: None }
    }

    /// Whether it keeps every marker.
    pub fn is_all(&self) -> bool {
        *self == Self::ALL || self.newest == Some(0) || self.within == Some(Duration::ZERO)
    }
}

/// What is kept, whatever the tiers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Whether each tier keeps its own. If not, `flat` is asked about all markers together, as the old tool did
    /// with `tiered_backups` off.
    pub tiered: bool,
    /// Which markers are kept if retention is not tiered.
    pub flat: Keep,
    /// How many of the newest markers are kept always; at least 1.
    pub keep_newest: u64,
    /// How long single events stay restorable.
    pub keep_events: KeepEvents,
    /// How long a dropped marker can be had back.
    pub grace: Duration,
}

/// How long single events stay restorable, before those between two markers are folded into one net change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepEvents {
    /// For ever.
    All,
    /// No longer than they must.
    None,
    /// For so long, by event time.
    For(Duration),
}

/// When files are rewritten at a higher compression level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compression {
    /// Whether they are.
    pub enabled: bool,
    /// How old a file is by then.
    pub age: Duration,
    /// The zstd level, 1 to 22.
    pub level: u8,
}

/// When events are synced to disk. A marker always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Each batch at once.
    Each,
    /// Many batches together, at the latest after so many events or so long.
    Grouped {
        /// The most events that wait.
        events: u64,
        /// The longest that one waits.
        interval: Duration,
    },
    /// With the next marker.
    Marker,
}

impl Default for Durability {
    fn default() -> Self {
        Self::Grouped { events: 1000, interval: Duration::from_secs(1) }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            tiered: true,
            flat: Keep::newest(10),
            keep_newest: 3,
            keep_events: KeepEvents::For(DAY),
            grace: DAY,
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self { enabled: true, age: DAY.saturating_mul(7), level: 19 }
    }
}

impl Default for Config {
    /// What an empty file means: the old tool's tiers and its daily one.
    fn default() -> Self {
        let tier = |name: &str, every, keep| Tier { name: name.to_owned(), every, keep };
        Self {
            tiers: vec![
                tier("frequent", Every::Nodes(25), Keep::newest(5)),
                tier("moderate", Every::Nodes(100), Keep::newest(10)),
                tier("milestone", Every::Nodes(500), Keep::ALL),
                tier("daily", Every::Period(Period::Day), Keep::newest(30)),
            ],
            retention: Retention::default(),
            compression: Compression::default(),
            durability: Durability::default(),
            drill: Drills::default(),
            remote: Remotes::default(),
            time_zone: Zone::UTC,
            segment_bytes: 64 << 20,
        }
    }
}

impl Config {
    /// Reads a configuration. What the text does not mention has its default; if it has a `tiers` table, exactly
    /// the tiers in that are configured.
    ///
    /// # Errors
    /// If the text is not TOML, has a key that is not known, or a value that may not stand there: the first such
    /// place is told.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        super::config_text::parse(text)
    }

    /// The text of a new log's `snaplog.toml`: the defaults, each explained.
    pub const fn template() -> &'static str {
        TEMPLATE
    }

    /// The tier of that name.
    pub fn tier(&self, name: &str) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.name == name)
    }
}

const TEMPLATE: &str = include_str!("snaplog.toml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_and_an_empty_file_give_the_default() {
        assert_eq!(Config::parse(Config::template()).unwrap(), Config::default());
        for text in ["", "\n\n", "# nothing\n", "[retention]\n[compression]\n[segment]\n"] {
            assert_eq!(Config::parse(text).unwrap(), Config::default(), "{text:?}");
        }
    }

    #[test]
    fn a_limit_of_zero_keeps_everything() {
        for (newest, within, all) in [
            (None, None, true),
            (Some(0), None, true),
            (None, Some(Duration::ZERO), true),
            (Some(5), Some(Duration::ZERO), true),
            (Some(5), None, false),
            (None, Some(DAY), false),
            (Some(5), Some(DAY), false),
        ] {
            assert_eq!(Keep { newest, within }.is_all(), all, "{newest:?} {within:?}");
        }
    }
}
