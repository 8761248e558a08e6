//! Which point of the log is restored, and why.

use snaplog::policy::selector::Choice;
use snaplog::{Marker, Reader, Restored, Selector, Seq, Timestamp};

use crate::cli::failure::Failure;
use crate::cli::list::not_whole;

/// A point of a log.
#[derive(Debug)]
pub(super) enum Aim<'a> {
    /// Where a marker stands.
    Marker(Choice<'a>),
    /// After an event.
    Seq(Seq),
    /// After every event up to a time.
    Time(Timestamp),
}

impl<'a> Aim<'a> {
    pub(super) fn find(
        reader: &'a Reader,
        selector: &Selector,
        tier: Option<&str>,
        exact: bool,
    ) -> Result<Self, Failure> {
        match (selector, tier) {
            (Selector::Seq(seq), None) => return Ok(Self::Seq(*seq)),
            (Selector::Time(time), None) if exact => return Ok(Self::Time(*time)),
            (Selector::Seq(_), Some(_)) => {
                return Err(Failure::usage("--tier is about markers, and seq: names an event"));
            }
            (Selector::Time(_), Some(_)) if exact => {
                return Err(Failure::usage("--tier is about markers, and with --exact none is asked for"));
            }
            _ if exact => {
                return Err(Failure::usage("--exact goes with a time: the others are exact anyway"));
            }
            _ => {}
        }
        Ok(Self::Marker(reader.select(selector, tier)?))
    }

    /// Why this point.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Marker(choice) => choice.reason.clone(),
            Self::Seq(seq) => format!("right after event {seq}"),
            Self::Time(time) => format!("every event up to {time}"),
        }
    }

    /// The event after which it lies, where that is known without reading the log.
    pub(super) fn seq(&self) -> Option<Seq> {
        match self {
            Self::Marker(choice) => Some(choice.marker.seq),
            Self::Seq(seq) => Some(*seq),
            Self::Time(_) => None,
        }
    }

    /// The marker that stands there: the one that was chosen, else the last one after `seq`.
    pub(super) fn marker(&self, reader: &'a Reader, seq: Seq) -> Option<&'a Marker> {
        match self {
            Self::Marker(choice) => Some(choice.marker),
            _ => reader.markers().iter().rfind(|marker| marker.seq == seq && marker.expired.is_none()),
        }
    }

    /// The graph there, proven to be what the markers there say.
    pub(super) fn restore(&self, reader: &Reader) -> Result<Restored, Failure> {
        Ok(match self {
            Self::Marker(choice) => reader.restore_marker(choice.marker)?,
            Self::Seq(seq) => reader.restore_seq(*seq)?,
            Self::Time(time) => reader.restore_time(*time)?,
        })
    }

    /// That it can be restored, as far as can be told without doing it.
    pub(super) fn check(&self, reader: &Reader) -> Result<(), Failure> {
        let Some(seq) = self.seq() else { return Ok(()) };
        if seq > reader.last_seq() {
            // Past the end a restore fails at once, and knows best why.
            return self.restore(reader).map(drop);
        }
        let restorable = reader.restorable();
        if !restorable.contains(seq) {
            if restorable.is_whole() {
                // It is folded away: a restore fails at once, and knows best why.
                return self.restore(reader).map(drop);
            }
            return Err(not_whole(restorable.fault(), &format!("event {seq} cannot be restored")));
        }
        Ok(())
    }
}
