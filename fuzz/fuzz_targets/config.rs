//! snaplog.toml: whatever it says, no tier fires at every zero nodes and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snaplog::Timestamp;
use snaplog::model::marker::Served;
use snaplog::policy::config::{Config, Every};
use snaplog::policy::schedule::Schedule;

fuzz_target!(|text: &str| {
    match Config::parse(text) {
        Ok(config) => {
            assert!(config.retention.keep_newest >= 1, "the newest markers are always kept");
            for tier in &config.tiers {
                assert_ne!(tier.every, Every::Nodes(0));
                assert_eq!(config.tier(&tier.name), Some(tier));
            }
            let mut schedule = Schedule::new(&config, Served::default());
            for (nodes, time) in [(1, 0), (1_000, i64::MAX), (u64::MAX, i64::MIN)] {
                let due = schedule.is_due(nodes, Timestamp(time));
                assert_eq!(due, !schedule.take(nodes, Timestamp(time)).is_empty());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
