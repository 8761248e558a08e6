//! `snaplog push`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use snaplog::Log;
use snaplog::policy::units::parse_size;
use snaplog::remote::{Following, PruneReport, PushReport, Standing, prune, push};

use super::failure::{Exit, Failure, Report};
use super::json::PushDocument;
use super::output::{number, size};
use super::remote::{LAST_PUSH, behind, bucket, paced};
use super::{Context, interrupt};

/// How far behind a copy may be, if snaplog.toml does not say.
const EVERY: Duration = Duration::from_secs(1);
/// What a push may need that is no more the newest, if snaplog.toml does not say how long.
const GRACE: Duration = Duration::from_hours(7 * 24);
/// How often it is looked for errors to tell, and for Ctrl-C.
const LOOK: Duration = Duration::from_millis(100);

/// Bring remote copies up to date
///
/// Sends what is durable here and not there yet: pieces of segments, several at once, then a manifest that names them. Each
/// byte is checked first, so damage does not spread. No object is ever replaced: a push that dies leaves the remote copy as
/// it was, the next one goes on with what is there, and credentials that may list, get and create are enough. It runs beside
/// a crawler.
///
/// One directory pushes to one prefix. If two go on from the same remote copy, the second push is refused.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Credentials, region and endpoint come from the environment, as the vendors' own tools read them: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL; GOOGLE_APPLICATION_CREDENTIALS; AZURE_STORAGE_ACCOUNT_NAME,
AZURE_STORAGE_ACCOUNT_KEY.

Exit status:
  0  all remote copies are up to date
  1  a store cannot be reached or refuses, or somebody else has pushed there
  2  the command line cannot be used
  3  no log there
  4  files of the log are missing or damaged

Examples:
  snaplog -d crawl push s3://crawls/freesound
  snaplog -d crawl push file:///backup/crawl
  snaplog -d crawl push                       # to the [remote] urls of snaplog.toml
  snaplog -d crawl push --prune               # … and remove there what nothing needs any more
  snaplog -d crawl push --follow              # until Ctrl-C, beside a crawler")]
pub(super) struct PushArgs {
    /// Where to: s3://BUCKET/PREFIX, gs://…, az://…, file:///DIRECTORY [default: the [remote] urls of snaplog.toml]
    #[arg(value_name = "REMOTE")]
    remotes: Vec<String>,

    /// Go on until Ctrl-C: send what a running crawler makes durable, at most `[remote] follow` (or a second) behind it
    #[arg(long)]
    follow: bool,

    /// Then remove from the copies what no push within the grace period needs: `[remote.retention]`, or 7 days
    #[arg(long, conflicts_with = "follow")]
    prune: bool,

    /// Send at most so much a second, such as "2MB/s" [default: the `limit` under [remote] in snaplog.toml]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    limit: Option<u64>,
}

fn rate(text: &str) -> Result<u64, String> {
    let bytes = text.strip_suffix("/s").and_then(|text| parse_size(text.trim_end()));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| "give bytes a second: `500 KiB/s`, `2MB/s`".to_owned())
}

/// Pushes to each remote; one that fails does not keep the others from their push.
pub(super) fn run(args: PushArgs, context: &Context) -> Result<(), Failure> {
    let log = context.open_local()?;
    let config = log.config()?.remote;
    let remotes = if args.remotes.is_empty() { config.urls } else { args.remotes };
    let limit = args.limit.or(config.limit);
    let grace = config.grace.or_else(|| args.prune.then_some(GRACE));
    if remotes.is_empty() {
        let report = Report::new(Exit::Usage, "usage", "no remote copy is named");
        let hint =
            "name one, as in `snaplog push s3://bucket/prefix`, or list it under [remote] in snaplog.toml";
        return Err(report.hint(hint).into());
    }
    if args.follow {
        if context.json {
            return Err(Failure::usage("--follow goes on until it is stopped, and has no document to print"));
        }
        return follow(&log, &remotes, limit, context);
    }
    let (mut pushes, mut prunes, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for url in &remotes {
        let outcome = bucket(url).and_then(|bucket| {
            let bucket = paced(bucket, limit);
            Ok((push(&log, bucket.as_ref())?, bucket))
        });
        match outcome {
            Ok((report, bucket)) => {
                if !context.json {
                    context.out.say(&told(&report));
                }
                pushes.push(report);
                match grace.map(|grace| prune(&log, bucket.as_ref(), grace)) {
                    None => {}
                    Some(Ok(report)) => {
                        if !context.json && report.pushes_removed.saturating_add(report.parts_removed) > 0 {
                            context.out.say(&removed(&report));
                        }
                        prunes.push(report);
                    }
                    Some(Err(error)) => failed.push(error.into()),
                }
            }
            Err(failure) => failed.push(failure),
        }
    }
    if context.json {
        context.out.json(&PushDocument { pushes, prunes })?;
    }
    let Some(last) = failed.pop() else { return Ok(()) };
    for failure in &failed {
        context.out.failure(failure, context.json);
    }
    Err(last)
}

/// Keeps remote copies up until it is interrupted.
fn follow(log: &Log, remotes: &[String], limit: Option<u64>, context: &Context) -> Result<(), Failure> {
    let buckets = remotes.iter().map(|url| Ok(paced(bucket(url)?, limit)));
    let buckets = buckets.collect::<Result<Vec<_>, Failure>>()?;
    let every = log.config()?.remote.follow.unwrap_or(EVERY);
    let stop = interrupt::watch();
    let following = Following::start(log, buckets, every);
    context.out.say(&format!("following to {}; Ctrl-C ends it", remotes.join(", ")));
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
        for (remote, error) in following.take_errors() {
            behind(&remote, &error, context);
        }
    }
    let mut last = None;
    for Standing { remote, newest, error } in following.finish(LAST_PUSH) {
        match (error, newest) {
            (Some(error), _) => {
                behind(&remote, &error, context);
                last = Some(Failure::Told(Exit::Failed));
            }
            (None, Some(newest)) => {
                let told = (number(newest.last_seq), newest.number);
                context.out.say(&format!("{remote} has {} events (push {})", told.0, told.1));
            }
            (None, None) => {}
        }
    }
    last.map_or(Ok(()), Err)
}

fn removed(report: &PruneReport) -> String {
    let PruneReport { remote, pushes_removed, parts_removed, bytes_removed, .. } = report;
    format!(
        "removed from {remote}: {} pushes and {} parts that nothing needs any more, {}",
        number(*pushes_removed),
        number(*parts_removed),
        size(*bytes_removed)
    )
}

fn told(report: &PushReport) -> String {
    let PushReport { remote, number: push, last_seq, markers, parts_sent, bytes_sent, .. } = report;
    if report.up_to_date {
        return format!("{remote} is up to date: push {push}");
    }
    format!(
        "pushed to {remote}: {} in {} parts sent; there now: {} events, {} markers (push {push})",
        size(*bytes_sent),
        number(*parts_sent),
        number(*last_seq),
        number(*markers)
    )
}
