//! The command line as clap understands it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::failure::Failure;
use super::{
    Context, clone, compact, completions, copy, demo, diff, drill, dump, ingest, init, list, man, mark, pin,
    prune, pull, push, restore, salvage, stats, undelete, verify,
};
#[cfg(feature = "encryption")]
use super::{encrypt, key};

/// An event-sourced, append-only log for graph crawlers: markers instead of copies, verified restore
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    long_about = LONG_ABOUT,
    after_help = "See `snaplog help <command>` for each of them, with examples.",
    after_long_help = AFTER,
    infer_long_args = true,
    disable_help_subcommand = false,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

const LONG_ABOUT: &str = "\
snaplog keeps the graph that a crawler collects, and all of its history, in one directory: the log. The crawler \
appends events to it. A backup is a marker: a restorable point that costs a few hundred bytes, however large the \
graph. `restore` rebuilds the graph and the collector's state at any marker, and proves by the marker's \
fingerprint that they are what they were.";

const AFTER: &str = "\
Data goes to standard output, everything else to standard error. Flags count before environment variables, these \
before the log's snaplog.toml.

Exit status:
  0  done
  1  failed
  2  the command line cannot be used
  3  no such marker, or no log there
  4  damage was found
  5  another writer holds the log
  6  the log is encrypted, and what was given does not open it

Examples:
  snaplog init crawl
  snaplog -d crawl ingest events.ndjson
  snaplog -d crawl list
  snaplog -d crawl restore --to latest -o graph.ndjson
  snaplog -d crawl push s3://crawls/freesound
  snaplog -d s3://crawls/freesound restore --to latest -o graph.ndjson";

/// What goes with every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Global {
    /// The log's directory, or a remote copy of it [default: .]
    ///
    /// list, stats, restore, diff, verify and drill take s3://BUCKET/PREFIX, gs://…, az://… or file:///DIRECTORY too, and
    /// fetch only what they need of it.
    #[arg(short, long, global = true, value_name = "DIR", env = "SNAPLOG_DIR")]
    #[arg(hide_env_values = true)]
    pub(super) dir: Option<PathBuf>,

    /// The file with the identity that opens an encrypted log
    ///
    /// Else SNAPLOG_IDENTITY names it, or SNAPLOG_IDENTITY_COMMAND prints it, or SNAPLOG_PASSPHRASE_COMMAND prints a passphrase.
    #[arg(long, global = true, value_name = "FILE")]
    #[cfg(feature = "encryption")]
    pub(super) identity: Option<PathBuf>,

    /// Report as JSON: documents on standard output, errors on standard error
    ///
    /// docs/json.md describes the documents. Fields are only ever added.
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// When to use colour
    ///
    /// `auto` is on terminals, unless NO_COLOR is set.
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorArg::Auto)]
    #[arg(hide_possible_values = false)]
    pub(super) color: ColorArg,

    /// Say nothing but data and errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,

    /// Draw no progress bars
    #[arg(long, global = true)]
    pub(super) no_progress: bool,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorArg {
    Auto,
    Always,
    Never,
}

impl ColorArg {
    pub(super) fn for_help(self) -> clap::ColorChoice {
        match self {
            Self::Auto => clap::ColorChoice::Auto,
            Self::Always => clap::ColorChoice::Always,
            Self::Never => clap::ColorChoice::Never,
        }
    }

    pub(super) fn for_streams(self) -> anstream::ColorChoice {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
    }
}

/// The commands, in the order of a log's life.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Init(init::InitArgs),
    Ingest(ingest::IngestArgs),
    List(list::ListArgs),
    Stats(stats::StatsArgs),
    Mark(mark::MarkArgs),
    Pin(pin::PinArgs),
    Unpin(pin::UnpinArgs),
    Restore(restore::RestoreArgs),
    Diff(diff::DiffArgs),
    Demo(demo::DemoArgs),
    Verify(verify::VerifyArgs),
    Drill(drill::DrillArgs),
    Prune(prune::PruneArgs),
    Undelete(undelete::UndeleteArgs),
    Compact(compact::CompactArgs),
    Copy(copy::CopyArgs),
    #[cfg(feature = "encryption")]
    Encrypt(encrypt::EncryptArgs),
    #[cfg(feature = "encryption")]
    Key(key::KeyArgs),
    Push(push::PushArgs),
    Pull(pull::PullArgs),
    Clone(clone::CloneArgs),
    Salvage(salvage::SalvageArgs),
    Dump(dump::DumpArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs a command.
pub(super) fn dispatch(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Init(args) => init::run(args, context),
        Command::Ingest(args) => ingest::run(args, context),
        Command::List(args) => list::run(args, context),
        Command::Stats(args) => stats::run(args, context),
        Command::Mark(args) => mark::run(args, context),
        Command::Pin(args) => pin::run(args, context),
        Command::Unpin(args) => pin::run_unpin(args, context),
        Command::Restore(args) => restore::run(args, context),
        Command::Diff(args) => diff::run(args, context),
        Command::Demo(args) => demo::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Drill(args) => drill::run(args, context),
        Command::Prune(args) => prune::run(args, context),
        Command::Undelete(args) => undelete::run(args, context),
        Command::Compact(args) => compact::run(args, context),
        Command::Copy(args) => copy::run(args, context),
        #[cfg(feature = "encryption")]
        Command::Encrypt(args) => encrypt::run(args, context),
        #[cfg(feature = "encryption")]
        Command::Key(args) => key::run(args, context),
        Command::Push(args) => push::run(args, context),
        Command::Pull(args) => pull::run(args, context),
        Command::Clone(args) => clone::run(args, context),
        Command::Salvage(args) => salvage::run(args, context),
        Command::Dump(args) => dump::run(args, context),
        Command::Completions(args) => completions::run(args, context),
        Command::Man(args) => man::run(args, context),
    }
}
