//! Positions and names of things in a log, each a type of its own so that none stands in for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! position {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl $name {
            /// The position after this one; stays put at the largest number.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }
    };
}

position! {
    /// The position of a written event: from 1, dense, never reused. `Seq(0)` is before the first event.
    Seq(u64)
}
position! {
    /// A byte offset in a file.
    Offset(u64)
}
position! {
    /// The number in a segment's file name; a number is given once in the life of a log.
    SegmentId(u64)
}
position! {
    /// The number of a manifest: each swap makes a new one.
    Generation(u64)
}
position! {
    /// The number of a marker, `m1` being the first.
    MarkerId(u64)
}
position! {
    /// A node's birth number, from 0.
    NodeOrd(u32)
}
position! {
    /// An edge's birth number, from 0. In a multigraph it also names a neighbour slot: a slot has the number of
    /// the edge that gave birth to it.
    EdgeOrd(u32)
}
position! {
    /// The birth number of an attribute name or state key, from 0.
    NameOrd(u32)
}
position! {
    /// The birth number of a value of collector state, or of an entry of one of its maps, from 0.
    ItemOrd(u32)
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MarkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// A log's own random name, in the header of each of its files.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct LogId(pub [u8; 16]);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}
