//! The queue before the writer: events that calls from Python have handed over and that a thread of its own appends, so
//! that the caller does not wait for the log's own work.
//!
//! The thread never takes Python's lock. Whoever waits for it, or for the writer, has let go of Python's lock before; but for
//! one caller at a time, who works on both sides at once ([`Queue::in_order_attached`]).

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use pyo3::Python;
use pyo3::sync::MutexExt;
use snaplog::{Appended, Error, Event, Result, Timestamp, Writer};

/// So many events are worth waking the thread for at once.
const CHUNK: usize = 512;
/// With so many waiting the caller appends them itself.
const MOST: usize = 16 << 10;
/// An event waits no longer than this before it is appended.
const LINGER: Duration = Duration::from_millis(50);

/// A writer with a queue before it.
#[derive(Debug)]
pub(crate) struct Queue {
    writer: RwLock<Option<Writer>>,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    /// Held by whoever appends: events come to the writer in the order in which they were queued.
    appending: Mutex<()>,
    /// Held, before `appending`, by whoever keeps Python's lock too.
    attached: Mutex<()>,
    /// The thread that holds `attached`: what Python runs in it meanwhile, a `__hash__`, a `__repr__`, a finalizer, would wait
    /// for itself.
    holder: Mutex<Option<ThreadId>>,
    /// What became of events whose callers had gone on, for the next caller to be told.
    failed: Mutex<Option<Error>>,
    has_failed: AtomicU64,
    written: AtomicU64,
}

/// What a call hears that comes out of the middle of another one.
const IN_THE_MIDDLE: &str = "it is being read in this thread: code that runs in the middle of that, such as __hash__, __eq__, \
     __repr__ or __del__ of what is in a graph, cannot use it";

