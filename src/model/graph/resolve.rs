//! Turning an event, said by id, into records, said by ordinal.

use std::collections::HashMap;

use super::index::StateUse;
use super::{Graph, encoded, pair};
use crate::codec::{Encoder, len_u64};
use crate::model::event::{Attrs, Event, Refusal};
use crate::model::id::{Id, IdRef};
use crate::model::image::{Image, NameSet, encode_image, encode_names};
use crate::model::limits::{
    MAX_DEPTH, MAX_EVENT_BYTES, MAX_ID_BYTES, MAX_IMAGE_BYTES, MAX_NAME_BYTES, MAX_ORDINAL, MAX_VALUE_BYTES,
};
use crate::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
use crate::model::record::Record;
use crate::model::value::Value;

/// The records of one event. Reused from event to event, so that its room is too.
#[derive(Debug, Default)]
pub struct Changes {
    list: Vec<Change>,
    /// The names that the event gives birth to.
    names: HashMap<String, NameOrd>,
}

/// A record that owns what it holds.
#[derive(Debug)]
enum Change {
    Name(String),
    NodeBorn { id: Id, attrs: Vec<u8> },
    NodeChanged { node: NodeOrd, set: Vec<u8> },
    NodeUnset { node: NodeOrd, names: Vec<u8> },
    NodeDied { node: NodeOrd },
    EdgeBorn { src: NodeOrd, dst: NodeOrd, parallel: Option<(EdgeOrd, Id)>, attrs: Vec<u8> },
    EdgeChanged { edge: EdgeOrd, set: Vec<u8> },
    EdgeUnset { edge: EdgeOrd, names: Vec<u8> },
    EdgeDied { edge: EdgeOrd },
    GraphChanged { set: Vec<u8> },
    GraphUnset { names: Vec<u8> },
    ItemBorn { key: NameOrd, entry: Option<Id>, value: Vec<u8> },
    ItemChanged { item: ItemOrd, value: Vec<u8> },
    ItemDied { item: ItemOrd },
}

impl Change {
    /// What it takes in a payload, at most.
    fn size(&self) -> usize {
        // A tag and three ordinals.
        const FIXED: usize = 16;
        let id = |id: &Id| match id {
            Id::Int(_) => 10,
            Id::Str(text) => text.len().saturating_add(10),
        };
        let (ids, bytes) = match self {
            Self::Name(name) => (0, name.len()),
            Self::NodeBorn { id: node, attrs } => (id(node), attrs.len()),
            Self::EdgeBorn { parallel, attrs, .. } => {
                (parallel.as_ref().map_or(0, |(_, key)| id(key)), attrs.len())
            }
            Self::ItemBorn { entry, value, .. } => (entry.as_ref().map_or(0, id), value.len()),
            Self::NodeChanged { set: bytes, .. }
            | Self::EdgeChanged { set: bytes, .. }
            | Self::GraphChanged { set: bytes }
            | Self::NodeUnset { names: bytes, .. }
            | Self::EdgeUnset { names: bytes, .. }
            | Self::GraphUnset { names: bytes }
            | Self::ItemChanged { value: bytes, .. } => (0, bytes.len()),
            Self::NodeDied { .. } | Self::EdgeDied { .. } | Self::ItemDied { .. } => (0, 0),
        };
        FIXED.saturating_add(ids).saturating_add(bytes)
    }
}

