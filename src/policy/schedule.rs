//! When a tier's marker is due.
//!
//! Two things are compared with how far the schedule was last *served*: the high-water node count, and the time.
//! Both only grow, and the last marker of the schedule carries both. So nodes deleted and put again fire nothing
//! twice, a count that leaps over a multiple fires all the same, and a marker that a crash prevented is overdue
//! at the next open.

use super::calendar::Zone;
use super::config::{Config, Every, Tier};
use crate::model::marker::Served;
use crate::model::time::Timestamp;

/// The tiers that a marker placed now takes; none if no marker is due.
///
/// - A count tier is due when the high-water count has passed a multiple of its interval since `served`. Of the
///   count tiers that are due only the one with the largest interval is taken (two with the same: both).
/// - Every time tier that is due is taken: when a period of it has begun since `served`, or if the schedule was
///   never served. So the first call takes all time tiers: make it when there is something to mark.
///
/// The count tier comes first, then the time tiers in the configuration's order.
pub fn due(tiers: &[Tier], zone: Zone, served: &Served, high_water: u64, now: Timestamp) -> Vec<String> {
    let count_due = |tier: &&Tier| next_count(tier, served).is_some_and(|next| high_water >= next);
    let interval = |tier: &Tier| match tier.every {
        Every::Nodes(nodes) => Some(nodes),
        Every::Period(_) => None,
    };
    let highest = tiers.iter().filter(count_due).filter_map(interval).max();
    let count_tiers = tiers.iter().filter(|tier| highest.is_some() && interval(tier) == highest);
    let time_tiers =
        tiers.iter().filter(|tier| next_time(tier, zone, served).is_some_and(|next| now >= next));
    count_tiers.chain(time_tiers).map(|tier| tier.name.clone()).collect()
}

/// The node count at which a count tier is next due: the first multiple past what was served.
fn next_count(tier: &Tier, served: &Served) -> Option<u64> {
    match tier.every {
        Every::Nodes(nodes) => served.high_water.checked_div(nodes)?.checked_add(1)?.checked_mul(nodes),
        Every::Period(_) => None,
    }
}

/// The time at which a time tier is next due: the start of the period after the one that was served.
fn next_time(tier: &Tier, zone: Zone, served: &Served) -> Option<Timestamp> {
    match tier.every {
        Every::Nodes(_) => None,
        Every::Period(period) => {
            Some(served.time.map_or(Timestamp::MIN, |served| period.next_start(zone, served)))
        }
    }
}

/// The schedule of a log that is being written: [`due`], with the next thresholds worked out beforehand, so that
/// asking at every event costs two comparisons.
#[derive(Debug, Clone)]
pub struct Schedule {
    tiers: Vec<Tier>,
    zone: Zone,
    served: Served,
    next_count: Option<u64>,
    next_time: Option<Timestamp>,
}

impl Schedule {
    /// The schedule of a configuration, served as far as the last marker says.
    pub fn new(config: &Config, served: Served) -> Self {
        let mut schedule = Self {
            tiers: config.tiers.clone(),
            zone: config.time_zone,
            served,
            next_count: None,
            next_time: None,
        };
        schedule.set_thresholds();
        schedule
    }

    fn set_thresholds(&mut self) {
        self.next_count = self.tiers.iter().filter_map(|tier| next_count(tier, &self.served)).min();
        self.next_time = self.tiers.iter().filter_map(|tier| next_time(tier, self.zone, &self.served)).min();
    }

    /// How far it was served; the next marker carries this.
    pub fn served(&self) -> Served {
        self.served
    }

    /// The node count at which a count tier is next due.
    pub fn next_count(&self) -> Option<u64> {
        self.next_count
    }

    /// Whether a marker is due.
    #[inline]
    pub fn is_due(&self, high_water: u64, now: Timestamp) -> bool {
        self.next_count.is_some_and(|next| high_water >= next)
            || self.next_time.is_some_and(|next| now >= next)
    }

