//! `snaplog clone`.

use std::path::PathBuf;

use snaplog::storage::LocalStorage;

use super::failure::Failure;
use super::pull::told;
use super::remote::bucket;
use super::{Context, identity};

/// Make a log of a remote copy
///
/// The directory has all that was pushed: history, markers, snaplog.toml, and the log's id. Each piece is compared with its
/// digest. It can be restored from, written to, and pushed back as long as no other directory does. If a clone dies, the
/// same command goes on with what is there. To restore, no clone is needed: `snaplog -d REMOTE restore`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  the log is there, and durable
  1  the store cannot be reached, or DIR is not empty
  2  the command line cannot be used
  3  nothing was ever pushed there
  4  the remote copy is damaged
  6  the copy is encrypted, and what was given does not open it

Example:
  snaplog clone s3://crawls/freesound crawl")]
pub(super) struct CloneArgs {
    /// Where from: s3://BUCKET/PREFIX, gs://…, az://…, file:///DIRECTORY
    #[arg(value_name = "REMOTE")]
    remote: String,

    /// The directory to make; it is empty or does not exist yet
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Clones.
pub(super) fn run(args: CloneArgs, context: &Context) -> Result<(), Failure> {
    let dest = LocalStorage::new(&args.dir);
    let report = identity::clone(bucket(&args.remote)?.as_ref(), &dest, context)?;
    if context.json {
        return context.out.json(&report);
    }
    context.out.say(&told("cloned", &report));
    Ok(())
}
