//! `snaplog demo`.

mod crawl;
mod look;
mod show;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use snaplog::{Error, GraphKind, Log, MarkOptions, Writer};

use super::Context;
use super::failure::{Exit, Failure};
use super::interrupt;
use super::output::number;
use super::progress::Progress;
use crawl::Crawl;
use look::Tree;
use show::{Done, command};

/// Where the log goes unless --dir says otherwise.
const DEFAULT_LOG: &str = "snaplog-demo";
/// The label of the marker at the end.
const COMPLETE: &str = "complete";
const KIND: GraphKind = GraphKind { directed: true, multigraph: false };

/// Crawl a directory tree into a log, and show what can be done with it
///
/// A real collector, breadth first. Nodes are files and directories, by their path from PATH, with kind, size, mode and
/// mtime; edges lead from a directory to what it contains, from a symbolic link to its target, and from a hard link to
/// the file's first name. The directories that still wait are kept in the log: stop or kill it at any time, and the same
/// command goes on where it was. At the end it lists the markers, verifies all of them, and restores the newest
/// milestone as JSON for NetworkX, beside the log.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The log is ./snaplog-demo unless --dir names one. Remove it to crawl anew.

Exit status:
  0    the tree is in the log, and every marker was verified
  1    PATH cannot be read, or the log holds something else
  4    files of the log are damaged
  5    another writer holds the log
  130  interrupted; the same command goes on

Example:
  snaplog demo /usr/share")]
pub(super) struct DemoArgs {
    /// The directory to crawl
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,
}

/// Crawls and shows.
pub(super) fn run(args: DemoArgs, context: &Context) -> Result<(), Failure> {
    let started = Instant::now();
    let mut tree = Tree::new(&args.path)?;
    let dir = if context.dir_is_given { context.local_dir()? } else { Path::new(DEFAULT_LOG) }.to_owned();
    let log = open_or_init(&dir)?;
    tree.leave_out(&dir);
    let writer = log.writer()?;
    let followed = super::remote::follow(&log, context)?;
    // A marker that a power cut takes is crawled again: so it need not be synced by itself.
    writer.set_sync_markers(false)?;
    let mut crawl = Crawl::new(&tree, &writer)?;
    let is_new = crawl.waiting() > 0;
    announce(&crawl, &tree, &dir, context);
    let finished = crawl_on(&mut crawl, &writer, context)?;
    let (crawled, status) = (crawl.crawled, writer.status()?);
    writer.close()?;
    followed.finish(context);
    let seconds = started.elapsed().as_secs_f64();
    if !finished {
        context.out.say(&format!(
            "interrupted: what was crawled is durable, the other directories wait; go on with\n  {}",
            command(&dir, &format!("demo {}", super::list::quoted(&args.path.display().to_string())))
        ));
        return Err(Failure::Told(Exit::Interrupted));
    }
    let done = Done { root: tree.root, dir, crawled, counts: status.counts, is_new, seconds };
    done.show(&log, context)
}

/// Opens the log, or makes it. A directory in which something else stands is left alone.
fn open_or_init(dir: &Path) -> Result<Log, Failure> {
    match Log::open(dir) {
        Err(Error::NotALog { .. }) => Ok(Log::init(dir, KIND)?),
        opened => {
            let log = opened?;
            if log.kind() != KIND {
                return Err(show::wrong_kind(&log));
            }
            Ok(log)
        }
    }
}

fn announce(crawl: &Crawl<'_>, tree: &Tree, dir: &Path, context: &Context) {
    let (root, dir) = (tree.root.display(), dir.display());
    let text = match (crawl.is_resumed, crawl.waiting()) {
        (false, _) => format!(
            "crawling {root} into the log {dir}: every file and directory becomes a node\n\
             stop it, kill it: the same command goes on where it was"
        ),
        (true, 0) => {
            let directories = u64::try_from(crawl.crawled.directories).unwrap_or_default();
            format!(
                "the crawl of {root} is complete ({} directories): nothing left to do. \
                 Remove {dir} to crawl anew",
                number(directories)
            )
        }
        (true, 1) => format!("resuming the crawl of {root}: 1 directory waits"),
        (true, waiting) => format!(
            "resuming the crawl of {root}: {} directories wait",
            number(u64::try_from(waiting).unwrap_or_default())
        ),
    };
    context.out.say(&text);
}

/// Crawls until nothing waits, or until it is stopped: then false.
fn crawl_on(crawl: &mut Crawl<'_>, writer: &Writer, context: &Context) -> Result<bool, Failure> {
    let stop = interrupt::watch();
    let mut progress = Progress::new(context, None);
    while crawl.step()? {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let status = writer.status()?;
        progress.update(0, || {
            let whole = |n: i64| number(u64::try_from(n).unwrap_or_default());
            let marker =
                status.last_marker.map(|marker| format!(", last marker {}", marker.id)).unwrap_or_default();
            format!(
                "{} directories read, {} wait: {} nodes, {} edges{marker}",
                whole(crawl.crawled.directories),
                number(u64::try_from(crawl.waiting()).unwrap_or_default()),
                number(status.counts.nodes),
                number(status.counts.edges)
            )
        });
    }
    // So that the whole tree can be restored by name. A second run finds it placed.
    writer.mark(&MarkOptions::labelled(COMPLETE))?;
    Ok(true)
}
