//! The in-memory graph: what the writer resolves events against, and what a restore builds.
//!
//! Entities live in tables by ordinal; ids stand once, in their node's row; attributes stay encoded until
//! somebody asks for them. Ids are looked up through an index that only a writer needs and that is built when the
//! first event is resolved: a replay hashes nothing. [`resolve`](Graph::resolve) turns an event into records,
//! [`apply`](Graph::apply) applies them; a replay is `apply` alone.
//!
//! Nothing here is proportional to the graph for one event, except that the first death of a node builds the lists
//! of incident edges.

mod apply;
mod blob;
mod by_hash;
mod changes;
mod index;
mod load;
mod names;
mod resolve;
mod sound;
mod sums;
mod table;
mod undo;
mod views;

pub use changes::Changes;
pub use sound::Unsound;
pub use undo::Savepoint;
pub use views::{AttrsView, EdgeView, ItemView, NodeView};

use blob::Blob;
use index::{Incident, Index};
use names::Names;
use table::Table;
use undo::Undo;

use super::facts::Facts;
use super::fingerprint::Fingerprint;
use super::id::{Id, IdRef};
use super::image::{EMPTY_IMAGE, Image};
use super::marker::{Counts, GraphKind, Ordinals};
use super::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
use crate::codec::{Decoder, Encoder};

/// A property graph with collector state, as a log holds it.
///
/// Nodes, edges and neighbours keep NetworkX's order: that of first insertion.
///
/// A writer resolves each event into records, stores them, and applies them:
///
/// ```
/// use snaplog::model::event::Event;
/// use snaplog::model::graph::{Changes, Graph};
/// use snaplog::model::marker::GraphKind;
///
/// let mut graph = Graph::new(GraphKind { directed: true, multigraph: false });
/// let mut changes = Changes::new();
/// let events = [
///     Event::node("a").with("size", 3),
///     Event::edge("a", "b"),
///     Event::edge("a", "b"), // is there already: no records
/// ];
/// let mut written = 0;
/// for event in &events {
///     graph.resolve(event, &mut changes)?;
///     for record in changes.records() {
///         graph.apply(&record)?; // and into the log with it
///         written += 1;
///     }
/// }
/// assert_eq!(written, 4); // the name "size", node "a", node "b", the edge
/// assert_eq!(graph.counts().nodes, 2);
/// let edge = graph.edges().next().ok_or("no edge")?;
/// assert_eq!((edge.src().to_id(), edge.dst().to_id()), ("a".into(), "b".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A batch is whole or nothing: take a [savepoint](Graph::savepoint), and go back to it if something is refused.
///
/// ```
/// # use snaplog::model::event::Event;
/// # use snaplog::model::graph::{Changes, Graph};
/// # use snaplog::model::marker::GraphKind;
/// let mut graph = Graph::new(GraphKind::default());
/// graph.track_fingerprint(true);
/// let (before, empty) = (graph.savepoint(), graph.fingerprint());
/// let mut changes = Changes::new();
/// for event in [Event::node("a"), Event::DeleteNode { id: "b".into() }] {
///     match graph.resolve(&event, &mut changes) {
///         Ok(()) => changes.records().try_for_each(|record| graph.apply(&record))?,
///         Err(refusal) => {
///             assert_eq!(refusal.to_string(), "node \"b\" is not in the graph");
///             graph.roll_back(before);
///         }
///     }
/// }
/// assert_eq!(graph.counts().nodes, 0);
/// assert_eq!(graph.fingerprint(), empty);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Graph {
    kind: GraphKind,
    names: Names,
    nodes: Table<NodeRow>,
    edges: Table<EdgeRow>,
    items: Table<ItemRow>,
    attrs: Blob,
    counts: Counts,
    /// The sums, kept up to date with each change; `None` where nobody asks before the end.
    sums: Option<Fingerprint>,
    /// Room for what is hashed.
    facts: Facts,
    /// Room for a row on its way in.
    scratch: Encoder,
    index: Option<Box<Index>>,
    incident: Option<Incident>,
    journal: Option<Vec<Undo>>,
}

/// A node: its encoded id, which stands in the row if it is short, as ids are, so that looking one up touches nothing
/// else; and its image.
#[derive(Debug, Clone)]
struct NodeRow {
    id: Blob,
    image: Blob,
}

