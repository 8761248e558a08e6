//! A state row by row: for states that need not, or cannot, be held in memory.

use super::chain;
use super::compaction::{InMemory, Source, fold, merge};
use super::error::{Error, Result};
use super::view::View;
use crate::codec::Decoder;
use crate::format::Fault;
use crate::format::snapshot::Stand;
use crate::model::facts::Facts;
use crate::model::fingerprint::Fingerprint;
use crate::model::id::IdRef;
use crate::model::image::{Image, ImageIter};
use crate::model::marker::{Counts, GraphKind, Marker};
use crate::model::position::{NameOrd, NodeOrd};
use crate::model::row::{Entry, Row, RowKind};

/// The state at a marker, read row by row.
///
/// Snapshots are merged as they are read. In memory are: one chunk of each snapshot on the way; what the events after the
/// last snapshot change, with the rows that they change; the names of attributes; and the ids of all living nodes, which
/// edges need, with 8 bytes for each.
///
/// What is handed out is summed up on the way and compared with the marker at the end: what a visitor was given counts
/// only once [`visit`](Self::visit) has returned `Ok`.
#[derive(Debug)]
pub struct StateStream {
    kind: GraphKind,
    marker: Marker,
    sources: Vec<Source>,
    stand: Stand,
    /// Events that were folded.
    events: u64,
}

/// A row of a state.
#[derive(Debug, Clone, Copy)]
pub enum StateRow<'a> {
    /// The attributes of the graph itself: the first row, if it has any.
    Graph {
        /// They.
        attrs: StateAttrs<'a>,
    },
    /// A node; in order of birth.
    Node {
        /// Its id.
        id: IdRef<'a>,
        /// Its attributes.
        attrs: StateAttrs<'a>,
    },
    /// An edge; behind all nodes, in order of birth.
    Edge {
        /// The source's id.
        src: IdRef<'a>,
        /// The target's id.
        dst: IdRef<'a>,
        /// Its attributes.
        attrs: StateAttrs<'a>,
    },
    /// A value of collector state; behind all edges, in order of birth.
    Item {
        /// The state's key.
        key: &'a str,
        /// Which entry of the map, if it is one.
        entry: Option<IdRef<'a>>,
        /// The encoded value.
        value: &'a [u8],
    },
}

/// The attributes of a row.
#[derive(Debug, Clone, Copy)]
pub struct StateAttrs<'a> {
    names: &'a [Box<str>],
    image: Image<'a>,
}

impl<'a> StateAttrs<'a> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.image.is_empty()
    }

    /// Names and encoded values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let (names, image): (_, ImageIter<'a>) = (self.names, self.image.iter());
        image.map(move |(name, value)| (text(names, name), value))
    }
}

impl StateStream {
    pub(super) fn open(view: &View, marker: &Marker) -> Result<Self> {
        let kind = view.in_force.manifest.kind;
        let path =
            view.path(marker.seq).ok_or(Error::Folded { asked: marker.seq, kept_from: view.kept_from() })?;
        let mut sources = chain::open(view, &path.increments)?;
        let mut stand = chain::end_of(&sources);
        let events = marker.seq.0.saturating_sub(stand.seq.0);
        if events > 0 {
            let mut behind = InMemory::default();
            stand = fold(view, &sources, &stand, &[marker.seq], &mut behind)?;
            sources.push(behind.into_source());
        }
        Ok(Self { kind, marker: marker.clone(), sources, stand, events })
    }

    /// How many events are applied to the snapshots.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Hands out all rows: the graph's attributes, nodes, edges, state.
    ///
    /// # Errors
    /// What `visit` says; damage; [`Error::Mismatch`] at the end, if the rows do not sum to what the marker says.
    pub fn visit<E: From<Error>>(
        &self,
        mut visit: impl FnMut(StateRow<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut names: Vec<Box<str>> = Vec::new();
        let mut sums = Sums::default();
        merge(&self.sources, RowKind::Name, &|_, _| true, |entry| {
            if let Some(row @ Row::Name { text }) = entry.row {
                sums.layout(entry, &row);
                names.push(text.into());
            }
            Ok::<_, E>(())
        })?;
        let mut ids = Ids::default();
        for kind in [RowKind::Graph, RowKind::Node, RowKind::Edge, RowKind::Item] {
            merge(&self.sources, kind, &|_, _| true, |entry| {
                let Some(row) = entry.row else { return Ok(()) };
                sums.layout(entry, &row);
                let row = sums.content(self.kind, entry.ordinal, &row, &names, &mut ids);
                row.map_err(|what| self.damage(what))?.map_or(Ok(()), &mut visit)
            })?;
        }
        self.check(sums).map_err(E::from)
    }

    /// Only reads and compares.
    ///
    /// # Errors
    /// As [`visit`](Self::visit).
    pub fn prove(&self) -> Result<()> {
        self.visit(|_| Ok(()))
    }

    /// That what was handed out is what the marker says.
    fn check(&self, sums: Sums) -> Result<()> {
        let marker = &self.marker;
        let counts = Counts { high_water: self.stand.counts.high_water, ..sums.counts };
        if sums.found == marker.fingerprint
            && counts == marker.counts
            && self.stand.ordinals == marker.ordinals
        {
            return Ok(());
        }
        let expected = Box::new(marker.fingerprint);
        Err(Error::Mismatch { marker: marker.id, expected, found: Box::new(sums.found) })
    }

    fn damage(&self, what: &'static str) -> Error {
        let path = self.sources.iter().rev().find_map(|source| match source {
            Source::File { file, .. } => Some(file.path.clone()),
            Source::Memory { .. } => None,
        });
        let fault = Fault::Meaning { what };
        Error::Damage { path: path.unwrap_or_else(|| "the events".to_owned()), offset: None, fault }
    }
}

fn text(names: &[Box<str>], name: NameOrd) -> &str {
    usize::try_from(name.0).ok().and_then(|at| names.get(at)).map_or("", AsRef::as_ref)
}

fn id(bytes: &[u8]) -> std::result::Result<IdRef<'_>, &'static str> {
    IdRef::decode(&mut Decoder::new(bytes)).or(Err("an id does not decode"))
}

/// What the rows sum to.
#[derive(Debug, Default)]
struct Sums {
    found: Fingerprint,
    counts: Counts,
    facts: Facts,
}

impl Sums {
    fn layout(&mut self, entry: &Entry<'_>, row: &Row<'_>) {
        self.found.layout.add(row.layout(entry.ordinal, self.facts.scratch()));
    }