    /// The tiers that a marker placed now takes, as [`due`] tells. If there are any, the schedule counts them as
    /// served; otherwise it stays as it is.
    #[must_use = "the schedule counts these tiers as served: a marker with them must follow"]
    pub fn take(&mut self, high_water: u64, now: Timestamp) -> Vec<String> {
        if !self.is_due(high_water, now) {
            return Vec::new();
        }
        let tiers = due(&self.tiers, self.zone, &self.served, high_water, now);
        // Neither is ever taken back, whatever a clock says.
        self.served.high_water = self.served.high_water.max(high_water);
        self.served.time = self.served.time.max(Some(now));
        self.set_thresholds();
        tiers
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::Period;
    use super::super::config::Keep;
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn tier(name: &str, every: Every) -> Tier {
        Tier { name: name.to_owned(), every, keep: Keep::ALL }
    }

    fn served(high_water: u64, time: &str) -> Served {
        Served { high_water, time: Some(at(time)) }
    }

    const DAY_1: &str = "2026-01-05T10:00:00Z";
    const DAY_2: &str = "2026-01-06T10:00:00Z";

    #[test]
    fn the_default_tiers_are_due_when_their_multiples_and_days_pass() {
        let tiers = Config::default().tiers;
        let never = Served::default();
        for (served, high_water, now, expected) in [
            // The first event of a log begins a day.
            (never, 1, DAY_1, vec!["daily"]),
            (never, 30, DAY_1, vec!["frequent", "daily"]),
            (served(1, DAY_1), 1, DAY_1, vec![]),
            (served(1, DAY_1), 24, DAY_1, vec![]),
            (served(1, DAY_1), 25, DAY_1, vec!["frequent"]),
            // The count leaps over the multiple, over several, over those of several tiers.
            (served(24, DAY_1), 26, DAY_1, vec!["frequent"]),
            (served(24, DAY_1), 99, DAY_1, vec!["frequent"]),
            (served(24, DAY_1), 130, DAY_1, vec!["moderate"]),
            (served(24, DAY_1), 2000, DAY_1, vec!["milestone"]),
            (served(75, DAY_1), 100, DAY_1, vec!["moderate"]),
            (served(130, DAY_1), 149, DAY_1, vec![]),
            (served(130, DAY_1), 150, DAY_1, vec!["frequent"]),
            (served(475, DAY_1), 500, DAY_1, vec!["milestone"]),
            // A day passes, with and without a multiple.
            (served(130, DAY_1), 130, DAY_2, vec!["daily"]),
            (served(130, DAY_1), 200, DAY_2, vec!["moderate", "daily"]),
            (served(130, DAY_1), 130, "2026-01-05T23:59:59.999999Z", vec![]),
            (served(130, DAY_1), 130, "2026-01-06T00:00:00Z", vec!["daily"]),
            (served(130, DAY_1), 130, "2026-03-06T00:00:00Z", vec!["daily"]),
            // A clock that was set back begins no day.
            (served(130, DAY_2), 130, DAY_1, vec![]),
            // A count that is below what was served, as after a restore of something smaller.
            (served(130, DAY_1), 26, DAY_1, vec![]),
        ] {
            assert_eq!(
                due(&tiers, Zone::UTC, &served, high_water, at(now)),
                expected,
                "{served:?} {high_water} {now}"
            );
            let config = Config { tiers: tiers.clone(), ..Config::default() };
            let mut schedule = Schedule::new(&config, served);
            assert_eq!(schedule.is_due(high_water, at(now)), !expected.is_empty());
            assert_eq!(schedule.take(high_water, at(now)), expected);
            assert!(schedule.take(high_water, at(now)).is_empty(), "nothing is taken twice");
        }
    }

    #[test]
    fn a_crawl_that_adds_one_node_at_a_time_gets_the_old_tools_backups() {
        let mut schedule = Schedule::new(&Config::default(), served(0, DAY_1));
        let mut placed = Vec::new();
        for nodes in 1..=1000 {
            placed.extend(schedule.take(nodes, at(DAY_1)).into_iter().map(|tier| (tier, nodes)));
        }
        let of =
            |name: &str| placed.iter().filter(|(tier, _)| tier == name).map(|(_, n)| *n).collect::<Vec<_>>();
        assert_eq!(of("milestone"), [500, 1000]);
        assert_eq!(of("moderate"), [100, 200, 300, 400, 600, 700, 800, 900]);
        assert_eq!(of("frequent").len(), 30);
        assert_eq!(placed.len(), 40, "one marker for each multiple of 25");
    }

    #[test]
    fn deletes_and_puts_around_a_multiple_fire_nothing_twice() {
        // The caller passes the high-water count, which stays where it is while nodes go and come.
        let mut schedule = Schedule::new(&Config::default(), served(0, DAY_1));
        assert_eq!(schedule.take(25, at(DAY_1)), ["frequent"]);
        for high_water in [25, 25, 25, 26, 26, 49] {
            assert!(schedule.take(high_water, at(DAY_1)).is_empty());
        }
        assert_eq!(schedule.take(50, at(DAY_1)), ["frequent"]);
    }

    #[test]
    fn what_a_crash_prevented_is_overdue_at_the_next_open() {
        let mut before = Schedule::new(&Config::default(), served(480, DAY_1));
        let lost = before.take(501, at(DAY_1));
        // The marker never reached the disk, so the next open knows what was served before it.
        let mut after = Schedule::new(&Config::default(), served(480, DAY_1));
        assert_eq!(after.take(501, at(DAY_1)), lost);
    }

    #[test]
    fn a_tier_that_is_reconfigured_goes_on_from_what_was_served() {
        let frequent = |nodes| vec![tier("frequent", Every::Nodes(nodes))];
        for (every, high_water, expected) in
            [(10, 130, false), (10, 139, false), (10, 140, true), (200, 199, false), (200, 200, true)]
        {
            let tiers = due(&frequent(every), Zone::UTC, &served(130, DAY_1), high_water, at(DAY_1));
            assert_eq!(!tiers.is_empty(), expected, "every {every} at {high_water}");
        }
    }

    #[test]
    fn a_time_tier_that_is_added_waits_for_its_next_period() {
        let tiers = [tier("hourly", Every::Period(Period::Hour))];
        let due_at = |now| due(&tiers, Zone::UTC, &served(0, DAY_1), 0, at(now));
        assert!(due_at("2026-01-05T10:59:59Z").is_empty());
        assert_eq!(due_at("2026-01-05T11:00:00Z"), ["hourly"]);
    }

    #[test]
    fn every_time_tier_that_is_due_is_taken_and_one_count_tier() {
        let tiers = [
            tier("hourly", Every::Period(Period::Hour)),
            tier("few", Every::Nodes(10)),
            tier("daily", Every::Period(Period::Day)),
            tier("many", Every::Nodes(30)),
            tier("also many", Every::Nodes(30)),
            tier("monthly", Every::Period(Period::Month)),
        ];
        let taken = due(&tiers, Zone::UTC, &served(5, DAY_1), 60, at(DAY_2));
        assert_eq!(taken, ["many", "also many", "hourly", "daily"]);
    }

    #[test]
    fn days_begin_at_local_midnight_summer_time_included() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let tiers = [tier("daily", Every::Period(Period::Day))];
        for (last, now, expected) in [
            ("2026-01-05T22:00:00Z", "2026-01-05T22:59:59Z", false),
            ("2026-01-05T22:00:00Z", "2026-01-05T23:00:00Z", true),
            ("2026-01-05T23:00:00Z", "2026-01-06T01:00:00Z", false),
            // The night clocks go forward: the next midnight is 22:00 UTC.
            ("2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z", false),
            ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", true),
            // The night they go back: 02:30 comes twice, and it is one day.
            ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", false),
            ("2026-10-25T00:30:00Z", "2026-10-25T22:59:59Z", false),
            ("2026-10-25T00:30:00Z", "2026-10-25T23:00:00Z", true),
        ] {
            let taken = due(&tiers, berlin, &served(0, last), 0, at(now));
            assert_eq!(!taken.is_empty(), expected, "{last} -> {now}");
        }
    }

