//! `snaplog diff`.

use std::fmt::Write as _;

use snaplog::Selector;
use snaplog::upkeep::diff::{Counted, Name, Named, Point, Report as Diff, report};

use super::Context;
use super::failure::Failure;
use super::output::{escaped, number};

/// Show what changed from one marker to another
///
/// Entities are the same if their ids are: a node that was removed and put again is there in both. It needs memory for both
/// graphs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  done, whether anything changed or not
  2  the command line cannot be used
  3  no such marker, or no log there
  4  files of the log are damaged

Examples:
  snaplog -d crawl diff latest~1
  snaplog -d crawl diff '1 day ago' latest --entities
  snaplog -d crawl diff m3 m12 --json --entities")]
pub(super) struct DiffArgs {
    /// From where: a marker, in the words of `restore --to`
    #[arg(value_name = "FROM")]
    from: String,

    /// To where
    #[arg(value_name = "TO", default_value = "latest")]
    to: String,

    /// Name what changed, one entity a line, instead of counting it alone
    #[arg(long)]
    entities: bool,
}

/// Shows the difference.
pub(super) fn run(args: DiffArgs, context: &Context) -> Result<(), Failure> {
    let log = context.open_log()?;
    let reader = context.reader_of(&log)?;
    let (now, zone) = (log.environment().now(), reader.config().time_zone);
    let from = Selector::parse(&args.from, now, zone)?;
    let to = Selector::parse(&args.to, now, zone)?;
    let found = report(&reader, &from, &to, args.entities)?;
    if context.json {
        return context.document(&found);
    }
    context.out.data(&escaped(&text(&found)))
}

fn text(found: &Diff) -> String {
    let mut text = String::new();
    for named in found.entities.iter().flatten() {
        let _ = writeln!(text, "{}", line(named));
    }
    let _ = writeln!(text, "from   {}", point(&found.from));
    let _ = writeln!(text, "to     {}", point(&found.to));
    for (what, counted) in [("nodes", found.nodes), ("edges", found.edges), ("state", found.state)] {
        let Counted { added, removed, changed } = counted;
        let (added, removed, changed) = (number(added), number(removed), number(changed));
        let _ = writeln!(text, "{what}  +{added} -{removed} ~{changed}");
    }
    if !found.graph.is_empty() {
        let _ = writeln!(text, "graph  ~ {}", found.graph.join(", "));
    }
    text
}

fn point(point: &Point) -> String {
    let seq = || format!("seq:{}", point.seq);
    let name = point.marker.clone().unwrap_or_else(seq);
    format!("{name}, {}: {} nodes, {} edges", point.time, number(point.nodes), number(point.edges))
}

/// `+ edge "a" "b"`, `~ node 12: name, tags`.
fn line(named: &Named) -> String {
    let sign = match named.change {
        "added" => '+',
        "removed" => '-',
        _ => '~',
    };
    let parts: Vec<String> = (named.id.iter())
        .map(|part| match part {
            Name::Int(n) => n.to_string(),
            Name::Str(text) => format!("{text:?}"),
        })
        .collect();
    let attrs = if named.attrs.is_empty() { String::new() } else { format!(": {}", named.attrs.join(", ")) };
    format!("{sign} {} {}{attrs}", named.kind, parts.join(" "))
}