impl Changes {
    /// No records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the event changes nothing.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The records, in the order in which they are to be applied and stored.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.list.iter().map(|change| match change {
            Change::Name(name) => Record::NameBorn { name },
            Change::NodeBorn { id, attrs } => {
                Record::NodeBorn { id: id.as_ref(), attrs: Image::trusted(attrs) }
            }
            Change::NodeChanged { node, set } => {
                Record::NodeChanged { node: *node, set: Image::trusted(set) }
            }
            Change::NodeUnset { node, names } => {
                Record::NodeUnset { node: *node, names: NameSet::trusted(names) }
            }
            Change::NodeDied { node } => Record::NodeDied { node: *node },
            Change::EdgeBorn { src, dst, parallel, attrs } => Record::EdgeBorn {
                src: *src,
                dst: *dst,
                parallel: parallel.as_ref().map(|(slot, key)| (*slot, key.as_ref())),
                attrs: Image::trusted(attrs),
            },
            Change::EdgeChanged { edge, set } => {
                Record::EdgeChanged { edge: *edge, set: Image::trusted(set) }
            }
            Change::EdgeUnset { edge, names } => {
                Record::EdgeUnset { edge: *edge, names: NameSet::trusted(names) }
            }
            Change::EdgeDied { edge } => Record::EdgeDied { edge: *edge },
            Change::GraphChanged { set } => Record::GraphChanged { set: Image::trusted(set) },
            Change::GraphUnset { names } => Record::GraphUnset { names: NameSet::trusted(names) },
            Change::ItemBorn { key, entry, value } => {
                Record::ItemBorn { key: *key, entry: entry.as_ref().map(Id::as_ref), value }
            }
            Change::ItemChanged { item, value } => Record::ItemChanged { item: *item, value },
            Change::ItemDied { item } => Record::ItemDied { item: *item },
        })
    }
}

impl Graph {
    /// Turns an event into records against the present graph, which is left alone. No records: it changes nothing.
    ///
    /// # Errors
    /// [`Refusal`] if the event speaks of what is not there or is past a bound; there are no records then.
    pub fn resolve(&mut self, event: &Event, out: &mut Changes) -> Result<(), Refusal> {
        out.list.clear();
        out.names.clear();
        self.index_mut();
        let outcome = self.records_of(event, out).and_then(|()| {
            let size = out.list.iter().map(Change::size).fold(0, usize::saturating_add);
            bound("the size of an event", size, MAX_EVENT_BYTES)
        });
        if outcome.is_err() {
            out.list.clear();
        }
        outcome
    }

    fn records_of(&self, event: &Event, out: &mut Changes) -> Result<(), Refusal> {
        match event {
            Event::PutNode { id, attrs } => self.put_node(id, attrs, out),
            Event::PutEdge { src, dst, key, attrs } => self.put_edge(src, dst, key.as_ref(), attrs, out),
            Event::DeleteNode { id } => {
                let node = self.known_node(id)?;
                out.list.push(Change::NodeDied { node });
                Ok(())
            }
            Event::DeleteEdge { src, dst, key } => {
                let edge = self.known_edge(src, dst, key.as_ref())?;
                out.list.push(Change::EdgeDied { edge });
                Ok(())
            }
            Event::UnsetNode { id, names } => {
                let node = self.known_node(id)?;
                let image = self.nodes.get(node.0).map(|row| row.parts().1);
                if let Some(names) = self.present(image, names) {
                    out.list.push(Change::NodeUnset { node, names });
                }
                Ok(())
            }
            Event::UnsetEdge { src, dst, key, names } => {
                if self.kind.multigraph && key.is_none() {
                    return Err(Refusal::KeyNeeded { src: src.clone(), dst: dst.clone() });
                }
                let edge = self.known_edge(src, dst, key.as_ref())?;
                let image = self.edges.get(edge.0).map(|row| row.parts(self.kind).1);
                if let Some(names) = self.present(image, names) {
                    out.list.push(Change::EdgeUnset { edge, names });
                }
                Ok(())
            }
            Event::PutGraph { attrs } => {
                let old = Image::trusted(self.attrs.as_slice());
                if let Some(set) = self.changed(Some(old), attrs, out)? {
                    out.list.push(Change::GraphChanged { set });
                }
                Ok(())
            }
            Event::UnsetGraph { names } => {
                if let Some(names) = self.present(Some(Image::trusted(self.attrs.as_slice())), names) {
                    out.list.push(Change::GraphUnset { names });
                }
                Ok(())
            }
            Event::PutState { key, value } => self.put_item(key, None, value, out),
            Event::PutEntry { key, entry, value } => self.put_item(key, Some(entry), value, out),
            Event::DeleteState { key } => self.delete_item(key, None, out),
            Event::DeleteEntry { key, entry } => self.delete_item(key, Some(entry), out),
        }
    }

