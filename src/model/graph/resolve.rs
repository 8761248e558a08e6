//! Turning an event, said by id, into records, said by ordinal.

use super::changes::{Change, Changes, Span, bound};
use super::index::{Slot, StateUse};
use super::{Graph, NodeRow, encoded, pair};
use crate::codec::Encoder;
use crate::model::event::{Attrs, Event, KnownEdge, Refusal};
use crate::model::id::{Id, IdRef};
use crate::model::image::{EMPTY_IMAGE, Image, encode_names};
use crate::model::limits::{MAX_EVENT_BYTES, MAX_IMAGE_BYTES, MAX_NAME_BYTES, MAX_ORDINAL};
use crate::model::position::{EdgeOrd, NameOrd, NodeOrd};
use crate::model::value::Value;

/// An end of an edge that is put: a node that is there, or the id of one that is to be born.
#[derive(Debug, Clone, Copy)]
enum End {
    Known(NodeOrd),
    New(Span),
}

impl Graph {
    /// Turns an event into records against the present graph, which is left alone. No records: it changes nothing.
    ///
    /// # Errors
    /// [`Refusal`] if the event speaks of what is not there or is past a bound; there are no records then.
    pub fn resolve(&mut self, event: &Event, out: &mut Changes) -> Result<(), Refusal> {
        out.clear();
        self.index_mut();
        let outcome = self.records_of(event, out);
        out.finish(outcome)
    }

