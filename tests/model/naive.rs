//! A graph written from NetworkX's semantics and nothing else: dictionaries as vectors of pairs, in the order of
//! insertion, and the methods as networkx/classes/{graph,digraph,multigraph,multidigraph}.py have them.

use snaplog::model::event::{self, Event};
use snaplog::model::id::Id;
use snaplog::model::marker::GraphKind;

use crate::picture::{Adjacency, Attrs, Parallel, Picture, show};

/// Why an event is refused: the name of the variant of `Refusal`.
pub(crate) type Refused = &'static str;

/// `_adj[u][v]`: the place in `dicts` of the dictionary that both directions share.
type Neighbours = Vec<(Id, usize)>;

#[derive(Debug, Clone)]
pub(crate) struct Naive {
    kind: GraphKind,
    graph: Attrs,
    nodes: Vec<(Id, Attrs)>,
    /// `_adj` or `_succ`.
    succ: Vec<(Id, Neighbours)>,
    /// `_pred`, in directed graphs.
    pred: Vec<(Id, Neighbours)>,
    /// Dictionaries by key; in simple graphs of one entry without a key.
    dicts: Vec<Parallel>,
    state: Vec<(String, Option<Id>, String)>,
    high_water: usize,
    names: Vec<String>,
    node_births: usize,
    edge_births: usize,
    item_births: usize,
}

fn position<K: PartialEq, V>(dict: &[(K, V)], key: &K) -> Option<usize> {
    dict.iter().position(|(k, _)| k == key)
}

/// `dict[key]`.
fn get<'d, V>(dict: &'d mut [(Id, V)], key: &Id) -> Option<&'d mut V> {
    dict.iter_mut().find(|(k, _)| k == key).map(|(_, v)| v)
}

/// `del dict[key]`.
fn del<K: PartialEq, V>(dict: &mut Vec<(K, V)>, key: &K) {
    let at = position(dict, key).expect("KeyError");
    dict.remove(at);
}

/// `dict.update(new)`; whether anything is different now.
fn update(dict: &mut Attrs, new: &Attrs) -> bool {
    let before = dict.clone();
    for (name, value) in new {
        match dict.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => old.clone_from(value),
            None => dict.push((name.clone(), value.clone())),
        }
    }
    *dict != before
}

/// `for name in names: dict.pop(name, None)`.
fn unset(dict: &mut Attrs, names: &[String]) -> bool {
    let before = dict.len();
    dict.retain(|(name, _)| !names.contains(name));
    dict.len() != before
}

impl Naive {
    pub(crate) fn new(kind: GraphKind) -> Self {
        Self {
            kind,
            graph: vec![],
            nodes: vec![],
            succ: vec![],
            pred: vec![],
            dicts: vec![],
            state: vec![],
            high_water: 0,
            names: vec![],
            node_births: 0,
            edge_births: 0,
            item_births: 0,
        }
    }

    /// Does what the event says and tells whether anything is different now.
    pub(crate) fn take(&mut self, event: &Event) -> Result<bool, Refused> {
        match event {
            Event::PutNode { id, attrs } => {
                let attrs = self.shown(attrs);
                Ok(self.add_node(id, &attrs))
            }
            Event::PutEdge { src, dst, key, attrs } => {
                if key.is_some() && !self.kind.multigraph {
                    return Err("KeyInSimpleGraph");
                }
                let attrs = self.shown(attrs);
                Ok(self.add_edge(src, dst, key.clone(), &attrs))
            }
            Event::DeleteNode { id } => self.remove_node(id).map(|()| true),
            Event::DeleteEdge { src, dst, key } => self.remove_edge(src, dst, key.as_ref()).map(|()| true),
            Event::UnsetNode { id, names } => {
                get(&mut self.nodes, id).map(|attrs| unset(attrs, names)).ok_or("NoSuchNode")
            }
            Event::UnsetEdge { src, dst, key, names } => {
                if self.kind.multigraph && key.is_none() {
                    return Err("KeyNeeded");
                }
                if key.is_some() && !self.kind.multigraph {
                    return Err("KeyInSimpleGraph");
                }
                let dict = self.dict(src, dst).ok_or("NoSuchEdge")?;
                let at = position(&self.dicts[dict], key).ok_or("NoSuchEdge")?;
                Ok(unset(&mut self.dicts[dict][at].1, names))
            }
            Event::PutGraph { attrs } => {
                let attrs = self.shown(attrs);
                Ok(update(&mut self.graph, &attrs))
            }
            Event::UnsetGraph { names } => Ok(unset(&mut self.graph, names)),
            Event::PutState { key, value } => self.put_state(key, None, show(value)),
            Event::PutEntry { key, entry, value } => self.put_state(key, Some(entry), show(value)),
            Event::DeleteState { key } => self.delete_state(key, None),
            Event::DeleteEntry { key, entry } => self.delete_state(key, Some(entry)),
            _ => panic!("an event that the naive model does not know"),
        }
    }

