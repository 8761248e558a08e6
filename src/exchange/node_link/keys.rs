//! Keys for a multigraph's edges that have none.

use std::collections::{HashMap, HashSet};

use jiter::Peek;

use crate::exchange::fault::Fallible;
use crate::exchange::json_read::Reader;
use crate::model::id::Id;

/// Whether any edge has no key, so that keys must be counted at all. Passes over what reading the edges will refuse.
pub(super) fn has_edges_without_key(mut reader: Reader<'_>) -> Fallible<bool> {
    let mut first = true;
    while reader.item(&mut first)? {
        if reader.peek()? != Peek::Object {
            return Ok(false);
        }
        let (mut found, mut start) = (false, true);
        while let Some(key) = reader.key(&mut start)? {
            if key == "key" {
                found = reader.peek()? != Peek::Null;
            }
            reader.skip()?;
        }
        if !found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives keys to the edges of a multigraph that have none: the number of the pair's edges so far, or the next
/// integer that is no key of the pair (`MultiGraph.new_edge_key`).
pub(super) struct EdgeKeys {
    directed: bool,
    pairs: HashMap<(Id, Id), PairKeys>,
}

#[derive(Default)]
struct PairKeys {
    taken: HashSet<Id>,
    /// All integers from the number of keys at the last search up to this one are taken, so that no search
    /// goes over the same ones again.
    searched: usize,
}

impl EdgeKeys {
    /// No edges yet.
    pub(super) fn new(directed: bool) -> Self {
        Self { directed, pairs: HashMap::new() }
    }

    /// The key of one more edge, whose own is `key` if it has one.
    pub(super) fn number(&mut self, src: &Id, dst: &Id, key: Option<Id>) -> Id {
        let swap = !self.directed && dst < src;
        let pair = if swap { (dst.clone(), src.clone()) } else { (src.clone(), dst.clone()) };
        let keys = self.pairs.entry(pair).or_default();
        let key = key.unwrap_or_else(|| {
            let mut next = keys.taken.len().max(keys.searched);
            let id = |n: usize| Id::Int(i64::try_from(n).unwrap_or(i64::MAX));
            while keys.taken.contains(&id(next)) {
                next = next.saturating_add(1);
            }
            keys.searched = next.saturating_add(1);
            id(next)
        });
        keys.taken.insert(key.clone());
        key
    }
}