/// An edge: its ends; in a multigraph its slot and key; its image.
#[derive(Debug, Clone)]
struct EdgeRow {
    src: NodeOrd,
    dst: NodeOrd,
    blob: Blob,
}

const _: () = assert!(size_of::<Option<EdgeRow>>() == 32 && size_of::<Option<NodeRow>>() == 48);

/// An item of collector state: 0, or 1 and the entry's id; then the value.
#[derive(Debug, Clone)]
struct ItemRow {
    key: NameOrd,
    blob: Blob,
}

impl NodeRow {
    fn new(id: &[u8], image: Image<'_>) -> Self {
        Self { id: Blob::new(id), image: Blob::new(image.as_bytes()) }
    }

    /// The encoded id.
    fn id(&self) -> &[u8] {
        self.id.as_slice()
    }

    fn image(&self) -> Image<'_> {
        Image::trusted(self.image.as_slice())
    }
}

impl EdgeRow {
    fn new(
        src: NodeOrd,
        dst: NodeOrd,
        parallel: Option<(EdgeOrd, &[u8])>,
        image: Image<'_>,
        scratch: &mut Encoder,
    ) -> Self {
        let Some((slot, key)) = parallel else {
            return Self { src, dst, blob: Blob::new(image.as_bytes()) };
        };
        scratch.clear();
        scratch.u64(u64::from(slot.0));
        scratch.raw(key);
        scratch.raw(image.as_bytes());
        Self { src, dst, blob: Blob::new(scratch.as_slice()) }
    }

    /// In a multigraph slot and encoded key, and the image.
    fn parts(&self, kind: GraphKind) -> (Option<(EdgeOrd, &[u8])>, Image<'_>) {
        let bytes = self.blob.as_slice();
        if !kind.multigraph {
            return (None, Image::trusted(bytes));
        }
        let mut decoder = Decoder::new(bytes);
        let slot = EdgeOrd(decoder.u32("a slot").unwrap_or_default());
        let rest = decoder.rest();
        let (key, image) = rest.split_at_checked(id_len(rest)).unwrap_or((rest, &[]));
        (Some((slot, key)), Image::trusted(image))
    }

    /// The pair of ends, one way round for both directions if the graph is undirected.
    fn pair(&self, kind: GraphKind) -> (NodeOrd, NodeOrd) {
        pair(kind, self.src, self.dst)
    }
}

impl ItemRow {
    fn new(key: NameOrd, entry: Option<&[u8]>, value: &[u8], scratch: &mut Encoder) -> Self {
        scratch.clear();
        scratch.u8(u8::from(entry.is_some()));
        scratch.raw(entry.unwrap_or_default());
        scratch.raw(value);
        Self { key, blob: Blob::new(scratch.as_slice()) }
    }

    /// The encoded entry, if it is one of a map, and the encoded value.
    fn parts(&self) -> (Option<&[u8]>, &[u8]) {
        match self.blob.as_slice().split_first() {
            Some((0, value)) => (None, value),
            Some((_, rest)) => {
                let (entry, value) = rest.split_at_checked(id_len(rest)).unwrap_or((rest, &[]));
                (Some(entry), value)
            }
            None => (None, &[]),
        }
    }
}

fn pair(kind: GraphKind, src: NodeOrd, dst: NodeOrd) -> (NodeOrd, NodeOrd) {
    if kind.directed || src <= dst { (src, dst) } else { (dst, src) }
}

/// How many bytes the encoded id at the front takes.
fn id_len(bytes: &[u8]) -> usize {
    let mut decoder = Decoder::new(bytes);
    match decoder.u8("an id's tag") {
        Ok(0) => drop(decoder.u64("an id")),
        _ => drop(decoder.bytes(usize::MAX, "an id")),
    }
    decoder.position()
}

fn encoded(id: IdRef<'_>) -> Encoder {
    let mut encoder = Encoder::new();
    id.encode(&mut encoder);
    encoder
}

impl Graph {
    /// An empty graph.
    pub fn new(kind: GraphKind) -> Self {
        Self {
            kind,
            names: Names::default(),
            nodes: Table::default(),
            edges: Table::default(),
            items: Table::default(),
            attrs: Blob::new(EMPTY_IMAGE.as_bytes()),
            counts: Counts::default(),
            sums: None,
            facts: Facts::new(),
            scratch: Encoder::new(),
            index: None,
            incident: None,
            journal: None,
        }
    }

