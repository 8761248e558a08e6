//! Two that push at once: at every request of the one, the other pushes all of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use snaplog::remote::{Bucket, Created, Error, Listed, MemoryBucket, push};

use crate::common::open;
use crate::world::{cloned, grow, holds, log, markers};

/// A store in which somebody else does something before the n-th request.
pub(crate) struct Meddling<'a> {
    bucket: &'a MemoryBucket,
    requests: AtomicU64,
    at: u64,
    other: Mutex<Option<Box<dyn FnOnce() + Send + 'a>>>,
}

impl std::fmt::Debug for Meddling<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meddling").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'a> Meddling<'a> {
    /// `other` is done before the request `at`, counted from 0.
    pub(crate) fn new(
        bucket: &'a MemoryBucket,
        at: u64,
        other: impl FnOnce(&MemoryBucket) -> Result<(), Error> + Send + 'a,
    ) -> Self {
        let other: Box<dyn FnOnce() + Send + 'a> = Box::new(move || other(bucket).unwrap());
        Self { bucket, requests: AtomicU64::new(0), at, other: Mutex::new(Some(other)) }
    }

    /// Whether there was such a request.
    pub(crate) fn is_done(&self) -> bool {
        self.other.lock().unwrap().is_none()
    }

    fn request(&self) {
        if self.requests.fetch_add(1, Ordering::SeqCst) == self.at
            && let Some(other) = self.other.lock().unwrap().take()
        {
            other();
        }
    }
}

impl Bucket for Meddling<'_> {
    fn create(&self, name: &str, bytes: Vec<u8>) -> io::Result<Created> {
        self.request();
        self.bucket.create(name, bytes)
    }

    fn get(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        self.request();
        self.bucket.get(name, max)
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        self.request();
        self.bucket.get_range(name, offset, length)
    }

    fn list(&self, directory: &str, after: Option<&str>) -> io::Result<Vec<Listed>> {
        self.request();
        self.bucket.list(directory, after)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.request();
        self.bucket.delete(name)
    }

    fn location(&self, name: &str) -> String {
        self.bucket.location(name)
    }
}

#[test]
fn of_two_pushes_at_once_one_wins_and_the_other_is_told() {
    let (disk, log) = log();
    let bucket = MemoryBucket::new();
    grow(&log, 0..4);
    push(&log, &bucket).unwrap();
    let (copy, _) = cloned(&bucket);
    grow(&open(&copy), 4..6);
    grow(&log, 4..5);
    let (mut first, mut second) = (0, 0);
    for at in 0.. {
        let (bucket, one, two) = (bucket.fork(), open(&disk.fork()), open(&copy.fork()));
        let others = Mutex::new(None);
        let meddling = Meddling {
            bucket: &bucket,
            requests: AtomicU64::new(0),
            at,
            other: Mutex::new(Some(Box::new(|| *others.lock().unwrap() = Some(push(&two, &bucket))))),
        };
        let own = push(&one, &meddling);
        let requests = meddling.requests.load(Ordering::SeqCst);
        drop(meddling);
        let Some(other) = others.into_inner().unwrap() else {
            own.unwrap();
            assert!(at >= requests);
            break;
        };
        let story = format!("before request {at}");
        match (own, other) {
            (Ok(_), Err(Error::Diverged { .. })) => {
                first += 1;
                holds(&bucket, &markers(&one), &story);
            }
            (Err(Error::Diverged { .. }), Ok(_)) => {
                second += 1;
                holds(&bucket, &markers(&two), &story);
            }
            both => panic!("{story}: {both:?}"),
        }
        assert_eq!(bucket.dump().keys().filter(|name| name.starts_with("pushes/")).count(), 2, "{story}");
    }
    assert!(second >= 3, "{first} and {second} won");
}
