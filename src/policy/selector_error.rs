//! Why a text names no marker, and why a label is refused.

use crate::model::limits::MAX_LABEL_BYTES;
use crate::model::position::{MarkerId, Seq};
use crate::model::time::Timestamp;

/// Why no marker was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// The text begins like one of the forms and is not one.
    #[error("{text:?} names no marker: {hint}")]
    BadSelector {
        /// The text.
        text: String,
        /// What may stand there.
        hint: &'static str,
    },
    /// There is nothing to choose from.
    #[error("the log has no markers{}", expired_suffix(*.expired))]
    NoMarkers {
        /// How many were dropped by retention and can still be had by id.
        expired: usize,
    },
    /// No marker with that id or label.
    #[error("there is no marker {asked}")]
    NoSuchMarker {
        /// The id, or the label in quotes.
        asked: String,
        /// Ids or labels that there are, those most like it first.
        nearest: Vec<String>,
        /// A dropped marker that has this label; it can be named by its id.
        expired: Option<MarkerId>,
    },
    /// There are not so many markers.
    #[error("latest~{back} is too far back: there {}", markers_are(*.markers))]
    TooFarBack {
        /// How far back.
        back: u64,
        /// How many there are.
        markers: usize,
    },
    /// A label alone does not say which.
    #[error("{} markers have the label {label:?}: {}", .ids.len(), list(.ids))]
    TwoMarkersWithLabel {
        /// The label.
        label: String,
        /// The markers that have it, oldest first.
        ids: Vec<MarkerId>,
    },
    /// No marker is of that tier.
    #[error("no marker is of tier {tier:?}")]
    NoMarkerOfTier {
        /// The tier.
        tier: String,
        /// The tiers that markers are of.
        known: Vec<String>,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// The marker is there, but not of the tier that was asked for.
    #[error("{id} is not of tier {tier:?}")]
    NotOfTier {
        /// The marker.
        id: MarkerId,
        /// The tier that was asked for.
        tier: String,
        /// The tiers that it is of.
        tiers: Vec<String>,
    },
    /// All markers are later.
    #[error("no marker is at or before {time}: the oldest, {oldest}, is of {oldest_time}")]
    NothingBefore {
        /// The time.
        time: Timestamp,
        /// The oldest marker that there is to choose from.
        oldest: MarkerId,
        /// Its time.
        oldest_time: Timestamp,
    },
    /// No marker stands just there. The log may still be able to restore it.
    #[error("no marker stands at seq {seq}{}", neighbours(.before.as_ref(), .after.as_ref()))]
    BetweenMarkers {
        /// The position.
        seq: Seq,
        /// The last marker before it.
        before: Option<MarkerId>,
        /// The first marker after it.
        after: Option<MarkerId>,
    },
}

impl SelectorError {
    /// What to do about it, if there is more to say than the error does.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::BadSelector { .. } | Self::TooFarBack { .. } | Self::NothingBefore { .. } => None,
            Self::NoMarkers { expired: 0 } => Some("`snaplog mark` places one".to_owned()),
            Self::NoMarkers { .. } => Some(
                "`snaplog list` shows them; name one by its id, or take it back with `snaplog undelete`"
                    .to_owned(),
            ),
            Self::NoSuchMarker { expired: Some(id), .. } => {
                Some(format!("{id} has that label, but was dropped by retention: name it by its id"))
            }
            Self::NoSuchMarker { nearest, .. } if nearest.is_empty() => {
                Some("`snaplog list` shows all".to_owned())
            }
            Self::NoSuchMarker { nearest, .. } => Some(format!("there are {}", nearest.join(", "))),
            Self::TwoMarkersWithLabel { .. } => Some("name one of them by its id".to_owned()),
            Self::NoMarkerOfTier { known, .. } if known.is_empty() => {
                Some("no marker is of any tier".to_owned())
            }
            Self::NoMarkerOfTier { known, nearest, .. } => {
                let meant = nearest.as_ref().map(|near| format!("did you mean {near}? ")).unwrap_or_default();
                Some(format!("{meant}There are markers of {}", known.join(", ")))
            }
            Self::NotOfTier { id, tiers, .. } if tiers.is_empty() => Some(format!("{id} is of no tier")),
            Self::NotOfTier { id, tiers, .. } => Some(format!("{id} is of {}", tiers.join(", "))),
            Self::BetweenMarkers { before, after, .. } => {
                before.as_ref().or(after.as_ref()).map(|id| format!("name a marker, as {id}"))
            }
        }
    }
}

fn expired_suffix(expired: usize) -> String {
    match expired {
        0 => String::new(),
        1 => " but one that retention dropped".to_owned(),
        n => format!(" but {n} that retention dropped"),
    }
}

fn markers_are(markers: usize) -> String {
    if markers == 1 { "is 1 marker".to_owned() } else { format!("are {markers} markers") }
}

fn neighbours(before: Option<&MarkerId>, after: Option<&MarkerId>) -> String {
    match (before, after) {
        (Some(before), Some(after)) => format!(": it is between {before} and {after}"),
        (Some(before), None) => format!(": it is after the newest, {before}"),
        (None, Some(after)) => format!(": it is before the oldest, {after}"),
        (None, None) => String::new(),
    }
}

fn list(ids: &[MarkerId]) -> String {
    ids.iter().map(MarkerId::to_string).collect::<Vec<_>>().join(", ")
}

/// Why a marker may not have a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// There is nothing in it.
    #[error("a label may not be empty")]
    Empty,
    /// It is too long.
    #[error("the label has {found} bytes, at most {MAX_LABEL_BYTES} are allowed")]
    TooLong {
        /// Its bytes.
        found: usize,
    },
    /// It has a character that cannot be shown on a line.
    #[error("the label {label:?} has a control character")]
    ControlCharacter {
        /// The label.
        label: String,
    },
    /// It begins or ends with a space.
    #[error("the label {label:?} begins or ends with a space")]
    OuterSpace {
        /// The label.
        label: String,
    },
    /// `--to` would not take it for a label.
    #[error("the label {label:?} would be read as {read_as}: add a word to it")]
    ReadsAs {
        /// The label.
        label: String,
        /// What it would be read as.
        read_as: &'static str,
    },
}
