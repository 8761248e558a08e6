//! NetworkX's node-link JSON, as `node_link_data(G, edges="edges")` writes it and `node_link_graph` reads it;
//! the older name `links` for `edges` is read too.
//!
//! Collector state travels in the graph's attributes, where NetworkX keeps it untouched: `graph.snaplog_state` is
//! an object with a value for each key, and the list `graph.snaplog_state_maps` names those of its keys that are
//! maps with entries of their own. Such a map is an object if its entries are all strings, else a list of
//! `[entry, value]` pairs. `graph.snaplog` tells where a document came from; reading passes over it.
//!
//! Where an attribute has a name that the format needs for itself (`id` of nodes; `source`, `target` and in
//! multigraphs `key` of edges; the three `snaplog` names of graphs) the format wins, as with NetworkX: the
//! attribute is left out. The writers count what they leave out.

mod keys;
mod path;
mod read;
mod state;
mod write;

#[cfg(test)]
mod tests;

pub use read::{NodeLinkError, NodeLinkItem, ReadError, Summary, read};
pub use write::{StateGroup, Written, write_edge, write_graph, write_graph_to, write_header, write_node};

/// The graph attribute that holds collector state.
pub const STATE_KEY: &str = "snaplog_state";
/// The graph attribute that names the maps among collector state.
pub const STATE_MAPS_KEY: &str = "snaplog_state_maps";
/// The graph attribute that tells where the document came from.
pub const ABOUT_KEY: &str = "snaplog";
