//! `snaplog completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Context;
use super::args::Arguments;
use super::failure::Failure;

/// Print a shell's completions
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  done
  2  the command line cannot be used

Examples:
  snaplog completions bash > ~/.local/share/bash-completion/completions/snaplog
  snaplog completions fish > ~/.config/fish/completions/snaplog.fish
  snaplog completions zsh > \"${fpath[1]}/_snaplog\"")]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints completions.
pub(super) fn run(args: CompletionsArgs, context: &Context) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "snaplog", &mut script);
    context.out.data(&String::from_utf8_lossy(&script))
}
