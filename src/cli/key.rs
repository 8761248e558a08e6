//! `snaplog key`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use snaplog::Log;
use snaplog::log::new_identity;

use super::encrypt::ForWhom;
use super::failure::{Exit, Failure, Report};
use super::json::{HolderDocument, KeyDocument, NewIdentityDocument};
use super::{Context, files, identity};

/// Say who can open an encrypted log
///
/// The log's key is wrapped, in the log's keys.json, for *recipients* (age's: `age1…`); whoever has the identity of one
/// opens the log. Identities come from SNAPLOG_IDENTITY (a file's path, or the identity itself), --identity FILE, the
/// command in SNAPLOG_IDENTITY_COMMAND; a passphrase from the command in SNAPLOG_PASSPHRASE_COMMAND, or it is asked for.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  done
  1  the file is there already, or could not be written
  2  the command line cannot be used
  3  no log there
  5  another writer holds the log
  6  the identity opens no such log

Examples:
  snaplog key new ~/.config/snaplog/identity
  snaplog -d crawl key add age1…
  snaplog -d crawl key list")]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    what: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make an identity in a new file, and print its recipient
    New {
        /// The file; nobody but you can read it
        file: PathBuf,
    },
    /// List who can open the log; no identity is needed
    List,
    /// Let more recipients open the log
    Add {
        /// An age recipient
        #[arg(value_name = "AGE1…")]
        recipient: Vec<String>,
        /// Whoever knows a passphrase
        #[arg(long)]
        passphrase: bool,
    },
    /// Take a recipient off the list, and seal what is written from now on with a new key
    ///
    /// What it can get hold of that was written before, it can go on reading; `compact --rekey --now` leaves nothing of that
    /// in the log, but copies elsewhere stay.
    Remove {
        /// As `key list` shows it
        #[arg(value_name = "AGE1…")]
        recipient: String,
    },
    /// Seal what is written from now on with a new key
    ///
    /// Older files are sealed with it as compaction rewrites them; `compact --rekey` rewrites all of them now.
    Rotate,
}

/// Does it.
pub(super) fn run(args: KeyArgs, context: &Context) -> Result<(), Failure> {
    match args.what {
        KeyCommand::New { file } => return new(&file, context),
        KeyCommand::List => {}
        KeyCommand::Add { recipient, passphrase } => {
            let whom = ForWhom { recipient, passphrase };
            if whom.is_empty() {
                return Err(Failure::usage("name a recipient, or give --passphrase"));
            }
            let log = context.open_local()?;
            let recipients = identity::recipients(&whom.recipient, whom.passphrase)?;
            log.add_recipients(recipients)?;
        }
        KeyCommand::Remove { recipient } => drop(context.open_local()?.remove_recipient(&recipient)?),
        KeyCommand::Rotate => drop(context.open_local()?.rotate()?),
    }
    list(context)
}

fn list(context: &Context) -> Result<(), Failure> {
    let holders = Log::open(context.local_dir()?)?.holders()?;
    if context.json {
        let recipients = holders
            .into_iter()
            .map(|one| HolderDocument { recipient: one.recipient, passphrase: one.passphrase })
            .collect();
        return context.out.json(&KeyDocument { recipients });
    }
    let mut text = String::new();
    for one in holders {
        text.push_str(&one.recipient);
        text.push_str(if one.passphrase { "  by passphrase\n" } else { "\n" });
    }
    context.out.data(&super::output::escaped(&text))
}

fn new(file: &Path, context: &Context) -> Result<(), Failure> {
    let path = file.display().to_string();
    let (secret, recipient) = new_identity();
    files::create_private(file, secret.as_bytes()).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => {
            let report = Report::new(Exit::Failed, "exists", format!("{path} is there already"));
            report.path(path.clone()).hint("an identity is never overwritten: choose another file").into()
        }
        _ => Failure::io("create", &path, &e),
    })?;
    if context.json {
        return context.out.json(&NewIdentityDocument { recipient, file: path });
    }
    context.out.say(&format!("the identity is in {path}: keep a copy of it where the log is not"));
    context.out.data(&format!("{recipient}\n"))
}
