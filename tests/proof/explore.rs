//! Crashes at every moment of a workload, in every way; the recovery after each, crashes in that recovery, and what must
//! hold after all of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use snaplog::storage::{SimStorage, Storage};
use snaplog::{CompactOptions, Error, Event, GraphKind};

use crate::fates::{Closeness, Numbers, plan};
use crate::ledger::{Facts, Ledger};
use crate::look::{look, recover_twice};
use crate::play::Play;
use crate::tape::{Moment, Wanted};

pub(crate) const CONFIG: &str = "durability = { events = 7, interval = \"1s\" }\n\
    [tiers.small]\nevery_nodes = 6\nkeep = 2\n[tiers.big]\nevery_nodes = 20\nkeep = \"all\"\n\
    [segment]\nsize = \"64 KiB\"\n[retention]\nkeep_newest = 1\nkeep_events = \"12h\"\ngrace = \"10h\"\n\
    [compression]\nage = \"2 days\"\n";

/// Whether the whole is asked for, and not the part that every change has to pass.
pub(crate) fn exhaustive() -> bool {
    std::env::var_os("SNAPLOG_EXHAUSTIVE").is_some()
}

/// A story of one log.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) kind: GraphKind,
    /// What comes before the moments that are explored.
    pub(crate) before: fn(&mut Play) -> Result<(), Error>,
    /// What is explored.
    pub(crate) story: fn(&mut Play) -> Result<(), Error>,
    /// What the session after a crash does, besides what every one does.
    pub(crate) after: fn(&mut Play) -> Result<(), Error>,
}

/// How many of what were visited.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    moments: u64,
    crashes: u64,
    states: u64,
    moments_of_recovery: u64,
    crashes_in_recovery: u64,
    states_in_recovery: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moments, crashes, states, .. } = self;
        write!(f, "{moments} crash points, {crashes} crashes, {states} different disks; ")?;
        let Self { moments_of_recovery, crashes_in_recovery, states_in_recovery, .. } = self;
        write!(f, "in recovery {moments_of_recovery}, {crashes_in_recovery}, {states_in_recovery} more")
    }
}

struct Explorer<'a> {
    workload: &'a Workload,
    /// What each disk shows that was visited, by the hash of its files; and whether crashes in its recovery were tried.
    seen: HashMap<u128, (Option<Facts>, bool)>,
    counts: Counts,
    boots: u64,
}

/// The first crash, or one in the recovery after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    First,
    InRecovery,
}

fn hash(disk: &SimStorage) -> u128 {
    let mut bytes = Vec::new();
    for (name, content) in crate::look::files(disk) {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&content.len().to_le_bytes());
        bytes.extend_from_slice(&content);
    }
    // A directory that is there or not makes a difference even if it is empty.
    for entry in disk.list("").unwrap() {
        bytes.extend_from_slice(entry.name.as_bytes());
    }
    xxhash_rust::xxh3::xxh3_128(&bytes)
}

/// Plays the workload and tells what was visited.
pub(crate) fn explore(workload: &Workload) {
    let began = Instant::now();
    let mut play = Play::new(SimStorage::new(), Ledger::new(workload.kind), 1);
    (workload.before)(&mut play).unwrap();
    play.tape.record(Arc::new(|_| true));
    (workload.story)(&mut play).unwrap();
    play.tape.keep_the_end();
    let moments = play.tape.take();
    let counts = Counts::default();
    let mut explorer = Explorer { workload, seen: HashMap::new(), counts, boots: 1 };
    for moment in &moments {
        explorer.moment(moment, Depth::First, workload.name);
    }
    println!("{}: {}, {:.0} s", workload.name, explorer.counts, began.elapsed().as_secs_f64());
}

