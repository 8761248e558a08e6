//! Fingerprints: what a restored graph must sum to.
//!
//! A graph has two sums, each of XXH3-128 hashes modulo 2^128, so that a change costs what it changes and the order
//! of changes does not count.
//!
//! *Content* sums over facts by id: equal graphs have equal content sums whatever road led to them. *Layout* sums
//! over rows by ordinal: it covers the order of nodes and neighbours too and needs no ids of an edge's ends. Both
//! guard against accidents, not forgers: XXH3 is not cryptographic.
//!
//! A hash is taken over a tag byte and the canonical encodings of its parts, one after the other; FORMAT.md lists
//! them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A sum of 128-bit hashes, modulo 2^128.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(from = "[u8; 16]", into = "[u8; 16]")]
pub struct Sum(pub u128);

impl From<[u8; 16]> for Sum {
    fn from(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }
}

impl From<Sum> for [u8; 16] {
    fn from(sum: Sum) -> Self {
        sum.0.to_le_bytes()
    }
}

impl Sum {
    /// The hash of one fact or row.
    pub fn of(bytes: &[u8]) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(bytes))
    }

    /// With `other` put in.
    pub fn add(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// With `other` taken out.
    pub fn sub(&mut self, other: Self) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sum({self})")
    }
}

/// The two sums of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Over facts by id.
    pub content: Sum,
    /// Over rows by ordinal.
    pub layout: Sum,
}

/// First byte of what is hashed: one for each kind of fact and row.
pub(crate) mod tag {
    /// Content: a node: id.
    pub(crate) const NODE: u8 = b'N';
    /// Content: an attribute of a node: id, name, value.
    pub(crate) const NODE_ATTR: u8 = b'A';
    /// Content: an edge: ids of its ends, key.
    pub(crate) const EDGE: u8 = b'E';
    /// Content: an attribute of an edge: ids of its ends, key, name, value.
    pub(crate) const EDGE_ATTR: u8 = b'F';
    /// Content: an attribute of the graph: name, value.
    pub(crate) const GRAPH_ATTR: u8 = b'G';
    /// Content: a value of state or an entry of a map: key, entry, value.
    pub(crate) const ITEM: u8 = b'S';
    /// Layout: a node: ordinal, id, image.
    pub(crate) const NODE_ROW: u8 = b'n';
    /// Layout: an edge: ordinal, ends, slot and key if a multigraph, image.
    pub(crate) const EDGE_ROW: u8 = b'e';
    /// Layout: the graph's attributes: image.
    pub(crate) const GRAPH_ROW: u8 = b'g';
    /// Layout: an item of state: ordinal, key, entry, value.
    pub(crate) const ITEM_ROW: u8 = b'i';
    /// Layout: a name: ordinal, text.
    pub(crate) const NAME_ROW: u8 = b'a';
}
