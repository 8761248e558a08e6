//! The crawler: breadth first, one directory a batch, its frontier in the log.
//!
//! All that it knows is collector state: the root, the directories that wait (`frontier`), the first path of each file
//! with several names (`inodes`), its counts (`crawled`). A directory's entries, the subdirectories among them that
//! wait from now on, and its own leaving of the frontier are one batch: after a kill it was read, or it still waits.

use std::collections::{HashMap, VecDeque};
use std::os::unix::fs::MetadataExt;

use snaplog::{Event, Graph, Id, IdRef, Value, Writer};

use super::look::{Found, Target, Tree, id, node};
use crate::cli::failure::{Exit, Failure, Report};
use crate::cli::path_text::{path_text, text_path};

const ROOT: &str = "root";
const FRONTIER: &str = "frontier";
const INODES: &str = "inodes";
const CRAWLED: &str = "crawled";

/// A batch is handed over when the ids in it take this many bytes, even if its directory goes on.
const BATCH_BYTES: usize = 1 << 20;
/// Nor has it more events than this.
const BATCH_EVENTS: usize = 10_000;
/// Longest absolute path that a link may lead to, as text: what a node id can hold.
const MAX_TARGET_BYTES: usize = 16 << 10;

/// What was crawled so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Crawled {
    pub(super) directories: i64,
    pub(super) entries: i64,
    /// Directories that could not be read.
    pub(super) errors: i64,
}

/// A crawl that is under way.
#[derive(Debug)]
pub(super) struct Crawl<'a> {
    tree: &'a Tree,
    writer: &'a Writer,
    /// The directories that wait, and how deep they lie.
    frontier: VecDeque<(String, i64)>,
    /// The first path of each file with several names, by device and number.
    inodes: HashMap<String, String>,
    pub(super) crawled: Crawled,
    /// Whether it is the continuation of an earlier one.
    pub(super) is_resumed: bool,
    batch: Vec<Event>,
    batch_bytes: usize,
}

impl<'a> Crawl<'a> {
    /// Begins a crawl, or takes up the one that the log holds.
    pub(super) fn new(tree: &'a Tree, writer: &'a Writer) -> Result<Self, Failure> {
        let mut crawl = Self {
            tree,
            writer,
            frontier: VecDeque::new(),
            inodes: HashMap::new(),
            crawled: Crawled::default(),
            is_resumed: true,
            batch: Vec::new(),
            batch_bytes: 0,
        };
        let root = writer.with_graph(|graph| crawl.load(graph))?;
        match root {
            Some(root) if root == path_text(&tree.root) => Ok(crawl),
            Some(root) => Err(another("other-root", &format!("the log holds a crawl of {root}"), tree)),
            None if writer.status()?.last_seq.0 > 0 => Err(another(
                "not-a-demo",
                "the log holds something else than a crawl of `snaplog demo`",
                tree,
            )),
            None => crawl.begin(),
        }
    }

    fn begin(mut self) -> Result<Self, Failure> {
        self.is_resumed = false;
        let root = &self.tree.root;
        let metadata =
            self.tree.root_metadata().map_err(|e| Failure::io("look at", &root.display().to_string(), &e))?;
        self.frontier.push_back((".".to_owned(), 0));
        self.writer.append_all(&[
            Event::PutState { key: ROOT.into(), value: path_text(root).into() },
            node(".", &metadata),
            entry(FRONTIER, ".", Value::Int(0)),
        ])?;
        Ok(self)
    }

    /// Takes over what the log knows; returns the root.
    fn load(&mut self, graph: &Graph) -> Option<String> {
        let mut root = None;
        // In order of birth: what came to the frontier first is first again.
        for item in graph.items() {
            let name = match item.entry() {
                Some(IdRef::Str(name)) => Some(name.to_owned()),
                _ => None,
            };
            match (item.key(), name, item.value()) {
                (ROOT, None, Value::Str(path)) => root = Some(path),
                (FRONTIER, Some(path), Value::Int(depth)) => self.frontier.push_back((path, depth)),
                (INODES, Some(inode), Value::Str(path)) => drop(self.inodes.insert(inode, path)),
                (CRAWLED, None, Value::Map(counts)) => {
                    let count = |name: &str| match counts.get(name) {
                        Some(Value::Int(n)) => *n,
                        _ => 0,
                    };
                    self.crawled = Crawled {
                        directories: count("directories"),
                        entries: count("entries"),
                        errors: count("errors"),
                    };
                }
                _ => {}
            }
        }
        root
    }

    /// How many directories wait.
    pub(super) fn waiting(&self) -> usize {
        self.frontier.len()
    }

