//! An identity for tests: everybody may know it.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use snaplog::log::{Identities, Recipients};
use snaplog::{Error, Log};

/// Made with age-keygen for these tests; nothing else is sealed for it.
pub(crate) const IDENTITY: &str =
    "AGE-SECRET-KEY-1Y78GA9C32G9VXYXTDRMQL3A4K6EW4DNF3PWPHSKEQEPZLDUXC20QS0KEPP";
/// Its recipient.
pub(crate) const RECIPIENT: &str = "age1k94lpccy8kecyljnft0ex0m7f3du3mxew5acly4nnz45gnh8690s5cwczt";

pub(crate) fn identities() -> Identities {
    Identities::parse(IDENTITY, "the test").unwrap()
}

pub(crate) fn recipients() -> Recipients {
    let mut recipients = Recipients::new();
    recipients.add(RECIPIENT).unwrap();
    recipients
}

/// The log, opened if it is encrypted.
pub(crate) fn unlocked(log: Log) -> Result<Log, Error> {
    if log.is_shut() { log.unlock(&identities()) } else { Ok(log) }
}
