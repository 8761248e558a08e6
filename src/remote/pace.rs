//! A store to which no more than so many bytes a second are sent.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::bucket::{Bucket, Created, Listed};
use crate::codec::len_u64;

/// Lets what is sent to a bucket wait, so that over some seconds it is not more than so much; reading does not wait.
#[derive(Debug)]
pub struct Paced {
    bucket: Arc<dyn Bucket>,
    bytes_per_second: u64,
    /// When what was sent so far has had its time.
    free_at: Mutex<Option<Instant>>,
}

impl Paced {
    /// `bytes_per_second`: at least 1 counts.
    pub fn new(bucket: Arc<dyn Bucket>, bytes_per_second: u64) -> Self {
        Self { bucket, bytes_per_second: bytes_per_second.max(1), free_at: Mutex::default() }
    }

    /// Waits until the bytes before these have had their time, whichever thread sent them.
    fn wait(&self, bytes: u64) {
        let now = Instant::now();
        let begins = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let (begins, ends) = turn(*free_at, now, bytes, self.bytes_per_second);
            *free_at = Some(ends);
            begins
        };
        std::thread::sleep(begins.saturating_duration_since(now));
    }
}

/// When these bytes may be sent, and when they have had their time.
fn turn(free_at: Option<Instant>, now: Instant, bytes: u64, bytes_per_second: u64) -> (Instant, Instant) {
    let micros = bytes.saturating_mul(1_000_000).checked_div(bytes_per_second).unwrap_or_default();
    let begins = free_at.filter(|free_at| *free_at > now).unwrap_or(now);
    (begins, begins.checked_add(Duration::from_micros(micros)).unwrap_or(begins))
}

impl Bucket for Paced {
    fn create(&self, name: &str, bytes: Vec<u8>) -> io::Result<Created> {
        self.wait(len_u64(bytes.len()));
        self.bucket.create(name, bytes)
    }

    fn get(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        self.bucket.get(name, max)
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        self.bucket.get_range(name, offset, length)
    }

    fn list(&self, directory: &str, after: Option<&str>) -> io::Result<Vec<Listed>> {
        self.bucket.list(directory, after)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.bucket.delete(name)
    }

    fn location(&self, name: &str) -> String {
        self.bucket.location(name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryBucket;
    use super::*;

    #[test]
    fn what_is_sent_has_its_turn_after_what_was_sent_before() {
        let now = Instant::now();
        let after = |millis| now.checked_add(Duration::from_millis(millis)).unwrap();
        // Nothing is on its way: at once. Then one after the other, a byte a millisecond.
        assert_eq!(turn(None, now, 50, 1000), (now, after(50)));
        assert_eq!(turn(Some(after(50)), now, 30, 1000), (after(50), after(80)));
        // A pause is not made up for.
        assert_eq!(turn(Some(after(80)), after(500), 10, 1000), (after(500), after(510)));
    }

    #[test]
    fn it_is_the_store_that_it_stands_before() {
        let store = MemoryBucket::new();
        let paced = Paced::new(Arc::new(store.clone()), 1 << 30);
        assert_eq!(paced.create("parts/a", vec![0; 50]).unwrap(), Created::New);
        assert_eq!(paced.get("parts/a", 50).unwrap(), store.get_range("parts/a", 0, 50).unwrap());
        assert_eq!(paced.list("parts", None).unwrap(), store.list("parts", None).unwrap());
        paced.delete("parts/a").unwrap();
        assert!(store.dump().is_empty());
        assert_eq!(paced.location("x"), store.location("x"));
    }
}
