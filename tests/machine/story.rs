//! A process that writes a log and says, in a file elsewhere, what it was promised; and the same story retold, to compare.
//!
//! The process is this test program itself, told by its environment to be the writer. A line is written only when the
//! call has returned, so whatever stands in that file must hold from then on, whatever happens to process and disk.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use snaplog::model::graph::Changes;
use snaplog::{
    Appended, Event, Fingerprint, Graph, GraphKind, Log, MarkOptions, Marker, MarkerId, Reader, Result,
    Writer,
};

use super::support::{Dice, assert_sound};

pub(crate) const KIND: GraphKind = GraphKind { directed: true, multigraph: false };

/// Segments fill, and are folded, within a second. Nothing is dropped but by request.
const CONFIG: &str = "durability = { events = 40, interval = \"1s\" }\n\
    [tiers.some]\nevery_nodes = 40\nkeep = \"all\"\n\
    [retention]\nkeep_events = \"none\"\n\
    [segment]\nsize = \"64 KiB\"\n";

const LOG: &str = "SNAPLOG_STORY_LOG";
const SAID: &str = "SNAPLOG_STORY_SAID";
const SEED: &str = "SNAPLOG_STORY_SEED";

/// Makes a log for the story.
pub(crate) fn init(path: &Path) -> Log {
    let log = Log::init(path, KIND).unwrap();
    std::fs::write(path.join("snaplog.toml"), CONFIG).unwrap();
    // The settings are the user's: what the user wants durable the user syncs.
    std::fs::File::open(path.join("snaplog.toml")).unwrap().sync_all().unwrap();
    log
}

/// The event with seq `n`, from 1. Each changes something, and leaves its number behind.
pub(crate) fn event(n: u64) -> Event {
    let number = i64::try_from(n).unwrap();
    let id = |n: i64| n * 7 % 400;
    if n.is_multiple_of(101) {
        // The event before has put it.
        return Event::DeleteNode { id: id(number - 1).into() };
    }
    match n % 8 {
        0..4 => Event::edge(id(number), id(number * 3 + 1)).with("weight", number),
        4..7 => Event::node(id(number)).with("seen", number).with("text", format!("{n:_>60}")),
        _ => Event::PutState { key: format!("page {}", n % 5), value: number.into() },
    }
}

/// The story retold: the sums of the graph after each event.
pub(crate) struct Retold {
    graph: Graph,
    changes: Changes,
    sums: Vec<Fingerprint>,
}

impl Retold {
    pub(crate) fn new() -> Self {
        let mut graph = Graph::new(KIND);
        graph.track_fingerprint(true);
        let sums = vec![graph.fingerprint()];
        Self { graph, changes: Changes::new(), sums }
    }

    /// The sums of the graph after event `seq`.
    pub(crate) fn at(&mut self, seq: u64) -> Fingerprint {
        let at = usize::try_from(seq).unwrap();
        while self.sums.len() <= at {
            let next = event(u64::try_from(self.sums.len()).unwrap());
            self.graph.resolve(&next, &mut self.changes).unwrap();
            assert!(!self.changes.is_empty(), "{next:?} changes nothing");
            for record in self.changes.records() {
                self.graph.apply(&record).unwrap();
            }
            self.sums.push(self.graph.fingerprint());
        }
        self.sums[at]
    }
}

/// What became of a marker, as far as it was said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Fate {
    pinned: bool,
    dropped: bool,
}

/// What was promised up to now.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) seq: u64,
    markers: BTreeMap<MarkerId, u64>,
    /// What each marker may be: the last fate that was promised, and those asked for since.
    fates: BTreeMap<MarkerId, Vec<Fate>>,
    /// How many lines of the file are in here.
    pub(crate) lines: usize,
}

impl Said {
    /// Reads what has been said since the last time.
    pub(crate) fn read(&mut self, path: &Path) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // A last line without its end was being written when the process died.
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        for line in text[..whole].lines().skip(self.lines) {
            self.lines += 1;
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse::<u64>().unwrap();
            let marker = || MarkerId(number(1));
            match words[0] {
                // Less than was found after a crash, until the new session has synced that anew.
                "durable" => self.seq = self.seq.max(number(1)),
                "marked" => drop(self.markers.insert(marker(), number(2))),
                // Asked, and not answered yet: from here on either may be found.
                "pin?" | "unpin?" | "drop?" | "undelete?" => {
                    let fates = self.fates.entry(marker()).or_insert_with(|| vec![Fate::default()]);
                    let wanted = wanted(words[0], *fates.last().unwrap());
                    fates.push(wanted);
                }
                "done" => {
                    let fates = self.fates.get_mut(&marker()).unwrap();
                    fates.drain(..fates.len() - 1);
                }
                // Nothing was done: as before it was asked.
                "declined" => drop(self.fates.get_mut(&marker()).unwrap().pop()),
                other => panic!("{other}"),
            }
        }
    }

    /// That a log holds the story, all of it that was promised, and is sound.
    #[track_caller]
    pub(crate) fn assert_kept(&mut self, path: &Path, retold: &mut Retold) -> Reader {
        let log = Log::open(path).unwrap();
        let reader = assert_sound(&log);
        let last = reader.last_seq();
        assert!(last.0 >= self.seq, "event {} was promised, the log ends with {last}", self.seq);
        assert_eq!(reader.restore_seq(last).unwrap().graph.fingerprint(), retold.at(last.0), "at {last}");
        for marker in reader.markers() {
            assert_eq!(marker.fingerprint, retold.at(marker.seq.0), "{}", marker.id);
        }
        let find = |id: MarkerId| reader.markers().iter().find(|marker| marker.id == id);
        for (id, seq) in &self.markers {
            assert_eq!(find(*id).map(|marker| marker.seq.0), Some(*seq), "{id} was promised");
        }
        for (id, fates) in &mut self.fates {
            let marker = find(*id).expect("a marker that was promised");
            let found = Fate { pinned: marker.pinned, dropped: marker.expired.is_some() };
            assert!(fates.contains(&found), "{id}: {fates:?} was promised, {found:?} is there");
            // What was shown once stays.
            *fates = vec![found];
        }
        self.seq = last.0;
        self.markers.extend(reader.markers().iter().map(|marker| (marker.id, marker.seq.0)));
        reader
    }
}

