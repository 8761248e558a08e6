//! A log held still: what its files are when it is looked at, as if its writer had stopped there.

use crate::format::manifest::{Manifest, SegmentEnd, Source};
use crate::format::records::SourceRead;
use crate::format::snapshot::Stand;
use crate::format::{Fault, names};
use crate::log::{
    Error, Log, Piece, Replay, Result, Segment, Step, Tally, Until, View, Visitor, chain, remember,
};
use crate::storage::Storage;

/// The manifest of a log as a view shows it, with its last segment closed where the view ends: what a copy of the view's
/// pieces is a whole log with.
///
/// # Errors
/// Damage.
pub(crate) fn closed_manifest(log: &Log, view: &View) -> Result<Manifest> {
    let mut manifest = view.in_force.manifest.clone();
    manifest.written = log.environment().now();
    manifest.trash = Vec::new();
    manifest.markers.clone_from(&view.markers);
    if let Some(last) = view.markers.iter().map(|marker| marker.id).max() {
        manifest.next_marker = manifest.next_marker.max(last.next());
    }
    let Some(open) = manifest.segments.last_mut().filter(|entry| entry.end.is_none()) else {
        return Ok(manifest);
    };
    let Some(piece) = view.pieces.last().filter(|piece| piece.id == open.id) else { return Ok(manifest) };
    // Which is not so, as long as the writer tells no lies: what a manifest speaks of was durable before it.
    if piece.next_seq < manifest.next_seq {
        let what = "less of the log is known durable than its manifest speaks of";
        let path = log.location();
        return Err(Error::Damage { path, offset: None, fault: Fault::Meaning { what } });
    }
    let mut read = Sources { sources: manifest.sources.clone() };
    let stand = last_stand(view)?;
    let tally = Tally::new(manifest.kind, stand.ordinals, stand.counts);
    let mut replay = Replay::from(tally, stand.seq.next(), stand.time);
    replay.run(view, Until::End, &mut read)?;
    if replay.next_seq != piece.next_seq {
        let fault = Fault::Sequence { expected: piece.next_seq, found: replay.next_seq };
        return Err(Error::Damage { path: log.location(), offset: None, fault });
    }
    let (_, chain) = step_through(view, view.storage.as_ref(), piece, &names::events(piece.id))?;
    open.end = Some(SegmentEnd {
        length: piece.length,
        chain,
        next_seq: piece.next_seq,
        time: replay.time.max(open.begins),
    });
    manifest.next_seq = replay.next_seq;
    (manifest.ordinals, manifest.high_water) = (replay.graph.births(), replay.graph.high_water());
    manifest.sources = read.sources;
    Ok(manifest)
}

/// The last place before the manifest's position at which births and living nodes are known: those behind it are
/// counted, and how far sources were read is looked for from there. A marker says them, or the end of an increment.
fn last_stand(view: &View) -> Result<Stand> {
    let last = view.last_seq();
    let kept_from = view.kept_from();
    let path = view.path(last).ok_or(Error::Folded { asked: last, kept_from })?;
    let stand = chain::end_of(&chain::open(view, &path.increments)?);
    let next_seq = view.in_force.manifest.next_seq;
    let marker = view.markers.iter().rfind(|marker| marker.seq < next_seq && marker.seq.next() >= kept_from);
    Ok(match marker.filter(|marker| marker.seq > stand.seq) {
        None => stand,
        Some(marker) => Stand {
            seq: marker.seq,
            // The marker's frame, which is read once more, tells its own time.
            time: stand.time,
            ordinals: marker.ordinals,
            counts: marker.counts,
            layout: marker.fingerprint.layout,
        },
    })
}

/// Steps through the frames of a piece; returns the file's length and the chain value at its end.
///
/// # Errors
/// Damage: every frame is read.
pub(crate) fn step_through(
    view: &View,
    storage: &dyn Storage,
    piece: &Piece,
    name: &str,
) -> Result<(u64, u32)> {
    let segment = Segment::open_as(storage, piece.id, name)?;
    segment.check_place(&view.in_force.manifest)?;
    segment.check_length(piece.length)?;
    let mut frames = segment.frames(piece.length);
    loop {
        match frames.step()? {
            Step::Frame { .. } => {}
            Step::End => break,
            Step::Bad { offset, fault } => return Err(segment.damage(offset, fault)),
        }
    }
    let found = frames.expect.chain;
    if let Some(expected) = piece.chain.filter(|chain| *chain != found) {
        return Err(segment.damage(piece.length, Fault::Chain { expected, found }));
    }
    if frames.expect.seq != piece.next_seq {
        let fault = Fault::Sequence { expected: piece.next_seq, found: frames.expect.seq };
        return Err(segment.damage(piece.length, fault));
    }
    Ok((segment.file_len, found))
}

/// How far sources were read.
struct Sources {
    sources: Vec<Source>,
}

impl Visitor<Tally> for Sources {
    fn source(&mut self, source: SourceRead<'_>) {
        let SourceRead { name, bytes, lines, digest } = source;
        remember(&mut self.sources, Source { name: name.to_owned(), bytes, lines, digest });
    }
}
