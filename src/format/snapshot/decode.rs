//! Reading a chunk: columns into entries.

use std::borrow::Cow;
use std::ops::Range;

use super::chunk::{BORN, CHANGED, REMOVED};
use super::values::ValuesDecoder;
use super::{Block, Chunk, Codec, Column, Increment, MAX_BLOCK_BYTES, decompress};
use crate::codec::{Decoder, Encoder, len_u64};
use crate::format::Fault;
use crate::format::seal::Lock;
use crate::model::fingerprint::Sum;
use crate::model::id::IdRef;
use crate::model::image::Image;
use crate::model::limits::MAX_NAME_BYTES;
use crate::model::marker::GraphKind;
use crate::model::position::{EdgeOrd, NameOrd, NodeOrd, Seq};
use crate::model::row::{Entry, Row, RowKind, Stamps};
use crate::model::time::Timestamp;
use crate::model::value::skip_value;

/// The entries of a chunk, checked as far as they can be without the graph beneath.
#[derive(Debug)]
pub struct DecodedChunk {
    kind: RowKind,
    arena: Vec<u8>,
    entries: Vec<Held>,
}

type Span = Range<usize>;

/// An entry, with places in the arena for bytes.
#[derive(Debug)]
struct Held {
    ordinal: u32,
    replaces: Option<Sum>,
    stamps: Stamps,
    row: Option<HeldRow>,
}

#[derive(Debug)]
enum HeldRow {
    Name(Span),
    Node { id: Span, attrs: Span },
    Edge { src: NodeOrd, dst: NodeOrd, parallel: Option<(EdgeOrd, Span)>, attrs: Span },
    Item { key: NameOrd, entry: Option<Span>, value: Span },
    Graph(Span),
}

impl Block {
    /// That its stored bytes are those that were written.
    ///
    /// # Errors
    /// [`Fault::Truncated`], [`Fault::Checksum`].
    pub fn check(&self, stored: &[u8]) -> Result<(), Fault> {
        let what = "a block of a snapshot segment";
        let (needed, have) = (u64::from(self.stored), len_u64(stored.len()));
        if needed != have {
            return Err(Fault::Truncated { what, needed, have });
        }
        let computed = crc32fast::hash(stored);
        if computed != self.crc {
            return Err(Fault::Checksum { what, stored: self.crc, computed });
        }
        Ok(())
    }

    /// Its bytes as they were before they were sealed. It stands at `offset` in its file.
    ///
    /// # Errors
    /// [`Fault`] if they are not those that were written, or the key is not there.
    pub fn open<'b>(&self, offset: u64, stored: &'b [u8], lock: &Lock) -> Result<Cow<'b, [u8]>, Fault> {
        self.check(stored)?;
        Ok(match lock.seal()? {
            Some(seal) => Cow::Owned(seal.open("a block of a snapshot segment", offset, &[], stored)?),
            None => Cow::Borrowed(stored),
        })
    }
}

/// The columns of a chunk, decompressed.
struct Columns(Vec<(Column, Vec<u8>)>);

impl Columns {
    /// Those that are `wanted`.
    fn read(
        chunk: &Chunk,
        stored: &[&[u8]],
        lock: &Lock,
        wanted: impl Fn(Column) -> bool,
    ) -> Result<Self, Fault> {
        let mut columns = Vec::with_capacity(chunk.columns.len());
        let mut next = chunk.offset;
        for (at, block) in chunk.columns.iter().enumerate() {
            let offset = next;
            next = next.saturating_add(u64::from(block.stored));
            if !wanted(block.column) {
                continue;
            }
            let stored = stored.get(at).copied().unwrap_or_default();
            let opened = block.open(offset, stored, lock)?;
            let what = "a block of a snapshot segment";
            if block.raw > MAX_BLOCK_BYTES {
                let max = u64::from(MAX_BLOCK_BYTES);
                return Err(Fault::Length { what, found: u64::from(block.raw), min: 1, max });
            }
            let bytes = match block.codec {
                Codec::Raw if u64::from(block.raw) == len_u64(opened.len()) => opened.into_owned(),
                Codec::Raw => {
                    return Err(Fault::Meaning { what: "a block that is not compressed has two lengths" });
                }
                Codec::Zstd => decompress(&opened, usize::try_from(block.raw).unwrap_or(usize::MAX), what)?,
            };
            columns.push((block.column, bytes));
        }
        Ok(Self(columns))
    }

