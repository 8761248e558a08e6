//! The simulated disk: what everybody sees, what would be there after a power cut, and what lies between.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::content::Content;
use super::{Fate, Unit};
use crate::codec::len_u64;
use crate::storage::{DirEntry, split_name};

/// A file, whatever its name is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Inode(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(Inode),
    Dir,
}

type Names = BTreeMap<String, Node>;

/// A change to a directory, in the words that a journal would keep.
#[derive(Debug, Clone)]
enum Op {
    Create { name: String, inode: Inode },
    CreateDir { name: String },
    Rename { from: String, to: String, inode: Inode },
    Remove { name: String, inode: Inode },
}

impl Op {
    fn unit(&self) -> Unit {
        match self.clone() {
            Self::Create { name, .. } => Unit::Create { name },
            Self::CreateDir { name } => Unit::CreateDir { name },
            Self::Rename { from, to, .. } => Unit::Rename { from, to },
            Self::Remove { name, .. } => Unit::Remove { name },
        }
    }

    /// The directories that must be synced before it is durable.
    fn dirs(&self) -> BTreeSet<String> {
        self.names().map(|name| split_name(name).0.to_owned()).into()
    }

    /// The names that it changes; one of them twice if it is only one.
    fn names(&self) -> [&str; 2] {
        match self {
            Self::Create { name, .. } | Self::CreateDir { name } | Self::Remove { name, .. } => [name, name],
            Self::Rename { from, to, .. } => [from, to],
        }
    }

    /// Carries it out. What it rests on may have been lost: a rename and a removal go by the file, as a journal
    /// that logs the inode along does, so the file ends up under the new name, or nowhere, wherever it was.
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Create { name, inode } => {
                names.insert(name.clone(), Node::File(*inode));
            }
            Self::CreateDir { name } => {
                names.insert(name.clone(), Node::Dir);
            }
            Self::Rename { to, inode, .. } => {
                names.retain(|_, node| *node != Node::File(*inode));
                names.insert(to.clone(), Node::File(*inode));
            }
            Self::Remove { inode, .. } => names.retain(|_, node| *node != Node::File(*inode)),
        }
    }

    fn inode(&self) -> Option<Inode> {
        match self {
            Self::Create { inode, .. } | Self::Rename { inode, .. } | Self::Remove { inode, .. } => {
                Some(*inode)
            }
            Self::CreateDir { .. } => None,
        }
    }

    /// The directory that it puts something into.
    fn target_dir(&self) -> Option<&str> {
        match self {
            Self::Create { name, .. } | Self::Rename { to: name, .. } => Some(split_name(name).0),
            Self::CreateDir { .. } | Self::Remove { .. } => None,
        }
    }
}

/// A change that is visible, and the directories whose sync it still waits for.
#[derive(Debug, Clone)]
struct Pending {
    op: Op,
    waits_for: BTreeSet<String>,
}

/// All files and names, twice: visible and durable. No faults, no handles and no locks here.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    contents: BTreeMap<Inode, Content>,
    visible: Names,
    durable: Names,
    pending: Vec<Pending>,
    next: Inode,
}

