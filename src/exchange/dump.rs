//! Dump: what a file of a log says, frame by frame and record by record, for the curious and the desperate. Damage is
//! told and stepped over.

use serde_json::{Value as Json, json};

use super::json_write::{self, Spacing};
use crate::codec::{self, Decoder};
use crate::format::current::Current;
use crate::format::frame::FrameType;
use crate::format::manifest::Manifest;
use crate::format::names::{self, FileName};
use crate::format::records::{Item, PayloadDecoder, advance};
use crate::format::segment::SegmentHead;
use crate::log::{Error, Result, Segment, Step};
use crate::model::id::IdRef;
use crate::model::image::{Image, NameSet};
use crate::model::marker::{GraphKind, Marker};
use crate::model::record::Record;
use crate::storage::{Storage, read_all, ring};

/// A line of a dump.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Where in the file it stands.
    pub offset: u64,
    /// How deep: 0 the file's header, 1 a frame, 2 a record.
    pub depth: u8,
    /// What it is.
    pub kind: String,
    /// Its fields, as a JSON object.
    pub fields: Json,
}

/// Dumps the file `name` of the log in `storage` to `sink`; stops when `sink` says false. The rest of the log need not
/// be there, or be sound.
///
/// # Errors
/// If the name is none of a log's files, or the file or its header cannot be read. What is wrong with its other bytes is
/// in the dump.
pub fn dump(storage: &dyn Storage, name: &str, sink: &mut dyn FnMut(Line) -> bool) -> Result<()> {
    let document = || {
        read_all(storage, name, codec::MAX_DOCUMENT_BYTES).map_err(Error::io("read", storage.location(name)))
    };
    let whole = |kind: &str, outcome: std::result::Result<Json, crate::format::Fault>| {
        let fields = outcome.unwrap_or_else(|fault| json!({ "fault": fault.to_string() }));
        Line { offset: 0, depth: 0, kind: kind.to_owned(), fields }
    };
    match names::parse(name) {
        Some(FileName::Events(id)) => {
            let segment = Segment::open_any(storage, id)?;
            events(&segment, sink)
        }
        Some(FileName::Manifest(_)) => {
            let bytes = document()?;
            sink(whole(
                "manifest",
                Manifest::decode(&bytes, ring(storage)).map(|(_, manifest)| manifest_fields(&manifest)),
            ));
            Ok(())
        }
        Some(FileName::Fixed) if name == names::CURRENT => {
            let bytes = document()?;
            sink(whole(
                "current",
                Current::decode(&bytes, ring(storage)).map(|(prefix, current)| {
                    json!({
                        "log_id": prefix.log_id.to_string(),
                        "manifest": names::manifest(current.generation),
                        "length": current.length,
                        "crc": format!("{:08x}", current.crc),
                    })
                }),
            ));
            Ok(())
        }
        _ => Err(Error::BadMarker {
            message: format!("{name} is not a file that can be dumped: CURRENT, manifest-<n> or events-<n>"),
        }),
    }
}

fn events(segment: &Segment, sink: &mut dyn FnMut(Line) -> bool) -> Result<()> {
    if !sink(Line { offset: 0, depth: 0, kind: "segment".to_owned(), fields: head_fields(segment) }) {
        return Ok(());
    }
    let kind = segment.head.kind;
    let mut frames = segment.frames(u64::MAX);
    let mut lines = Vec::new();
    loop {
        match frames.step()? {
            Step::End => return Ok(()),
            Step::Frame { offset, header, payload } => {
                let shut = segment.lock.is_shut();
                let (name, mut fields) = match header.frame_type {
                    FrameType::Marker if shut => ("marker", json!({})),
                    FrameType::Events => ("events", json!({ "events": header.events })),
                    FrameType::Marker => ("marker", marker_of(payload)),
                    FrameType::SyncNote => ("sync-note", json!({})),
                    FrameType::Seal => ("seal", json!({})),
                };
                if let Some(fields) = fields.as_object_mut() {
                    if header.sealed {
                        fields.insert("sealed".to_owned(), json!(true));
                    }
                    fields.insert("next_seq".to_owned(), json!(header.first_seq.0));
                    if header.time != crate::model::time::Timestamp::MIN {
                        fields.insert("time".to_owned(), json!(header.time.to_string()));
                    }
                    fields.insert("bytes".to_owned(), json!(header.frame_len()));
                    fields.insert("synced".to_owned(), json!(header.synced));
                    fields.insert("crc".to_owned(), json!(format!("{:08x}", header.crc)));
                }
                lines.push(Line { offset, depth: 1, kind: name.to_owned(), fields });
                if header.frame_type == FrameType::Events && !shut {
                    let at = offset.saturating_add(codec::len_u64(crate::format::frame::HEADER_BYTES));
                    records(payload, kind, at, header.time, header.first_seq.0, &mut lines);
                }
            }
            Step::Bad { offset, fault } => {
                let fields = json!({ "fault": fault.to_string(), "kind": fault.kind() });
                lines.push(Line { offset, depth: 1, kind: "damaged".to_owned(), fields });
                if !frames.resync()? {
                    lines.drain(..).all(&mut *sink);
                    return Ok(());
                }
            }
        }
        if !lines.drain(..).all(&mut *sink) {
            return Ok(());
        }
    }
}

