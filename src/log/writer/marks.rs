//! The writer's markers: those that the schedule places, those that are asked for, pins.

use serde::{Deserialize, Serialize};

use super::core::Core;
use super::segments::marker_payload;
use crate::format::frame::FrameType;
use crate::log::error::{Error, Result};
use crate::model::limits::MAX_TIER_NAME_BYTES;
use crate::model::marker::Marker;
use crate::model::position::{MarkerId, Seq};
use crate::model::time::Timestamp;
use crate::policy::selector::check_label;

/// A marker that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkOptions {
    /// The user's name for it.
    pub label: Option<String>,
    /// A tier that it is to count for.
    pub tier: Option<String>,
    /// Whether it is kept whatever the policy says.
    pub pin: bool,
}

impl MarkOptions {
    /// A marker with a label.
    pub fn labelled(label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..Self::default() }
    }
}

impl Core {
    /// Places the marker that is due by now, if one is.
    pub(super) fn place_due(&mut self) -> Result<()> {
        let high_water = self.graph.counts().high_water;
        if !self.automatic || self.last_seq() == Seq(0) || !self.schedule.is_due(high_water, self.event_time)
        {
            return Ok(());
        }
        let tiers = self.schedule.take(high_water, self.event_time);
        self.placed = self.placed.saturating_add(1);
        self.push_marker(tiers, None, false, self.time)?;
        if self.sync_markers { self.sync() } else { Ok(()) }
    }

    /// Places a marker by hand.
    pub(super) fn mark(&mut self, options: &MarkOptions, ts: Option<Timestamp>) -> Result<Marker> {
        if let Some(label) = &options.label {
            check_label(label).map_err(|e| Error::BadMarker { message: e.to_string() })?;
            if self.markers.iter().any(|m| m.label.as_ref() == Some(label) && m.seq == self.last_seq()) {
                // Asked twice for the same: once is enough.
                if let Some(marker) = self.markers.iter().rfind(|m| m.label.as_ref() == Some(label)) {
                    let marker = marker.clone();
                    self.commit()?;
                    return Ok(marker);
                }
            }
        }
        if let Some(tier) = &options.tier
            && (tier.is_empty() || tier.len() > MAX_TIER_NAME_BYTES || tier.contains(char::is_control))
        {
            let message =
                format!("a tier's name has 1 to {MAX_TIER_NAME_BYTES} bytes and no control characters");
            return Err(Error::BadMarker { message });
        }
        let time = self.time_of(ts)?;
        let tiers = options.tier.iter().cloned().collect();
        let marker = self.push_marker(tiers, options.label.clone(), options.pin, time)?;
        if self.sync_markers {
            self.sync()?;
        }
        Ok(marker)
    }

    /// Places the marker that a log begins with when it goes on from another one: in any number of tiers. The schedule
    /// takes what is there for served, or the next session would mark it once more.
    pub(super) fn mark_beginning(
        &mut self,
        tiers: Vec<String>,
        label: Option<String>,
        pinned: bool,
        time: Timestamp,
    ) -> Result<Marker> {
        let time = self.time_of(Some(time))?;
        drop(self.schedule.take(self.graph.counts().high_water, time));
        let marker = self.push_marker(tiers, label, pinned, time)?;
        self.sync()?;
        Ok(marker)
    }

    fn push_marker(
        &mut self,
        tiers: Vec<String>,
        label: Option<String>,
        pinned: bool,
        time: Timestamp,
    ) -> Result<Marker> {
        self.flush()?;
        let position = self.segment()?.offset;
        let marker = Marker {
            id: self.next_marker,
            seq: self.last_seq(),
            time,
            tiers,
            label,
            pinned,
            expired: None,
            counts: self.graph.counts(),
            ordinals: self.graph.ordinals(),
            fingerprint: self.graph.fingerprint(),
            served: self.schedule.served(),
            position: self.closed_bytes.saturating_add(position),
            events: self.history.finish(),
        };
        let payload = marker_payload(&marker)?;
        let next_seq = self.next_seq;
        self.segment()?.push(FrameType::Marker, next_seq, 0, time, &payload)?;
        self.time = self.time.max(time);
        self.flushed.time = self.time;
        self.next_marker = self.next_marker.next();
        self.markers.push(marker.clone());
        Ok(marker)
    }

    /// Pins a marker, which has one back that was dropped, or takes the pin off; durable on return.
    pub(super) fn pin(&mut self, id: MarkerId, on: bool) -> Result<bool> {
        // The manifest may only speak of what is durable.
        self.commit()?;
        let Some(marker) = self.markers.iter_mut().find(|marker| marker.id == id) else { return Ok(false) };
        // One that was dropped is had back by its pin.
        let had_back = on && marker.expired.is_some();
        if marker.pinned != on || had_back {
            marker.pinned = on;
            if had_back {
                marker.expired = None;
            }
            let manifest = self.described();
            self.put_in_force(manifest)?;
        }
        Ok(true)
    }
}
