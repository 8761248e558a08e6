//! The event segments of a log that is verified.

use super::history::History;
use super::{Inspection, Note};
use crate::codec;
use crate::format::Fault;
use crate::format::frame::FrameType;
use crate::format::names;
use crate::log::{Error, Piece, Result, Segment, Step, find_strays};
use crate::model::marker::Marker;
use crate::model::position::Seq;

/// The clock is looked at each time so many bytes were read.
const LOOK_AT_CLOCK_BYTES: u64 = 4 << 20;

impl Inspection<'_> {
    /// Headers, sizes, and how the segments follow each other.
    pub(super) fn outline(&mut self) -> Result<()> {
        let manifest = &self.view.in_force.manifest;
        for entry in &manifest.segments {
            let last_good = Seq(entry.first_seq.0.saturating_sub(1));
            self.files.insert(names::events(entry.id));
            let segment = Segment::open(self.view.storage.as_ref(), self.view.in_force.log_id, entry.id);
            let segment = match segment {
                Ok(segment) => segment,
                Err(error) if error.is_unreadable() => {
                    self.cut(&error, last_good);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Err(error) = segment.check_place(manifest) {
                self.cut(&error, last_good);
            }
            let piece = self.view.pieces.iter().find(|piece| piece.id == entry.id);
            self.bytes = self.bytes.saturating_add(piece.map_or(0, |piece| piece.length));
            if let Some(end) = entry.end {
                match segment.check_length(end.length) {
                    Err(error) => self.cut(&error, segment.last_whole().unwrap_or(last_good)),
                    Ok(()) if segment.file_len > end.length => self.notes.push(Note {
                        file: segment.name.clone(),
                        message: format!(
                            "{} bytes after offset {} are dead: left by a session that did not end in good order",
                            segment.file_len.saturating_sub(end.length),
                            end.length
                        ),
                    }),
                    Ok(()) => {}
                }
            }
        }
        if let Some(error) = &self.view.damage {
            let error = error.again();
            self.cut(&error, self.view.last_seq());
            if let Some((segment, tail)) = &self.view.tail
                && let Some((offset, _)) = tail.damage
            {
                self.markers_behind(segment, offset)?;
            }
        }
        if let Some((segment, tail)) = &self.view.tail
            && let Some(fault) = &tail.torn
        {
            let message = format!(
                "the log ends at offset {}; what follows is a torn write that was never acknowledged ({fault})",
                tail.end.offset
            );
            self.notes.push(Note { file: segment.name.clone(), message });
        }
        match find_strays(self.view) {
            Ok(strays) => self.notes.extend(strays.into_iter().map(|stray| Note {
                message: format!("{}: {} bytes that no manifest in force names", stray.what, stray.bytes),
                file: stray.name,
            })),
            Err(error) if error.is_unreadable() => self.cut(&error, self.view.last_seq()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The markers that stand in whole frames behind damage in the open segment: nothing lists them, and they are lost.
    fn markers_behind(&mut self, segment: &Segment, damage: u64) -> Result<()> {
        let mut frames = segment.frames(u64::MAX);
        frames.offset = damage;
        while frames.resync()? {
            while let Step::Frame { header, payload, .. } = frames.step()? {
                if header.frame_type == FrameType::Marker
                    && let Ok(marker) = codec::from_bytes::<Marker>(payload)
                    // One that the manifest lists may be had by another road; what the damage costs of those is told by it.
                    && !self.view.markers.iter().any(|listed| listed.id == marker.id)
                    && self.lost.insert(marker.id)
                    && let Some(fault) = self.faults.last_mut()
                {
                    fault.markers.push(marker.id.to_string());
                }
            }
        }
        Ok(())
    }

    /// Every frame that counts; goes on behind a bad one. `history` is told of those that are good.
    pub(super) fn checksums(&mut self, mut history: Option<&mut History>) -> Result<()> {
        for piece in &self.view.pieces {
            if self.is_late() {
                return Ok(());
            }
            self.checksums_of(piece, history.as_deref_mut())?;
        }
        if let (Some(history), Some(piece)) = (history, self.view.pieces.last()) {
            let path = self.view.storage.location(&names::events(piece.id));
            for (fault, good) in history.end() {
                self.cut(&Error::Damage { path: path.clone(), offset: None, fault }, good);
            }
        }
        Ok(())
    }

    fn checksums_of(&mut self, piece: &Piece, mut history: Option<&mut History>) -> Result<()> {
        let opened = Segment::open(self.view.storage.as_ref(), self.view.in_force.log_id, piece.id);
        let segment = match opened {
            Ok(segment) => segment,
            // The outline has noted it, unless it went since.
            Err(error) if error.is_unreadable() => {
                self.cut(&error, Seq(piece.first_seq.0.saturating_sub(1)));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut frames = segment.frames(piece.length);
        let mut last_good = None;
        let mut read = 0_u64;
        loop {
            let so_far = Seq(frames.expect.seq.0.saturating_sub(1));
            let step = match frames.step() {
                Ok(step) => step,
                // A bad sector: what is behind it in this file is not looked at.
                Err(error) if error.is_unreadable() => {
                    self.cut(&error, last_good.unwrap_or(so_far));
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let (offset, fault) = match step {
                Step::Frame { offset, header, payload } => {
                    let wrong =
                        history.as_deref_mut().map(|history| history.frame(&segment, &header, payload));
                    for (fault, good) in wrong.unwrap_or_default() {
                        self.cut(&segment.damage(offset, fault), good);
                    }
                    read = read.saturating_add(header.frame_len());
                    if read > LOOK_AT_CLOCK_BYTES {
                        read = 0;
                        if self.is_late() {
                            return Ok(());
                        }
                    }
                    continue;
                }
                Step::End => break,
                Step::Bad { offset, fault } => (offset, fault),
            };
            let good = *last_good.get_or_insert(so_far);
            self.cut(&segment.damage(offset, fault), good);
            match frames.resync() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if error.is_unreadable() => {
                    self.cut(&error, good);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        if let Err(error) = segment.check_length(piece.length) {
            self.cut(&error, Seq(frames.expect.seq.0.saturating_sub(1)));
            return Ok(());
        }
        if let Some(chain) = piece.chain
            && last_good.is_none()
            && chain != frames.expect.chain
        {
            let fault = Fault::Chain { expected: chain, found: frames.expect.chain };
            let good = Seq(piece.first_seq.0.saturating_sub(1));
            self.cut(&segment.damage(piece.length, fault), good);
        }
        Ok(())
    }
}
