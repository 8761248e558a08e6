//! Remote copies: the way from an address to a log, and from what goes wrong with it to an exit status.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use snaplog::Log;
use snaplog::policy::remote::{Address, Remotes};
use snaplog::remote::{self, Bucket, Following, Standing};

use super::Context;
use super::failure::{Exit, Failure, Report};

/// The address that stands where a directory may stand; `None` if it is a directory.
pub(super) fn address(dir: &Path) -> Option<&str> {
    dir.to_str().filter(|text| Address::is_meant(text))
}

/// The store at an address.
#[cfg(feature = "remote")]
pub(super) fn bucket(url: &str) -> Result<Arc<dyn Bucket>, Failure> {
    Ok(Arc::new(remote::ObjectBucket::open(url)?))
}

/// The store at an address, which this build does not reach.
#[cfg(not(feature = "remote"))]
pub(super) fn bucket(url: &str) -> Result<Arc<dyn Bucket>, Failure> {
    let message = format!("{url} cannot be reached: this snaplog was built without the feature `remote`");
    Err(Report::new(Exit::Failed, "remote", message).into())
}

/// The same, slowed down to so many bytes a second.
pub(super) fn paced(bucket: Arc<dyn Bucket>, limit: Option<u64>) -> Arc<dyn Bucket> {
    match limit {
        Some(limit) => Arc::new(remote::Paced::new(bucket, limit)),
        None => bucket,
    }
}

/// That a command works on directories alone.
pub(super) fn only_read(url: &str) -> Failure {
    let report = Report::new(Exit::Usage, "usage", format!("{url} is a remote copy, which is only read"));
    report
        .path(url)
        .hint(format!("`snaplog clone {url} DIR` makes a log of it that can be written to"))
        .into()
}

/// How long a command that is done waits for its last push.
pub(super) const LAST_PUSH: Duration = Duration::from_secs(30);

/// Remote copies that follow a command which writes.
pub(super) struct Followed(Option<Following>);

/// Lets remote copies follow, if snaplog.toml wants them to. One that cannot be is told, and is no reason not to write.
pub(super) fn follow(log: &Log, context: &Context) -> Result<Followed, Failure> {
    let Remotes { urls, follow, limit, .. } = log.config()?.remote;
    let Some(every) = follow else { return Ok(Followed(None)) };
    let mut buckets = Vec::new();
    for url in &urls {
        match bucket(url) {
            Ok(bucket) => buckets.push(paced(bucket, limit)),
            Err(Failure::Untold(report)) => context.out.warn(&report.message),
            Err(Failure::Told(_)) => {}
        }
    }
    Ok(Followed((!buckets.is_empty()).then(|| Following::start(log, buckets, every))))
}

impl Followed {
    /// The last push, of all that is durable. What does not come of it is told.
    pub(super) fn finish(self, context: &Context) {
        let Some(following) = self.0 else { return };
        for Standing { remote, error, .. } in following.finish(LAST_PUSH) {
            if let Some(error) = error {
                behind(&remote, &error, context);
            }
        }
    }
}

/// Tells that a remote copy is behind.
pub(super) fn behind(remote: &str, error: &remote::Error, context: &Context) {
    let mut text = format!("{remote} is behind: {error}");
    if let Some(cause) = std::error::Error::source(error) {
        text = format!("{text}: {cause}");
    }
    let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    context.out.warn(&format!("{text}{hint}"));
}

impl From<remote::Error> for Failure {
    fn from(error: remote::Error) -> Self {
        let exit = match &error {
            remote::Error::Log(error) => return Self::of(error),
            remote::Error::Address { .. } => Exit::Usage,
            remote::Error::NoLog { .. } => Exit::NotFound,
            error if error.is_damage() => Exit::Damage,
            _ => Exit::Failed,
        };
        let mut report = Report::new(exit, error.kind(), error.to_string());
        if let Some(source) = std::error::Error::source(&error) {
            report = report.caused_by(source);
        }
        report.path = error.location().map(str::to_owned);
        report.hint = error.hint();
        report.into()
    }
}
