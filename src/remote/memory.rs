//! An object store in memory, which fails when it is told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bucket::{Bucket, Created, Listed};
use crate::codec::len_u64;
use crate::model::time::Timestamp;

/// How a planned request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFault {
    /// It never arrives, and nothing after it does: the process was killed, or the network is gone.
    GoneBefore,
    /// It takes effect, the answer never comes, and nothing after it arrives.
    GoneAfter,
    /// It takes effect, and the answer is lost; what follows is well.
    AnswerLost,
}

/// Objects in memory. Clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryBucket {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    /// When they were created; what is not in here was there from the beginning.
    times: BTreeMap<String, Timestamp>,
    now: Timestamp,
    requests: u64,
    fetched: u64,
    fault: Option<(u64, RequestFault)>,
}

/// What becomes of a request.
enum Course {
    Well,
    /// It is carried out, and answered with an error.
    Lost,
}

impl MemoryBucket {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets request `n`, counted from 0 since the store was made, fail.
    pub fn fail_request(&self, n: u64, fault: RequestFault) {
        self.state().fault = Some((n, fault));
    }

    /// Lets all requests go well from now on.
    pub fn clear_faults(&self) {
        self.state().fault = None;
    }

    /// Moves the clock of the store on.
    pub fn advance_micros(&self, micros: i64) {
        let mut state = self.state();
        state.now = state.now.plus_micros(micros);
    }

    /// How many requests came so far.
    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    /// How many bytes of objects were read so far.
    pub fn fetched(&self) -> u64 {
        self.state().fetched
    }

    /// All objects.
    pub fn dump(&self) -> BTreeMap<String, Vec<u8>> {
        self.state().objects.clone()
    }

    /// Puts these objects in the place of those that are there.
    pub fn load(&self, objects: BTreeMap<String, Vec<u8>>) {
        self.state().objects = objects;
    }

    /// A store of its own that holds the same objects now.
    #[must_use]
    pub fn fork(&self) -> Self {
        let fork = Self::new();
        {
            let (mut to, from) = (fork.state(), self.state());
            (to.objects, to.times, to.now) = (from.objects.clone(), from.times.clone(), from.now);
        }
        fork
    }
}

impl State {
    /// Counts a request.
    fn begin(&mut self) -> io::Result<Course> {
        let n = self.requests;
        self.requests = n.saturating_add(1);
        let gone = || io::Error::new(io::ErrorKind::TimedOut, "simulated: the store does not answer");
        match self.fault {
            Some((at, RequestFault::GoneBefore)) if n >= at => Err(gone()),
            Some((at, RequestFault::GoneAfter)) if n > at => Err(gone()),
            Some((at, RequestFault::GoneAfter | RequestFault::AnswerLost)) if n == at => Ok(Course::Lost),
            _ => Ok(Course::Well),
        }
    }

    fn answer<T>(&mut self, request: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let course = self.begin()?;
        let answer = request(self)?;
        match course {
            Course::Well => Ok(answer),
            Course::Lost => Err(io::Error::new(io::ErrorKind::TimedOut, "simulated: the answer was lost")),
        }
    }

    fn object(&self, name: &str) -> io::Result<&Vec<u8>> {
        self.objects
            .get(name)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such object"))
    }
}

impl Bucket for MemoryBucket {
    fn create(&self, name: &str, bytes: Vec<u8>) -> io::Result<Created> {
        self.state().answer(|state| {
            if state.objects.contains_key(name) {
                return Ok(Created::Exists);
            }
            state.objects.insert(name.to_owned(), bytes);
            state.times.insert(name.to_owned(), state.now);
            Ok(Created::New)
        })
    }

    fn get(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        self.state().answer(|state| {
            let bytes = state.object(name)?.clone();
            if len_u64(bytes.len()) > max {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    "the object is larger than any such is",
                ));
            }
            state.fetched = state.fetched.saturating_add(len_u64(bytes.len()));
            Ok(bytes)
        })
    }

    fn get_range(&self, name: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        self.state().answer(|state| {
            let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            let range = place(offset)..place(offset.saturating_add(length));
            let short = || io::Error::new(io::ErrorKind::UnexpectedEof, "the object ends before");
            let bytes = state.object(name)?.get(range).ok_or_else(short)?.to_vec();
            state.fetched = state.fetched.saturating_add(length);
            Ok(bytes)
        })
    }

    fn list(&self, directory: &str, after: Option<&str>) -> io::Result<Vec<Listed>> {
        self.state().answer(|state| {
            let within = format!("{directory}/");
            let from = after.unwrap_or_default();
            let listed =
                state.objects.iter().filter(|(name, _)| name.starts_with(&within) && name.as_str() > from);
            Ok(listed
                .map(|(name, bytes)| {
                    let modified = state.times.get(name).copied().unwrap_or_default();
                    Listed { name: name.clone(), size: len_u64(bytes.len()), modified }
                })
                .collect())
        })
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.state().answer(|state| {
            state.objects.remove(name);
            Ok(())
        })
    }

    fn location(&self, name: &str) -> String {
        format!("memory://store/{name}")
    }
}
