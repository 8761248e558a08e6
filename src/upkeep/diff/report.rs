//! What is different between two points of a log, counted and named.

use serde::Serialize;

use super::{Change, Difference, diff};
use crate::log::{Reader, Restored, Result};
use crate::model::graph::Graph;
use crate::model::id::Id;
use crate::model::position::Seq;
use crate::policy::selector::Selector;

/// A point of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// The marker there, if it was asked for one.
    pub marker: Option<String>,
    /// The last event.
    pub seq: u64,
    /// The marker's time, or that of the event.
    pub time: String,
    /// Nodes that are alive there.
    pub nodes: u64,
    /// Edges.
    pub edges: u64,
}

/// How many entities of a kind are different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counted {
    /// They are there, and were not.
    pub added: u64,
    /// They were there, and are not.
    pub removed: u64,
    /// They have other attributes, or another value.
    pub changed: u64,
}

/// One entity that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// `node`, `edge` or `state`.
    pub kind: &'static str,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// A node's id; an edge's ends, and its key if there are parallel ones; a key of state, and the entry of the map.
    pub id: Vec<Name>,
    /// The attributes that are different, of a node or an edge that changed.
    pub attrs: Vec<String>,
}

/// A part of an entity's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Name {
    /// An integer.
    Int(i64),
    /// A string.
    Str(String),
}

impl From<Id> for Name {
    fn from(id: Id) -> Self {
        match id {
            Id::Int(n) => Self::Int(n),
            Id::Str(s) => Self::Str(s.into()),
        }
    }
}

/// What is different between two points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// From where.
    pub from: Point,
    /// To where.
    pub to: Point,
    /// Nodes.
    pub nodes: Counted,
    /// Edges.
    pub edges: Counted,
    /// Values of collector state and entries of its maps.
    pub state: Counted,
    /// Attributes of the graph itself that are different.
    pub graph: Vec<String>,
    /// Each entity, if that was asked for: what was removed first, then what was added or changed.
    pub entities: Option<Vec<Named>>,
}

/// Restores the log at two points and compares them. It needs memory for both graphs. `entities`: whether each one is named.
///
/// # Errors
/// As [`Reader::restore_marker`] and [`Reader::restore_seq`].
pub fn report(reader: &Reader, from: &Selector, to: &Selector, entities: bool) -> Result<Report> {
    let (from, mut old) = restored(reader, from)?;
    let (to, mut new) = restored(reader, to)?;
    let mut report = Report {
        from,
        to,
        nodes: Counted::default(),
        edges: Counted::default(),
        state: Counted::default(),
        graph: Vec::new(),
        entities: entities.then(Vec::new),
    };
    diff(&mut old, &mut new, &mut |difference| report.take(difference));
    Ok(report)
}

fn restored(reader: &Reader, selector: &Selector) -> Result<(Point, Graph)> {
    let (marker, restored): (_, Restored) = match selector {
        Selector::Seq(seq) => (None, reader.restore_seq(*seq)?),
        selector => {
            let marker = reader.select(selector, None)?.marker;
            (Some(marker), reader.restore_marker(marker)?)
        }
    };
    let (counts, Seq(seq)) = (restored.graph.counts(), restored.seq);
    let time = marker.map_or(restored.time, |marker| marker.time);
    let point = Point {
        marker: marker.map(|marker| marker.id.to_string()),
        seq,
        time: time.to_string(),
        nodes: counts.nodes,
        edges: counts.edges,
    };
    Ok((point, restored.graph))
}

impl Report {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        let none = Counted::default();
        self.nodes == none && self.edges == none && self.state == none && self.graph.is_empty()
    }

    fn take(&mut self, difference: Difference) {
        let (kind, counted, id, change) = match difference {
            Difference::Graph { attrs } => {
                self.graph = attrs;
                return;
            }
            Difference::Node { id, change } => ("node", &mut self.nodes, vec![id.into()], change),
            Difference::Edge { src, dst, key, change } => {
                let name = [Some(src), Some(dst), key].into_iter().flatten().map(Name::from).collect();
                ("edge", &mut self.edges, name, change)
            }
            Difference::State { key, entry, change } => {
                let name = [Some(Name::Str(key)), entry.map(Name::from)].into_iter().flatten().collect();
                ("state", &mut self.state, name, change)
            }
        };
        let (change, attrs, count) = match change {
            Change::Added => ("added", Vec::new(), &mut counted.added),
            Change::Removed => ("removed", Vec::new(), &mut counted.removed),
            Change::Changed { attrs } => ("changed", attrs, &mut counted.changed),
        };
        *count = count.saturating_add(1);
        if let Some(entities) = &mut self.entities {
            entities.push(Named { kind, change, id, attrs });
        }
    }
}
