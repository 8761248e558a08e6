//! The clock and the dice: parameters, so that tests and golden files can fix them.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::model::time::Timestamp;
use crate::storage::peak_memory;

/// What a log takes from the world around it, besides its storage.
pub trait Environment: Send + Sync + fmt::Debug {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Sixteen random bytes, never the same twice.
    fn random(&self) -> [u8; 16];

    /// Who writes, for people: process and host.
    fn owner(&self) -> String;

    /// The most memory that the process ever held, in bytes; `None` where the system does not tell.
    fn peak_memory(&self) -> Option<u64> {
        None
    }

    /// Whether a writer may start a thread that syncs on time and answers requests. Without one its owner calls
    /// [`Writer::tick`](crate::log::Writer::tick).
    fn threads(&self) -> bool {
        true
    }
}

/// The real world.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    #[expect(clippy::disallowed_methods, reason = "this is where the clock comes in")]
    fn now(&self) -> Timestamp {
        Timestamp::from_chrono(&chrono::Utc::now())
    }

    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_err() {
            // No entropy source: the clock and the process are still different from log to log.
            let mixed = u128::from(self.now().0.cast_unsigned()) << 32 | u128::from(std::process::id());
            bytes = mixed.to_le_bytes();
        }
        bytes
    }

    fn peak_memory(&self) -> Option<u64> {
        peak_memory()
    }

    fn owner(&self) -> String {
        format!("pid {} on {}", std::process::id(), host())
    }
}

fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// A world of numbers: a clock that stands still until it is set, and dice that repeat. For tests and golden files.
#[derive(Debug)]
pub struct FixedEnvironment {
    now: AtomicI64,
    counter: AtomicU64,
}

impl FixedEnvironment {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { now: AtomicI64::new(now.0), counter: AtomicU64::new(1) }
    }

    /// Sets the clock.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.0, Ordering::SeqCst);
    }

    /// Moves the clock on.
    pub fn advance_micros(&self, micros: i64) {
        self.now.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Environment for FixedEnvironment {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn random(&self) -> [u8; 16] {
        let n = self.counter.fetch_add(1, Ordering::SeqCst);
        xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes()).to_le_bytes()
    }

    fn owner(&self) -> String {
        "a test".to_owned()
    }

    fn threads(&self) -> bool {
        false
    }
}
