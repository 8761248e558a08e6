//! What can go wrong with the key to a log.

/// Why an encrypted log does not open, or its keys cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The log is encrypted, and no identity was given.
    #[error("{path} is encrypted, and no identity was given to open it with")]
    Shut {
        /// The log.
        path: String,
    },
    /// None of the identities is that of a recipient.
    #[error("{path} does not open with the identity that was given")]
    Wrong {
        /// The log.
        path: String,
    },
    /// An identity was given for a log that is not encrypted.
    #[error("an identity was given, and {path} is not encrypted")]
    NotEncrypted {
        /// The log.
        path: String,
    },
    /// An identity was given, and a log that is not encrypted is about to be made.
    #[error("an identity was given, and a log in {path} would not be encrypted")]
    WouldBePlain {
        /// The directory.
        path: String,
    },
    /// What should be an age identity is none.
    #[error("{from}, line {line}: not an age identity (AGE-SECRET-KEY-1…)")]
    BadIdentity {
        /// Where it was read.
        from: String,
        /// Line in it, from 1.
        line: usize,
    },
    /// There is no identity in what was read.
    #[error("{from} holds no identity")]
    NoIdentity {
        /// Where it was read.
        from: String,
    },
    /// An identity or a passphrase could not be had.
    #[error("{from} gives no identity: {why}")]
    Unread {
        /// Which file or variable.
        from: String,
        /// Why.
        why: String,
    },
    /// A secret on the command line, where everybody on the machine can read it.
    #[error("an identity does not belong on a command line: name the file that holds it")]
    OnCommandLine,
    /// What should be an age recipient is none.
    #[error("\"{text}\" is not an age recipient (age1…)")]
    BadRecipient {
        /// What was given.
        text: String,
    },
    /// A log without anybody who can open it is not made.
    #[error("an encrypted log needs a recipient or a passphrase")]
    NoRecipient,
    /// It is one already.
    #[error("{recipient} is a recipient already")]
    AlreadyRecipient {
        /// Which.
        recipient: String,
    },
    /// It is none.
    #[error("{recipient} is not a recipient of this log")]
    NoSuchRecipient {
        /// Which.
        recipient: String,
    },
    /// Without it nobody could open the log.
    #[error("{recipient} is the only recipient: without it nobody could open the log")]
    LastRecipient {
        /// Which.
        recipient: String,
    },
    /// The key file is damaged, or somebody has changed it.
    #[error("{path} cannot be used: {what}")]
    KeyFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The system gives no random numbers, without which no key is made.
    #[error("the system gives no random numbers to make a key of")]
    NoEntropy,
}

impl KeyError {
    /// A stable name for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Shut { .. } => "no-identity",
            Self::Wrong { .. } => "wrong-identity",
            Self::NotEncrypted { .. } | Self::WouldBePlain { .. } => "not-encrypted",
            Self::BadIdentity { .. }
            | Self::NoIdentity { .. }
            | Self::Unread { .. }
            | Self::OnCommandLine => "bad-identity",
            Self::BadRecipient { .. } => "bad-recipient",
            Self::NoRecipient => "no-recipient",
            Self::AlreadyRecipient { .. } => "already-recipient",
            Self::NoSuchRecipient { .. } => "no-such-recipient",
            Self::LastRecipient { .. } => "last-recipient",
            Self::KeyFile { .. } => "key-file",
            Self::NoEntropy => "no-entropy",
        }
    }

    /// The log or file that it is about.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Shut { path }
            | Self::Wrong { path }
            | Self::NotEncrypted { path }
            | Self::WouldBePlain { path }
            | Self::KeyFile { path, .. } => Some(path),
            Self::BadIdentity { from, .. } | Self::NoIdentity { from } | Self::Unread { from, .. } => {
                Some(from)
            }
            _ => None,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Shut { .. } if !cfg!(feature = "encryption") => {
                "this program was built without the feature `encryption`: use one that has it"
            }
            Self::Shut { .. } => {
                "name the file of your identity in SNAPLOG_IDENTITY or by --identity, or let SNAPLOG_PASSPHRASE_COMMAND print \
                 the passphrase"
            }
            Self::Wrong { .. } => {
                "`snaplog key list` shows the recipients; an identity of one of them opens it"
            }
            Self::NotEncrypted { .. } => {
                "if it was made encrypted, somebody has put another log in its place; if not, open it without an \
                 identity (unset SNAPLOG_IDENTITY)"
            }
            Self::WouldBePlain { .. } => {
                "name its recipients (`init --encrypt --recipient age1…`; in Python `recipients=`), or make it without an identity \
                 (unset SNAPLOG_IDENTITY)"
            }
            Self::BadIdentity { .. } | Self::NoIdentity { .. } => {
                "`snaplog key new FILE` or age-keygen makes one"
            }
            Self::NoRecipient => "`snaplog key new FILE` makes an identity and prints its recipient",
            Self::NoSuchRecipient { .. } => "`snaplog key list` shows the recipients",
            Self::KeyFile { .. } => "put keys.json back from a copy of the log; a remote copy has it, too",
            _ => return None,
        })
    }
}