    fn put_node(&self, id: &Id, attrs: &Attrs, out: &mut Changes) -> Result<(), Refusal> {
        let id_bytes = checked_id(id.as_ref())?;
        if let Some(node) = self.find_node(id_bytes.as_slice()) {
            let image = self.nodes.get(node.0).map(|row| row.parts().1);
            if let Some(set) = self.changed(image, attrs, out)? {
                out.list.push(Change::NodeChanged { node, set });
            }
        } else {
            room("nodes", self.nodes.next(), 1)?;
            let attrs = self.image(attrs, out)?;
            out.list.push(Change::NodeBorn { id: id.clone(), attrs });
        }
        Ok(())
    }

    fn put_edge(
        &self,
        src: &Id,
        dst: &Id,
        key: Option<&Id>,
        attrs: &Attrs,
        out: &mut Changes,
    ) -> Result<(), Refusal> {
        if key.is_some() && !self.kind.multigraph {
            return Err(Refusal::KeyInSimpleGraph { src: src.clone(), dst: dst.clone() });
        }
        let (src_bytes, dst_bytes) = (checked_id(src.as_ref())?, checked_id(dst.as_ref())?);
        let key_bytes = key.map(|key| checked_id(key.as_ref())).transpose()?;

        let (known_src, known_dst) =
            (self.find_node(src_bytes.as_slice()), self.find_node(dst_bytes.as_slice()));
        let ends = known_src.zip(known_dst).map(|(src, dst)| pair(self.kind, src, dst));
        let slot = ends.and_then(|ends| self.find_slot(ends));
        let known = match (&key_bytes, slot) {
            _ if !self.kind.multigraph => ends.and_then(|ends| self.find_simple_edge(ends)),
            (Some(key), Some(slot)) => self.find_parallel(slot.ord, key.as_slice()),
            _ => None,
        };
        if let Some(edge) = known {
            let image = self.edges.get(edge.0).map(|row| row.parts(self.kind).1);
            if let Some(set) = self.changed(image, attrs, out)? {
                out.list.push(Change::EdgeChanged { edge, set });
            }
            return Ok(());
        }

        room("nodes", self.nodes.next(), 2)?;
        room("edges", self.edges.next(), 1)?;
        let attrs = self.image(attrs, out)?;
        let mut next = NodeOrd(self.nodes.next());
        let mut born = |id: &Id| {
            let ord = next;
            next = next.next();
            out.list.push(Change::NodeBorn { id: id.clone(), attrs: vec![0] });
            ord
        };
        let src_ord = known_src.unwrap_or_else(|| born(src));
        let dst_ord = match known_dst {
            Some(dst) => dst,
            None if src == dst => src_ord,
            None => born(dst),
        };
        let parallel = self.kind.multigraph.then(|| {
            let key = key.cloned().unwrap_or_else(|| {
                // NetworkX's rule: the number of parallel edges, or the first free integer after it.
                let free = |n: &i64| {
                    slot.is_none_or(|s| {
                        self.find_parallel(s.ord, encoded(IdRef::Int(*n)).as_slice()).is_none()
                    })
                };
                // One of `count + 1` integers is free of `count` edges.
                let count = i64::try_from(slot.map_or(0, |slot| slot.members.len())).unwrap_or(i64::MAX);
                Id::Int((count..=count.saturating_mul(2)).find(free).unwrap_or(i64::MAX))
            });
            (slot.map_or(EdgeOrd(self.edges.next()), |slot| slot.ord), key)
        });
        out.list.push(Change::EdgeBorn { src: src_ord, dst: dst_ord, parallel, attrs });
        Ok(())
    }