    /// Adds the facts of a row, and makes it one that can be handed out.
    fn content<'a>(
        &mut self,
        kind: GraphKind,
        ordinal: u32,
        row: &Row<'a>,
        names: &'a [Box<str>],
        ids: &'a mut Ids,
    ) -> std::result::Result<Option<StateRow<'a>>, &'static str> {
        let count = |count: &mut u64| *count = count.saturating_add(1);
        let name = |name| text(names, name);
        let (sum, row) = match *row {
            Row::Name { .. } => return Ok(None),
            Row::Graph { attrs } if attrs.is_empty() => return Ok(None),
            Row::Graph { attrs } => {
                (self.facts.graph(attrs, name), StateRow::Graph { attrs: StateAttrs { names, image: attrs } })
            }
            Row::Node { id: bytes, attrs } => {
                count(&mut self.counts.nodes);
                ids.push(NodeOrd(ordinal), bytes)?;
                let sum = self.facts.node(bytes, attrs, name);
                (sum, StateRow::Node { id: id(bytes)?, attrs: StateAttrs { names, image: attrs } })
            }
            Row::Edge { src, dst, parallel, attrs } => {
                count(&mut self.counts.edges);
                let gone = "an edge ends at a node that is not alive";
                let ids: &Ids = ids;
                let (src, dst) = (ids.get(src).ok_or(gone)?, ids.get(dst).ok_or(gone)?);
                let key = parallel.map(|(_, key)| key);
                let sum = self.facts.edge(kind.directed, (src, dst), key, attrs, name);
                let attrs = StateAttrs { names, image: attrs };
                (sum, StateRow::Edge { src: id(src)?, dst: id(dst)?, attrs })
            }
            Row::Item { key, entry, value } => {
                count(&mut self.counts.items);
                let key = text(names, key);
                let sum = self.facts.item(key, entry, value);
                (sum, StateRow::Item { key, entry: entry.map(id).transpose()?, value })
            }
        };
        self.found.content.add(sum);
        Ok(Some(row))
    }
}

/// Ids of nodes, by birth number: 8 bytes each and the ids themselves.
#[derive(Debug, Default)]
struct Ids {
    /// Ascending.
    ordinals: Vec<u32>,
    /// Where each ends in its page.
    ends: Vec<u32>,
    /// The ids of [`PAGE_IDS`] nodes each, one behind the other. Pages of their own, so that nothing large has to be
    /// copied to grow.
    pages: Vec<Vec<u8>>,
}

/// How many ids are in a page.
const PAGE_IDS: usize = 256;

impl Ids {
    fn push(&mut self, node: NodeOrd, id: &[u8]) -> std::result::Result<(), &'static str> {
        if self.ordinals.len().is_multiple_of(PAGE_IDS) {
            if let Some(full) = self.pages.last_mut() {
                full.shrink_to_fit();
            }
            self.pages.push(Vec::new());
        }
        let Some(page) = self.pages.last_mut() else { return Ok(()) };
        page.extend_from_slice(id);
        let end = u32::try_from(page.len()).or(Err("the ids of nodes are longer than ids may be"))?;
        self.ordinals.push(node.0);
        self.ends.push(end);
        Ok(())
    }

    fn get(&self, node: NodeOrd) -> Option<&[u8]> {
        let at = self.ordinals.binary_search(&node.0).ok()?;
        let before = if at.is_multiple_of(PAGE_IDS) { None } else { at.checked_sub(1) };
        let start = before.and_then(|at| self.ends.get(at)).copied().unwrap_or(0);
        let page = self.pages.get(at.checked_div(PAGE_IDS)?)?;
        page.get(usize::try_from(start).ok()?..usize::try_from(*self.ends.get(at)?).ok()?)
    }
}
