//! Copies of a log off the machine, in an object store.
//!
//! A remote copy is a prefix in a bucket: parts of segments, named by their digests, and numbered manifests that say which
//! parts make which files ([`format::remote`](crate::format::remote) has the bytes). Objects are created and never
//! replaced, so that a push which dies leaves nothing half, a race between two has one winner, and credentials that may
//! only list, get and create are enough.
//!
//! [`prune()`] alone removes objects, after a grace period.
//!
//! [`push`] sends what is new since the last one. [`clone`] and [`pull`] make directories of it. [`RemoteLog`] opens it as
//! a log that is read through ranges of its parts: everything that reads a log works on it.

mod bucket;
mod check;
mod error;
mod fetch;
mod follow;
mod following;
mod memory;
#[cfg(feature = "remote")]
mod object;
mod pace;
mod parts;
mod prune;
mod push;
mod read;
mod state;

pub use bucket::{Bucket, Created, Listed};
pub use check::verify_listing;
pub use error::{Error, Result};
pub use fetch::{FetchReport, clone, clone_with, pull, pull_with};
pub use follow::{Followed, Follower};
pub use following::{Following, Standing};
pub use memory::{MemoryBucket, RequestFault};
#[cfg(feature = "remote")]
pub use object::ObjectBucket;
pub use pace::Paced;
pub use prune::{PruneReport, prune};
pub use push::{PushReport, push};
pub use read::{RemoteLog, Unlock};
pub use state::{KnownRemote, known_remotes};