fn wanted(word: &str, now: Fate) -> Fate {
    match word {
        // A pin has back what was dropped.
        "pin?" => Fate { pinned: true, dropped: false },
        "unpin?" => Fate { pinned: false, ..now },
        "drop?" => Fate { dropped: true, ..now },
        _ => Fate { dropped: false, ..now },
    }
}

/// Starts the process that writes.
pub(crate) fn begin(log: &Path, said: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "story::the_process_that_writes", "--ignored", "--nocapture"])
        .env(LOG, log)
        .env(SAID, said)
        .env(SEED, seed.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The process that writes, until it is killed or the disk fails it.
#[test]
#[ignore = "a part that other tests start as a process of its own"]
fn the_process_that_writes() {
    let Some(log) = std::env::var_os(LOG).map(PathBuf::from) else { return };
    let said = OpenOptions::new().create(true).append(true).open(std::env::var_os(SAID).unwrap()).unwrap();
    let dice = Dice::of(std::env::var(SEED).unwrap().parse().unwrap());
    let error = Telling { said, dice, marked: 0 }.tell(&log).expect_err("it ends by an error only");
    panic!("{error}: {:?}", std::error::Error::source(&error));
}

struct Telling {
    said: std::fs::File,
    dice: Dice,
    marked: u64,
}

impl Telling {
    fn say(&mut self, line: &str) {
        self.said.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn tell(&mut self, path: &Path) -> Result<()> {
        loop {
            let writer = Log::open(path)?.writer()?;
            for _ in 0..self.dice.below(400) {
                self.step(&writer)?;
            }
            let last = writer.status()?.last_seq;
            writer.close()?;
            self.say(&format!("durable {last}"));
        }
    }

    fn step(&mut self, writer: &Writer) -> Result<()> {
        let last = writer.status()?.last_seq.0;
        let some = 1 + self.dice.below(30);
        let batch: Vec<Event> = (last + 1..=last + some).map(event).collect();
        match self.dice.below(32) {
            0..12 => {
                for event in &batch {
                    assert!(matches!(writer.append(event)?, Appended::Written(_)));
                }
                let durable = writer.commit()?;
                self.say(&format!("durable {durable}"));
            }
            12..18 => {
                assert_eq!(writer.append_each(&batch)?, batch.len());
                // The interval's own thread may have made some of it durable.
                let durable = writer.status()?.durable;
                self.say(&format!("durable {durable}"));
            }
            18..24 => drop(writer.append_all(&batch)?),
            24..27 => {
                self.marked += 1;
                let label = format!("{}-{}", std::process::id(), self.marked);
                let marker = writer.mark(&MarkOptions::labelled(label))?;
                self.say(&format!("durable {last}"));
                self.say(&format!("marked {} {}", marker.id.0, marker.seq));
            }
            27 => drop(writer.maintain()?),
            asked => self.change(writer, asked)?,
        }
        Ok(())
    }

    /// Pins, unpins, drops or undeletes some marker.
    fn change(&mut self, writer: &Writer, asked: u64) -> Result<()> {
        let markers = writer.markers()?;
        let at = usize::try_from(self.dice.below(markers.len().try_into().unwrap())).unwrap();
        let Some(Marker { id, .. }) = markers.get(at) else { return Ok(()) };
        let word = match asked {
            28 => "pin?",
            29 => "unpin?",
            30 => "drop?",
            _ => "undelete?",
        };
        self.say(&format!("{word} {}", id.0));
        let done = match asked {
            28 | 29 => {
                writer.pin(*id, asked == 28)?;
                true
            }
            30 => writer.expire(&[*id])?.contains(id),
            _ => writer.undelete(&[*id])?.contains(id),
        };
        self.say(&format!("{} {}", if done { "done" } else { "declined" }, id.0));
        Ok(())
    }
}
