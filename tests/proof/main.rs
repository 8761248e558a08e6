//! Proof by exhaustion, on a simulated disk: no crash and no failing call loses what was acknowledged, whatever of the
//! unsynced sectors, lengths, names and removals reaches the disk.
//!
//! `SNAPLOG_EXHAUSTIVE=1` tries all of it, without it a part; CONTRIBUTING.md has the commands.

#[cfg(test)]
#[path = "../model/events.rs"]
mod events;
#[cfg(test)]
mod explore;
#[cfg(test)]
mod fates;
#[cfg(test)]
mod faults;
#[cfg(all(test, feature = "encryption"))]
#[path = "../support/identity.rs"]
mod identity;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod look;
#[cfg(test)]
mod machine;
#[cfg(test)]
#[path = "../model/naive.rs"]
mod naive;
#[cfg(test)]
mod operations;
#[cfg(test)]
#[path = "../model/picture.rs"]
mod picture;
#[cfg(test)]
mod play;
#[cfg(test)]
mod tape;
#[cfg(test)]
mod workloads;
