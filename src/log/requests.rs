//! What other processes ask of a live writer, through files in `requests/`.
//!
//! A request is a file `<name>.req`, its answer `<name>.ans`; both are JSON, sealed in an encrypted log, and appear whole, by a rename. The writer
//! removes the request when it has answered, the process that asked removes the answer.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::compaction::{Maintained, Wish};
use super::environment::Environment;
use super::error::{Error, Result};
use super::writer::MarkOptions;
use crate::codec;
use crate::format::Fault;
use crate::format::names::REQUESTS;
use crate::format::seal::Sealed;
use crate::model::marker::Marker;
use crate::model::position::MarkerId;
use crate::model::time::Timestamp;
use crate::storage::{self, Storage, read_all, write_new};

/// Longest request or answer.
const MAX_BYTES: usize = 1 << 20;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked for.
const STEP: Duration = Duration::from_millis(20);
/// A request that is older, in microseconds, is not carried out: whoever asked is gone.
const STALE_MICROS: i64 = 60_000_000;

/// A request as it stands in its file.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    /// When it was asked.
    at: Timestamp,
    /// What.
    request: Request,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Place a marker.
    Mark {
        /// Which.
        options: MarkOptions,
    },
    /// Pin a marker or take the pin off.
    Pin {
        /// Which.
        marker: MarkerId,
        /// Pin it?
        on: bool,
    },
    /// Drop markers.
    Expire {
        /// Which.
        markers: Vec<MarkerId>,
    },
    /// Take back that markers were dropped.
    Undelete {
        /// Which.
        markers: Vec<MarkerId>,
    },
    /// Compact.
    Compact {
        /// How.
        wish: Wish,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The marker was placed and is durable.
    Marked {
        /// It.
        marker: Box<Marker>,
    },
    /// It is done, and durable.
    Done,
    /// It is done, and durable, for these markers.
    Markers {
        /// They.
        markers: Vec<MarkerId>,
    },
    /// It has begun and may take its time; another answer follows.
    Working,
    /// A compaction is done.
    Maintained {
        /// What it did.
        done: Maintained,
    },
    /// It cannot be done.
    Refused {
        /// Why.
        message: String,
    },
}