    fn get(&self, column: Column) -> Option<&[u8]> {
        self.0.iter().find(|(which, _)| *which == column).map(|(_, bytes)| bytes.as_slice())
    }

    fn decoder(&self, column: Column) -> Decoder<'_> {
        Decoder::new(self.get(column).unwrap_or_default())
    }
}

fn wrong<T>(what: &'static str) -> Result<T, Fault> {
    Err(Fault::Meaning { what })
}

impl DecodedChunk {
    /// Reads a chunk of `increment`. `stored`: the bytes of its blocks, as they stand in the file.
    ///
    /// # Errors
    /// [`Fault`] if anything in it is not what may stand there.
    pub fn decode(
        chunk: &Chunk,
        stored: &[&[u8]],
        lock: &Lock,
        kind: GraphKind,
        increment: &Increment,
    ) -> Result<Self, Fault> {
        let mut decoded = Self::decode_rows(chunk, stored, lock, kind, increment)?;
        if chunk.kind != RowKind::Name {
            let columns = Columns::read(chunk, stored, lock, |column| column == Column::Stamps)?;
            decoded.read_stamps(columns.decoder(Column::Stamps), increment)?;
        }
        Ok(decoded)
    }

    /// As [`decode`](Self::decode), without stamps, which a restore has no use for: they are all zero, and their block
    /// is not looked at.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_rows(
        chunk: &Chunk,
        stored: &[&[u8]],
        lock: &Lock,
        kind: GraphKind,
        increment: &Increment,
    ) -> Result<Self, Fault> {
        let of_names = chunk.kind == RowKind::Name;
        let columns = Columns::read(chunk, stored, lock, |column| column != Column::Stamps || of_names)?;
        let mut decoded = Self { kind: chunk.kind, arena: Vec::new(), entries: Vec::new() };
        decoded.read_frame(chunk, &columns, increment)?;
        decoded.read_rows(&columns, kind, increment)?;
        Ok(decoded)
    }

    /// Ordinals, fates, what is replaced, stamps.
    fn read_frame(&mut self, chunk: &Chunk, columns: &Columns, increment: &Increment) -> Result<(), Fault> {
        let (mut gaps, mut fates) = (columns.decoder(Column::Ordinals), columns.decoder(Column::Fates));
        let has_gaps = columns.get(Column::Ordinals).is_some();
        let has_fates = columns.get(Column::Fates).is_some();
        let mut sums = columns.decoder(Column::Replaced);
        let (old, new) = bounds(chunk.kind, increment);
        let mut next = Some(chunk.first);
        let mut tombstones = 0_u32;
        for at in 0..chunk.entries {
            let gap = if has_gaps { gaps.u32("the gap between two ordinals")? } else { 0 };
            if at == 0 && gap > 0 {
                return wrong("a chunk does not begin with the ordinal that the index says");
            }
            let Some(ordinal) = next.and_then(|next| next.checked_add(gap)).filter(|ord| *ord < new) else {
                return wrong("an entry has an ordinal that was not given yet");
            };
            next = ordinal.checked_add(1);
            let fate = if has_fates { fates.u8("the fate of an entry")? } else { BORN };
            let replaces = match fate {
                BORN => None,
                CHANGED | REMOVED => {
                    let bytes = sums.raw(16, "what an entry replaces")?;
                    Some(Sum::from(bytes.first_chunk().copied().unwrap_or_default()))
                }
                _ => return wrong("an entry has a fate that none has"),
            };
            // The one row of the graph's attributes is there, or not, before as after.
            if chunk.kind != RowKind::Graph && (ordinal < old) != replaces.is_some() {
                return wrong("an entry replaces what was not born, or does not replace what was");
            }
            let is_dead = fate == REMOVED;
            if is_dead && matches!(chunk.kind, RowKind::Name | RowKind::Graph) {
                return wrong("a name, or the row of the graph's attributes, is removed");
            }
            tombstones = tombstones.saturating_add(u32::from(is_dead));
            let row = (!is_dead).then_some(HeldRow::Name(0..0));
            self.entries.push(Held { ordinal, replaces, stamps: Stamps::default(), row });
        }
        if self.entries.last().map(|entry| entry.ordinal) != Some(chunk.last)
            || tombstones != chunk.tombstones
        {
            return wrong("a chunk is not what the index says of it");
        }
        gaps.finish()?;
        fates.finish()?;
        sums.finish()?;
        // Names have no stamps, and those of others are read when they are asked for.
        Ok(columns.decoder(Column::Stamps).finish()?)
    }

    fn read_stamps(&mut self, mut from: Decoder<'_>, increment: &Increment) -> Result<(), Fault> {
        let mut before = 0_u64;
        for entry in &mut self.entries {
            before = before.wrapping_add(from.i64("the event of a birth")?.cast_unsigned());
            entry.stamps.born = Seq(before);
        }
        let mut before = 0_i64;
        for entry in &mut self.entries {
            before = before.wrapping_add(from.i64("the time of a birth")?);
            entry.stamps.born_at = Timestamp(before);
        }
        for entry in &mut self.entries {
            let since = from.i64("the event of a change")?.cast_unsigned();
            entry.stamps.changed = Seq(entry.stamps.born.0.wrapping_add(since));
        }
        let graph = self.kind == RowKind::Graph;
        for entry in &mut self.entries {
            let since = from.i64("the time of a change")?;
            entry.stamps.changed_at = Timestamp(entry.stamps.born_at.0.wrapping_add(since));
            let Stamps { born, born_at, changed, changed_at } = entry.stamps;
            let (first, last) = (increment.from.seq, increment.to.seq);
            let old = born <= first;
            let fits = changed > first
                && changed <= last
                && born >= Seq(1)
                && born <= changed
                && born_at <= changed_at
                && (graph || old == entry.replaces.is_some());
            if !fits {
                return wrong("an entry changed outside of the increment that it is in");
            }
        }
        Ok(from.finish()?)
    }

    fn read_rows(&mut self, columns: &Columns, kind: GraphKind, increment: &Increment) -> Result<(), Fault> {
        let to = &increment.to.ordinals;
        let rows = self.entries.iter().filter(|entry| entry.row.is_some()).count();
        let mut ids = columns.decoder(Column::Ids);
        let mut sources = columns.decoder(Column::Sources);
        let mut targets = columns.decoder(Column::Targets);
        let mut slots = columns.decoder(Column::Slots);
        let has_attrs = matches!(self.kind, RowKind::Node | RowKind::Edge | RowKind::Graph) && rows > 0;
        let (shapes, values) = (columns.get(Column::Shapes), columns.get(Column::Values).unwrap_or_default());
        let mut attrs = match shapes {
            Some(shapes) if has_attrs => Some(ValuesDecoder::new(shapes, values, rows, to.name)?),
            None if !has_attrs => None,
            _ => return wrong("a chunk has attributes and should not, or should have them and has not"),
        };
        let mut values = Decoder::new(if has_attrs { &[] } else { values });
        let mut arena = Encoder::with_buffer(Vec::new());
        let (mut source, mut newest_node) = (0_i64, -1_i64);
        for entry in self.entries.iter_mut().filter(|entry| entry.row.is_some()) {
            let row = match self.kind {
                RowKind::Name => {
                    let text = ids.str(MAX_NAME_BYTES, "a name")?;
                    HeldRow::Name(keep(&mut arena, |to| to.raw(text.as_bytes())))
                }
                RowKind::Node => {
                    let id = take_id(&mut ids, &mut arena)?;
                    HeldRow::Node { id, attrs: next_image(&mut attrs, &mut arena)? }
                }
                RowKind::Edge => {
                    source = source.wrapping_add(sources.i64("the source of an edge")?);
                    newest_node = newest_node.max(source);
                    let back = targets.i64("the target of an edge")?;
                    let target = newest_node.wrapping_add(1).wrapping_sub(back);
                    newest_node = newest_node.max(target);
                    let node =
                        |ord: i64| {
                            u32::try_from(ord).ok().map(NodeOrd).filter(|ord| *ord < to.node).ok_or(
                                Fault::Meaning { what: "an edge ends at a node that was not born yet" },
                            )
                        };
                    let (src, dst) = (node(source)?, node(target)?);
                    let parallel = if kind.multigraph {
                        let back = slots.u32("a slot")?;
                        let Some(slot) = entry.ordinal.checked_sub(back) else {
                            return wrong("an edge is in a slot that was not born yet");
                        };
                        Some((EdgeOrd(slot), take_id(&mut ids, &mut arena)?))
                    } else {
                        None
                    };
                    HeldRow::Edge { src, dst, parallel, attrs: next_image(&mut attrs, &mut arena)? }
                }
                RowKind::Item => {
                    let key = NameOrd(sources.u32("a state key")?);
                    if key >= to.name {
                        return wrong("a state key was never born");
                    }
                    let entry = match ids.u8("whether an item is one of a map")? {
                        0 => None,
                        1 => Some(take_id(&mut ids, &mut arena)?),
                        _ => return wrong("an item is neither a value nor an entry of a map"),
                    };
                    let value = skip_value(&mut values)?;
                    HeldRow::Item { key, entry, value: keep(&mut arena, |to| to.raw(value)) }
                }
                RowKind::Graph => HeldRow::Graph(next_image(&mut attrs, &mut arena)?),
            };
            entry.row = Some(row);
        }
        for left in [ids, sources, targets, slots, values] {
            left.finish()?;
        }
        self.arena = arena.into_vec();
        Ok(())
    }

    /// What its entries are of.
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The ordinal of an entry.
    pub fn ordinal(&self, at: usize) -> Option<u32> {
        self.entries.get(at).map(|entry| entry.ordinal)
    }

    /// An entry; `None` past the end.
    pub fn entry(&self, at: usize) -> Option<Entry<'_>> {
        let held = self.entries.get(at)?;
        let bytes = |span: &Span| self.arena.get(span.clone()).unwrap_or_default();
        let image = |span: &Span| Image::trusted(bytes(span));
        let row = held.row.as_ref().map(|row| match row {
            HeldRow::Name(text) => Row::Name { text: std::str::from_utf8(bytes(text)).unwrap_or_default() },
            HeldRow::Node { id, attrs } => Row::Node { id: bytes(id), attrs: image(attrs) },
            HeldRow::Edge { src, dst, parallel, attrs } => Row::Edge {
                src: *src,
                dst: *dst,
                parallel: parallel.as_ref().map(|(slot, key)| (*slot, bytes(key))),
                attrs: image(attrs),
            },
            HeldRow::Item { key, entry, value } => {
                Row::Item { key: *key, entry: entry.as_ref().map(bytes), value: bytes(value) }
            }
            HeldRow::Graph(attrs) => Row::Graph { attrs: image(attrs) },
        });
        Some(Entry { ordinal: held.ordinal, replaces: held.replaces, row, stamps: held.stamps })
    }
}