    #[test]
    fn without_tiers_nothing_is_ever_due() {
        let config = Config { tiers: Vec::new(), ..Config::default() };
        let mut schedule = Schedule::new(&config, Served::default());
        assert!(!schedule.is_due(u64::MAX, Timestamp(i64::MAX)));
        assert!(schedule.take(u64::MAX, Timestamp(i64::MAX)).is_empty());
        assert_eq!(schedule.served(), Served::default());
    }

    #[test]
    fn an_interval_of_zero_or_past_all_numbers_is_never_due() {
        let tiers = [tier("zero", Every::Nodes(0))];
        assert!(due(&tiers, Zone::UTC, &served(0, DAY_1), u64::MAX, at(DAY_1)).is_empty());
        let tiers = [tier("huge", Every::Nodes(u64::MAX))];
        assert!(due(&tiers, Zone::UTC, &served(0, DAY_1), u64::MAX - 1, at(DAY_1)).is_empty());
        assert!(due(&tiers, Zone::UTC, &served(u64::MAX, DAY_1), u64::MAX, at(DAY_1)).is_empty());
    }

    #[test]
    fn the_cheap_question_and_the_full_one_agree() {
        use proptest::prelude::*;
        let config = Config::default();
        let day = 86_400_000_000_i64;
        proptest!(|(water in 0..2000_u64, more in 0..600_u64, time in 0..10 * day, later in -day..3 * day)| {
            let served = Served { high_water: water, time: Some(Timestamp(time)) };
            let now = Timestamp(time + later);
            let taken = due(&config.tiers, Zone::UTC, &served, water + more, now);
            let schedule = Schedule::new(&config, served);
            prop_assert_eq!(schedule.is_due(water + more, now), !taken.is_empty());
        });
    }
}
