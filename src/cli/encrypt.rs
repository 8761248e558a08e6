//! `snaplog encrypt`.

use std::path::PathBuf;

use snaplog::Log;
use snaplog::upkeep::copy::{Copied, encrypt};

use super::Context;
use super::failure::{Exit, Failure, Report};
use super::files;
use super::identity;
use super::json::CopyDocument;
use super::output::{number, size};

/// For whom an encrypted log is made.
#[derive(Debug, clap::Args)]
pub(super) struct ForWhom {
    /// Who can open it: an age recipient, as `snaplog key new` or age-keygen prints it; may be given several times
    #[arg(long, value_name = "AGE1…")]
    pub(super) recipient: Vec<String>,

    /// Whoever knows a passphrase can open it; it is asked for, or printed by the command in SNAPLOG_NEW_PASSPHRASE_COMMAND
    #[arg(long)]
    pub(super) passphrase: bool,
}

impl ForWhom {
    /// Whether it names nobody.
    pub(super) fn is_empty(&self) -> bool {
        self.recipient.is_empty() && !self.passphrase
    }

    /// What is told about a lost key.
    pub(super) fn warn(&self, context: &Context) {
        context.out.say(
            "  whoever has lost every identity of its recipients has lost the log: there is no other way in",
        );
        if self.recipient.len().saturating_add(usize::from(self.passphrase)) == 1 {
            context.out.say(
                "  there is one recipient: `snaplog key add` lets a second one in, whose identity is kept elsewhere",
            );
        }
    }
}

/// Make an encrypted log of this one
///
/// Its whole history, all markers and snaplog.toml, sealed, under the same log id: digests stay what they are. The log
/// itself stays as it is, and is not encrypted; remove it, and its copies, once you know that the new one opens.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  the new log is there, and durable
  1  DEST is not empty, or could not be written
  2  the command line cannot be used
  3  no log there
  4  files of the log are missing or damaged
  6  no such recipient

Examples:
  snaplog key new ~/.config/snaplog/identity
  snaplog -d crawl encrypt crawl.sealed --recipient age1…")]
pub(super) struct EncryptArgs {
    /// The directory to make; it is empty or does not exist yet
    #[arg(value_name = "DEST")]
    dest: PathBuf,

    #[command(flatten)]
    whom: ForWhom,
}

/// Encrypts the log.
pub(super) fn run(args: EncryptArgs, context: &Context) -> Result<(), Failure> {
    let log = Log::open(context.local_dir()?)?;
    let dest = args.dest.display().to_string();
    if log.is_encrypted() {
        let report =
            Report::new(Exit::Failed, "encrypted", format!("{} is encrypted already", log.location()));
        return Err(report
            .hint("`snaplog copy` copies it as it is; `snaplog key` changes who can open it")
            .into());
    }
    if files::is_inside(&args.dest, &context.dir) {
        let report =
            Report::new(Exit::Failed, "inside-log", format!("{dest} is in the log that is encrypted"));
        return Err(report.path(dest).hint("choose a target outside of the log's directory").into());
    }
    let recipients = identity::recipients(&args.whom.recipient, args.whom.passphrase)?;
    let Copied { files, bytes, last_seq, markers } = encrypt(&log, &args.dest, &recipients)?;
    if context.json {
        return context.out.json(&CopyDocument { files, bytes, last_seq: last_seq.0, markers, output: dest });
    }
    context.out.say(&format!(
        "encrypted {} files, {}, into {dest}: {} events, {} markers",
        number(files),
        size(bytes),
        number(last_seq.0),
        number(markers)
    ));
    args.whom.warn(context);
    Ok(())
}