/// The next birth number of a kind before and after an increment.
fn bounds(kind: RowKind, increment: &Increment) -> (u32, u32) {
    let of = |ordinals: &crate::model::marker::Ordinals| match kind {
        RowKind::Name => ordinals.name.0,
        RowKind::Node => ordinals.node.0,
        RowKind::Edge => ordinals.edge.0,
        RowKind::Item => ordinals.item.0,
        RowKind::Graph => 1,
    };
    (of(&increment.from.ordinals), of(&increment.to.ordinals))
}

/// Where in the arena `write` has written.
fn keep(arena: &mut Encoder, write: impl FnOnce(&mut Encoder)) -> Span {
    let start = arena.len();
    write(arena);
    start..arena.len()
}

fn take_id(from: &mut Decoder<'_>, arena: &mut Encoder) -> Result<Span, Fault> {
    let start = from.rest();
    IdRef::decode(from)?;
    let used = start.len().saturating_sub(from.rest().len());
    Ok(keep(arena, |to| to.raw(start.get(..used).unwrap_or_default())))
}

fn next_image(attrs: &mut Option<ValuesDecoder<'_>>, arena: &mut Encoder) -> Result<Span, Fault> {
    let start = arena.len();
    if let Some(attrs) = attrs {
        attrs.next(arena)?;
    }
    Ok(start..arena.len())
}