fn records(
    payload: &[u8],
    kind: GraphKind,
    at: u64,
    mut time: crate::model::time::Timestamp,
    mut seq: u64,
    lines: &mut Vec<Line>,
) {
    let bad = |offset: u64, fault: &crate::format::Fault| Line {
        offset,
        depth: 2,
        kind: "damaged".to_owned(),
        fields: json!({ "fault": fault.to_string(), "kind": fault.kind() }),
    };
    let mut decoder = match PayloadDecoder::new(payload, kind) {
        Ok(decoder) => decoder,
        Err(fault) => return lines.push(bad(at, &fault)),
    };
    loop {
        let offset = at.saturating_add(codec::len_u64(decoder.position()));
        let next = decoder.ordinals();
        let (name, mut fields) = match decoder.next_item() {
            Ok(None) => return,
            Err(fault) => return lines.push(bad(offset, &fault)),
            Ok(Some(Item::TimePassed(micros))) => {
                time = advance(time, micros);
                ("time-passed", json!({ "time": time.to_string() }))
            }
            Ok(Some(Item::SourceRead(source))) => {
                ("source-read", json!({ "name": source.name, "bytes": source.bytes, "lines": source.lines }))
            }
            Ok(Some(Item::Change { record, ends_event })) => {
                let (name, mut fields) = record_fields(&record, next);
                if let Some(fields) = fields.as_object_mut() {
                    fields.insert("seq".to_owned(), json!(seq));
                }
                seq = seq.saturating_add(u64::from(ends_event));
                (name, fields)
            }
        };
        if let Some(object) = fields.as_object_mut() {
            object.retain(|_, value| !value.is_null());
        }
        lines.push(Line { offset, depth: 2, kind: name.to_owned(), fields });
    }
}

fn record_fields(record: &Record<'_>, next: crate::model::marker::Ordinals) -> (&'static str, Json) {
    match *record {
        Record::NameBorn { name } => ("name-born", json!({ "name": next.name.0, "text": name })),
        Record::NodeBorn { id, attrs } => {
            ("node-born", json!({ "node": next.node.0, "id": id_json(id), "attrs": image(attrs) }))
        }
        Record::NodeChanged { node, set } => ("node-changed", json!({ "node": node.0, "set": image(set) })),
        Record::NodeUnset { node, names } => {
            ("node-unset", json!({ "node": node.0, "names": name_set(names) }))
        }
        Record::NodeDied { node } => ("node-died", json!({ "node": node.0 })),
        Record::EdgeBorn { src, dst, parallel, attrs } => (
            "edge-born",
            json!({
                "edge": next.edge.0,
                "src": src.0,
                "dst": dst.0,
                "slot": parallel.map(|(slot, _)| slot.0),
                "key": parallel.map(|(_, key)| id_json(key)),
                "attrs": image(attrs),
            }),
        ),
        Record::EdgeChanged { edge, set } => ("edge-changed", json!({ "edge": edge.0, "set": image(set) })),
        Record::EdgeUnset { edge, names } => {
            ("edge-unset", json!({ "edge": edge.0, "names": name_set(names) }))
        }
        Record::EdgeDied { edge } => ("edge-died", json!({ "edge": edge.0 })),
        Record::GraphChanged { set } => ("graph-changed", json!({ "set": image(set) })),
        Record::GraphUnset { names } => ("graph-unset", json!({ "names": name_set(names) })),
        Record::ItemBorn { key, entry, value } => (
            "item-born",
            json!({ "item": next.item.0, "key": key.0, "entry": entry.map(id_json), "value": value_json(value) }),
        ),
        Record::ItemChanged { item, value } => {
            ("item-changed", json!({ "item": item.0, "value": value_json(value) }))
        }
        Record::ItemDied { item } => ("item-died", json!({ "item": item.0 })),
    }
}

