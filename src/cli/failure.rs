//! What a command ends with when it does not end well: an exit status, and what is said about it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::process::ExitCode;

use snaplog::Error;
use snaplog::format::Fault;
use snaplog::policy::selector::{LabelError, SelectorError};

/// Exit statuses. They are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// The command line cannot be used.
    Usage,
    /// No such marker, or no log.
    NotFound,
    /// Damage was found.
    Damage,
    /// Another writer holds the log.
    Locked,
    /// The log is encrypted, and what was given does not open it.
    Key,
    /// The user stopped it: what a shell says of a command that Ctrl-C ended.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Damage => 4,
            Self::Locked => 5,
            Self::Key => 6,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The user knows already, or is gone: there is nothing to say.
    Told(Exit),
    /// It is to be told.
    Untold(Box<Report>),
}

/// What is told: a fact, its causes, a place, a way out.
#[derive(Debug)]
pub(crate) struct Report {
    /// The exit status.
    pub(crate) exit: Exit,
    /// A stable name for the kind of failure, for programs.
    pub(crate) kind: Cow<'static, str>,
    /// The fact.
    pub(crate) message: String,
    /// What led to it, the nearest cause first.
    pub(crate) causes: Vec<String>,
    /// The file that it is about.
    pub(crate) path: Option<String>,
    /// Where in the file, in bytes.
    pub(crate) offset: Option<u64>,
    /// Where in the file, in lines from 1.
    pub(crate) line: Option<u64>,
    /// What to do next.
    pub(crate) hint: Option<String>,
}

impl Report {
    pub(crate) fn new(exit: Exit, kind: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            exit,
            kind: kind.into(),
            message: message.into(),
            causes: Vec::new(),
            path: None,
            offset: None,
            line: None,
            hint: None,
        }
    }

    /// With the error's sources as causes.
    #[must_use]
    pub(crate) fn caused_by(mut self, error: &(dyn StdError + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            let text = cause.to_string();
            // A transparent wrapper says what its source says.
            if text != self.message && self.causes.last() != Some(&text) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// With a way out.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the file that it is about.
    #[must_use]
    pub(crate) fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self::Untold(Box::new(report))
    }
}

impl Failure {
    /// The command line is well formed and means nothing.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Report::new(Exit::Usage, "usage", message).into()
    }

    /// A file outside the log could not be read or written.
    pub(crate) fn io(action: &str, path: &str, error: &io::Error) -> Self {
        Report::new(Exit::Failed, "io", format!("cannot {action} {path}")).path(path).caused_by(error).into()
    }

    /// Standard output did not take what was printed. Whoever closed it has read enough: that is no failure.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Told(Exit::Done);
        }
        Self::io("write to", "standard output", error)
    }

    /// The failure that an error of the library is.
    pub(crate) fn of(error: &Error) -> Self {
        let mut report = Report::new(exit_of(error), error.kind(), error.to_string());
        if let Some(source) = error.source() {
            report = report.caused_by(source);
        }
        report.path = error.path().map(str::to_owned);
        report.offset = error.offset();
        report.line = line_of(error);
        report.hint = error.hint();
        report.into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}

impl From<SelectorError> for Failure {
    fn from(error: SelectorError) -> Self {
        Self::of(&Error::Selector(error))
    }
}

impl From<LabelError> for Failure {
    fn from(error: LabelError) -> Self {
        Report::new(Exit::Usage, "bad-marker", error.to_string()).into()
    }
}

fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Poisoned { cause } => exit_of(cause),
        // Only the first is about the command line as it was typed; the others depend on what is in the log.
        Error::Selector(SelectorError::BadSelector { .. }) | Error::BadMarker { .. } => Exit::Usage,
        Error::Selector(_) | Error::NoSuchSeq { .. } | Error::Folded { .. } | Error::NotALog { .. } => {
            Exit::NotFound
        }
        Error::Locked { .. } | Error::NoAnswer { .. } => Exit::Locked,
        Error::Damage { fault: Fault::NoKey { .. }, .. } => Exit::Key,
        error if error.is_damage() => Exit::Damage,
        Error::Key(_) => Exit::Key,
        _ => Exit::Failed,
    }
}

