//! The command line: one file a command. It uses nothing that a user of the library has not.
//!
//! A command is a struct of arguments and `fn run(args, &Context) -> Result<(), Failure>`; [`args`] lists them all.

mod args;
mod clone;
mod compact;
mod completions;
mod copy;
mod demo;
mod diff;
mod drill;
mod dump;
#[cfg(feature = "encryption")]
mod encrypt;
mod failure;
mod files;
mod identity;
mod ingest;
mod init;
mod interrupt;
mod json;
#[cfg(feature = "encryption")]
mod key;
mod list;
mod man;
mod mark;
mod output;
mod path_text;
mod pin;
mod progress;
mod prune;
mod pull;
mod push;
mod remote;
mod restore;
mod salvage;
mod stats;
mod undelete;
mod verify;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches};
use snaplog::remote::RemoteLog;
use snaplog::{Log, Reader, SystemEnvironment};

use args::{Arguments, ColorArg};
use failure::Failure;
use output::Output;
use serde::Serialize;

/// How it is told how it goes, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A bar: it is a terminal.
    Bar,
    /// A line now and then.
    Lines,
    /// Not at all.
    Silent,
}

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// The log's directory.
    pub(crate) dir: PathBuf,
    /// Whether somebody named it, or it is the current directory for want of a name.
    pub(crate) dir_is_given: bool,
    /// The file with what opens an encrypted log, if one was named.
    #[cfg(feature = "encryption")]
    pub(crate) identity: Option<PathBuf>,
    /// Whether reports are JSON documents.
    pub(crate) json: bool,
    /// How it may be told how it goes.
    pub(crate) progress: Pace,
    /// The way to the user.
    pub(crate) out: Output,
    /// The remote copy that is read, if `dir` is the address of one.
    remote: OnceCell<RemoteLog>,
}

impl Context {
    /// Opens the log to read it, on this machine or in an object store.
    pub(crate) fn open_log(&self) -> Result<Log, Failure> {
        match self.remote()? {
            Some(remote) => identity::unlocked(remote.log(Arc::new(SystemEnvironment))?, self),
            None => identity::unlocked(Log::open(&self.dir)?, self),
        }
    }

    /// Opens the log for what cannot be done with a remote copy.
    pub(crate) fn open_local(&self) -> Result<Log, Failure> {
        identity::unlocked(Log::open(self.local_dir()?)?, self)
    }

    /// The log's directory, for what cannot be done with a remote copy.
    pub(crate) fn local_dir(&self) -> Result<&Path, Failure> {
        remote::address(&self.dir).map_or(Ok(&self.dir), |url| Err(remote::only_read(url)))
    }

    /// The remote copy, if the log is one.
    pub(crate) fn remote(&self) -> Result<Option<&RemoteLog>, Failure> {
        let Some(url) = remote::address(&self.dir) else { return Ok(None) };
        if let Some(open) = self.remote.get() {
            return Ok(Some(open));
        }
        let opened = identity::remote(remote::bucket(url)?, self)?;
        Ok(Some(self.remote.get_or_init(|| opened)))
    }

    /// Prints the document that a command which reads a log ends with.
    pub(crate) fn document(&self, document: &impl Serialize) -> Result<(), Failure> {
        match self.remote.get() {
            None => self.out.json(document),
            Some(remote) => self.out.json(&json::Fetched { document, fetched: remote.fetched() }),
        }
    }

    /// As [`Self::document`], where standard output carries other data.
    pub(crate) fn document_beside_data(&self, document: &impl Serialize) -> Result<(), Failure> {
        match self.remote.get() {
            None => self.out.json_beside_data(document),
            Some(remote) => self.out.json_beside_data(&json::Fetched { document, fetched: remote.fetched() }),
        }
    }

    /// Looks at a log. A snaplog.toml that cannot be used is no reason not to: it is told.
    pub(crate) fn reader_of(&self, log: &Log) -> Result<Reader, Failure> {
        let reader = log.reader()?;
        if let Some(fault) = reader.config_fault() {
            self.out.warn(&format!("{fault}; the defaults are used"));
            let mut cause = std::error::Error::source(fault);
            while let Some(source) = cause {
                self.out.warn(&format!("  because: {source}"));
                cause = source.source();
            }
        }
        Ok(reader)
    }
}

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let (color, json) = foresee(&words);
    let command = Arguments::command().color(color.for_help());
    let parsed = command.try_get_matches_from(words).and_then(|found| Arguments::from_arg_matches(&found));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return output::usage(&error, json, color.for_streams()).into(),
    };
    let Arguments { global, command } = arguments;
    let out = Output::new(global.color.for_streams(), global.quiet);
    let wanted = !global.quiet && !global.no_progress;
    let context = Context {
        #[cfg(feature = "encryption")]
        identity: global.identity,
        dir_is_given: global.dir.is_some(),
        dir: global.dir.unwrap_or_else(|| PathBuf::from(".")),
        json: global.json,
        progress: match (wanted, out.is_attended()) {
            (false, _) => Pace::Silent,
            (true, true) => Pace::Bar,
            (true, false) => Pace::Lines,
        },
        out,
        remote: OnceCell::new(),
    };
    let done = args::dispatch(command, &context);
    if let Some(remote) = context.remote.get().filter(|_| !context.json) {
        let fetched = output::size(remote.fetched());
        context.out.say(&format!("{fetched} fetched from {}", context.dir.display()));
    }
    match done {
        Ok(()) => failure::Exit::Done.into(),
        Err(failure) => context.out.failure(&failure, context.json).into(),
    }
}

/// What must be known before the command line is understood: errors and help follow it too.
fn foresee(words: &[OsString]) -> (ColorArg, bool) {
    let before_dashes = || words.iter().take_while(|word| *word != "--");
    let json = before_dashes().any(|word| word == "--json");
    let mut color = ColorArg::Auto;
    let mut previous = None;
    for word in before_dashes().filter_map(|word| word.to_str()) {
        let value = if previous == Some("--color") { Some(word) } else { word.strip_prefix("--color=") };
        match value {
            Some("always") => color = ColorArg::Always,
            Some("never") => color = ColorArg::Never,
            _ => {}
        }
        previous = Some(word);
    }
    (color, json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn colour_and_json_are_known_before_the_rest_is_understood() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(foresee(&words("snaplog --color never lst --json")), (ColorArg::Never, true));
        assert_eq!(foresee(&words("snaplog --color=always list")), (ColorArg::Always, false));
        assert_eq!(foresee(&words("snaplog list -- --json")), (ColorArg::Auto, false));
    }
}