    fn put_item(
        &self,
        key: &str,
        entry: Option<&Id>,
        value: &Value,
        out: &mut Changes,
    ) -> Result<(), Refusal> {
        let value = checked_value(value)?;
        let entry_bytes = entry.map(|entry| checked_id(entry.as_ref())).transpose()?;
        let name = self.name(key, out)?;
        self.state_kind(key, name, entry.is_some())?;
        if let Some(item) = self.find_item(name, entry_bytes.as_ref().map(Encoder::as_slice)) {
            if self.items.get(item.0).is_some_and(|row| row.parts().1 != value) {
                out.list.push(Change::ItemChanged { item, value });
            }
        } else {
            room("state items", self.items.next(), 1)?;
            out.list.push(Change::ItemBorn { key: name, entry: entry.cloned(), value });
        }
        Ok(())
    }

    fn delete_item(&self, key: &str, entry: Option<&Id>, out: &mut Changes) -> Result<(), Refusal> {
        let Some(name) = self.names.find(key) else { return Ok(()) };
        self.state_kind(key, name, entry.is_some())?;
        let entry = entry.map(|entry| encoded(entry.as_ref()));
        if let Some(item) = self.find_item(name, entry.as_ref().map(Encoder::as_slice)) {
            out.list.push(Change::ItemDied { item });
        }
        Ok(())
    }

    fn state_kind(&self, key: &str, name: NameOrd, entry: bool) -> Result<(), Refusal> {
        let (is, used_as) = match (self.state_use(name), entry) {
            (Some(StateUse::Value), true) => ("value", "map"),
            (Some(StateUse::Map { .. }), false) => ("map", "value"),
            _ => return Ok(()),
        };
        Err(Refusal::StateKind { key: key.to_owned(), is, used_as })
    }

    fn known_node(&self, id: &Id) -> Result<NodeOrd, Refusal> {
        self.find_node(encoded(id.as_ref()).as_slice()).ok_or_else(|| Refusal::NoSuchNode { id: id.clone() })
    }

    fn known_edge(&self, src: &Id, dst: &Id, key: Option<&Id>) -> Result<EdgeOrd, Refusal> {
        if key.is_some() && !self.kind.multigraph {
            return Err(Refusal::KeyInSimpleGraph { src: src.clone(), dst: dst.clone() });
        }
        let node = |id: &Id| self.find_node(encoded(id.as_ref()).as_slice());
        let find = || {
            let ends = pair(self.kind, node(src)?, node(dst)?);
            if !self.kind.multigraph {
                return self.find_simple_edge(ends);
            }
            let slot = self.find_slot(ends)?;
            match key {
                Some(key) => self.find_parallel(slot.ord, encoded(key.as_ref()).as_slice()),
                None => slot.members.last().copied(),
            }
        };
        find().ok_or_else(|| Refusal::NoSuchEdge { src: src.clone(), dst: dst.clone(), key: key.cloned() })
    }

    /// The ordinal of a name: its own, or the one that it gets in this event.
    fn name(&self, text: &str, out: &mut Changes) -> Result<NameOrd, Refusal> {
        if let Some(name) = self.names.find(text) {
            return Ok(name);
        }
        if let Some(name) = out.names.get(text) {
            return Ok(*name);
        }
        bound("a name's length", text.len(), MAX_NAME_BYTES)?;
        let before = u32::try_from(out.names.len()).unwrap_or(u32::MAX);
        room("names", self.names.len(), before.saturating_add(1))?;
        let name = NameOrd(self.names.len().saturating_add(before));
        out.names.insert(text.to_owned(), name);
        out.list.push(Change::Name(text.to_owned()));
        Ok(name)
    }