impl Explorer<'_> {
    /// Crashes in one call.
    fn moment(&mut self, moment: &Moment, depth: Depth, story: &str) {
        let Moment { disk, ledger, call } = moment;
        let units = disk.unsynced();
        let whole = exhaustive();
        let close = match depth {
            Depth::First if whole => Closeness { every_up_to: 12, seeds: 200, each: true },
            Depth::First => Closeness { every_up_to: 4, seeds: 4, each: units.len() <= 12 },
            Depth::InRecovery if whole => Closeness { every_up_to: 2, seeds: 4, each: false },
            Depth::InRecovery => Closeness { every_up_to: 0, seeds: 1, each: false },
        };
        match depth {
            Depth::First => self.counts.moments += 1,
            Depth::InRecovery => self.counts.moments_of_recovery += 1,
        }
        let seed = xxhash_rust::xxh3::xxh3_64(call.as_bytes());
        for fates in plan(&units, close, seed) {
            let left = disk.fork();
            let mut fate = fates.iter().copied();
            left.crash(&mut |_| fate.next().unwrap());
            self.state(&left, ledger, depth, &format_args!("{story}, {call}, {units:?} {fates:?}"));
        }
        // Only the process dies: all stays visible, and as unsynced as it was. No two of these are the same.
        let story = format!("{story}, {call}, killed");
        let left = disk.fork();
        let facts = look(&left, &story);
        ledger.check(facts.as_ref(), &story);
        // Where there is no log yet, another one begins.
        let ledger = if facts.is_some() { ledger } else { &Ledger::new(ledger.kind) };
        self.recover(&left, ledger, depth, &story);
    }

    /// A disk as a crash left it.
    fn state(&mut self, disk: &SimStorage, ledger: &Ledger, depth: Depth, story: &dyn fmt::Display) {
        let hash = hash(disk);
        let known = self.seen.get(&hash);
        match depth {
            Depth::First => self.counts.crashes += 1,
            Depth::InRecovery => self.counts.crashes_in_recovery += 1,
        }
        if let Some((facts, deep)) = known
            && (*deep || depth == Depth::InRecovery)
        {
            ledger.check(facts.as_ref(), &story.to_string());
            return;
        }
        match depth {
            Depth::First => self.counts.states += 1,
            Depth::InRecovery => self.counts.states_in_recovery += 1,
        }
        let story = story.to_string();
        let facts = look(disk, &story);
        ledger.check(facts.as_ref(), &story);
        // All that it shows is durable: whatever comes now, it stays.
        let none = || Ledger::new(ledger.kind);
        let promised = facts.as_ref().map_or_else(none, |facts| ledger.after(facts));
        if facts.is_some() {
            recover_twice(disk, &story);
        }
        self.recover(disk, &promised, depth, &story);
        self.seen.insert(hash, (facts, depth == Depth::First));
    }

    /// Recovers, goes on writing, and crashes once more in the middle of that.
    fn recover(&mut self, disk: &SimStorage, ledger: &Ledger, depth: Depth, story: &str) {
        if !ledger.born && matches!(crate::play::open(disk), Err(Error::Missing { .. })) {
            // A copy that was cut short: it says so, and is made anew elsewhere.
            return;
        }
        self.boots += 1;
        let boot = self.boots;
        let mut play = Play::new(disk.fork(), ledger.clone(), boot);
        if depth == Depth::First {
            play.tape.record(self.wanted());
        }
        let done = go_on(&mut play, self.workload, boot);
        done.unwrap_or_else(|error| panic!("{story}: {error:?}"));
        let (disk, ledger) = (play.tape.disk.fork(), play.with(|ledger| ledger.clone()));
        let story = format!("{story}, recovered");
        for moment in play.tape.take() {
            self.moment(&moment, Depth::InRecovery, &story);
        }
        disk.crash_all_lost();
        let facts = look(&disk, &story);
        ledger.check(facts.as_ref(), &story);
        // No more than that either: what was lost has not come back.
        assert_eq!(facts.map(|facts| facts.last), Some(ledger.count()), "{story}");
    }

    /// The calls of a recovery in which it is to crash again: all of them, or a few.
    fn wanted(&self) -> Wanted {
        if exhaustive() {
            return Arc::new(|_| true);
        }
        let mut numbers = Numbers(self.boots);
        let (first, second) = (numbers.below(12), numbers.below(40));
        Arc::new(move |call| call == first || call == second)
    }
}

/// The session after a crash: makes sure of what it finds, shows it, adds to it.
pub(crate) fn go_on(play: &mut Play, workload: &Workload, boot: u64) -> Result<(), Error> {
    if !play.with(|ledger| ledger.born) {
        match play.log() {
            Err(Error::NotALog { .. }) => play.init(CONFIG)?,
            other => drop(other?),
        }
    }
    let boot = i64::try_from(boot).unwrap();
    let node = |n: i64| Event::node(format!("later {boot} {n}")).with("boot", boot);
    play.open()?;
    play.commit()?;
    // What a reader is shown from here on stays.
    let shown = play.log()?.reader()?;
    play.with(|ledger| {
        assert_eq!(shown.last_seq().0, ledger.count());
        let is_shown = |id| shown.markers().iter().any(|marker| marker.id == id);
        assert!(ledger.markers.iter().all(|(id, promise)| is_shown(*id) || !promise.listed));
    });
    play.append(&node(1))?;
    play.batch(&[node(2), node(3)])?;
    play.mark("after a crash")?;
    play.append(&node(4))?;
    (workload.after)(play)?;
    if play.is_open() {
        play.close()?;
    }
    Ok(())
}

/// Compaction after a crash: it finishes, and leaves nothing behind that does not belong there.
pub(crate) fn compact_and_tidy(play: &mut Play) -> Result<(), Error> {
    play.close()?;
    play.compact(CompactOptions { retention: false, now: true, thorough: true, rekey: false })?;
    let reader = play.log()?.reader()?;
    let named: Vec<String> = reader.segments().into_iter().map(|segment| segment.file).collect();
    for name in play.tape.disk.dump().into_keys() {
        let belongs = named.contains(&name)
            || ["CURRENT", "LOCK", "snaplog.toml"].contains(&name.as_str())
            || name.starts_with("manifest-")
            || name.starts_with("requests/");
        assert!(belongs, "{name} is left over");
    }
    Ok(())
}