    /// Reads the next directory into the log; false if none waits.
    pub(super) fn step(&mut self) -> Result<bool, Failure> {
        let Some((dir, depth)) = self.frontier.pop_front() else { return Ok(false) };
        let listed = match text_path(&dir) {
            // The root's own path is empty.
            Some(path) if dir == "." => self.tree.list(path.strip_prefix(".").unwrap_or(&path)),
            Some(path) => self.tree.list(&path),
            None => Err(std::io::Error::other("the frontier's entry is no path")),
        };
        match listed {
            Ok(all) => {
                self.crawled.entries =
                    self.crawled.entries.saturating_add(i64::try_from(all.len()).unwrap_or_default());
                for found in &all {
                    self.take(&dir, depth, found)?;
                }
            }
            Err(error) => {
                self.crawled.errors = self.crawled.errors.saturating_add(1);
                self.push(Event::node(dir.as_str()).with("error", error.to_string()));
            }
        }
        self.crawled.directories = self.crawled.directories.saturating_add(1);
        self.push(Event::DeleteEntry { key: FRONTIER.into(), entry: dir.into() });
        self.push(self.counts());
        self.hand_over()?;
        Ok(true)
    }

    /// Takes in one entry of a directory.
    fn take(&mut self, dir: &str, depth: i64, found: &Found) -> Result<(), Failure> {
        let Found { path, metadata } = found;
        let name = id(path);
        self.push(node(&name, metadata));
        self.push(Event::edge(dir, name.as_str()).with("kind", "contains"));
        if metadata.is_dir() {
            let depth = depth.saturating_add(1);
            self.push(entry(FRONTIER, &name, Value::Int(depth)));
            self.frontier.push_back((name, depth));
        } else {
            if metadata.is_symlink() {
                self.link(&name, found);
            }
            if metadata.nlink() > 1 {
                self.hard_link(&name, found);
            }
        }
        // More of the same directory may follow: it leaves the frontier with the last batch, and until then each batch
        // can come again and changes nothing.
        if self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_EVENTS {
            self.hand_over()?;
        }
        Ok(())
    }

    fn link(&mut self, name: &str, found: &Found) {
        let (text, target) = match self.tree.follow(&found.path) {
            Ok(followed) => followed,
            Err(error) => return self.push(Event::node(name).with("error", error.to_string())),
        };
        self.push(Event::node(name).with("target", path_text(&text)));
        // Paths of the tree do not begin with a slash; these do.
        let (target, kind) = match target {
            Target::Inside(path) => (id(&path), None),
            Target::Outside(path) => (path_text(&path), Some("outside")),
            Target::Missing(path) => (path_text(&path), Some("missing")),
        };
        if target.len() > MAX_TARGET_BYTES {
            return;
        }
        if let Some(kind) = kind {
            self.push(Event::node(target.as_str()).with("kind", kind));
        }
        self.push(Event::edge(name, target).with("kind", "links_to"));
    }

    fn hard_link(&mut self, name: &str, found: &Found) {
        let inode = format!("{}:{}", found.metadata.dev(), found.metadata.ino());
        match self.inodes.get(&inode) {
            Some(first) if first == name => {}
            Some(first) => {
                let event = Event::edge(name, first.as_str()).with("kind", "same_file");
                self.push(event);
            }
            None => {
                self.push(entry(INODES, &inode, name.into()));
                self.inodes.insert(inode, name.to_owned());
            }
        }
    }

    fn push(&mut self, event: Event) {
        if let Event::PutNode { id: Id::Str(id), .. } | Event::PutEdge { dst: Id::Str(id), .. } = &event {
            self.batch_bytes = self.batch_bytes.saturating_add(id.len());
        }
        self.batch.push(event);
    }

    fn hand_over(&mut self) -> Result<(), Failure> {
        self.writer.append_all(&self.batch)?;
        self.batch.clear();
        self.batch_bytes = 0;
        Ok(())
    }

    fn counts(&self) -> Event {
        let Crawled { directories, entries, errors } = self.crawled;
        let counts = [("directories", directories), ("entries", entries), ("errors", errors)];
        let counts = counts.into_iter().map(|(name, n)| (name.to_owned(), Value::Int(n))).collect();
        Event::PutState { key: CRAWLED.into(), value: Value::Map(counts) }
    }
}

fn entry(key: &str, entry: &str, value: Value) -> Event {
    Event::PutEntry { key: key.into(), entry: entry.into(), value }
}

fn another(kind: &'static str, holds: &str, tree: &Tree) -> Failure {
    let root = tree.root.display();
    let report = Report::new(Exit::Failed, kind, format!("{holds}, not one of {root}"));
    report.hint(format!("give it a log of its own: `snaplog -d OTHER demo {root}`")).into()
}