    /// Whether it is directed, and a multigraph.
    pub fn kind(&self) -> GraphKind {
        self.kind
    }

    /// How many nodes, edges and items are alive.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The next birth number of each kind.
    pub fn ordinals(&self) -> Ordinals {
        Ordinals {
            node: NodeOrd(self.nodes.next()),
            edge: EdgeOrd(self.edges.next()),
            name: NameOrd(self.names.len()),
            item: ItemOrd(self.items.next()),
        }
    }

    /// The nodes, in order of birth.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView<'_>> {
        self.nodes.iter().map(|(ord, row)| NodeView::new(self, NodeOrd(ord), row))
    }

    /// The edges, in order of birth.
    pub fn edges(&self) -> impl Iterator<Item = EdgeView<'_>> {
        self.edges.iter().map(|(ord, row)| EdgeView::new(self, EdgeOrd(ord), row))
    }

    /// The values and entries of collector state, in order of birth.
    pub fn items(&self) -> impl Iterator<Item = ItemView<'_>> {
        self.items.iter().map(|(_, row)| ItemView::new(self, row))
    }

    /// The attributes of the graph itself.
    pub fn attrs(&self) -> AttrsView<'_> {
        AttrsView::new(self, Image::trusted(self.attrs.as_slice()))
    }

    /// The node with a birth number, if it is alive.
    pub fn node_at(&self, ord: NodeOrd) -> Option<NodeView<'_>> {
        self.nodes.get(ord.0).map(|row| NodeView::new(self, ord, row))
    }

    /// The edge with a birth number, if it is alive.
    pub fn edge_at(&self, ord: EdgeOrd) -> Option<EdgeView<'_>> {
        self.edges.get(ord.0).map(|row| EdgeView::new(self, ord, row))
    }

    /// The node with an id. Builds the index of ids if this graph has none yet.
    pub fn node(&mut self, id: &Id) -> Option<NodeView<'_>> {
        self.index_mut();
        let ord = self.find_node(encoded(id.as_ref()).as_slice())?;
        self.node_at(ord)
    }

    /// The birth number of the node with an id. Builds the index of ids if this graph has none yet.
    pub fn node_ord(&mut self, id: IdRef<'_>) -> Option<NodeOrd> {
        self.index_mut();
        self.find_node(encoded(id).as_slice())
    }

    /// The edge between two nodes that are there, by their birth numbers; in a multigraph the one with `key`, or the newest.
    /// Builds the index of ids if this graph has none yet.
    pub fn edge_between(
        &mut self,
        src: NodeOrd,
        dst: NodeOrd,
        key: Option<IdRef<'_>>,
    ) -> Option<EdgeView<'_>> {
        self.index_mut();
        let ord = self.known_edge_between(src, dst, key.map(encoded).as_ref().map(Encoder::as_slice))?;
        self.edge_at(ord)
    }

    /// The edge between two nodes; in a multigraph the one with `key`, or the newest. Builds the index of ids if this graph
    /// has none yet.
    pub fn edge(&mut self, src: &Id, dst: &Id, key: Option<&Id>) -> Option<EdgeView<'_>> {
        self.index_mut();
        let ord = self.known_edge(src, dst, key).ok()?;
        self.edge_at(ord)
    }

    /// The value of collector state with a key, or that of an entry of the map with that key. Builds the index if
    /// this graph has none yet.
    pub fn state(&mut self, key: &str, entry: Option<&Id>) -> Option<ItemView<'_>> {
        self.index_mut();
        let name = self.names.find(key)?;
        let entry = entry.map(|entry| encoded(entry.as_ref()));
        let ord = self.find_item(name, entry.as_ref().map(Encoder::as_slice))?;
        self.items.get(ord.0).map(|row| ItemView::new(self, row))
    }

    /// Keeps the sums up to date from now on, or stops doing so. Starting costs one pass over the graph.
    pub fn track_fingerprint(&mut self, on: bool) {
        self.sums = on.then(|| self.fingerprint());
    }

    /// What the graph sums to: the running sums if they are kept, else computed anew.
    pub fn fingerprint(&self) -> Fingerprint {
        self.sums.unwrap_or_else(|| self.compute_fingerprint())
    }
}
