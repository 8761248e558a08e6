//! The command line of snaplog.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