    fn name(&mut self, name: &str) {
        if !self.names.iter().any(|n| n == name) {
            self.names.push(name.to_owned());
        }
    }

    fn shown(&mut self, attrs: &event::Attrs) -> Attrs {
        attrs
            .iter()
            .map(|(name, value)| {
                self.name(name);
                (name.clone(), show(value))
            })
            .collect()
    }

    fn add_node(&mut self, id: &Id, attrs: &Attrs) -> bool {
        if let Some(old) = get(&mut self.nodes, id) {
            return update(old, attrs);
        }
        let mut own = vec![];
        update(&mut own, attrs);
        self.nodes.push((id.clone(), own));
        self.succ.push((id.clone(), vec![]));
        self.pred.push((id.clone(), vec![]));
        self.node_births += 1;
        self.high_water = self.high_water.max(self.nodes.len());
        true
    }

    /// `self._adj[u][v]`.
    fn dict(&self, u: &Id, v: &Id) -> Option<usize> {
        let (_, neighbours) = &self.succ[position(&self.succ, u)?];
        Some(neighbours[position(neighbours, v)?].1)
    }

    fn add_edge(&mut self, u: &Id, v: &Id, key: Option<Id>, attrs: &Attrs) -> bool {
        self.add_node(u, &vec![]);
        self.add_node(v, &vec![]);
        let key =
            if self.kind.multigraph { Some(key.unwrap_or_else(|| self.new_edge_key(u, v))) } else { None };
        let dict = self.dict(u, v).unwrap_or_else(|| {
            self.dicts.push(vec![]);
            let dict = self.dicts.len() - 1;
            get(&mut self.succ, u).unwrap().push((v.clone(), dict));
            if self.kind.directed {
                get(&mut self.pred, v).unwrap().push((u.clone(), dict));
            } else if u != v {
                get(&mut self.succ, v).unwrap().push((u.clone(), dict));
            }
            dict
        });
        let keydict = &mut self.dicts[dict];
        if let Some(at) = position(keydict, &key) {
            return update(&mut keydict[at].1, attrs);
        }
        let mut own = vec![];
        update(&mut own, attrs);
        keydict.push((key, own));
        self.edge_births += 1;
        true
    }

    fn new_edge_key(&self, u: &Id, v: &Id) -> Id {
        let Some(dict) = self.dict(u, v) else { return Id::Int(0) };
        let keydict = &self.dicts[dict];
        let mut key = i64::try_from(keydict.len()).unwrap();
        while position(keydict, &Some(Id::Int(key))).is_some() {
            key += 1;
        }
        Id::Int(key)
    }

    fn remove_node(&mut self, n: &Id) -> Result<(), Refused> {
        let at = position(&self.nodes, n).ok_or("NoSuchNode")?;
        self.nodes.remove(at);
        let (_, successors) = self.succ.remove(at);
        let (_, predecessors) = self.pred.remove(at);
        // A loop's other entry went with the node's own dictionaries.
        for (u, _) in successors.iter().filter(|(u, _)| u != n) {
            let other = if self.kind.directed { &mut self.pred } else { &mut self.succ };
            del(get(other, u).unwrap(), n);
        }
        for (u, _) in predecessors.iter().filter(|(u, _)| u != n) {
            del(get(&mut self.succ, u).unwrap(), n);
        }
        Ok(())
    }

