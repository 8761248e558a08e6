//! Remote copies: what an object store holds restores, whatever became of the push, the pull or the clone, and whoever else
//! pushes there.

#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod damage;
#[path = "../common/fates.rs"]
mod fates;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod interrupted;
#[cfg(test)]
mod prune;
#[cfg(test)]
mod race;
#[cfg(test)]
mod whole;
#[cfg(test)]
mod world;
