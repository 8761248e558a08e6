//! Removing from a remote copy what nobody needs any more.
//!
//! A push names what the log holds at that time, so what retention has dropped since an earlier push is named by that one
//! alone. Once a push has been out of force for longer than the grace period, it goes, and then the parts that none of
//! those that stay names. What is needed is read from the manifests that stay, not guessed; times are those of the store's
//! own clock, and nothing goes that is not older than the grace period by it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use super::bucket::{Bucket, Listed};
use super::error::{Error, Result};
use super::push::FRESH_MICROS;
use super::read::get;
use super::state;
use crate::format::remote::{PARTS, PUSHES, Part, RemoteManifest, RemoteTail, push_number, push_object};
use crate::log::Log;
use crate::model::time::Timestamp;

/// What was removed from a remote copy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PruneReport {
    /// Where.
    pub remote: String,
    /// Pushes that are still there.
    pub pushes_kept: u64,
    /// Pushes that are gone, tails among them.
    pub pushes_removed: u64,
    /// Parts that are gone.
    pub parts_removed: u64,
    /// Bytes of all that is gone.
    pub bytes_removed: u64,
}

/// Removes what no push of the last `grace` needs. Everything that the newest push names stays, and everything that a push
/// names which was the newest at any time within the grace period; so whoever has begun to read one has that long to end.
///
/// A part that no push names stays for two days at least: one that is on its way may be about to name it, and takes no older
/// ones for there. (So a push must not take more than a day.) After an error, or a kill, the remote copy is whole, and a
/// repeat goes on.
///
/// # Errors
/// [`Error::Diverged`] if somebody else has pushed there since this directory did; [`Error::NoLog`]; damage; what the store
/// says: credentials may allow to create objects and not to remove them.
pub fn prune(log: &Log, bucket: &dyn Bucket, grace: Duration) -> Result<PruneReport> {
    let mut report = PruneReport { remote: bucket.location(""), ..PruneReport::default() };
    let pushes = list_pushes(bucket)?;
    let Some((newest, _)) = pushes.last_key_value() else {
        return Err(Error::NoLog { location: report.remote });
    };
    let newest = *newest;
    check_ours(log, bucket, newest)?;
    let now = pushes.values().map(|object| object.modified).max().unwrap_or_default();
    let is_past = |since: Timestamp| {
        let grace = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
        since.plus_micros(grace) < now
    };
    // The oldest push that has been in force within the grace period: the one that another took the place of since.
    let mut first = newest;
    for (number, successor) in pushes.keys().zip(pushes.values().skip(1)).rev() {
        if is_past(successor.modified) {
            break;
        }
        first = *number;
    }
    let mut needed = HashSet::new();
    let first = collect(bucket, &pushes, newest, first, &mut needed)?;
    for (number, object) in pushes.range(..first) {
        delete(bucket, &push_object(*number))?;
        report.pushes_removed = report.pushes_removed.saturating_add(1);
        report.bytes_removed = report.bytes_removed.saturating_add(object.size);
    }
    let parts = list(bucket, PARTS)?;
    for part in parts {
        // A push that is on its way may have found one there that is young.
        let is_young = part.modified.plus_micros(2 * FRESH_MICROS) >= now;
        if !needed.contains(&part.name) && !is_young && is_past(part.modified) {
            delete(bucket, &part.name)?;
            report.parts_removed = report.parts_removed.saturating_add(1);
            report.bytes_removed = report.bytes_removed.saturating_add(part.size);
        }
    }
    let kept = pushes.range(first..).count();
    report.pushes_kept = u64::try_from(kept).unwrap_or(u64::MAX);
    Ok(report)
}

/// That the newest push is one that this directory knows.
fn check_ours(log: &Log, bucket: &dyn Bucket, number: u64) -> Result<()> {
    let location = bucket.location("");
    let known = state::load(log.storage().as_ref(), log.environment())?;
    let (bytes, digest) = get(bucket, number)?;
    let is_known = known.remotes.get(&location).is_some_and(|known| known.knows(number, digest).is_some());
    if is_known {
        return Ok(());
    }
    let owner = match RemoteTail::decode(&bytes, number) {
        Ok((_, tail)) => tail.owner,
        Err(_) => RemoteManifest::decode(&bytes, number).map(|(_, remote)| remote.owner).unwrap_or_default(),
    };
    Err(Error::Diverged { location, number, owner })
}

/// Adds the parts that the pushes from `first` to `last` name. Returns the first push that these need: a tail needs what it
/// goes on from.
fn collect(
    bucket: &dyn Bucket,
    pushes: &BTreeMap<u64, Listed>,
    last: u64,
    first: u64,
    needed: &mut HashSet<String>,
) -> Result<u64> {
    let mut number = last;
    loop {
        let damage = |number, fault| Error::Damage { location: bucket.location(&push_object(number)), fault };
        let (mut bytes, _) = get(bucket, number)?;
        if RemoteTail::is_meant(&bytes) {
            // Those between are tails with the same base, and name no parts.
            let (_, tail) = RemoteTail::decode(&bytes, number).map_err(|fault| damage(number, fault))?;
            number = tail.base;
            (bytes, _) = get(bucket, number)?;
        }
        let (_, remote) = RemoteManifest::decode(&bytes, number).map_err(|fault| damage(number, fault))?;
        needed.extend(remote.files.iter().flat_map(|file| &file.parts).map(Part::object));
        match pushes.range(..number).next_back() {
            Some((before, _)) if *before >= first => number = *before,
            _ => return Ok(number),
        }
    }
}

fn list(bucket: &dyn Bucket, directory: &str) -> Result<Vec<Listed>> {
    bucket.list(directory, None).map_err(Error::store("list", bucket.location(directory)))
}

fn list_pushes(bucket: &dyn Bucket) -> Result<BTreeMap<u64, Listed>> {
    let listed = list(bucket, PUSHES)?;
    Ok(listed.into_iter().filter_map(|object| Some((push_number(&object.name)?, object))).collect())
}

fn delete(bucket: &dyn Bucket, name: &str) -> Result<()> {
    bucket.delete(name).map_err(Error::store("remove", bucket.location(name)))
}
