//! Drills: which markers are restored to see whether they can be, and how often.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Which markers a drill restores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// All that are not dropped.
    All,
    /// The newest, and others drawn at random, so many in all.
    Random(u64),
    /// Those of a tier.
    Tier(String),
}

impl Default for Choice {
    fn default() -> Self {
        Self::Random(3)
    }
}

/// What is no choice of markers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no choice of markers: it is `all`, `random:N` with N from 1, or `tier:NAME`")]
pub struct BadChoice {
    text: String,
}

impl FromStr for Choice {
    type Err = BadChoice;

    fn from_str(text: &str) -> Result<Self, BadChoice> {
        let bad = || BadChoice { text: text.to_owned() };
        match text.split_once(':') {
            None if text == "all" => Ok(Self::All),
            Some(("random", count)) => match count.parse() {
                Ok(count @ 1..) => Ok(Self::Random(count)),
                _ => Err(bad()),
            },
            Some(("tier", name)) if !name.is_empty() => Ok(Self::Tier(name.to_owned())),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Random(count) => write!(f, "random:{count}"),
            Self::Tier(name) => write!(f, "tier:{name}"),
        }
    }
}

/// The drills of a writer's maintenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drills {
    /// How long after one the next is due; `None`: never.
    pub every: Option<Duration>,
    /// Which markers each restores.
    pub markers: Choice,
    /// How long one may take: the marker that is being restored by then is the last.
    pub max_duration: Duration,
}

impl Default for Drills {
    fn default() -> Self {
        Self { every: None, markers: Choice::default(), max_duration: Duration::from_secs(30) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_read_as_they_are_written_and_nothing_else_does() {
        for text in ["all", "random:1", "random:20", "tier:milestone", "tier:a:b"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        for text in ["", "All", "random", "random:", "random:0", "random:-1", "random:x", "tier:", "m7"] {
            let error = text.parse::<Choice>().unwrap_err();
            assert!(error.to_string().contains("random:N"), "{error}");
        }
    }
}