/// Attributes under their names' ordinals: a frame by itself does not know the names.
fn image(image: Image<'_>) -> Json {
    image
        .iter()
        .map(|(name, value)| (name.0.to_string(), value_json(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn name_set(names: NameSet<'_>) -> Json {
    names.iter().map(|name| json!(name.0)).collect()
}

fn id_json(id: IdRef<'_>) -> Json {
    match id {
        IdRef::Int(n) => json!(n),
        IdRef::Str(s) => json!(s),
    }
}

/// A value as its JSON; what JSON has no number for, as text.
fn value_json(encoded: &[u8]) -> Json {
    let mut text = Vec::new();
    if json_write::value(encoded, Spacing::Compact, &mut text).is_err() {
        let rest = Decoder::new(encoded).rest().len();
        return json!(format!("{rest} bytes that are no value"));
    }
    serde_json::from_slice(&text).unwrap_or_else(|_| json!(String::from_utf8_lossy(&text)))
}

fn marker_of(payload: &[u8]) -> Json {
    match codec::from_bytes::<Marker>(payload) {
        Ok(marker) => marker_fields(&marker),
        Err(e) => json!({ "fault": e.to_string() }),
    }
}

fn marker_fields(marker: &Marker) -> Json {
    json!({
        "id": marker.id.to_string(),
        "seq": marker.seq.0,
        "marker_time": marker.time.to_string(),
        "tiers": marker.tiers,
        "label": marker.label,
        "pinned": marker.pinned,
        "expired": marker.expired.map(|time| time.to_string()),
        "nodes": marker.counts.nodes,
        "edges": marker.counts.edges,
        "items": marker.counts.items,
        "high_water": marker.counts.high_water,
        "fingerprint": marker.fingerprint.content.to_string(),
        "layout": marker.fingerprint.layout.to_string(),
    })
}

fn head_fields(segment: &Segment) -> Json {
    let SegmentHead { created, tag, kind, first_seq, time, adopts, writer, .. } = &segment.head;
    json!({
        "log_id": segment.prefix.log_id.to_string(),
        "segment": segment.id.0,
        "created": created.to_string(),
        "tag": format!("{tag:016x}"),
        "directed": kind.directed,
        "multigraph": kind.multigraph,
        "first_seq": first_seq.0,
        "time": (*time != crate::model::time::Timestamp::MIN).then(|| time.to_string()),
        "adopts": adopts.map(|a| json!({ "file": names::events(a.id), "length": a.length, "chain": format!("{:08x}", a.chain) })),
        "writer": writer,
        "bytes": segment.file_len,
    })
}

fn manifest_fields(manifest: &Manifest) -> Json {
    json!({
        "generation": manifest.generation.0,
        "written": manifest.written.to_string(),
        "created": manifest.created.to_string(),
        "directed": manifest.kind.directed,
        "multigraph": manifest.kind.multigraph,
        "next_seq": manifest.next_seq.0,
        "next_file": manifest.next_file.0,
        "next_marker": manifest.next_marker.to_string(),
        "high_water": manifest.high_water,
        "segments": manifest.segments.iter().map(|entry| json!({
            "file": names::events(entry.id),
            "first_seq": entry.first_seq.0,
            "end": entry.end.map(|end| json!({
                "length": end.length,
                "chain": format!("{:08x}", end.chain),
                "next_seq": end.next_seq.0,
                "time": end.time.to_string(),
            })),
        })).collect::<Vec<_>>(),
        "markers": manifest.markers.iter().map(marker_fields).collect::<Vec<_>>(),
        "sources": manifest.sources.iter().map(|source| json!({
            "name": source.name, "bytes": source.bytes, "lines": source.lines,
        })).collect::<Vec<_>>(),
    })
}