fn line_of(error: &Error) -> Option<u64> {
    match error {
        Error::Config { source, .. } => u64::try_from(source.line).ok(),
        Error::Poisoned { cause } => line_of(cause),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use snaplog::format::Fault;
    use snaplog::{MarkerId, Refusal, Seq};

    use super::*;

    fn report(error: &Error) -> Box<Report> {
        match Failure::of(error) {
            Failure::Untold(report) => report,
            Failure::Told(exit) => panic!("nothing is told: {exit:?}"),
        }
    }

    #[test]
    fn every_error_of_the_library_has_its_exit_status() {
        let path = || "crawl".to_owned();
        let owner = || "pid 7 on host".to_owned();
        let damage = |fault| Error::Damage { path: path(), offset: Some(96), fault };
        let selector = Error::Selector;
        let no_marker = SelectorError::NoSuchMarker { asked: "m9".into(), nearest: vec![], expired: None };
        let two =
            SelectorError::TwoMarkersWithLabel { label: "x".into(), ids: vec![MarkerId(1), MarkerId(2)] };
        let poisoned = |cause| Error::Poisoned { cause: Arc::new(cause) };
        for (error, exit) in [
            (
                Error::Io { action: "read", path: path(), source: io::ErrorKind::NotFound.into() },
                Exit::Failed,
            ),
            (Error::AlreadyALog { path: path() }, Exit::Failed),
            (Error::NotEmpty { path: path() }, Exit::Failed),
            (Error::ReadOnly { path: path(), mask: 1 }, Exit::Failed),
            (Error::Refused(Refusal::NoSuchNode { id: 1.into() }), Exit::Failed),
            (Error::Declined { message: "no".into() }, Exit::Failed),
            (Error::Closed, Exit::Failed),
            // A newer format is not damage.
            (damage(Fault::Version { major: 2, minor: 0 }), Exit::Failed),
            (Error::BadMarker { message: "no".into() }, Exit::Usage),
            (selector(SelectorError::BadSelector { text: "m".into(), hint: "h" }), Exit::Usage),
            (Error::NotALog { path: path() }, Exit::NotFound),
            (Error::NoSuchSeq { asked: Seq(9), last: Seq(3) }, Exit::NotFound),
            (Error::Folded { asked: Seq(9), kept_from: Seq(30) }, Exit::NotFound),
            (Error::Unreachable { path: path(), marker: MarkerId(7) }, Exit::Failed),
            (
                Error::NoRoom { path: path(), needed: 9, source: io::ErrorKind::StorageFull.into() },
                Exit::Failed,
            ),
            (selector(no_marker), Exit::NotFound),
            (selector(two), Exit::NotFound),
            (damage(Fault::Meaning { what: "w" }), Exit::Damage),
            (Error::Missing { path: path(), named_by: "CURRENT" }, Exit::Damage),
            (Error::NewerThanManifest { path: path(), last: Seq(2), end: Seq(1) }, Exit::Damage),
            (
                Error::Mismatch { marker: MarkerId(1), expected: Box::default(), found: Box::default() },
                Exit::Damage,
            ),
            (Error::Locked { path: path(), owner: owner() }, Exit::Locked),
            (Error::NoAnswer { path: path(), owner: owner(), seconds: 10 }, Exit::Locked),
            (poisoned(Error::Closed), Exit::Failed),
            (poisoned(damage(Fault::Meaning { what: "w" })), Exit::Damage),
        ] {
            let report = report(&error);
            assert_eq!(report.exit, exit, "{error}");
            assert_eq!(report.kind, error.kind());
        }
    }

    #[test]
    fn causes_are_told_once_each_and_the_place_is_kept() {
        let source = io::Error::other("the disk is gone");
        let cause = Error::Io { action: "sync", path: "crawl/events-000001".into(), source };
        let told = report(&Error::Poisoned { cause: Arc::new(cause) });
        assert_eq!(told.causes, ["cannot sync crawl/events-000001", "the disk is gone"]);
        assert_eq!(told.path.as_deref(), Some("crawl/events-000001"));
        assert!(told.hint.is_some());
        let fault = Fault::Meaning { what: "a segment ends before it begins" };
        let told = report(&Error::Damage { path: "crawl/CURRENT".into(), offset: Some(96), fault });
        assert_eq!((told.offset, told.causes.len()), (Some(96), 1));
    }

    #[test]
    fn a_reader_that_has_gone_away_is_no_failure() {
        let told = Failure::output(&io::ErrorKind::BrokenPipe.into());
        assert!(matches!(told, Failure::Told(Exit::Done)), "{told:?}");
        let told = Failure::output(&io::ErrorKind::StorageFull.into());
        assert!(matches!(&told, Failure::Untold(report) if report.exit == Exit::Failed), "{told:?}");
    }
}