impl Disk {
    /// The file of that name.
    pub(super) fn file(&self, name: &str) -> io::Result<Inode> {
        self.need_dir(split_name(name).0)?;
        match self.visible.get(name) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn need_dir(&self, dir: &str) -> io::Result<()> {
        match self.visible.get(dir) {
            _ if dir.is_empty() => Ok(()),
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn new_inode(&mut self, content: Content) -> Inode {
        let inode = self.next;
        self.next = Inode(inode.0.saturating_add(1));
        self.contents.insert(inode, content);
        inode
    }

    fn perform(&mut self, op: Op) {
        op.apply(&mut self.visible);
        self.pending.push(Pending { waits_for: op.dirs(), op });
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<Inode> {
        match self.file(name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.need_dir(split_name(name).0)?,
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Err(e),
            _ => return Err(io::ErrorKind::AlreadyExists.into()),
        }
        let inode = self.new_inode(Content::settled(name, Vec::new()));
        self.perform(Op::Create { name: name.to_owned(), inode });
        Ok(inode)
    }

    pub(super) fn create_dir(&mut self, name: &str) -> io::Result<()> {
        match self.visible.get(name) {
            _ if name.is_empty() => {}
            Some(Node::Dir) => {}
            Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            None => self.perform(Op::CreateDir { name: name.to_owned() }),
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let inode = self.file(from)?;
        match self.file(to) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.need_dir(split_name(to).0)?,
            other => {
                other?;
            }
        }
        if from != to {
            if let Some(content) = self.contents.get_mut(&inode) {
                to.clone_into(&mut content.name);
            }
            self.perform(Op::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let inode = self.file(name)?;
        self.perform(Op::Remove { name: name.to_owned(), inode });
        Ok(())
    }

    pub(super) fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        self.need_dir(dir)?;
        let here = self.visible.iter().filter(|(name, _)| split_name(name).0 == dir);
        Ok(here
            .map(|(name, node)| DirEntry {
                name: split_name(name).1.to_owned(),
                len: match node {
                    Node::File(inode) => len_u64(self.bytes(*inode).len()),
                    Node::Dir => 0,
                },
                is_dir: *node == Node::Dir,
            })
            .collect())
    }

    pub(super) fn sync_dir(&mut self, dir: &str) -> io::Result<()> {
        self.need_dir(dir)?;
        for waiting in &mut self.pending {
            waiting.waits_for.remove(dir);
        }
        // From the newest back: what is durable now makes the earlier changes to the same file or name durable too,
        // though they wait for another directory. Applied later, they would undo it.
        let (mut files, mut names) = (BTreeSet::new(), BTreeSet::new());
        for Pending { op, waits_for } in self.pending.iter_mut().rev() {
            let rests_on = op.inode().is_some_and(|inode| files.contains(&inode))
                || op.names().iter().any(|name| names.contains(*name));
            if waits_for.is_empty() || rests_on {
                waits_for.clear();
                files.extend(op.inode());
                names.extend(op.names().map(str::to_owned));
            }
        }
        for Pending { op, .. } in self.pending.iter().filter(|waiting| waiting.waits_for.is_empty()) {
            op.apply(&mut self.durable);
        }
        self.pending.retain(|waiting| !waiting.waits_for.is_empty());
        Ok(())
    }

    /// A sync that fails and forgets: the changes stay visible and are never written.
    pub(super) fn drop_dir_changes(&mut self, dir: &str) {
        self.pending.retain(|waiting| !waiting.waits_for.contains(dir));
    }

    /// The visible bytes of a file, whether it has a name still or not.
    pub(super) fn bytes(&self, inode: Inode) -> &[u8] {
        self.contents.get(&inode).map_or(&[], |content| &content.visible)
    }

    pub(super) fn append(&mut self, inode: Inode, bytes: &[u8]) {
        if let Some(content) = self.contents.get_mut(&inode) {
            content.append(bytes);
        }
    }

    pub(super) fn sync(&mut self, inode: Inode) {
        if let Some(content) = self.contents.get_mut(&inode) {
            content.sync();
        }
    }

    /// A sync that fails and forgets: the bytes stay visible, count as clean and are never written.
    pub(super) fn drop_changes(&mut self, inode: Inode) {
        if let Some(content) = self.contents.get_mut(&inode) {
            content.call_clean();
        }
    }

    /// Puts bytes into a file, visible and durable, name and directory too: what no storage call can do.
    pub(super) fn set_file(&mut self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        let dir = split_name(name).0;
        let content = Content::settled(name, bytes);
        let inode = match self.file(name) {
            Ok(inode) => {
                self.contents.insert(inode, content);
                inode
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.new_inode(content),
            Err(e) => return Err(e),
        };
        self.pending.retain(|waiting| waiting.op.inode() != Some(inode));
        for names in [&mut self.visible, &mut self.durable] {
            names.retain(|_, node| *node != Node::File(inode));
            if !dir.is_empty() {
                names.insert(dir.to_owned(), Node::Dir);
            }
            names.insert(name.to_owned(), Node::File(inode));
        }
        Ok(())
    }

    /// All visible files.
    pub(super) fn dump(&self) -> BTreeMap<String, Vec<u8>> {
        let files = self.visible.iter().filter_map(|(name, node)| match node {
            Node::File(inode) => Some((name.clone(), self.bytes(*inode).to_vec())),
            Node::Dir => None,
        });
        files.collect()
    }

    /// The files of which a crash may leave something: those with a durable name, or one that may become it.
    fn reachable(&self) -> BTreeSet<Inode> {
        let durable = self.durable.values().filter_map(|node| match node {
            Node::File(inode) => Some(*inode),
            Node::Dir => None,
        });
        durable.chain(self.pending.iter().filter_map(|waiting| waiting.op.inode())).collect()
    }

    /// Everything whose fate a crash decides, in the order in which [`Self::crash`] asks.
    pub(super) fn unsynced(&self) -> Vec<Unit> {
        let mut units: Vec<Unit> = self.pending.iter().map(|waiting| waiting.op.unit()).collect();
        for inode in self.reachable() {
            units.extend(self.contents.get(&inode).into_iter().flat_map(Content::units));
        }
        units
    }

    /// The disk as the next boot finds it.
    pub(super) fn crash(&self, choose: &mut dyn FnMut(Unit) -> Fate) -> Self {
        let mut names = self.durable.clone();
        for Pending { op, .. } in &self.pending {
            let survives = choose(op.unit()) == Fate::Survives;
            let has_room =
                op.target_dir().is_none_or(|dir| dir.is_empty() || names.get(dir) == Some(&Node::Dir));
            if survives && has_room {
                op.apply(&mut names);
            }
        }
        // A directory whose own name is gone takes with it what was synced in it.
        let lost_dirs: BTreeSet<String> = names
            .keys()
            .map(|name| split_name(name).0)
            .filter(|dir| !dir.is_empty() && names.get(*dir) != Some(&Node::Dir))
            .map(str::to_owned)
            .collect();
        names.retain(|name, _| !lost_dirs.contains(split_name(name).0));

        let mut left: BTreeMap<Inode, Vec<u8>> = BTreeMap::new();
        for inode in self.reachable() {
            if let Some(content) = self.contents.get(&inode) {
                left.insert(inode, content.after_crash(choose));
            }
        }
        let mut contents = BTreeMap::new();
        for (name, node) in &names {
            if let Node::File(inode) = node {
                let bytes = left.remove(inode).unwrap_or_default();
                contents.insert(*inode, Content::settled(name, bytes));
            }
        }
        Self { contents, visible: names.clone(), durable: names, pending: Vec::new(), next: self.next }
    }
}
