//! `snaplog pull`.

use snaplog::remote::FetchReport;

use super::failure::{Exit, Failure, Report};
use super::output::{number, size};
use super::remote::bucket;
use super::{Context, identity};

/// Bring a directory up to what was pushed from elsewhere
///
/// For a directory that was cloned from the remote copy, or pushed to it, and has not gone on by itself since. What a
/// directory has of its own is never lost: then nothing is pulled.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  the directory is what was pushed last
  1  the store cannot be reached, or the directory has gone on by itself
  2  the command line cannot be used
  3  no log there
  4  the remote copy is damaged
  5  a writer holds the log

Example:
  snaplog -d mirror pull s3://crawls/freesound")]
pub(super) struct PullArgs {
    /// Where from [default: the first of the [remote] urls in snaplog.toml]
    #[arg(value_name = "REMOTE")]
    remote: Option<String>,
}

/// Pulls.
pub(super) fn run(args: PullArgs, context: &Context) -> Result<(), Failure> {
    let log = context.open_local()?;
    let named = match args.remote {
        Some(url) => Some(url),
        None => log.config()?.remote.urls.into_iter().next(),
    };
    let Some(url) = named else {
        let report = Report::new(Exit::Usage, "usage", "no remote copy is named");
        let hint =
            "name it, as in `snaplog pull s3://bucket/prefix`, or list it under [remote] in snaplog.toml";
        return Err(report.hint(hint).into());
    };
    let report = identity::pull(&log, bucket(&url)?.as_ref(), context)?;
    if context.json {
        return context.out.json(&report);
    }
    context.out.say(&if report.up_to_date {
        format!("nothing to pull: the directory is what {} holds", report.remote)
    } else {
        told("pulled from", &report)
    });
    Ok(())
}

/// What was fetched, in a sentence.
pub(super) fn told(verb: &str, report: &FetchReport) -> String {
    let FetchReport { remote, number: push, last_seq, markers, files_fetched, bytes_fetched, .. } = report;
    format!(
        "{verb} {remote}: {} in {} files fetched; here now: {} events, {} markers (push {push})",
        size(*bytes_fetched),
        number(*files_fetched),
        number(*last_seq),
        number(*markers)
    )
}
