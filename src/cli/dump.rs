//! `snaplog dump`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use snaplog::exchange::dump::{Line, dump};

use super::failure::Failure;
use super::output::escaped;
use super::{Context, identity};

/// Show what a file of the log says, frame by frame and record by record
///
/// FILE is CURRENT, manifest-<n> or events-<n>, in the log's directory or with a path of its own. Damaged places are told
/// and stepped over; the rest of the log need not be there. In an event segment, entities and names are given by ordinal,
/// as they are stored.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  dumped, damaged places included
  1  the file cannot be read
  2  the command line cannot be used
  4  the file's header is damaged

Examples:
  snaplog -d crawl dump events-000001 | less
  snaplog dump crawl/CURRENT --json")]
pub(super) struct DumpArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
struct LineDocument<'a> {
    r#type: &'a str,
    offset: u64,
    #[serde(flatten)]
    fields: &'a serde_json::Value,
}

/// Dumps a file.
pub(super) fn run(args: DumpArgs, context: &Context) -> Result<(), Failure> {
    let name = args.file.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| Failure::usage(format!("{} is not the name of a file", args.file.display())))?;
    let dir = match args.file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => context.local_dir()?,
    };
    let mut outcome = Ok(());
    dump(identity::storage(dir, context, true)?.as_ref(), name, &mut |line| {
        outcome = print(&line, context);
        outcome.is_ok()
    })?;
    outcome
}

fn print(line: &Line, context: &Context) -> Result<(), Failure> {
    if context.json {
        return context.out.json(&LineDocument {
            r#type: &line.kind,
            offset: line.offset,
            fields: &line.fields,
        });
    }
    let indent = "  ".repeat(usize::from(line.depth));
    let mut text = format!("{:>10}  {indent}{}", line.offset, line.kind);
    for (key, value) in line.fields.as_object().into_iter().flatten() {
        let _ = write!(text, "  {key}={value}");
    }
    context.out.data(&format!("{}\n", escaped(&text)))
}
