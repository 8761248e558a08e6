//! `snaplog man`.

use std::io;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_mangen::Man;

use super::args::Arguments;
use super::failure::{Exit, Failure, Report};
use super::{Context, files};

/// Print the manual page, or write all pages into a directory
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  done
  1  the pages cannot be written
  2  the command line cannot be used, or there is no such command

Examples:
  snaplog man restore | man -l -
  snaplog man --out ~/.local/share/man/man1")]
pub(super) struct ManArgs {
    /// The command whose page to print; without it that of snaplog itself
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    command: Option<String>,

    /// Write the pages of all commands here, and make the directory if it is not there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints or writes manual pages.
pub(super) fn run(args: ManArgs, context: &Context) -> Result<(), Failure> {
    let mut all = Arguments::command().disable_help_subcommand(true);
    if let Some(dir) = &args.out {
        files::create_dir(dir)?;
        let failed = |e: io::Error| Failure::io("write to", &dir.display().to_string(), &e);
        clap_mangen::generate_to(all, dir).map_err(failed)?;
        context.out.say(&format!("wrote the manual pages into {}", dir.display()));
        return Ok(());
    }
    all.build();
    let page = match &args.command {
        None => all,
        Some(name) => all.find_subcommand(name).cloned().ok_or_else(|| {
            let report = Report::new(Exit::Usage, "usage", format!("there is no command {name:?}"));
            Failure::from(report.hint("`snaplog help` shows the commands"))
        })?,
    };
    let mut text = Vec::new();
    Man::new(page).render(&mut text).map_err(|e| Failure::output(&e))?;
    context.out.data(&String::from_utf8_lossy(&text))
}
