//! `snaplog init`.

use std::path::PathBuf;

use snaplog::{GraphKind, Log};

use super::Context;
#[cfg(feature = "encryption")]
use super::encrypt::ForWhom;
use super::failure::Failure;
#[cfg(feature = "encryption")]
use super::failure::{Exit, Report};
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
  6  an identity was given, and no recipient

Examples:
  snaplog init crawl --undirected
  snaplog init crawl --encrypt --recipient age1…")]
#[cfg_attr(
    feature = "encryption",
    expect(clippy::struct_excessive_bools, reason = "flags of a command line")
)]
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

    /// Seal all that is written: ids, attributes, labels. Needs --recipient or --passphrase
    #[arg(long)]
    #[cfg(feature = "encryption")]
    encrypt: bool,

    #[command(flatten)]
    #[cfg(feature = "encryption")]
    whom: ForWhom,
}

/// Makes a log.
pub(super) fn run(args: InitArgs, context: &Context) -> Result<(), Failure> {
    let dir = args.path.as_deref().map_or_else(|| context.local_dir(), Ok)?;
    let kind = GraphKind { directed: args.directed || !args.undirected, multigraph: args.multigraph };
    #[cfg(feature = "encryption")]
    let log = if args.encrypt {
        if args.whom.is_empty() {
            let report = Report::new(Exit::Usage, "usage", "--encrypt needs --recipient or --passphrase");
            return Err(report
                .hint("`snaplog key new FILE` makes an identity and prints its recipient")
                .into());
        }
        let recipients = super::identity::recipients(&args.whom.recipient, args.whom.passphrase)?;
        Log::init_encrypted(dir, kind, recipients)?
    } else if args.whom.is_empty() {
        super::identity::may_be_plain(dir, context)?;
        Log::init(dir, kind)?
    } else {
        return Err(Failure::usage("--recipient and --passphrase are for --encrypt"));
    };
    #[cfg(not(feature = "encryption"))]
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
            encrypted: log.is_encrypted(),
        });
    }
    let sealed = if log.is_encrypted() { ", encrypted," } else { "" };
    context.out.say(&format!("made a log of {}{sealed} in {path}", name(kind)));
    #[cfg(feature = "encryption")]
    if log.is_encrypted() {
        args.whom.warn(context);
    }
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