/// Takes back who holds the writer.
struct Held<'a>(&'a Mutex<Option<ThreadId>>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *lock(self.0) = None;
    }
}

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<Event>,
    stop: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// A queue and its thread.
    pub(crate) fn start(writer: Writer) -> (Arc<Self>, Option<JoinHandle<()>>) {
        let queue = Arc::new(Self {
            writer: RwLock::new(Some(writer)),
            waiting: Mutex::default(),
            wake: Condvar::new(),
            appending: Mutex::new(()),
            attached: Mutex::new(()),
            holder: Mutex::new(None),
            failed: Mutex::new(None),
            has_failed: AtomicU64::new(0),
            written: AtomicU64::new(0),
        });
        let of_thread = Arc::clone(&queue);
        let named = thread::Builder::new().name("snaplog-queue".to_owned());
        // Without a thread events wait until somebody flushes, or until there are too many.
        let thread = named.spawn(move || of_thread.serve()).ok();
        (queue, thread)
    }

    fn serve(&self) {
        loop {
            let mut waiting = lock(&self.waiting);
            while waiting.events.is_empty() && !waiting.stop {
                waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            if waiting.stop {
                return;
            }
            if waiting.events.len() < CHUNK {
                waiting = self.wake.wait_timeout(waiting, LINGER).map_or_else(|e| e.into_inner().0, |w| w.0);
            }
            drop(waiting);
            self.append_waiting();
        }
    }

    /// Puts an event into the queue. Whether there are so many by now that the caller must [`flush`](Self::flush).
    pub(crate) fn push(&self, event: Event) -> bool {
        let mut waiting = lock(&self.waiting);
        waiting.events.push(event);
        let count = waiting.events.len();
        drop(waiting);
        if count == 1 || count == CHUNK {
            self.wake.notify_one();
        }
        count >= MOST
    }

    /// Whether this thread is in the middle of work that holds the writer.
    pub(crate) fn is_in_turn(&self) -> bool {
        *lock(&self.holder) == Some(thread::current().id())
    }

    /// That this thread is not in the middle of work that holds the writer.
    pub(crate) fn check_turn(&self) -> Result<()> {
        if self.is_in_turn() {
            return Err(Error::Declined { message: IN_THE_MIDDLE.to_owned() });
        }
        Ok(())
    }

    /// Appends what is waiting. What goes wrong is kept for the next caller.
    fn append_waiting(&self) {
        let _order = lock(&self.appending);
        self.append_waiting_in_order();
    }

    fn append_waiting_in_order(&self) {
        let events = mem::take(&mut lock(&self.waiting).events);
        let mut rest = events.as_slice();
        while !rest.is_empty() {
            match self.with(|writer| writer.append_each(rest)) {
                Ok(written) => {
                    self.count(written);
                    return;
                }
                Err(Error::BatchRefused { at, refusal }) => {
                    self.fail(Error::Refused(refusal));
                    rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
                }
                Err(error) => return self.fail(error),
            }
        }
    }

    fn count(&self, written: usize) {
        self.written.fetch_add(u64::try_from(written).unwrap_or(0), Ordering::Relaxed);
    }

    fn fail(&self, error: Error) {
        let mut failed = lock(&self.failed);
        // The first one is the cause of the others.
        if failed.is_none() {
            *failed = Some(error);
            self.has_failed.store(1, Ordering::Release);
        }
    }

    /// What went wrong since somebody was told last.
    pub(crate) fn take_failure(&self) -> Result<()> {
        if self.has_failed.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let mut failed = lock(&self.failed);
        self.has_failed.store(0, Ordering::Release);
        failed.take().map_or(Ok(()), Err)
    }

    /// Appends what is waiting.
    ///
    /// # Errors
    /// What went wrong since somebody was told last.
    pub(crate) fn flush(&self) -> Result<()> {
        self.check_turn()?;
        self.append_waiting();
        self.take_failure()
    }

    /// How many of the events changed something. Exact after a flush.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Does `work` with the writer after everything that is waiting was appended, and before anything else is.
    ///
    /// # Errors
    /// Those of `work`; what went wrong since somebody was told last, and then `work` is not done.
    pub(crate) fn in_order<T>(&self, work: impl FnOnce(&Writer) -> Result<T>) -> Result<T> {
        self.check_turn()?;
        self.in_turn(work)
    }

    fn in_turn<T>(&self, work: impl FnOnce(&Writer) -> Result<T>) -> Result<T> {
        let _order = lock(&self.appending);
        self.append_waiting_in_order();
        self.take_failure()?;
        self.with(work)
    }

    /// As [`in_order`](Self::in_order), for work that needs Python as well, whose lock the caller has and keeps.
    ///
    /// One caller at a time: Python may let another thread run in the middle of the work, and if that one waited for the
    /// writer with Python's lock in its hands neither could go on. It waits here, and has let go of Python's lock.
    ///
    /// # Errors
    /// As [`in_order`](Self::in_order).
    pub(crate) fn in_order_attached<T>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Writer) -> Result<T>,
    ) -> Result<T> {
        self.check_turn()?;
        let _turn = self.attached.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        *lock(&self.holder) = Some(thread::current().id());
        // Taken back however the work ends.
        let _held = Held(&self.holder);
        self.in_turn(work)
    }

    /// Appends an event at once. `time`: when it happened, if not now.
    ///
    /// # Errors
    /// As [`in_order`](Self::in_order); a refusal.
    pub(crate) fn append(&self, event: &Event, time: Option<Timestamp>) -> Result<Appended> {
        self.in_order(|writer| {
            let appended = match time {
                Some(time) => writer.append_at(event, time)?,
                None => writer.append(event)?,
            };
            self.count(usize::from(matches!(appended, Appended::Written(_))));
            Ok(appended)
        })
    }

    fn with<T>(&self, work: impl FnOnce(&Writer) -> Result<T>) -> Result<T> {
        match &*self.writer.read().unwrap_or_else(PoisonError::into_inner) {
            Some(writer) => work(writer),
            None => Err(Error::Closed),
        }
    }

    /// Ends the session: appends what is waiting, and closes the writer.
    ///
    /// # Errors
    /// What went wrong since somebody was told last; what the writer says. The session has ended all the same.
    pub(crate) fn close(&self, thread: Option<JoinHandle<()>>) -> Result<()> {
        lock(&self.waiting).stop = true;
        self.wake.notify_all();
        if let Some(thread) = thread {
            // A thread that panicked has nothing left to do.
            let _ = thread.join();
        }
        let flushed = self.flush();
        let writer = self.writer.write().unwrap_or_else(PoisonError::into_inner).take();
        let closed = writer.map_or(Ok(()), Writer::close);
        flushed.and(closed)
    }

    /// In a process that was forked off: the log is the parent's.
    pub(crate) fn leave_to_parent(&self) {
        // A thread of the parent may be closing it; then there is no lock to leave.
        if let Ok(guard) = self.writer.try_read()
            && let Some(writer) = &*guard
        {
            writer.leave_to_parent();
        }
    }
}