    /// Names and encoded values of `attrs`, by ordinal, each once, later ones winning.
    fn attributes(&self, attrs: &Attrs, out: &mut Changes) -> Result<Vec<(NameOrd, Vec<u8>)>, Refusal> {
        let mut list: Vec<(NameOrd, Vec<u8>)> = Vec::with_capacity(attrs.len());
        let mut total = 0_usize;
        for (name, value) in attrs {
            let value = checked_value(value)?;
            total = total.saturating_add(value.len());
            bound("the size of an event", total, MAX_EVENT_BYTES)?;
            list.push((self.name(name, out)?, value));
        }
        list.sort_by_key(|(name, _)| *name);
        // Of equal neighbours `dedup_by` drops the later one, whose value is the one to keep.
        list.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(&mut later.1, &mut earlier.1);
            }
            same
        });
        Ok(list)
    }

    fn image(&self, attrs: &Attrs, out: &mut Changes) -> Result<Vec<u8>, Refusal> {
        Ok(image_of(&self.attributes(attrs, out)?))
    }

    /// The image of what `attrs` changes over `old`; `None` if nothing.
    fn changed(
        &self,
        old: Option<Image<'_>>,
        attrs: &Attrs,
        out: &mut Changes,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let mut list = self.attributes(attrs, out)?;
        if let Some(old) = old {
            let added = list.iter().map(|(_, value)| value.len().saturating_add(NAME_ROOM)).sum::<usize>();
            let size = old.as_bytes().len().saturating_add(added);
            bound("the size of all attributes together", size, MAX_IMAGE_BYTES)?;
            let mut old = old.iter().peekable();
            list.retain(|(name, value)| {
                while old.next_if(|(n, _)| n < name).is_some() {}
                old.peek() != Some(&(*name, value.as_slice()))
            });
        }
        Ok((!list.is_empty()).then(|| image_of(&list)))
    }

    /// The encoded set of those of `names` that the image has; `None` if none.
    fn present(&self, image: Option<Image<'_>>, names: &[String]) -> Option<Vec<u8>> {
        let mut found: Vec<_> = names.iter().filter_map(|name| self.names.find(name)).collect();
        found.sort_unstable();
        found.dedup();
        let mut there = image?.iter().map(|(name, _)| name).peekable();
        found.retain(|name| {
            while there.next_if(|n| n < name).is_some() {}
            there.peek() == Some(name)
        });
        let mut to = Encoder::new();
        encode_names(found.iter().copied(), &mut to);
        (!found.is_empty()).then(|| to.into_vec())
    }
}

fn room(what: &'static str, next: u32, births: u32) -> Result<(), Refusal> {
    match next.checked_add(births) {
        Some(after) if after <= MAX_ORDINAL => Ok(()),
        _ => Err(Refusal::OrdinalsUsedUp { what, max: MAX_ORDINAL }),
    }
}

/// Most bytes that a name's ordinal takes in an image.
const NAME_ROOM: usize = 5;

fn image_of(list: &[(NameOrd, Vec<u8>)]) -> Vec<u8> {
    let mut to = Encoder::new();
    encode_image(list.iter().map(|(name, value)| (*name, value.as_slice())), &mut to);
    to.into_vec()
}

fn bound(what: &'static str, found: usize, max: usize) -> Result<(), Refusal> {
    if found <= max {
        Ok(())
    } else {
        Err(Refusal::TooLarge { what, found: len_u64(found), max: len_u64(max) })
    }
}

fn checked_id(id: IdRef<'_>) -> Result<Encoder, Refusal> {
    if let IdRef::Str(text) = id {
        bound("an id's length", text.len(), MAX_ID_BYTES)?;
    }
    Ok(encoded(id))
}

fn checked_value(value: &Value) -> Result<Vec<u8>, Refusal> {
    bound("the nesting of a value", value.depth(), MAX_DEPTH)?;
    check_keys(value)?;
    let bytes = value.to_bytes();
    bound("the size of a value", bytes.len(), MAX_VALUE_BYTES)?;
    Ok(bytes)
}

fn check_keys(value: &Value) -> Result<(), Refusal> {
    match value {
        Value::List(list) => list.iter().try_for_each(check_keys),
        Value::Map(map) => map.iter().try_for_each(|(key, value)| {
            bound("the length of a map's key", key.len(), MAX_NAME_BYTES)?;
            check_keys(value)
        }),
        _ => Ok(()),
    }
}