    fn remove_edge(&mut self, u: &Id, v: &Id, key: Option<&Id>) -> Result<(), Refused> {
        if key.is_some() && !self.kind.multigraph {
            return Err("KeyInSimpleGraph");
        }
        let dict = self.dict(u, v).ok_or("NoSuchEdge")?;
        let keydict = &mut self.dicts[dict];
        if key.is_none() {
            keydict.pop();
        } else {
            let at = position(keydict, &key.cloned()).ok_or("NoSuchEdge")?;
            keydict.remove(at);
        }
        if keydict.is_empty() {
            del(get(&mut self.succ, u).unwrap(), v);
            if self.kind.directed {
                del(get(&mut self.pred, v).unwrap(), u);
            } else if u != v {
                del(get(&mut self.succ, v).unwrap(), u);
            }
        }
        Ok(())
    }

    /// A key holds a value or entries, never both.
    fn state_kind(&self, key: &str, entry: Option<&Id>) -> Result<(), Refused> {
        let clash = |(k, e, _): &(String, Option<Id>, String)| k == key && e.is_some() != entry.is_some();
        if self.state.iter().any(clash) { Err("StateKind") } else { Ok(()) }
    }

    fn put_state(&mut self, key: &str, entry: Option<&Id>, value: String) -> Result<bool, Refused> {
        self.state_kind(key, entry)?;
        self.name(key);
        match self.state.iter_mut().find(|(k, e, _)| k == key && e.as_ref() == entry) {
            Some((_, _, old)) if *old == value => Ok(false),
            Some((_, _, old)) => {
                *old = value;
                Ok(true)
            }
            None => {
                self.state.push((key.to_owned(), entry.cloned(), value));
                self.item_births += 1;
                Ok(true)
            }
        }
    }

    fn delete_state(&mut self, key: &str, entry: Option<&Id>) -> Result<bool, Refused> {
        self.state_kind(key, entry)?;
        let before = self.state.len();
        self.state.retain(|(k, e, _)| !(k == key && e.as_ref() == entry));
        Ok(self.state.len() != before)
    }

    fn ordered(&self, attrs: &Attrs) -> Attrs {
        let mut attrs = attrs.clone();
        attrs.sort_by_key(|(name, _)| self.names.iter().position(|n| n == name));
        attrs
    }

    fn adjacency(&self, from: &[(Id, Neighbours)]) -> Adjacency {
        let parallel = |dict: usize| {
            self.dicts[dict].iter().map(|(key, attrs)| (key.clone(), self.ordered(attrs))).collect()
        };
        from.iter()
            .map(|(u, list)| (u.clone(), list.iter().map(|(v, dict)| (v.clone(), parallel(*dict))).collect()))
            .collect()
    }

    fn edge_count(&self) -> usize {
        let mut dicts: Vec<_> =
            self.succ.iter().flat_map(|(_, list)| list.iter().map(|(_, dict)| *dict)).collect();
        dicts.sort_unstable();
        dicts.dedup();
        dicts.into_iter().map(|dict| self.dicts[dict].len()).sum()
    }

    pub(crate) fn picture(&self) -> Picture {
        Picture {
            nodes: self.nodes.iter().map(|(id, attrs)| (id.clone(), self.ordered(attrs))).collect(),
            adjacency: self.adjacency(&self.succ),
            predecessors: if self.kind.directed { self.adjacency(&self.pred) } else { vec![] },
            graph: self.ordered(&self.graph),
            state: self.state.clone(),
            counts: [self.nodes.len(), self.edge_count(), self.state.len(), self.high_water]
                .map(|n| u64::try_from(n).unwrap()),
            births: [self.node_births, self.edge_births, self.names.len(), self.item_births],
        }
    }
}