/// Asks the live writer and waits for its answer. `Ok(None)`: no writer is there any more, and none took the request;
/// the caller may do it itself.
pub(crate) fn ask(
    storage: &dyn Storage,
    environment: &dyn Environment,
    request: &Request,
    owner: &str,
) -> Result<Option<Answer>> {
    let id = u128::from_le_bytes(environment.random());
    let (question, reply) = (format!("{REQUESTS}/{id:032x}.req"), format!("{REQUESTS}/{id:032x}.ans"));
    let failed = |action: &'static str, name: &str| Error::io(action, storage.location(name));
    storage.create_dir(REQUESTS).map_err(failed("create", REQUESTS))?;
    let asked = Asked { at: environment.now(), request: request.clone() };
    let bytes = encode(storage, &question, &asked)
        .map_err(|e| Error::Declined { message: format!("the request cannot be written: {e}") })?;
    write_new(storage, &question, &bytes).map_err(failed("write", &question))?;
    let no_answer = || Error::NoAnswer {
        path: storage.location(""),
        owner: owner.to_owned(),
        seconds: PATIENCE.as_secs(),
    };
    let mut waited = Duration::ZERO;
    let mut begun = false;
    loop {
        match read_all(storage, &reply, MAX_BYTES) {
            Ok(bytes) => {
                let _ = storage.remove(&reply);
                match decode(storage, &reply, &bytes) {
                    Ok(Answer::Working) => begun = true,
                    Ok(answer) => return Ok(Some(answer)),
                    Err(e) => {
                        let message = format!("its answer cannot be read: {e}");
                        return Err(Error::Declined { message });
                    }
                }
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(failed("read", &reply)(e)),
        }
        // Taking the request back fails if the writer has answered it in this moment.
        let gone = !storage.is_locked().unwrap_or(true);
        if begun {
            if gone && storage.open(&reply).is_err() {
                let message = "it ended before it was done; what it had done by then stays done";
                return Err(Error::Declined { message: message.to_owned() });
            }
        } else if gone || waited >= PATIENCE {
            match storage.remove(&question) {
                Ok(()) if gone => return Ok(None),
                Ok(()) => return Err(no_answer()),
                // Answered after all, or taken by a writer that died, or cleared away: one more look decides.
                Err(e) if e.kind() == ErrorKind::NotFound && storage.open(&reply).is_err() => {
                    if gone {
                        return Ok(None);
                    }
                    return Err(no_answer());
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(failed("remove", &question)(e)),
            }
        }
        std::thread::sleep(STEP);
        waited = waited.saturating_add(STEP);
    }
}

/// The requests that wait, each with its file's name; one that cannot be read comes as the reason.
pub(crate) fn pending(
    storage: &dyn Storage,
    now: Timestamp,
) -> Vec<(String, std::result::Result<Request, String>)> {
    let Ok(entries) = storage.list(REQUESTS) else { return Vec::new() };
    let names = entries
        .into_iter()
        .map(|e| e.name)
        .filter(|name| std::path::Path::new(name).extension().is_some_and(|extension| extension == "req"));
    names
        .filter_map(|name| {
            let path = format!("{REQUESTS}/{name}");
            match read_all(storage, &path, MAX_BYTES) {
                Ok(bytes) => {
                    let request = decode::<Asked>(storage, &path, &bytes)
                        .map_err(|e| format!("the request cannot be read: {e}"))
                        .and_then(|asked| {
                            if now > asked.at.plus_micros(STALE_MICROS) {
                                return Err("the request is too old".to_owned());
                            }
                            Ok(asked.request)
                        });
                    Some((path, request))
                }
                // Taken back meanwhile.
                Err(e) if e.kind() == ErrorKind::NotFound => None,
                Err(e) => Some((path, Err(e.to_string()))),
            }
        })
        .collect()
}

/// Writes an answer to the request in the file `name`.
pub(crate) fn reply(storage: &dyn Storage, name: &str, answer: &Answer) -> std::io::Result<()> {
    let name = format!("{}.ans", name.strip_suffix(".req").unwrap_or(name));
    let bytes = encode(storage, &name, answer).map_err(std::io::Error::other)?;
    write_new(storage, &name, &bytes)
}

/// A request or an answer as it stands in the file `name`: labels are in it, so in an encrypted log it is sealed.
fn encode(
    storage: &dyn Storage,
    name: &str,
    document: &impl Serialize,
) -> std::result::Result<Vec<u8>, String> {
    let bytes = serde_json::to_vec(document).map_err(|e| e.to_string())?;
    let Some(sealing) = storage::sealing(storage) else { return Ok(bytes) };
    let sealed = sealing.whole(name.as_bytes(), &bytes).map_err(|e| e.to_string())?;
    codec::to_bytes(&sealed).map_err(|e| e.to_string())
}

/// Reads what [`encode`] wrote.
fn decode<T: DeserializeOwned>(
    storage: &dyn Storage,
    name: &str,
    bytes: &[u8],
) -> std::result::Result<T, String> {
    let opened = match storage::ring(storage) {
        None => Cow::Borrowed(bytes),
        Some(keys) => codec::from_bytes::<Sealed>(bytes)
            .map_err(Fault::Decode)
            .and_then(|sealed| sealed.open("it", keys, name.as_bytes()))
            .map_err(|e| e.to_string())?
            .into(),
    };
    serde_json::from_slice(&opened).map_err(|e| e.to_string())
}

/// Answers the request in the file `name`, which goes.
pub(crate) fn answer(storage: &dyn Storage, name: &str, answer: &Answer) -> std::io::Result<()> {
    let written = reply(storage, name, answer);
    // Whatever became of the answer: the request is not to be carried out again.
    storage.remove(name)?;
    written
}

/// Removes answers that nobody has fetched, which are to sessions before this one. Requests stay: whoever waits is
/// answered by the new session.
pub(crate) fn clear_answers(storage: &dyn Storage) {
    for entry in storage.list(REQUESTS).unwrap_or_default() {
        if !is_request(&entry.name) {
            // One that stays is only in the way.
            let _ = storage.remove(&format!("{REQUESTS}/{}", entry.name));
        }
    }
}

fn is_request(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == "req")
}
