//! `snaplog init`.

use std::path::PathBuf;

use snaplog::{GraphKind, Log};

use super::Context;
use super::failure::Failure;
use super::json::InitDocument;

/// Make a log in a directory that is empty or does not exist yet
///
/// The log starts with an empty graph and a commented snaplog.toml: tiers, retention, compression, durability. Whether
/// the graph is directed, and whether it may have parallel edges, is fixed from then on.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  the log is there, and durable
  1  the directory is a log already, or is not empty
  2  the command line cannot be used

Example:
  snaplog init crawl --undirected")]
pub(super) struct InitArgs {
    /// Where; instead of --dir
    #[arg(value_name = "DIR")]
    path: Option<PathBuf>,

    /// The graph is directed: (a, b) and (b, a) are two edges. This is the default
    #[arg(long)]
    directed: bool,

    /// The graph is undirected: (a, b) and (b, a) are the same edge
    #[arg(long, conflicts_with = "directed")]
    undirected: bool,

    /// Two nodes may have several edges, told apart by keys
    #[arg(long)]
    multigraph: bool,
}

/// Makes a log.
pub(super) fn run(args: InitArgs, context: &Context) -> Result<(), Failure> {
    let dir = args.path.as_deref().map_or_else(|| context.local_dir(), Ok)?;
    let kind = GraphKind { directed: args.directed || !args.undirected, multigraph: args.multigraph };
    let log = Log::init(dir, kind)?;
    let (path, config) = (dir.display().to_string(), dir.join("snaplog.toml").display().to_string());
    if context.json {
        let GraphKind { directed, multigraph } = kind;
        return context.out.json(&InitDocument {
            log_id: log.id().to_string(),
            path,
            config,
            directed,
            multigraph,
        });
    }
    context.out.say(&format!("made a log of {} in {path}", name(kind)));
    context.out.say(&format!("  {config} says when markers are placed and what is kept"));
    context.out.say(&format!("  next: snaplog -d {} ingest events.ndjson", super::list::quoted(&path)));
    Ok(())
}

/// A kind of graph, in words.
pub(super) fn name(kind: GraphKind) -> &'static str {
    match (kind.directed, kind.multigraph) {
        (true, false) => "a directed graph",
        (false, false) => "an undirected graph",
        (true, true) => "a directed multigraph",
        (false, true) => "an undirected multigraph",
    }
}