    /// As [`resolve`](Self::resolve), of an edge between nodes whose birth numbers are known.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_edge(&mut self, edge: &KnownEdge, out: &mut Changes) -> Result<(), Refusal> {
        out.clear();
        self.index_mut();
        let outcome = self.put_known_edge(edge, out);
        out.finish(outcome)
    }

    fn records_of(&self, event: &Event, out: &mut Changes) -> Result<(), Refusal> {
        match event {
            Event::PutNode { id, attrs } => self.put_node(id, attrs, out),
            Event::PutEdge { src, dst, key, attrs } => self.put_edge((src, dst), key.as_ref(), attrs, out),
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
                let image = self.nodes.get(node.0).map(NodeRow::image);
                if let Some(names) = self.present(image, names, out) {
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
                if let Some(names) = self.present(image, names, out) {
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
                let image = Image::trusted(self.attrs.as_slice());
                if let Some(names) = self.present(Some(image), names, out) {
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
        match self.end(id, out)? {
            End::Known(node) => {
                let image = self.nodes.get(node.0).map(NodeRow::image);
                if let Some(set) = self.changed(image, attrs, out)? {
                    out.list.push(Change::NodeChanged { node, set });
                }
            }
            End::New(id) => {
                room("nodes", self.nodes.next(), 1)?;
                let attrs = self.image(attrs, out)?;
                out.list.push(Change::NodeBorn { id, attrs });
            }
        }
        Ok(())
    }

    /// The node with an id, or its encoding if it is to be born.
    fn end(&self, id: &Id, out: &mut Changes) -> Result<End, Refusal> {
        let id = out.put_id(id.as_ref())?;
        Ok(self.find_node(out.get(id)).map_or(End::New(id), End::Known))
    }

    fn put_edge(
        &self,
        (src, dst): (&Id, &Id),
        key: Option<&Id>,
        attrs: &Attrs,
        out: &mut Changes,
    ) -> Result<(), Refusal> {
        if key.is_some() && !self.kind.multigraph {
            return Err(Refusal::KeyInSimpleGraph { src: src.clone(), dst: dst.clone() });
        }
        let ends = (self.end(src, out)?, self.end(dst, out)?);
        self.put_edge_between(ends, key, attrs, out)
    }

    fn put_known_edge(&self, edge: &KnownEdge, out: &mut Changes) -> Result<(), Refusal> {
        let KnownEdge { src, dst, key, attrs } = edge;
        for node in [*src, *dst] {
            if !self.nodes.contains(node.0) {
                return Err(Refusal::NoSuchBirth { node });
            }
        }
        if key.is_some() && !self.kind.multigraph {
            let id = |node: NodeOrd| self.node_at(node).map_or(Id::Int(0), |node| node.id().to_id());
            return Err(Refusal::KeyInSimpleGraph { src: id(*src), dst: id(*dst) });
        }
        self.put_edge_between((End::Known(*src), End::Known(*dst)), key.as_ref(), attrs, out)
    }

    fn put_edge_between(
        &self,
        (src, dst): (End, End),
        key: Option<&Id>,
        attrs: &Attrs,
        out: &mut Changes,
    ) -> Result<(), Refusal> {
        let key = key.map(|key| out.put_id(key.as_ref())).transpose()?;
        let pair = match (src, dst) {
            (End::Known(src), End::Known(dst)) => Some(pair(self.kind, src, dst)),
            _ => None,
        };
        let slot = pair.filter(|_| self.kind.multigraph).and_then(|pair| self.find_slot(pair));
        let known = match (key, slot) {
            _ if !self.kind.multigraph => pair.and_then(|pair| self.find_simple_edge(pair)),
            (Some(key), Some(slot)) => self.find_parallel(slot.ord, out.get(key)),
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
        let mut born = |id: Span, out: &mut Changes| {
            let ord = next;
            next = next.next();
            let attrs = out.put(|to| to.raw(EMPTY_IMAGE.as_bytes()));
            out.list.push(Change::NodeBorn { id, attrs });
            ord
        };
        let loops = matches!((src, dst), (End::New(src), End::New(dst)) if out.get(src) == out.get(dst));
        let src = match src {
            End::Known(node) => node,
            End::New(id) => born(id, out),
        };
        let dst = match dst {
            End::Known(node) => node,
            End::New(_) if loops => src,
            End::New(id) => born(id, out),
        };
        let parallel = self.kind.multigraph.then(|| {
            let key = key.unwrap_or_else(|| self.next_key(slot, out));
            (slot.map_or(EdgeOrd(self.edges.next()), |slot| slot.ord), key)
        });
        out.list.push(Change::EdgeBorn { src, dst, parallel, attrs });
        Ok(())
    }

    /// NetworkX's rule: the number of parallel edges, or the first free integer after it.
    fn next_key(&self, slot: Option<Slot>, out: &mut Changes) -> Span {
        let free = |n: &i64| {
            slot.is_none_or(|s| self.find_parallel(s.ord, encoded(IdRef::Int(*n)).as_slice()).is_none())
        };
        // One of `count + 1` integers is free of `count` edges.
        let count = i64::try_from(slot.map_or(0, |slot| slot.len)).unwrap_or(i64::MAX);
        let key = (count..=count.saturating_mul(2)).find(free).unwrap_or(i64::MAX);
        out.put(|to| IdRef::Int(key).encode(to))
    }

    fn put_item(
        &self,
        key: &str,
        entry: Option<&Id>,
        value: &Value,
        out: &mut Changes,
    ) -> Result<(), Refusal> {
        let value = out.put_value(value)?;
        let entry = entry.map(|entry| out.put_id(entry.as_ref())).transpose()?;
        let name = self.name(key, out)?;
        self.state_kind(key, name, entry.is_some())?;
        if let Some(item) = self.find_item(name, entry.map(|entry| out.get(entry))) {
            if self.items.get(item.0).is_some_and(|row| row.parts().1 != out.get(value)) {
                out.list.push(Change::ItemChanged { item, value });
            }
        } else {
            room("state items", self.items.next(), 1)?;
            out.list.push(Change::ItemBorn { key: name, entry, value });
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

    pub(super) fn known_edge(&self, src: &Id, dst: &Id, key: Option<&Id>) -> Result<EdgeOrd, Refusal> {
        if key.is_some() && !self.kind.multigraph {
            return Err(Refusal::KeyInSimpleGraph { src: src.clone(), dst: dst.clone() });
        }
        let node = |id: &Id| self.find_node(encoded(id.as_ref()).as_slice());
        let find = || {
            let key = key.map(|key| encoded(key.as_ref()));
            self.known_edge_between(node(src)?, node(dst)?, key.as_ref().map(Encoder::as_slice))
        };
        find().ok_or_else(|| Refusal::NoSuchEdge { src: src.clone(), dst: dst.clone(), key: key.cloned() })
    }

    /// `key`: encoded.
    pub(super) fn known_edge_between(
        &self,
        src: NodeOrd,
        dst: NodeOrd,
        key: Option<&[u8]>,
    ) -> Option<EdgeOrd> {
        let ends = pair(self.kind, src, dst);
        if !self.kind.multigraph {
            return self.find_simple_edge(ends);
        }
        let slot = self.find_slot(ends)?;
        match key {
            Some(key) => self.find_parallel(slot.ord, key),
            None => Some(slot.newest),
        }
    }

    /// The ordinal of a name: its own, or the one that it gets in this event.
    fn name(&self, text: &str, out: &mut Changes) -> Result<NameOrd, Refusal> {
        if let Some(name) = self.names.find(text) {
            return Ok(name);
        }
        let hash = self.names.hash(text);
        if let Some((.., name)) = out.names.find(hash, |(h, known, _)| *h == hash && out.text(*known) == text)
        {
            return Ok(*name);
        }
        bound("a name's length", text.len(), MAX_NAME_BYTES)?;
        let before = u32::try_from(out.names.len()).unwrap_or(u32::MAX);
        room("names", self.names.len(), before.saturating_add(1))?;
        let name = NameOrd(self.names.len().saturating_add(before));
        let text = out.put(|to| to.raw(text.as_bytes()));
        out.names.insert_unique(hash, (hash, text, name), |(hash, ..)| *hash);
        out.list.push(Change::Name(text));
        Ok(name)
    }

    /// Makes `out.attrs` the names and encoded values of `attrs`, by ordinal, each once, later ones winning.
    fn attributes(&self, attrs: &Attrs, out: &mut Changes) -> Result<(), Refusal> {
        out.attrs.clear();
        let mut total = 0_usize;
        for (at, (name, value)) in attrs.iter().enumerate() {
            let value = out.put_value(value)?;
            total = total.saturating_add(value.len());
            bound("the size of an event", total, MAX_EVENT_BYTES)?;
            let is = |ord: &NameOrd| ord.0 < self.names.len() && self.names.text(*ord) == name;
            let name = match out.expected(attrs.len(), at).filter(is) {
                Some(name) => name,
                None => self.name(name, out)?,
            };
            out.attrs.push((name, value));
        }
        out.expect_again();
        if !out.attrs.is_sorted_by(|one, next| one.0 < next.0) {
            out.attrs.sort_by_key(|(name, _)| *name);
            // Of equal neighbours `dedup_by` drops the later one, whose value is the one to keep.
            out.attrs.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    earlier.1 = later.1;
                }
                same
            });
        }
        Ok(())
    }

    fn image(&self, attrs: &Attrs, out: &mut Changes) -> Result<Span, Refusal> {
        self.attributes(attrs, out)?;
        Ok(out.put_image())
    }

    /// The image of what `attrs` changes over `old`; `None` if nothing.
    fn changed(
        &self,
        old: Option<Image<'_>>,
        attrs: &Attrs,
        out: &mut Changes,
    ) -> Result<Option<Span>, Refusal> {
        self.attributes(attrs, out)?;
        if let Some(old) = old {
            let added =
                out.attrs.iter().map(|(_, value)| value.len().saturating_add(NAME_ROOM)).sum::<usize>();
            let size = old.as_bytes().len().saturating_add(added);
            bound("the size of all attributes together", size, MAX_IMAGE_BYTES)?;
            let mut old = old.iter().peekable();
            let bytes = out.bytes.as_slice();
            out.attrs.retain(|(name, value)| {
                while old.next_if(|(n, _)| n < name).is_some() {}
                let value = bytes.get(value.start..value.end).unwrap_or_default();
                old.peek() != Some(&(*name, value))
            });
        }
        Ok((!out.attrs.is_empty()).then(|| out.put_image()))
    }

    /// The encoded set of those of `names` that the image has; `None` if none.
    fn present(&self, image: Option<Image<'_>>, names: &[String], out: &mut Changes) -> Option<Span> {
        let mut found: Vec<_> = names.iter().filter_map(|name| self.names.find(name)).collect();
        found.sort_unstable();
        found.dedup();
        let mut there = image?.iter().map(|(name, _)| name).peekable();
        found.retain(|name| {
            while there.next_if(|n| n < name).is_some() {}
            there.peek() == Some(name)
        });
        (!found.is_empty()).then(|| out.put(|to| encode_names(found.iter().copied(), to)))
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
