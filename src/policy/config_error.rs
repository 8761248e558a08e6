//! What may be wrong with `snaplog.toml`.

use crate::model::limits::{MAX_TIER_NAME_BYTES, MAX_TIERS};

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The key with its sections, as `tiers.daily.keep`; empty if the text is not TOML.
    pub key: String,
    /// What is wrong.
    pub fault: Box<ConfigFault>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What may be wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// The text is not TOML.
    #[error("this is not TOML: {message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// A key that means nothing here.
    #[error("unknown key {key:?}")]
    UnknownKey {
        /// The key with its sections.
        key: String,
        /// The known key that is most like it.
        nearest: Option<&'static str>,
        /// The keys that may stand there.
        known: &'static [&'static str],
    },
    /// A value that may not stand there.
    #[error("{key} is {found}, but must be {expected}")]
    BadValue {
        /// The key with its sections.
        key: String,
        /// What may stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A tier that is never due.
    #[error("{key} says nothing about when it is due")]
    NoInterval {
        /// The tier's key.
        key: String,
    },
    /// A tier that counts nodes and follows the calendar.
    #[error("{key} has both every and every_nodes, and a tier follows one of them")]
    TwoIntervals {
        /// The tier's key.
        key: String,
    },
    /// A name that no tier may have.
    #[error("{name:?} is not a tier's name: {MAX_TIER_NAME_BYTES} or fewer of a-z, A-Z, 0-9, '-' and '_'")]
    TierName {
        /// The name.
        name: String,
    },
    /// More tiers than there may be.
    #[error("there are {found} tiers, at most {MAX_TIERS} are possible")]
    TooManyTiers {
        /// How many there are.
        found: usize,
    },
}
