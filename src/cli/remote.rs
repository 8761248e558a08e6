//! Remote copies: the way from an address to a log, and from what goes wrong with it to an exit status.

use std::path::Path;
use std::sync::Arc;

use snaplog::policy::remote::Address;
use snaplog::remote::{self, Bucket};

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

/// That a command works on directories alone.
pub(super) fn only_read(url: &str) -> Failure {
    let report = Report::new(Exit::Usage, "usage", format!("{url} is a remote copy, which is only read"));
    report
        .path(url)
        .hint(format!("`snaplog clone {url} DIR` makes a log of it that can be written to"))
        .into()
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
