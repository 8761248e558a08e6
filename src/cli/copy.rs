//! `snaplog copy`.

use std::path::PathBuf;

use snaplog::upkeep::copy::{Copied, copy};

use super::Context;
use super::failure::{Exit, Failure, Report};
use super::files;
use super::json::CopyDocument;
use super::output::{number, size};

/// Make a consistent copy of the log, beside a running crawler too
///
/// What is durable when it begins is in the copy, and nothing half written; `cp -r` beside a live writer gives no such
/// thing. The copy is the same log: it has the same id and the same markers, and can be restored, verified and written
/// like the first one. Append to one of the two only.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  the copy is there, and durable
  1  DEST is not empty, or could not be written
  2  the command line cannot be used
  3  no log there
  4  files of the log are missing or damaged

Example:
  snaplog -d crawl copy /backup/crawl")]
pub(super) struct CopyArgs {
    /// The directory to make; it is empty or does not exist yet
    #[arg(value_name = "DEST")]
    dest: PathBuf,
}

/// Copies the log.
pub(super) fn run(args: CopyArgs, context: &Context) -> Result<(), Failure> {
    let log = context.open_local()?;
    let dest = args.dest.display().to_string();
    if files::is_inside(&args.dest, &context.dir) {
        let report = Report::new(Exit::Failed, "inside-log", format!("{dest} is in the log that is copied"));
        return Err(report.path(dest).hint("choose a target outside of the log's directory").into());
    }
    let Copied { files, bytes, last_seq, markers } = copy(&log, &args.dest)?;
    if context.json {
        return context.out.json(&CopyDocument { files, bytes, last_seq: last_seq.0, markers, output: dest });
    }
    context.out.say(&format!(
        "copied {} files, {}, to {dest}: {} events, {} markers",
        number(files),
        size(bytes),
        number(last_seq.0),
        number(markers)
    ));
    Ok(())
}
