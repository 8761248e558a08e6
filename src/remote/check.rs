//! Verifying a remote copy without reading it.

use std::collections::HashMap;

use super::error::{Error, Result};
use super::read::RemoteLog;
use crate::format::remote::PARTS;
use crate::log::Environment;
use crate::upkeep::verify::{Report, verify_listed};

/// Whether every part that the newest push rests on is there with its size: by its manifest and one listing, without a byte
/// of a segment. The report is one of level quick, with the markers that each missing part costs.
///
/// # Errors
/// What keeps it from looking.
pub fn verify_listing(remote: &RemoteLog, environment: &dyn Environment) -> Result<Report> {
    let bucket = remote.bucket();
    let listed = bucket.list(PARTS, None).map_err(Error::store("list", bucket.location(PARTS)))?;
    let there: HashMap<&str, u64> = listed.iter().map(|object| (object.name.as_str(), object.size)).collect();
    let mut lacking = Vec::new();
    for (file, part) in remote.parts() {
        let object = part.object();
        let fault = match there.get(object.as_str()) {
            Some(size) if *size == part.length => continue,
            Some(size) => format!("the part {object} has {size} bytes and not {}", part.length),
            None => format!("the part {object} is missing"),
        };
        lacking.push((file.to_owned(), fault));
    }
    Ok(verify_listed(&remote.storage(), environment, &lacking)?)
}
