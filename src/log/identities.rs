//! Where identities and passphrases come from: a file, the environment, or what a command prints. Never a command line,
//! which other users of the machine can read.

use std::path::Path;
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::key_error::KeyError;
use super::keys::Identities;

/// Names an identity file, or holds an identity.
const IDENTITY: &str = "SNAPLOG_IDENTITY";
/// A command that prints an identity file.
const IDENTITY_COMMAND: &str = "SNAPLOG_IDENTITY_COMMAND";
/// A command that prints a passphrase.
const PASSPHRASE_COMMAND: &str = "SNAPLOG_PASSPHRASE_COMMAND";
/// What an identity begins with.
const SECRET_KEY: &str = "AGE-SECRET-KEY-1";
/// Longest identity file.
const MAX_BYTES: u64 = 1 << 20;

impl Identities {
    /// What the user gave: the identities in `file`, else those that the environment names (`SNAPLOG_IDENTITY`,
    /// `SNAPLOG_IDENTITY_COMMAND`, `SNAPLOG_PASSPHRASE_COMMAND`, in this order). `None` if that is nothing.
    ///
    /// # Errors
    /// [`KeyError::BadIdentity`], [`KeyError::NoIdentity`], [`KeyError::Unread`].
    pub fn given(file: Option<&Path>) -> Result<Option<Self>, KeyError> {
        if let Some(file) = file {
            return Self::read(file).map(Some);
        }
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(value) = variable(IDENTITY) {
            return match value.to_str().filter(|text| text.trim_start().starts_with(SECRET_KEY)) {
                Some(identity) => Self::parse(&Zeroizing::new(identity.to_owned()), IDENTITY).map(Some),
                None => Self::read(Path::new(&value)).map(Some),
            };
        }
        if let Some(command) = variable(IDENTITY_COMMAND) {
            return Self::parse(&output_of(&command, IDENTITY_COMMAND)?, IDENTITY_COMMAND).map(Some);
        }
        Ok(passphrase_of(PASSPHRASE_COMMAND)?.map(Self::passphrase))
    }

    fn read(file: &Path) -> Result<Self, KeyError> {
        let from = file.display().to_string();
        let unread = |e: std::io::Error| KeyError::Unread { from: from.clone(), why: e.to_string() };
        if from.trim_start().starts_with(SECRET_KEY) {
            return Err(KeyError::OnCommandLine);
        }
        let length = std::fs::metadata(file).map_err(unread)?.len();
        if length > MAX_BYTES {
            return Err(KeyError::NoIdentity { from });
        }
        #[expect(clippy::disallowed_methods, reason = "the user's own file, which is no part of a log")]
        let text = Zeroizing::new(std::fs::read(file).map_err(unread)?);
        match std::str::from_utf8(&text) {
            Ok(text) => Self::parse(text, &from),
            Err(_) => Err(KeyError::NoIdentity { from }),
        }
    }
}

/// The passphrase that the command in the environment variable `name` prints: its first line. `None` if it is not set.
///
/// # Errors
/// [`KeyError::Unread`].
pub fn passphrase_of(name: &str) -> Result<Option<Zeroizing<String>>, KeyError> {
    let Some(command) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let output = output_of(&command, name)?;
    let line = output.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(KeyError::Unread {
            from: name.to_owned(),
            why: "the command printed nothing".to_owned(),
        });
    }
    Ok(Some(Zeroizing::new(line.to_owned())))
}

fn output_of(command: &std::ffi::OsStr, from: &str) -> Result<Zeroizing<String>, KeyError> {
    let unread = |why: String| KeyError::Unread { from: from.to_owned(), why };
    let child =
        Command::new("sh").arg("-c").arg(command).stdin(Stdio::inherit()).stderr(Stdio::inherit()).output();
    let output = child.map_err(|e| unread(e.to_string()))?;
    let stdout = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(unread(format!("the command ended with {}", output.status)));
    }
    match std::str::from_utf8(&stdout) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(unread("the command printed what is no text".to_owned())),
    }
}
